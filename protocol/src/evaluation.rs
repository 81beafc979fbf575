//! Evaluations: the loss of a candidate's 4-bit model on the records of an attester, as cells.
//!
//! An evaluation is a round of one step that trains nothing: the forward pass over the attester's records
//! in their order. Its [trace](crate::trace) has the tensors of that pass, its data is those records, and
//! its two records follow from what is public:
//!
//! ```text
//! record 0   state root, no loss                asks for the exponents `used`
//! record 1   state root, trace root, loss       used them, asks for `next`
//! state root that of the 4-bit model
//! used       weights: those of the 4-bit model    activations: what the last record of the candidate asks
//!            for    errors: 32 above that of the loss, so that all errors of the last layer round to 0
//! next       24 above the exponents of the values, which holds any values
//! ```
//!
//! So whoever has the commitment of the candidate and the [`Attestation`] computes the steps root with some
//! 40 hashes and knows the statement of every cell: link (the loss is that of the last row), input,
//! [dequantize](crate::cell::dequantize), product, activation, loss (of models of at most 64 classes), blank.
//! They are proven by the circuits of the same kinds. What keeps a proof where it belongs is the beacon of
//! its statement:
//!
//! ```text
//! keccak("pogo/evaluation/cell/v1" | candidate 32 | beacon 32 | attester 20)
//! ```

use alloc::vec;
use alloc::vec::Vec;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;

use crate::attest::Attestation;
use crate::cell::{Cell, Depths};
use crate::codec::scalar_bytes;
use crate::commitment::Commitment;
use crate::fixed::{ERROR_EXPONENT, FEATURE_EXPONENT, WEIGHT_FRACTION};
use crate::merkle;
use crate::model::{BATCH_MAX, Exponents, Schedule, Spec, TraceMode};
use crate::record::{StepRecord, exponents_root, steps_root};
use crate::statement::{PublicRound, Statement, cell_part};
use crate::stream::keccak;
use crate::trace::{Pass, TraceLayout, TraceTooLarge};

/// Domain of the beacon of an evaluation's statements.
pub const CELL_DOMAIN: &[u8] = b"pogo/evaluation/cell/v1";
/// How far the exponent of errors is above that of the loss: all of them round to 0.
const NO_ERRORS: i32 = 32;
/// How far exponents for the next step are above those of the values: it holds any words.
const MOST_ROOM: i32 = 24;

/// Roots that an attester signs with its loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvaluationRoots {
    /// Root of its records, a data set in the order of the batch.
    pub data: Fr,
    /// Root of the trace of the candidate's evaluation.
    pub trace: Fr,
}

/// An attestation without provable cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// Of another commitment than that of the round.
    #[error("the attestation is of another candidate")]
    Candidate,
    /// Of another beacon than that of the round.
    #[error("the attestation is of another beacon")]
    Beacon,
    /// Records that are no batch.
    #[error("evaluated records: expected a power of two up to {BATCH_MAX}, got {0}")]
    Records(u32),
    /// A commitment that has not the exponents of the model.
    #[error("commitment: expected exponents of {expected} tensors")]
    Exponents {
        /// Tensors of the model.
        expected: usize,
    },
    /// A forward pass that does not fit its tree.
    #[error(transparent)]
    Trace(#[from] TraceTooLarge),
}

/// The round of one step that evaluates a model of `spec` on so many records of this root.
///
/// # Errors
/// [`EvaluationError::Records`].
pub fn spec(spec: &Spec, records: u32, data: Fr) -> Result<Spec, EvaluationError> {
    ensure(records.is_power_of_two() && records <= BATCH_MAX, EvaluationError::Records(records))?;
    Ok(Spec {
        batch: records,
        steps: 1,
        checkpoint_every: 1,
        schedule: Schedule::Constant,
        warmup: 0,
        trace: TraceMode::Every,
        data_root: scalar_bytes(&data),
        ..spec.clone()
    })
}

/// Exponents that an evaluation in batches of `spec` uses, and those that it asks for, both of which follow
/// from the commitment of the candidate.
///
/// # Errors
/// [`EvaluationError::Exponents`] for a commitment of another model.
pub fn exponents(spec: &Spec, commitment: &Commitment) -> Result<(Exponents, Exponents), EvaluationError> {
    let (tensors, activations) = (spec.tensors().len(), &commitment.exponents.activations);
    let weights: Vec<i32> = commitment.quantized_exponents.iter().map(|&exponent| exponent.into()).collect();
    if (weights.len(), activations.len()) != (tensors, tensors - 1) {
        return Err(EvaluationError::Exponents { expected: tensors });
    }
    let loss = ERROR_EXPONENT + spec.batch_exponent();
    let errors = |above: i32| [vec![0; tensors - 1], vec![loss + above]].concat();
    let inputs = core::iter::once(&FEATURE_EXPONENT).chain(activations);
    let sums = inputs.zip(&weights).map(|(input, shift)| input + shift - WEIGHT_FRACTION);
    let room = sums.take(tensors - 1).map(|sum| sum + MOST_ROOM).collect();
    let next = Exponents { weights: vec![0; tensors], activations: room, errors: errors(MOST_ROOM) };
    Ok((Exponents { weights, activations: activations.clone(), errors: errors(NO_ERRORS) }, next))
}

/// An evaluation as everybody can recompute it who has the commitment and the attestation.
#[derive(Clone, Debug)]
pub struct PublicEvaluation<'a> {
    of: PublicRound<'a>,
    spec: Spec,
    trace: TraceLayout,
    records: [StepRecord; 2],
    commitment: Commitment,
    beacon: [u8; 32],
}

impl<'a> PublicEvaluation<'a> {
    /// The evaluation of the candidate of `of` that an attester signed, in trees of these depths. The
    /// signature is not checked.
    ///
    /// # Errors
    /// [`EvaluationError`], one variant a cause.
    pub fn new(of: PublicRound<'a>, depths: Depths, attestation: &Attestation) -> Result<Self, EvaluationError> {
        let Attestation { candidate, beacon, attester, evaluated, evaluation, .. } = attestation;
        ensure(*candidate == of.commitment.hash(), EvaluationError::Candidate)?;
        ensure(*beacon == of.beacon, EvaluationError::Beacon)?;
        let spec = spec(of.spec, *evaluated, evaluation.data)?;
        let trace = TraceLayout::of(Pass::Evaluation, depths.trace, &spec)?;
        let (used, next) = exponents(&spec, of.commitment)?;
        let model = of.commitment.quantized_root;
        let records = records(model, attestation.loss_after, evaluation.trace, used.clone(), next.clone());
        let leaves = records.iter().map(StepRecord::hash).collect();
        let tree_root = merkle::root(leaves, &merkle::empty_subtrees(depths.steps));
        let commitment = Commitment {
            parent_root: Fr::ZERO,
            parent_exponents: exponents_root(Some(&used)),
            steps_root: steps_root(tree_root, records.len() as u32),
            state_root: Fr::ZERO,
            exponents: next,
            quantized_root: of.commitment.quantized_root,
            data_root: evaluation.data,
            spec_hash: spec.hash(),
            steps: 1,
            quantized_exponents: of.commitment.quantized_exponents.clone(),
        };
        let beacon = keccak(&[CELL_DOMAIN, candidate, beacon, attester]);
        Ok(Self { of, spec, trace, records, commitment, beacon })
    }

    /// The evaluation as a round of one step: its cells, their samples and roots.
    pub fn round(&self) -> PublicRound<'_> {
        let Self { of, spec, trace, commitment, beacon, .. } = self;
        let (trace, segments, seeded) = (Some(trace), None, false);
        PublicRound { spec, trace, segments, seeded, commitment, records: spec.batch, beacon: *beacon, ..of.clone() }
    }

    /// Placement of its tensors.
    pub fn trace(&self) -> &TraceLayout {
        &self.trace
    }

    /// Its two records.
    pub fn records(&self) -> &[StepRecord; 2] {
        &self.records
    }

    /// The statement whose proof shows this cell, in every slot; none where the evaluation has no such cell.
    pub fn statement(&self, cell: Cell) -> Option<Statement> {
        let round = self.round();
        let part = cell_part(round.sample(cell)?.circuit(), &[cell]);
        round.cell_statement(&part, 0, 0)
    }
}

/// The records of an evaluation.
fn records(state_root: Fr, loss: u64, trace_root: Fr, used: Exponents, next: Exponents) -> [StepRecord; 2] {
    let record = |index, loss, exponents, next: Exponents, trace_root| StepRecord {
        index,
        state_root,
        update_root: Fr::ZERO,
        loss,
        exponents,
        next_exponents: Some(next),
        trace_root,
    };
    [record(0, 0, None, used.clone(), Fr::ZERO), record(1, loss, Some(used), next, trace_root)]
}

fn ensure(holds: bool, error: EvaluationError) -> Result<(), EvaluationError> {
    if holds { Ok(()) } else { Err(error) }
}
