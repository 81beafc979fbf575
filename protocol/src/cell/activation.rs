//! The activation cell: 64 inputs of a layer are the activated, rounded sums of the layer below, and
//! the exponent asked for the next step holds them.
//!
//! ```text
//! e = exponent of the inputs below + exponent of their weights
//! y = requantize(max(sum, 0), E - e)      e + byte_shift(max(sum, 0)) <= E for the next step
//! ```

use alloc::vec::Vec;

use ark_bn254::Fr;

use super::opened::{equal, holds_all, packed};
use super::{ByteLeaf, ExponentsLeaf, Record, WordLeaf};
use crate::fixed::{bounded, requantize};
use crate::opening::{Roots, Violation};
use crate::statement::{STEP_BITS, TENSOR_BITS, TRACE_BITS};

/// What is public of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActivationSample {
    /// The step.
    pub step: u32,
    /// Position of the sums in the trace.
    pub sums: usize,
    /// Position of the activations in the trace.
    pub activations: usize,
    /// The tensor of the sums.
    pub tensor: u32,
    /// Tensors of the model.
    pub tensors: u32,
}

impl ActivationSample {
    /// `step | sums | activations | tensor | tensors`, low first.
    /// None where a field does not fit its bits.
    pub fn elements(&self) -> Option<Vec<Fr>> {
        Some(alloc::vec![packed(&[
            (self.step.into(), STEP_BITS),
            (self.sums as u64, TRACE_BITS),
            (self.activations as u64, TRACE_BITS),
            (self.tensor.into(), TENSOR_BITS),
            (self.tensors.into(), TENSOR_BITS),
        ])?])
    }
}

/// Everything that one cell opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivationOpening {
    /// What is public of it.
    pub sample: ActivationSample,
    /// Record `step + 1`.
    pub after: Record,
    /// Sums of the layer below, over their whole inner dimension.
    pub sums: WordLeaf,
    /// Inputs of the layer.
    pub activations: ByteLeaf,
    /// Exponents of the layer below that the step used.
    pub used_below: ExponentsLeaf,
    /// Exponents of the layer that the step used.
    pub used: ExponentsLeaf,
    /// Exponents of the layer for the next step.
    pub next: ExponentsLeaf,
}

impl ActivationOpening {
    /// Whether the inputs are the activated sums.
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn check(&self, roots: &Roots) -> Result<(), Violation> {
        let ActivationSample { step, sums, activations, tensor, tensors } = self.sample;
        self.after.check(step + 1, roots)?;
        self.after.traces("sums", self.sums.hash()?, sums, &self.sums.path, roots)?;
        self.after.traces("activations", self.activations.hash(), activations, &self.activations.path, roots)?;
        self.used_below.check(tensor, tensors, self.after.used)?;
        self.used.check(tensor + 1, tensors, self.after.used)?;
        self.next.check(tensor + 1, tensors, self.after.next)?;
        let e = self.used_below.sums();
        let shift = bounded(i64::from(self.used.input) - e);
        for (index, (&sum, &got)) in self.sums.words.iter().zip(&self.activations.bytes).enumerate() {
            equal("activation", index, requantize(sum.max(0), shift).into(), got.into())?;
        }
        let magnitudes = self.sums.words.iter().map(|sum| sum.max(&0).unsigned_abs());
        holds_all("exponent of the activations", self.next.input, e, magnitudes)
    }
}
