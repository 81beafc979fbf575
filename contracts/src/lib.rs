//! The EVM verifier of the proofs of a round, and the EVM to run it in.
//!
//! `solidity/` holds the sources and `artifacts/` what they compile to; [`Evm`] is revm with all
//! contracts deployed from those artifacts, under the rules of mainnet: 24,576 bytes of code a
//! contract, 16.7 M gas a transaction. No node, no compiler and no network are needed.
//!
//! ```text
//! calldata = selector | words of the statement but its domain | offset | length | proof
//! ```

mod artifact;
mod evm;
mod revert;

pub use artifact::{Artifact, HALO_VERIFIER, ROUND_VERIFIER, STEP_HALO_VERIFIER, STEP_KEYS};
pub use evm::{
    CHAIN_ID, Error, Evm, GENERATED, Gas, Outcome, calldata, contract_address, round_verifier_code, runtime_size,
};
pub use revert::Revert;
