//! A local chain that holds the verifiers, and the transactions sent to it.

use pogo_protocol::statement::Statement;
use pogo_protocol::stream::keccak;
use revm::context::result::{ExecutionResult, Output};
use revm::context::{BlockEnv, CfgEnv, Context, Journal, TxEnv};
use revm::database::InMemoryDB;
use revm::primitives::{Address, TxKind};
use revm::{ExecuteCommitEvm, MainBuilder, MainContext, MainnetEvm};

use crate::artifact::{Artifact, HALO_VERIFIER, ROUND_VERIFIER, STEP_HALO_VERIFIER, STEP_KEYS};
use crate::revert::Revert;

/// Chain id of the local chain.
pub const CHAIN_ID: u64 = 31337;

/// Sends all transactions.
const SENDER: Address = Address::new([0x11; 20]);
/// What is deployed before the wrapper, in the order in which its constructor takes the addresses.
pub const GENERATED: [Artifact; 3] = [HALO_VERIFIER, STEP_HALO_VERIFIER, STEP_KEYS];

/// Transactions of the sender before the one that deploys the wrapper.
const WRAPPER_NONCE: u64 = GENERATED.len() as u64;
/// Gas limit of a transaction: the most that mainnet takes.
const GAS_LIMIT: u64 = 1 << 24;
/// Gas of any transaction.
const TRANSACTION_GAS: u64 = 21_000;

type Chain = MainnetEvm<Context<BlockEnv, TxEnv, CfgEnv, InMemoryDB, Journal<InMemoryDB>, ()>>;

/// Gas of one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gas {
    /// All gas that the sender pays.
    pub total: u64,
    /// Gas of the code that ran.
    pub execution: u64,
    /// Gas of the bytes sent.
    pub calldata: u64,
    /// Bytes sent.
    pub calldata_bytes: usize,
}

/// What a transaction that went through did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Gas.
    pub gas: Gas,
    /// Bytes returned.
    pub output: Vec<u8>,
}

/// Why a transaction did not go through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The contract refused.
    #[error("the contract refuses: {reason}")]
    Reverted {
        /// Its reason.
        reason: Revert,
        /// All gas that the sender pays.
        gas: u64,
    },
    /// The EVM stopped the code.
    #[error("the EVM stops the code: {reason}")]
    Halted {
        /// Its reason.
        reason: String,
    },
    /// The transaction cannot be part of a block.
    #[error("no valid transaction: {reason}")]
    Invalid {
        /// Why.
        reason: String,
    },
    /// The contract neither accepted nor refused.
    #[error("the contract answers {got:?} instead of the word 1")]
    Answer {
        /// What it returned.
        got: Vec<u8>,
    },
}

/// A chain in memory.
#[derive(Debug)]
pub struct Evm {
    chain: Chain,
    chain_id: u64,
    nonce: u64,
}

impl Evm {
    /// The local chain, all contracts deployed.
    ///
    /// # Errors
    /// [`Error`] of a deployment, which a test excludes for the embedded artifacts.
    pub fn new() -> Result<Self, Error> {
        let mut evm = Self::empty(CHAIN_ID);
        let generated = evm.deploy_generated()?;
        evm.deploy(round_verifier_code(generated))?;
        Ok(evm)
    }

    /// Deploys what the wrapper needs and returns the addresses.
    ///
    /// # Errors
    /// [`Error`] of a transaction.
    pub fn deploy_generated(&mut self) -> Result<[[u8; 20]; GENERATED.len()], Error> {
        let mut addresses = [[0; 20]; GENERATED.len()];
        for (address, artifact) in addresses.iter_mut().zip(GENERATED) {
            *address = self.deploy(artifact.creation_code())?;
        }
        Ok(addresses)
    }

    /// A chain without contracts.
    pub fn empty(chain_id: u64) -> Self {
        let context = Context::mainnet().with_db(InMemoryDB::default());
        let chain = context.modify_cfg_chained(|cfg| cfg.chain_id = chain_id).build_mainnet();
        Self { chain, chain_id, nonce: 0 }
    }

    /// Deploys a contract and returns its address.
    ///
    /// # Errors
    /// [`Error`] of the transaction.
    pub fn deploy(&mut self, creation_code: Vec<u8>) -> Result<[u8; 20], Error> {
        Ok(self.create(creation_code)?.0)
    }

    /// [`Evm::deploy`], with its gas and the code that lies at the address from now on.
    ///
    /// # Errors
    /// [`Error`] of the transaction.
    pub fn create(&mut self, creation_code: Vec<u8>) -> Result<([u8; 20], Outcome), Error> {
        let address = SENDER.create(self.nonce);
        let outcome = self.send(TxKind::Create, creation_code, GAS_LIMIT)?;
        Ok((address.into_array(), outcome))
    }

    /// Sends a transaction to a contract.
    ///
    /// # Errors
    /// [`Error`] of the transaction.
    pub fn call(&mut self, contract: [u8; 20], calldata: Vec<u8>) -> Result<Outcome, Error> {
        self.call_with_gas(contract, calldata, GAS_LIMIT)
    }

    /// [`Evm::call`] with this gas limit.
    ///
    /// # Errors
    /// [`Error`] of the transaction.
    pub fn call_with_gas(&mut self, contract: [u8; 20], calldata: Vec<u8>, gas_limit: u64) -> Result<Outcome, Error> {
        self.send(TxKind::Call(contract.into()), calldata, gas_limit)
    }

    /// Has the contract verify that `proof` shows `statement`, which may be of any circuit.
    ///
    /// # Errors
    /// [`Error::Reverted`] with the reason when it does not.
    pub fn verify(&mut self, statement: &Statement, proof: &[u8]) -> Result<Gas, Error> {
        let Outcome { gas, output } = self.call(contract_address(), calldata("verify", statement, proof))?;
        if output != word(1) {
            return Err(Error::Answer { got: output });
        }
        Ok(gas)
    }

    fn send(&mut self, kind: TxKind, data: Vec<u8>, gas_limit: u64) -> Result<Outcome, Error> {
        let calldata_bytes = data.len();
        let calldata: u64 = data.iter().map(|&byte| if byte == 0 { 4 } else { 16 }).sum();
        let transaction = TxEnv {
            caller: SENDER,
            kind,
            data: data.into(),
            nonce: self.nonce,
            gas_limit,
            chain_id: Some(self.chain_id),
            ..TxEnv::default()
        };
        let result =
            self.chain.transact_commit(transaction).map_err(|error| Error::Invalid { reason: error.to_string() })?;
        self.nonce += 1;
        match result {
            ExecutionResult::Success { gas, output, .. } => {
                let total = gas.tx_gas_used();
                let execution = total.saturating_sub(TRANSACTION_GAS + calldata);
                let (Output::Call(output) | Output::Create(output, _)) = output;
                Ok(Outcome { gas: Gas { total, execution, calldata, calldata_bytes }, output: output.to_vec() })
            }
            ExecutionResult::Revert { gas, output, .. } => {
                Err(Error::Reverted { reason: Revert::new(&output), gas: gas.tx_gas_used() })
            }
            ExecutionResult::Halt { reason, .. } => Err(Error::Halted { reason: format!("{reason:?}") }),
        }
    }
}

/// Address of the wrapper on the local chain, which a statement names before it is deployed.
pub fn contract_address() -> [u8; 20] {
    SENDER.create(WRAPPER_NONCE).into_array()
}

/// Bytes of code of the largest contract, the generated verifier of the round circuit.
pub fn runtime_size() -> usize {
    HALO_VERIFIER.runtime_code().len()
}

/// Code that deploys the wrapper around what was generated, at these addresses.
pub fn round_verifier_code(generated: [[u8; 20]; GENERATED.len()]) -> Vec<u8> {
    let mut code = ROUND_VERIFIER.creation_code();
    for address in generated {
        code.extend([0; 12]);
        code.extend(address);
    }
    code
}

/// Calldata of `verify` or `record`, of the one for statements with as many samples.
///
/// # Panics
/// When the wrapper has no such function.
pub fn calldata(function: &str, statement: &Statement, proof: &[u8]) -> Vec<u8> {
    let samples = format!(",uint256[{}]),bytes)", statement.samples.len());
    let signatures = ROUND_VERIFIER.signatures("function");
    let named = |signature: &&String| signature.split('(').next() == Some(function) && signature.ends_with(&samples);
    let signature = signatures.iter().find(named);
    let signature = signature.unwrap_or_else(|| panic!("the contract has no function {function}(..{samples}"));
    // The domain, first word of a statement, is the contract's own.
    let statement = statement.words()[1..].concat();
    let offset = statement.len() + 32;
    [&keccak(&[signature.as_bytes()])[..4], &statement, &word(offset), &word(proof.len()), proof].concat()
}

fn word(number: usize) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&(number as u64).to_be_bytes());
    word
}
