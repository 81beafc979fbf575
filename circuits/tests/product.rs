//! The product circuit accepts what the plain relation accepts, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use halo2_proofs::dev::MockProver;
use halo2_proofs::halo2curves::ff::Field;
use pogo_circuits::chips::poseidon::convert;
use pogo_circuits::circuit::{Gridded, Sheet, instances};
use pogo_circuits::grid::{Cell, Grid, Origin};
use pogo_circuits::keys::Keys;
use pogo_circuits::proof::prove;
use pogo_circuits::round::Claim;
use pogo_circuits::srs::Srs;
use pogo_circuits::step::{StepCircuit, StepShape};
use pogo_circuits::testing::products::{RECORDS, STEP, Step, step};
use pogo_circuits::testing::reading::ark;
use pogo_circuits::testing::{Checker, Constraint};
use pogo_protocol::cell::{CellOpening, Depths};
use pogo_protocol::fixed::{WORD_MAX, WORD_MIN};
use pogo_protocol::leaf::{bytes_leaf, tag, words_leaf};
use pogo_protocol::merkle::{Tree, hash_pairs, root_of};
use pogo_protocol::opening::Roots;
use pogo_protocol::poseidon;
use pogo_protocol::product::{Orientation, ProductCell, ProductOpening, TILE, TILE_HEIGHT, Tile};
use pogo_protocol::record::steps_root;
use pogo_protocol::statement::{CircuitKind, Statement};
use pogo_verifier::description::Description;
use pogo_verifier::plonk::{Error, verify};
use rayon::prelude::*;

const DEPTHS: Depths = Depths { tree: 2, steps: 2, trace: 13 };

fn shape(orientation: Orientation) -> StepShape {
    StepShape { k: 15, circuit: CircuitKind::Product(orientation), cells: 1, depths: DEPTHS }
}

/// Roots that a statement claims.
fn roots(statement: &Statement) -> Roots {
    Claim::new(statement).roots
}

/// One cell of the first slab and one of a later one, of every orientation.
fn cells() -> Vec<ProductCell> {
    let cell = |orientation, tensor, row, column, slab| ProductCell { orientation, tensor, row, column, slab };
    vec![
        cell(Orientation::Forward, 0, 1, 1, 0),
        cell(Orientation::Forward, 0, 0, 1, 2),
        cell(Orientation::Gradient, 0, 1, 2, 0),
        cell(Orientation::Gradient, 1, 0, 1, 1),
        cell(Orientation::Backward, 1, 1, 1, 0),
    ]
}

fn circuit(step: &Step, cell: ProductCell) -> StepCircuit {
    step.circuit(DEPTHS, step.open(cell), step.steps_root)
}

#[test]
fn true_cells_satisfy_every_constraint() {
    let step = step(DEPTHS);
    for cell in cells() {
        let opening = step.open(cell);
        let statement = step.statement(&opening, step.steps_root);
        assert_eq!(opening.check(&roots(&statement), DEPTHS), Ok(()), "{cell:?}");
        assert_eq!(cell.tiles(&step.layout), Some(opening.sample().tiles), "{cell:?}");
        let circuit = circuit(&step, cell);
        let grid = circuit.grid();
        assert_eq!(instances(&grid).into_iter().map(ark).collect::<Vec<_>>(), statement.instances());
        let mock = MockProver::run(15, &Sheet::new(&circuit), vec![instances(&grid)]).expect("the circuit fits");
        mock.assert_satisfied();
    }
}

/// The opening with what `lie` makes of it, committed to by a miner who knows no shame: the tree over
/// the altered tiles, and the statement that goes with it.
fn committed(step: &Step, cell: ProductCell, lie: impl FnOnce(&mut ProductOpening)) -> (ProductOpening, Statement) {
    let mut opening = step.open(cell);
    lie(&mut opening);
    let mut leaves: Vec<Fr> = (0..step.layout.position_count()).map(|position| step.tree.leaf(position)).collect();
    let place = |number: usize| number * TILE..(number + 1) * TILE;
    for tile in [&opening.left, &opening.right] {
        leaves[place(tile.number)].iter_mut().zip(&tile.rows).for_each(|(leaf, row)| *leaf = bytes_leaf(row));
    }
    for tile in opening.before.iter().chain([&opening.after]) {
        let rows = tile.rows.iter().map(|row| words_leaf(row).expect("words"));
        leaves[place(tile.number)].iter_mut().zip(rows).for_each(|(leaf, row)| *leaf = row);
    }
    let tree = Tree::new(DEPTHS.trace, leaves, hash_pairs);
    let path = |number: usize| tree.path(number * TILE).split_off(TILE_HEIGHT);
    opening.left.path = path(opening.left.number);
    opening.right.path = path(opening.right.number);
    opening.after.path = path(opening.after.number);
    if let Some(before) = &mut opening.before {
        before.path = path(before.number);
    }
    let trace = step.layout.root(tree.root(), step.element);
    let [loss, used, next] = opening.record.rest;
    let rest = poseidon::sponge(Fr::from(tag::REST), &[trace, loss, used, next]);
    let record = poseidon::hash(Fr::from(tag::RECORD), opening.record.pair, rest);
    let root = root_of(record, STEP as usize + 1, &opening.record.path);
    let statement = step.statement(&opening, steps_root(root, RECORDS));
    (opening, statement)
}

#[test]
fn the_circuit_is_satisfied_exactly_when_the_plain_relation_accepts() {
    let (step, checker) = (step(DEPTHS), Checker::of::<StepCircuit>());
    type Lie = fn(&mut ProductOpening);
    let lies: [(&str, Lie); 9] = [
        ("none", |_| {}),
        ("last word after", |opening| opening.after.rows[63][63] += 1),
        ("two words after that cancel", |opening| {
            opening.after.rows[3][8] += 1;
            opening.after.rows[3][9] -= 1;
        }),
        ("left byte", |opening| opening.left.rows[1][2] = if opening.left.rows[1][2] == 5 { 6 } else { 5 }),
        ("right byte", |opening| opening.right.rows[2][1] = if opening.right.rows[2][1] == 5 { 6 } else { 5 }),
        ("word before", |opening| {
            if let Some(before) = &mut opening.before {
                before.rows[0][0] += 1;
            } else {
                opening.after.rows[0][0] -= 1;
            }
        }),
        ("both words moved alike", |opening| {
            if let Some(before) = &mut opening.before {
                before.rows[7][7] += 1000;
                opening.after.rows[7][7] += 1000;
            }
        }),
        // The tile before holds a word that the sum does not fit: it has a false cell of its own.
        ("a sum that carries", |opening| {
            let Some(before) = &mut opening.before else { return };
            let product = opening.after.rows[0][1] - before.rows[0][1];
            let (full, empty, carry) =
                if product < 0 { (WORD_MIN, WORD_MAX + 1, -1) } else { (WORD_MAX, WORD_MIN - 1, 1) };
            if product != 0 {
                before.rows[0][1] = full;
                opening.after.rows[0][1] = empty + product;
                opening.after.rows[0][2] += carry;
            }
        }),
        ("rows exchanged", |opening| opening.after.rows.swap(0, 1)),
    ];
    for cell in cells() {
        for (name, lie) in lies {
            let (opening, statement) = committed(&step, cell, lie);
            let accepted = opening.check(&roots(&statement), DEPTHS).is_ok();
            let circuit = step.circuit(DEPTHS, opening, statement.steps_root);
            let grid = circuit.grid();
            let broken = checker.broken(&grid, &instances(&grid));
            assert_eq!(broken.is_empty(), accepted, "{cell:?}, {name}: {broken:?}");
            let sums = Constraint::Copy("sum of products", "sum of elements");
            assert!(accepted || broken.iter().eq([&sums]), "{cell:?}, {name}: {broken:?}");
        }
    }
}

#[test]
fn tiles_of_other_places_and_another_record_are_refused() {
    let (step, checker) = (step(DEPTHS), Checker::of::<StepCircuit>());
    let cell = cells()[1];
    let honest = step.open(cell);
    let statement = step.statement(&honest, step.steps_root);
    let refused = |name: &str, opening: ProductOpening| {
        let other = opening.sample() != honest.sample();
        assert!(other || opening.check(&roots(&statement), DEPTHS).is_err(), "{name}");
        let circuit =
            StepCircuit::new(shape(cell.orientation), Claim::new(&statement), vec![CellOpening::Product(opening)]);
        // The circuit makes its samples of the opening: they are not those of the statement, or a
        // constraint is broken.
        let grid = circuit.grid();
        let expected: Vec<_> = statement.instances().into_iter().map(convert).collect();
        assert!(!checker.broken(&grid, &expected).is_empty(), "{name}");
    };
    refused(
        "left elsewhere",
        ProductOpening { left: Tile { number: honest.left.number ^ 1, ..honest.left.clone() }, ..honest.clone() },
    );
    refused(
        "right elsewhere",
        ProductOpening { right: Tile { number: honest.right.number ^ 2, ..honest.right.clone() }, ..honest.clone() },
    );
    refused(
        "after elsewhere",
        ProductOpening { after: Tile { number: honest.after.number ^ 1, ..honest.after.clone() }, ..honest.clone() },
    );
    let before = honest.before.clone().expect("a later slab");
    refused(
        "before elsewhere",
        ProductOpening { before: Some(Tile { number: before.number ^ 1, ..before }), ..honest.clone() },
    );
    refused("a later slab as the first", ProductOpening { before: None, ..honest.clone() });
    refused("another step", ProductOpening { step: STEP - 1, ..honest.clone() });
    let mut other = honest.clone();
    other.record.pair += Fr::from(1u64);
    refused("other roots", other);
    let mut other = honest.clone();
    other.record.rest[0] += Fr::from(1u64);
    refused("another loss", other);

    // What the circuit's shape does not even take, the plain relation refuses as well.
    let check = |opening: &ProductOpening| opening.check(&roots(&statement), DEPTHS);
    let mut wide = honest.clone();
    wide.left.rows.extend(honest.right.rows.clone());
    wide.left.path.remove(0);
    assert!(check(&wide).is_err(), "two tiles as one");
    let mut short = honest.clone();
    short.left.rows.truncate(32);
    assert!(check(&short).is_err(), "half a tile");
    let far = ProductOpening { step: STEP + (1 << DEPTHS.steps), ..honest.clone() };
    assert!(check(&far).is_err(), "a step beyond the tree");
}

/// Why the point must be the digest of the statement: who knows it beforehand forges.
#[test]
fn a_point_that_was_known_before_shows_nothing() {
    let (step, checker) = (step(DEPTHS), Checker::of::<StepCircuit>());
    let (opening, statement) = committed(&step, cells()[1], |opening| {
        opening.after.rows[0][0] += 2;
        opening.after.rows[0][8] -= 1;
    });
    assert!(opening.check(&roots(&statement), DEPTHS).is_err());
    let known = Claim { digest: [Fr::ZERO, Fr::from(2u64)], ..Claim::new(&statement) };
    let forged = StepCircuit::new(shape(Orientation::Forward), known, vec![CellOpening::Product(opening.clone())]);
    let forged = forged.grid();
    assert!(checker.broken(&forged, &instances(&forged)).is_empty());
    let honest = step.circuit(DEPTHS, opening, statement.steps_root).grid();
    assert!(!checker.broken(&honest, &instances(&honest)).is_empty());
}

/// Constraints that hold roots to each other: the adversary chooses the tree, so they do not count.
fn is_root(constraint: &Constraint) -> bool {
    matches!(constraint, Constraint::Copy("digest", _) | Constraint::Copy("sum of products", "difference"))
}

/// Cells of the hash chip, which the tests of the round circuit alter.
const HASHING: [&str; 10] = [
    "absorbed",
    "capacity",
    "digest",
    "entry",
    "exit",
    "full round",
    "partial rounds",
    "path bit",
    "path digest",
    "sponge state",
];

/// Every derived cell has one right value: another one, with all that follows from it, breaks a
/// constraint even for an adversary who commits to the outcome and mends the words of the result.
#[test]
fn no_derived_cell_can_be_altered() {
    let (step, checker) = (step(DEPTHS), Checker::of::<StepCircuit>());
    let mut alone = BTreeSet::new();
    for cell in [cells()[1], cells()[2]] {
        let circuit = circuit(&step, cell);
        let honest = circuit.grid();
        let mut classes: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (at, assignment) in honest.assignments.iter().enumerate() {
            classes.entry((assignment.origin, assignment.name, assignment.cell.column)).or_default().push(at);
        }
        let mend = honest.assignments.iter().enumerate().filter(|(_, assignment)| assignment.name == "packed words");
        let mend = mend.map(|(at, _)| at).nth(TILE * 8 - 1).expect("the first element of the result");
        let tampered: Vec<usize> = classes
            .iter()
            .filter(|((origin, name, _), _)| *origin != Origin::Input && !HASHING.contains(name))
            .flat_map(|(_, members)| [members[0], members[members.len() - 1]])
            .collect();
        let outcomes: Vec<(usize, BTreeSet<Constraint>)> = tampered
            .into_par_iter()
            .map(|at| {
                let change = (at, Field::ONE);
                let gap = |grid: &Grid| {
                    let named = |cell: &Cell| names(grid, *cell);
                    let sums = grid
                        .copies
                        .iter()
                        .find(|(l, r)| (named(l), named(r)) == ("sum of products", "sum of elements"));
                    let (sum, elements) = sums.expect("the two sides are compared");
                    grid.value(*sum) - grid.value(*elements)
                };
                let grid = circuit.tampered_grid(&[change]);
                let grid = circuit.tampered_grid(&[change, (mend, gap(&grid))]);
                let broken = checker.broken(&grid, &instances(&grid));
                (at, broken.into_iter().filter(|constraint| !is_root(constraint)).collect())
            })
            .collect();
        for (at, broken) in outcomes {
            assert!(!broken.is_empty(), "{cell:?}: {:?} may be altered", honest.assignments[at]);
            if broken.len() == 1 {
                alone.extend(broken);
            }
        }
    }
    // Each of the cell's own gates is what stands between some lie and a proof.
    let gates = ["direct", "transposed", "element", "multiply", "horner"];
    for gate in gates {
        assert!(alone.iter().any(|constraint| constraint.to_string().contains(gate)), "{gate}: {alone:?}");
    }
}

/// What the cell of a grid stands for.
fn names(grid: &Grid, cell: Cell) -> &'static str {
    grid.assignments.iter().find(|assignment| assignment.cell == cell).map_or("", |assignment| assignment.name)
}

#[test]
fn a_byte_of_minus_128_is_refused_by_its_range() {
    let (step, checker) = (step(DEPTHS), Checker::of::<StepCircuit>());
    let (opening, statement) = committed(&step, cells()[1], |opening| opening.left.rows[0][0] = -128);
    assert!(opening.check(&roots(&statement), DEPTHS).is_err());
    let grid = step.circuit(DEPTHS, opening, statement.steps_root).grid();
    assert!(checker.broken(&grid, &instances(&grid)).contains(&Constraint::Lookup("byte")));
}

#[test]
fn a_proof_of_a_true_cell_is_verified_and_only_for_its_claim() {
    let step = step(DEPTHS);
    let srs = Srs::development(15);
    let keys = Keys::of(&StepCircuit::blank(shape(Orientation::Gradient)), &srs).expect("the SRS fits");
    let description = Description::parse(&keys.description).expect("our own description");
    let circuit = circuit(&step, cells()[3]);
    let instances: Vec<Fr> = instances(&circuit.grid()).into_iter().map(ark).collect();
    let proof = prove(&srs, &keys, circuit).expect("the keys are of this circuit");
    println!("{} bytes, description {} bytes", proof.len(), keys.description.len());
    assert_eq!(verify(&description, &instances, &proof), Ok(()));
    for row in 0..instances.len() {
        let mut altered = instances.clone();
        altered[row] += Fr::from(1u64);
        assert_eq!(verify(&description, &altered, &proof), Err(Error::Rejected), "public input {row}");
    }
}
