//! How good a model is: its integer loss and its correct answers.

use pogo_protocol::data::Batch;
use pogo_protocol::model::{Bytes, Spec, State};
use pogo_protocol::step::{Evaluation, byte_weights, calibrate};
use pogo_prover::device::cpu;

/// Which weights of a state compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Model {
    /// The 32-bit weights, rounded to bytes as in a training step.
    Master,
    /// The committed 4-bit weights.
    FourBit,
}

/// Loss and correct answers of a model of `state`.
///
/// A state that made no step yet has no exponents of activations: it takes those that these records
/// ask for.
pub(crate) fn evaluate(spec: &Spec, state: &State, model: Model, batch: &Batch) -> Evaluation {
    let weights: Vec<Bytes> = match model {
        Model::Master => byte_weights(state),
        Model::FourBit => state.quantize().expand(),
    };
    let activations = match &state.exponents {
        Some(exponents) => exponents.activations.clone(),
        None => calibrate(spec, &weights, batch),
    };
    cpu::evaluate(spec, &weights, &activations, batch)
}

/// Mean loss in nats.
pub(crate) fn mean_loss(evaluation: &Evaluation) -> f64 {
    evaluation.loss as f64 / 65536.0 / evaluation.records.max(1) as f64
}

/// Share of correct answers in percent.
pub(crate) fn accuracy(evaluation: &Evaluation) -> f64 {
    100.0 * evaluation.correct as f64 / evaluation.records.max(1) as f64
}
