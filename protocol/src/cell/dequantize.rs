//! The dequantize cell: 64 bytes of weights of an [evaluation](crate::evaluation) are those that 64
//! 4-bit codes and the scales of their two blocks stand for.
//!
//! ```text
//! byte = code * scale of its block        |byte| <= 7 * 18
//! ```

use alloc::vec::Vec;

use ark_bn254::Fr;

use super::opened::{ensure, equal, model_root, packed};
use super::{ByteLeaf, Record};
use crate::fixed::{BLOCK, LEAF};
use crate::leaf::{BLOCKS_PER_LEAF, quantized_leaf, tag};
use crate::merkle::Path;
use crate::opening::{Roots, Violation};
use crate::statement::{POSITION_BITS, STEP_BITS, TRACE_BITS};

/// What is public of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DequantizeSample {
    /// The step.
    pub step: u32,
    /// Position of the leaf in the 4-bit model.
    pub model: usize,
    /// Position of the bytes in the trace.
    pub trace: usize,
}

impl DequantizeSample {
    /// `step | model | trace`, low first; none where one does not fit its bits.
    pub fn elements(&self) -> Option<Vec<Fr>> {
        let packed = packed(&[
            (self.step.into(), STEP_BITS),
            (self.model as u64, POSITION_BITS),
            (self.trace as u64, TRACE_BITS),
        ])?;
        Some(alloc::vec![packed])
    }
}

/// Everything that one cell opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DequantizeOpening {
    /// What is public of it.
    pub sample: DequantizeSample,
    /// Record `step + 1`.
    pub after: Record,
    /// The 4-bit codes.
    pub codes: [i8; LEAF],
    /// Scales of both blocks.
    pub scales: [u8; BLOCKS_PER_LEAF],
    /// Path of the 4-bit leaf.
    pub path: Path,
    /// The bytes, in the trace.
    pub expanded: ByteLeaf,
}

impl DequantizeOpening {
    /// Whether the bytes are those of the 4-bit leaf.
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn check(&self, roots: &Roots) -> Result<(), Violation> {
        let DequantizeSample { step, model, trace } = self.sample;
        self.after.check(step + 1, roots)?;
        self.after.traces("weights", self.expanded.hash(), trace, &self.expanded.path, roots)?;
        let leaf = quantized_leaf(&self.codes, self.scales)?;
        let root = model_root(tag::QUANTIZED_ROOT, leaf, model, &self.path, roots);
        ensure(root == Some(roots.quantized), Violation::Path { what: "the 4-bit leaf", root: "quantized" })?;
        for (index, (&code, &got)) in self.codes.iter().zip(&self.expanded.bytes).enumerate() {
            let scale = i64::from(self.scales[index / BLOCK]);
            equal("byte of a 4-bit weight", index, i64::from(code) * scale, got.into())?;
        }
        Ok(())
    }
}
