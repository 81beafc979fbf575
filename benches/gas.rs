//! Gas: one real proof through the contracts in revm.
//! `cargo bench -p pogo-benches --bench gas`

use ark_bn254::Fr;
use pogo_benches::{head, row};
use pogo_circuits::circuit::{Gridded, instances};
use pogo_circuits::keys::Keys;
use pogo_circuits::proof::prove;
use pogo_circuits::round::{Claim, RoundCircuit, Shape};
use pogo_circuits::srs::Srs;
use pogo_circuits::testing::round;
use pogo_circuits::transcript::scalar_bytes;
use pogo_contracts::{CHAIN_ID, Evm, contract_address};
use pogo_protocol::codec::scalar;
use pogo_protocol::statement::{Context, Statement};

fn main() {
    head("gas");
    let shape = Shape::MINIMAL;
    let srs = Srs::development(shape.k);
    let keys = Keys::generate(shape, &srs).expect("the SRS fits");
    let (mut claim, openings) = round(&shape, 1);
    let grid = RoundCircuit::new(shape, claim, openings.clone()).grid();
    let inputs: Vec<Fr> =
        (instances(&grid).into_iter()).map(|value| scalar(&scalar_bytes(value)).expect("canonical")).collect();
    let statement = statement(&keys, &srs, &claim, &inputs);
    claim = Claim::new(&statement);
    let proof = prove(&srs, &keys, RoundCircuit::new(shape, claim, openings)).expect("keys of this circuit");
    let gas = Evm::new().expect("both contracts deploy").verify(&statement, &proof).expect("a true proof");
    row("transaction", gas.total as f64, "gas");
    row("of it execution", gas.execution as f64, "gas");
    row("of it calldata", gas.calldata as f64, "gas");
    row("calldata", gas.calldata_bytes as f64, "bytes");
}

/// The statement whose public inputs are those of the circuit.
fn statement(keys: &Keys, srs: &Srs, claim: &Claim, inputs: &[Fr]) -> Statement {
    Statement {
        circuit: keys.circuit(),
        srs: srs.id(),
        context: Context { chain_id: CHAIN_ID, contract: contract_address(), task: [1; 32], round: 0, miner: [2; 20] },
        commitment: [3; 32],
        spec: [4; 32],
        data_root: Fr::from(5u64),
        beacon: [6; 32],
        part: 0,
        parts: 1,
        parent_root: claim.roots.parent,
        steps_root: claim.roots.steps,
        state_root: claim.roots.state,
        quantized_root: claim.roots.quantized,
        layout: claim.roots.layout,
        record_count: claim.roots.record_count,
        updates: inputs[8..11].try_into().expect("three elements"),
        quantizes: inputs[11..13].try_into().expect("two elements"),
    }
}
