//! Records of a round are disclosed in plain code and in circuits.

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use pogo_circuits::circuit::{Gridded, instances};
use pogo_circuits::round::Claim;
use pogo_circuits::step::{StepCircuit, StepShape};
use pogo_circuits::testing::Checker;
use pogo_protocol::cell::CellOpening;
use pogo_protocol::opening::Roots;
use pogo_protocol::record::{StepRecord, steps_root};
use pogo_protocol::statement::CircuitKind;
use pogo_prover::commit::records_tree;
use pogo_prover::disclosure;

use super::ground::Ground;

/// More records than one proof discloses.
const STEPS: u32 = 10;

/// Each third record, and the last.
fn committed(index: u32) -> bool {
    index.is_multiple_of(3) || index == STEPS
}

#[test]
fn all_records_of_a_round_disclosed_have_its_steps_root_and_its_cells() {
    let ground = Ground::of_steps(&[70, 5], 64, STEPS);
    let mined = ground.honest();
    let (records, depths) = (&mined.trace.records, ground.round.depths());
    let left = |record: &StepRecord| match committed(record.index) {
        true => StepRecord { trace_root: Fr::ZERO, ..record.clone() },
        false => StepRecord { state_root: Fr::ZERO, ..record.clone() },
    };
    let before: Vec<StepRecord> = records.iter().map(left).collect();
    let tree = records_tree(depths.steps, &before);
    let of_round = mined.public().roots();
    let mut roots = Roots { steps: steps_root(tree.root(), STEPS + 1), ..of_round };
    assert_ne!(roots.steps, of_round.steps);

    let whole: Vec<StepRecord> = records.iter().rev().cloned().collect();
    let (openings, ends) = disclosure::open(depths.steps, &before, &whole);
    assert!(openings.iter().map(|opening| opening.records.len()).eq([8, 3]));
    let shape = StepShape { k: 15, circuit: CircuitKind::Disclosure, cells: 1, depths };
    for (opening, end) in openings.into_iter().zip(ends) {
        assert_eq!(opening.check(&roots), Ok(()));
        let to = opening.sample.to;
        let claim = Claim { digest: [3u64.into(), 5u64.into()], roots };
        let grid = StepCircuit::new(shape, claim, vec![CellOpening::Disclosure(opening)]).grid();
        assert!(Checker::of::<StepCircuit>().broken(&grid, &instances(&grid)).is_empty());
        assert_eq!(to, end);
        roots.steps = to;
    }
    assert_eq!(roots.steps, steps_root(records_tree(depths.steps, records).root(), STEPS + 1));
    assert_eq!(roots, of_round);
}
