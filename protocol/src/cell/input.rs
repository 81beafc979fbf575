//! The input cell: 64 features of a row of the batch are those of the record that the public order
//! puts there.
//!
//! A data record hashes its features into the leaves of a trace row, so the cell is two paths from
//! one leaf: to the trace root of the step, and to the data root.

use alloc::vec::Vec;

use ark_bn254::Fr;

use super::Record;
use super::opened::{ensure, packed};
use crate::leaf::{FEATURES_DEPTH, data_root, tag};
use crate::merkle::{Path, root_of};
use crate::opening::{Roots, Violation};
use crate::poseidon;
use crate::statement::{STEP_BITS, TRACE_BITS};

/// Depth of the tree over a data set.
pub const DATA_DEPTH: usize = 24;
/// Bits of the number of records of a data set.
pub const RECORDS_BITS: u32 = 25;

/// What is public of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputSample {
    /// The step.
    pub step: u32,
    /// Position of the leaf in the trace.
    pub position: usize,
    /// Index of the record in the data.
    pub record: u32,
    /// Leaf of the record: the features from 64 times this on.
    pub column: usize,
    /// Features of a record.
    pub width: usize,
    /// Records of the data.
    pub records: u32,
}

/// Bits of the width of a record.
pub const WIDTH_BITS: u32 = 17;

impl InputSample {
    /// `step | position | record | column | width | records`, low first.
    /// None where a field does not fit its bits.
    pub fn elements(&self) -> Option<Vec<Fr>> {
        Some(alloc::vec![packed(&[
            (self.step.into(), STEP_BITS),
            (self.position as u64, TRACE_BITS),
            (self.record.into(), DATA_DEPTH as u32),
            (self.column as u64, FEATURES_DEPTH as u32),
            (self.width as u64, WIDTH_BITS),
            (self.records.into(), RECORDS_BITS),
        ])?])
    }
}

/// Everything that one cell opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputOpening {
    /// What is public of it.
    pub sample: InputSample,
    /// The leaf.
    pub leaf: Fr,
    /// Path of the leaf in the trace.
    pub path: Path,
    /// Record `step + 1`.
    pub after: Record,
    /// Path of the leaf among the features of its data record.
    pub features_path: Path,
    /// Label of the data record.
    pub label: Fr,
    /// Path of the data record.
    pub data_path: Path,
}

impl InputOpening {
    /// Whether the leaf of the trace is that of the data.
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn check(&self, roots: &Roots) -> Result<(), Violation> {
        let InputSample { step, position, record, column, width, records } = self.sample;
        self.after.check(step + 1, roots)?;
        self.after.traces("input", self.leaf, position, &self.path, roots)?;
        let features = root_of(self.leaf, column, &self.features_path);
        let features = poseidon::hash(Fr::from(tag::FEATURES), features, Fr::from(width as u64));
        let leaf = poseidon::hash(Fr::from(tag::DATA_RECORD), self.label, features);
        let root = data_root(root_of(leaf, record as usize, &self.data_path), records);
        ensure(root == roots.data, Violation::Path { what: "record of the batch", root: "data" })
    }
}
