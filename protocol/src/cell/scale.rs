//! The scale cell: the exponent of a 4-bit tensor is not larger than a weight needs.
//!
//! ```text
//! st = 1, or some |W| > 126 * 2^(st - 1)
//! ```
//!
//! Quantize cells hold every weight to it. Which weight, the miner chooses.

use alloc::vec;
use alloc::vec::Vec;

use ark_bn254::Fr;

use super::opened::{ensure, model_root, packed};
use crate::fixed::LEAF;
use crate::leaf::{state_leaf, tag, weights_hash};
use crate::merkle::Path;
use crate::opening::{Roots, Violation};
use crate::statement::{POSITION_BITS, WORD_FIELD_BITS};

/// What is public of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScaleSample {
    /// Position of the first leaf of the tensor in the state.
    pub first: usize,
    /// Positions of the tensor.
    pub count: u32,
    /// What some weight must reach, [`ScaleSample::least`].
    pub least: u32,
}

impl ScaleSample {
    /// The least magnitude that needs the exponent: `126 * 2^(st - 1) + 1`, 0 for `st = 1`.
    pub fn least(exponent: u8) -> u32 {
        match exponent {
            2..=24 => (126 << (exponent - 1)) + 1,
            _ => 0,
        }
    }

    /// `first | count | least`, low first.
    pub fn elements(&self) -> Vec<Fr> {
        vec![packed(&[
            (self.first as u64, POSITION_BITS),
            (self.count.into(), POSITION_BITS + 1),
            (self.least.into(), WORD_FIELD_BITS),
        ])]
    }
}

/// Everything that one cell opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaleOpening {
    /// What is public of it.
    pub sample: ScaleSample,
    /// The chosen leaf: its position less that of the first.
    pub index: u32,
    /// Its weights.
    pub weights: [i32; LEAF],
    /// Hash of its momenta half.
    pub momenta_hash: Fr,
    /// Its path in the final state.
    pub path: Path,
}

impl ScaleOpening {
    /// Whether the exponent is not too large.
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn check(&self, roots: &Roots) -> Result<(), Violation> {
        let ScaleSample { first, count, least } = self.sample;
        let (expected, got) = (i64::from(count) - 1, i64::from(self.index));
        ensure(self.index < count, Violation::Value { what: "index", index: 0, expected, got })?;
        let leaf = state_leaf(weights_hash(&self.weights)?, self.momenta_hash);
        let root = model_root(tag::STATE_ROOT, leaf, first + self.index as usize, &self.path, roots);
        ensure(root == Some(roots.state), Violation::Path { what: "leaf", root: "final state" })?;
        let largest = self.weights.iter().map(|w| w.unsigned_abs()).max().unwrap_or(0);
        let (expected, got) = (least.into(), largest.into());
        ensure(largest >= least, Violation::Value { what: "weight that needs the exponent", index: 0, expected, got })
    }
}
