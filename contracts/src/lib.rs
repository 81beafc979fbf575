//! The EVM verifier of a round proof, and the EVM to run it in.
//!
//! `solidity/` holds the sources and `artifacts/` what they compile to; [`Evm`] is revm with both
//! contracts deployed from those artifacts, under the rules of mainnet: 24,576 bytes of code a
//! contract, 16.7 M gas a transaction. No node, no compiler and no network are needed.
//!
//! ```text
//! calldata = selector | 24 words of the statement | offset | length | proof
//! ```

mod artifact;
mod evm;
mod revert;

pub use artifact::{Artifact, HALO_VERIFIER, ROUND_VERIFIER};
pub use evm::{CHAIN_ID, Error, Evm, Gas, Outcome, calldata, contract_address, round_verifier_code, runtime_size};
pub use revert::Revert;
