//! The vacant cell: no tree of a step has a value at a position that holds no leaf.
//!
//! Leaves of a tensor stand one after another, as do those of the trees over the trace, over exponents and
//! over records. Beside the path of a last leaf stand the positions after it: a sibling with no leaf below
//! it is the root of an empty subtree.
//!
//! ```text
//! sibling at height h = E_h where nothing below it is a leaf      E_0 = 0, E_(h+1) = H(NODE, E_h, E_h)
//! root                = H(tag, root of the path, layout or number of leaves)
//! ```
//!
//! The trees of a model have a gap after each tensor, of which the path of its last leaf and that of the
//! next tensor's meet every position; so the cells of all tensors bind a step. In every other tree all
//! leaves stand before the last one: a sibling on the right (bit 0 of the position) is empty.

use alloc::vec::Vec;

use ark_bn254::Fr;

use super::Record;
use super::opened::{ensure, packed};
use crate::leaf::tag;
use crate::merkle::{Path, empty_subtrees, root_of};
use crate::opening::{Roots, Violation};
use crate::poseidon;
use crate::statement::{POSITION_BITS, STEP_BITS, TENSOR_BITS, TRACE_BITS};

/// What is public of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VacantSample {
    /// The step.
    pub step: u32,
    /// Position of the last leaf of the tensor in the trees of the model.
    pub position: usize,
    /// Bit `h` is 1 where its sibling at height `h` has a leaf below it, [`crate::merkle::Layout::occupied`].
    pub occupied: usize,
    /// Position of the last leaf of the trace.
    pub trace: usize,
    /// Tensors of the model.
    pub tensors: u32,
}

impl VacantSample {
    /// `step | position | occupied | trace | tensors`, low first.
    /// None where a field does not fit its bits.
    pub fn elements(&self) -> Option<Vec<Fr>> {
        Some(alloc::vec![packed(&[
            (self.step.into(), STEP_BITS),
            (self.position as u64, POSITION_BITS),
            (self.occupied as u64, POSITION_BITS),
            (self.trace as u64, TRACE_BITS),
            (self.tensors.into(), TENSOR_BITS),
        ])?])
    }
}

/// The last leaf of a tensor or of a whole tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastLeaf {
    /// Its hash.
    pub hash: Fr,
    /// Its path.
    pub path: Path,
}

/// Everything that one cell opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VacantOpening {
    /// What is public of it.
    pub sample: VacantSample,
    /// Record `step + 1`.
    pub after: Record,
    /// The last record.
    pub records: LastLeaf,
    /// Last leaf of the tensor in the state that the round starts from.
    pub parent: LastLeaf,
    /// The same in the state after the step.
    pub state: LastLeaf,
    /// The same among the codes of the step.
    pub update: LastLeaf,
    /// The same in the 4-bit model.
    pub quantized: LastLeaf,
    /// Last leaf of the trace.
    pub trace: LastLeaf,
    /// Exponents of the last tensor that the step used.
    pub used: LastLeaf,
    /// Exponents of the last tensor for the next step.
    pub next: LastLeaf,
}

impl VacantOpening {
    /// Whether nothing stands beside the last leaves where there is no leaf.
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn check(&self, roots: &Roots) -> Result<(), Violation> {
        let VacantSample { step, position, occupied, trace, tensors } = self.sample;
        let last = |count: u32| (count as usize).wrapping_sub(1);
        let (last_record, last_tensor) = (last(roots.record_count), last(tensors));
        let (records, tensors) = (Fr::from(roots.record_count), Fr::from(tensors));
        let model = (position, occupied, roots.layout);
        let of_tensors = (last_tensor, last_tensor, tensors);
        self.after.check(step + 1, roots)?;
        for (root, tag, leaf, (position, occupied, with), expected) in [
            ("steps", tag::STEPS_ROOT, &self.records, (last_record, last_record, records), roots.steps),
            ("parent", tag::STATE_ROOT, &self.parent, model, roots.parent),
            ("state", tag::STATE_ROOT, &self.state, model, self.after.state_root),
            ("update", tag::UPDATE_ROOT, &self.update, model, self.after.update_root),
            ("quantized", tag::QUANTIZED_ROOT, &self.quantized, model, roots.quantized),
            ("trace", tag::TRACE_ROOT, &self.trace, (trace, trace, roots.layout), self.after.trace_root),
            ("exponents", tag::EXPONENTS, &self.used, of_tensors, self.after.used),
            ("next exponents", tag::EXPONENTS, &self.next, of_tensors, self.after.next),
        ] {
            leaf.stands_last(root, position, occupied)?;
            let got = poseidon::hash(Fr::from(tag), root_of(leaf.hash, position, &leaf.path), with);
            ensure(got == expected, Violation::Path { what: "last leaf", root })?;
        }
        Ok(())
    }
}

impl LastLeaf {
    /// Whether the siblings of `position` that are not `occupied` are empty.
    fn stands_last(&self, root: &'static str, position: usize, occupied: usize) -> Result<(), Violation> {
        let (path, empty) = (&self.path, empty_subtrees(self.path.len()));
        let fits = (position | occupied) >> path.len() == 0;
        ensure(fits, Violation::Path { what: "last leaf", root })?;
        let vacant = |height: &usize| occupied >> height & 1 == 0;
        let filled = (0..path.len()).filter(vacant).find(|&height| path[height] != empty[height]);
        filled.map_or(Ok(()), |height| Err(Violation::Filled { root, height }))
    }
}
