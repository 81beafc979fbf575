//! A small task for the tests: a proof of a statement is its digest.

use std::sync::Arc;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use pogo_protocol::attest::{Address, Attestation, AttesterKey, Sign, SignedAttestation};
use pogo_protocol::cell::{Cell, Kind};
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
    exit_delay: 230,
    bond: 1001,
    fee: 7,
    dispute_bond: 50,
    reward: 500,
    samples: 8,
    evaluated: 16,
};
/// Those of a task of trace mode `challenged`: each ballot waits for two beacons and two proofs.
pub(crate) const CHALLENGED_RULES: Rules = Rules { exit_delay: 365, ..RULES };
/// Leaves of the model of [`spec`]: 3 rows of 2 leaves and 2 rows of 1.
pub(crate) const LEAVES: u32 = 8;
pub(crate) const STEPS: u32 = 4;
/// Segments of a round of [`challenged_spec`], of two steps each; 8 are drawn in the first ballot.
pub(crate) const SEGMENTS: u32 = 20;

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
        trace: TraceMode::None,
        data_root: scalar_bytes(&Fr::from(77)),
    }
}

pub(crate) fn challenged_spec() -> Spec {
    Spec { batch: 64, steps: 2 * SEGMENTS, checkpoint_every: 2, trace: TraceMode::Challenged, ..spec() }
}

pub(crate) fn task(rules: Rules) -> Task {
    Task {
        spec: spec(),
        tree_depth: 6,
        steps_depth: 4,
        trace_depth: 12,
        chain_id: 31337,
        contract: [0xc0; 20],
        task: [0x7a; 32],
        records: 40,
        circuits: Circuits([[1; 32]; CircuitKind::ALL.len()]),
        srs: [2; 32],
        head: Head { state: 1000.into(), exponents: Fr::ZERO },
        seeded: true,
        rules,
    }
}

pub(crate) fn challenged_task(rules: Rules) -> Task {
    Task { spec: challenged_spec(), trace_depth: 14, records: 100, ..task(rules) }
}

pub(crate) fn commitment(spec: &Spec, start: Head, salt: u64) -> Commitment {
    Commitment {
        parent_root: start.state,
        parent_exponents: start.exponents,
        steps_root: Fr::from(salt),
        state_root: Fr::from(salt) + Fr::from(1_000_000),
        exponents: Exponents { weights: vec![20; 2], activations: vec![-20], errors: vec![-30; 2] },
        quantized_root: Fr::from(5),
        data_root: Fr::from(77),
        spec_hash: spec.hash(),
        steps: spec.steps,
        quantized_exponents: vec![3, 4],
    }
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) settlement: Settlement,
    pub(crate) now: u64,
    pub(crate) keys: Vec<AttesterKey>,
    pub(crate) spec: Spec,
}

impl World {
    /// A task of trace mode `none`.
    pub(crate) fn new() -> Self {
        Self::of(task(RULES))
    }

    /// A task of trace mode `challenged`.
    pub(crate) fn challenged() -> Self {
        Self::of(challenged_task(CHALLENGED_RULES))
    }

    /// Four attesters with [`STAKES`] since block 1; it is block 2.
    fn of(task: Task) -> Self {
        let spec = task.spec.clone();
        let mut settlement = Settlement::new(task, Arc::new(DigestVerifier)).unwrap();
        let keys: Vec<_> = (1..=5).map(|secret| AttesterKey::from_secret(&[secret; 32]).unwrap()).collect();
        for (key, stake) in keys.iter().zip(STAKES) {
            settlement.stake(1, key.address(), stake).unwrap();
        }
        Self { settlement, now: 2, keys, spec }
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

    pub(crate) fn commitment(&self, salt: u64) -> Commitment {
        commitment(&self.spec, self.settlement.head(), salt)
    }

    pub(crate) fn commit(&mut self, miner: Address, salt: u64) -> CandidateId {
        let commitment = self.commitment(salt);
        match self.settlement.commit(self.now, miner, commitment, RULES.bond).unwrap() {
            Event::Committed(id, _) => id,
            event => panic!("{event:?}"),
        }
    }

    /// The next beacon.
    pub(crate) fn draw(&mut self, id: CandidateId) -> Event {
        let block = self.candidate(id).beacon_block;
        self.now = self.now.max(block + 1);
        let value = [block as u8; 32];
        self.settlement.draw_seed(self.now, id, Beacon { block, value }).unwrap()
    }

    /// Everything up to the beacon that draws cells.
    pub(crate) fn seed(&mut self, id: CandidateId) {
        self.draw(id);
        if self.status(id) == Status::Drawn {
            self.disclose(id).unwrap();
            self.draw(id);
        }
    }

    /// The segments that were drawn.
    pub(crate) fn drawn(&self, id: CandidateId) -> Vec<u32> {
        self.candidate(id).drawn.as_ref().map_or(Vec::new(), |(_, drawn)| drawn.clone())
    }

    /// Some root after each proof that discloses the drawn segments: 8 records a proof.
    pub(crate) fn roots(&self, id: CandidateId) -> Vec<Fr> {
        let proofs = (self.drawn(id).len() as u64 * u64::from(self.spec.checkpoint_every)).div_ceil(8);
        (0..proofs).map(|proof| Fr::from(2_000_000 + proof)).collect()
    }

    /// The miner discloses what was drawn.
    pub(crate) fn disclose(&mut self, id: CandidateId) -> Result<Event, SettleError> {
        let (miner, roots) = (self.candidate(id).context.miner, self.roots(id));
        let proofs = digests(&self.settlement.disclosure_statements(id, &roots).unwrap());
        self.settlement.disclose(self.now, id, miner, &roots, &slices(&proofs))
    }

    pub(crate) fn proofs(&self, id: CandidateId) -> Vec<[u8; 32]> {
        digests(&self.settlement.statements(id).unwrap())
    }

    pub(crate) fn prove(&mut self, id: CandidateId) {
        let proofs = self.proofs(id);
        self.settlement.prove(self.now, id, &slices(&proofs)).unwrap();
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
        if cell.kind == Kind::Disclosure {
            let (miner, root) = (self.candidate(id).context.miner, segment_root(cell.index));
            let proofs = digests(&self.settlement.segment_statements(id, cell.index, &[root])?);
            return self.settlement.answer_segment(self.now, id, miner, cell.index, &[root], &slices(&proofs));
        }
        let proof = self.settlement.answer_statement(id, cell).unwrap().digest();
        self.settlement.answer(self.now, id, cell, &proof)
    }

    /// Settles in the first block after the window.
    pub(crate) fn settle_after_window(&mut self, id: CandidateId) -> Event {
        self.now = self.now.max(self.candidate(id).deadline + 1);
        self.settlement.settle(self.now, id, STRANGER).unwrap()
    }
}

/// The root over the records when this segment is disclosed in answer to a dispute: two records, one proof.
pub(crate) fn segment_root(segment: u32) -> Fr {
    Fr::from(3_000_000 + segment)
}

pub(crate) fn digests(statements: &[Statement]) -> Vec<[u8; 32]> {
    statements.iter().map(Statement::digest).collect()
}

pub(crate) fn slices(proofs: &[[u8; 32]]) -> Vec<&[u8]> {
    proofs.iter().map(<[u8; 32]>::as_slice).collect()
}
