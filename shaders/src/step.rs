//! The training step as one straight list of dispatches: [`Training::step`] reads like
//! [`pogo_protocol::step::step`], kernel for function.
//!
//! A tensor that does not fit one binding is cut into shards of whole rows, hence of whole leaves.
//! Several steps may be run one after another without reading anything back: each has a slot of its
//! own for what goes in (features, labels, control) and what comes out (results, codes).

use std::ops::Range;

use pogo_protocol::data::Batch;
use pogo_protocol::fixed::{ERROR_EXPONENT, FEATURE_EXPONENT, LEAF, WEIGHT_FRACTION};
use pogo_protocol::model::{Exponents, Spec, Tensor};

use crate::constants;
use crate::kernels::elementwise::{
    ACTIVATION_FORWARD, ERRORS_BACKWARD, FEATURES_FORWARD, WEIGHTS_FORWARD, max_abs_dispatch, square,
};
use crate::kernels::leaf::{CODE_WORDS, CONTROL, UPDATE_LEAF, leaves_dispatch};
use crate::kernels::loss::{FINISH_STEP, LOSS_FORWARD, TALLY, results_words};
use crate::kernels::product::{GRADIENT_BACKWARD, LINEAR_BACKWARD, LINEAR_FORWARD, Product, TILE};
use crate::kernels::{NO_SITE, pack_rows};
use crate::plan::{BufferId, Buffers, Dispatch, TooLarge, parameters, spread};

/// Bytes of a storage binding that every WebGPU device offers.
pub const BINDING_MAX: usize = 128 << 20;

/// A matrix of bytes in both packings.
#[derive(Clone, Copy, Debug)]
pub struct Matrix {
    /// Four columns a word.
    pub rows: BufferId,
    /// Four rows a word.
    pub columns: BufferId,
}

/// Rows of a tensor that one set of buffers holds.
#[derive(Clone, Debug)]
pub struct Shard {
    /// Tensor, in model order.
    pub tensor: usize,
    /// Its rows.
    pub rows: Range<usize>,
    /// Words of a row, padding included.
    pub padded_cols: usize,
    /// Master weights, `(rows, padded_cols)`, rows padded to whole tiles.
    pub weights: BufferId,
    /// Momenta, like the weights.
    pub momenta: BufferId,
    /// Gradient scale of each leaf.
    pub scales: BufferId,
    /// Codes of each slot, [`CODE_WORDS`] a leaf.
    pub codes: BufferId,
    /// What changed in each leaf since the flags were cleared.
    pub changed: BufferId,
    /// 8-bit weights of the step.
    bytes: Matrix,
}

impl Shard {
    /// Leaves of the shard.
    pub fn leaves(&self) -> usize {
        self.rows.len() * self.padded_cols / LEAF
    }

    /// Leaves of its tensor before it.
    pub fn first_leaf(&self) -> usize {
        self.rows.start * self.padded_cols / LEAF
    }

    /// Rows with their padding.
    pub fn padded_rows(&self) -> usize {
        self.rows.len().next_multiple_of(TILE)
    }
}

/// Buffers and dispatches of training.
#[derive(Clone, Debug)]
pub struct Training {
    /// Shards of all tensors, in model order.
    pub shards: Vec<Shard>,
    /// Steps that may be run without reading anything back.
    pub slots: usize,
    /// Features of each slot, packed along the rows: [`Training::features`].
    pub features: BufferId,
    /// Labels of each slot, one a word.
    pub labels: BufferId,
    /// Control words of each slot: learning rate, dither seed, step, whether the scales hold an average.
    pub control: BufferId,
    /// Results of each slot, [`Training::results_words`] each.
    pub results: BufferId,
    /// Exponents, as `scaling.wgsl` reads them.
    pub exponents: BufferId,
    /// Tables of the protocol, [`constants::tables`].
    pub tables: BufferId,
    /// Largest magnitudes of the sites.
    pub maxima: BufferId,
    tally: BufferId,
    tensors: Vec<Tensor>,
    batch: usize,
    batch_exponent: i32,
    x: Vec<Matrix>,
    sums: BufferId,
    loss_errors: BufferId,
    errors: BufferId,
    error_bytes: Matrix,
    gradient: BufferId,
}

impl Training {
    /// Adds the buffers of training `spec` to `buffers`, none of more than `binding_max` bytes.
    ///
    /// # Errors
    /// [`TooLarge`] naming what does not fit.
    pub fn new(buffers: &mut Buffers, spec: &Spec, slots: usize, binding_max: usize) -> Result<Self, TooLarge> {
        let mut add = |name: String, words: usize| buffers.add_within(name, words, binding_max);
        let tensors = spec.tensors();
        let batch = spec.batch as usize;
        let padded_batch = batch.next_multiple_of(TILE);
        let widths: Vec<usize> = spec.layers.iter().map(|&units| (units as usize).next_multiple_of(TILE)).collect();
        let outputs = &widths[1..];
        let widest = |widths: &[usize]| padded_batch * widths.iter().max().copied().unwrap_or(0);

        let mut shards = Vec::new();
        for (l, tensor) in tensors.iter().enumerate() {
            for rows in shard_rows(tensor, binding_max) {
                let name = |what: &str| format!("{what} of tensor {l}, rows {rows:?}");
                let leaves = rows.len() * tensor.leaves_per_row();
                let words = rows.len().next_multiple_of(TILE) * tensor.padded_cols();
                shards.push(Shard {
                    tensor: l,
                    rows: rows.clone(),
                    padded_cols: tensor.padded_cols(),
                    weights: add(name("weights"), words)?,
                    momenta: add(name("momenta"), words)?,
                    scales: add(name("scales"), leaves)?,
                    codes: add(name("codes"), slots * leaves * CODE_WORDS)?,
                    changed: add(name("change flags"), leaves)?,
                    bytes: Matrix {
                        rows: add(name("byte weights"), words / 4)?,
                        columns: add(name("byte weights by columns"), words / 4)?,
                    },
                });
            }
        }
        let largest_shard = shards.iter().map(|s| s.padded_rows() * s.padded_cols).max().unwrap_or(0);
        let inputs = &widths[..widths.len() - 1];
        let mut matrix = |name: String, words: usize| -> Result<Matrix, TooLarge> {
            Ok(Matrix { rows: add(name.clone(), words / 4)?, columns: add(format!("{name} by columns"), words / 4)? })
        };
        let x = inputs.iter().enumerate().map(|(l, width)| matrix(format!("activations {l}"), padded_batch * width));
        let x = x.collect::<Result<_, _>>()?;
        let error_bytes = matrix("byte errors".into(), widest(outputs))?;
        let sites = 3 * tensors.len() - 1;
        Ok(Self {
            slots,
            features: add("features".into(), slots * padded_batch * widths[0] / 4)?,
            labels: add("labels".into(), slots * batch)?,
            control: add("control".into(), slots * CONTROL)?,
            results: add("results".into(), slots * results_words(sites))?,
            exponents: add("exponents".into(), 1 + 3 * sites)?,
            tables: add("tables".into(), constants::tables().len())?,
            maxima: add("maxima".into(), sites)?,
            tally: add("tally".into(), TALLY)?,
            sums: add("sums".into(), widest(outputs))?,
            loss_errors: add("errors of the loss".into(), padded_batch * outputs[outputs.len() - 1])?,
            errors: add("errors".into(), widest(&inputs[1..]))?,
            gradient: add("gradient".into(), largest_shard)?,
            shards,
            tensors,
            batch,
            batch_exponent: spec.batch_exponent(),
            x,
            error_bytes,
        })
    }

    /// The dispatches of the step in `slot`.
    pub fn step(&self, slot: usize) -> Vec<Dispatch> {
        let last = self.tensors.len() - 1;
        let mut list = Vec::new();
        (0..=last).for_each(|l| self.weights_forward(l, &mut list));
        list.push(self.features_forward(slot));
        for l in 0..last {
            self.linear_forward(l, &mut list);
            list.push(self.activation_forward(l));
        }
        self.linear_forward(last, &mut list);
        list.push(self.loss_forward(slot));
        for l in (0..=last).rev() {
            list.push(self.errors_backward(l, slot));
            if l > 0 {
                self.linear_backward(l, &mut list);
            }
            for shard in self.shards_of(l) {
                list.push(self.gradient_backward(shard));
                list.push(self.update_tensor(shard, slot));
            }
        }
        list.push(self.finish_step(slot));
        list
    }

    /// Words of the results of a step.
    pub fn results_words(&self) -> usize {
        results_words(self.sites())
    }

    /// Sites of a step: weights, activations of the hidden layers, errors.
    pub fn sites(&self) -> usize {
        3 * self.tensors.len() - 1
    }

    /// Site of the weights of tensor `l`.
    pub fn weights_site(&self, l: usize) -> u32 {
        l as u32
    }

    /// Words of a slot of `features`.
    pub fn features_words(&self) -> usize {
        self.padded_batch() * self.width(0) / 4
    }

    /// Features of a batch as `features` holds them: rows and columns padded to whole tiles.
    pub fn pack_features(&self, batch: &Batch) -> Vec<u32> {
        pack_rows(&batch.features, self.tensors[0].cols, self.width(0), self.padded_batch())
    }

    /// Exponents as the device holds them before a step; all else of them is scratch.
    pub fn pack_exponents(&self, fixed: Option<&Exponents>) -> Vec<u32> {
        let mut words = vec![0; 1 + 3 * self.sites()];
        if let Some(fixed) = fixed {
            words[0] = 1;
            let all = [&fixed.weights[..], &fixed.activations, &fixed.errors].concat();
            all.iter().enumerate().for_each(|(site, &e)| words[3 + 3 * site] = e as u32);
        }
        words
    }

    /// Exponents fixed for the next step, from what the device holds; none before the first step.
    pub fn unpack_exponents(&self, words: &[u32]) -> Option<Exponents> {
        (words[0] != 0).then(|| self.unflatten((0..self.sites()).map(|site| words[3 + 3 * site] as i32).collect()))
    }

    /// Loss, correct rows, exponents used and asked for, from the results of a step.
    pub fn unpack_results(&self, words: &[u32]) -> (u64, u64, Exponents, Exponents) {
        let exponents =
            |offset: usize| self.unflatten((0..self.sites()).map(|s| words[TALLY + 2 * s + offset] as i32).collect());
        let loss = u64::from(words[1]) << 32 | u64::from(words[0]);
        (loss, u64::from(words[2]), exponents(0), exponents(1))
    }

    /// Exponents from those of all sites.
    fn unflatten(&self, sites: Vec<i32>) -> Exponents {
        let (weights, rest) = sites.split_at(self.tensors.len());
        let (activations, errors) = rest.split_at(self.tensors.len() - 1);
        Exponents { weights: weights.to_vec(), activations: activations.to_vec(), errors: errors.to_vec() }
    }

    /// Shards of tensor `l`.
    pub fn shards_of(&self, l: usize) -> impl Iterator<Item = &Shard> {
        self.shards.iter().filter(move |shard| shard.tensor == l)
    }

    fn weights_forward(&self, l: usize, list: &mut Vec<Dispatch>) {
        let site = self.weights_site(l);
        for shard in self.shards_of(l) {
            let words = shard.rows.len() * shard.padded_cols;
            list.push(max_abs_dispatch(words, site, shard.weights, self.maxima));
        }
        for shard in self.shards_of(l) {
            let size = (shard.padded_rows(), shard.padded_cols);
            let Matrix { rows, columns } = shard.bytes;
            let buffers = vec![shard.weights, self.maxima, self.exponents, rows, columns];
            list.push(square(&WEIGHTS_FORWARD, size, &[site], buffers));
        }
    }

    fn features_forward(&self, slot: usize) -> Dispatch {
        let offset = (slot * self.features_words()) as u32;
        let buffers = vec![self.features, self.x[0].rows, self.x[0].columns];
        square(&FEATURES_FORWARD, (self.padded_batch(), self.width(0)), &[offset], buffers)
    }

    fn linear_forward(&self, l: usize, list: &mut Vec<Dispatch>) {
        let site = if l + 1 < self.tensors.len() { self.activations_site(l) } else { NO_SITE };
        for shard in self.shards_of(l) {
            let words = shard.padded_cols / 4;
            let product = Product {
                a: (0, words),
                b: words,
                depth: words,
                out: (shard.rows.start, self.width(l + 1)),
                rows: self.padded_batch(),
                columns: shard.padded_rows(),
                site,
                ..Product::default()
            };
            let buffers = vec![self.x[l].rows, shard.bytes.rows, self.sums, self.maxima];
            list.push(product.dispatch(&LINEAR_FORWARD, buffers));
        }
    }

    fn activation_forward(&self, l: usize) -> Dispatch {
        let [x_site, weights_site, constant] = self.exponent_of_sums(l);
        let Matrix { rows, columns } = self.x[l + 1];
        let buffers = vec![self.sums, self.maxima, self.exponents, rows, columns];
        let more = [self.activations_site(l), x_site, weights_site, constant];
        square(&ACTIVATION_FORWARD, (self.padded_batch(), self.width(l + 1)), &more, buffers)
    }

    fn loss_forward(&self, slot: usize) -> Dispatch {
        let last = self.tensors.len() - 1;
        let [x_site, weights_site, constant] = self.exponent_of_sums(last);
        let (classes, stride) = (self.tensors[last].rows, self.width(last + 1));
        let labels = slot * self.batch;
        let sizes = [self.batch, classes, stride].map(|size| size as u32);
        let more = [x_site, weights_site, constant, self.errors_site(last), labels as u32];
        Dispatch {
            kernel: &LOSS_FORWARD,
            parameters: parameters(&[&sizes[..], &more].concat()),
            buffers: vec![
                self.tables,
                self.labels,
                self.sums,
                self.exponents,
                self.loss_errors,
                self.maxima,
                self.tally,
            ],
            workgroups: spread(self.batch),
            work: 64 * (self.batch * classes.next_multiple_of(64)) as u64,
        }
    }

    fn errors_backward(&self, l: usize, slot: usize) -> Dispatch {
        let last = self.tensors.len() - 1;
        // The errors of the last layer come from the loss, the others from the product above.
        let (errors, errors_site, weights_site, constant) = if l == last {
            (self.loss_errors, NO_SITE, NO_SITE, ERROR_EXPONENT + self.batch_exponent)
        } else {
            (self.errors, self.errors_site(l + 1), self.weights_site(l + 1), -WEIGHT_FRACTION)
        };
        let (units, rounding) = (self.tensors[l].rows, self.tensors.len() - l);
        let sites = [self.errors_site(l), errors_site, weights_site, constant as u32];
        let more = [&sites[..], &[units as u32, rounding as u32, (slot * CONTROL) as u32]].concat();
        let Matrix { rows, columns } = self.error_bytes;
        let buffers = vec![self.control, errors, self.maxima, self.exponents, rows, columns];
        square(&ERRORS_BACKWARD, (self.padded_batch(), self.width(l + 1)), &more, buffers)
    }

    fn linear_backward(&self, l: usize, list: &mut Vec<Dispatch>) {
        for shard in self.shards_of(l) {
            let (width, depth) = (self.width(l), shard.padded_rows() / 4);
            let product = Product {
                a: (shard.rows.start / 4, self.width(l + 1) / 4),
                b: depth,
                depth,
                out: (0, width),
                rows: self.padded_batch(),
                columns: width,
                site: self.errors_site(l - 1),
                x: width / 4,
                accumulate: shard.rows.start > 0,
                last: shard.rows.end == self.tensors[l].rows,
            };
            let buffers = [self.error_bytes.rows, shard.bytes.columns, self.x[l].rows, self.errors, self.maxima];
            list.push(product.dispatch(&LINEAR_BACKWARD, buffers.to_vec()));
        }
    }

    fn gradient_backward(&self, shard: &Shard) -> Dispatch {
        let depth = self.padded_batch() / 4;
        let product = Product {
            a: (shard.rows.start * depth, depth),
            b: depth,
            depth,
            out: (0, shard.padded_cols),
            rows: shard.padded_rows(),
            columns: shard.padded_cols,
            ..Product::default()
        };
        let buffers = vec![self.error_bytes.columns, self.x[shard.tensor].columns, self.gradient];
        product.dispatch(&GRADIENT_BACKWARD, buffers)
    }

    fn update_tensor(&self, shard: &Shard, slot: usize) -> Dispatch {
        let l = shard.tensor;
        let (x_site, constant) = self.exponent_of_x(l);
        let (control, codes) = (slot * CONTROL, slot * shard.leaves() * CODE_WORDS);
        let more = [self.errors_site(l), x_site, constant as u32, control as u32, codes as u32];
        let buffers = vec![
            self.control,
            self.exponents,
            self.gradient,
            shard.weights,
            shard.momenta,
            shard.scales,
            shard.codes,
            shard.changed,
        ];
        leaves_dispatch(&UPDATE_LEAF, shard.leaves(), &more, buffers)
    }

    fn finish_step(&self, slot: usize) -> Dispatch {
        let results = slot * self.results_words();
        Dispatch {
            kernel: &FINISH_STEP,
            parameters: parameters(&[self.sites() as u32, results as u32]),
            buffers: vec![self.maxima, self.exponents, self.tally, self.results],
            workgroups: [1, 1, 1],
            work: 64,
        }
    }

    /// Sites of both operands of the sums of layer `l`, and the constant part of their exponent.
    fn exponent_of_sums(&self, l: usize) -> [u32; 3] {
        let (x_site, constant) = self.exponent_of_x(l);
        [x_site, self.weights_site(l), (constant - WEIGHT_FRACTION) as u32]
    }

    /// Site of the input of layer `l`, or the exponent of the features.
    fn exponent_of_x(&self, l: usize) -> (u32, i32) {
        if l == 0 { (NO_SITE, FEATURE_EXPONENT) } else { (self.activations_site(l - 1), 0) }
    }

    fn activations_site(&self, l: usize) -> u32 {
        (self.tensors.len() + l) as u32
    }

    fn errors_site(&self, l: usize) -> u32 {
        (2 * self.tensors.len() - 1 + l) as u32
    }

    fn padded_batch(&self) -> usize {
        self.batch.next_multiple_of(TILE)
    }

    /// Padded units of layer `l`, the input being layer 0.
    fn width(&self, l: usize) -> usize {
        let units = if l == 0 { self.tensors[0].cols } else { self.tensors[l - 1].rows };
        units.next_multiple_of(TILE)
    }
}

/// Rows of the shards of a tensor: all, or the largest power of two that fits a binding.
fn shard_rows(tensor: &Tensor, binding_max: usize) -> impl Iterator<Item = Range<usize>> {
    let fitting = binding_max / 4 / tensor.padded_cols();
    let fits = tensor.rows.next_multiple_of(TILE) <= fitting;
    let step = if fits { tensor.rows } else { (fitting + 1).next_power_of_two().max(2 * TILE) / 2 };
    let end = tensor.rows;
    (0..end).step_by(step).map(move |first| first..(first + step).min(end))
}
