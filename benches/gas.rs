//! Gas: the contracts deployed, and a real proof of every circuit, or of those named, verified in revm.
//! `cargo bench -p pogo-benches --bench gas [-- CIRCUIT..]`

#[path = "../contracts/tests/common/round.rs"]
mod round;

use pogo_benches::{head, row};
use pogo_contracts::{CHAIN_ID, Evm, HALO_VERIFIER, STEP_HALO_VERIFIER, STEP_KEYS, round_verifier_code};
use pogo_protocol::statement::CircuitKind;

fn main() {
    head("gas");
    deployment();
    let mut evm = Evm::new().expect("all contracts deploy");
    // Cargo adds options of its own.
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let some = |circuit: &CircuitKind| asked.is_empty() || asked.iter().any(|name| name == circuit.name());
    for circuit in CircuitKind::ALL.into_iter().filter(some) {
        let (statement, proof) = round::proven(circuit);
        let gas = evm.verify(statement, proof).expect("a true proof");
        let name = circuit.name();
        row(&format!("{name}: transaction"), gas.total as f64, "gas");
        row(&format!("{name}: of it execution"), gas.execution as f64, "gas");
        row(&format!("{name}: of it calldata"), gas.calldata as f64, "gas");
        row(&format!("{name}: calldata"), gas.calldata_bytes as f64, "bytes");
    }
}

/// What every contract takes to deploy, and the code it leaves.
fn deployment() {
    let mut evm = Evm::empty(CHAIN_ID);
    let mut deploy = |name: &str, creation_code| {
        let (address, outcome) = evm.create(creation_code).expect("deployed");
        row(&format!("{name}: deployment"), outcome.gas.total as f64, "gas");
        row(&format!("{name}: code"), outcome.output.len() as f64, "bytes");
        address
    };
    let generated =
        [("HaloVerifier", HALO_VERIFIER), ("StepHaloVerifier", STEP_HALO_VERIFIER), ("StepKeys", STEP_KEYS)];
    let addresses = generated.map(|(name, artifact)| deploy(name, artifact.creation_code()));
    deploy("RoundVerifier", round_verifier_code(addresses));
}
