//! The trace: every tensor of one step, cut into tiles of 64 x 64 and committed under one root.
//!
//! With `B` rows in the batch and tensor `l` of shape `(N, K)`, each layer commits
//! ```text
//! weights    (N, K) bytes      the 8-bit weights
//! inputs     (B, K) bytes      features, or activations of the layer below
//! sums       (B, N) words      inputs * weights^T,   a slab for every 64 of K
//! errors     (B, N) bytes      the 8-bit errors
//! gradients  (N, K) words      errors^T * inputs,    a slab for every 64 of B
//! below      (B, K) words      errors * weights,     a slab for every 64 of N; not of layer 0
//! ```
//! and the step its running `losses (B)`. A *slab* holds a product summed up to its part of the
//! inner dimension, so that a claim about one tile of a product reads two tiles of bytes and two of
//! words, whatever the model. Rows and columns are padded with zeros to whole tiles.
//!
//! A leaf is 64 numbers of one row; the 64 leaves of a tile are a subtree, in the order of its rows.
//! Tiles stand one after another, row by row, the slabs of a tile side by side, and so do tensors: no
//! position before the last leaf is without one. `trace root = H(TRACE_ROOT, tree root, layout)`.
//!
//! An [evaluation](crate::evaluation) is a forward pass: of the tensors above it has weights, inputs, sums,
//! the errors of the last layer and the losses.

use alloc::vec;
use alloc::vec::Vec;
use core::convert::Infallible;

use ark_bn254::Fr;

use crate::cell::peak::Rows;
use crate::data::Batch;
use crate::fixed::LEAF;
use crate::leaf::{LeafError, bytes_leaf, loss_leaf, tag, words_leaf};
use crate::model::{Bytes, Exponents, Spec, State, Tensor, TraceMode};
use crate::poseidon;
use crate::step::{self, Gradients, Products};

/// Which tensor of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TensorId {
    /// 8-bit weights of a tensor, `(N, K)` bytes.
    Weights(usize),
    /// Input of a tensor, `(B, K)` bytes.
    Inputs(usize),
    /// Sums of a tensor, `(B, N)` words in `ceil(K / 64)` slabs.
    Sums(usize),
    /// 8-bit errors of the output of a tensor, `(B, N)` bytes.
    Errors(usize),
    /// Gradient of a tensor, `(N, K)` words in `ceil(B / 64)` slabs.
    Gradients(usize),
    /// Errors of the input of a tensor before the activation, `(B, K)` words in `ceil(N / 64)` slabs.
    Below(usize),
    /// Losses of the batch up to each row: `B` leaves.
    Losses,
}

impl TensorId {
    /// The layer; 0 of the losses.
    fn layer(self) -> usize {
        match self {
            Self::Weights(l) | Self::Inputs(l) | Self::Sums(l) => l,
            Self::Errors(l) | Self::Gradients(l) | Self::Below(l) => l,
            Self::Losses => 0,
        }
    }
}

/// What a trace is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// A training step, with all of its tensors.
    Training,
    /// An evaluation: the tensors of a forward pass.
    Evaluation,
}

/// Where the tensors of a step stand in its tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceLayout {
    depth: usize,
    pass: Pass,
    placed: Vec<Placed>,
}

/// One tensor in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The tensor.
    pub id: TensorId,
    /// Rows, padding not counted.
    pub rows: usize,
    /// Columns, padding not counted; 1 of the losses.
    pub cols: usize,
    /// Slabs; 1 where there is no inner dimension.
    pub slabs: usize,
    offset: usize,
}

/// The trace of a step has more leaf positions than the trees of the preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the trace of a step takes at least {needed} leaf positions, trees of depth {depth} have {}", 1u64 << depth)]
pub struct TraceTooLarge {
    /// Positions needed by the tensors up to the first that does not fit.
    pub needed: u64,
    /// Depth of the tree.
    pub depth: usize,
}

impl TraceLayout {
    /// Places the tensors of a step of `spec` in a tree of `depth`.
    ///
    /// # Errors
    /// [`TraceTooLarge`] when they do not fit.
    pub fn new(depth: usize, spec: &Spec) -> Result<Self, TraceTooLarge> {
        Self::of(Pass::Training, depth, spec)
    }

    /// Places the tensors of a pass over a batch of `spec` in a tree of `depth`.
    ///
    /// # Errors
    /// [`TraceTooLarge`] when they do not fit.
    pub fn of(pass: Pass, depth: usize, spec: &Spec) -> Result<Self, TraceTooLarge> {
        let (batch, tensors, mut placed) = (spec.batch as usize, spec.tensors(), Vec::new());
        let mut place = |id, rows, cols, inner: usize| {
            placed.push(Placed { id, rows, cols, slabs: inner.div_ceil(LEAF), offset: 0 });
        };
        for (l, tensor) in tensors.iter().enumerate() {
            let (n, k, training) = (tensor.rows, tensor.cols, pass == Pass::Training);
            place(TensorId::Weights(l), n, k, 1);
            place(TensorId::Inputs(l), batch, k, 1);
            place(TensorId::Sums(l), batch, n, k);
            if training || l + 1 == tensors.len() {
                place(TensorId::Errors(l), batch, n, 1);
            }
            if training {
                place(TensorId::Gradients(l), n, k, batch);
            }
            if training && l > 0 {
                place(TensorId::Below(l), batch, k, n);
            }
        }
        place(TensorId::Losses, batch, 1, 1);
        let mut end = 0u64;
        for placed in &mut placed {
            placed.offset = end as usize;
            end += placed.positions();
            if end > 1 << depth {
                return Err(TraceTooLarge { needed: end, depth });
            }
        }
        Ok(Self { depth, pass, placed })
    }

    /// The placement where rounds of `spec` commit to traces, none where they do not.
    ///
    /// # Errors
    /// [`TraceTooLarge`].
    pub fn committed(depth: usize, spec: &Spec) -> Result<Option<Self>, TraceTooLarge> {
        match spec.trace {
            TraceMode::None => Ok(None),
            TraceMode::Every | TraceMode::Challenged => Self::new(depth, spec).map(Some),
        }
    }

    /// Depth of the tree.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// What the trace is of.
    pub fn pass(&self) -> Pass {
        self.pass
    }

    /// The tensors in the order of the tree.
    pub fn tensors(&self) -> &[Placed] {
        &self.placed
    }

    /// Positions up to the end of the last tensor.
    pub fn position_count(&self) -> usize {
        self.placed.last().map_or(0, |last| last.offset + last.positions() as usize)
    }

    /// A tensor of the step.
    pub fn tensor(&self, id: TensorId) -> Option<&Placed> {
        self.placed.iter().find(|placed| placed.id == id)
    }

    /// Root over the tensors of a step from the root of their tree and the model's layout element.
    pub fn root(&self, tree_root: Fr, layout: Fr) -> Fr {
        poseidon::hash(Fr::from(tag::TRACE_ROOT), tree_root, layout)
    }
}

impl Placed {
    /// Rows of tiles.
    pub fn tile_rows(&self) -> usize {
        self.rows.div_ceil(LEAF)
    }

    /// Columns of tiles.
    pub fn tile_cols(&self) -> usize {
        self.cols.div_ceil(LEAF)
    }

    /// Position of the leaf of `row`, padding included, in column `tile_col` of tiles and in `slab`.
    pub fn position(&self, row: usize, tile_col: usize, slab: usize) -> usize {
        let tile = row / LEAF * self.tile_cols() + tile_col;
        self.offset + (tile * self.slabs + slab) * LEAF + row % LEAF
    }

    /// Where the rows of the last slab stand.
    pub fn rows_of_last_slab(&self) -> Rows {
        let column_stride = self.slabs * LEAF;
        let row_stride = self.tile_cols() * column_stride;
        Rows { first: self.position(0, 0, self.slabs - 1), row_stride, column_stride }
    }

    /// Number of a tile in the tree: the position of its first leaf over 64.
    pub fn tile(&self, tile_row: usize, tile_col: usize, slab: usize) -> usize {
        self.position(tile_row * LEAF, tile_col, slab) / LEAF
    }

    fn positions(&self) -> u64 {
        [self.tile_rows(), self.tile_cols(), self.slabs, LEAF].into_iter().map(|count| count as u64).product()
    }

    /// Positions and hashes of all leaves, padding rows included, by (row, column of tiles, slab).
    fn hash(
        &self,
        hash: impl Fn((usize, usize, usize)) -> Result<Fr, LeafError>,
    ) -> Result<Vec<(usize, Fr)>, LeafError> {
        let leaves = (0..self.tile_rows() * LEAF).flat_map(|row| {
            (0..self.tile_cols()).flat_map(move |col| (0..self.slabs).map(move |slab| (row, col, slab)))
        });
        leaves.map(|(row, col, slab)| Ok((self.position(row, col, slab), hash((row, col, slab))?))).collect()
    }
}

/// Every tensor of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    layers: Vec<Layer>,
    losses: Vec<u64>,
    labels: Vec<u16>,
    /// Loss, exponents and gradients, as [`step::gradients`] gives them; no gradients of an evaluation.
    pub gradients: Gradients,
}

/// Tensors of one layer, without padding but for that of the weights' rows. Words are a tensor a
/// slab.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Layer {
    weights: Bytes,
    inputs: Bytes,
    sums: Vec<Vec<i32>>,
    errors: Bytes,
    gradients: Vec<Vec<i32>>,
    below: Vec<Vec<i32>>,
}

impl Layer {
    fn new() -> Self {
        let none = Bytes { values: Vec::new(), exponent: 0 };
        let (sums, gradients, below) = (Vec::new(), Vec::new(), Vec::new());
        Self { weights: none.clone(), inputs: none.clone(), sums, errors: none, gradients, below }
    }
}

/// Computes the products slab by slab and keeps all tensors.
struct Recorder {
    tensors: Vec<Tensor>,
    rows: usize,
    layers: Vec<Layer>,
    losses: Vec<u64>,
}

impl Products for Recorder {
    type Error = Infallible;

    fn sums(&mut self, l: usize, inputs: &Bytes, weights: &Bytes) -> Result<Vec<i32>, Infallible> {
        let tensor = &self.tensors[l];
        let input = |b: usize, k: usize| inputs.values[b * tensor.cols + k];
        let weight = |k: usize, n: usize| weights.values[n * tensor.padded_cols() + k];
        let sums = slabs(self.rows, tensor.rows, tensor.cols, input, weight);
        let layer = &mut self.layers[l];
        (layer.inputs, layer.weights, layer.sums) = (inputs.clone(), weights.clone(), sums);
        Ok(last(&layer.sums))
    }

    fn gradient(&mut self, l: usize, errors: &Bytes, inputs: &Bytes) -> Result<Vec<i32>, Infallible> {
        let tensor = &self.tensors[l];
        let error = |n: usize, b: usize| errors.values[b * tensor.rows + n];
        let input = |b: usize, k: usize| inputs.values[b * tensor.cols + k];
        let gradients = slabs(tensor.rows, tensor.cols, self.rows, error, input);
        let layer = &mut self.layers[l];
        (layer.errors, layer.gradients) = (errors.clone(), gradients);
        Ok(last(&layer.gradients))
    }

    fn below(&mut self, l: usize, errors: &Bytes, weights: &Bytes) -> Result<Vec<i32>, Infallible> {
        let tensor = &self.tensors[l];
        let error = |b: usize, n: usize| errors.values[b * tensor.rows + n];
        let weight = |n: usize, k: usize| weights.values[n * tensor.padded_cols() + k];
        self.layers[l].below = slabs(self.rows, tensor.cols, tensor.rows, error, weight);
        Ok(last(&self.layers[l].below))
    }

    fn losses(&mut self, losses: &[u32]) {
        let running = losses.iter().scan(0, |sum, &loss| {
            *sum += u64::from(loss);
            Some(*sum)
        });
        self.losses = running.collect();
    }
}

fn last(slabs: &[Vec<i32>]) -> Vec<i32> {
    slabs.last().cloned().unwrap_or_default()
}

impl Trace {
    /// The trace of step `t` of a round with this dither seed, from the state before it; arguments as
    /// in [`step::step`].
    pub fn new(spec: &Spec, state: &State, batch: &Batch, t: u32, dither_seed: u32) -> Self {
        let tensors = spec.tensors();
        let layers = vec![Layer::new(); tensors.len()];
        let mut recorder = Recorder { tensors, rows: batch.rows(), layers, losses: Vec::new() };
        let Ok(gradients) = step::gradients_by(&mut recorder, spec, state, batch, 0, t, dither_seed);
        let labels = batch.labels.clone();
        Self { layers: recorder.layers, losses: recorder.losses, labels, gradients }
    }

    /// The trace of an evaluation of `model`, with these exponents, those of its weights included; the
    /// errors of the last layer are zeros.
    pub fn forward(spec: &Spec, model: &[Bytes], used: Exponents, next: Exponents, batch: &Batch) -> Self {
        let tensors = spec.tensors();
        let layers = vec![Layer::new(); tensors.len()];
        let mut recorder = Recorder { tensors, rows: batch.rows(), layers, losses: Vec::new() };
        let Ok((sums, e)) = step::forward_by(&mut recorder, spec, model, &used.activations, batch);
        let losses = step::losses(&sums, e, spec.classes(), &batch.labels);
        recorder.losses(&losses);
        if let Some((last, &exponent)) = recorder.layers.last_mut().zip(used.errors.last()) {
            last.errors = Bytes { values: vec![0; sums.len()], exponent };
        }
        let loss = losses.into_iter().map(u64::from).sum();
        let gradients = Gradients { loss, exponents_used: used, exponents_next: next, values: Vec::new() };
        Self { layers: recorder.layers, losses: recorder.losses, labels: batch.labels.clone(), gradients }
    }

    /// Words of a product tensor summed over its whole inner dimension: `(rows, cols)`, no padding;
    /// none for tensors of bytes and for the losses.
    pub fn words(&self, id: TensorId) -> Option<&[i32]> {
        self.slabs(id)?.last().map(Vec::as_slice)
    }

    /// Losses of the batch up to each row, Q16 nats.
    pub fn losses(&self) -> &[u64] {
        &self.losses
    }

    /// Labels of the batch.
    pub fn labels(&self) -> &[u16] {
        &self.labels
    }

    /// 64 bytes of one row, in column `col` of tiles, of a tensor of bytes; none for other tensors.
    pub fn bytes_row(&self, placed: &Placed, row: usize, col: usize) -> Option<[i8; LEAF]> {
        let (bytes, stride) = self.bytes(placed)?;
        Some(part(&bytes.values, placed, stride, row, col))
    }

    /// 64 words of one row, in column `col` of tiles, of a slab of a product; none for other tensors.
    pub fn words_row(&self, placed: &Placed, row: usize, col: usize, slab: usize) -> Option<[i32; LEAF]> {
        let words = self.slabs(placed.id)?.get(slab)?;
        Some(part(words, placed, placed.cols, row, col))
    }

    /// Rows of one tile of a tensor of bytes; none for other tensors.
    pub fn bytes_tile(&self, placed: &Placed, row: usize, col: usize) -> Option<Vec<[i8; LEAF]>> {
        (0..LEAF).map(|i| self.bytes_row(placed, row * LEAF + i, col)).collect()
    }

    /// Rows of one tile of a slab of a product; none for other tensors.
    pub fn words_tile(&self, placed: &Placed, row: usize, col: usize, slab: usize) -> Option<Vec<[i32; LEAF]>> {
        (0..LEAF).map(|i| self.words_row(placed, row * LEAF + i, col, slab)).collect()
    }

    /// Moves the first element of a tensor by one, in its last slab where it has slabs: what only a
    /// miner that lies does. Nothing happens where the step has no such tensor.
    pub fn tamper(&mut self, id: TensorId) {
        let Some(layer) = self.layers.get_mut(id.layer()) else { return };
        let last =
            |slabs: &mut Vec<Vec<i32>>| slabs.last_mut().into_iter().flatten().take(1).for_each(|word| *word += 1);
        let byte = |bytes: &mut Bytes| bytes.values[0] += if bytes.values[0] > 0 { -1 } else { 1 };
        match id {
            TensorId::Weights(_) => byte(&mut layer.weights),
            TensorId::Inputs(_) => byte(&mut layer.inputs),
            TensorId::Errors(_) => byte(&mut layer.errors),
            TensorId::Sums(_) => last(&mut layer.sums),
            TensorId::Gradients(_) => last(&mut layer.gradients),
            TensorId::Below(_) => last(&mut layer.below),
            TensorId::Losses => self.losses[0] += 1,
        }
    }

    /// Hashes of the leaves of one tensor with their positions in the tree.
    ///
    /// # Errors
    /// [`LeafError::Word`], which no step leaves behind.
    pub fn leaves(&self, placed: &Placed) -> Result<Vec<(usize, Fr)>, LeafError> {
        if let Some((bytes, stride)) = self.bytes(placed) {
            return placed.hash(|(row, col, _)| Ok(bytes_leaf(&part(&bytes.values, placed, stride, row, col))));
        }
        if let Some(slabs) = self.slabs(placed.id) {
            return placed.hash(|(row, col, slab)| words_leaf(&part(&slabs[slab], placed, placed.cols, row, col)));
        }
        let rows = self.losses.iter().zip(&self.labels).enumerate();
        Ok(rows.map(|(row, (&loss, &label))| (placed.position(row, 0, 0), loss_leaf(loss.into(), label))).collect())
    }

    /// A tensor of bytes and the length of its rows.
    fn bytes(&self, placed: &Placed) -> Option<(&Bytes, usize)> {
        match placed.id {
            TensorId::Weights(l) => Some((&self.layers.get(l)?.weights, placed.tile_cols() * LEAF)),
            TensorId::Inputs(l) => Some((&self.layers.get(l)?.inputs, placed.cols)),
            TensorId::Errors(l) => Some((&self.layers.get(l)?.errors, placed.cols)),
            TensorId::Sums(_) | TensorId::Gradients(_) | TensorId::Below(_) | TensorId::Losses => None,
        }
    }

    fn slabs(&self, id: TensorId) -> Option<&[Vec<i32>]> {
        match id {
            TensorId::Sums(l) => Some(&self.layers.get(l)?.sums),
            TensorId::Gradients(l) => Some(&self.layers.get(l)?.gradients),
            TensorId::Below(l) => Some(&self.layers.get(l)?.below),
            TensorId::Weights(_) | TensorId::Inputs(_) | TensorId::Errors(_) | TensorId::Losses => None,
        }
    }
}

/// The 64 values of one leaf; rows of `values` are `stride` long, what is beyond is 0.
fn part<T: Copy + Default>(values: &[T], placed: &Placed, stride: usize, row: usize, col: usize) -> [T; LEAF] {
    let mut leaf = [T::default(); LEAF];
    if row < placed.rows {
        let valid = LEAF.min(placed.cols - col * LEAF);
        let first = row * stride + col * LEAF;
        leaf[..valid].copy_from_slice(&values[first..first + valid]);
    }
    leaf
}

/// `left (rows, inner) * right (inner, cols)`: for every 64 of the inner dimension the sums up to its
/// end.
fn slabs(
    rows: usize,
    cols: usize,
    inner: usize,
    left: impl Fn(usize, usize) -> i8,
    right: impl Fn(usize, usize) -> i8,
) -> Vec<Vec<i32>> {
    let mut sums = vec![0; rows * cols];
    let slab = |first: usize| {
        for (i, sums) in sums.chunks_mut(cols).enumerate() {
            for k in first..inner.min(first + LEAF) {
                let left = i32::from(left(i, k));
                sums.iter_mut().enumerate().for_each(|(j, sum)| *sum += left * i32::from(right(k, j)));
            }
        }
        sums.clone()
    };
    (0..inner).step_by(LEAF).map(slab).collect()
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::model::{Schedule, TraceMode};

    fn spec() -> Spec {
        Spec {
            name: "trace".to_string(),
            layers: vec![130, 70, 10],
            batch: 128,
            steps: 4,
            checkpoint_every: 1,
            learning_rate: 1 << 14,
            schedule: Schedule::Constant,
            warmup: 0,
            seed: 3,
            trace: TraceMode::Every,
            data_root: [0; 32],
        }
    }

    fn batch(spec: &Spec) -> Batch {
        let count = spec.batch as usize * spec.width();
        let features = (0..count as u32).map(|i| (crate::fixed::pcg(i) % 255) as i8).map(|x| x.max(-127)).collect();
        Batch { features, labels: (0..spec.batch as u16).map(|i| i % 10).collect() }
    }

    #[test]
    fn last_slabs_are_the_products_of_the_step() {
        let (spec, mut state) = (spec(), State::initial(&spec()));
        let batch = batch(&spec);
        for t in 0..2 {
            let trace = Trace::new(&spec, &state, &batch, t, 9);
            let gradients = step::gradients(&spec, &state, &batch, 0, t, 9);
            assert_eq!(trace.gradients, gradients);
            assert_eq!(trace.losses.last(), Some(&gradients.loss));
            for (l, values) in gradients.values.iter().enumerate() {
                assert_eq!(trace.words(TensorId::Gradients(l)), Some(&values[..]));
            }
            assert!(trace.words(TensorId::Below(0)).is_none());
            step::apply(&spec, &mut state, gradients, t);
        }
    }

    #[test]
    fn leaves_fill_all_positions_up_to_the_last() {
        let (spec, state) = (spec(), State::initial(&spec()));
        let layout = TraceLayout::new(14, &spec).unwrap();
        let trace = Trace::new(&spec, &state, &batch(&spec), 0, 9);
        let mut positions = Vec::new();
        for placed in layout.tensors() {
            let leaves = trace.leaves(placed).unwrap();
            let rows = if placed.id == TensorId::Losses { placed.rows } else { placed.tile_rows() * LEAF };
            assert_eq!(leaves.len(), rows * placed.tile_cols() * placed.slabs);
            positions.extend(leaves.iter().map(|&(position, _)| position));
        }
        positions.sort_unstable();
        assert!(positions.into_iter().eq(0..layout.position_count()), "a position has no leaf, or two");
        let needed = 24 * 64; // tiles of weights, inputs and sums of the first layer
        assert_eq!(TraceLayout::new(10, &spec), Err(TraceTooLarge { needed, depth: 10 }));
    }

    #[test]
    fn a_leaf_is_64_numbers_of_its_row() {
        let (spec, state) = (spec(), State::initial(&spec()));
        let layout = TraceLayout::new(14, &spec).unwrap();
        let trace = Trace::new(&spec, &state, &batch(&spec), 0, 9);
        let at = |id, row, col, slab| {
            let placed = layout.tensor(id).unwrap();
            let position = placed.position(row, col, slab);
            trace.leaves(placed).unwrap().into_iter().find(|leaf| leaf.0 == position).unwrap().1
        };
        let mut features = [0; LEAF];
        features[..2].copy_from_slice(&batch(&spec).features[5 * 130 + 128..6 * 130]);
        assert_eq!(at(TensorId::Inputs(0), 5, 2, 0), bytes_leaf(&features));
        let sums = trace.words(TensorId::Sums(0)).unwrap();
        let mut words = [0; LEAF];
        words[..6].copy_from_slice(&sums[7 * 70 + 64..8 * 70]);
        assert_eq!(at(TensorId::Sums(0), 7, 1, 2), words_leaf(&words).unwrap());
        assert_ne!(at(TensorId::Sums(0), 7, 1, 1), words_leaf(&words).unwrap());
        assert_eq!(at(TensorId::Weights(1), 63, 1, 0), bytes_leaf(&[0; LEAF]));
    }
}
