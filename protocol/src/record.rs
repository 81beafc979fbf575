//! Step records: what the commitment says about each step.
//!
//! Record 0 is the initial state, record `t + 1` stands after step `t`; `T` steps give `T + 1`
//! records. `record = H(RECORD, H(PAIR, state_root, update_root), rest)`: the circuits open the
//! roots and carry `rest`, the hash of everything else, as one element.

use alloc::vec::Vec;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;

use crate::codec::{CodecError, Reader, Writer};
use crate::fixed::WORD_BIAS;
use crate::leaf::tag;
use crate::poseidon;

/// One step record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRecord {
    /// Number of the record: 0 for the initial state, `t + 1` after step `t`.
    pub index: u32,
    /// Root of the state after the step.
    pub state_root: Fr,
    /// Root of the codes that the step applied; zero in record 0.
    pub update_root: Fr,
    /// Digest of the batch, see [`crate::data`]; zero in record 0.
    pub batch_digest: Fr,
    /// Sum of the losses of the batch, Q16 nats.
    pub loss: u64,
    /// Exponents that the step used; empty in record 0.
    pub exponents: Vec<i32>,
    /// Exponents that the next step must use; empty when it takes them from itself.
    pub next_exponents: Vec<i32>,
}

impl StepRecord {
    const MAGIC: &'static [u8; 8] = b"pogo/rec";

    /// The record's leaf in the tree of steps.
    pub fn hash(&self) -> Fr {
        poseidon::hash(Fr::from(tag::RECORD), pair(self.state_root, self.update_root), self.rest())
    }

    /// Hash of all fields but the two roots. The last element is the trace root, which no step
    /// has yet.
    pub fn rest(&self) -> Fr {
        let message = [
            Fr::from(self.index),
            self.batch_digest,
            Fr::from(self.loss),
            exponents_digest(&self.exponents),
            exponents_digest(&self.next_exponents),
            Fr::ZERO,
        ];
        poseidon::sponge(Fr::from(tag::REST), &message)
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        Writer::new(Self::MAGIC)
            .u32(self.index)
            .scalar(&self.state_root)
            .scalar(&self.update_root)
            .scalar(&self.batch_digest)
            .u64(self.loss)
            .integers(&self.exponents)
            .integers(&self.next_exponents)
            .finish()
    }

    /// Reads what [`StepRecord::encode`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`CodecError`] naming the field.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes, Self::MAGIC, "step record")?;
        let record = Self {
            index: reader.u32("index")?,
            state_root: reader.scalar("state root")?,
            update_root: reader.scalar("update root")?,
            batch_digest: reader.scalar("batch digest")?,
            loss: reader.u64("loss")?,
            exponents: reader.integers("exponents")?,
            next_exponents: reader.integers("next exponents")?,
        };
        reader.finish()?;
        Ok(record)
    }
}

/// The two roots of a record as one element.
pub fn pair(state_root: Fr, update_root: Fr) -> Fr {
    poseidon::hash(Fr::from(tag::PAIR), state_root, update_root)
}

/// Root over all records: their tree root and their count.
pub fn steps_root(tree_root: Fr, record_count: u32) -> Fr {
    poseidon::hash(Fr::from(tag::STEPS_ROOT), tree_root, Fr::from(record_count))
}

/// Digest of a list of exponents with its length, `sponge(EXPONENTS, [length, e + 2^30, ..])`; zero
/// for none.
fn exponents_digest(exponents: &[i32]) -> Fr {
    if exponents.is_empty() {
        return Fr::ZERO;
    }
    let biased = exponents.iter().map(|&e| (i64::from(e) + i64::from(WORD_BIAS)).unsigned_abs());
    let message: Vec<Fr> = core::iter::once(exponents.len() as u64).chain(biased).map(Fr::from).collect();
    poseidon::sponge(Fr::from(tag::EXPONENTS), &message)
}
