//! The disclosure circuit accepts what the plain relation accepts, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use halo2_proofs::dev::MockProver;
use halo2_proofs::halo2curves::bn256::Fr as Scalar;
use halo2_proofs::halo2curves::ff::Field;
use pogo_circuits::chips::poseidon::convert;
use pogo_circuits::circuit::{Gridded, Sheet, instances};
use pogo_circuits::grid::{Assignment, Grid, Origin};
use pogo_circuits::round::Claim;
use pogo_circuits::step::{StepCircuit, StepShape};
use pogo_circuits::testing::reading::ark;
use pogo_circuits::testing::{Checker, Constraint, checker};
use pogo_protocol::cell::disclosure::{DISCLOSED, Disclosed, DisclosureOpening, DisclosureSample};
use pogo_protocol::cell::{CellOpening, Depths, Record};
use pogo_protocol::codec::scalar_bytes;
use pogo_protocol::merkle::{Tree, hash_pairs, root_of};
use pogo_protocol::opening::{Roots, Violation};
use pogo_protocol::record::{StepRecord, pair, record_leaf, rest, steps_root};
use pogo_protocol::statement::{CircuitKind, STEP_BITS};
use rayon::prelude::*;

const DEPTHS: Depths = Depths { tree: 2, steps: 4, trace: 8 };
const RECORDS: u32 = 11;
/// Records that are committed to before their traces are; the others are not committed to at all.
const COMMITTED: [u32; 4] = [0, 4, 8, 10];

/// Record `index` with the root of its trace.
fn record(index: u32) -> StepRecord {
    StepRecord {
        index,
        state_root: Fr::from(100 + index),
        update_root: Fr::from(200 + index),
        loss: 300 + u64::from(index),
        exponents: None,
        next_exponents: None,
        trace_root: Fr::from(400 + index),
    }
}

fn without_trace(record: &StepRecord) -> StepRecord {
    StepRecord { trace_root: Fr::ZERO, ..record.clone() }
}

/// Leaves before any disclosure.
fn committed() -> Vec<Fr> {
    let leaf = |index| {
        if COMMITTED.contains(&index) { without_trace(&record(index)).hash() } else { Fr::ZERO }
    };
    (0..RECORDS).map(leaf).collect()
}

fn roots(leaves: &[Fr]) -> Roots {
    let [parent, state, quantized, data, layout] = [1, 2, 3, 4, 5].map(Fr::from);
    let tree = Tree::new(DEPTHS.steps, leaves.to_vec(), hash_pairs);
    Roots { parent, steps: steps_root(tree.root(), RECORDS), state, quantized, data, layout, record_count: RECORDS }
}

/// Puts these records into the tree over the leaves, one after another, whatever stood there.
fn put(mut leaves: Vec<Fr>, records: &[(StepRecord, bool)]) -> (Roots, DisclosureOpening) {
    let before = roots(&leaves);
    let (mut named, mut opened) = (Vec::new(), Vec::new());
    for (record, committed) in records {
        let (index, tree) = (record.index, Tree::new(DEPTHS.steps, leaves.clone(), hash_pairs));
        named.push(Disclosed { index, committed: *committed });
        opened.push(Record::new(record, tree.path(index as usize)));
        leaves[index as usize] = record.hash();
    }
    (
        before,
        DisclosureOpening { sample: DisclosureSample { to: roots(&leaves).steps, records: named }, records: opened },
    )
}

/// Discloses these records of the round.
fn disclose(order: &[u32]) -> (Roots, DisclosureOpening) {
    let records: Vec<_> = order.iter().map(|&index| (record(index), COMMITTED.contains(&index))).collect();
    put(committed(), &records)
}

fn circuit(roots: Roots, opening: &DisclosureOpening) -> StepCircuit {
    let shape = StepShape { k: 15, circuit: CircuitKind::Disclosure, cells: 1, depths: DEPTHS };
    let claim = Claim { digest: [Fr::from(3), Fr::from(5)], roots };
    StepCircuit::new(shape, claim, vec![CellOpening::Disclosure(opening.clone())])
}

/// Public inputs that a statement of these roots and this sample has.
fn public(roots: &Roots, sample: &DisclosureSample) -> Vec<Fr> {
    let Roots { parent, steps, state, quantized, layout, record_count, .. } = *roots;
    let head = [Fr::from(3), Fr::from(5), parent, steps, state, quantized, layout, Fr::from(record_count)];
    let mut inputs = [&head[..], &sample.elements().expect("every field fits")].concat();
    inputs.resize(24, Fr::ZERO);
    inputs
}

/// Whether the circuit accepts; its public inputs are those of the statement or it does not.
fn accepts(checker: &Checker, roots: &Roots, opening: &DisclosureOpening) -> bool {
    let grid = circuit(*roots, opening).grid();
    let same = instances(&grid).into_iter().map(ark).eq(public(roots, &opening.sample));
    same && checker.broken(&grid, &instances(&grid)).is_empty()
}

#[test]
fn true_disclosures_satisfy_every_constraint() {
    let checker = Checker::of::<StepCircuit>();
    let orders: [&[u32]; 6] = [&[3], &[4], &[10, 9], &[7, 8, 0], &[0, 1, 2, 3, 4, 5, 6, 7], &[10, 2, 9, 3, 8, 4, 7, 5]];
    for order in orders {
        let (roots, opening) = disclose(order);
        assert_eq!(opening.check(&roots), Ok(()), "{order:?}");
        assert!(accepts(&checker, &roots, &opening), "{order:?}");
    }
    let (roots, opening) = disclose(orders[4]);
    let circuit = circuit(roots, &opening);
    let mock = MockProver::run(15, &Sheet::new(&circuit), vec![instances(&circuit.grid())]).expect("it fits");
    mock.assert_satisfied();
}

#[test]
fn disclosures_one_after_the_other_lead_to_the_tree_of_all_traces() {
    let (first, second): (Vec<u32>, Vec<u32>) = (0..RECORDS).partition(|index| index % 3 != 0);
    let (_, before) = disclose(&first);
    let mut leaves = committed();
    first.iter().for_each(|&index| leaves[index as usize] = record(index).hash());
    let records: Vec<_> = second.iter().map(|&index| (record(index), COMMITTED.contains(&index))).collect();
    let (between, after) = put(leaves, &records);
    assert_eq!(before.sample.to, between.steps);
    let all: Vec<Fr> = (0..RECORDS).map(|index| record(index).hash()).collect();
    assert_eq!(after.sample.to, roots(&all).steps);
    assert_eq!(after.check(&between), Ok(()));
}

/// An honest disclosure or a lie, and whether it holds.
type Case = (&'static str, (Roots, DisclosureOpening), bool);

/// Records 10, 3 and 4 disclosed, and altered.
fn altered(alter: impl FnOnce(&mut Roots, &mut DisclosureOpening)) -> (Roots, DisclosureOpening) {
    let (mut roots, mut opening) = disclose(&[10, 3, 4]);
    alter(&mut roots, &mut opening);
    (roots, opening)
}

/// A tree in which record 4 has its trace already.
fn disclosed_before() -> Vec<Fr> {
    let mut leaves = committed();
    leaves[4] = record(4).hash();
    leaves
}

fn cases() -> Vec<Case> {
    let one = Fr::from(1u64);
    let loss = |index| StepRecord { loss: 1, ..record(index) };
    let trace = |index| StepRecord { trace_root: one, ..record(index) };
    let mut neighbor = committed();
    neighbor[5] = one;
    let beside = put(neighbor, &[10, 3, 4].map(|index| (record(index), COMMITTED.contains(&index)))).1.sample.to;
    vec![
        ("no lie", altered(|_, _| {}), true),
        ("another record where none was", put(committed(), &[(loss(3), false)]), true),
        ("another trace of a record", put(committed(), &[(trace(4), true)]), true),
        ("another record where one was", put(committed(), &[(loss(4), true)]), false),
        ("a record where one was, as if none was", put(committed(), &[(record(4), false)]), false),
        ("a record where none was, as if one was", put(committed(), &[(record(3), true)]), false),
        ("another trace where one was", put(disclosed_before(), &[(trace(4), true)]), false),
        ("a trace taken back", put(disclosed_before(), &[(without_trace(&record(4)), true)]), false),
        ("a trace that was there", put(disclosed_before(), &[(record(4), true)]), false),
        ("a record twice", put(committed(), &[(record(4), true), (record(4), true)]), false),
        ("a record twice, where none was", put(committed(), &[(record(3), false), (record(3), false)]), false),
        (
            "a record without its trace, then with it",
            put(committed(), &[(without_trace(&record(3)), false), (record(3), true)]),
            true,
        ),
        ("wrong root after", altered(|_, opening| opening.sample.to += one), false),
        ("wrong root before", altered(|roots, _| roots.steps += one), false),
        ("root before as that after", altered(|roots, opening| opening.sample.to = roots.steps), false),
        ("another number of records", altered(|roots, _| roots.record_count += 1), false),
        ("a leaf that changed beside", altered(|_, opening| opening.sample.to = beside), false),
        (
            "the last record left out",
            altered(|_, opening| {
                opening.sample.records.pop();
                opening.records.pop();
            }),
            false,
        ),
        (
            "the first record left out",
            altered(|_, opening| {
                opening.sample.records.remove(0);
                opening.records.remove(0);
            }),
            false,
        ),
        (
            "paths of another order",
            altered(|_, opening| {
                opening.sample.records.swap(1, 2);
                opening.records.swap(1, 2);
            }),
            false,
        ),
        ("names of another order", altered(|_, opening| opening.sample.records.swap(1, 2)), false),
        ("another place", altered(|_, opening| opening.sample.records[1].index = 2), false),
        ("a place beyond the tree", altered(|_, opening| opening.sample.records[1].index += 16), false),
        ("another sibling", altered(|_, opening| opening.records[2].path[1] += one), false),
        (
            "another sibling of the last, with its root",
            altered(|roots, opening| {
                opening.records[2].path[0] += one;
                opening.sample.to = after(roots, opening);
            }),
            false,
        ),
        ("another trace, without its root", altered(|_, opening| opening.records[2].trace_root += one), false),
        (
            "another state, with its root",
            altered(|roots, opening| {
                opening.records[2].state_root += one;
                opening.sample.to = after(roots, opening);
            }),
            false,
        ),
    ]
}

/// The steps root that the last record of an opening leads to.
fn after(roots: &Roots, opening: &DisclosureOpening) -> Fr {
    let (Some(last), Some(named)) = (opening.records.last(), opening.sample.records.last()) else { panic!("a record") };
    let Record { state_root, update_root, trace_root, loss, used, next, ref path } = *last;
    let leaf = record_leaf(pair(state_root, update_root), rest(&[trace_root, loss, used, next]));
    steps_root(root_of(leaf, named.index as usize, path), roots.record_count)
}

#[test]
fn the_circuit_is_satisfied_exactly_when_the_plain_relation_accepts() {
    let checker = Checker::of::<StepCircuit>();
    for (name, (roots, opening), holds) in cases() {
        let plain = opening.check(&roots);
        assert_eq!(plain.is_ok(), holds, "{name}: {plain:?}");
        assert_eq!(accepts(&checker, &roots, &opening), holds, "{name}");
    }
}

#[test]
fn a_disclosure_of_no_record_or_too_many_is_refused() {
    let refused = |(roots, opening): (Roots, DisclosureOpening), named, opened| {
        assert_eq!(opening.check(&roots), Err(Violation::Disclosed { named, opened }));
    };
    refused(put(committed(), &[]), 0, 0);
    refused(disclose(&[0, 1, 2, 3, 4, 5, 6, 7, 8]), DISCLOSED + 1, DISCLOSED + 1);
    refused(altered(|_, opening| opening.records.truncate(2)), 3, 2);
    refused(altered(|_, opening| opening.sample.records.truncate(2)), 2, 3);
}

/// What a grid claims under these public inputs, with the witness that it holds; none where no statement
/// has them.
fn claimed(grid: &Grid, publics: &[Scalar]) -> Option<(Roots, DisclosureOpening)> {
    let publics: Vec<Fr> = publics.iter().copied().map(ark).collect();
    let packed = scalar_bytes(&publics[9]);
    let bits = |at: u32, count: u32| (at..at + count).rev().fold(0, |bits, i| bits << 1 | u32::from(bit(&packed, i)));
    let mut inputs = Inputs { grid, taken: BTreeMap::new() };
    let (mut named, mut opened) = (Vec::new(), Vec::new());
    for slot in 0..DISCLOSED {
        let at = 22 * slot as u32;
        let fields =
            ["state root", "update root", "trace root", "loss", "exponents used", "exponents for the next step"];
        let [state_root, update_root, trace_root, loss, used, next] = fields.map(|name| inputs.next(name));
        let path = (0..DEPTHS.steps).map(|_| inputs.next("shared sibling")).collect();
        if bits(at + 21, 1) == 1 {
            named.push(Disclosed { index: bits(at, STEP_BITS), committed: bits(at + STEP_BITS, 1) == 1 });
            opened.push(Record { state_root, update_root, trace_root, loss, used, next, path });
        }
    }
    let [parent, steps, state, quantized, layout] = [2, 3, 4, 5, 6].map(|row| publics[row]);
    let record_count = (0..32).fold(0, |count, i| count | u32::from(bit(&scalar_bytes(&publics[7]), i)) << i);
    let roots = Roots { parent, steps, state, quantized, data: Fr::from(4), layout, record_count };
    let opening = DisclosureOpening { sample: DisclosureSample { to: publics[8], records: named }, records: opened };
    (publics[2..] == public(&roots, &opening.sample)[2..]).then_some((roots, opening))
}

/// Bit of an element, the lowest is 0.
fn bit(element: &[u8; 32], at: u32) -> bool {
    element[31 - at as usize / 8] >> (at % 8) & 1 == 1
}

/// Values of the witness by name, in the order assigned.
struct Inputs<'a> {
    grid: &'a Grid,
    taken: BTreeMap<&'static str, usize>,
}

impl Inputs<'_> {
    fn next(&mut self, name: &'static str) -> Fr {
        // The state root that is a public input comes first.
        let taken = self.taken.entry(name).or_insert(usize::from(name == "state root"));
        let all = self.grid.assignments.iter().filter(|input| input.origin == Origin::Input && input.name == name);
        let input = all.clone().nth(*taken).unwrap_or_else(|| panic!("{name} {taken}"));
        *taken += 1;
        ark(self.grid.value(input.cell))
    }
}

/// Whoever alters the witness, lets the rest follow and commits to the outcome claims what the plain
/// relation accepts, or is refused; and nobody who claims what it accepts is refused.
#[test]
fn no_altered_witness_makes_a_false_claim() {
    let checker = Checker::of::<StepCircuit>();
    for order in [&[4][..], &[10, 3, 4], &[0, 1, 2, 3, 4, 5, 6, 7]] {
        let (roots, opening) = disclose(order);
        let circuit = circuit(roots, &opening);
        let honest = circuit.grid();
        assert_eq!(claimed(&honest, &instances(&honest)), Some((roots, opening)));
        let inputs = honest.assignments.iter().enumerate().filter(|(_, input)| input.origin == Origin::Input);
        let changes = inputs.flat_map(|(at, input)| {
            let changes = [ONE, -ONE, -honest.value(input.cell), ONE.double().square().square().square()];
            changes.into_iter().filter(|change| !bool::from(change.is_zero())).map(move |change| (at, change))
        });
        let outcomes: Vec<_> = (changes.collect::<Vec<_>>().into_par_iter())
            .map(|change| {
                let grid = mended(&circuit, &honest, change);
                let publics = instances(&grid);
                let accepted = checker.broken(&grid, &publics).is_empty();
                (change, accepted, claimed(&grid, &publics).map(|(roots, opening)| opening.check(&roots).is_ok()))
            })
            .collect();
        let mut counts = BTreeMap::new();
        for (change, accepted, claim) in outcomes {
            let altered = honest.assignments[change.0];
            *counts.entry((accepted, claim)).or_insert(0) += 1;
            let right = claim.is_none_or(|holds| holds == accepted);
            assert!(right, "{order:?} {altered:?} + {:?}: accepted {accepted}, {claim:?}", change.1);
        }
        println!("{order:?}: {counts:?}");
        assert!([(true, Some(true)), (false, Some(false))].iter().all(|outcome| counts.contains_key(outcome)));
    }
}

/// The circuit with an altered cell, and the public steps root that its first old leaf leads to.
fn mended(circuit: &StepCircuit, honest: &Grid, change: (usize, Scalar)) -> Grid {
    let steps = honest.assignments.iter().position(|input| input.name == "steps root").expect("a public input");
    let grid = circuit.tampered_grid(&[change]);
    if change.0 == steps {
        return grid;
    }
    let gap = from(&grid) - grid.value(honest.assignments[steps].cell);
    circuit.tampered_grid(&[change, (steps, gap)])
}

const ONE: Scalar = Scalar::ONE;

/// What the circuit holds to the public steps root.
fn from(grid: &Grid) -> Scalar {
    let public = grid.publics.iter().find(|(_, row)| *row == 3).expect("the steps root is public").0;
    let (from, _) = grid.copies.iter().find(|(_, of)| *of == public).expect("it is compared");
    grid.value(*from)
}

/// What an adversary who commits to the outcome is not held by: roots, compared in slot 0 and in later ones.
fn is_root(constraint: &Constraint) -> bool {
    matches!(
        constraint,
        Constraint::Copy("digest", _) | Constraint::Copy("sum of products", "constant") | Constraint::Public(_)
    )
}

/// Every derived cell has one right value: with another one, and all that follows from it, a constraint
/// breaks even for an adversary who commits to the outcome.
#[test]
fn no_derived_cell_can_be_altered() {
    let checker = Checker::of::<StepCircuit>();
    let (roots, opening) = disclose(&[10, 3, 4]);
    let circuit = circuit(roots, &opening);
    let honest = circuit.grid();
    let derived = members(&honest).into_iter().filter(|&at| honest.assignments[at].origin == Origin::Derived);
    let changes: Vec<_> = derived.flat_map(|at| [(at, ONE), (at, -ONE)]).collect();
    let altered = |change: &(usize, Scalar)| {
        let grid = circuit.tampered_grid(&[*change]);
        let broken = checker.broken(&grid, &instances(&grid));
        assert!(!broken.iter().all(is_root), "{:?} may be altered: {broken:?}", honest.assignments[change.0]);
        broken.into_iter().filter(|constraint| !is_root(constraint)).collect()
    };
    let broken: Vec<BTreeSet<Constraint>> = changes.par_iter().map(altered).collect();
    let alone: BTreeSet<_> = broken.into_iter().filter(|broken| broken.len() == 1).flatten().collect();
    for needed in ["gate horner", "gate multiply", "gate digest", "gate start"] {
        assert!(alone.iter().any(|constraint| constraint.to_string().starts_with(needed)), "{needed}: {alone:?}");
    }
}

/// Constraints that no false claim breaks alone.
fn is_bound_elsewhere(constraint: &Constraint) -> bool {
    match constraint {
        // No cell reads the digest, the layout and roots of states: the transcript absorbs them. No
        // statement has other public inputs than 0 after the sample, and they are copies of the constant 0.
        Constraint::Public(row) => [0, 1, 2, 4, 5, 6].contains(row) || *row >= 10,
        Constraint::Lookup(range) => *range == "zero",
        Constraint::Gate(_) | Constraint::Copy(..) => false,
    }
}

/// The constraint that a grid breaks, where it is one and the claim is false.
fn needed(checker: &Checker, grid: &Grid, publics: &[Scalar]) -> Option<Constraint> {
    let broken = checker.broken(grid, publics);
    let (roots, opening) = claimed(grid, publics)?;
    let alone = broken.len() == 1 && opening.check(&roots).is_err();
    broken.into_iter().next().filter(|_| alone)
}

/// Every constraint is needed: for each there is a grid that breaks it alone and makes a false claim.
#[test]
fn every_constraint_refuses_a_false_claim_alone() {
    let checker = Checker::of::<StepCircuit>();
    let (mut all, mut found) = (BTreeSet::new(), BTreeSet::new());
    found.extend(cases().iter().filter_map(|(_, (roots, opening), _)| {
        let publics: Vec<Scalar> = public(roots, &opening.sample).into_iter().map(convert).collect();
        needed(&checker, &circuit(*roots, opening).grid(), &publics)
    }));
    // The last one has a public sample of one bit, so that it is none without it.
    let nothing = vec![Fr::ZERO; RECORDS as usize];
    for (roots, opening) in [disclose(&[4]), disclose(&[3]), put(nothing, &[(record(0), false)])] {
        let circuit = circuit(roots, &opening);
        let honest = circuit.grid();
        all.extend(constraints(&checker, &circuit, &honest));
        found.extend((0..24).filter_map(|row| {
            let mut publics = instances(&honest);
            publics[row] += ONE;
            needed(&checker, &honest, &publics)
        }));
        let altered = |&change: &(usize, Scalar)| {
            let grid = mended(&circuit, &honest, change);
            needed(&checker, &grid, &instances(&grid))
        };
        let changes: Vec<_> = members(&honest).into_iter().flat_map(|at| [(at, ONE), (at, -ONE)]).collect();
        found.extend(changes.par_iter().filter_map(altered).collect::<Vec<_>>());
    }
    println!("{} of {} constraints refuse a false claim alone", found.len(), all.len());
    let missing: Vec<_> = all.iter().filter(|c| !found.contains(c) && !is_bound_elsewhere(c)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Constraints of the circuit but for gates without a row: what breaks when every cell is altered, and
/// copies.
fn constraints(checker: &Checker, circuit: &StepCircuit, honest: &Grid) -> BTreeSet<Constraint> {
    let everywhere: Vec<_> = (0..honest.assignments.len()).map(|at| (at, Scalar::from(at as u64 + 3))).collect();
    let broken = checker.broken(&circuit.tampered_grid(&everywhere), &instances(honest));
    let gates = |constraint: &Constraint| !matches!(constraint, Constraint::Gate(_)) || broken.contains(constraint);
    checker.constraints(honest).into_iter().filter(gates).collect()
}

/// Some assignments of every class: four of the first slot, whose root can be mended, and the last.
fn members(grid: &Grid) -> BTreeSet<usize> {
    let (copies, mut classes) = (checker::copies(grid), BTreeMap::<_, Vec<usize>>::new());
    for (at, Assignment { cell, origin, name }) in grid.assignments.iter().enumerate() {
        classes.entry((origin, name, cell.column, copies.get(cell))).or_default().push(at);
    }
    let some = |class: &Vec<usize>| {
        let slot = class.len().div_ceil(DISCLOSED);
        [0, slot / 3, 2 * slot / 3, slot - 1, class.len() - 1].map(|member| class[member])
    };
    classes.values().flat_map(some).collect()
}
