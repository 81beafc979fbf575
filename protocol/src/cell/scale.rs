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
use super::peak::{COUNT_BITS, Choice, Rows};
use crate::fixed::LEAF;
use crate::leaf::{state_leaf, tag, weights_hash};
use crate::merkle::Path;
use crate::opening::{Roots, Violation};
use crate::statement::{POSITION_BITS, WORD_FIELD_BITS};

/// What is public of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScaleSample {
    /// Where the leaves of the tensor stand in the state: its rows are columns here, the leaves of a row
    /// are rows.
    pub leaves: Rows,
    /// Leaves of a row.
    pub rows: u32,
    /// Rows of the tensor.
    pub columns: u32,
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

    /// `first | row stride | column stride | rows | columns | least`, low first.
    /// None where a field does not fit its bits.
    pub fn elements(&self) -> Option<Vec<Fr>> {
        Some(vec![packed(&[
            (self.leaves.first as u64, POSITION_BITS),
            (self.leaves.row_stride as u64, POSITION_BITS),
            (self.leaves.column_stride as u64, POSITION_BITS),
            (self.rows.into(), COUNT_BITS),
            (self.columns.into(), COUNT_BITS),
            (self.least.into(), WORD_FIELD_BITS),
        ])?])
    }
}

/// Everything that one cell opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaleOpening {
    /// What is public of it.
    pub sample: ScaleSample,
    /// The chosen leaf.
    pub choice: Choice,
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
        let ScaleSample { leaves, rows, columns, least } = self.sample;
        for (what, got, count) in [("leaf of a row", self.choice.row, rows), ("row", self.choice.column, columns)] {
            let beyond = Violation::Value { what, index: 0, expected: i64::from(count) - 1, got: got.into() };
            ensure(got < count, beyond)?;
        }
        let leaf = state_leaf(weights_hash(&self.weights)?, self.momenta_hash);
        let root = model_root(tag::STATE_ROOT, leaf, leaves.position(self.choice), &self.path, roots);
        ensure(root == Some(roots.state), Violation::Path { what: "leaf", root: "final state" })?;
        let largest = self.weights.iter().map(|w| w.unsigned_abs()).max().unwrap_or(0);
        let (expected, got) = (least.into(), largest.into());
        ensure(largest >= least, Violation::Value { what: "weight that needs the exponent", index: 0, expected, got })
    }
}
