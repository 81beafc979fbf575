//! The disclosure circuit accepts what the plain relation accepts, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use halo2_proofs::dev::MockProver;
use halo2_proofs::halo2curves::bn256::Fr as Scalar;
use halo2_proofs::halo2curves::ff::Field;
use pogo_circuits::circuit::{Gridded, Sheet, instances};
use pogo_circuits::grid::{Grid, Origin};
use pogo_circuits::round::Claim;
use pogo_circuits::step::{StepCircuit, StepShape};
use pogo_circuits::testing::reading::{ark, number};
use pogo_circuits::testing::{Checker, Constraint};
use pogo_protocol::cell::disclosure::{DISCLOSED, Disclosed, DisclosureOpening, DisclosureSample};
use pogo_protocol::cell::{CellOpening, Depths, Record};
use pogo_protocol::merkle::{Tree, hash_pairs, root_of};
use pogo_protocol::opening::{Roots, Violation};
use pogo_protocol::record::{StepRecord, pair, record_leaf, rest, steps_root};
use pogo_protocol::statement::CircuitKind;
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
    let leaf = |index| if COMMITTED.contains(&index) { without_trace(&record(index)).hash() } else { Fr::ZERO };
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

/// A grid that claims nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Nothing {
    /// No statement has its public inputs.
    Statement,
    /// Its cells hold no opening.
    Opening,
}

/// What a grid claims, from its public inputs and its witness.
fn claimed(grid: &Grid) -> Result<(Roots, DisclosureOpening), Nothing> {
    let publics: Vec<Fr> = instances(grid).into_iter().map(ark).collect();
    let mut inputs = Inputs { grid, taken: BTreeMap::new() };
    let (mut named, mut opened, mut ended, mut statement) = (Vec::new(), Vec::new(), false, Ok(()));
    for slot in 0..DISCLOSED {
        let bits = (0..DEPTHS.steps).map(|_| inputs.bit("record bit")).collect::<Result<Vec<_>, _>>()?;
        let index = bits.into_iter().fold(0, |index, bit| 2 * index + u32::from(bit));
        let committed = inputs.bit("committed before")?;
        let fields =
            ["state root", "update root", "trace root", "loss", "exponents used", "exponents for the next step"];
        let [state_root, update_root, trace_root, loss, used, next] = fields.map(|name| inputs.next(name));
        let path = (0..DEPTHS.steps).map(|_| inputs.next("shared sibling")).collect();
        let active = slot == 0 || inputs.bit("active slot")?;
        if active && ended || !active && (index, committed) != (0, false) {
            statement = Err(Nothing::Statement);
        }
        ended |= !active;
        if active {
            named.push(Disclosed { index, committed });
            opened.push(Record { state_root, update_root, trace_root, loss, used, next, path });
        }
    }
    statement?;
    let record_count = number(instances(grid)[7]).and_then(|count| u32::try_from(count).ok());
    let record_count = record_count.ok_or(Nothing::Statement)?;
    let roots = Roots {
        parent: publics[2],
        steps: publics[3],
        state: publics[4],
        quantized: publics[5],
        data: Fr::ZERO,
        layout: publics[6],
        record_count,
    };
    Ok((roots, DisclosureOpening { sample: DisclosureSample { to: publics[8], records: named }, records: opened }))
}

/// Values of the witness by name, in the order assigned; those of public inputs come first and are
/// passed over.
struct Inputs<'a> {
    grid: &'a Grid,
    taken: BTreeMap<&'static str, usize>,
}

impl Inputs<'_> {
    fn next(&mut self, name: &'static str) -> Fr {
        let taken = self.taken.entry(name).or_insert(usize::from(name == "state root"));
        let all = self.grid.assignments.iter().filter(|input| input.origin == Origin::Input && input.name == name);
        let input = all.clone().nth(*taken).unwrap_or_else(|| panic!("{name} {taken}"));
        *taken += 1;
        ark(self.grid.value(input.cell))
    }

    fn bit(&mut self, name: &'static str) -> Result<bool, Nothing> {
        let bit = self.next(name);
        if bit == Fr::ZERO || bit == Fr::from(1) { Ok(bit != Fr::ZERO) } else { Err(Nothing::Opening) }
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
        assert_eq!(claimed(&honest), Ok((Roots { data: Fr::ZERO, ..roots }, opening)));
        let inputs = honest.assignments.iter().enumerate().filter(|(_, input)| input.origin == Origin::Input);
        let steps = inputs.clone().find(|(_, input)| input.name == "steps root").expect("a public input").0;
        let changes = inputs.flat_map(|(at, input)| {
            let changes = [ONE, -ONE, -honest.value(input.cell), ONE.double().square().square().square()];
            changes.into_iter().filter(|change| !bool::from(change.is_zero())).map(move |change| (at, change))
        });
        let outcomes: Vec<_> = (changes.collect::<Vec<_>>().into_par_iter())
            .map(|change| {
                let grid = circuit.tampered_grid(&[change]);
                let gap = from(&grid) - grid.value(honest.assignments[steps].cell);
                let mended = [change, (steps, gap)];
                let mended = if change.0 == steps { &mended[..1] } else { &mended };
                let grid = circuit.tampered_grid(mended);
                let accepted = checker.broken(&grid, &instances(&grid)).is_empty();
                (change, accepted, claimed(&grid).map(|(roots, opening)| opening.check(&roots).is_ok()))
            })
            .collect();
        let mut counts = BTreeMap::new();
        for (change, accepted, claim) in outcomes {
            let altered = honest.assignments[change.0];
            *counts.entry((accepted, claim)).or_insert(0) += 1;
            let right = match claim {
                Ok(holds) => holds == accepted,
                Err(Nothing::Statement) => true,
                Err(Nothing::Opening) => !accepted,
            };
            assert!(right, "{order:?} {altered:?} + {:?}: accepted {accepted}, {claim:?}", change.1);
        }
        println!("{order:?}: {counts:?}");
        assert!([(true, Ok(true)), (false, Ok(false))].iter().all(|outcome| counts.contains_key(outcome)));
    }
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
    let mut classes: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (at, assignment) in honest.assignments.iter().enumerate() {
        classes.entry((assignment.origin, assignment.name, assignment.cell.column)).or_default().push(at);
    }
    let derived = classes.into_iter().filter(|((origin, ..), _)| *origin == Origin::Derived);
    let changes: Vec<_> = derived
        .flat_map(|(_, all)| [0, all.len() / 3, all.len() / 2, all.len() - 1].map(|member| all[member]))
        .flat_map(|at| [(at, ONE), (at, -ONE)])
        .collect();
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
