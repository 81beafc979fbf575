//! One true proof, made once for all tests of a file.

use std::cell::RefCell;
use std::sync::LazyLock;

use pogo_circuits::circuit::{Gridded, instances};
use pogo_circuits::keys::Keys;
use pogo_circuits::proof::prove;
use pogo_circuits::round::{Claim, RoundCircuit, Shape};
use pogo_circuits::srs::Srs;
use pogo_circuits::testing::reading::ark;
use pogo_circuits::testing::rounds::round;
use pogo_contracts::{CHAIN_ID, Error, Evm, Revert, calldata, contract_address};
use pogo_protocol::statement::{Context, Statement};

static HONEST: LazyLock<(Statement, Vec<u8>)> = LazyLock::new(|| {
    let shape = Shape::MINIMAL;
    let srs = Srs::development(shape.k);
    let keys = Keys::generate(shape, &srs).expect("the SRS fits");
    let (claim, openings) = round(&shape, 1);
    let inputs: Vec<_> =
        instances(&RoundCircuit::new(shape, claim, openings.clone()).grid()).into_iter().map(ark).collect();
    let statement = Statement {
        circuit: keys.circuit(),
        srs: srs.id(),
        context: Context { chain_id: CHAIN_ID, contract: contract_address(), task: [1; 32], round: 3, miner: [2; 20] },
        commitment: [3; 32],
        spec: [4; 32],
        data_root: claim.roots.steps,
        beacon: [5; 32],
        part: 0,
        parts: 1,
        parent_root: claim.roots.parent,
        steps_root: claim.roots.steps,
        state_root: claim.roots.state,
        quantized_root: claim.roots.quantized,
        layout: claim.roots.layout,
        record_count: claim.roots.record_count,
        updates: [inputs[8], inputs[9], inputs[10]],
        quantizes: [inputs[11], inputs[12]],
    };
    let circuit = RoundCircuit::new(shape, Claim::new(&statement), openings);
    let proof = prove(&srs, &keys, circuit).expect("the keys are of this circuit");
    (statement, proof)
});

thread_local! {
    static EVM: RefCell<Evm> = RefCell::new(Evm::new().expect("deployed"));
}

/// A true statement and its proof.
pub(crate) fn honest() -> (&'static Statement, &'static [u8]) {
    (&HONEST.0, &HONEST.1)
}

/// Why the contract refuses a proof, and what that costs.
pub(crate) fn refused(statement: &Statement, proof: &[u8]) -> (Revert, u64) {
    refused_calldata(calldata("verify", statement, proof))
}

/// Why the contract refuses calldata, and what that costs.
pub(crate) fn refused_calldata(data: Vec<u8>) -> (Revert, u64) {
    match EVM.with_borrow_mut(|evm| evm.call(contract_address(), data)) {
        Err(Error::Reverted { reason, gas }) => (reason, gas),
        other => panic!("not refused: {other:?}"),
    }
}

/// Order of the scalar field, big-endian.
pub(crate) fn scalar_modulus() -> [u8; 32] {
    let mut modulus = pogo_protocol::codec::scalar_bytes(&-ark_bn254::Fr::from(1u64));
    modulus[31] += 1;
    modulus
}
