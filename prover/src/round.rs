//! The round as its verbs see it: what is public before training, and the size of what is proven.

use pogo_circuits::round::Shape;
use pogo_protocol::cell::{Depths, provable};
use pogo_protocol::commitment::Commitment;
use pogo_protocol::merkle::Layout;
use pogo_protocol::model::Spec;
use pogo_protocol::statement::{Circuits, Context, PublicRound};
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
    /// Placement of the tensors of a step where traces are committed to.
    pub trace: Option<TraceLayout>,
}

impl Round {
    /// Checks that `spec` can be proven with `shape`.
    ///
    /// # Errors
    /// [`Error::ModelTooLarge`], [`Error::TraceTooLarge`], [`Error::TooManySteps`] or
    /// [`Error::Unprovable`].
    pub fn new(spec: Spec, context: Context, shape: Shape) -> Result<Self, Error> {
        let layout = commit::layout(&spec, shape.tree_depth)?;
        let most = (1 << shape.steps_depth) - 1;
        if spec.steps > most {
            return Err(Error::TooManySteps { most, got: spec.steps });
        }
        provable(&spec, spec.batch)?;
        let trace = TraceLayout::committed(shape.trace_depth, &spec)?;
        Ok(Self { spec, context, shape, layout, trace })
    }

    /// Placement of the tensors of a step.
    ///
    /// # Errors
    /// [`Error::TraceTooLarge`], which no round of mode `every` gives.
    pub fn trace_layout(&self) -> Result<TraceLayout, Error> {
        Ok(TraceLayout::new(self.shape.trace_depth, &self.spec)?)
    }

    /// Depths of the trees.
    pub fn depths(&self) -> Depths {
        let Shape { tree_depth: tree, steps_depth: steps, trace_depth: trace, .. } = self.shape;
        Depths { tree, steps, trace }
    }

    /// The round's public side once the beacon is known and nothing is disclosed, on so many training
    /// records, for circuits and SRS of these ids.
    pub fn public<'a>(
        &'a self,
        commitment: &'a Commitment,
        records: u32,
        beacon: [u8; 32],
        circuits: &'a Circuits,
        srs: [u8; 32],
    ) -> PublicRound<'a> {
        let Self { spec, context, layout, trace, .. } = self;
        PublicRound {
            spec,
            layout,
            trace: trace.as_ref(),
            segments: None,
            commitment,
            context: *context,
            records,
            beacon,
            circuits,
            srs,
        }
    }
}
