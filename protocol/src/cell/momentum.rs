//! The momentum cell: momenta and gradient scale of a leaf follow from those before the step and its
//! gradient. What the update cell rounds to codes is thereby the gradient of the step.
//!
//! ```text
//! ga = align_gradient(g, exponent of the errors + exponent of the inputs)
//! m' = momentum(m, ga)      v' = scale_average(v, leaf_gradient_sum(ga)), v only once a step was made
//! ```

use alloc::vec::Vec;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;

use super::opened::{equal, packed};
use super::{ExponentsLeaf, Record, WordLeaf};
use crate::fixed::{LEAF, align_gradient, bounded, leaf_gradient_sum, momentum, scale_average};
use crate::leaf::{momenta_hash, state_leaf};
use crate::merkle::Path;
use crate::opening::{Roots, Violation};
use crate::statement::{POSITION_BITS, STEP_BITS, TENSOR_BITS, TRACE_BITS};

/// What is public of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MomentumSample {
    /// The step.
    pub step: u32,
    /// Position of the leaf in the state.
    pub state: usize,
    /// Position of its gradient in the trace.
    pub gradient: usize,
    /// The tensor.
    pub tensor: u32,
    /// Tensors of the model.
    pub tensors: u32,
}

impl MomentumSample {
    /// `step | state | gradient | tensor | tensors`, low first.
    /// None where a field does not fit its bits.
    pub fn elements(&self) -> Option<Vec<Fr>> {
        Some(alloc::vec![packed(&[
            (self.step.into(), STEP_BITS),
            (self.state as u64, POSITION_BITS),
            (self.gradient as u64, TRACE_BITS),
            (self.tensor.into(), TENSOR_BITS),
            (self.tensors.into(), TENSOR_BITS),
        ])?])
    }
}

/// Momenta half of a state leaf, and where the leaf stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Momenta {
    /// Hash of the weights half.
    pub weights_hash: Fr,
    /// The momenta.
    pub momenta: [i32; LEAF],
    /// The running gradient scale.
    pub scale: i32,
    /// Path of the leaf in the state.
    pub path: Path,
}

impl Momenta {
    fn hash(&self) -> Result<Fr, Violation> {
        Ok(state_leaf(self.weights_hash, momenta_hash(&self.momenta, self.scale)?))
    }
}

/// Everything that one cell opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MomentumOpening {
    /// What is public of it.
    pub sample: MomentumSample,
    /// Record `step`.
    pub before: Record,
    /// Record `step + 1`.
    pub after: Record,
    /// Momenta before.
    pub momenta_before: Momenta,
    /// Momenta after.
    pub momenta_after: Momenta,
    /// The gradient, over the whole batch.
    pub gradient: WordLeaf,
    /// Exponents that the step used.
    pub used: ExponentsLeaf,
}

impl MomentumOpening {
    /// Whether momenta and scale follow.
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn check(&self, roots: &Roots) -> Result<(), Violation> {
        let MomentumSample { step, state, gradient, tensor, tensors } = self.sample;
        self.before.check(step, roots)?;
        self.after.check(step + 1, roots)?;
        let (old, new) = (&self.momenta_before, &self.momenta_after);
        self.before.holds(old.hash()?, state, &old.path, roots)?;
        self.after.holds(new.hash()?, state, &new.path, roots)?;
        self.after.traces("gradient", self.gradient.hash()?, gradient, &self.gradient.path, roots)?;
        self.used.check(tensor, tensors, self.after.used)?;
        let e = bounded(self.used.gradient());
        let aligned = self.gradient.words.map(|g| align_gradient(g, e));
        for (index, (&m, &ga)) in old.momenta.iter().zip(&aligned).enumerate() {
            equal("momentum", index, momentum(m, ga).into(), new.momenta[index].into())?;
        }
        let started = self.before.next != Fr::ZERO;
        let scale = scale_average(started.then_some(old.scale), leaf_gradient_sum(&aligned));
        equal("gradient scale", 0, scale.into(), new.scale.into())
    }
}
