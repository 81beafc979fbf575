//! A small task for the tests: a proof of a statement is its digest.

use std::sync::Arc;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use pogo_protocol::attest::{Address, Attestation, AttesterKey, Sign, SignedAttestation};
use pogo_protocol::cell::Cell;
use pogo_protocol::codec::scalar_bytes;
use pogo_protocol::commitment::Commitment;
use pogo_protocol::evaluation::EvaluationRoots;
use pogo_protocol::model::{Exponents, Schedule, Spec, TraceMode};
use pogo_protocol::record::Head;
use pogo_protocol::settle::{
    Amount, Beacon, Candidate, CandidateId, Event, Refused, Rules, SettleError, Settlement, Status, Task, Verify,
};
use pogo_protocol::statement::{CircuitKind, Circuits, Statement};

pub(crate) const MINER: Address = [0xa1; 20];
pub(crate) const RIVAL: Address = [0xa2; 20];
pub(crate) const STRANGER: Address = [0xee; 20];
pub(crate) const STAKES: [Amount; 4] = [400, 300, 200, 100];
pub(crate) const RULES: Rules = Rules {
    seed_delay: 10,
    seed_window: 20,
    prove_window: 30,
    attest_window: 40,
    answer_window: 15,
    exit_delay: 215,
    bond: 1001,
    fee: 7,
    dispute_bond: 50,
    reward: 500,
    samples: 8,
    evaluated: 16,
};
/// Leaves of the model of [`spec`]: 3 rows of 2 leaves and 2 rows of 1.
pub(crate) const LEAVES: u32 = 8;
pub(crate) const STEPS: u32 = 4;

pub(crate) struct DigestVerifier;

impl Verify for DigestVerifier {
    fn verify(&self, statement: &Statement, proof: &[u8]) -> Result<(), Refused> {
        if proof == statement.digest() { Ok(()) } else { Err(Refused) }
    }
}

pub(crate) fn spec() -> Spec {
    Spec {
        name: "settle".into(),
        layers: vec![100, 3, 2],
        batch: 4,
        steps: STEPS,
        checkpoint_every: 1,
        learning_rate: 1 << 10,
        schedule: Schedule::Constant,
        warmup: 0,
        seed: 1,
        trace: TraceMode::Challenged,
        data_root: scalar_bytes(&Fr::from(77)),
    }
}

pub(crate) fn task(rules: Rules) -> Task {
    Task {
        spec: spec(),
        tree_depth: 6,
        trace_depth: 12,
        chain_id: 31337,
        contract: [0xc0; 20],
        task: [0x7a; 32],
        records: 40,
        circuits: Circuits([[1; 32]; CircuitKind::ALL.len()]),
        srs: [2; 32],
        head: Head { state: 1000.into(), exponents: Fr::ZERO },
        rules,
    }
}

pub(crate) fn commitment(start: Head, salt: u64) -> Commitment {
    Commitment {
        parent_root: start.state,
        parent_exponents: start.exponents,
        steps_root: Fr::from(salt),
        state_root: Fr::from(salt) + Fr::from(1_000_000),
        exponents: Exponents { weights: vec![20; 2], activations: vec![-20], errors: vec![-30; 2] },
        quantized_root: Fr::from(5),
        data_root: Fr::from(77),
        spec_hash: spec().hash(),
        steps: STEPS,
        quantized_exponents: vec![3, 4],
    }
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) settlement: Settlement,
    pub(crate) now: u64,
    pub(crate) keys: Vec<AttesterKey>,
}

impl World {
    /// Four attesters with [`STAKES`] since block 1; it is block 2.
    pub(crate) fn new() -> Self {
        let mut settlement = Settlement::new(task(RULES), Arc::new(DigestVerifier)).unwrap();
        let keys: Vec<_> = (1..=5).map(|secret| AttesterKey::from_secret(&[secret; 32]).unwrap()).collect();
        for (key, stake) in keys.iter().zip(STAKES) {
            settlement.stake(1, key.address(), stake).unwrap();
        }
        Self { settlement, now: 2, keys }
    }

    pub(crate) fn candidate(&self, id: CandidateId) -> &Candidate {
        &self.settlement.candidates()[&id]
    }

    pub(crate) fn status(&self, id: CandidateId) -> Status {
        self.candidate(id).status
    }

    pub(crate) fn credit(&self, account: Address) -> Amount {
        self.settlement.bank().credits.get(&account).copied().unwrap_or(0)
    }

    pub(crate) fn commit(&mut self, miner: Address, salt: u64) -> CandidateId {
        let commitment = commitment(self.settlement.head(), salt);
        match self.settlement.commit(self.now, miner, commitment, RULES.bond).unwrap() {
            Event::Committed(id, _) => id,
            event => panic!("{event:?}"),
        }
    }

    pub(crate) fn seed(&mut self, id: CandidateId) {
        let block = self.candidate(id).beacon_block;
        self.now = self.now.max(block + 1);
        let value = [block as u8; 32];
        self.settlement.draw_seed(self.now, id, Beacon { block, value }).unwrap();
    }

    pub(crate) fn proofs(&self, id: CandidateId) -> Vec<[u8; 32]> {
        self.settlement.statements(id).unwrap().iter().map(Statement::digest).collect()
    }

    pub(crate) fn prove(&mut self, id: CandidateId) {
        let proofs = self.proofs(id);
        let proofs: Vec<&[u8]> = proofs.iter().map(<[u8; 32]>::as_slice).collect();
        self.settlement.prove(self.now, id, &proofs).unwrap();
    }

    /// A candidate that takes votes.
    pub(crate) fn proven(&mut self, miner: Address, salt: u64) -> CandidateId {
        let id = self.commit(miner, salt);
        self.seed(id);
        self.prove(id);
        id
    }

    pub(crate) fn attestation(&self, id: CandidateId, attester: usize, sign: Sign, loss_after: u64) -> Attestation {
        let candidate = self.candidate(id);
        Attestation {
            candidate: candidate.commitment.hash(),
            beacon: candidate.beacon.unwrap_or_default(),
            attester: self.keys[attester].address(),
            sign,
            evaluated: RULES.evaluated,
            loss_before: 1000,
            loss_after,
            evaluation: EvaluationRoots { data: Fr::from(1), trace: Fr::from(2) },
        }
    }

    pub(crate) fn signed(&self, id: CandidateId, attester: usize, sign: Sign, loss_after: u64) -> SignedAttestation {
        let attestation = self.attestation(id, attester, sign, loss_after);
        self.keys[attester].sign(&self.candidate(id).context, attestation).unwrap()
    }

    pub(crate) fn vote(
        &mut self,
        id: CandidateId,
        attester: usize,
        sign: Sign,
        loss_after: u64,
    ) -> Result<Event, SettleError> {
        let signed = self.signed(id, attester, sign, loss_after);
        self.settlement.attest(self.now, id, &signed)
    }

    /// Positive votes of these attesters, all of which measured a fall of the loss.
    pub(crate) fn approve(&mut self, id: CandidateId, attesters: &[usize]) {
        for &attester in attesters {
            self.vote(id, attester, Sign::Positive, 900).unwrap();
        }
    }

    /// Negative votes of these attesters.
    pub(crate) fn doubt(&mut self, id: CandidateId, attesters: &[usize]) {
        let sign = Sign::Negative(Cell::quantize(0));
        for &attester in attesters {
            self.vote(id, attester, sign, 900).unwrap();
        }
    }

    pub(crate) fn dispute(&mut self, id: CandidateId, cell: Cell) -> Result<Event, SettleError> {
        self.settlement.dispute(self.now, id, STRANGER, cell, RULES.dispute_bond)
    }

    pub(crate) fn answer(&mut self, id: CandidateId, cell: Cell) -> Result<Event, SettleError> {
        let proof = self.settlement.answer_statement(id, cell).unwrap().digest();
        self.settlement.answer(self.now, id, cell, &proof)
    }

    /// Settles in the first block after the window.
    pub(crate) fn settle_after_window(&mut self, id: CandidateId) -> Event {
        self.now = self.now.max(self.candidate(id).deadline + 1);
        self.settlement.settle(self.now, id, STRANGER).unwrap()
    }
}
