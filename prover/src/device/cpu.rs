//! The training step on all cores, bit-equal to [`pogo_protocol::step`] at any number of threads.
//!
//! Bytes are held as `f32` and multiplied by ndarray's `matrixmultiply`, exactly: over
//! [`CHUNK`] products of at most `128 * 127` every partial sum is an integer below `2^24`, so neither
//! order nor fused multiply-add can change it; chunks are added as `i32`. Work is split over the
//! threads of the current rayon pool by rows, and rows do not meet. The functions carry the names
//! of their plain twins in [`pogo_protocol::step`], shapes as there.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, s};
use pogo_protocol::data::Batch;
use pogo_protocol::fixed::{
    BYTE_MAX, ERROR_EXPONENT, FEATURE_EXPONENT, LEAF, WEIGHT_FRACTION, align_gradient, dither, key, logit, requantize,
    requantize_stochastic, softmax_row,
};
use pogo_protocol::leaf::tag;
use pogo_protocol::model::{Bytes, Spec, State, Tensor};
use pogo_protocol::step::{Evaluation, Gradients, LeafMut, Scaling, StepResult, score, update_leaf};
use rayon::prelude::*;

use super::{Done, ModelRoots, Step, Trainer};
use crate::commit;
use crate::error::Error;
use crate::round::Round;

/// Products summed in `f32`: `1024 * 128 * 127 < 2^24`.
const CHUNK: usize = 1024;
const _: () = assert!(CHUNK * 128 * (BYTE_MAX as usize) < 1 << 24);
/// Multiplications below which a product is not worth a second thread.
const SMALL_PRODUCT: usize = 1 << 21;
/// Elements that one thread takes at a time in elementwise work.
const GRAIN: usize = 1 << 13;
/// Rows evaluated together.
const EVALUATED_ROWS: usize = 1024;

/// A state in memory.
#[derive(Debug)]
pub struct CpuTrainer<'a> {
    round: &'a Round,
    dither_seed: u32,
    state: State,
}

impl<'a> CpuTrainer<'a> {
    /// A trainer of `round`, at its initial state.
    pub fn new(round: &'a Round, dither_seed: u32) -> Self {
        Self { round, dither_seed, state: State::initial(&round.spec) }
    }

    fn step(&mut self, Step { t, batch }: &Step, hash: bool) -> Result<Done, Error> {
        let layout = &self.round.layout;
        let result = step(&self.round.spec, &mut self.state, batch, *t, self.dither_seed);
        let roots = hash.then(|| commit::step_roots(layout, &self.state, &result.codes)).transpose()?;
        Ok(Done { result, roots })
    }
}

impl Trainer for CpuTrainer<'_> {
    fn load(&mut self, state: &State) -> Result<(), Error> {
        self.state = state.clone();
        Ok(())
    }

    fn group(&self) -> usize {
        1
    }

    fn run(&mut self, steps: &[Step], hash: bool) -> Result<Vec<Done>, Error> {
        steps.iter().map(|step| self.step(step, hash)).collect()
    }

    fn model_roots(&mut self) -> Result<ModelRoots, Error> {
        let (layout, quantized) = (&self.round.layout, self.state.quantize());
        Ok(ModelRoots {
            state: layout.root(tag::STATE_ROOT, commit::state_tree(layout, &self.state)?.root()),
            quantized: layout.root(tag::QUANTIZED_ROOT, commit::quantized_tree(layout, &quantized)?.root()),
            quantized_exponents: quantized.exponents,
        })
    }

    fn evaluate(&mut self, activations: &[i32], batch: &Batch) -> Result<Evaluation, Error> {
        Ok(evaluate(&self.round.spec, &self.state.quantize().expand(), activations, batch))
    }

    fn state(&mut self) -> Result<State, Error> {
        Ok(self.state.clone())
    }
}

/// A matrix of bytes, held as `f32`: `real = value * 2^exponent`.
struct Matrix {
    values: Array2<f32>,
    exponent: i32,
}

/// Trains `state` on one batch; twin of [`pogo_protocol::step::step`].
pub fn step(spec: &Spec, state: &mut State, batch: &Batch, t: u32, dither_seed: u32) -> StepResult {
    let gradients = gradients(spec, state, batch, 0, t, dither_seed);
    apply(spec, state, gradients, t)
}

/// What the rows `first_row..` of a batch add to step `t`; twin of
/// [`pogo_protocol::step::gradients`].
pub fn gradients(spec: &Spec, state: &State, rows: &Batch, first_row: usize, t: u32, dither_seed: u32) -> Gradients {
    let tensors = spec.tensors();
    let last = tensors.len() - 1;
    let mut scaling = Scaling::new(tensors.len(), state.exponents.clone());

    let weights: Vec<Matrix> =
        (0..tensors.len()).map(|l| weights_forward(&tensors[l], &state.weights[l], l, &mut scaling)).collect();
    let mut x = vec![features(spec, rows)];
    for l in 0..last {
        let (sums, e) = linear_forward(&x[l], &weights[l]);
        x.push(activation_forward(sums, e, tensors[l].rows, l, &mut scaling));
    }
    let (sums, e) = linear_forward(&x[last], &weights[last]);
    let (loss, errors) = loss_forward(&sums, e, spec.classes(), &rows.labels);

    let (mut sums, mut e) = (errors, ERROR_EXPONENT + spec.batch_exponent());
    let mut values = vec![Vec::new(); tensors.len()];
    for l in (0..tensors.len()).rev() {
        let key = key(dither_seed, t, (tensors.len() - l) as u32);
        let errors = errors_backward(sums, e, tensors[l].rows, l, key, first_row, &mut scaling);
        values[l] = matmul(errors.values.t(), x[l].values.view());
        (sums, e) = match l {
            0 => (Vec::new(), 0),
            _ => linear_backward(&errors, &weights[l], &x[l]),
        };
    }

    let (exponents_used, exponents_next) = scaling.finish();
    Gradients { loss, exponents_used, exponents_next, values }
}

/// Makes step `t` of the gradients of its whole batch; twin of [`pogo_protocol::step::apply`].
pub fn apply(spec: &Spec, state: &mut State, gradients: Gradients, t: u32) -> StepResult {
    let (tensors, learning_rate) = (spec.tensors(), spec.learning_rate(t));
    let update = |(l, values): (usize, &Vec<i32>)| {
        update_tensor(&tensors[l], state, l, values, gradients.exponents_used.gradient(l), learning_rate)
    };
    let codes = gradients.values.iter().enumerate().map(update).collect();
    gradients.finish(state, codes)
}

/// Loss of `model` over any number of records; twin of [`pogo_protocol::step::evaluate`].
pub fn evaluate(spec: &Spec, model: &[Bytes], activations: &[i32], batch: &Batch) -> Evaluation {
    let matrix = |(tensor, bytes): (&Tensor, &Bytes)| tensor_matrix(tensor, bytes);
    let weights: Vec<Matrix> = spec.tensors().iter().zip(model).map(matrix).collect();
    let features = batch.features.chunks(EVALUATED_ROWS * spec.width());
    features
        .zip(batch.labels.chunks(EVALUATED_ROWS))
        .map(|(features, labels)| evaluate_rows(&weights, activations, features, labels))
        .fold(Evaluation::default(), |a, b| Evaluation {
            loss: a.loss + b.loss,
            correct: a.correct + b.correct,
            records: a.records + b.records,
        })
}

/// `a (M, K) * b (K, N)` of bytes, exactly.
fn matmul(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Vec<i32> {
    let (m, k, n) = (a.nrows(), a.ncols(), b.ncols());
    let parts = if m * k * n < SMALL_PRODUCT { 1 } else { rayon::current_num_threads() };
    let rows = m.div_ceil(parts).next_multiple_of(8);
    let mut out = vec![0; m * n];
    let block = |(i, out): (usize, &mut [i32])| {
        let first = i * rows;
        matmul_rows(a.slice(s![first..first + out.len() / n, ..]), b, out);
    };
    if parts == 1 {
        block((0, &mut out));
    } else {
        out.par_chunks_mut(rows * n).enumerate().for_each(block);
    }
    out
}

/// The rows of [`matmul`] that one thread computes, chunk by chunk of the inner dimension.
fn matmul_rows(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>, out: &mut [i32]) {
    let mut partial = Array2::<f32>::zeros((a.nrows(), b.ncols()));
    for first in (0..a.ncols()).step_by(CHUNK) {
        let last = (first + CHUNK).min(a.ncols());
        let (a, b) = (a.slice(s![.., first..last]), b.slice(s![first..last, ..]));
        general_mat_mul(1.0, &a, &b, 0.0, &mut partial);
        let parts = partial.as_slice().expect("a matrix is contiguous");
        out.iter_mut().zip(parts).for_each(|(sum, &part)| *sum += part as i32);
    }
}

fn features(spec: &Spec, batch: &Batch) -> Matrix {
    bytes_matrix(spec.width(), &batch.features, FEATURE_EXPONENT)
}

fn bytes_matrix(cols: usize, bytes: &[i8], exponent: i32) -> Matrix {
    matrix(cols, bytes.iter().map(|&byte| f32::from(byte)).collect(), exponent)
}

fn matrix(cols: usize, values: Vec<f32>, exponent: i32) -> Matrix {
    let rows = values.len() / cols;
    let values = Array2::from_shape_vec((rows, cols), values).expect("rows are whole");
    Matrix { values, exponent }
}

/// Padded rows of bytes as `(N, K)`.
fn tensor_matrix(tensor: &Tensor, bytes: &Bytes) -> Matrix {
    let rows = bytes.values.chunks(tensor.padded_cols());
    let values = rows.flat_map(|row| row[..tensor.cols].iter().map(|&w| f32::from(w))).collect();
    matrix(tensor.cols, values, bytes.exponent)
}

fn weights_forward(tensor: &Tensor, weights: &[i32], l: usize, scaling: &mut Scaling) -> Matrix {
    let shift = scaling.weights(l, max_abs(weights));
    let mut values = vec![0.0; tensor.rows * tensor.cols];
    let rows = weights.par_chunks(tensor.padded_cols());
    values
        .par_chunks_mut(tensor.cols)
        .zip(rows)
        .with_min_len(grain(tensor.cols))
        .for_each(|(out, row)| out.iter_mut().zip(row).for_each(|(o, &w)| *o = requantize(w, shift) as f32));
    matrix(tensor.cols, values, shift - WEIGHT_FRACTION)
}

fn linear_forward(x: &Matrix, w: &Matrix) -> (Vec<i32>, i32) {
    (matmul(x.values.view(), w.values.t()), x.exponent + w.exponent)
}

fn activation_forward(mut sums: Vec<i32>, e: i32, cols: usize, l: usize, scaling: &mut Scaling) -> Matrix {
    sums.par_iter_mut().with_min_len(GRAIN).for_each(|sum| *sum = (*sum).max(0));
    let exponent = scaling.activations(l, e, max_abs(&sums));
    activate(&sums, e, cols, exponent)
}

fn activate(sums: &[i32], e: i32, cols: usize, exponent: i32) -> Matrix {
    let byte = |&sum: &i32| requantize(sum.max(0), exponent - e) as f32;
    matrix(cols, sums.par_iter().with_min_len(GRAIN).map(byte).collect(), exponent)
}

fn loss_forward(sums: &[i32], e: i32, classes: usize, labels: &[u16]) -> (u64, Vec<i32>) {
    let mut errors = vec![0; sums.len()];
    let row = |((sums, errors), &label): ((&[i32], &mut [i32]), &u16)| {
        let logits: Vec<i32> = sums.iter().map(|&sum| logit(sum, e)).collect();
        u64::from(softmax_row(&logits, usize::from(label), errors))
    };
    let rows = sums.par_chunks(classes).zip(errors.par_chunks_mut(classes)).zip(labels);
    let loss = rows.with_min_len(grain(classes)).map(row).sum();
    (loss, errors)
}

fn errors_backward(
    errors: Vec<i32>,
    e: i32,
    cols: usize,
    l: usize,
    key: u32,
    first_row: usize,
    scaling: &mut Scaling,
) -> Matrix {
    let exponent = scaling.errors(l, e, max_abs(&errors));
    let first = first_row * cols;
    let byte =
        |(i, &error): (usize, &i32)| requantize_stochastic(error, exponent - e, dither(key, (first + i) as u32)) as f32;
    let bytes = errors.par_iter().enumerate().with_min_len(GRAIN).map(byte).collect();
    matrix(cols, bytes, exponent)
}

fn linear_backward(errors: &Matrix, w: &Matrix, x: &Matrix) -> (Vec<i32>, i32) {
    let mut below = matmul(errors.values.view(), w.values.view());
    let x = x.values.as_slice().expect("a matrix is contiguous");
    let masked = below.par_iter_mut().zip(x).with_min_len(GRAIN);
    masked.for_each(|(below, &y)| *below = if y <= 0.0 { 0 } else { *below });
    (below, errors.exponent + w.exponent)
}

fn update_tensor(
    tensor: &Tensor,
    state: &mut State,
    l: usize,
    gradient: &[i32],
    e: i32,
    learning_rate: u32,
) -> Vec<i8> {
    let (padded, started) = (tensor.padded_cols(), state.started());
    let mut codes = vec![0; tensor.padded_len()];
    let rows = state.weights[l].par_chunks_mut(padded).zip(state.momenta[l].par_chunks_mut(padded));
    let rows = rows.zip(state.scales[l].par_chunks_mut(tensor.leaves_per_row()));
    let rows = rows.zip(gradient.par_chunks(tensor.cols)).zip(codes.par_chunks_mut(padded));
    rows.with_min_len(grain(padded)).for_each(|((((weights, momenta), scales), gradient), codes)| {
        let leaves = weights.chunks_mut(LEAF).zip(momenta.chunks_mut(LEAF)).zip(scales);
        let leaves = leaves.zip(gradient.chunks(LEAF)).zip(codes.chunks_mut(LEAF));
        for ((((weights, momenta), scale), gradient), codes) in leaves {
            let mut aligned = [0; LEAF];
            let valid = gradient.len();
            aligned.iter_mut().zip(gradient).for_each(|(ga, &g)| *ga = align_gradient(g, e));
            let (weights, momenta) = (&mut weights[..valid], &mut momenta[..valid]);
            let leaf = LeafMut { weights, momenta, scale };
            update_leaf(&aligned[..valid], leaf, started, learning_rate, &mut codes[..valid]);
        }
    });
    codes
}

fn evaluate_rows(weights: &[Matrix], activations: &[i32], features: &[i8], labels: &[u16]) -> Evaluation {
    let mut x = bytes_matrix(features.len() / labels.len(), features, FEATURE_EXPONENT);
    for (w, &exponent) in weights.iter().zip(activations) {
        let (sums, e) = linear_forward(&x, w);
        x = activate(&sums, e, w.values.nrows(), exponent);
    }
    let (sums, e) = linear_forward(&x, &weights[weights.len() - 1]);
    score(&sums, e, labels)
}

fn max_abs(values: &[i32]) -> u32 {
    values.par_iter().with_min_len(GRAIN).map(|v| v.unsigned_abs()).max().unwrap_or(0)
}

/// Rows of `cols` elements that one thread takes at a time.
fn grain(cols: usize) -> usize {
    GRAIN.div_ceil(cols)
}
