//! How good a model is: its integer loss and its correct answers.

use pogo_protocol::data::Batch;
use pogo_protocol::model::State;
use pogo_protocol::step::{Evaluation, byte_weights, calibrate};
use pogo_prover::device::{Device, cpu};
use pogo_prover::round::Round;

use crate::failure::Failure;

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
///
/// # Errors
/// When the device cannot do it.
pub(crate) fn evaluate(
    round: &Round,
    device: &Device,
    state: &State,
    model: Model,
    batch: &Batch,
) -> Result<Evaluation, Failure> {
    let weights = || match model {
        Model::Master => byte_weights(state),
        Model::FourBit => state.quantize().expand(),
    };
    let activations = match &state.exponents {
        Some(exponents) => exponents.activations.clone(),
        None => calibrate(&round.spec, &weights(), batch),
    };
    match model {
        Model::Master => Ok(cpu::evaluate(&round.spec, &weights(), &activations, batch)),
        Model::FourBit => {
            let mut trainer = device.trainer(round, 0)?;
            trainer.load(state)?;
            Ok(trainer.evaluate(&activations, batch)?)
        }
    }
}

/// Mean loss in nats.
pub(crate) fn mean_loss(evaluation: &Evaluation) -> f64 {
    evaluation.loss as f64 / 65536.0 / evaluation.records.max(1) as f64
}

/// Share of correct answers in percent.
pub(crate) fn accuracy(evaluation: &Evaluation) -> f64 {
    100.0 * evaluation.correct as f64 / evaluation.records.max(1) as f64
}
