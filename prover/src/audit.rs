//! Audit: a step checked without its matrix products being computed.
//!
//! The miner publishes the state before a step and the products of it ([`Traced`]). An auditor holds
//! the state to its root, checks every product by [`freivalds`](crate::freivalds) and computes all
//! else exactly, up to the codes, the state after the step and the record. A false row of a product
//! passes with probability `1 / (2^61 - 1)`; nothing else passes. Whatever is false is named with
//! what is right.

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use pogo_protocol::cell::{Cell, Kind, Place};
use pogo_protocol::codec::{CodecError, Reader, Writer, scalar_bytes};
use pogo_protocol::data::Batch;
use pogo_protocol::fixed::LEAF;
use pogo_protocol::model::{Bytes, Exponents, Spec, State, Tensor, TraceMode};
use pogo_protocol::product::Orientation;
use pogo_protocol::record::StepRecord;
use pogo_protocol::step::{self, Products, StepResult};
use pogo_protocol::stream::Stream;
use pogo_protocol::trace::{TensorId, Trace};
use std::convert::Infallible;

use crate::checkpoint::{decode_state, encode_state};
use crate::commit::{leaf_of, step_roots};
use crate::error::{Error, hex};
use crate::freivalds::Vector;
use crate::round::Round;
use crate::train::{Job, Stepper, initial_record, state_root};

const DOMAIN: &[u8] = b"pogo/audit/v1";
const SUMS: &str = "sums";
const GRADIENT: &str = "gradient";
const BELOW: &str = "errors below";

/// What a miner publishes of a step for its audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// The step.
    pub step: u32,
    /// State before it.
    pub state: State,
    /// Sums `(B, N)` of each tensor.
    pub sums: Vec<Vec<i32>>,
    /// Gradients `(N, K)` of each tensor.
    pub gradients: Vec<Vec<i32>>,
    /// Errors `(B, K)` of the input of each tensor but the first.
    pub below: Vec<Vec<i32>>,
}

impl Traced {
    /// First bytes of the file.
    pub const MAGIC: &[u8; 8] = b"pogo/trd";

    /// From a trace and the state that it started from.
    pub fn new(step: u32, state: State, trace: &Trace) -> Self {
        let tensors = state.weights.len();
        let words = |id: fn(usize) -> TensorId, from: usize| {
            (from..tensors).map(|l| trace.words(id(l)).unwrap_or_default().to_vec()).collect()
        };
        let (sums, gradients) = (words(TensorId::Sums, 0), words(TensorId::Gradients, 0));
        Self { step, state, sums, gradients, below: words(TensorId::Below, 1) }
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let state = encode_state(&self.state);
        let writer = Writer::new(Self::MAGIC).u32(self.step).u64(state.len() as u64).bytes(&state);
        let products = self.sums.iter().chain(&self.gradients).chain(&self.below);
        products.fold(writer, |writer, product| writer.integers(product)).finish()
    }

    /// Reads what [`Traced::encode`] wrote for this spec, and nothing else.
    ///
    /// # Errors
    /// [`CodecError`] naming the field, also for a step of another shape.
    pub fn decode(spec: &Spec, bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes, Self::MAGIC, "traced step")?;
        let step = reader.u32("step")?;
        let length = reader.u64("length of the state")?;
        let state = decode_state(spec, reader.bytes("state", usize::try_from(length).unwrap_or(usize::MAX))?)?;
        let (tensors, batch) = (spec.tensors(), spec.batch as usize);
        let mut read = |field, from: usize, length: fn(&Tensor, usize) -> usize| {
            let part = |tensor: &Tensor| {
                let words = reader.integers(field)?;
                if words.len() == length(tensor, batch) { Ok(words) } else { Err(CodecError::Value { field }) }
            };
            tensors[from..].iter().map(part).collect::<Result<Vec<_>, _>>()
        };
        let sums = read("sums", 0, |tensor, batch| batch * tensor.rows)?;
        let gradients = read("gradients", 0, |tensor, _| tensor.rows * tensor.cols)?;
        let below = read("errors below", 1, |tensor, batch| batch * tensor.cols)?;
        reader.finish()?;
        Ok(Self { step, state, sums, gradients, below })
    }
}

/// What is false about an audited step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// An element of a product.
    #[error("step {step}, {operation} of tensor {tensor}, tile ({}, {}), element ({row}, {column}): \
             expected {expected}, got {got}", row / LEAF, column / LEAF)]
    Product {
        /// The step.
        step: u32,
        /// Which product.
        operation: &'static str,
        /// The tensor.
        tensor: usize,
        /// Row of the product.
        row: usize,
        /// Column of the product.
        column: usize,
        /// What the factors give.
        expected: i32,
        /// What was published.
        got: i32,
    },
    /// A code of the update.
    #[error("step {step}, update of tensor {tensor}, leaf {leaf}, code {index}: expected {expected}, got {got}")]
    Code {
        /// The step.
        step: u32,
        /// The tensor.
        tensor: usize,
        /// Leaf of the tensor.
        leaf: usize,
        /// Code of the leaf.
        index: usize,
        /// What the gradient gives.
        expected: i8,
        /// What was published.
        got: i8,
    },
    /// A field of a record.
    #[error("record {record}, {field}: expected {expected}, got {got}")]
    Record {
        /// The record.
        record: u32,
        /// The field.
        field: &'static str,
        /// What the step gives.
        expected: String,
        /// What was published.
        got: String,
    },
}

impl Finding {
    /// Cells to doubt: where what is false was committed to as well, one of them does not hold, and a
    /// dispute can name it. A product that is false in the published file only breaks none. Empty where
    /// the round commits to no traces, or the finding does not tell which.
    pub fn cells(&self, round: &Round) -> Vec<Cell> {
        let Some(space) = round.space() else { return Vec::new() };
        let step = |record: &u32| record.saturating_sub(1);
        match self {
            Self::Product { step, operation, tensor, row, column, .. } => {
                let orientation = match *operation {
                    SUMS => Orientation::Forward,
                    GRADIENT => Orientation::Gradient,
                    _ => Orientation::Backward,
                };
                let tile = (orientation, *tensor, row / LEAF, column / LEAF);
                let is_tile = |cell: &Cell| match space.place(*cell) {
                    Some(Place::Tile(at)) => (at.orientation, at.tensor, at.row, at.column) == tile,
                    _ => false,
                };
                space.of_step(Kind::Product, *step).into_iter().filter(is_tile).collect()
            }
            Self::Code { step, tensor, leaf, .. } => {
                let before: usize = round.spec.tensors()[..*tensor].iter().map(Tensor::leaves).sum();
                let leaf = (before + leaf) as u32;
                vec![Cell::new(Kind::Momentum, *step, leaf), Cell::update(*step, leaf)]
            }
            Self::Record { record, field: "loss", .. } => {
                [Kind::Link, Kind::Loss].into_iter().flat_map(|kind| space.of_step(kind, step(record))).collect()
            }
            Self::Record { record, field: "exponents", .. } => space.of_step(Kind::Link, step(record)),
            Self::Record { record: 0, .. } => space.of_step(Kind::Link, 0),
            Self::Record { record, field: "next exponents", .. } => space.of_step(Kind::Peak, step(record)),
            Self::Record { .. } => Vec::new(),
        }
    }
}

/// Audits one step of a round: everything that is false about its codes, its record and the state
/// before it, in the first step also about record 0; none when it is exact. The trace root is for
/// [replay](crate::replay), bare records have no roots.
///
/// `codes` are the published ones of the step, `seed` is the auditor's own randomness, unknown when
/// the step was published.
///
/// # Errors
/// [`Error::NoStep`], or [`Error::Leaf`] for a published state with words outside their range.
pub fn audit(
    job: &Job<'_>,
    stepper: &Stepper<'_>,
    records: &[StepRecord],
    codes: &[Vec<i8>],
    traced: &Traced,
    seed: [u8; 32],
) -> Result<Vec<Finding>, Error> {
    let (t, Round { spec, layout, context, .. }) = (traced.step, job.round);
    let (Some(before), Some(after)) = (records.get(t as usize), records.get(t as usize + 1)) else {
        return Err(Error::NoStep { steps: spec.steps, got: t });
    };
    let mut audit = Findings { step: t, found: Vec::new() };
    if t == 0 {
        // Only a round that goes on from another one starts with exponents.
        let next_exponents = before.next_exponents.clone().filter(|_| context.round > 0);
        let first = StepRecord { next_exponents, ..initial_record(layout, &traced.state)? };
        audit.record(0, &first, before);
    }
    if !before.is_bare() {
        audit.field(t, "state root", text(state_root(layout, &traced.state)?), text(before.state_root));
    }
    let exponents = [&traced.state.exponents, &before.next_exponents].map(|exponents| format!("{exponents:?}"));
    let [published, recorded] = exponents;
    audit.field(t, "next exponents", published, recorded);

    let (state, result, found) = check_products(spec, &stepper.batch(t), traced, stepper.dither_seed(), seed);
    audit.found.extend(found);
    audit.codes(&result.codes, codes);
    let [state_root, update_root] = match after.is_bare() {
        true => [Fr::ZERO; 2],
        false => step_roots(layout, &state, &result.codes).map(|roots| [roots.state, roots.update])?,
    };
    let trace_root = match spec.trace {
        TraceMode::None => Fr::ZERO,
        TraceMode::Every | TraceMode::Challenged => after.trace_root,
    };
    let expected = StepRecord {
        index: t + 1,
        state_root,
        update_root,
        loss: result.loss,
        exponents: Some(result.exponents_used),
        next_exponents: Some(result.exponents_next),
        trace_root,
    };
    audit.record(t + 1, &expected, after);
    Ok(audit.found)
}

fn text(root: Fr) -> String {
    hex(&scalar_bytes(&root))
}

/// The state after a published step and its result, by its published products where they are right;
/// and what is not right about them.
pub fn check_products(
    spec: &Spec,
    batch: &Batch,
    traced: &Traced,
    dither_seed: u32,
    seed: [u8; 32],
) -> (State, StepResult, Vec<Finding>) {
    let t = traced.step;
    let mut state = traced.state.clone();
    let mut checker = Checker { found: Vec::new(), tensors: spec.tensors(), traced, random: random(seed, t) };
    let Ok(gradients) = step::gradients_by(&mut checker, spec, &state, batch, 0, t, dither_seed);
    let result = step::apply(spec, &mut state, gradients, t);
    (state, result, checker.found)
}

/// Uniform numbers of a seed and a step.
fn random(seed: [u8; 32], step: u32) -> impl FnMut() -> u64 {
    let mut stream = Stream::new(DOMAIN, pogo_protocol::stream::keccak(&[&seed, &step.to_be_bytes()]));
    let mut words = Vec::new();
    move || {
        if words.is_empty() {
            words.extend(
                stream
                    .next_block()
                    .chunks_exact(8)
                    .map(|word| u64::from_be_bytes(word.try_into().expect("eight bytes"))),
            );
        }
        words.pop().expect("four words a block")
    }
}

struct Findings {
    step: u32,
    found: Vec<Finding>,
}

impl Findings {
    fn field(&mut self, record: u32, field: &'static str, expected: String, got: String) {
        if expected != got {
            self.found.push(Finding::Record { record, field, expected, got });
        }
    }

    fn record(&mut self, record: u32, expected: &StepRecord, got: &StepRecord) {
        let exponents = |exponents: &Option<Exponents>| format!("{exponents:?}");
        self.field(record, "index", expected.index.to_string(), got.index.to_string());
        self.field(record, "loss", expected.loss.to_string(), got.loss.to_string());
        self.field(record, "exponents", exponents(&expected.exponents), exponents(&got.exponents));
        self.field(record, "next exponents", exponents(&expected.next_exponents), exponents(&got.next_exponents));
        self.field(record, "update root", text(expected.update_root), text(got.update_root));
        self.field(record, "state root", text(expected.state_root), text(got.state_root));
        self.field(record, "trace root", text(expected.trace_root), text(got.trace_root));
    }

    fn codes(&mut self, expected: &[Vec<i8>], got: &[Vec<i8>]) {
        for (tensor, (expected, got)) in expected.iter().zip(got).enumerate() {
            for leaf in 0..expected.len() / LEAF {
                let pairs = leaf_of(expected, leaf).iter().zip(leaf_of(got, leaf)).enumerate();
                let differs = pairs.filter(|(_, (expected, got))| expected != got);
                self.found.extend(differs.map(|(index, (&expected, &got))| Finding::Code {
                    step: self.step,
                    tensor,
                    leaf,
                    index,
                    expected,
                    got,
                }));
            }
        }
    }
}

/// Takes the published products, each checked; a false row is replaced by the right one, so that
/// what follows is judged by itself.
struct Checker<'a, R> {
    found: Vec<Finding>,
    tensors: Vec<Tensor>,
    traced: &'a Traced,
    random: R,
}

impl<R: FnMut() -> u64> Checker<'_, R> {
    /// Replaces false rows of `product`, whose rows `holds` tells apart and `right` computes.
    fn checked(
        &mut self,
        (operation, tensor): (&'static str, usize),
        mut product: Vec<i32>,
        columns: usize,
        holds: impl Fn(usize, &[i32]) -> bool,
        right: impl Fn(usize) -> Vec<i32>,
    ) -> Vec<i32> {
        for (row, published) in product.chunks_mut(columns).enumerate() {
            if holds(row, published) {
                continue;
            }
            let expected = right(row);
            let differs = (0..columns).filter(|&column| expected[column] != published[column]);
            self.found.extend(differs.map(|column| Finding::Product {
                step: self.traced.step,
                operation,
                tensor,
                row,
                column,
                expected: expected[column],
                got: published[column],
            }));
            published.copy_from_slice(&expected);
        }
        product
    }
}

impl<R: FnMut() -> u64> Products for Checker<'_, R> {
    type Error = Infallible;

    /// `sums s = inputs (weights^T s)`.
    fn sums(&mut self, l: usize, inputs: &Bytes, weights: &Bytes) -> Result<Vec<i32>, Infallible> {
        let (tensor, product) = (self.tensors[l], self.traced.sums[l].clone());
        let (stride, cols) = (tensor.padded_cols(), tensor.cols);
        let s = Vector::random(tensor.rows, &mut self.random);
        let combined = s.combine(&weights.values, stride, cols);
        let input = |row: usize| &inputs.values[row * cols..(row + 1) * cols];
        let holds = |row, sums: &[i32]| s.dot_words(sums) == combined.dot_bytes(input(row));
        let right = |row| weights.values.chunks(stride).map(|weights| dot(input(row), weights)).collect();
        Ok(self.checked((SUMS, l), product, tensor.rows, holds, right))
    }

    /// `gradient s = errors^T (inputs s)`.
    fn gradient(&mut self, l: usize, errors: &Bytes, inputs: &Bytes) -> Result<Vec<i32>, Infallible> {
        let (tensor, product) = (self.tensors[l], self.traced.gradients[l].clone());
        let (rows, cols) = (tensor.rows, tensor.cols);
        let s = Vector::random(cols, &mut self.random);
        let projected = Vector::new(inputs.values.chunks(cols).map(|row| s.dot_bytes(row)));
        let combined = projected.combine(&errors.values, rows, rows);
        let holds = |row, gradient: &[i32]| s.dot_words(gradient) == combined.at(row);
        let right = |row: usize| combine(errors.values.iter().skip(row).step_by(rows), &inputs.values, cols, cols);
        Ok(self.checked((GRADIENT, l), product, cols, holds, right))
    }

    /// `below s = errors (weights s)`.
    fn below(&mut self, l: usize, errors: &Bytes, weights: &Bytes) -> Result<Vec<i32>, Infallible> {
        let (tensor, product) = (self.tensors[l], self.traced.below[l - 1].clone());
        let (rows, cols, stride) = (tensor.rows, tensor.cols, tensor.padded_cols());
        let s = Vector::random(cols, &mut self.random);
        let projected = Vector::new(weights.values.chunks(stride).map(|row| s.dot_bytes(&row[..cols])));
        let error = |row: usize| &errors.values[row * rows..(row + 1) * rows];
        let holds = |row, below: &[i32]| s.dot_words(below) == projected.dot_bytes(error(row));
        let right = |row| combine(error(row).iter(), &weights.values, stride, cols);
        Ok(self.checked((BELOW, l), product, cols, holds, right))
    }
}

fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}

/// `sum_i coefficient_i * row_i` over the first `length` columns of rows of `stride` bytes.
fn combine<'a>(coefficients: impl Iterator<Item = &'a i8>, rows: &[i8], stride: usize, length: usize) -> Vec<i32> {
    let mut sums = vec![0; length];
    for (&a, row) in coefficients.zip(rows.chunks(stride)) {
        sums.iter_mut().zip(row).for_each(|(sum, &b)| *sum += i32::from(a) * i32::from(b));
    }
    sums
}

/// The step that a miner publishes for its audit, by replay from the nearest checkpoint.
///
/// # Errors
/// Those of [`Stepper::seek`].
pub fn traced(
    stepper: &mut Stepper<'_>,
    store: &crate::store::Store,
    records: &[StepRecord],
    step: u32,
) -> Result<Traced, Error> {
    let state = stepper.seek(store, records, step)?;
    let trace = stepper.trace(&state, step);
    Ok(Traced::new(step, state, &trace))
}
