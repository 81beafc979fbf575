//! Why a call is refused, and why a candidate ended.

use alloc::boxed::Box;

use super::{Amount, Status};
use crate::attest::{Address, AttestError, Hex};
use crate::cell::{Cell, Unprovable};
use crate::evaluation::EvaluationError;
use crate::merkle::ModelTooLarge;
use crate::model::SpecError;
use crate::statement::NoStatement;
use crate::trace::TraceTooLarge;

/// Evidence on which a candidate is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nobody drew the beacon in its window.
    NoSeed,
    /// The drawn segments were not disclosed in their window.
    NoDisclosure,
    /// The proofs did not come in their window.
    NoProof,
    /// A dispute about this cell was not answered.
    Unanswered(Cell),
}

/// Why a candidate ended without fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapse {
    /// Another candidate became the head.
    RoundOver,
    /// Not more than two thirds of the stake were positive.
    NoQuorum,
    /// The stake-weighted median of the measured loss did not fall.
    NoImprovement,
}

/// Why a call is refused. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    /// The spec of the task.
    #[error("spec: {0}")]
    Spec(Box<SpecError>),
    /// A model that does not fit its tree.
    #[error("layout: {0}")]
    Layout(ModelTooLarge),
    /// A trace that does not fit its tree.
    #[error("trace: {0}")]
    Trace(TraceTooLarge),
    /// A task whose rounds cannot be proven whole.
    #[error("task: {0}")]
    Unprovable(Unprovable),
    /// The rules of the task.
    #[error("rules: {0} does not hold")]
    Rules(&'static str),
    /// A block before one that was already seen.
    #[error("block {now} is before block {last}, which has been")]
    Time {
        /// Last block seen.
        last: u64,
        /// Block of the call.
        now: u64,
    },
    /// A window that is not open yet, or not over yet.
    #[error("too early: expected block {first} or later, got {now}")]
    TooEarly {
        /// First block in which the call is right.
        first: u64,
        /// Block of the call.
        now: u64,
    },
    /// A window that is over.
    #[error("too late: expected block {last} or earlier, got {now}")]
    TooLate {
        /// Last block in which the call was right.
        last: u64,
        /// Block of the call.
        now: u64,
    },
    /// A call that does not fit where the candidate stands.
    #[error("status of the candidate: expected {expected}, got {got:?}")]
    Status {
        /// What the call needs.
        expected: &'static str,
        /// Where the candidate stands.
        got: Status,
    },
    /// No candidate has this id.
    #[error("no such candidate")]
    UnknownCandidate,
    /// The miner committed to the same before.
    #[error("the candidate exists")]
    DuplicateCandidate,
    /// A commitment that does not continue the task.
    #[error("commitment: the {field} does not fit the task and its head")]
    Commitment {
        /// The field.
        field: &'static str,
    },
    /// The randomness of another block.
    #[error("beacon: expected that of block {expected}, got {got}")]
    Beacon {
        /// Block fixed at the commit.
        expected: u64,
        /// Block offered.
        got: u64,
    },
    /// A disclosure by somebody else than the miner.
    #[error("sender: expected the miner {}, got {}", Hex(expected), Hex(got))]
    Sender {
        /// The miner.
        expected: Address,
        /// Who called.
        got: Address,
    },
    /// Fewer or more roots than proofs disclose the segments.
    #[error("roots of a disclosure: expected {expected}, got {got}")]
    Roots {
        /// Proofs that the segments take.
        expected: usize,
        /// Roots offered.
        got: usize,
    },
    /// A draw that no statement claims.
    #[error("statements: {0}")]
    NoStatement(NoStatement),
    /// Fewer or more proofs than statements.
    #[error("proofs: expected {expected}, got {got}")]
    ProofCount {
        /// Statements of the ballot.
        expected: usize,
        /// Proofs offered.
        got: usize,
    },
    /// A proof that the verifier refuses.
    #[error("proof {part} is not one of its statement")]
    Proof {
        /// Its number.
        part: usize,
    },
    /// A bond that is not the fixed amount.
    #[error("bond: expected {expected}, got {got}")]
    Bond {
        /// The fixed amount.
        expected: Amount,
        /// The amount offered.
        got: Amount,
    },
    /// More than can be held.
    #[error("amount: expected at most {most}, got {got}")]
    TooMuch {
        /// What still fits.
        most: Amount,
        /// The amount offered.
        got: Amount,
    },
    /// An amount that must not be zero is zero.
    #[error("no {0}")]
    Nothing(&'static str),
    /// An attestation of another commitment.
    #[error("the attestation is of another candidate")]
    OtherCandidate,
    /// An attestation of another beacon: another ballot, or guessed.
    #[error("the attestation is of another beacon")]
    OtherBeacon,
    /// An evaluation of too few or too many records.
    #[error("evaluated records: expected {expected}, got {got}")]
    Evaluated {
        /// The rule.
        expected: u32,
        /// What was signed.
        got: u32,
    },
    /// The signature.
    #[error("attestation: {0}")]
    Attestation(AttestError),
    /// A second vote of one attester.
    #[error("the attester has voted")]
    DuplicateVote,
    /// An attester without stake from before the commit.
    #[error("the attester has no stake from before the commit")]
    Unbonded,
    /// Two attestations that may both be true, or are of two attesters.
    #[error("the two attestations do not contradict each other")]
    NotEquivocation,
    /// An evaluation of somebody who did not vote.
    #[error("the attester has not voted in this ballot")]
    NoVote,
    /// An evaluation without cells.
    #[error("evaluation: {0}")]
    Evaluation(EvaluationError),
    /// A stake that an open dispute about an evaluation may take.
    #[error("an evaluation of the attester is disputed")]
    UnderDispute,
    /// A cell outside the round.
    #[error("the round has no cell {0:?}")]
    NoSuchCell(Cell),
    /// A cell that was disputed before.
    #[error("{0:?} has been disputed")]
    DuplicateDispute(Cell),
    /// A cell without an open dispute.
    #[error("{0:?} has no open dispute")]
    NotDisputed(Cell),
}
