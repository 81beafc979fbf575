//! One training step in exact integers: the plain reference that every device must equal.
//!
//! A step is a pure function of (state, batch, learning rate, dither seed). With `B` rows in the
//! batch and tensor `l` of shape `(N, K)`, in model order:
//! ```text
//! weights      w8 (N, K)  = requantize(W, shift)
//! sums         (B, N)     = x8 (B, K) * w8^T
//! activations  (B, N)     = requantize(max(sums, 0), E - e)          hidden layers
//! logits, loss, errors (B, classes) by softmax_row                   last layer
//! errors       e8 (B, N)  = requantize_stochastic(errors, E - e, dither)
//! errors       (B, K)     = e8 * w8, 0 where x8 = 0                   back to the layer below
//! gradient     (N, K)     = e8^T * x8
//! momenta, scales, codes and weights by leaf, from the aligned gradient
//! ```
//! Every exponent `E` was fixed before the step, values beyond it saturate (delayed scaling); the
//! step finds what its own maxima ask for, which is used in the next one. Only the first step of a
//! task uses its own.
//!
//! All but the last line is [`gradients`], where rows of the batch do not meet but in sums and
//! maxima: parts of a batch may be computed anywhere and [added](Gradients::add) in any order. The
//! last line is [`apply`], which no longer knows of rows.

use alloc::vec;
use alloc::vec::Vec;
use core::convert::Infallible;

use crate::data::Batch;
use crate::fixed::{
    BYTE_MAX, ERROR_EXPONENT, FEATURE_EXPONENT, LEAF, WEIGHT_FRACTION, align_gradient, byte_shift, code, code_shift,
    dither, key, leaf_gradient_sum, logit, momentum, requantize, requantize_stochastic, scale_average, softmax_row,
    update,
};
use crate::model::{BATCH_MAX, Bytes, Exponents, Spec, State, Tensor, max_abs};

const _: () = assert!((BATCH_MAX as i64) * (BYTE_MAX as i64) * (BYTE_MAX as i64) < 1 << 30);

/// What a step leaves behind besides the new state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepResult {
    /// Sum over the batch of the loss, Q16 nats.
    pub loss: u64,
    /// Exponents that the step used.
    pub exponents_used: Exponents,
    /// Exponents that its maxima ask for: those of the next step.
    pub exponents_next: Exponents,
    /// The 4-bit updates: for each tensor `(rows, padded_cols)`, padding 0.
    pub codes: Vec<Vec<i8>>,
}

/// What some rows of a batch add to a step: sums and maxima over them, nothing else.
///
/// Over the rows of one batch nothing wraps: `|values| <= 2^16 * 127^2 < 2^30`, and a loss is below
/// `2^16 * 2^32`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gradients {
    /// Sum over the rows of the loss, Q16 nats.
    pub loss: u64,
    /// Exponents that were used.
    pub exponents_used: Exponents,
    /// Exponents that the maxima over the rows ask for. What is asked for never falls as a maximum
    /// grows, so each is the largest of what the parts ask for.
    pub exponents_next: Exponents,
    /// Sums over the rows: for each tensor `(N, K)`, no padding, of exponent
    /// [`Exponents::gradient`] of the used ones.
    pub values: Vec<Vec<i32>>,
}

/// Parts of a batch that did not use the same exponents, so that their sums have no meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parts of a batch used different exponents: they were not fixed before the step, or not the same")]
pub struct ExponentsDiffer;

/// Loss of a model over some records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evaluation {
    /// Sum over the records of the loss, Q16 nats.
    pub loss: u64,
    /// Records whose largest logit (the first of equals) is their label's.
    pub correct: u64,
    /// Number of records.
    pub records: u64,
}

/// The exponents of one step, as they are used and as they are asked for.
///
/// Devices fill it in the order of the step, so the rule of delayed scaling stands here alone.
#[derive(Clone, Debug)]
pub struct Scaling {
    fixed: Option<Exponents>,
    used: Exponents,
    next: Exponents,
}

impl Scaling {
    /// For a step over `tensors` tensors, with the exponents fixed before it, if any.
    pub fn new(tensors: usize, fixed: Option<Exponents>) -> Self {
        let empty =
            Exponents { weights: vec![0; tensors], activations: vec![0; tensors - 1], errors: vec![0; tensors] };
        Self { fixed, used: empty.clone(), next: empty }
    }

    /// Shift from weights to bytes of tensor `l`, whose largest magnitude is `max_abs`.
    pub fn weights(&mut self, l: usize, max_abs: u32) -> i32 {
        self.next.weights[l] = byte_shift(max_abs);
        self.used.weights[l] = self.fixed.as_ref().map_or(self.next.weights[l], |f| f.weights[l]);
        self.used.weights[l]
    }

    /// Exponent of the activations of hidden layer `l`, from sums with exponent `e`.
    pub fn activations(&mut self, l: usize, e: i32, max_abs: u32) -> i32 {
        self.next.activations[l] = e + byte_shift(max_abs);
        let asked = self.next.activations[l];
        self.used.activations[l] = self.fixed.as_ref().map_or(asked, |f| f.activations[l]);
        self.used.activations[l]
    }

    /// Exponent of the errors of the output of tensor `l`, from sums with exponent `e`.
    pub fn errors(&mut self, l: usize, e: i32, max_abs: u32) -> i32 {
        self.next.errors[l] = e + byte_shift(max_abs);
        self.used.errors[l] = self.fixed.as_ref().map_or(self.next.errors[l], |f| f.errors[l]);
        self.used.errors[l]
    }

    /// The exponents (used, asked for), once every tensor has been through.
    pub fn finish(self) -> (Exponents, Exponents) {
        (self.used, self.next)
    }
}

impl Gradients {
    /// Adds what other rows of the same batch give, no row twice, for the same spec and state.
    ///
    /// With fixed exponents parts always add up to [`gradients`] of all their rows. Without, every
    /// part uses those of its own rows: the parts add up where these are equal, and are refused
    /// where they are not, so the first step of a task is to be computed whole.
    ///
    /// # Errors
    /// [`ExponentsDiffer`]; nothing was added.
    pub fn add(&mut self, other: &Self) -> Result<(), ExponentsDiffer> {
        if self.exponents_used != other.exponents_used {
            return Err(ExponentsDiffer);
        }
        self.loss += other.loss;
        self.exponents_next.raise(&other.exponents_next);
        let values = self.values.iter_mut().flatten().zip(other.values.iter().flatten());
        values.for_each(|(sum, value)| *sum += value);
        Ok(())
    }

    /// Ends a step whose leaves were updated with these `codes`: fixes the exponents of the next.
    pub fn finish(self, state: &mut State, codes: Vec<Vec<i8>>) -> StepResult {
        let Self { loss, exponents_used, exponents_next, .. } = self;
        state.exponents = Some(exponents_next.clone());
        StepResult { loss, exponents_used, exponents_next, codes }
    }
}

/// Trains `state` on one batch: step `t` of a round whose dither seed is `dither_seed`.
///
/// `spec` is valid, `state` of its shape and range, `batch` of its size, width and classes.
pub fn step(spec: &Spec, state: &mut State, batch: &Batch, t: u32, dither_seed: u32) -> StepResult {
    let gradients = gradients(spec, state, batch, 0, t, dither_seed);
    apply(spec, state, gradients, t)
}

/// What the rows `first_row..` of a batch, `rows`, add to step `t`.
///
/// `rows` holds any number of them, also none, and ends within the batch; the rest as in [`step`].
pub fn gradients(spec: &Spec, state: &State, rows: &Batch, first_row: usize, t: u32, dither_seed: u32) -> Gradients {
    let Ok(gradients) = gradients_by(&mut Plain(spec.tensors()), spec, state, rows, first_row, t, dither_seed);
    gradients
}

/// The matrix products of a step, `B` rows, tensor `l` of shape `(N, K)`. Everything else of it is
/// done alike for whoever computes or checks them.
pub trait Products {
    /// Why a product cannot be given.
    type Error;

    /// Sums `(B, N) = inputs (B, K) * weights^T`, weights in padded rows.
    ///
    /// # Errors
    /// [`Products::Error`].
    fn sums(&mut self, l: usize, inputs: &Bytes, weights: &Bytes) -> Result<Vec<i32>, Self::Error>;

    /// Gradient `(N, K) = errors^T (N, B) * inputs (B, K)`.
    ///
    /// # Errors
    /// [`Products::Error`].
    fn gradient(&mut self, l: usize, errors: &Bytes, inputs: &Bytes) -> Result<Vec<i32>, Self::Error>;

    /// Errors of the input `(B, K) = errors (B, N) * weights (N, K)`, weights in padded rows; not
    /// asked for layer 0.
    ///
    /// # Errors
    /// [`Products::Error`].
    fn below(&mut self, l: usize, errors: &Bytes, weights: &Bytes) -> Result<Vec<i32>, Self::Error>;

    /// Told the loss of each row, Q16 nats.
    fn losses(&mut self, _losses: &[u32]) {}
}

/// [`gradients`] with the products of `products`.
///
/// # Errors
/// The first of `products`.
pub fn gradients_by<P: Products>(
    products: &mut P,
    spec: &Spec,
    state: &State,
    rows: &Batch,
    first_row: usize,
    t: u32,
    dither_seed: u32,
) -> Result<Gradients, P::Error> {
    let tensors = spec.tensors();
    let mut scaling = Scaling::new(tensors.len(), state.exponents.clone());

    let weights: Vec<Bytes> = (0..tensors.len()).map(|l| weights_forward(&state.weights[l], l, &mut scaling)).collect();
    let mut x = vec![features(rows)];
    for l in 0..tensors.len() - 1 {
        let sums = products.sums(l, &x[l], &weights[l])?;
        x.push(activation_forward(sums, x[l].exponent + weights[l].exponent, l, &mut scaling));
    }
    let last = tensors.len() - 1;
    let sums = products.sums(last, &x[last], &weights[last])?;
    let e = x[last].exponent + weights[last].exponent;
    let (losses, errors) = loss_forward(&sums, e, spec.classes(), &rows.labels);
    products.losses(&losses);

    let (mut sums, mut e) = (errors, ERROR_EXPONENT + spec.batch_exponent());
    let mut values = vec![Vec::new(); tensors.len()];
    for l in (0..tensors.len()).rev() {
        let key = key(dither_seed, t, (tensors.len() - l) as u32);
        let errors = errors_backward(&sums, e, l, key, first_row * tensors[l].rows, &mut scaling);
        values[l] = products.gradient(l, &errors, &x[l])?;
        if l > 0 {
            sums = products.below(l, &errors, &weights[l])?;
            mask_inactive(&mut sums, &x[l]);
            e = errors.exponent + weights[l].exponent;
        }
    }

    let (exponents_used, exponents_next) = scaling.finish();
    let loss = losses.into_iter().map(u64::from).sum();
    Ok(Gradients { loss, exponents_used, exponents_next, values })
}

/// The products computed as they are written.
struct Plain(Vec<Tensor>);

impl Products for Plain {
    type Error = Infallible;

    fn sums(&mut self, l: usize, inputs: &Bytes, weights: &Bytes) -> Result<Vec<i32>, Infallible> {
        Ok(linear_forward(&self.0[l], inputs, weights))
    }

    fn gradient(&mut self, l: usize, errors: &Bytes, inputs: &Bytes) -> Result<Vec<i32>, Infallible> {
        Ok(gradient_backward(&self.0[l], errors, inputs))
    }

    fn below(&mut self, l: usize, errors: &Bytes, weights: &Bytes) -> Result<Vec<i32>, Infallible> {
        Ok(linear_backward(&self.0[l], errors, weights))
    }
}

/// Makes step `t` of the gradients of its whole batch.
pub fn apply(spec: &Spec, state: &mut State, gradients: Gradients, t: u32) -> StepResult {
    let update = |(l, values): (usize, &Vec<i32>)| {
        update_tensor(spec, state, l, values, gradients.exponents_used.gradient(l), t)
    };
    let codes = gradients.values.iter().enumerate().map(update).collect();
    gradients.finish(state, codes)
}

/// Loss of `model` over any number of records, with the activations' exponents fixed (those of the
/// last step), so that the records may be split in any way and the sums added.
pub fn evaluate(spec: &Spec, model: &[Bytes], activations: &[i32], batch: &Batch) -> Evaluation {
    let Ok((sums, e)) = forward_by(&mut Plain(spec.tensors()), spec, model, activations, batch);
    score(&sums, e, &batch.labels)
}

/// Sums `(B, classes)` of the last layer of `model` and their exponent, with the products of `products`;
/// arguments as in [`evaluate`].
///
/// # Errors
/// The first of `products`.
pub fn forward_by<P: Products>(
    products: &mut P,
    spec: &Spec,
    model: &[Bytes],
    activations: &[i32],
    batch: &Batch,
) -> Result<(Vec<i32>, i32), P::Error> {
    let mut x = features(batch);
    for (l, &exponent) in activations.iter().enumerate() {
        let (sums, e) = (products.sums(l, &x, &model[l])?, x.exponent + model[l].exponent);
        x = activate(sums, e, exponent);
    }
    let last = spec.layers.len() - 2;
    Ok((products.sums(last, &x, &model[last])?, x.exponent + model[last].exponent))
}

/// Loss of each row, Q16 nats, from the sums `(B, classes)` of the last layer, of exponent `e`.
pub fn losses(sums: &[i32], e: i32, classes: usize, labels: &[u16]) -> Vec<u32> {
    loss_forward(sums, e, classes, labels).0
}

/// Exponents of the hidden layers that `model` asks for on these records, for a model that has not
/// made a step yet.
pub fn calibrate(spec: &Spec, model: &[Bytes], batch: &Batch) -> Vec<i32> {
    let tensors = spec.tensors();
    let mut scaling = Scaling::new(tensors.len(), None);
    let mut x = features(batch);
    for (l, tensor) in tensors[..tensors.len() - 1].iter().enumerate() {
        let sums = linear_forward(tensor, &x, &model[l]);
        x = activation_forward(sums, x.exponent + model[l].exponent, l, &mut scaling);
    }
    scaling.finish().0.activations
}

/// 8-bit weights of a state, by the shifts its next step will use.
pub fn byte_weights(state: &State) -> Vec<Bytes> {
    let mut scaling = Scaling::new(state.weights.len(), state.exponents.clone());
    let tensors = state.weights.iter().enumerate();
    tensors.map(|(l, weights)| weights_forward(weights, l, &mut scaling)).collect()
}

/// Loss and correct answers from the sums `(B, classes)` of the last layer, of exponent `e`.
pub fn score(sums: &[i32], e: i32, labels: &[u16]) -> Evaluation {
    let mut evaluation = Evaluation { records: labels.len() as u64, ..Evaluation::default() };
    if labels.is_empty() {
        return evaluation;
    }
    let classes = sums.len() / labels.len();
    let mut errors = vec![0; classes];
    for (row, &label) in sums.chunks(classes).zip(labels) {
        let logits: Vec<i32> = row.iter().map(|&sum| logit(sum, e)).collect();
        evaluation.loss += u64::from(softmax_row(&logits, usize::from(label), &mut errors));
        let max = logits.iter().max();
        let first = logits.iter().position(|z| Some(z) == max);
        evaluation.correct += u64::from(first == Some(usize::from(label)));
    }
    evaluation
}

/// The aligned gradient of one leaf becomes its next momenta, scale, codes and weights.
///
/// All slices hold the same (at most 64) weights of one leaf; `started` tells whether `scale` holds
/// an average yet.
pub fn update_leaf(gradient: &[i32], leaf: LeafMut<'_>, started: bool, learning_rate: u32, codes: &mut [i8]) {
    let a = leaf_gradient_sum(gradient);
    *leaf.scale = scale_average(started.then_some(*leaf.scale), a);
    let shift = code_shift(*leaf.scale);
    let words = leaf.weights.iter_mut().zip(leaf.momenta).zip(gradient).zip(codes);
    for (((w, m), &ga), out) in words {
        *m = momentum(*m, ga);
        let code = code(*m, shift, *w, learning_rate);
        *w = update(*w, code, learning_rate);
        *out = code as i8;
    }
}

/// The state of one leaf, without its padding.
#[derive(Debug)]
pub struct LeafMut<'a> {
    /// Its weights.
    pub weights: &'a mut [i32],
    /// Its momenta.
    pub momenta: &'a mut [i32],
    /// Its running gradient scale.
    pub scale: &'a mut i32,
}

/// Features of a batch, exponent -7.
fn features(batch: &Batch) -> Bytes {
    Bytes { values: batch.features.clone(), exponent: FEATURE_EXPONENT }
}

/// `w8 = requantize(W, shift)`, padded rows.
fn weights_forward(weights: &[i32], l: usize, scaling: &mut Scaling) -> Bytes {
    let shift = scaling.weights(l, max_abs(weights.iter().copied()));
    let values = weights.iter().map(|&w| requantize(w, shift) as i8).collect();
    Bytes { values, exponent: shift - WEIGHT_FRACTION }
}

/// `sums (B, N) = x (B, K) * w^T`, `w` in padded rows.
fn linear_forward(tensor: &Tensor, x: &Bytes, w: &Bytes) -> Vec<i32> {
    let row =
        |x: &[i8]| -> Vec<i32> { w.values.chunks(tensor.padded_cols()).map(|w| dot(x, &w[..tensor.cols])).collect() };
    x.values.chunks(tensor.cols).flat_map(row).collect()
}

/// `y = requantize(max(sums, 0), E - e)`.
fn activation_forward(sums: Vec<i32>, e: i32, l: usize, scaling: &mut Scaling) -> Bytes {
    let max = max_abs(sums.iter().map(|&sum| sum.max(0)));
    let exponent = scaling.activations(l, e, max);
    activate(sums, e, exponent)
}

fn activate(sums: Vec<i32>, e: i32, exponent: i32) -> Bytes {
    let values = sums.iter().map(|&sum| requantize(sum.max(0), exponent - e) as i8).collect();
    Bytes { values, exponent }
}

/// Loss of each row and errors `(B, classes)`, exponent -15 before the batch.
fn loss_forward(sums: &[i32], e: i32, classes: usize, labels: &[u16]) -> (Vec<u32>, Vec<i32>) {
    let mut errors = vec![0; sums.len()];
    let rows = sums.chunks(classes).zip(errors.chunks_mut(classes)).zip(labels);
    let losses = rows.map(|((sums, errors), &label)| {
        let logits: Vec<i32> = sums.iter().map(|&sum| logit(sum, e)).collect();
        softmax_row(&logits, usize::from(label), errors)
    });
    (losses.collect(), errors)
}

/// `e8 = requantize_stochastic(errors, E - e, dither)`; `first` is the index of the first element
/// in the whole batch.
fn errors_backward(errors: &[i32], e: i32, l: usize, key: u32, first: usize, scaling: &mut Scaling) -> Bytes {
    let exponent = scaling.errors(l, e, max_abs(errors.iter().copied()));
    let byte = |(i, &error): (usize, &i32)| requantize_stochastic(error, exponent - e, dither(key, i as u32)) as i8;
    Bytes { values: (first..).zip(errors).map(byte).collect(), exponent }
}

/// `gradient (N, K) = errors^T (N, B) * x (B, K)`, no padding.
fn gradient_backward(tensor: &Tensor, errors: &Bytes, x: &Bytes) -> Vec<i32> {
    let mut gradient = vec![0; tensor.rows * tensor.cols];
    for (errors, x) in errors.values.chunks(tensor.rows).zip(x.values.chunks(tensor.cols)) {
        for (row, &error) in gradient.chunks_mut(tensor.cols).zip(errors) {
            row.iter_mut().zip(x).for_each(|(g, &x)| *g += i32::from(error) * i32::from(x));
        }
    }
    gradient
}

/// `errors (B, K) = e8 (B, N) * w (N, K)`, `w` in padded rows.
fn linear_backward(tensor: &Tensor, errors: &Bytes, w: &Bytes) -> Vec<i32> {
    let mut below = vec![0; errors.values.len() / tensor.rows * tensor.cols];
    let rows = below.chunks_mut(tensor.cols).zip(errors.values.chunks(tensor.rows));
    for (below, errors) in rows {
        for (w, &error) in w.values.chunks(tensor.padded_cols()).zip(errors) {
            below.iter_mut().zip(w).for_each(|(b, &w)| *b += i32::from(error) * i32::from(w));
        }
    }
    below
}

/// Errors are 0 where the activation below is 0.
fn mask_inactive(below: &mut [i32], x: &Bytes) {
    below.iter_mut().zip(&x.values).filter(|(_, y)| **y <= 0).for_each(|(b, _)| *b = 0);
}

/// Updates every leaf of tensor `l` from its gradient `(N, K)` of exponent `e`; returns the codes.
fn update_tensor(spec: &Spec, state: &mut State, l: usize, gradient: &[i32], e: i32, t: u32) -> Vec<i8> {
    let tensor = spec.tensors()[l];
    let (learning_rate, started) = (spec.learning_rate(t), state.started());
    let mut codes = vec![0; tensor.padded_len()];
    for leaf in 0..tensor.leaves() {
        let (row, column) = (leaf / tensor.leaves_per_row(), leaf % tensor.leaves_per_row());
        let valid = LEAF.min(tensor.cols - column * LEAF);
        let first = row * tensor.cols + column * LEAF;
        let aligned: Vec<i32> = gradient[first..first + valid].iter().map(|&g| align_gradient(g, e)).collect();
        let stored = leaf * LEAF..leaf * LEAF + valid;
        let words = LeafMut {
            weights: &mut state.weights[l][stored.clone()],
            momenta: &mut state.momenta[l][stored.clone()],
            scale: &mut state.scales[l][leaf],
        };
        update_leaf(&aligned, words, started, learning_rate, &mut codes[stored]);
    }
    codes
}

fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}
