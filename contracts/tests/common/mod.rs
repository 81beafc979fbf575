//! What the tests of the contracts share.

pub(crate) mod round;

use std::cell::RefCell;

use pogo_contracts::{Error, Evm, Revert, calldata, contract_address};
use pogo_protocol::statement::Statement;

thread_local! {
    static EVM: RefCell<Evm> = RefCell::new(Evm::new().expect("deployed"));
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
