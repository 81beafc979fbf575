//! Disputes about evaluations: an attester answers for the loss that it signed, as a miner for its round.
//!
//! Anybody may doubt a cell of the [evaluation](crate::evaluation) behind a vote, with a bond, up to the end
//! of the window of votes and one window of answers more, so that a vote in the last block can be doubted as
//! well. A proof of that very cell wins the bond. Without one before the deadline the vote loses its weight
//! and the stake is slashed. Open ones hold the candidate open, for two windows of answers at most, and a
//! vote does not count while one is open. A dispute that comes after the end costs the attester its stake,
//! not the candidate its end.

use super::{Amount, CandidateId, Dispute, Event, Refused, SettleError, Settlement, exact_bond, not_after, not_before};
use crate::attest::Address;
use crate::cell::{Cell, Depths};
use crate::evaluation::PublicEvaluation;
use crate::statement::Statement;

impl Settlement {
    /// The statement whose proof shows a cell of the evaluation behind an attester's vote.
    ///
    /// # Errors
    /// [`SettleError::UnknownCandidate`], [`SettleError::NoVote`], [`SettleError::Evaluation`],
    /// [`SettleError::NoSuchCell`].
    pub fn evaluation_statement(
        &self,
        id: CandidateId,
        attester: Address,
        cell: Cell,
    ) -> Result<Statement, SettleError> {
        let candidate = self.candidate(id)?;
        let vote = candidate.votes.get(&attester).ok_or(SettleError::NoVote)?;
        let round = self.public_round(candidate, candidate.beacon.unwrap_or_default());
        let depths = Depths { tree: self.task.tree_depth, steps: self.task.steps_depth, trace: self.task.trace_depth };
        let evaluation = PublicEvaluation::new(round, depths, &vote.attestation).map_err(SettleError::Evaluation)?;
        evaluation.statement(cell).ok_or(SettleError::NoSuchCell(cell))
    }

    /// Opens a dispute about a cell of the evaluation behind an attester's vote.
    ///
    /// # Errors
    /// As [`Settlement::evaluation_statement`], [`SettleError::Bond`], [`SettleError::DuplicateDispute`],
    /// [`SettleError::TooMuch`], [`SettleError::TooLate`], [`SettleError::Time`].
    pub fn dispute_evaluation(
        &mut self,
        now: u64,
        id: CandidateId,
        disputer: Address,
        (attester, cell): (Address, Cell),
        bond: Amount,
    ) -> Result<Event, SettleError> {
        self.check_time(now)?;
        let rules = self.task.rules;
        self.evaluation_statement(id, attester, cell)?;
        exact_bond(rules.dispute_bond, bond)?;
        let candidate = self.candidate(id)?;
        // A vote that was slashed is over: stake of later is for later votes.
        candidate.votes.get(&attester).filter(|vote| vote.weight > 0).ok_or(SettleError::NoVote)?;
        not_after(now, candidate.deadline.saturating_add(rules.answer_window))?;
        if candidate.evaluations.contains_key(&(attester, cell)) {
            return Err(SettleError::DuplicateDispute(cell));
        }
        let of_attester = candidate.open_evaluations().filter(|((of, _), _)| *of == attester);
        let last = of_attester.map(|(_, dispute)| dispute.deadline).max().unwrap_or(now);
        let deadline = last.max(now).saturating_add(rules.answer_window);
        self.bank.receive(bond)?;
        let dispute = Dispute { disputer, bond, deadline, answered: false };
        self.candidate_mut(id)?.evaluations.insert((attester, cell), dispute);
        self.now = now;
        Ok(Event::EvaluationDisputed(id, attester, cell, deadline))
    }

    /// Answers a dispute with a proof of [`Settlement::evaluation_statement`]; the attester gets the bond.
    ///
    /// # Errors
    /// As [`Settlement::evaluation_statement`], [`SettleError::NotDisputed`], [`SettleError::Proof`],
    /// [`SettleError::TooLate`], [`SettleError::Time`].
    pub fn answer_evaluation(
        &mut self,
        now: u64,
        id: CandidateId,
        (attester, cell): (Address, Cell),
        proof: &[u8],
    ) -> Result<Event, SettleError> {
        self.check_time(now)?;
        let (statement, verifier) = (self.evaluation_statement(id, attester, cell)?, self.verifier.clone());
        let dispute = self.open_evaluation(id, attester, cell)?;
        not_after(now, dispute.deadline)?;
        verifier.verify(&statement, proof).map_err(|Refused| SettleError::Proof { part: 0 })?;
        dispute.answered = true;
        let bond = core::mem::take(&mut dispute.bond);
        self.bank.credit(attester, bond);
        self.now = now;
        Ok(Event::EvaluationAnswered(id, attester, cell))
    }

    /// Slashes an attester who did not prove a disputed cell of its evaluation in time; half goes to who
    /// disputed it. All open disputes about that evaluation end with it and get their bonds back.
    ///
    /// # Errors
    /// [`SettleError::UnknownCandidate`], [`SettleError::NotDisputed`], [`SettleError::TooEarly`],
    /// [`SettleError::Time`].
    pub fn expire_evaluation(
        &mut self,
        now: u64,
        id: CandidateId,
        (attester, cell): (Address, Cell),
    ) -> Result<Event, SettleError> {
        self.check_time(now)?;
        let Dispute { disputer, deadline, .. } = *self.open_evaluation(id, attester, cell)?;
        not_before(now, deadline.saturating_add(1))?;
        let candidate = self.candidates.get_mut(&id).ok_or(SettleError::UnknownCandidate)?;
        for ((of, _), dispute) in &mut candidate.evaluations {
            if *of == attester && !dispute.answered {
                dispute.answered = true;
                self.bank.credit(dispute.disputer, core::mem::take(&mut dispute.bond));
            }
        }
        if let Some(vote) = candidate.votes.get_mut(&attester) {
            vote.weight = 0;
        }
        self.now = now;
        Ok(Event::AttesterSlashed(attester, self.bank.slash_stake(now, attester, disputer)))
    }

    /// Whether somebody waits for a proof of this attester.
    pub(super) fn answers_for_an_evaluation(&self, attester: Address) -> bool {
        let mut open = self.candidates.values().flat_map(super::Candidate::open_evaluations);
        open.any(|((of, _), _)| of == attester)
    }

    fn open_evaluation(&mut self, id: CandidateId, attester: Address, cell: Cell) -> Result<&mut Dispute, SettleError> {
        let dispute = self.candidate_mut(id)?.evaluations.get_mut(&(attester, cell));
        dispute.filter(|dispute| !dispute.answered).ok_or(SettleError::NotDisputed(cell))
    }
}
