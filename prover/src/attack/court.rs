//! A settlement of the small round, block by block: three attesters with stake, and a fourth without.

use std::sync::{Arc, Mutex, PoisonError};

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use pogo_protocol::attest::{Address, AttestError, Attestation, AttesterKey, Sign, SignedAttestation};
use pogo_protocol::cell::Cell;
use pogo_protocol::commitment::Commitment;
use pogo_protocol::evaluation::EvaluationRoots;
use pogo_protocol::model::State;
use pogo_protocol::record::Head;
use pogo_protocol::settle::{
    Beacon, CandidateId, Event, Reason, Refused, Rules, SettleError, Settlement, Task, Verify, candidate_id,
};
use pogo_protocol::statement::{CircuitKind, Circuits, Statement};
use pogo_protocol::stream::keccak;
use pogo_verifier::{Setup, Verifier};

use super::Failed;
use super::mine::Mined;
use super::rates::beacon;
use crate::train::initial_record;

/// Somebody without stake.
pub(super) const STRANGER: Address = [0xee; 20];
/// Records that every attester evaluates.
pub(super) const EVALUATED: u32 = 64;
/// Attesters with stake.
pub(super) const BONDED: usize = 3;
const STAKE: u128 = 100;
const WINDOW: u64 = 10;
const RULES: Rules = Rules {
    seed_delay: 2,
    seed_window: WINDOW,
    prove_window: WINDOW,
    attest_window: WINDOW,
    answer_window: WINDOW,
    exit_delay: 20 * WINDOW,
    bond: 1000,
    fee: 10,
    dispute_bond: 100,
    reward: 0,
    samples: super::rates::SAMPLES,
    evaluated: EVALUATED,
};

/// A candidate in its settlement.
pub(super) struct Court {
    pub(super) chain: Settlement,
    pub(super) now: u64,
    pub(super) id: CandidateId,
    pub(super) keys: [AttesterKey; BONDED + 1],
    commitment: Commitment,
}

/// Where an attack is on the rules alone, a proof of a statement is its digest: the state machine
/// takes any proof system. Where a proof is what stops the attack, the verifier is the real one.
pub(super) struct Digests;

impl Verify for Digests {
    fn verify(&self, statement: &Statement, proof: &[u8]) -> Result<(), Refused> {
        if proof == statement.digest() { Ok(()) } else { Err(Refused) }
    }
}

struct Proofs(Mutex<Verifier>);

impl Verify for Proofs {
    fn verify(&self, statement: &Statement, proof: &[u8]) -> Result<(), Refused> {
        let mut verifier = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        verifier.verify(&statement.encode(), proof).map_err(|_| Refused)
    }
}

impl Court {
    /// A candidate among three attesters, whose proofs are really verified.
    pub(super) fn with_proofs(mined: &Mined<'_>) -> Result<Self, Failed> {
        let mut verifier = Verifier::new(Setup::Development);
        let (circuits, srs) = (*verifier.circuits(), verifier.srs()?);
        let head = initial_record(&mined.job.round.layout, &State::initial(&mined.job.round.spec))?.head();
        Self::open(mined, head, Arc::new(Proofs(Mutex::new(verifier))), circuits, srs)
    }

    /// A candidate among three attesters whose proofs are [`Digests`].
    pub(super) fn with_digests(mined: &Mined<'_>) -> Result<Self, Failed> {
        let round = mined.job.round;
        Self::with_head(mined, initial_record(&round.layout, &State::initial(&round.spec))?.head())
    }

    /// The same for a task that was opened with this head, whether or not it is that of the seed.
    pub(super) fn with_head(mined: &Mined<'_>, head: Head) -> Result<Self, Failed> {
        Self::open(mined, head, Arc::new(Digests), Circuits([[1; 32]; CircuitKind::ALL.len()]), [2; 32])
    }

    fn open(
        mined: &Mined<'_>,
        head: Head,
        verifier: Arc<dyn Verify>,
        circuits: Circuits,
        srs: [u8; 32],
    ) -> Result<Self, Failed> {
        let (round, commitment) = (mined.job.round, &mined.commitment);
        let (spec, context) = (round.spec.clone(), round.context);
        let task = Task {
            spec,
            tree_depth: round.shape.tree_depth,
            steps_depth: round.shape.steps_depth,
            trace_depth: round.shape.trace_depth,
            chain_id: context.chain_id,
            contract: context.contract,
            task: context.task,
            records: mined.job.data.len() as u32,
            circuits,
            srs,
            head,
            seeded: round.seeded,
            rules: RULES,
        };
        let mut chain = Settlement::new(task, verifier)?;
        let key = |number: u8| AttesterKey::from_secret(&keccak(&[b"pogo/attack/attester/v1", &[number]]));
        let keys = [key(0)?, key(1)?, key(2)?, key(3)?];
        for key in &keys[..BONDED] {
            chain.stake(1, key.address(), STAKE)?;
        }
        let id = candidate_id(&context, &commitment.hash());
        chain.commit(2, context.miner, commitment.clone(), RULES.bond)?;
        Ok(Self { chain, now: 2, id, keys, commitment: commitment.clone() })
    }

    /// Draws the beacon.
    pub(super) fn seed(&mut self, value: [u8; 32]) -> Result<(), SettleError> {
        let block = self.chain.candidates()[&self.id].beacon_block;
        self.now = block + 1;
        self.chain.draw_seed(self.now, self.id, Beacon { block, value }).map(|_| ())
    }

    /// Hands in the digests that are the proofs of a candidate opened with [`Digests`].
    pub(super) fn prove_by_digests(&mut self, beacon: [u8; 32]) -> Result<(), SettleError> {
        self.seed(beacon)?;
        let proofs: Vec<_> = self.chain.statements(self.id)?.iter().map(Statement::digest).collect();
        let proofs: Vec<&[u8]> = proofs.iter().map(<[u8; 32]>::as_slice).collect();
        self.chain.prove(self.now, self.id, &proofs).map(|_| ())
    }

    /// What attester `number` says.
    pub(super) fn attestation(&self, number: usize, sign: Sign, losses: [u64; 2]) -> Attestation {
        Attestation {
            candidate: self.commitment.hash(),
            beacon: self.chain.candidates()[&self.id].beacon.unwrap_or_default(),
            attester: self.keys[number].address(),
            sign,
            evaluated: EVALUATED,
            loss_before: losses[0],
            loss_after: losses[1],
            evaluation: EvaluationRoots { data: Fr::ZERO, trace: Fr::ZERO }, // which nobody doubts here
        }
    }

    /// It, signed.
    pub(super) fn sign(&self, number: usize, attestation: Attestation) -> Result<SignedAttestation, AttestError> {
        self.keys[number].sign(&self.chain.candidates()[&self.id].context, attestation)
    }

    /// A positive vote of attester `number`, who measured these losses before and after the round.
    pub(super) fn approve(&mut self, number: usize, losses: [u64; 2]) -> Result<(), Failed> {
        let signed = self.sign(number, self.attestation(number, Sign::Positive, losses))?;
        self.chain.attest(self.now, self.id, &signed)?;
        Ok(())
    }

    /// A stranger disputes a cell.
    pub(super) fn dispute(&mut self, cell: Cell) -> Result<(), SettleError> {
        self.chain.dispute(self.now, self.id, STRANGER, cell, RULES.dispute_bond).map(|_| ())
    }

    /// Whether a dispute of this cell, to which the miner has no answer, ends the candidate, for which all
    /// stake is.
    pub(super) fn ends_unanswered(mut self, cell: Cell) -> Result<bool, Failed> {
        self.prove_by_digests(beacon(0))?;
        (0..BONDED).try_for_each(|attester| self.approve(attester, [2, 1]))?;
        self.dispute(cell)?;
        Ok(matches!(self.end()?, Event::Rejected(_, Reason::Unanswered(named), _) if named == cell))
    }

    /// Settles until no answer is waited for.
    pub(super) fn end(&mut self) -> Result<Event, SettleError> {
        match self.settle()? {
            Event::Disputed(_) => self.settle(),
            event => Ok(event),
        }
    }

    /// Settles when the windows of votes and of the first open dispute are over.
    pub(super) fn settle(&mut self) -> Result<Event, SettleError> {
        let candidate = &self.chain.candidates()[&self.id];
        let open = candidate.open_disputes().map(|(_, dispute)| dispute.deadline).min();
        self.now = candidate.deadline.max(open.unwrap_or(0)) + 1;
        self.chain.settle(self.now, self.id, STRANGER)
    }
}
