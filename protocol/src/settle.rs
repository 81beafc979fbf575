//! Settlement: the life of a candidate from its commitment to its end, without a chain.
//!
//! ```text
//! Committed --draw_seed--> Seeded --prove--> Proven --settle, window over:
//!     in trace mode `challenged` Committed --draw_seed--> Drawn --disclose--> Disclosed --draw_seed--> Seeded
//!     an open dispute                           -> Disputed, until every one is answered
//!     negative * 3 >= total, first ballot       -> Committed again, a later beacon, more samples
//!     positive * 3 > 2 * total, loss fell       -> Finalized: head moves, bond and reward
//!     else                                      -> Lapsed: the fee is kept, the bond goes back
//! no seed, no disclosure, no proof, or a dispute unanswered past its deadline, settle -> Rejected: bond slashed
//! ```
//!
//! A pure function of the calls: time is the block number that is passed in, proofs are checked by
//! the [`Verify`] pinned at the start, against statements that are computed here and never taken
//! from a caller. A refused call changes nothing. What bends the plain rule "two thirds decide":
//!
//! - Votes never slash. A third of negative stake asks for a fresh, larger sample and a new ballot.
//! - A dispute names a cell and carries a bond. A proof of that very cell wins the bond, whatever
//!   the votes; without one before the deadline the candidate is rejected. Deadlines of one
//!   candidate queue up, so that a rich disputer cannot outrun an honest miner.
//! - In trace mode `challenged` a segment that was not drawn is disputed first as a whole: the miner
//!   discloses its records, and then has its cells disputed for as long as it had to answer.
//! - The loss fell when more than half of the stake that voted measured `loss_after < loss_before`,
//!   that is when the stake-weighted median of the drop is positive.
//! - The evaluation behind a vote is disputed in the same way, and costs the attester its stake
//!   ([`Settlement::dispute_evaluation`]).
//! - A slash needs its evidence, and gives half to who showed it and burns half.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;

use crate::attest::{Address, Sign, SignedAttestation};
use crate::cell::{Cell, Kind, provable};
use crate::challenge::UpdateSample;
use crate::codec::scalar_bytes;
use crate::commitment::Commitment;
use crate::disclosure::{self, Segments};
use crate::evaluation::spec as evaluation_spec;
use crate::merkle::Layout;
use crate::model::{SpecError, TraceMode};
use crate::record::Head;
use crate::statement::{CellPart, Context, Part, PublicRound, SAMPLES_PER_PROOF, Statement, cell_part, word};
use crate::stream::keccak;
use crate::trace::{Pass, TraceLayout};

mod bank;
mod candidate;
mod error;
mod evaluation;
mod task;

pub use bank::{Amount, BALANCE_MAX, Bank, Slash, Stake};
pub use candidate::{Candidate, Dispute, Status, Tally, Vote};
pub use error::{Lapse, Reason, SettleError};
pub use task::{Beacon, Rules, Task};

use candidate::Outcome;

/// Domain of candidate ids.
pub const CANDIDATE_DOMAIN: &[u8] = b"pogo/candidate/v1";
/// How many times larger the sample of the second ballot is.
pub const SECOND_SAMPLE: usize = 4;

/// Id of a candidate, see [`candidate_id`].
pub type CandidateId = [u8; 32];

/// A proof that was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the verifier refuses the proof")]
pub struct Refused;

/// The proof system.
pub trait Verify: Send + Sync {
    /// Accepts a proof of this very statement.
    ///
    /// # Errors
    /// [`Refused`] for anything else.
    fn verify(&self, statement: &Statement, proof: &[u8]) -> Result<(), Refused>;
}

/// What a call did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The pool grew.
    Funded(Amount),
    /// An attester's stake grew.
    Staked(Address, Amount),
    /// A stake is on its way out, withdrawable from this block.
    Exiting(Address, u64),
    /// A stake became the attester's credit.
    Unstaked(Address, Amount),
    /// A credit was paid out.
    Withdrawn(Address, Amount),
    /// A new candidate, whose beacon is that of this block.
    Committed(CandidateId, u64),
    /// The first beacon of trace mode `challenged` was drawn.
    Drawn(CandidateId, [u8; 32]),
    /// The drawn segments are disclosed; the next beacon is that of this block.
    Disclosed(CandidateId, u64),
    /// The beacon was drawn.
    Seeded(CandidateId, [u8; 32]),
    /// All proofs of the ballot were accepted.
    Proven(CandidateId),
    /// A vote was counted.
    Attested(CandidateId, Address, Vote),
    /// A cell was disputed; to be answered up to this block.
    DisputeOpened(CandidateId, Cell, u64),
    /// A disputed cell was proven.
    DisputeAnswered(CandidateId, Cell),
    /// A cell of an attester's evaluation was disputed; to be answered up to this block.
    EvaluationDisputed(CandidateId, Address, Cell, u64),
    /// A disputed cell of an evaluation was proven.
    EvaluationAnswered(CandidateId, Address, Cell),
    /// Answers are waited for.
    Disputed(CandidateId),
    /// A larger sample is to be proven, drawn from the beacon of this block.
    Resampled(CandidateId, u64),
    /// The round has its head.
    Finalized(CandidateId, Head),
    /// The candidate ended without fault.
    Lapsed(CandidateId, Lapse),
    /// The candidate ended by evidence.
    Rejected(CandidateId, Reason, Slash),
    /// An attester signed twice, or did not prove a cell of its evaluation.
    AttesterSlashed(Address, Slash),
}

/// A task and all that happened to it.
#[derive(Clone)]
pub struct Settlement {
    task: Task,
    layout: Layout,
    trace: Option<TraceLayout>,
    verifier: Arc<dyn Verify>,
    now: u64,
    head: Head,
    round: u64,
    bank: Bank,
    candidates: BTreeMap<CandidateId, Candidate>,
}

/// `keccak256(abi.encode(keccak256(CANDIDATE_DOMAIN), chain id, contract, task, round, miner,
/// commitment))`: the miner is in it, so a commitment copied from the mempool is another candidate.
pub fn candidate_id(context: &Context, commitment: &[u8; 32]) -> CandidateId {
    keccak(&[
        &keccak(&[CANDIDATE_DOMAIN]),
        &word(&context.chain_id.to_be_bytes()),
        &word(&context.contract),
        &context.task,
        &word(&context.round.to_be_bytes()),
        &word(&context.miner),
        commitment,
    ])
}

/// What the answer to a dispute proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An update or quantize cell: it stands in every slot of its kind, the other cell of the same leaf
    /// in the other slots. A quantize cell goes with the update of its leaf in the last step, or in the first
    /// of the first segment that was drawn.
    Round(Part),
    /// A cell of another kind, in every slot.
    Cells(CellPart),
    /// A segment that is not disclosed: its records, by [`Settlement::answer_segment`].
    Segment(u32),
}

/// What an answer to a dispute of this cell proves; none where the round has no such cell.
pub fn answer(round: &PublicRound<'_>, cell: Cell) -> Option<Answer> {
    let (step, leaf) = match cell.kind {
        kind if !kind.is_of_step() && cell.step != 0 => return None,
        Kind::Update => (cell.step, cell.index),
        Kind::Quantize => (shown_step(round)?, cell.index),
        Kind::Disclosure => return undisclosed(round, cell.index).then_some(Answer::Segment(cell.index)),
        _ => return Some(Answer::Cells(cell_part(round.sample(cell)?.circuit(), &[cell]))),
    };
    let leaf = usize::try_from(leaf).ok().filter(|&leaf| leaf < round.layout.leaf_count())?;
    let update = (step < round.commitment.steps && opens(round, step)).then_some(UpdateSample { step, leaf })?;
    Some(Answer::Round(Part { updates: vec![update; SAMPLES_PER_PROOF], quantizes: vec![leaf; SAMPLES_PER_PROOF] }))
}

/// A step whose update goes with a quantize cell: the last, or the first that was drawn.
fn shown_step(round: &PublicRound<'_>) -> Option<u32> {
    match round.segments {
        Some(segments) => segments.drawn.first().map(|segment| segment * segments.length),
        None => round.commitment.steps.checked_sub(1),
    }
}

/// Whether the records before and after a step, below the number of steps, stand in the tree.
fn opens(round: &PublicRound<'_>, step: u32) -> bool {
    let recorded = |record| disclosure::is_committed(round.spec, record);
    recorded(step) && recorded(step + 1) || round.segments.is_some_and(|segments| segments.hold(step))
}

/// Whether the segment can be disclosed still.
fn undisclosed(round: &PublicRound<'_>, segment: u32) -> bool {
    let new = |segments: &Segments| !segments.drawn.contains(&segment) && !segments.later.contains(&segment);
    segment < disclosure::count(round.spec) && round.segments.is_some_and(new)
}

/// The statement whose proof answers a dispute: that of [`answer`] as part 0 of 0, which no sample
/// has.
///
/// `None` where the round has no such cell, or a segment answers.
pub fn answer_statement(round: &PublicRound<'_>, cell: Cell) -> Option<Statement> {
    match answer(round, cell)? {
        Answer::Round(part) => round.statement(&part, 0, 0),
        Answer::Cells(part) => round.cell_statement(&part, 0, 0),
        Answer::Segment(_) => None,
    }
}

impl Settlement {
    /// Opens a task.
    ///
    /// # Errors
    /// [`SettleError::Spec`], [`SettleError::Unprovable`], [`SettleError::Layout`],
    /// [`SettleError::Trace`], [`SettleError::Rules`], or [`SettleError::Evaluation`] for more records than
    /// the trees take the evaluation of.
    pub fn new(task: Task, verifier: Arc<dyn Verify>) -> Result<Self, SettleError> {
        task.spec.validate().map_err(|error: SpecError| SettleError::Spec(Box::new(error)))?;
        provable(&task.spec, task.records).map_err(SettleError::Unprovable)?;
        task.rules.check(task.spec.trace)?;
        let evaluated = evaluation_spec(&task.spec, task.rules.evaluated, Fr::ZERO).map_err(SettleError::Evaluation)?;
        let forward = TraceLayout::of(Pass::Evaluation, task.trace_depth, &evaluated);
        forward.map_err(|error| SettleError::Evaluation(error.into()))?;
        let shapes = task.spec.tensors().into_iter().map(|tensor| (tensor.rows, tensor.cols));
        let layout = Layout::new(task.tree_depth, shapes).map_err(SettleError::Layout)?;
        let trace = TraceLayout::committed(task.trace_depth, &task.spec).map_err(SettleError::Trace)?;
        let (head, bank, candidates) = (task.head, Bank::default(), BTreeMap::new());
        Ok(Self { task, layout, trace, verifier, now: 0, head, round: 0, bank, candidates })
    }

    /// The task after `round` finalized rounds, the last of which left its head.
    #[must_use]
    pub fn at_round(self, round: u64) -> Self {
        Self { round, ..self }
    }

    /// What the current round starts from.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The current round.
    pub fn round(&self) -> u64 {
        self.round
    }

    /// The money.
    pub fn bank(&self) -> &Bank {
        &self.bank
    }

    /// All candidates by id.
    pub fn candidates(&self) -> &BTreeMap<CandidateId, Candidate> {
        &self.candidates
    }

    /// Everything that has a named place; equal to the bank's balance.
    pub fn held(&self) -> Amount {
        self.bank.held() + self.candidates.values().map(Candidate::bonds).sum::<Amount>()
    }

    /// The statements whose proofs [`Settlement::prove`] asks for, in order; none before the seed.
    ///
    /// # Errors
    /// [`SettleError::UnknownCandidate`]; [`SettleError::NoStatement`].
    pub fn statements(&self, id: CandidateId) -> Result<Vec<Statement>, SettleError> {
        let candidate = self.candidate(id)?;
        let Some(beacon) = candidate.beacon else { return Ok(Vec::new()) };
        let samples = self.samples(candidate);
        self.public_round(candidate, beacon).statements(samples).map_err(SettleError::NoStatement)
    }

    /// The statements whose proofs [`Settlement::disclose`] asks for, in order, with these roots over the
    /// records after each; none before the draw.
    ///
    /// # Errors
    /// [`SettleError::UnknownCandidate`]; [`SettleError::Roots`] for fewer roots than proofs, or more.
    pub fn disclosure_statements(&self, id: CandidateId, roots: &[Fr]) -> Result<Vec<Statement>, SettleError> {
        let candidate = self.candidate(id)?;
        let Some((beacon, drawn)) = &candidate.drawn else { return Ok(Vec::new()) };
        let round = PublicRound { segments: None, ..self.public_round(candidate, *beacon) };
        disclosing(&round, drawn, roots, roots.len() as u32)
    }

    /// The statement whose proof answers a dispute about this cell.
    ///
    /// # Errors
    /// [`SettleError::UnknownCandidate`]; [`SettleError::NoSuchCell`].
    pub fn answer_statement(&self, id: CandidateId, cell: Cell) -> Result<Statement, SettleError> {
        let candidate = self.candidate(id)?;
        let round = self.public_round(candidate, candidate.beacon.unwrap_or_default());
        answer_statement(&round, cell).ok_or(SettleError::NoSuchCell(cell))
    }

    /// The statements whose proofs answer a dispute about this segment, with these roots over the records
    /// after each: parts of 0, which no draw has.
    ///
    /// # Errors
    /// [`SettleError::UnknownCandidate`]; [`SettleError::NoSuchCell`]; [`SettleError::Roots`].
    pub fn segment_statements(
        &self,
        id: CandidateId,
        segment: u32,
        roots: &[Fr],
    ) -> Result<Vec<Statement>, SettleError> {
        let candidate = self.candidate(id)?;
        let round = self.public_round(candidate, candidate.beacon.unwrap_or_default());
        let cell = Cell::segment(segment);
        answer(&round, cell).ok_or(SettleError::NoSuchCell(cell))?;
        disclosing(&round, &[segment], roots, 0)
    }

    /// Whether a dispute or a negative vote may name the cell: one that can be answered, or was disputed.
    fn check_cell(&self, id: CandidateId, cell: Cell) -> Result<(), SettleError> {
        let candidate = self.candidate(id)?;
        let round = self.public_round(candidate, candidate.beacon.unwrap_or_default());
        let answers = match answer(&round, cell) {
            Some(Answer::Segment(_)) => true,
            _ => answer_statement(&round, cell).is_some(),
        };
        let named = candidate.disputes.contains_key(&cell) || answers;
        if named { Ok(()) } else { Err(SettleError::NoSuchCell(cell)) }
    }

    /// Adds to the pool of rewards.
    ///
    /// # Errors
    /// [`SettleError::TooMuch`].
    pub fn fund(&mut self, amount: Amount) -> Result<Event, SettleError> {
        self.bank.receive(amount)?;
        self.bank.pool += amount;
        Ok(Event::Funded(amount))
    }

    /// Adds to an attester's stake; it votes on candidates committed in later blocks.
    ///
    /// # Errors
    /// [`SettleError::Nothing`] for no amount, [`SettleError::TooMuch`], [`SettleError::Time`].
    pub fn stake(&mut self, now: u64, attester: Address, amount: Amount) -> Result<Event, SettleError> {
        self.check_time(now)?;
        something("stake", amount)?;
        self.bank.stake(now, attester, amount)?;
        self.now = now;
        Ok(Event::Staked(attester, amount))
    }

    /// Sends the whole active stake on its way out; all that is exiting waits the full delay.
    ///
    /// # Errors
    /// [`SettleError::Nothing`] without active stake, [`SettleError::Time`].
    pub fn exit(&mut self, now: u64, attester: Address) -> Result<Event, SettleError> {
        self.check_time(now)?;
        something("active stake", self.bank.stakes.get(&attester).map_or(0, |stake| stake.active))?;
        let unlock = now.saturating_add(self.task.rules.exit_delay);
        self.bank.exit(now, attester, unlock);
        self.now = now;
        Ok(Event::Exiting(attester, unlock))
    }

    /// Turns the exiting stake into a credit once its delay is over.
    ///
    /// # Errors
    /// [`SettleError::Nothing`] without exiting stake, [`SettleError::TooEarly`],
    /// [`SettleError::UnderDispute`], [`SettleError::Time`].
    pub fn unstake(&mut self, now: u64, attester: Address) -> Result<Event, SettleError> {
        self.check_time(now)?;
        let (exiting, unlock) = self.bank.stakes.get(&attester).map_or((0, 0), |stake| (stake.exiting, stake.unlock));
        something("exiting stake", exiting)?;
        not_before(now, unlock)?;
        if self.answers_for_an_evaluation(attester) {
            return Err(SettleError::UnderDispute);
        }
        self.now = now;
        Ok(Event::Unstaked(attester, self.bank.unstake(attester)))
    }

    /// Pays out an account's credit.
    ///
    /// # Errors
    /// [`SettleError::Nothing`] without a credit.
    pub fn withdraw(&mut self, account: Address) -> Result<Event, SettleError> {
        something("credit", self.bank.credits.get(&account).copied().unwrap_or(0))?;
        Ok(Event::Withdrawn(account, self.bank.pay_out(&account)))
    }

    /// Takes a commitment for the current round.
    ///
    /// # Errors
    /// [`SettleError::Commitment`] naming the field that is not the task's,
    /// [`SettleError::Bond`], [`SettleError::DuplicateCandidate`], [`SettleError::TooMuch`],
    /// [`SettleError::Time`].
    pub fn commit(
        &mut self,
        now: u64,
        miner: Address,
        commitment: Commitment,
        bond: Amount,
    ) -> Result<Event, SettleError> {
        self.check_time(now)?;
        self.check_commitment(&commitment)?;
        exact_bond(self.task.rules.bond, bond)?;
        let Task { chain_id, contract, task, .. } = self.task;
        let context = Context { chain_id, contract, task, round: self.round, miner };
        let id = candidate_id(&context, &commitment.hash());
        if self.candidates.contains_key(&id) {
            return Err(SettleError::DuplicateCandidate);
        }
        self.bank.receive(bond)?;
        let mut candidate = Candidate {
            context,
            commitment,
            committed_at: now,
            total: self.bank.total_before(now),
            ballot: 0,
            status: Status::Committed,
            beacon_block: 0,
            beacon: None,
            drawn: None,
            segments: None,
            deadline: 0,
            bond,
            votes: BTreeMap::new(),
            disputes: BTreeMap::new(),
            evaluations: BTreeMap::new(),
        };
        candidate.await_beacon(Status::Committed, now, &self.task.rules);
        let beacon_block = candidate.beacon_block;
        self.candidates.insert(id, candidate);
        self.now = now;
        Ok(Event::Committed(id, beacon_block))
    }

    /// Sets the beacon, once, after its block; in trace mode `challenged` two, one after the other.
    ///
    /// # Errors
    /// [`SettleError::Beacon`] for another block, [`SettleError::Status`],
    /// [`SettleError::TooEarly`], [`SettleError::TooLate`], [`SettleError::Time`].
    pub fn draw_seed(&mut self, now: u64, id: CandidateId, beacon: Beacon) -> Result<Event, SettleError> {
        let (rules, spec) = (self.task.rules, self.task.spec.clone());
        let samples = self.samples(self.candidate(id)?);
        let candidate = self.candidate_in(now, id, "Committed or Disclosed", Status::awaits_beacon)?;
        if beacon.block != candidate.beacon_block {
            return Err(SettleError::Beacon { expected: candidate.beacon_block, got: beacon.block });
        }
        not_before(now, candidate.beacon_block.saturating_add(1))?;
        not_after(now, candidate.deadline)?;
        if spec.trace == TraceMode::Challenged && candidate.status == Status::Committed {
            let drawn = disclosure::draw(&spec, beacon.value, candidate.commitment.hash(), samples);
            candidate.drawn = Some((beacon.value, drawn));
            candidate.enter(Status::Drawn, now, rules.prove_window);
            self.now = now;
            return Ok(Event::Drawn(id, beacon.value));
        }
        candidate.beacon = Some(beacon.value);
        candidate.enter(Status::Seeded, now, rules.prove_window);
        self.now = now;
        Ok(Event::Seeded(id, beacon.value))
    }

    /// Takes the roots over the records after each proof that discloses drawn segments, and the proofs
    /// of [`Settlement::disclosure_statements`]. The next beacon is that of a later block.
    ///
    /// From the miner only: anybody could prove records of its own making at the empty leaves, and no
    /// cell of them would hold.
    ///
    /// # Errors
    /// [`SettleError::Sender`], [`SettleError::Roots`], [`SettleError::ProofCount`], [`SettleError::Proof`],
    /// [`SettleError::Status`], [`SettleError::TooLate`], [`SettleError::Time`].
    pub fn disclose(
        &mut self,
        now: u64,
        id: CandidateId,
        sender: Address,
        roots: &[Fr],
        proofs: &[&[u8]],
    ) -> Result<Event, SettleError> {
        self.candidate(id)?.check_sender(sender)?;
        let statements = self.disclosure_statements(id, roots)?;
        let (rules, spec, verifier) = (self.task.rules, self.task.spec.clone(), self.verifier.clone());
        let candidate = self.candidate_in(now, id, "Drawn", |status| status == Status::Drawn)?;
        not_after(now, candidate.deadline)?;
        verify_all(&*verifier, &statements, proofs)?;
        let drawn = candidate.drawn.as_ref().map_or_else(Vec::new, |(_, drawn)| drawn.clone());
        let root = roots.last().copied().unwrap_or(candidate.commitment.steps_root);
        candidate.segments = Some(Segments::new(&spec, drawn, root));
        candidate.await_beacon(Status::Disclosed, now, &rules);
        let beacon_block = candidate.beacon_block;
        self.now = now;
        Ok(Event::Disclosed(id, beacon_block))
    }

    /// Takes the proofs of all statements of [`Settlement::statements`], in order.
    ///
    /// # Errors
    /// [`SettleError::ProofCount`], [`SettleError::Proof`] naming the first that is refused,
    /// [`SettleError::NoStatement`], [`SettleError::Status`], [`SettleError::TooLate`], [`SettleError::Time`].
    pub fn prove(&mut self, now: u64, id: CandidateId, proofs: &[&[u8]]) -> Result<Event, SettleError> {
        let (rules, statements, verifier) = (self.task.rules, self.statements(id)?, self.verifier.clone());
        let candidate = self.candidate_in(now, id, "Seeded", |status| status == Status::Seeded)?;
        not_after(now, candidate.deadline)?;
        verify_all(&*verifier, &statements, proofs)?;
        candidate.enter(Status::Proven, now, rules.attest_window);
        self.now = now;
        Ok(Event::Proven(id))
    }

    /// Counts an attestation.
    ///
    /// # Errors
    /// [`SettleError::OtherCandidate`], [`SettleError::OtherBeacon`], [`SettleError::Evaluated`],
    /// [`SettleError::Attestation`] for the signature, [`SettleError::DuplicateVote`],
    /// [`SettleError::Unbonded`], [`SettleError::NoSuchCell`], [`SettleError::Status`],
    /// [`SettleError::TooLate`], [`SettleError::Time`].
    pub fn attest(&mut self, now: u64, id: CandidateId, signed: &SignedAttestation) -> Result<Event, SettleError> {
        let attestation = &signed.attestation;
        if let Sign::Negative(cell) = attestation.sign {
            self.check_cell(id, cell)?;
        }
        let Rules { evaluated, answer_window, .. } = self.task.rules;
        let candidate = self.candidate(id)?;
        let doubted_until = candidate.deadline.saturating_add(answer_window);
        let weight = self.bank.weight(&attestation.attester, candidate.committed_at, doubted_until);
        let candidate = self.candidate_in(now, id, "Proven", |status| status == Status::Proven)?;
        not_after(now, candidate.deadline)?;
        candidate.check_subject(signed)?;
        if attestation.evaluated != evaluated {
            return Err(SettleError::Evaluated { expected: evaluated, got: attestation.evaluated });
        }
        signed.verify(&candidate.context).map_err(SettleError::Attestation)?;
        if candidate.votes.contains_key(&attestation.attester) {
            return Err(SettleError::DuplicateVote);
        }
        if weight == 0 {
            return Err(SettleError::Unbonded);
        }
        let positive = attestation.sign == Sign::Positive;
        let vote = Vote { weight, positive, improves: attestation.improves(), attestation: *attestation };
        candidate.votes.insert(attestation.attester, vote);
        self.now = now;
        Ok(Event::Attested(id, attestation.attester, vote))
    }

    /// Opens a dispute about a cell.
    ///
    /// # Errors
    /// [`SettleError::Bond`], [`SettleError::NoSuchCell`], [`SettleError::DuplicateDispute`],
    /// [`SettleError::TooMuch`], [`SettleError::Status`], [`SettleError::TooLate`],
    /// [`SettleError::Time`].
    pub fn dispute(
        &mut self,
        now: u64,
        id: CandidateId,
        disputer: Address,
        cell: Cell,
        bond: Amount,
    ) -> Result<Event, SettleError> {
        let rules = self.task.rules;
        self.check_cell(id, cell)?;
        exact_bond(rules.dispute_bond, bond)?;
        let length = self.task.spec.checkpoint_every;
        let asked = self.candidate(id)?.asked_for(now, cell, length);
        let fits = |status| status == Status::Proven || asked && status == Status::Disputed;
        let candidate = self.candidate_in(now, id, "Proven", fits)?;
        if !asked {
            not_after(now, candidate.deadline)?;
        }
        if candidate.disputes.contains_key(&cell) {
            return Err(SettleError::DuplicateDispute(cell));
        }
        let last = candidate.open_disputes().map(|(_, dispute)| dispute.deadline).max().unwrap_or(now);
        let deadline = last.max(now).saturating_add(rules.answer_window);
        self.bank.receive(bond)?;
        let candidate = self.candidates.get_mut(&id).ok_or(SettleError::UnknownCandidate)?;
        candidate.disputes.insert(cell, Dispute { disputer, bond, deadline, answered: false });
        self.now = now;
        Ok(Event::DisputeOpened(id, cell, deadline))
    }

    /// Answers a dispute with a proof of [`Settlement::answer_statement`]; the miner gets the bond.
    ///
    /// # Errors
    /// [`SettleError::NotDisputed`], [`SettleError::Proof`], [`SettleError::Status`],
    /// [`SettleError::TooLate`], [`SettleError::Time`].
    pub fn answer(&mut self, now: u64, id: CandidateId, cell: Cell, proof: &[u8]) -> Result<Event, SettleError> {
        let (statement, verifier) = (self.answer_statement(id, cell)?, self.verifier.clone());
        let candidate = self.candidate_in(now, id, "Proven or Disputed", Status::takes_answers)?;
        let open = candidate.disputes.get_mut(&cell).filter(|dispute| !dispute.answered);
        let dispute = open.ok_or(SettleError::NotDisputed(cell))?;
        not_after(now, dispute.deadline)?;
        verifier.verify(&statement, proof).map_err(|Refused| SettleError::Proof { part: 0 })?;
        dispute.answered = true;
        let (bond, miner) = (core::mem::take(&mut dispute.bond), candidate.context.miner);
        self.bank.credit(miner, bond);
        self.now = now;
        Ok(Event::DisputeAnswered(id, cell))
    }

    /// Answers a dispute about a segment with the roots over the records after each proof, and the proofs
    /// of [`Settlement::segment_statements`]; the miner gets the bond. Cells of the segment can be
    /// disputed for another window of answers. From the miner only, as [`Settlement::disclose`].
    ///
    /// # Errors
    /// [`SettleError::Sender`], [`SettleError::NoSuchCell`], [`SettleError::NotDisputed`], [`SettleError::Roots`], [`SettleError::ProofCount`],
    /// [`SettleError::Proof`], [`SettleError::Status`], [`SettleError::TooLate`], [`SettleError::Time`].
    pub fn answer_segment(
        &mut self,
        now: u64,
        id: CandidateId,
        sender: Address,
        segment: u32,
        roots: &[Fr],
        proofs: &[&[u8]],
    ) -> Result<Event, SettleError> {
        self.candidate(id)?.check_sender(sender)?;
        let (statements, verifier) = (self.segment_statements(id, segment, roots)?, self.verifier.clone());
        let (cell, window) = (Cell::segment(segment), self.task.rules.answer_window);
        let candidate = self.candidate_in(now, id, "Proven or Disputed", Status::takes_answers)?;
        let open = candidate.disputes.get_mut(&cell).filter(|dispute| !dispute.answered);
        let dispute = open.ok_or(SettleError::NotDisputed(cell))?;
        not_after(now, dispute.deadline)?;
        verify_all(&*verifier, &statements, proofs)?;
        dispute.answered = true;
        dispute.deadline = now.saturating_add(window);
        let (bond, miner) = (core::mem::take(&mut dispute.bond), candidate.context.miner);
        if let (Some(segments), Some(&root)) = (&mut candidate.segments, roots.last()) {
            segments.later.push(segment);
            segments.steps_root = root;
        }
        self.bank.credit(miner, bond);
        self.now = now;
        Ok(Event::DisputeAnswered(id, cell))
    }

    /// Slashes an attester who signed two things about one candidate and beacon.
    ///
    /// A vote that it cast there stays as one without weight. Ends of candidates are not reopened.
    ///
    /// # Errors
    /// [`SettleError::NotEquivocation`], [`SettleError::OtherCandidate`],
    /// [`SettleError::Attestation`], [`SettleError::Nothing`] without stake, [`SettleError::Time`].
    pub fn report_equivocation(
        &mut self,
        now: u64,
        reporter: Address,
        id: CandidateId,
        pair: [&SignedAttestation; 2],
    ) -> Result<Event, SettleError> {
        self.check_time(now)?;
        let candidate = self.candidates.get_mut(&id).ok_or(SettleError::UnknownCandidate)?;
        let [first, second] = pair.map(|signed| signed.attestation);
        if first == second || first.attester != second.attester || first.beacon != second.beacon {
            return Err(SettleError::NotEquivocation);
        }
        for signed in pair {
            candidate.check_candidate(signed)?;
            signed.verify(&candidate.context).map_err(SettleError::Attestation)?;
        }
        let attester = first.attester;
        something("stake", self.bank.stakes.get(&attester).map_or(0, Stake::slashable))?;
        if let Some(vote) = candidate.votes.get_mut(&attester) {
            vote.weight = 0;
        }
        self.now = now;
        Ok(Event::AttesterSlashed(attester, self.bank.slash_stake(now, attester, reporter)))
    }

    /// Moves a candidate on when a window is over, or slashes an attester that owes a proof, before it is
    /// called again; anybody may call, and gets the reporter's half of a slash for a missing seed or proof.
    ///
    /// # Errors
    /// [`SettleError::TooEarly`] while something may still come, [`SettleError::Status`] at an
    /// end, [`SettleError::Time`].
    pub fn settle(&mut self, now: u64, id: CandidateId, caller: Address) -> Result<Event, SettleError> {
        let (round, rules) = (self.round, self.task.rules);
        let candidate = self.candidate_in(now, id, "one that is not an end", |status| !status.is_end())?;
        if let Some((cell, dispute)) = candidate.overdue(now) {
            let reason = Reason::Unanswered(cell);
            self.now = now;
            return self.reject(id, reason, dispute.disputer);
        }
        if let Some(about) = candidate.overdue_evaluation(now) {
            return self.expire_evaluation(now, id, about);
        }
        let (status, open) = (candidate.status, candidate.first_deadline(now, &rules));
        if let (Status::Disputed, Some(first)) = (status, open) {
            return Err(SettleError::TooEarly { first: first.saturating_add(1), now });
        }
        if status != Status::Disputed {
            not_before(now, candidate.deadline.saturating_add(1))?;
        }
        let current = candidate.context.round == round;
        let outcome = candidate.outcome(open.is_some(), current);
        self.now = now;
        match outcome {
            Outcome::Reject(reason) => self.reject(id, reason, caller),
            Outcome::Dispute => {
                self.candidate_mut(id)?.status = Status::Disputed;
                Ok(Event::Disputed(id))
            }
            Outcome::Resample => {
                let candidate = self.candidate_mut(id)?;
                candidate.again(now, &rules);
                Ok(Event::Resampled(id, candidate.beacon_block))
            }
            Outcome::Finalize => self.finalize(id),
            Outcome::Lapse(lapse) => self.lapse(id, lapse),
        }
    }
}

impl Settlement {
    fn finalize(&mut self, id: CandidateId) -> Result<Event, SettleError> {
        let reward = self.task.rules.reward.min(self.bank.pool);
        let candidate = self.candidate_mut(id)?;
        candidate.status = Status::Finalized;
        let (miner, head) = (candidate.context.miner, candidate.commitment.head());
        let bond = core::mem::take(&mut candidate.bond);
        self.bank.pool -= reward;
        self.bank.credit(miner, bond + reward);
        (self.head, self.round) = (head, self.round + 1);
        Ok(Event::Finalized(id, head))
    }

    fn lapse(&mut self, id: CandidateId, lapse: Lapse) -> Result<Event, SettleError> {
        let fee = self.task.rules.fee;
        let candidate = self.candidate_mut(id)?;
        candidate.status = Status::Lapsed(lapse);
        let (miner, bond) = (candidate.context.miner, core::mem::take(&mut candidate.bond));
        self.bank.pool += fee;
        self.bank.credit(miner, bond - fee);
        Ok(Event::Lapsed(id, lapse))
    }

    fn reject(&mut self, id: CandidateId, reason: Reason, reporter: Address) -> Result<Event, SettleError> {
        let candidate = self.candidates.get_mut(&id).ok_or(SettleError::UnknownCandidate)?;
        candidate.status = Status::Rejected(reason);
        for dispute in candidate.disputes.values_mut() {
            let bond = core::mem::take(&mut dispute.bond);
            self.bank.credit(dispute.disputer, bond);
        }
        let slash = self.bank.slash(core::mem::take(&mut candidate.bond), reporter);
        Ok(Event::Rejected(id, reason, slash))
    }

    /// Samples of each kind in the candidate's ballot.
    fn samples(&self, candidate: &Candidate) -> usize {
        self.task.rules.samples.saturating_mul(if candidate.ballot == 0 { 1 } else { SECOND_SAMPLE })
    }

    fn candidate(&self, id: CandidateId) -> Result<&Candidate, SettleError> {
        self.candidates.get(&id).ok_or(SettleError::UnknownCandidate)
    }

    fn candidate_mut(&mut self, id: CandidateId) -> Result<&mut Candidate, SettleError> {
        self.candidates.get_mut(&id).ok_or(SettleError::UnknownCandidate)
    }

    /// The candidate, where time goes on and its status is an expected one.
    fn candidate_in(
        &mut self,
        now: u64,
        id: CandidateId,
        expected: &'static str,
        fits: impl Fn(Status) -> bool,
    ) -> Result<&mut Candidate, SettleError> {
        self.check_time(now)?;
        let candidate = self.candidate_mut(id)?;
        if fits(candidate.status) {
            Ok(candidate)
        } else {
            Err(SettleError::Status { expected, got: candidate.status })
        }
    }

    fn check_time(&self, now: u64) -> Result<(), SettleError> {
        if now < self.now { Err(SettleError::Time { last: self.now, now }) } else { Ok(()) }
    }

    fn check_commitment(&self, commitment: &Commitment) -> Result<(), SettleError> {
        let spec = &self.task.spec;
        let exponents = &commitment.quantized_exponents;
        let in_range = exponents.iter().all(|exponent| (1..=24).contains(exponent));
        let fields = [
            ("parent root", commitment.parent_root == self.head.state),
            ("parent exponents", commitment.parent_exponents == self.head.exponents),
            ("spec hash", commitment.spec_hash == spec.hash()),
            ("data root", scalar_bytes(&commitment.data_root) == spec.data_root),
            ("steps", commitment.steps == spec.steps),
            ("exponents", commitment.exponents.fit(spec.tensors().len())),
            ("quantized exponents", exponents.len() == spec.tensors().len() && in_range),
        ];
        fields
            .into_iter()
            .find(|&(_, right)| !right)
            .map_or(Ok(()), |(field, _)| Err(SettleError::Commitment { field }))
    }

    fn public_round<'a>(&'a self, candidate: &'a Candidate, beacon: [u8; 32]) -> PublicRound<'a> {
        PublicRound {
            spec: &self.task.spec,
            layout: &self.layout,
            trace: self.trace.as_ref(),
            segments: candidate.segments.as_ref(),
            commitment: &candidate.commitment,
            context: candidate.context,
            records: self.task.records,
            seeded: self.task.seeded && candidate.context.round == 0,
            beacon,
            circuits: &self.task.circuits,
            srs: self.task.srs,
        }
    }
}

/// The statements that disclose these segments.
fn disclosing(round: &PublicRound<'_>, segments: &[u32], roots: &[Fr], of: u32) -> Result<Vec<Statement>, SettleError> {
    let expected = disclosure::proofs(round.spec, segments).len();
    let statements = round.disclosure_statements(segments, roots, of);
    statements.ok_or(SettleError::Roots { expected, got: roots.len() })
}

/// Verifies the proofs of all of these statements.
fn verify_all(verifier: &dyn Verify, statements: &[Statement], proofs: &[&[u8]]) -> Result<(), SettleError> {
    if proofs.len() != statements.len() {
        return Err(SettleError::ProofCount { expected: statements.len(), got: proofs.len() });
    }
    let mut parts = statements.iter().zip(proofs).enumerate();
    parts.try_for_each(|(part, (statement, proof))| {
        verifier.verify(statement, proof).map_err(|Refused| SettleError::Proof { part })
    })
}

fn something(what: &'static str, amount: Amount) -> Result<(), SettleError> {
    if amount == 0 { Err(SettleError::Nothing(what)) } else { Ok(()) }
}

fn exact_bond(expected: Amount, got: Amount) -> Result<(), SettleError> {
    if expected == got { Ok(()) } else { Err(SettleError::Bond { expected, got }) }
}

fn not_before(now: u64, first: u64) -> Result<(), SettleError> {
    if now < first { Err(SettleError::TooEarly { first, now }) } else { Ok(()) }
}

fn not_after(now: u64, last: u64) -> Result<(), SettleError> {
    if now > last { Err(SettleError::TooLate { last, now }) } else { Ok(()) }
}
