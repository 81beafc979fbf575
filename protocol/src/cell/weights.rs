//! The weights cell: 64 8-bit weights of the trace are the rounded weights of the state before the
//! step, and the shift asked for the next step holds them.
//!
//! ```text
//! w8 = requantize(W, shift used)        byte_shift(|W|) <= shift for the next step
//! ```

use alloc::vec::Vec;

use ark_bn254::Fr;

use super::opened::{equal, holds_all, packed};
use super::{ByteLeaf, ExponentsLeaf, Record};
use crate::fixed::{LEAF, requantize};
use crate::leaf::{state_leaf, weights_hash};
use crate::merkle::Path;
use crate::opening::{Roots, Violation};
use crate::statement::{POSITION_BITS, STEP_BITS, TENSOR_BITS, TRACE_BITS};

/// What is public of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightsSample {
    /// The step.
    pub step: u32,
    /// Position of the leaf in the state.
    pub state: usize,
    /// Position of the leaf in the trace.
    pub trace: usize,
    /// The tensor.
    pub tensor: u32,
    /// Tensors of the model.
    pub tensors: u32,
}

impl WeightsSample {
    /// `step | state | trace | tensor | tensors`, low first.
    /// None where a field does not fit its bits.
    pub fn elements(&self) -> Option<Vec<Fr>> {
        Some(alloc::vec![packed(&[
            (self.step.into(), STEP_BITS),
            (self.state as u64, POSITION_BITS),
            (self.trace as u64, TRACE_BITS),
            (self.tensor.into(), TENSOR_BITS),
            (self.tensors.into(), TENSOR_BITS),
        ])?])
    }
}

/// Everything that one cell opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightsOpening {
    /// What is public of it.
    pub sample: WeightsSample,
    /// Record `step`.
    pub before: Record,
    /// Record `step + 1`.
    pub after: Record,
    /// Weights of the state.
    pub weights: [i32; LEAF],
    /// Hash of the momenta half of the leaf.
    pub momenta_hash: Fr,
    /// Path of the leaf in the state of `before`.
    pub path: Path,
    /// 8-bit weights.
    pub rounded: ByteLeaf,
    /// Exponents that the step used.
    pub used: ExponentsLeaf,
    /// Exponents for the next step.
    pub next: ExponentsLeaf,
}

impl WeightsOpening {
    /// Whether the 8-bit weights are the rounded ones.
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn check(&self, roots: &Roots) -> Result<(), Violation> {
        let WeightsSample { step, state, trace, tensor, tensors } = self.sample;
        self.before.check(step, roots)?;
        self.after.check(step + 1, roots)?;
        let leaf = state_leaf(weights_hash(&self.weights)?, self.momenta_hash);
        self.before.holds(leaf, state, &self.path, roots)?;
        self.after.traces("8-bit weights", self.rounded.hash(), trace, &self.rounded.path, roots)?;
        self.used.check(tensor, tensors, self.after.used)?;
        self.next.check(tensor, tensors, self.after.next)?;
        for (index, (&weight, &got)) in self.weights.iter().zip(&self.rounded.bytes).enumerate() {
            equal("8-bit weight", index, requantize(weight, self.used.shift).into(), got.into())?;
        }
        holds_all("shift of the weights", self.next.shift, 0, self.weights.iter().map(|w| w.unsigned_abs()))
    }
}
