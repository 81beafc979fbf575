//! Step records: what the commitment says about each step.
//!
//! Record 0 is the initial state, record `t + 1` stands after step `t`; `T` steps give `T + 1`
//! records. `record = H(RECORD, H(PAIR, state_root, update_root), rest)`: a circuit that needs the
//! roots only carries `rest`, the hash of everything else, as one element. Which step a record is
//! of, its position in the tree says.

use alloc::vec::Vec;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;

use crate::codec::{CodecError, Reader, Writer};
use crate::fixed::{WORD_BIAS, WORD_BITS};
use crate::leaf::tag;
use crate::merkle;
use crate::model::{Exponents, LAYERS_MAX};
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
    /// Sum of the losses of the batch, Q16 nats.
    pub loss: u64,
    /// Exponents that the step used; none in record 0.
    pub exponents: Option<Exponents>,
    /// Exponents that the next step must use; none when it takes them from itself.
    pub next_exponents: Option<Exponents>,
    /// Root over the tensors of the step, see [`crate::trace`]; zero where none was made.
    pub trace_root: Fr,
}

impl StepRecord {
    const MAGIC: &'static [u8; 8] = b"pogo/rec";

    /// The record's leaf in the tree of steps.
    pub fn hash(&self) -> Fr {
        record_leaf(pair(self.state_root, self.update_root), self.rest())
    }

    /// Hash of all fields but the two roots.
    pub fn rest(&self) -> Fr {
        let exponents = [&self.exponents, &self.next_exponents].map(|exponents| exponents_root(exponents.as_ref()));
        rest(&[self.trace_root, Fr::from(self.loss), exponents[0], exponents[1]])
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        Writer::new(Self::MAGIC)
            .u32(self.index)
            .scalar(&self.state_root)
            .scalar(&self.update_root)
            .u64(self.loss)
            .exponents(self.exponents.as_ref())
            .exponents(self.next_exponents.as_ref())
            .scalar(&self.trace_root)
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
            loss: reader.u64("loss")?,
            exponents: reader.exponents("exponents")?,
            next_exponents: reader.exponents("next exponents")?,
            trace_root: reader.scalar("trace root")?,
        };
        reader.finish()?;
        Ok(record)
    }
}

/// The two roots of a record as one element.
pub fn pair(state_root: Fr, update_root: Fr) -> Fr {
    poseidon::hash(Fr::from(tag::PAIR), state_root, update_root)
}

/// All fields of a record but the two roots as one element: root of the trace, loss, root of the
/// exponents used, root of those for the next step.
pub fn rest(fields: &[Fr; 4]) -> Fr {
    poseidon::sponge(Fr::from(tag::REST), fields)
}

/// Leaf of a record in the tree of steps, from its [`pair`] and its [`rest`].
pub fn record_leaf(pair: Fr, rest: Fr) -> Fr {
    poseidon::hash(Fr::from(tag::RECORD), pair, rest)
}

/// Root over all records: their tree root and their count.
pub fn steps_root(tree_root: Fr, record_count: u32) -> Fr {
    poseidon::hash(Fr::from(tag::STEPS_ROOT), tree_root, Fr::from(record_count))
}

/// Height of the tree over the exponents of a step: a leaf for each tensor.
pub const EXPONENTS_DEPTH: usize = 6;
const _: () = assert!(LAYERS_MAX <= 1 << EXPONENTS_DEPTH);

/// Root over exponents, `H(EXPONENTS, tree root, tensors)`; zero for none.
///
/// The leaf of tensor `l` is one element of three slots as in a state leaf: shift of its weights,
/// exponent of its input, exponent of the errors of its output.
pub fn exponents_root(exponents: Option<&Exponents>) -> Fr {
    let Some(exponents) = exponents else { return Fr::ZERO };
    let leaves = exponents_leaves(exponents);
    let count = Fr::from(leaves.len() as u64);
    poseidon::hash(Fr::from(tag::EXPONENTS), merkle::root(leaves, &merkle::empty_subtrees(EXPONENTS_DEPTH)), count)
}

/// Leaves of the tree over exponents.
pub fn exponents_leaves(exponents: &Exponents) -> Vec<Fr> {
    let leaf = |l: usize| exponent_slots([exponents.weights[l], exponents.input(l), exponents.errors[l]]);
    (0..exponents.weights.len()).map(leaf).collect()
}

/// Leaf of the exponents of one tensor: of its weights, of its input, of its errors.
pub(crate) fn exponent_slots(exponents: [i32; 3]) -> Fr {
    let [weights, input, errors] = exponents.map(|exponent| u128::from(exponent.wrapping_add(WORD_BIAS) as u32));
    Fr::from(weights | input << WORD_BITS | errors << (2 * WORD_BITS))
}
