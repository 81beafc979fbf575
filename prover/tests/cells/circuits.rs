//! The circuits of the cells accept what the plain relations accept, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use pogo_circuits::circuit::{Gridded, instances};
use pogo_circuits::grid::Origin;
use pogo_circuits::round::Claim;
use pogo_circuits::step::{StepCircuit, StepShape};
use pogo_circuits::testing::{Checker, Constraint};
use pogo_protocol::cell::link::LinkSample;
use pogo_protocol::cell::vacant::{LastLeaf, VacantOpening};
use pogo_protocol::cell::{Cell, CellOpening, Depths, Kind};
use pogo_protocol::opening::{Roots, Violation};
use pogo_protocol::statement::CellPart;
use pogo_protocol::trace::TensorId;
use pogo_prover::attack::mine::Mined;
use rayon::prelude::*;

use super::ground::{Ground, LIE, STEPS};

/// Rows of a circuit of one cell.
const K: u32 = 15;

/// The circuit of one cell of a round.
pub(crate) fn circuit(mined: &Mined<'_>, opening: CellOpening) -> StepCircuit {
    circuit_of(mined.public().roots(), mined.job.round.depths(), opening)
}

/// The circuit of one cell under these roots.
pub(crate) fn circuit_of(roots: Roots, depths: Depths, opening: CellOpening) -> StepCircuit {
    let shape = StepShape { k: K, circuit: opening.sample().circuit(), cells: 1, depths };
    let claim = Claim { digest: [3u64.into(), 5u64.into()], roots };
    StepCircuit::new(shape, claim, vec![opening])
}

pub(crate) fn open(mined: &Mined<'_>, cell: Cell) -> CellOpening {
    let opener = mined.opener().expect("traces are committed to");
    let step = mined.traced_step(cell.step).expect("a step of the round");
    opener.open(&step, cell).expect("a cell of the round")
}

/// First, last and some cells between of every kind that reads a step.
fn some_cells(ground: &Ground, step: u32) -> Vec<Cell> {
    let space = ground.round.space().expect("traces are committed to");
    let kinds = Kind::ALL.into_iter().filter(|kind| kind.is_traced());
    kinds
        .flat_map(|kind| {
            let count = space.count(kind) as usize;
            let step = if kind.is_of_step() { step } else { 0 };
            space.of_step(kind, step).into_iter().step_by((count / 2).max(1)).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn circuits_of_true_cells_are_satisfied() {
    let checker = Checker::of::<StepCircuit>();
    for (layers, batch, step) in [(&[70, 66, 5][..], 64, 0), (&[128, 64, 64], 64, LIE), (&[70, 5], 128, STEPS - 1)] {
        let ground = Ground::new(layers, batch);
        let mined = ground.honest();
        let cells = some_cells(&ground, step);
        let openings: Vec<_> = cells.iter().map(|&cell| (cell, open(&mined, cell))).collect();
        openings.into_par_iter().for_each(|(cell, opening)| {
            let sample = opening.sample();
            let grid = circuit(&mined, opening).grid();
            let broken = checker.broken(&grid, &instances(&grid));
            assert!(broken.is_empty(), "{layers:?} {cell}: {broken:?}");
            let publics: Vec<_> = instances(&grid).into_iter().map(pogo_circuits::testing::reading::ark).collect();
            let part = CellPart { circuit: sample.circuit(), cells: vec![cell] };
            let statement = mined.public().cell_statement(&part, 0, 1).expect("a cell of the round");
            assert_eq!(publics[8..], statement.samples, "{cell}");
        });
    }
}

/// What an adversary who commits to the outcome is not held by: the roots that openings lead to.
fn is_root(constraint: &Constraint) -> bool {
    matches!(constraint, Constraint::Copy("digest", _) | Constraint::Public(_))
}

#[test]
fn circuits_refuse_what_the_plain_relations_refuse_and_nothing_else() {
    let (ground, checker) = (Ground::small(), Checker::of::<StepCircuit>());
    let tensors = [
        TensorId::Weights(0),
        TensorId::Inputs(0),
        TensorId::Sums(0),
        TensorId::Errors(0),
        TensorId::Gradients(1),
        TensorId::Inputs(1),
        TensorId::Sums(1),
        TensorId::Errors(1),
        TensorId::Below(1),
        TensorId::Losses,
    ];
    for id in tensors {
        let mined = ground.lie(|draft| {
            draft.trace.as_mut().expect("traces are committed to").tamper(id);
            draft.hash_trace().expect("words of a leaf");
        });
        let roots = mined.public().roots();
        let bad = mined.bad_cells().expect("every cell is opened").into_iter().map(|(cell, _)| cell);
        let honest = some_cells(&ground, LIE).into_iter().step_by(3);
        let cells: BTreeSet<Cell> = bad.chain(honest).collect();
        let openings: Vec<_> = cells.iter().map(|&cell| (cell, open(&mined, cell))).collect();
        openings.into_par_iter().for_each(|(cell, opening)| {
            let plain = opening.check(&roots, mined.job.round.depths());
            let grid = circuit(&mined, opening).grid();
            let broken = checker.broken(&grid, &instances(&grid));
            assert_eq!(broken.is_empty(), plain.is_ok(), "{id:?} {cell}: {plain:?}, {broken:?}");
        });
    }
}

/// The same siblings of each tree that the plain relation looks at: those with no leaf below them.
#[test]
fn a_vacant_cell_holds_every_empty_sibling_of_every_tree_and_no_other() {
    let (ground, checker) = (Ground::small(), Checker::of::<StepCircuit>());
    let mined = ground.honest();
    let CellOpening::Vacant(honest) = open(&mined, Cell::new(Kind::Vacant, LIE, 0)) else { panic!("not vacant") };
    let roots = mined.public().roots();
    let trees: [fn(&mut VacantOpening) -> &mut LastLeaf; 8] = [
        |opening| &mut opening.records,
        |opening| &mut opening.parent,
        |opening| &mut opening.state,
        |opening| &mut opening.update,
        |opening| &mut opening.quantized,
        |opening| &mut opening.trace,
        |opening| &mut opening.used,
        |opening| &mut opening.next,
    ];
    let all = trees.into_iter().enumerate().flat_map(|(number, tree)| {
        let depth = tree(&mut honest.clone()).path.len();
        (0..depth).map(move |height| (number, tree, height))
    });
    let filled: BTreeSet<(usize, usize)> = all
        .collect::<Vec<_>>()
        .into_par_iter()
        .filter_map(|(number, tree, height)| {
            let mut opening = honest.clone();
            tree(&mut opening).path[height] += ark_bn254::Fr::from(1u64);
            let plain = matches!(opening.check(&roots), Err(Violation::Filled { height: at, .. }) if at == height);
            let grid = circuit(&mined, CellOpening::Vacant(opening)).grid();
            // Roots of these trees an adversary commits to.
            let broken: Vec<_> = checker.broken(&grid, &instances(&grid)).into_iter().filter(|c| !is_root(c)).collect();
            assert_eq!(!broken.is_empty(), plain, "tree {number}, height {height}: {broken:?}");
            plain.then_some((number, height))
        })
        .collect();
    // Of the 132 leaves of tensor 0 before those of tensor 1 from 256 on, the last stands at 0b10000011.
    let of_model: Vec<usize> = (0..10).filter(|height| ![0, 1, 7, 8].contains(height)).collect();
    for model in 1..5 {
        assert!(filled.iter().filter(|at| at.0 == model).map(|at| at.1).eq(of_model.iter().copied()), "{filled:?}");
    }
}

/// What a test does to the public side of a link.
type Change = fn(&mut LinkSample);

/// Links of the first round of a task and of the one after it, with other exponents at either end, and
/// taken for the first or the last link.
#[test]
fn a_link_holds_between_the_committed_exponents_and_in_its_place_only() {
    let (ground, checker) = (Ground::small(), Checker::of::<StepCircuit>());
    let first = ground.honest();
    let later = Mined::new(ground.job(), first.states[STEPS as usize].clone(), |_, _| {}).expect("words of a leaf");
    assert_eq!(later.commitment.start(), first.commitment.head());
    let mut early_ends = 0;
    for (mined, step) in [&first, &later].into_iter().flat_map(|mined| (0..STEPS).map(move |step| (mined, step))) {
        let CellOpening::Link(honest) = open(mined, Cell::new(Kind::Link, step, 0)) else { panic!("not a link") };
        let (is_first, is_last) = (step == 0, step == STEPS - 1);
        let ends_early = mined.trace.records[step as usize + 1].head().exponents == honest.sample.end;
        early_ends += u32::from(ends_early && !is_last);
        let others: [(Change, bool); 5] = [
            (|_| (), true),
            (|sample| sample.start += ark_bn254::Fr::from(1u64), !is_first),
            (|sample| sample.end += ark_bn254::Fr::from(1u64), !is_last),
            (|sample| sample.first ^= true, is_first),
            (|sample| sample.last ^= true, is_last || ends_early),
        ];
        for (number, (change, holds)) in others.into_iter().enumerate() {
            let mut link = honest.clone();
            change(&mut link.sample);
            let plain = link.check(&mined.public().roots());
            let grid = circuit(mined, CellOpening::Link(link)).grid();
            let broken = checker.broken(&grid, &instances(&grid));
            assert_eq!((plain.is_ok(), broken.is_empty()), (holds, holds), "{step}, {number}: {plain:?}, {broken:?}");
        }
    }
    assert!(early_ends < 2 * (STEPS - 1), "every record asks for the exponents of the end");
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

/// Every derived cell has one right value. With another one, and all that follows from it, a constraint
/// breaks even for an adversary who commits to the outcome, or nothing changes that is committed to.
#[test]
fn no_derived_cell_changes_what_is_shown() {
    let (ground, checker) = (Ground::small(), Checker::of::<StepCircuit>());
    let mined = ground.honest();
    let kinds = Kind::ALL.into_iter().filter(|&kind| kind.is_traced() && kind != Kind::Product);
    for kind in kinds {
        let cell = Cell::new(kind, if kind.is_of_step() { LIE } else { 0 }, 1 - u32::from(kind == Kind::Link));
        refuses_altered_cells(&checker, cell, &circuit(&mined, open(&mined, cell)));
    }
}

/// Alters derived cells of the circuit of a cell one by one.
///
/// # Panics
/// When a lie breaks nothing.
pub(crate) fn refuses_altered_cells(checker: &Checker, cell: Cell, circuit: &StepCircuit) {
    let honest = circuit.grid();
    let mut classes: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (at, assignment) in honest.assignments.iter().enumerate() {
        classes.entry((assignment.origin, assignment.name, assignment.cell.column)).or_default().push(at);
    }
    let members = |members: &Vec<usize>| [members[0], members[members.len() / 2], members[members.len() - 1]];
    let tampered: BTreeSet<usize> = classes
        .iter()
        .filter(|((origin, name, _), _)| *origin != Origin::Input && !HASHING.contains(name))
        .flat_map(|(_, all)| members(all))
        .collect();
    let changes = tampered.into_iter().flat_map(|at| [(at, Fr::ONE), (at, -Fr::ONE), (at, Fr::from(1 << 20))]);
    changes.collect::<Vec<_>>().into_par_iter().for_each(|change| {
        let grid = circuit.tampered_grid(&[change]);
        let broken = checker.broken(&grid, &instances(&honest));
        let refused = broken.is_empty() || !broken.iter().all(is_root);
        assert!(refused, "{cell}: {:?} may be altered: {broken:?}", honest.assignments[change.0]);
    });
}
