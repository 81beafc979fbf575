//! The commitment: what the miner publishes before anybody knows the challenge.
//!
//! Nothing in it is free for the miner to vary without redoing work: there is no salt, no time stamp,
//! and one encoding only. (In trace mode `none` no proof opens the momenta and some fields of a step
//! record; replay and audit hold them. In trace mode `challenged` a [disclosure](crate::disclosure)
//! fixes traces, and the records inside segments, after it.) Its hash is keccak256 over the ABI encoding
//! of its words, so that a contract computes the same.

use alloc::vec::Vec;

use ark_bn254::Fr;

use crate::codec::{CodecError, Reader, Writer, scalar_bytes};
use crate::merkle::Layout;
use crate::model::Exponents;
use crate::opening::Roots;
use crate::record::{Head, exponents_root};
use crate::stream::keccak;

/// Domain of the commitment hash.
pub const DOMAIN: &[u8] = b"pogo/commitment/v1";

/// Roots and digests of one round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// Root of the state the round started from.
    pub parent_root: Fr,
    /// Root of the exponents that the first step is asked for, see [`exponents_root`]; zero where the
    /// task starts with this round and the first step takes its own.
    pub parent_exponents: Fr,
    /// Root over all step records.
    pub steps_root: Fr,
    /// Root of the state after the last step.
    pub state_root: Fr,
    /// Exponents that the last record asks for: those of a step after this round.
    pub exponents: Exponents,
    /// Root of the 4-bit model of that state.
    pub quantized_root: Fr,
    /// Root of the training data.
    pub data_root: Fr,
    /// Hash of the spec, see [`crate::model::Spec::hash`].
    pub spec_hash: [u8; 32],
    /// Steps of the round.
    pub steps: u32,
    /// Exponent of the 4-bit weights of each tensor, `1 ..= 24`.
    pub quantized_exponents: Vec<u8>,
}

impl Commitment {
    const MAGIC: &'static [u8; 8] = b"pogo/cmt";

    /// `keccak256(abi.encode(keccak256(DOMAIN), parent_root, parent_exponents, steps_root, state_root,
    /// exponents_root(exponents), quantized_root, data_root, spec_hash, steps,
    /// keccak256(quantized_exponents)))`.
    pub fn hash(&self) -> [u8; 32] {
        let mut steps = [0; 32];
        steps[28..].copy_from_slice(&self.steps.to_be_bytes());
        keccak(&[
            &keccak(&[DOMAIN]),
            &scalar_bytes(&self.parent_root),
            &scalar_bytes(&self.parent_exponents),
            &scalar_bytes(&self.steps_root),
            &scalar_bytes(&self.state_root),
            &scalar_bytes(&self.head().exponents),
            &scalar_bytes(&self.quantized_root),
            &scalar_bytes(&self.data_root),
            &self.spec_hash,
            &steps,
            &keccak(&[&self.quantized_exponents]),
        ])
    }

    /// What the round starts from.
    pub fn start(&self) -> Head {
        Head { state: self.parent_root, exponents: self.parent_exponents }
    }

    /// What the next round of the task starts from.
    pub fn head(&self) -> Head {
        Head { state: self.state_root, exponents: exponents_root(Some(&self.exponents)) }
    }

    /// Roots that openings of a model with this layout are checked against.
    pub fn roots(&self, layout: &Layout) -> Roots {
        Roots {
            parent: self.parent_root,
            steps: self.steps_root,
            state: self.state_root,
            quantized: self.quantized_root,
            data: self.data_root,
            layout: layout.element(),
            record_count: self.steps + 1,
        }
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        Writer::new(Self::MAGIC)
            .scalar(&self.parent_root)
            .scalar(&self.parent_exponents)
            .scalar(&self.steps_root)
            .scalar(&self.state_root)
            .exponents(Some(&self.exponents))
            .scalar(&self.quantized_root)
            .scalar(&self.data_root)
            .bytes(&self.spec_hash)
            .u32(self.steps)
            .blob(&self.quantized_exponents)
            .finish()
    }

    /// Reads what [`Commitment::encode`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`CodecError`] naming the field.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes, Self::MAGIC, "commitment")?;
        let commitment = Self {
            parent_root: reader.scalar("parent root")?,
            parent_exponents: reader.scalar("parent exponents")?,
            steps_root: reader.scalar("steps root")?,
            state_root: reader.scalar("state root")?,
            exponents: reader.exponents("exponents")?.ok_or(CodecError::Value { field: "exponents" })?,
            quantized_root: reader.scalar("quantized root")?,
            data_root: reader.scalar("data root")?,
            spec_hash: reader.array("spec hash")?,
            steps: reader.u32("steps")?,
            quantized_exponents: reader.blob("quantized exponents")?.to_vec(),
        };
        reader.finish()?;
        Ok(commitment)
    }
}
