//! A candidate: one commitment on its way to an end.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{Amount, Lapse, Reason, Rules, SettleError};
use crate::attest::{Address, Attestation, SignedAttestation};
use crate::cell::{Cell, Kind};
use crate::commitment::Commitment;
use crate::disclosure::Segments;
use crate::statement::Context;

/// Where a candidate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Waits for its beacon.
    Committed,
    /// Waits for the disclosure of the drawn segments.
    Drawn,
    /// Waits for its second beacon.
    Disclosed,
    /// Waits for its proofs.
    Seeded,
    /// Takes votes and disputes.
    Proven,
    /// Waits for answers.
    Disputed,
    /// The head of its round.
    Finalized,
    /// Ended without fault.
    Lapsed(Lapse),
    /// Ended by evidence, the bond slashed.
    Rejected(Reason),
}

/// One commitment of one miner for one round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where and by whom.
    pub context: Context,
    /// What the miner committed to.
    pub commitment: Commitment,
    /// Block of the commit; stakes from before it vote.
    pub committed_at: u64,
    /// All stake that may vote.
    pub total: Amount,
    /// 0, or 1 after a third of the stake was negative.
    pub ballot: u8,
    /// Where it stands.
    pub status: Status,
    /// Block whose randomness is its beacon.
    pub beacon_block: u64,
    /// The beacon that draws cells, once it is drawn.
    pub beacon: Option<[u8; 32]>,
    /// The beacon that drew segments, in trace mode `challenged`, and those that it drew.
    pub drawn: Option<([u8; 32], Vec<u32>)>,
    /// The segments that are disclosed.
    pub segments: Option<Segments>,
    /// Last block in which what it waits for may come.
    pub deadline: u64,
    /// The miner's bond; 0 at an end.
    pub bond: Amount,
    /// Votes of this ballot.
    pub votes: BTreeMap<Address, Vote>,
    /// All disputes so far.
    pub disputes: BTreeMap<Cell, Dispute>,
    /// All disputes of this ballot about cells of the evaluations of its attesters.
    pub evaluations: BTreeMap<(Address, Cell), Dispute>,
}

/// What counts of an attestation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote {
    /// Stake behind it.
    pub weight: Amount,
    /// Whether the sign is positive.
    pub positive: bool,
    /// Whether the measured loss fell.
    pub improves: bool,
    /// What was signed.
    pub attestation: Attestation,
}

/// Votes by stake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Stake with a positive sign.
    pub positive: Amount,
    /// Stake with a negative sign.
    pub negative: Amount,
    /// Stake that measured a fall of the loss.
    pub improved: Amount,
}

/// A doubt about one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dispute {
    /// Who doubts.
    pub disputer: Address,
    /// The disputer's bond; 0 once the dispute is over.
    pub bond: Amount,
    /// Last block for the answer.
    pub deadline: u64,
    /// Whether the cell was proven; or that of an evaluation whose attester was slashed.
    pub answered: bool,
}

/// What [`super::Settlement::settle`] decides once a window is over.
pub(super) enum Outcome {
    Reject(Reason),
    Dispute,
    Resample,
    Finalize,
    Lapse(Lapse),
}

impl Candidate {
    /// How far it came; never goes back.
    pub fn progress(&self) -> (u8, u8) {
        let status = match self.status {
            Status::Committed => 0,
            Status::Drawn => 1,
            Status::Disclosed => 2,
            Status::Seeded => 3,
            Status::Proven => 4,
            Status::Disputed => 5,
            Status::Finalized | Status::Lapsed(_) | Status::Rejected(_) => 6,
        };
        (self.ballot, status)
    }

    /// The votes of this ballot by stake; those whose evaluation waits for a proof do not count.
    pub fn tally(&self) -> Tally {
        let doubted = |attester: &Address| self.open_evaluations().any(|((of, _), _)| of == *attester);
        self.votes.iter().filter(|(attester, _)| !doubted(attester)).map(|(_, vote)| vote).fold(
            Tally::default(),
            |tally, vote| Tally {
                positive: tally.positive + if vote.positive { vote.weight } else { 0 },
                negative: tally.negative + if vote.positive { 0 } else { vote.weight },
                improved: tally.improved + if vote.improves { vote.weight } else { 0 },
            },
        )
    }

    /// Bonds of the miner and of all open disputes.
    pub fn bonds(&self) -> Amount {
        let disputes = self.disputes.values().chain(self.evaluations.values());
        self.bond + disputes.map(|dispute| dispute.bond).sum::<Amount>()
    }

    /// Disputes without an answer.
    pub fn open_disputes(&self) -> impl Iterator<Item = (Cell, Dispute)> {
        self.disputes.iter().map(|(&cell, &dispute)| (cell, dispute)).filter(|(_, dispute)| !dispute.answered)
    }

    /// Disputes that keep the candidate from its end: those without an answer, and those about segments
    /// whose cells may still be disputed.
    pub fn awaited(&self, now: u64) -> impl Iterator<Item = (Cell, Dispute)> {
        let all = self.disputes.iter().map(|(&cell, &dispute)| (cell, dispute));
        all.filter(move |(cell, dispute)| !dispute.answered || cell.kind == Kind::Disclosure && now <= dispute.deadline)
    }

    /// Disputes about evaluations that are not over.
    pub fn open_evaluations(&self) -> impl Iterator<Item = ((Address, Cell), Dispute)> {
        let all = self.evaluations.iter().map(|(&about, &dispute)| (about, dispute));
        all.filter(|(_, dispute)| !dispute.answered)
    }

    /// Last block of what keeps the candidate from its end first. Evaluations do so for two windows of
    /// answers after that of votes, one to doubt them in and one to answer in, and no longer: who doubts
    /// and answers for itself would hold a candidate open for nothing.
    pub(super) fn first_deadline(&self, now: u64, rules: &Rules) -> Option<u64> {
        let last = self.deadline.saturating_add(rules.answer_window.saturating_mul(2));
        let cells = self.awaited(now).map(|(_, dispute)| dispute.deadline);
        let evaluations = self.open_evaluations().map(|(_, dispute)| dispute.deadline.min(last));
        cells.chain(evaluations.filter(|&deadline| now <= deadline)).min()
    }

    /// The evaluation whose dispute is open past its deadline.
    pub(super) fn overdue_evaluation(&self, now: u64) -> Option<(Address, Cell)> {
        self.open_evaluations().find(|(_, dispute)| now > dispute.deadline).map(|(about, _)| about)
    }

    /// Whether the cell is of a segment, of so many steps, that a dispute asked for and whose cells may
    /// still be disputed.
    pub(super) fn asked_for(&self, now: u64, cell: Cell, length: u32) -> bool {
        let dispute = self.disputes.get(&Cell::segment(cell.step / length.max(1)));
        cell.kind.is_of_step() && dispute.is_some_and(|dispute| dispute.answered && now <= dispute.deadline)
    }

    /// The open dispute whose deadline passed first.
    pub(super) fn overdue(&self, now: u64) -> Option<(Cell, Dispute)> {
        self.open_disputes().filter(|(_, dispute)| now > dispute.deadline).min_by_key(|(_, dispute)| dispute.deadline)
    }

    pub(super) fn outcome(&self, disputed: bool, current: bool) -> Outcome {
        let tally = self.tally();
        match self.status {
            Status::Committed | Status::Disclosed => Outcome::Reject(Reason::NoSeed),
            Status::Drawn => Outcome::Reject(Reason::NoDisclosure),
            Status::Seeded => Outcome::Reject(Reason::NoProof),
            _ if disputed => Outcome::Dispute,
            _ if !current => Outcome::Lapse(Lapse::RoundOver),
            _ if self.ballot == 0 && tally.negative > 0 && tally.negative * 3 >= self.total => Outcome::Resample,
            _ if tally.positive * 3 <= 2 * self.total => Outcome::Lapse(Lapse::NoQuorum),
            _ if tally.improved * 2 <= tally.positive + tally.negative => Outcome::Lapse(Lapse::NoImprovement),
            _ => Outcome::Finalize,
        }
    }

    /// Waits, in this status, for the beacon of a later block.
    pub(super) fn await_beacon(&mut self, status: Status, now: u64, rules: &Rules) {
        self.beacon_block = now.saturating_add(rules.seed_delay);
        self.enter(status, self.beacon_block, rules.seed_window);
    }

    /// Begins the second ballot. What was disclosed in the first counts no more, nor do answers that
    /// rest on it.
    pub(super) fn again(&mut self, now: u64, rules: &Rules) {
        (self.ballot, self.beacon, self.drawn) = (1, None, None);
        self.votes.clear();
        self.evaluations.clear();
        if self.segments.take().is_some() {
            self.disputes.clear();
        }
        self.await_beacon(Status::Committed, now, rules);
    }

    pub(super) fn enter(&mut self, status: Status, from: u64, window: u64) {
        (self.status, self.deadline) = (status, from.saturating_add(window));
    }

    pub(super) fn check_sender(&self, sender: Address) -> Result<(), SettleError> {
        let miner = self.context.miner;
        if sender == miner { Ok(()) } else { Err(SettleError::Sender { expected: miner, got: sender }) }
    }

    pub(super) fn check_candidate(&self, signed: &SignedAttestation) -> Result<(), SettleError> {
        let same = signed.attestation.candidate == self.commitment.hash();
        if same { Ok(()) } else { Err(SettleError::OtherCandidate) }
    }

    pub(super) fn check_subject(&self, signed: &SignedAttestation) -> Result<(), SettleError> {
        self.check_candidate(signed)?;
        if self.beacon == Some(signed.attestation.beacon) { Ok(()) } else { Err(SettleError::OtherBeacon) }
    }
}

impl Status {
    /// Whether nothing more can happen.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Finalized | Self::Lapsed(_) | Self::Rejected(_))
    }

    pub(super) fn awaits_beacon(self) -> bool {
        matches!(self, Self::Committed | Self::Disclosed)
    }

    pub(super) fn takes_answers(self) -> bool {
        matches!(self, Self::Proven | Self::Disputed)
    }
}
