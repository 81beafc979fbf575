//! Proofs of every circuit are accepted, each under the key of its circuit only.

#[path = "common/round.rs"]
mod round;

use std::ops::Range;

use pogo_contracts::{CHAIN_ID, Error, Evm, STEP_KEYS};
use pogo_protocol::codec::scalar_bytes;
use pogo_protocol::product::Orientation;
use pogo_protocol::statement::{CircuitKind, Statement};
use pogo_verifier::Setup;
use pogo_verifier::encoding::write_g1;
use round::proven;

/// Bytes of a word and of a key.
const WORD: usize = 32;
const KEY: usize = WORD * 37;

fn accepted(circuit: CircuitKind) {
    let (statement, proof) = proven(circuit);
    let gas = Evm::new().expect("deployed").verify(statement, proof);
    println!("{}: {gas:?}", circuit.name());
    assert!(gas.is_ok(), "{}: {gas:?}", circuit.name());
}

#[test]
fn a_true_cell_of_an_evaluation_is_accepted() {
    accepted(CircuitKind::Dequantize);
}

#[test]
#[ignore = "minutes of proving; whole rounds of the command are verified by the contract, too"]
fn a_true_proof_of_every_circuit_is_accepted() {
    CircuitKind::ALL.into_iter().for_each(accepted);
}

/// The generated verifiers alone, without the checks of the wrapper.
struct Generated {
    evm: Evm,
    addresses: [[u8; 20]; 3],
    keys: Vec<u8>,
}

impl Generated {
    fn new() -> Self {
        let mut evm = Evm::empty(CHAIN_ID);
        let addresses = evm.deploy_generated().expect("deployed");
        let (_, keys) = evm.create(STEP_KEYS.creation_code()).expect("deployed");
        Self { evm, addresses, keys: keys.output }
    }

    fn accepts(&mut self, circuit: CircuitKind, inputs: &[[u8; 32]], proof: &[u8], key: &[u8]) -> bool {
        let verifier = self.addresses[usize::from(circuit != CircuitKind::Round)];
        match self.evm.call(verifier, [&inputs.concat(), proof, key].concat()) {
            Ok(outcome) => {
                assert_eq!(outcome.output, [&[0; 31][..], &[1]].concat());
                true
            }
            Err(Error::Reverted { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// Where the key of a circuit lies in the code that holds all.
    fn place(&self, circuit: [u8; 32]) -> Range<usize> {
        let starts = (1..self.keys.len()).step_by(WORD + KEY).map(|start| start + WORD);
        let start = starts.clone().find(|&start| self.keys[start - WORD..start] == circuit);
        let start = start.expect("every step circuit has a key");
        start..start + KEY
    }

    /// The key of a circuit; nothing for the round circuit, whose verifier has it inside.
    fn key(&self, circuit: CircuitKind) -> Vec<u8> {
        match circuit {
            CircuitKind::Round => Vec::new(),
            _ => self.keys[self.place(id(circuit))].to_vec(),
        }
    }
}

fn id(circuit: CircuitKind) -> [u8; 32] {
    Setup::Development.circuits().id(circuit)
}

fn inputs(statement: &Statement) -> Vec<[u8; 32]> {
    statement.instances().iter().map(scalar_bytes).collect()
}

const FORWARD: CircuitKind = CircuitKind::Product(Orientation::Forward);

#[test]
fn another_public_input_under_the_same_digest_is_refused() {
    // Only the generated verifier is asked, so that the digest limbs stay those of the statement.
    let mut generated = Generated::new();
    for circuit in [CircuitKind::Round, FORWARD] {
        let ((statement, proof), key) = (proven(circuit), generated.key(circuit));
        let inputs = inputs(statement);
        assert!(generated.accepts(circuit, &inputs, proof, &key));
        for input in 0..inputs.len() {
            let mut changed = inputs.clone();
            changed[input][31] ^= 1;
            assert!(!generated.accepts(circuit, &changed, proof, &key), "input {input}");
        }
    }
}

#[test]
fn a_proof_holds_under_no_key_but_that_of_its_circuit() {
    let mut generated = Generated::new();
    let (statement, proof) = proven(FORWARD);
    let inputs = inputs(statement);
    for circuit in CircuitKind::ALL.into_iter().filter(|&circuit| circuit != CircuitKind::Round) {
        let key = generated.key(circuit);
        assert_eq!(generated.accepts(FORWARD, &inputs, proof, &key), circuit == FORWARD, "{}", circuit.name());
    }
    for key in [vec![], vec![0; KEY]] {
        assert!(!generated.accepts(FORWARD, &inputs, proof, &key), "{} bytes of zeros", key.len());
    }
}

#[test]
fn every_word_of_a_key_counts() {
    let mut generated = Generated::new();
    let (statement, proof) = proven(FORWARD);
    let (inputs, key) = (inputs(statement), generated.key(FORWARD));
    let mut digest = key.clone();
    digest[WORD - 1] ^= 1;
    assert!(!generated.accepts(FORWARD, &inputs, proof, &digest));
    // The precompiles refuse a point off the curve, so a point is taken for the next one.
    for point in (WORD..KEY - 2 * WORD).step_by(2 * WORD) {
        let mut other = key.clone();
        other[point..point + 2 * WORD].copy_from_slice(&key[point + 2 * WORD..point + 4 * WORD]);
        assert_ne!(other, key);
        assert!(!generated.accepts(FORWARD, &inputs, proof, &other), "point at byte {point}");
    }
    let mut last = key.clone();
    last[KEY - 2 * WORD..].copy_from_slice(&key[WORD..3 * WORD]);
    assert!(!generated.accepts(FORWARD, &inputs, proof, &last));
}

#[test]
fn a_statement_of_another_step_circuit_is_refused() {
    let (statement, proof) = proven(FORWARD);
    let mut evm = Evm::new().expect("deployed");
    let mut refused = |circuit| {
        let other = Statement { circuit, ..statement.clone() };
        match evm.verify(&other, proof) {
            Err(Error::Reverted { reason, .. }) => reason.name,
            other => panic!("not refused: {other:?}"),
        }
    };
    for circuit in CircuitKind::ALL.into_iter().filter(|&circuit| circuit != CircuitKind::Round && circuit != FORWARD) {
        assert_eq!(refused(id(circuit)), "InvalidProof", "{}", circuit.name());
    }
    for unknown in [[0; 32], [1; 32]] {
        assert_eq!(refused(unknown), "UnknownCircuit");
    }
}

#[test]
fn the_keys_are_those_of_the_pinned_descriptions() {
    let generated = Generated::new();
    let step: Vec<CircuitKind> = CircuitKind::ALL.into_iter().filter(|&kind| kind != CircuitKind::Round).collect();
    assert_eq!(generated.keys.len(), 1 + step.len() * (WORD + KEY));
    for circuit in step {
        let description = Setup::Development.description(circuit).expect("a pinned description");
        let parts = description.parts();
        let permutation = parts.permutation.iter().map(|column| column.commitment);
        let points = parts.fixed_commitments.iter().copied().chain(permutation);
        let mut words = scalar_bytes(&parts.transcript_repr).to_vec();
        points.for_each(|point| words.extend(write_g1(&point)));
        assert!(generated.keys[generated.place(description.id())] == words, "{}", circuit.name());
    }
}
