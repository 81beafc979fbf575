//! The round as its verbs see it: what is public before training, and the size of what is proven.

use pogo_circuits::round::Shape;
use pogo_protocol::commitment::Commitment;
use pogo_protocol::merkle::Layout;
use pogo_protocol::model::{Spec, TraceMode};
use pogo_protocol::statement::{Context, PublicRound};
use pogo_protocol::trace::TraceLayout;

use crate::commit;
use crate::error::Error;

/// A round that fits a preset.
#[derive(Clone, Debug)]
pub struct Round {
    /// What the task fixes.
    pub spec: Spec,
    /// Where and by whom.
    pub context: Context,
    /// Size of the circuit.
    pub shape: Shape,
    /// Placement of the leaves.
    pub layout: Layout,
}

impl Round {
    /// Checks that `spec` can be proven with `shape`.
    ///
    /// # Errors
    /// [`Error::ModelTooLarge`], [`Error::TraceTooLarge`], [`Error::TooManySteps`] or
    /// [`Error::CheckpointEvery`].
    pub fn new(spec: Spec, context: Context, shape: Shape) -> Result<Self, Error> {
        let layout = commit::layout(&spec, shape.tree_depth)?;
        let most = (1 << shape.steps_depth) - 1;
        if spec.steps > most {
            return Err(Error::TooManySteps { most, got: spec.steps });
        }
        if spec.checkpoint_every != 1 {
            return Err(Error::CheckpointEvery { got: spec.checkpoint_every });
        }
        let round = Self { spec, context, shape, layout };
        if round.spec.trace == TraceMode::Every {
            round.trace_layout()?;
        }
        Ok(round)
    }

    /// Placement of the tensors of a step.
    ///
    /// # Errors
    /// [`Error::TraceTooLarge`], which no round of mode `every` gives.
    pub fn trace_layout(&self) -> Result<TraceLayout, Error> {
        Ok(TraceLayout::new(self.shape.trace_depth, &self.spec)?)
    }

    /// The round's public side once the beacon is known, for the circuit with this id and SRS.
    pub fn public<'a>(
        &'a self,
        commitment: &'a Commitment,
        beacon: [u8; 32],
        circuit: [u8; 32],
        srs: [u8; 32],
    ) -> PublicRound<'a> {
        let Self { spec, context, layout, .. } = self;
        PublicRound { spec, layout, commitment, context: *context, beacon, circuit, srs }
    }
}
