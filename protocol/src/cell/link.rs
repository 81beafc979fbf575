//! The link cell: a record goes on from the one before it. The step used the exponents that were
//! asked for, or its own where none were; its loss is that of its last row; record 0 is a start, and the
//! last record asks for the exponents that the commitment says.

use alloc::vec::Vec;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;

use super::Record;
use super::opened::{ensure, packed};
use crate::leaf::loss_leaf;
use crate::merkle::Path;
use crate::opening::{Roots, Violation};
use crate::statement::{STEP_BITS, TRACE_BITS};

/// What is public of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkSample {
    /// The step.
    pub step: u32,
    /// Position of the losses up to the last row in the trace.
    pub losses: usize,
    /// Whether it is the first of the round.
    pub first: bool,
    /// Whether it is the last of the round.
    pub last: bool,
    /// Root of the exponents that record 0 asks for; zero for none.
    pub start: Fr,
    /// Root of the exponents that the last record asks for.
    pub end: Fr,
}

impl LinkSample {
    /// `step | losses | first | last`, low first. Before those of all cells of a proof, once, stand
    /// `start` and `end`.
    /// None where a field does not fit its bits.
    pub fn elements(&self) -> Option<Vec<Fr>> {
        Some(alloc::vec![packed(&[
            (self.step.into(), STEP_BITS),
            (self.losses as u64, TRACE_BITS),
            (u64::from(self.first), 1),
            (u64::from(self.last), 1),
        ])?])
    }
}

/// Everything that one cell opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkOpening {
    /// What is public of it.
    pub sample: LinkSample,
    /// Record `step`.
    pub before: Record,
    /// Record `step + 1`.
    pub after: Record,
    /// Label of the last row.
    pub label: u16,
    /// Path of the losses up to the last row.
    pub path: Path,
}

impl LinkOpening {
    /// Whether the records follow.
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn check(&self, roots: &Roots) -> Result<(), Violation> {
        let LinkSample { step, losses, first, last, start, end } = self.sample;
        self.before.check(step, roots)?;
        self.after.check(step + 1, roots)?;
        let leaf = loss_leaf(self.after.loss, self.label);
        self.after.traces("losses", leaf, losses, &self.path, roots)?;
        let asked = if self.before.next == Fr::ZERO { self.after.next } else { self.before.next };
        ensure(self.after.used == asked, Violation::Link { field: "exponents used" })?;
        ensure(!last || self.after.next == end, Violation::Link { field: "exponents of the end" })?;
        if !first {
            return Ok(());
        }
        let Record { update_root, trace_root, loss, used, next, .. } = &self.before;
        for (field, value) in
            [("update root", update_root), ("trace root", trace_root), ("loss", loss), ("exponents", used)]
        {
            ensure(*value == Fr::ZERO, Violation::Link { field })?;
        }
        ensure(*next == start, Violation::Link { field: "exponents of the start" })
    }
}
