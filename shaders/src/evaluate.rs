//! The 4-bit model and its loss: quantize every leaf, expand to bytes, run the forward pass with
//! fixed exponents, [`pogo_protocol::step::evaluate`].

use pogo_protocol::data::Batch;
use pogo_protocol::fixed::{FEATURE_EXPONENT, WEIGHT_FRACTION, block_exponent};
use pogo_protocol::model::Spec;

use crate::kernels::elementwise::{ACTIVATION_FORWARD, FEATURES_FORWARD, max_abs_dispatch, square};
use crate::kernels::leaf::{CODE_WORDS, QUANTIZE_LEAF, expand_dispatch, leaves_dispatch};
use crate::kernels::loss::{LOSS_FORWARD, TALLY};
use crate::kernels::product::{LINEAR_FORWARD, Product, TILE};
use crate::kernels::{NO_SITE, pack_rows};
use crate::plan::{BufferId, Buffers, Dispatch, TooLarge, parameters, spread};
use crate::step::{Matrix, Shard, Training};

/// Records evaluated together.
pub const ROWS: usize = 256;

/// The 4-bit leaves of one shard.
#[derive(Clone, Copy, Debug)]
pub struct QuantizedShard {
    /// Codes, [`CODE_WORDS`] a leaf.
    pub codes: BufferId,
    /// Scales of both blocks, one word a leaf.
    pub scales: BufferId,
    bytes: BufferId,
}

/// Buffers and dispatches of the 4-bit model.
#[derive(Clone, Debug)]
pub struct Evaluating {
    /// Quantized leaves, for each shard of the training.
    pub shards: Vec<QuantizedShard>,
    /// Largest magnitude of each tensor, which fixes its exponent.
    pub maxima: BufferId,
    /// Features of up to [`ROWS`] records, packed along the rows.
    pub features: BufferId,
    /// Their labels.
    pub labels: BufferId,
    /// Exponents: sites of the weights, then of the activations; all fixed.
    pub exponents: BufferId,
    /// Loss (low word, high word) and correct rows.
    pub tally: BufferId,
    tables: BufferId,
    layers: Vec<usize>,
    x: Vec<Matrix>,
    sums: BufferId,
    errors: BufferId,
}

impl Evaluating {
    /// Adds the buffers of the 4-bit model of `training` to `buffers`.
    ///
    /// # Errors
    /// [`TooLarge`] naming what does not fit.
    pub fn new(buffers: &mut Buffers, spec: &Spec, training: &Training, binding_max: usize) -> Result<Self, TooLarge> {
        let mut add = |name: String, words: usize| buffers.add_within(name, words, binding_max);
        let layers: Vec<usize> = spec.layers.iter().map(|&units| units as usize).collect();
        let width = |l: usize| layers[l].next_multiple_of(TILE);
        let shard = |shard: &Shard| {
            let name = |what: &str| format!("{what} of tensor {}, rows {:?}", shard.tensor, shard.rows);
            Ok(QuantizedShard {
                codes: add(name("4-bit codes"), shard.leaves() * CODE_WORDS)?,
                scales: add(name("4-bit scales"), shard.leaves())?,
                bytes: add(name("4-bit weights as bytes"), shard.padded_rows() * shard.padded_cols / 4)?,
            })
        };
        let shards = training.shards.iter().map(shard).collect::<Result<_, TooLarge>>()?;
        let tensors = layers.len() - 1;
        let mut x = Vec::new();
        for l in 0..tensors {
            let words = ROWS * width(l) / 4;
            let name = format!("evaluated activations {l}");
            x.push(Matrix { rows: add(name.clone(), words)?, columns: add(format!("{name} by columns"), words)? });
        }
        let widest = (1..=tensors).map(width).max().unwrap_or(0);
        Ok(Self {
            shards,
            tables: training.tables,
            maxima: add("maxima of the tensors".into(), 2 * tensors)?,
            features: add("evaluated features".into(), ROWS * width(0) / 4)?,
            labels: add("evaluated labels".into(), ROWS)?,
            exponents: add("evaluated exponents".into(), 1 + 3 * (2 * tensors - 1))?,
            tally: add("evaluated tally".into(), TALLY)?,
            x,
            sums: add("evaluated sums".into(), ROWS * widest)?,
            errors: add("evaluated errors".into(), ROWS * width(tensors))?,
            layers,
        })
    }

    /// Quantizes the state that `training` holds, after `maxima` was cleared.
    pub fn quantize(&self, training: &Training) -> Vec<Dispatch> {
        let maximum = training.shards.iter().map(|shard| {
            max_abs_dispatch(shard.rows.len() * shard.padded_cols, shard.tensor as u32, shard.weights, self.maxima)
        });
        let quantize = training.shards.iter().zip(&self.shards).map(|(shard, quantized)| {
            let buffers = vec![shard.weights, self.maxima, quantized.codes, quantized.scales];
            leaves_dispatch(&QUANTIZE_LEAF, shard.leaves(), &[shard.tensor as u32], buffers)
        });
        maximum.chain(quantize).collect()
    }

    /// Adds loss and correct rows of `rows` records to the tally, after [`Evaluating::quantize`].
    pub fn evaluate(&self, training: &Training, rows: usize) -> Vec<Dispatch> {
        let last = self.layers.len() - 2;
        let mut list: Vec<Dispatch> = training
            .shards
            .iter()
            .zip(&self.shards)
            .map(|(shard, quantized)| {
                expand_dispatch(shard.leaves(), vec![quantized.codes, quantized.scales, quantized.bytes])
            })
            .collect();
        let Matrix { rows: x, columns } = self.x[0];
        list.push(square(&FEATURES_FORWARD, (ROWS, self.width(0)), &[0], vec![self.features, x, columns]));
        for l in 0..=last {
            self.linear_forward(training, l, &mut list);
            list.push(if l < last { self.activation_forward(l) } else { self.loss_forward(rows) });
        }
        list
    }

    /// Features of up to [`ROWS`] records as `features` holds them.
    pub fn pack_features(&self, batch: &Batch) -> Vec<u32> {
        pack_rows(&batch.features, self.layers[0], self.width(0), ROWS)
    }

    /// Exponents as the device holds them: those of the 4-bit tensors with these largest magnitudes,
    /// and those of the activations.
    pub fn pack_exponents(&self, maxima: &[u32], activations: &[i32]) -> Vec<u32> {
        let mut words = vec![0; 1 + 3 * (2 * self.tensors() - 1)];
        words[0] = 1;
        for (l, &max) in maxima[..self.tensors()].iter().enumerate() {
            words[1 + 3 * l] = block_exponent(max);
        }
        for (l, &exponent) in activations.iter().enumerate() {
            words[3 + 3 * (self.tensors() + l)] = exponent as u32;
        }
        words
    }

    fn linear_forward(&self, training: &Training, l: usize, list: &mut Vec<Dispatch>) {
        let both = training.shards.iter().zip(&self.shards).filter(|(shard, _)| shard.tensor == l);
        for (shard, quantized) in both {
            let words = shard.padded_cols / 4;
            let product = Product {
                a: (0, words),
                b: words,
                depth: words,
                out: (shard.rows.start, self.width(l + 1)),
                rows: ROWS,
                columns: shard.padded_rows(),
                site: NO_SITE,
                ..Product::default()
            };
            let buffers = vec![self.x[l].rows, quantized.bytes, self.sums, self.maxima];
            list.push(product.dispatch(&LINEAR_FORWARD, buffers));
        }
    }

    fn activation_forward(&self, l: usize) -> Dispatch {
        let Matrix { rows, columns } = self.x[l + 1];
        let buffers = vec![self.sums, self.maxima, self.exponents, rows, columns];
        let [x_site, weights_site, constant] = self.exponent_of_sums(l);
        let more = [(self.tensors() + l) as u32, x_site, weights_site, constant];
        square(&ACTIVATION_FORWARD, (ROWS, self.width(l + 1)), &more, buffers)
    }

    fn loss_forward(&self, rows: usize) -> Dispatch {
        let last = self.tensors() - 1;
        let [x_site, weights_site, constant] = self.exponent_of_sums(last);
        let sizes = [rows, self.layers[last + 1], self.width(last + 1)].map(|size| size as u32);
        Dispatch {
            kernel: &LOSS_FORWARD,
            parameters: parameters(&[&sizes[..], &[x_site, weights_site, constant, NO_SITE, 0]].concat()),
            buffers: vec![self.tables, self.labels, self.sums, self.exponents, self.errors, self.maxima, self.tally],
            workgroups: spread(rows),
            work: 64 * (rows * self.width(last + 1)) as u64,
        }
    }

    fn exponent_of_sums(&self, l: usize) -> [u32; 3] {
        match l {
            0 => [NO_SITE, 0, (FEATURE_EXPONENT - WEIGHT_FRACTION) as u32],
            l => [(self.tensors() + l - 1) as u32, l as u32, (-WEIGHT_FRACTION) as u32],
        }
    }

    fn tensors(&self) -> usize {
        self.layers.len() - 1
    }

    fn width(&self, l: usize) -> usize {
        self.layers[l].next_multiple_of(TILE)
    }
}
