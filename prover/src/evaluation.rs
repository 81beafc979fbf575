//! Evaluation: the forward pass of a candidate's 4-bit model over the records of an attester, with every
//! number committed to, so that any cell of it can be opened and proven.

use pogo_protocol::cell::{Cell, CellOpening};
use pogo_protocol::commitment::Commitment;
use pogo_protocol::data::DataSet;
use pogo_protocol::evaluation::{self, EvaluationRoots, PublicEvaluation};
use pogo_protocol::model::Quantized;
use pogo_protocol::trace::{Pass, Trace, TraceLayout};
use rayon::prelude::*;

use crate::commit::data_root;
use crate::error::Error;
use crate::open::cells::{Opener, TracedStep};
use crate::round::Round;

/// An evaluation as its attester has it.
pub struct Evaluation {
    roots: EvaluationRoots,
    loss: u64,
    data: DataSet,
    step: TracedStep,
    steps_depth: usize,
}

impl Evaluation {
    /// Evaluates the 4-bit model of a candidate of `round` on all of `data`, in its order.
    ///
    /// # Errors
    /// [`Error::Evaluation`] for records that are no batch, or a commitment of another model;
    /// [`Error::TraceTooLarge`]; [`Error::Leaf`], which no evaluation leaves behind.
    pub fn new(round: &Round, commitment: &Commitment, model: Quantized, data: DataSet) -> Result<Self, Error> {
        Self::edited(round, commitment, model, data, |_| {})
    }

    /// [`Evaluation::new`], whose tensors may be changed before they are committed to: what only an attester
    /// that lies does.
    ///
    /// # Errors
    /// As [`Evaluation::new`], and [`Error::Leaf`] for a word out of its range.
    pub fn edited(
        round: &Round,
        commitment: &Commitment,
        model: Quantized,
        data: DataSet,
        edit: impl FnOnce(&mut Trace),
    ) -> Result<Self, Error> {
        let data_root = data_root(&data);
        let spec = evaluation::spec(&round.spec, data.len() as u32, data_root)?;
        let placed = TraceLayout::of(Pass::Evaluation, round.shape.trace_depth, &spec)?;
        let (used, next) = evaluation::exponents(&spec, commitment)?;
        let mut trace = Trace::forward(&spec, &model.expand(), used, next, &data.all());
        edit(&mut trace);
        let loss = trace.gradients.loss;
        let step = TracedStep::of_evaluation(&round.layout, &placed, model, trace)?;
        let trace = placed.root(step.tree_root(), round.layout.element());
        let roots = EvaluationRoots { data: data_root, trace };
        Ok(Self { roots, loss, data, step, steps_depth: round.shape.steps_depth })
    }

    /// What is signed beside the loss.
    pub fn roots(&self) -> EvaluationRoots {
        self.roots
    }

    /// Loss of the model: sum over the records, Q16 nats.
    pub fn loss(&self) -> u64 {
        self.loss
    }

    /// Opens cells of the evaluation as it was signed, whether they hold or not.
    ///
    /// # Errors
    /// [`Error::NoCell`].
    pub fn open(&self, signed: &PublicEvaluation<'_>, cells: &[Cell]) -> Result<Vec<CellOpening>, Error> {
        let opener = Opener::of_evaluation(signed, self.steps_depth, &self.data);
        cells.par_iter().map(|&cell| opener.open(&self.step, cell)).collect()
    }
}
