//! What can go wrong in a verb, and whose fault it is.

use pogo_protocol::cell::{Cell, Unprovable};
use pogo_protocol::data::TooFewRecords;
use pogo_protocol::evaluation::EvaluationError;
use pogo_protocol::leaf::LeafError;
use pogo_protocol::merkle::ModelTooLarge;
use pogo_protocol::opening::Violation;
use pogo_protocol::statement::NoStatement;
use pogo_protocol::trace::TraceTooLarge;

use crate::data::DataError;
use crate::device::gpu::GpuError;
use crate::store::StoreError;

/// Failure of a verb.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read, written or understood.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A data set cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The data set does not fill a batch.
    #[error(transparent)]
    TooFewRecords(#[from] TooFewRecords),
    /// The records are not those of the model's layers.
    #[error("data: expected {} features and {} classes as in layers, got {} and {}", expected.0, expected.1, got.0, got.1)]
    DataShape {
        /// Features and classes of the spec.
        expected: (usize, usize),
        /// Features and classes of the data at hand.
        got: (usize, usize),
    },
    /// The data set is not the one that the spec names.
    #[error("data root: expected {}, got {}", hex(expected), hex(got))]
    DataRoot {
        /// Root in the spec.
        expected: [u8; 32],
        /// Root of the data at hand.
        got: [u8; 32],
    },
    /// The model does not fit the trees of the preset.
    #[error(transparent)]
    ModelTooLarge(#[from] ModelTooLarge),
    /// The trace of a step does not fit the trees of the preset.
    #[error(transparent)]
    TraceTooLarge(#[from] TraceTooLarge),
    /// The round has more steps than the tree of the preset.
    #[error("steps: expected at most {most} with this preset, got {got}")]
    TooManySteps {
        /// Most steps.
        most: u32,
        /// Steps of the spec.
        got: u32,
    },
    /// The round has cells that no statement claims.
    #[error(transparent)]
    Unprovable(#[from] Unprovable),
    /// The draw has cells that no statement claims.
    #[error(transparent)]
    NoStatement(#[from] NoStatement),
    /// The round has no such cell, or none that is opened from a trace.
    #[error("cell {cell}: the round has none, or commits to no trace that it is opened from")]
    NoCell {
        /// The cell.
        cell: Cell,
    },
    /// An evaluation that has no cells.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// A word or code outside its range.
    #[error(transparent)]
    Leaf(#[from] LeafError),
    /// There is no such step.
    #[error("step: expected less than {steps}, got {got}")]
    NoStep {
        /// Steps of the round.
        steps: u32,
        /// The step.
        got: u32,
    },
    /// Training has not ended.
    #[error("training is at step {step} of {steps}: run `pogo train` first")]
    Unfinished {
        /// Steps done.
        step: u32,
        /// Steps of the round.
        steps: u32,
    },
    /// A recomputed state is not the recorded one.
    #[error("the state of record {step} is not the recorded one")]
    Diverged {
        /// Record.
        step: u32,
    },
    /// An opening does not obey the relations: a proof of it would not verify.
    #[error("opening of part {part}: {violation}")]
    Opening {
        /// Proof of the round.
        part: usize,
        /// Relation broken.
        violation: Violation,
    },
    /// A cell does not hold: a proof of it would not verify.
    #[error("cell {cell}: {violation}")]
    Cell {
        /// The cell.
        cell: Cell,
        /// Relation broken.
        violation: Violation,
    },
    /// A GPU could not do it.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// Keys that are not those of the verifier: another version of the circuit.
    #[error("keys of the {circuit} circuit: expected {}, which the verifier embeds, got {}", hex(expected), hex(got))]
    Keys {
        /// The circuit.
        circuit: &'static str,
        /// Id of the embedded description.
        expected: [u8; 32],
        /// Id of the keys made here.
        got: [u8; 32],
    },
    /// Halo2 refused.
    #[error("proving: {0}")]
    Proving(String),
}

/// Bytes as hexadecimal digits with `0x`.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("0x"), |text, byte| text + &format!("{byte:02x}"))
}
