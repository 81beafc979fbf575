//! The init cell: a leaf of the state that a task starts from holds the weights of its seed, and
//! momenta and a scale of zero. The verifier computes the leaf.

use alloc::vec::Vec;

use ark_bn254::Fr;

use super::opened::{ensure, model_root, packed};
use crate::fixed::LEAF;
use crate::leaf::{LeafError, momenta_hash, state_leaf, tag, weights_hash};
use crate::merkle::Path;
use crate::opening::{Roots, Violation};
use crate::statement::POSITION_BITS;

/// What is public of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitSample {
    /// Position of the leaf in the state.
    pub position: usize,
    /// Hash of the leaf, [`first_leaf`].
    pub leaf: Fr,
}

impl InitSample {
    /// The position; the leaf.
    /// None where a field does not fit its bits.
    pub fn elements(&self) -> Option<Vec<Fr>> {
        Some(alloc::vec![packed(&[(self.position as u64, POSITION_BITS)])?, self.leaf])
    }
}

/// State leaf of first weights.
///
/// # Errors
/// [`LeafError::Word`] for weights beyond their range.
pub fn first_leaf(weights: &[i32; LEAF]) -> Result<Fr, LeafError> {
    Ok(state_leaf(weights_hash(weights)?, momenta_hash(&[0; LEAF], 0)?))
}

/// Everything that one cell opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitOpening {
    /// What is public of it.
    pub sample: InitSample,
    /// Path of the leaf in the state.
    pub path: Path,
}

impl InitOpening {
    /// Whether the leaf stands under the parent root.
    ///
    /// # Errors
    /// [`Violation::Path`].
    pub fn check(&self, roots: &Roots) -> Result<(), Violation> {
        let InitSample { position, leaf } = self.sample;
        let root = model_root(tag::STATE_ROOT, leaf, position, &self.path, roots);
        ensure(root == Some(roots.parent), Violation::Path { what: "first leaf", root: "parent" })
    }
}
