//! The errors cell: 64 8-bit errors of a hidden layer are those from the layer above, 0 where the
//! layer was not active, rounded with the public dither; and the exponent asked for the next step
//! holds them.
//!
//! ```text
//! e  = exponent of the errors above + exponent of their weights
//! e8 = requantize_stochastic(below if y > 0 else 0, E - e, dither)
//! e + byte_shift(|below| if y > 0) <= E for the next step
//! ```

use alloc::vec::Vec;

use ark_bn254::Fr;

use super::opened::{equal, holds_all, packed};
use super::{ByteLeaf, ExponentsLeaf, Record, WordLeaf};
use crate::fixed::{LEAF, bounded, dither, requantize_stochastic};
use crate::opening::{Roots, Violation};
use crate::statement::{STEP_BITS, TENSOR_BITS, TRACE_BITS};

/// Step of the Weyl sequence of [`dither`].
pub const WEYL_STEP: u32 = 0x9E37_79B9;

/// The dither of 64 elements in a row, as two arithmetic sequences modulo `2^32`: that of element `j`
/// is `first + j * WEYL_STEP`, and `second + j * WEYL_STEP` for the last `tail` of them, where another
/// block of 256 begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dither {
    /// Dither of element 0.
    pub first: u32,
    /// What the last elements count from; equal to `first` where there are none.
    pub second: u32,
    /// How many those are, `0 ..= 63`.
    pub tail: u32,
}

impl Dither {
    /// Bits of [`Dither::fields`].
    pub const BITS: u32 = 32 + 32 + 6;

    /// The dither of the elements `first ..` under `key`.
    pub fn new(key: u32, first: u32) -> Self {
        let start = dither(key, first);
        let before = 256 - first % 256;
        if before >= LEAF as u32 {
            return Self { first: start, second: start, tail: 0 };
        }
        let second = dither(key, first + before).wrapping_sub(before.wrapping_mul(WEYL_STEP));
        Self { first: start, second, tail: LEAF as u32 - before }
    }

    /// Dither of element `j` of the 64.
    pub fn at(&self, j: usize) -> u32 {
        let base = if j >= LEAF - self.tail as usize { self.second } else { self.first };
        base.wrapping_add((j as u32).wrapping_mul(WEYL_STEP))
    }

    /// `first | second | tail`, low first, with their bits.
    pub fn fields(&self) -> [(u64, u32); 3] {
        [(self.first.into(), 32), (self.second.into(), 32), (self.tail.into(), 6)]
    }
}

/// What is public of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorsSample {
    /// The step.
    pub step: u32,
    /// Position of the errors of the input of the layer above in the trace.
    pub below: usize,
    /// Position of that input.
    pub activations: usize,
    /// Position of the errors.
    pub errors: usize,
    /// The tensor whose output the errors are of.
    pub tensor: u32,
    /// Tensors of the model.
    pub tensors: u32,
    /// The dither.
    pub dither: Dither,
}

impl ErrorsSample {
    /// `step | below | activations | errors | tensor | tensors`, low first; the dither.
    /// None where a field does not fit its bits.
    pub fn elements(&self) -> Option<Vec<Fr>> {
        let fields = [
            (self.step.into(), STEP_BITS),
            (self.below as u64, TRACE_BITS),
            (self.activations as u64, TRACE_BITS),
            (self.errors as u64, TRACE_BITS),
            (self.tensor.into(), TENSOR_BITS),
            (self.tensors.into(), TENSOR_BITS),
        ];
        Some(alloc::vec![packed(&fields)?, packed(&self.dither.fields())?])
    }
}

/// Everything that one cell opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorsOpening {
    /// What is public of it.
    pub sample: ErrorsSample,
    /// Record `step + 1`.
    pub after: Record,
    /// Errors of the input of the layer above, over their whole inner dimension.
    pub below: WordLeaf,
    /// Input of the layer above.
    pub activations: ByteLeaf,
    /// 8-bit errors.
    pub errors: ByteLeaf,
    /// Exponents of the layer above that the step used.
    pub used_above: ExponentsLeaf,
    /// Exponents of the layer that the step used.
    pub used: ExponentsLeaf,
    /// Exponents of the layer for the next step.
    pub next: ExponentsLeaf,
}

impl ErrorsOpening {
    /// Whether the errors are the rounded ones.
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn check(&self, roots: &Roots) -> Result<(), Violation> {
        let ErrorsSample { step, below, activations, errors, tensor, tensors, dither } = self.sample;
        self.after.check(step + 1, roots)?;
        self.after.traces("errors below", self.below.hash()?, below, &self.below.path, roots)?;
        self.after.traces("activations", self.activations.hash(), activations, &self.activations.path, roots)?;
        self.after.traces("errors", self.errors.hash(), errors, &self.errors.path, roots)?;
        self.used_above.check(tensor + 1, tensors, self.after.used)?;
        self.used.check(tensor, tensors, self.after.used)?;
        self.next.check(tensor, tensors, self.after.next)?;
        let e = self.used_above.below();
        let shift = bounded(i64::from(self.used.errors) - e);
        let masked = |j: usize| if self.activations.bytes[j] > 0 { self.below.words[j] } else { 0 };
        for (index, &got) in self.errors.bytes.iter().enumerate() {
            let expected = requantize_stochastic(masked(index), shift, dither.at(index));
            equal("error", index, expected.into(), got.into())?;
        }
        let magnitudes = (0..LEAF).map(|j| masked(j).unsigned_abs());
        holds_all("exponent of the errors", self.next.errors, e, magnitudes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn two_sequences_are_the_dither(key: u32, first in 0u32..1 << 30) {
            let dither_of_row = Dither::new(key, first);
            for j in 0..LEAF {
                prop_assert_eq!(dither_of_row.at(j), dither(key, first + j as u32));
            }
            prop_assert!(dither_of_row.tail < LEAF as u32);
        }
    }
}
