//! What a task pins: its model, its verifier's ids, its windows and amounts.

use super::{Amount, SettleError};
use crate::attest::Address;
use crate::model::{Spec, TraceMode};
use crate::record::Head;
use crate::statement::Circuits;

/// What is pinned when a task opens.
#[derive(Clone, Debug)]
pub struct Task {
    /// What all miners train.
    pub spec: Spec,
    /// Depth of the trees over its leaves, see [`crate::merkle::Layout`].
    pub tree_depth: usize,
    /// Depth of the tree over the records of a round.
    pub steps_depth: usize,
    /// Depth of the tree over the tensors of a step, see [`crate::trace::TraceLayout`].
    pub trace_depth: usize,
    /// EVM chain id.
    pub chain_id: u64,
    /// Settlement contract.
    pub contract: Address,
    /// Hash of the task.
    pub task: [u8; 32],
    /// Records of the training data.
    pub records: u32,
    /// Ids of the circuits.
    pub circuits: Circuits,
    /// Id of the SRS.
    pub srs: [u8; 32],
    /// What round 0 starts from.
    pub head: Head,
    /// Whether that are the weights of the spec's seed, so that round 0 has init cells; else those of
    /// another task.
    pub seeded: bool,
    /// Windows and amounts.
    pub rules: Rules,
}

/// Windows in blocks, amounts, and counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Blocks from the commit, or from a disclosure, to the beacon block.
    pub seed_delay: u64,
    /// Blocks after the beacon block in which it may be drawn.
    pub seed_window: u64,
    /// Blocks in which the proofs must come, those of a disclosure and those of cells alike.
    pub prove_window: u64,
    /// Blocks in which votes and disputes may come.
    pub attest_window: u64,
    /// Blocks that a miner or an attester has for each answer.
    pub answer_window: u64,
    /// Blocks from an exit to the withdrawal; at least both ballots, in trace mode `challenged` with two
    /// beacons each, and two windows of answers: one in which an evaluation is disputed and one for the
    /// answer; in mode `challenged` three: of a segment, of a cell disputed in it, and of its answer.
    pub exit_delay: u64,
    /// Bond of a candidate.
    pub bond: Amount,
    /// Part of the bond that a lapsed candidate leaves.
    pub fee: Amount,
    /// Bond of a dispute.
    pub dispute_bond: Amount,
    /// Reward of a finalized round, as far as the pool has it.
    pub reward: Amount,
    /// Samples of each kind in the first ballot, see [`crate::statement::samples_drawn`].
    pub samples: usize,
    /// Records that every attester evaluates, a power of two.
    pub evaluated: u32,
}

/// Public randomness of a block. That it is the block's is for the caller to prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beacon {
    /// The block.
    pub block: u64,
    /// Its randomness.
    pub value: [u8; 32],
}

impl Rules {
    pub(super) fn check(&self, trace: TraceMode) -> Result<(), SettleError> {
        let windows = [self.seed_delay, self.seed_window, self.prove_window, self.attest_window, self.answer_window];
        let (draws, answers) = if trace == TraceMode::Challenged { (2, 3) } else { (1, 2) };
        let draw = windows[..3].iter().fold(0u64, |sum, &window| sum.saturating_add(window));
        let ballot = draw.saturating_mul(draws).saturating_add(self.attest_window);
        let whole = ballot.saturating_mul(2).saturating_add(self.answer_window.saturating_mul(answers));
        let rules = [
            ("every window is at least one block", !windows.contains(&0)),
            ("the exit delay covers both ballots and two answers", self.exit_delay >= whole),
            ("the bond is more than the fee", self.bond > self.fee),
            ("disputes have a bond", self.dispute_bond > 0),
            ("there are samples", self.samples > 0),
            ("attesters evaluate a power of two of records", self.evaluated.is_power_of_two()),
        ];
        rules.into_iter().find(|&(_, holds)| !holds).map_or(Ok(()), |(rule, _)| Err(SettleError::Rules(rule)))
    }
}
