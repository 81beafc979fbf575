//! The peak cell: an exponent asked for the next step is not larger than a value needs.
//!
//! The cells of the rows hold every value to the exponent; a peak cell opens one value that would not
//! fit the next smaller one, or shows that there is none smaller:
//!
//! ```text
//! asked = e, or some |x| of the tensor has byte_shift(|x|) = asked - e
//! ```
//!
//! Which value, the miner chooses: a row `i` below a public number of rows and a column of tiles `c`
//! below a public number of columns, which stand at
//! `first + row_stride * floor(i / 64) + i mod 64 + column_stride * c` for a public place in each
//! tensor that is opened. Other positions are of another tensor or of none, so none of them can be
//! chosen.

use alloc::vec;
use alloc::vec::Vec;

use ark_bn254::Fr;

use super::loss::LossLeaf;
use super::opened::{ensure, packed};
use super::{ByteLeaf, ExponentsLeaf, Record, WordLeaf};
use crate::fixed::{LEAF, WORD_BIAS, WORD_BITS, bounded, byte_shift, logit, softmax_row};
use crate::leaf::{loss_leaf, state_leaf, weights_hash};
use crate::merkle::Path;
use crate::opening::{Roots, Violation};
use crate::statement::{STEP_BITS, TENSOR_BITS, TRACE_BITS};

/// What has an exponent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scaled {
    /// The weights of a tensor.
    Weights,
    /// The activations that a tensor takes.
    Activations,
    /// The errors of the output of a tensor but the last.
    Errors,
    /// The errors of the last tensor.
    Losses,
}

impl Scaled {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Weights, Self::Activations, Self::Errors, Self::Losses];
}

/// Where the rows of a tensor stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Position of the first.
    pub first: usize,
    /// Positions from a row to the one 64 below it.
    pub row_stride: usize,
    /// Positions from a column to the next.
    pub column_stride: usize,
}

/// A chosen row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The row of a trace tensor, or the leaf of a row of weights.
    pub row: u32,
    /// The column of tiles, or the row of weights.
    pub column: u32,
}

impl Rows {
    /// Position of a row.
    pub fn position(self, Choice { row, column }: Choice) -> usize {
        let (row, column) = (row as usize, column as usize);
        self.first + self.row_stride * (row / LEAF) + row % LEAF + self.column_stride * column
    }
}

/// What is public of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeakSample {
    /// What has the exponent.
    pub scaled: Scaled,
    /// The step.
    pub step: u32,
    /// Where the rows of weights stand in the state, or those of the words in the trace.
    pub values: Rows,
    /// Where the rows of what is opened beside them stand: activations, or losses with their labels.
    pub beside: Rows,
    /// Rows that may be chosen.
    pub rows: u32,
    /// Columns that may be chosen.
    pub columns: u32,
    /// The tensor.
    pub tensor: u32,
    /// Tensors of the model.
    pub tensors: u32,
    /// Exponent of the last errors before they are rounded; else 0.
    pub exponent: i32,
    /// 64 less the classes, for the last errors; else 0.
    pub padding: u32,
}

/// Bits of the number of rows and of columns.
pub const COUNT_BITS: u32 = 20;

impl PeakSample {
    /// `step | first, row stride, column stride of the values | the same of what stands beside`, low
    /// first; `rows | columns | tensor | tensors | exponent + 2^30 | padding`.
    /// None where a field does not fit its bits.
    pub fn elements(&self) -> Option<Vec<Fr>> {
        let fields = [
            (self.step.into(), STEP_BITS),
            (self.values.first as u64, TRACE_BITS),
            (self.values.row_stride as u64, TRACE_BITS),
            (self.values.column_stride as u64, TRACE_BITS),
            (self.beside.first as u64, TRACE_BITS),
            (self.beside.row_stride as u64, TRACE_BITS),
            (self.beside.column_stride as u64, TRACE_BITS),
        ];
        let exponent = self.exponent.wrapping_add(WORD_BIAS) as u32;
        let more = [
            (self.rows.into(), COUNT_BITS),
            (self.columns.into(), COUNT_BITS),
            (self.tensor.into(), TENSOR_BITS),
            (self.tensors.into(), TENSOR_BITS),
            (exponent.into(), WORD_BITS),
            (self.padding.into(), 6),
        ];
        Some(vec![packed(&fields)?, packed(&more)?])
    }
}

/// Everything that one cell opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeakOpening {
    /// What is public of it.
    pub sample: PeakSample,
    /// The chosen row.
    pub choice: Choice,
    /// Record `step`.
    pub before: Record,
    /// Record `step + 1`.
    pub after: Record,
    /// Exponents of the tensor for the next step.
    pub next: ExponentsLeaf,
    /// Exponents that the step used: of the tensor whose values are opened (not for weights).
    pub used: ExponentsLeaf,
    /// The row of values.
    pub values: PeakValues,
}

/// The row of values of a peak cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeakValues {
    /// Weights of a leaf, the hash of its momenta half, and its path in the state.
    Weights([i32; LEAF], Fr, Path),
    /// Sums of the layer below.
    Activations(WordLeaf),
    /// Errors below, and the activations that mask them.
    Errors(WordLeaf, ByteLeaf),
    /// Sums of the last layer, and the label of the row.
    Losses(WordLeaf, LossLeaf),
}

impl PeakOpening {
    /// Whether the exponent is not too large.
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn check(&self, roots: &Roots) -> Result<(), Violation> {
        let PeakSample { step, values, beside, rows, columns, tensor, tensors, exponent, padding, .. } = self.sample;
        self.before.check(step, roots)?;
        self.after.check(step + 1, roots)?;
        let Choice { row, column } = self.choice;
        for (what, got, count) in [("row", row, rows), ("column", column, columns)] {
            let beyond = Violation::Value { what, index: 0, expected: i64::from(count) - 1, got: got.into() };
            ensure(got < count, beyond)?;
        }
        self.next.check(tensor, tensors, self.after.next)?;
        let (position, beside) = (values.position(self.choice), beside.position(self.choice));
        let of = match self.sample.scaled {
            Scaled::Weights | Scaled::Losses => tensor,
            Scaled::Activations => tensor.wrapping_sub(1),
            Scaled::Errors => tensor + 1,
        };
        if self.sample.scaled != Scaled::Weights {
            self.used.check(of, tensors, self.after.used)?;
        }
        let used = &self.used;
        let words = |leaf: &WordLeaf| self.after.traces("values", leaf.hash()?, position, &leaf.path, roots);
        let (asked, e, magnitudes): (i32, i64, [u32; LEAF]) = match &self.values {
            PeakValues::Weights(weights, momenta_hash, path) => {
                let leaf = state_leaf(weights_hash(weights)?, *momenta_hash);
                self.before.holds(leaf, position, path, roots)?;
                (self.next.shift, 0, weights.map(i32::unsigned_abs))
            }
            PeakValues::Activations(sums) => {
                words(sums)?;
                (self.next.input, used.sums(), sums.words.map(|sum| sum.max(0).unsigned_abs()))
            }
            PeakValues::Errors(below, activations) => {
                words(below)?;
                self.after.traces("activations", activations.hash(), beside, &activations.path, roots)?;
                let masked = |j: usize| if activations.bytes[j] > 0 { below.words[j].unsigned_abs() } else { 0 };
                (self.next.errors, used.below(), core::array::from_fn(masked))
            }
            PeakValues::Losses(sums, row) => {
                words(sums)?;
                self.after.traces("label", loss_leaf(row.loss, row.label), beside, &row.path, roots)?;
                let classes = LEAF.saturating_sub(padding as usize);
                let label = usize::from(row.label);
                let legal =
                    Violation::Value { what: "label", index: 0, expected: classes as i64 - 1, got: label as i64 };
                ensure(label < classes, legal)?;
                let e = bounded(used.sums());
                let logits: Vec<i32> = sums.words[..classes].iter().map(|&sum| logit(sum, e)).collect();
                let mut errors = [0; LEAF];
                softmax_row(&logits, label, &mut errors[..classes]);
                (self.next.errors, exponent.into(), errors.map(i32::unsigned_abs))
            }
        };
        let scaled = match &self.values {
            PeakValues::Weights(..) => Scaled::Weights,
            PeakValues::Activations(..) => Scaled::Activations,
            PeakValues::Errors(..) => Scaled::Errors,
            PeakValues::Losses(..) => Scaled::Losses,
        };
        ensure(scaled == self.sample.scaled, Violation::OtherCell)?;
        let (room, largest) = (i64::from(asked) - e, magnitudes.into_iter().max().unwrap_or(0));
        let needed = i64::from(byte_shift(largest));
        let tight = Violation::Value { what: "exponent needed by value", index: 0, expected: needed, got: room };
        ensure((0..=24).contains(&room) && room <= needed, tight)
    }
}
