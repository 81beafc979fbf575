//! The round as its verbs see it: what is public before training, and the size of what is proven.

use pogo_circuits::round::Shape;
use pogo_protocol::cell::{CellSpace, Depths, provable};
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
    /// Whether it starts from the weights of the seed. [`Round::new`] takes every round 0 for such a one;
    /// of a task that starts from another's weights it is to be set to false.
    pub seeded: bool,
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
        let seeded = context.round == 0;
        Ok(Self { spec, context, shape, layout, trace, seeded })
    }

    /// Placement of the tensors of a step.
    ///
    /// # Errors
    /// [`Error::TraceTooLarge`], which no round of mode `every` gives.
    pub fn trace_layout(&self) -> Result<TraceLayout, Error> {
        Ok(TraceLayout::new(self.shape.trace_depth, &self.spec)?)
    }

    /// All cells of the round; none where no traces are committed to.
    pub fn space(&self) -> Option<CellSpace<'_>> {
        Some(CellSpace::new(&self.spec, &self.layout, self.trace.as_ref()?, self.seeded))
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
        let Self { spec, context, layout, trace, seeded, .. } = self;
        PublicRound {
            spec,
            layout,
            trace: trace.as_ref(),
            segments: None,
            commitment,
            context: *context,
            records,
            seeded: *seeded,
            beacon,
            circuits,
            srs,
        }
    }
}
