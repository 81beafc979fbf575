//! What a task fixes ([`Spec`]), what training changes ([`State`]) and what is handed on
//! ([`Quantized`]).
//!
//! The model is a multi-layer perceptron without biases: `layers = [input, hidden.., classes]`,
//! tensor `l` is `(layers[l + 1], layers[l])`, one row an output unit. Every row is padded with
//! zeros to whole leaves, so a tensor is stored as `(rows, leaves_per_row * 64)`.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::fixed::{
    BLOCK, FEATURE_EXPONENT, LEAF, LEARNING_RATE_BOUND, WEIGHT_FRACTION, block_exponent, block_scale, quantize,
};
use crate::stream::{Stream, keccak};

/// Widest layer: sums over a row of bytes are words, at most `2^16 * 127^2 < 2^30`.
pub const WIDTH_MAX: u32 = 1 << 16;
/// Largest batch.
pub const BATCH_MAX: u32 = 1 << 16;
/// Most classes: the sum of a softmax row stays below `2^32`.
pub const CLASSES_MAX: u32 = 65_535;
/// Most layers of units, input and classes included.
pub const LAYERS_MAX: usize = 64;
/// Most steps of a round.
pub const STEPS_MAX: u32 = 1 << 30;
/// Bound of every exponent: each layer moves it by less than 32.
pub const EXPONENT_MAX: i32 = 32 * LAYERS_MAX as i32;
/// Longest name of a task, in bytes.
pub const NAME_MAX: usize = 64;
/// Most elements of a batch of activations: the dither counts them in a `u32`.
pub const ACTIVATIONS_MAX: u64 = 1 << 31;
/// First bytes of an encoded [`Spec`].
pub const SPEC_DOMAIN: &[u8] = b"pogo/spec/v1";

const WEIGHTS_DOMAIN: &[u8] = b"pogo/weights/v1";

/// How the learning rate goes on after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// It stays at its peak.
    Constant,
    /// It falls linearly, to `peak / (steps - warmup)` on the last step.
    Linear,
}

/// When the tensors of a step are committed to, see [`crate::trace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceMode {
    /// Never: the proofs show that 4-bit codes were applied, not where they come from.
    None,
    /// Of every step, before any draw.
    Every,
    /// Of the steps that a first draw picks, in answer to it ([`crate::disclosure`]).
    Challenged,
}

/// What a task fixes for all of its miners and rounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Name of the task, 1 to 64 bytes.
    pub name: String,
    /// Units of every layer: input, hidden.., classes.
    pub layers: Vec<u32>,
    /// Records of a batch, a power of two.
    pub batch: u32,
    /// Steps of a round.
    pub steps: u32,
    /// A record is committed to every so many steps, [`crate::disclosure`]; 1 but in trace mode `challenged`.
    pub checkpoint_every: u32,
    /// Peak learning rate, units of `2^-24` weight per code unit.
    pub learning_rate: u32,
    /// How the learning rate goes on after the warm-up.
    pub schedule: Schedule,
    /// Steps over which the learning rate rises to its peak; 0 for none.
    pub warmup: u32,
    /// Seed of the first weights.
    pub seed: u64,
    /// When the tensors of a step are committed to.
    pub trace: TraceMode,
    /// Root of the data set.
    pub data_root: [u8; 32],
}

/// Shape of one weight tensor: `rows` output units of `cols` inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Output units.
    pub rows: usize,
    /// Inputs of a unit, padding not counted.
    pub cols: usize,
}

/// Exponents of one step, fixed before it (delayed scaling).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exponents {
    /// For each tensor the shift from its weights to bytes; the bytes have exponent `shift - 24`.
    pub weights: Vec<i32>,
    /// For each hidden layer the exponent of its activations.
    pub activations: Vec<i32>,
    /// For each tensor the exponent of the errors of its output.
    pub errors: Vec<i32>,
}

/// Everything that a step reads and writes. All tensors have padded rows; padding is always 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Master weights, 24 fraction bits: for each tensor `(rows, padded_cols)`.
    pub weights: Vec<Vec<i32>>,
    /// Momenta, exponent -32, shaped like the weights.
    pub momenta: Vec<Vec<i32>>,
    /// Running gradient scale of each leaf: for each tensor `(rows, leaves_per_row)`.
    pub scales: Vec<Vec<i32>>,
    /// Exponents of the next step; `None` before the first step of a task, which finds its own.
    pub exponents: Option<Exponents>,
}

/// The 4-bit model: `weight = code * scale * 2^(exponent - 24)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantized {
    /// For each tensor its exponent `st`, 1..=24.
    pub exponents: Vec<u32>,
    /// Codes in -7..=7: for each tensor `(rows, padded_cols)`.
    pub codes: Vec<Vec<i8>>,
    /// Scales in 1..=18 of blocks of 32: for each tensor `(rows, leaves_per_row * 2)`.
    pub scales: Vec<Vec<u8>>,
}

/// Bytes with one exponent: `real = value * 2^exponent`. A model ready to evaluate is one of them
/// for each tensor, `(rows, padded_cols)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// The values, -127..=127.
    pub values: Vec<i8>,
    /// Their exponent.
    pub exponent: i32,
}

/// Why a [`Spec`] is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// A name that is empty or too long.
    #[error("name: expected 1 to {NAME_MAX} bytes, got {0}")]
    Name(usize),
    /// Too few or too many layers.
    #[error("layers: expected 2 to {LAYERS_MAX} entries (input, hidden.., classes), got {0}")]
    Layers(usize),
    /// A layer without units or too wide.
    #[error("layers[{index}]: expected 1 to {WIDTH_MAX} units, got {got}")]
    Width {
        /// The layer.
        index: usize,
        /// Its units.
        got: u32,
    },
    /// Too many classes.
    #[error("layers: expected at most {CLASSES_MAX} classes in the last entry, got {0}")]
    Classes(u32),
    /// A batch that is not a power of two in range.
    #[error("batch: expected a power of two up to {BATCH_MAX}, got {0}")]
    Batch(u32),
    /// A batch whose activations cannot be numbered.
    #[error("layers[{index}]: batch times units is {got}, expected at most {ACTIVATIONS_MAX}")]
    Activations {
        /// The layer.
        index: usize,
        /// Batch times units.
        got: u64,
    },
    /// No steps, or too many.
    #[error("steps: expected 1 to {STEPS_MAX}, got {0}")]
    Steps(u32),
    /// Records that no disclosure fills in.
    #[error("checkpoint_every: expected 1 in trace modes other than `challenged`, got {got}")]
    Undisclosed {
        /// The interval.
        got: u32,
    },
    /// A checkpoint interval that does not divide the round.
    #[error("checkpoint_every: expected a divisor of steps ({steps}), got {got}")]
    CheckpointEvery {
        /// Steps of a round.
        steps: u32,
        /// The interval.
        got: u32,
    },
    /// A learning rate outside its range.
    #[error("learning_rate: expected 1 to 2^26 - 1, got {0}")]
    LearningRate(u32),
    /// A warm-up that fills the round.
    #[error("warmup: expected less than steps ({steps}), got {got}")]
    Warmup {
        /// Steps of a round.
        steps: u32,
        /// Steps of warm-up.
        got: u32,
    },
    /// Bytes that do not encode a spec.
    #[error("encoded spec, byte {at}: expected {expected}")]
    Encoding {
        /// Offset in the bytes.
        at: usize,
        /// What should stand there.
        expected: &'static str,
    },
}

impl Schedule {
    fn byte(self) -> u8 {
        match self {
            Schedule::Constant => 0,
            Schedule::Linear => 1,
        }
    }
}

impl TraceMode {
    fn byte(self) -> u8 {
        match self {
            TraceMode::None => 0,
            TraceMode::Every => 1,
            TraceMode::Challenged => 2,
        }
    }
}

impl Spec {
    /// Shapes of the weight tensors, in model order.
    pub fn tensors(&self) -> Vec<Tensor> {
        let shape = |w: &[u32]| Tensor { rows: w[1] as usize, cols: w[0] as usize };
        self.layers.windows(2).map(shape).collect()
    }

    /// Features of a record.
    pub fn width(&self) -> usize {
        self.layers.first().map_or(0, |&w| w as usize)
    }

    /// Classes of the labels.
    pub fn classes(&self) -> usize {
        self.layers.last().map_or(0, |&w| w as usize)
    }

    /// Exponent of the division by the batch: `-log2(batch)`.
    pub fn batch_exponent(&self) -> i32 {
        -(self.batch.ilog2() as i32)
    }

    /// Learning rate of step `t`, `0 <= t < steps`; at least 1.
    ///
    /// Warm-up: `floor(peak * (t + 1) / warmup)`. Then the peak, or with the linear schedule
    /// `floor(peak * (steps - t) / (steps - warmup))`.
    pub fn learning_rate(&self, t: u32) -> u32 {
        let scaled = |numerator: u32, denominator: u32| {
            let product = u64::from(self.learning_rate) * u64::from(numerator);
            ((product / u64::from(denominator)) as u32).max(1)
        };
        match self.schedule {
            _ if t < self.warmup => scaled(t + 1, self.warmup),
            Schedule::Constant => self.learning_rate,
            Schedule::Linear => scaled(self.steps - t, self.steps - self.warmup),
        }
    }

    /// Checks every bound on which the exactness of a step rests.
    ///
    /// # Errors
    /// The first bound that does not hold.
    pub fn validate(&self) -> Result<(), SpecError> {
        check((1..=NAME_MAX).contains(&self.name.len()), SpecError::Name(self.name.len()))?;
        self.validate_layers()?;
        check((1..=STEPS_MAX).contains(&self.steps), SpecError::Steps(self.steps))?;
        let (steps, every) = (self.steps, self.checkpoint_every);
        let divides = every > 0 && steps % every == 0;
        check(divides, SpecError::CheckpointEvery { steps, got: every })?;
        check(every == 1 || self.trace == TraceMode::Challenged, SpecError::Undisclosed { got: every })?;
        let rate = self.learning_rate;
        check((1..LEARNING_RATE_BOUND).contains(&rate), SpecError::LearningRate(rate))?;
        check(self.warmup < steps, SpecError::Warmup { steps, got: self.warmup })
    }

    fn validate_layers(&self) -> Result<(), SpecError> {
        let (count, batch) = (self.layers.len(), self.batch);
        check((2..=LAYERS_MAX).contains(&count), SpecError::Layers(count))?;
        check(batch.is_power_of_two() && batch <= BATCH_MAX, SpecError::Batch(batch))?;
        for (index, &got) in self.layers.iter().enumerate() {
            check((1..=WIDTH_MAX).contains(&got), SpecError::Width { index, got })?;
            let got = u64::from(got) * u64::from(batch);
            check(got <= ACTIVATIONS_MAX, SpecError::Activations { index, got })?;
        }
        let classes = self.layers[count - 1];
        check(classes <= CLASSES_MAX, SpecError::Classes(classes))
    }

    /// The canonical bytes: domain, then every field in order, numbers big-endian; the name after
    /// its length (u8), the layers after their count (u8).
    pub fn encode(&self) -> Vec<u8> {
        let mut out = SPEC_DOMAIN.to_vec();
        out.push(self.name.len() as u8);
        out.extend_from_slice(self.name.as_bytes());
        out.push(self.layers.len() as u8);
        self.layers.iter().for_each(|w| out.extend_from_slice(&w.to_be_bytes()));
        for number in [self.batch, self.steps, self.checkpoint_every, self.learning_rate] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.push(self.schedule.byte());
        out.extend_from_slice(&self.warmup.to_be_bytes());
        out.extend_from_slice(&self.seed.to_be_bytes());
        out.push(self.trace.byte());
        out.extend_from_slice(&self.data_root);
        out
    }

    /// The spec that these bytes encode.
    ///
    /// # Errors
    /// [`SpecError::Encoding`] for bytes that [`Spec::encode`] does not write, else what
    /// [`Spec::validate`] finds.
    pub fn decode(bytes: &[u8]) -> Result<Self, SpecError> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.take(SPEC_DOMAIN.len(), "the domain pogo/spec/v1")? != SPEC_DOMAIN {
            return Err(SpecError::Encoding { at: 0, expected: "the domain pogo/spec/v1" });
        }
        let spec = Self {
            name: reader.name()?,
            layers: reader.layers()?,
            batch: reader.u32("the batch")?,
            steps: reader.u32("the steps")?,
            checkpoint_every: reader.u32("checkpoint_every")?,
            learning_rate: reader.u32("the learning rate")?,
            schedule: reader.schedule()?,
            warmup: reader.u32("the warm-up")?,
            seed: u64::from_be_bytes(reader.array("the seed")?),
            trace: reader.trace()?,
            data_root: reader.array("the data root")?,
        };
        check(reader.at == bytes.len(), reader.error("the end"))?;
        spec.validate()?;
        Ok(spec)
    }

    /// keccak256 of [`Spec::encode`].
    pub fn hash(&self) -> [u8; 32] {
        keccak(&[&self.encode()])
    }
}

impl Exponents {
    /// Exponent of the gradient of tensor `l`: that of its errors and that of its input.
    pub fn gradient(&self, l: usize) -> i32 {
        self.errors[l] + self.input(l)
    }

    /// Exponent of the input of tensor `l`: of the features or of the activations below.
    pub fn input(&self, l: usize) -> i32 {
        if l == 0 { FEATURE_EXPONENT } else { self.activations[l - 1] }
    }

    /// One list: weights, activations, errors.
    pub fn to_list(&self) -> Vec<i32> {
        [&self.weights[..], &self.activations, &self.errors].concat()
    }

    /// What [`Exponents::to_list`] gave; none for another length than that of a model, or an
    /// exponent beyond [`EXPONENT_MAX`].
    pub fn from_list(list: &[i32]) -> Option<Self> {
        let tensors = (list.len() + 1) / 3;
        let legal = tensors > 0 && tensors < LAYERS_MAX && list.len() == 3 * tensors - 1;
        if !legal || list.iter().any(|exponent| !(-EXPONENT_MAX..=EXPONENT_MAX).contains(exponent)) {
            return None;
        }
        let (weights, rest) = list.split_at(tensors);
        let (activations, errors) = rest.split_at(tensors - 1);
        Some(Self { weights: weights.to_vec(), activations: activations.to_vec(), errors: errors.to_vec() })
    }

    /// Whether these are exponents of a model of so many tensors, each within [`EXPONENT_MAX`].
    pub fn fit(&self, tensors: usize) -> bool {
        self.weights.len() == tensors && Self::from_list(&self.to_list()).as_ref() == Some(self)
    }

    /// Raises every exponent to that of `other` where it is higher.
    pub fn raise(&mut self, other: &Self) {
        let lists = [&mut self.weights, &mut self.activations, &mut self.errors];
        for (list, other) in lists.into_iter().zip([&other.weights, &other.activations, &other.errors]) {
            list.iter_mut().zip(other).for_each(|(e, &other)| *e = other.max(*e));
        }
    }
}

impl Tensor {
    /// Leaves of a row.
    pub fn leaves_per_row(&self) -> usize {
        self.cols.div_ceil(LEAF)
    }

    /// Columns of a row with its padding.
    pub fn padded_cols(&self) -> usize {
        self.leaves_per_row() * LEAF
    }

    /// Leaves of the tensor.
    pub fn leaves(&self) -> usize {
        self.rows * self.leaves_per_row()
    }

    /// Stored elements of the tensor, padding included.
    pub fn padded_len(&self) -> usize {
        self.rows * self.padded_cols()
    }
}

impl State {
    /// The state before the first step of a task: weights from the seed, everything else 0.
    ///
    /// With `bound = floor(sqrt(6 * 2^48 / cols))` and the uniform u32 `r` of the weight,
    /// `W = ((r - 2^31) * bound) >> 31`, uniform in `[-bound, bound)`. Weight `i` (row-major, no
    /// padding) of tensor `l` takes word `i mod 8` (big-endian) of block `floor(i / 8)` of the
    /// stream `pogo/weights/v1` with key `0 (16 bytes) || seed u64 || l u64`.
    pub fn initial(spec: &Spec) -> Self {
        let tensors = spec.tensors();
        let draw = |(l, tensor): (usize, &Tensor)| initial_weights(spec.seed, l, tensor);
        Self::from_weights(spec, tensors.iter().enumerate().map(draw).collect())
    }

    /// First weights of one leaf of [`State::initial`], without drawing those before it: 64 of row `row`
    /// of tensor `l` from column `64 * column` on. None where the model has no such leaf.
    pub fn initial_leaf(spec: &Spec, l: usize, row: usize, column: usize) -> Option<[i32; LEAF]> {
        let tensor = *spec.tensors().get(l)?;
        let cols = tensor.cols.checked_sub(column.checked_mul(LEAF)?).filter(|&cols| cols > 0)?;
        let first = (row < tensor.rows).then_some(row * tensor.cols + column * LEAF)?;
        let mut leaf = [0; LEAF];
        let drawn = first_weights(spec.seed, l, tensor.cols, first as u64);
        leaf.iter_mut().zip(drawn.take(cols)).for_each(|(weight, drawn)| *weight = drawn);
        Some(leaf)
    }

    /// Whether a step was made, so that the scales hold an average: exactly then the exponents of the
    /// next are fixed.
    pub fn started(&self) -> bool {
        self.exponents.is_some()
    }

    /// The state before the first step of a task that starts from these weights (padded rows):
    /// what a fine-tuning task inherits.
    pub fn from_weights(spec: &Spec, weights: Vec<Vec<i32>>) -> Self {
        let tensors = spec.tensors();
        Self {
            weights,
            momenta: tensors.iter().map(|t| vec![0; t.padded_len()]).collect(),
            scales: tensors.iter().map(|t| vec![0; t.leaves()]).collect(),
            exponents: None,
        }
    }

    /// The 4-bit model: the exact quantization of the master weights, padded rows included.
    pub fn quantize(&self) -> Quantized {
        let exponents: Vec<u32> = self.weights.iter().map(|w| block_exponent(max_abs(w.iter().copied()))).collect();
        let mut codes = Vec::with_capacity(exponents.len());
        let mut scales = Vec::with_capacity(exponents.len());
        for (weights, &st) in self.weights.iter().zip(&exponents) {
            let scale = |block: &[i32]| block_scale(max_abs(block.iter().copied()), st) as u8;
            let tensor: Vec<u8> = weights.chunks(BLOCK).map(scale).collect();
            let blocks = weights.chunks(BLOCK).zip(&tensor);
            codes.push(blocks.flat_map(|(block, &sc)| quantize_block(block, sc, st)).collect());
            scales.push(tensor);
        }
        Quantized { exponents, codes, scales }
    }
}

impl Quantized {
    /// The 8-bit weights of the 4-bit model: `code * scale` at exponent `st - 24`.
    pub fn expand(&self) -> Vec<Bytes> {
        let tensors = self.codes.iter().zip(&self.scales).zip(&self.exponents);
        tensors.map(|((codes, scales), &st)| expand_tensor(codes, scales, st)).collect()
    }
}

/// The largest magnitude, 0 of nothing.
pub fn max_abs(values: impl Iterator<Item = i32>) -> u32 {
    values.map(i32::unsigned_abs).max().unwrap_or(0)
}

fn expand_tensor(codes: &[i8], scales: &[u8], st: u32) -> Bytes {
    let blocks = codes.chunks(BLOCK).zip(scales);
    let values = blocks.flat_map(|(block, &sc)| block.iter().map(move |c| c * sc as i8)).collect();
    Bytes { values, exponent: st as i32 - WEIGHT_FRACTION }
}

fn quantize_block(block: &[i32], scale: u8, st: u32) -> impl Iterator<Item = i8> {
    block.iter().map(move |&w| quantize(w, i32::from(scale), st) as i8)
}

fn initial_weights(seed: u64, l: usize, tensor: &Tensor) -> Vec<i32> {
    let mut drawn = first_weights(seed, l, tensor.cols, 0);
    let mut weights = vec![0; tensor.padded_len()];
    for row in weights.chunks_mut(tensor.padded_cols()) {
        row[..tensor.cols].iter_mut().zip(&mut drawn).for_each(|(weight, drawn)| *weight = drawn);
    }
    weights
}

/// First weights of tensor `l` with so many columns, from weight `first` on, row by row.
fn first_weights(seed: u64, l: usize, cols: usize, first: u64) -> impl Iterator<Item = i32> {
    let mut key = [0; 32];
    key[16..24].copy_from_slice(&seed.to_be_bytes());
    key[24..].copy_from_slice(&(l as u64).to_be_bytes());
    let stream = Stream::new(WEIGHTS_DOMAIN, key);
    let bound = (6 * (1u64 << 48) / cols as u64).isqrt() as i64;
    let weight = move |word: u32| (((i64::from(word) - (1 << 31)) * bound) >> 31) as i32;
    let words = (first / 8..).flat_map(move |block| words(stream.block(block)));
    words.skip((first % 8) as usize).map(weight)
}

fn words(block: [u8; 32]) -> [u32; 8] {
    core::array::from_fn(|i| (0..4).fold(0, |word, j| word << 8 | u32::from(block[4 * i + j])))
}

fn check(holds: bool, error: SpecError) -> Result<(), SpecError> {
    if holds { Ok(()) } else { Err(error) }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn error(&self, expected: &'static str) -> SpecError {
        SpecError::Encoding { at: self.at, expected }
    }

    fn take(&mut self, len: usize, expected: &'static str) -> Result<&'a [u8], SpecError> {
        let end = self.at.saturating_add(len);
        let part = self.bytes.get(self.at..end).ok_or(self.error(expected))?;
        self.at = end;
        Ok(part)
    }

    fn array<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], SpecError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N, expected)?);
        Ok(out)
    }

    fn u32(&mut self, expected: &'static str) -> Result<u32, SpecError> {
        self.array(expected).map(u32::from_be_bytes)
    }

    fn name(&mut self) -> Result<String, SpecError> {
        let [len] = self.array("the length of the name")?;
        let error = self.error("a name in UTF-8");
        let name = self.take(usize::from(len), "the name")?;
        core::str::from_utf8(name).map(String::from).map_err(|_| error)
    }

    fn layers(&mut self) -> Result<Vec<u32>, SpecError> {
        let [count] = self.array("the number of layers")?;
        (0..count).map(|_| self.u32("the units of a layer")).collect()
    }

    fn schedule(&mut self) -> Result<Schedule, SpecError> {
        let error = self.error("a schedule, 0 or 1");
        match self.array("the schedule")? {
            [0] => Ok(Schedule::Constant),
            [1] => Ok(Schedule::Linear),
            [_] => Err(error),
        }
    }

    fn trace(&mut self) -> Result<TraceMode, SpecError> {
        let error = self.error("a trace mode, 0 to 2");
        match self.array("the trace mode")? {
            [0] => Ok(TraceMode::None),
            [1] => Ok(TraceMode::Every),
            [2] => Ok(TraceMode::Challenged),
            [_] => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;

    fn spec() -> Spec {
        Spec {
            name: "digits".to_owned(),
            layers: vec![70, 8, 3],
            batch: 16,
            steps: 100,
            checkpoint_every: 1,
            learning_rate: 1000,
            schedule: Schedule::Linear,
            warmup: 10,
            seed: 7,
            trace: TraceMode::None,
            data_root: [9; 32],
        }
    }

    #[test]
    fn spec_survives_its_encoding() {
        for (trace, byte) in [(TraceMode::None, 0), (TraceMode::Every, 1), (TraceMode::Challenged, 2)] {
            let spec = Spec { trace, ..spec() };
            let mut bytes = spec.encode();
            let at = bytes.len() - 33;
            assert_eq!((bytes[at], Spec::decode(&bytes)), (byte, Ok(spec)));
            bytes[at] = 3;
            let error = SpecError::Encoding { at, expected: "a trace mode, 0 to 2" };
            assert_eq!(Spec::decode(&bytes), Err(error));
        }
    }

    #[test]
    fn records_are_left_out_in_trace_mode_challenged_only() {
        for trace in [TraceMode::None, TraceMode::Every, TraceMode::Challenged] {
            let validate = |checkpoint_every| Spec { trace, checkpoint_every, ..spec() }.validate();
            let refused = Err(SpecError::Undisclosed { got: 4 });
            assert_eq!(validate(4), if trace == TraceMode::Challenged { Ok(()) } else { refused });
            assert_eq!((validate(1), validate(3)), (Ok(()), Err(SpecError::CheckpointEvery { steps: 100, got: 3 })));
        }
    }

    #[test]
    fn every_prefix_and_every_extension_of_an_encoding_is_rejected() {
        let mut bytes = spec().encode();
        for len in 0..bytes.len() {
            assert!(Spec::decode(&bytes[..len]).is_err(), "{len} bytes");
        }
        bytes.push(0);
        let at = bytes.len() - 1;
        assert_eq!(Spec::decode(&bytes), Err(SpecError::Encoding { at, expected: "the end" }));
    }

    #[test]
    fn every_changed_byte_changes_the_spec_or_is_rejected() {
        let bytes = spec().encode();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            if let Ok(other) = Spec::decode(&changed) {
                assert_ne!(other, spec());
                assert_eq!(other.encode(), changed);
            }
        }
    }

    #[test]
    fn spec_out_of_bounds_is_rejected_with_its_cause() {
        let case = |change: fn(&mut Spec), error: SpecError| {
            let mut spec = spec();
            change(&mut spec);
            assert_eq!(spec.validate(), Err(error));
        };
        case(|s| s.name.clear(), SpecError::Name(0));
        case(|s| s.layers = vec![4], SpecError::Layers(1));
        case(|s| s.layers[1] = 0, SpecError::Width { index: 1, got: 0 });
        case(|s| s.layers[0] = (1 << 16) + 1, SpecError::Width { index: 0, got: (1 << 16) + 1 });
        case(|s| s.layers[2] = 65_536, SpecError::Classes(65_536));
        case(|s| s.batch = 48, SpecError::Batch(48));
        case(|s| s.batch = 0, SpecError::Batch(0));
        case(|s| s.batch = 1 << 17, SpecError::Batch(1 << 17));
        case(|s| (s.batch, s.layers[0]) = (1 << 16, 1 << 16), SpecError::Activations { index: 0, got: 1 << 32 });
        case(|s| s.steps = 0, SpecError::Steps(0));
        case(|s| s.checkpoint_every = 3, SpecError::CheckpointEvery { steps: 100, got: 3 });
        case(|s| s.checkpoint_every = 0, SpecError::CheckpointEvery { steps: 100, got: 0 });
        case(|s| s.learning_rate = 0, SpecError::LearningRate(0));
        case(|s| s.learning_rate = 1 << 26, SpecError::LearningRate(1 << 26));
        case(|s| s.warmup = 100, SpecError::Warmup { steps: 100, got: 100 });
    }

    #[test]
    fn learning_rate_warms_up_and_falls_linearly() {
        let spec = spec();
        assert_eq!(spec.learning_rate(0), 100);
        assert_eq!(spec.learning_rate(9), 1000);
        assert_eq!(spec.learning_rate(10), 1000);
        assert_eq!(spec.learning_rate(55), 500);
        assert_eq!(spec.learning_rate(99), 11);
        let small = Spec { learning_rate: 1, ..spec.clone() };
        assert!((0..100).all(|t| small.learning_rate(t) == 1));
        let constant = Spec { schedule: Schedule::Constant, warmup: 0, ..spec };
        assert!((0..100).all(|t| constant.learning_rate(t) == 1000));
    }

    #[test]
    fn first_weights_fill_their_bound_and_leave_padding_zero() {
        let spec = spec();
        let state = State::initial(&spec);
        let bound = (6 * (1u64 << 48) / 70).isqrt() as i32;
        let row = &state.weights[0][..128];
        assert!(row[..70].iter().all(|w| (-bound..bound).contains(w)));
        assert!(row[..70].iter().any(|w| w.abs() > bound / 2));
        assert!(row[70..].iter().all(|&w| w == 0));
        assert_eq!(state.weights[0].len(), 8 * 128);
        assert_eq!(state.scales[1].len(), 3);
        let other = State::initial(&Spec { seed: 8, ..spec });
        assert_ne!(state.weights, other.weights);
    }

    #[test]
    fn a_leaf_of_first_weights_is_drawn_alone() {
        let spec = spec();
        let state = State::initial(&spec);
        for (l, tensor) in spec.tensors().into_iter().enumerate() {
            let leaves = tensor.leaves_per_row();
            for (leaf, weights) in state.weights[l].chunks(LEAF).enumerate() {
                let (row, column) = (leaf / leaves, leaf % leaves);
                assert_eq!(State::initial_leaf(&spec, l, row, column).unwrap(), weights, "{l}, {row}, {column}");
            }
            for (row, column) in [(tensor.rows, 0), (0, leaves), (0, usize::MAX)] {
                assert_eq!(State::initial_leaf(&spec, l, row, column), None);
            }
        }
        assert_eq!(State::initial_leaf(&spec, 2, 0, 0), None);
    }

    #[test]
    fn four_bit_model_is_within_half_a_step_of_the_weights() {
        let spec = spec();
        let state = State::initial(&spec);
        let quantized = state.quantize();
        let bytes = quantized.expand();
        for (l, weights) in state.weights.iter().enumerate() {
            let st = quantized.exponents[l];
            for (i, &w) in weights.iter().enumerate() {
                let d = i32::from(quantized.scales[l][i / BLOCK]) << st;
                let value = i32::from(bytes[l].values[i]) << st;
                assert!((w - value).abs() <= d / 2, "tensor {l}, weight {i}");
            }
        }
    }
}
