//! The disclosure: records get the roots of their traces after the commitment.
//!
//! A miner may commit to records whose trace root is zero, and to no record at all at some positions,
//! where the tree has the empty leaf. Later it discloses records: it names another steps root and shows
//! that the two trees differ in these records only.
//!
//! ```text
//! old leaf  0 where the record was not committed to, else the record with trace root 0
//! new leaf  the record with its trace root
//! from = tree 0,  tree i -> tree i+1: old leaf i becomes new leaf i,  tree n = to
//! ```

use alloc::vec::Vec;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;

use super::Record;
use super::opened::{ensure, packed};
use crate::merkle::root_of;
use crate::opening::{Roots, Violation};
use crate::record::steps_root;
use crate::statement::STEP_BITS;

/// Records that one proof discloses.
pub const DISCLOSED: usize = 8;

/// A record that is disclosed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disclosed {
    /// Number of the record, below `2^20`: 0 for the initial state, `t + 1` after step `t`.
    pub index: u32,
    /// Whether it stands in the old tree, with trace root zero; else the old tree has an empty leaf there.
    pub committed: bool,
}

/// What is public of a cell. The statement's steps root is that before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisclosureSample {
    /// Steps root after.
    pub to: Fr,
    /// The records in the order in which they are disclosed, 1 to [`DISCLOSED`] of them.
    pub records: Vec<Disclosed>,
}

impl DisclosureSample {
    /// The steps root after; `index | committed | 1` of each record, low first, with zeros up to
    /// [`DISCLOSED`] records.
    pub fn elements(&self) -> Vec<Fr> {
        let fields = |record: &Disclosed| [(record.index.into(), STEP_BITS), (record.committed.into(), 1), (1, 1)];
        let fields: Vec<(u64, u32)> = self.records.iter().flat_map(fields).collect();
        alloc::vec![self.to, packed(&fields)]
    }
}

/// Everything that one cell opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisclosureOpening {
    /// What is public of it.
    pub sample: DisclosureSample,
    /// The records with their trace roots, each with its path in the tree that those before it have
    /// been disclosed in.
    pub records: Vec<Record>,
}

impl DisclosureOpening {
    /// Whether the steps root of `roots` becomes that of the sample when these records are disclosed.
    ///
    /// No record changes but in its trace root, which was zero. So a record that has one stays as it is,
    /// and to disclose a record twice is to give it the trace root zero the first time.
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn check(&self, roots: &Roots) -> Result<(), Violation> {
        let (named, opened) = (self.sample.records.len(), self.records.len());
        ensure((1..=DISCLOSED).contains(&named) && named == opened, Violation::Disclosed { named, opened })?;
        let mut steps = roots.steps;
        for (&Disclosed { index, committed }, record) in self.sample.records.iter().zip(&self.records) {
            let index = index as usize;
            let root = |leaf| steps_root(root_of(leaf, index, &record.path), roots.record_count);
            let old = if committed { record.leaf(Fr::ZERO) } else { Fr::ZERO };
            let stands = index >> record.path.len() == 0 && root(old) == steps;
            ensure(stands, Violation::Path { what: "record before its disclosure", root: "steps" })?;
            steps = root(record.leaf(record.trace_root));
        }
        ensure(steps == self.sample.to, Violation::Path { what: "disclosed record", root: "new steps" })
    }
}
