//! The blank cell: a padding row of a tensor of the trace is zero.

use alloc::vec::Vec;

use ark_bn254::Fr;

use super::Record;
use super::opened::packed;
use crate::fixed::LEAF;
use crate::leaf::{bytes_leaf, words_leaf};
use crate::merkle::Path;
use crate::opening::{Roots, Violation};
use crate::statement::{STEP_BITS, TRACE_BITS};
use crate::trace::TensorId;

/// What is public of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlankSample {
    /// The step.
    pub step: u32,
    /// Position of the leaf in the trace.
    pub position: usize,
    /// Hash of a leaf of zeros, [`zero_leaf`].
    pub leaf: Fr,
}

impl BlankSample {
    /// `step | position`, low first; the leaf.
    /// None where a field does not fit its bits.
    pub fn elements(&self) -> Option<Vec<Fr>> {
        Some(alloc::vec![packed(&[(self.step.into(), STEP_BITS), (self.position as u64, TRACE_BITS)])?, self.leaf])
    }
}

/// Hash of a leaf of 64 zeros of a tensor.
pub fn zero_leaf(id: TensorId) -> Fr {
    match id {
        TensorId::Weights(_) | TensorId::Inputs(_) | TensorId::Errors(_) => bytes_leaf(&[0; LEAF]),
        TensorId::Sums(_) | TensorId::Gradients(_) | TensorId::Below(_) | TensorId::Losses => {
            words_leaf(&[0; LEAF]).unwrap_or_default() // zero is a word
        }
    }
}

/// Everything that one cell opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlankOpening {
    /// What is public of it.
    pub sample: BlankSample,
    /// Path of the leaf in the trace.
    pub path: Path,
    /// Record `step + 1`.
    pub after: Record,
}

impl BlankOpening {
    /// Whether the leaf stands in the trace.
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn check(&self, roots: &Roots) -> Result<(), Violation> {
        let BlankSample { step, position, leaf } = self.sample;
        self.after.check(step + 1, roots)?;
        self.after.traces("padding row", leaf, position, &self.path, roots)
    }
}
