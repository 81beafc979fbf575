//! The loss cell: a row of logits gives its loss and its 8-bit errors.
//!
//! ```text
//! e  = exponent of the last inputs + exponent of the last weights
//! z  = logit(sum, e)                    loss, errors = softmax_row(z, label)
//! e8 = requantize_stochastic(errors, E - (-15 - log2 B), dither)
//! losses up to this row = losses up to the row before + loss
//! ```
//!
//! The label is that of the record that the public order puts into the row. One leaf holds the row, so
//! a model has at most 64 classes.

use alloc::vec;
use alloc::vec::Vec;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;

use super::errors::Dither;
use super::input::{DATA_DEPTH, RECORDS_BITS};
use super::opened::{ensure, equal, holds_all, packed};
use super::{ByteLeaf, ExponentsLeaf, Record, WordLeaf};
use crate::fixed::{LEAF, WORD_BIAS, WORD_BITS, bounded, logit, requantize_stochastic, softmax_row};
use crate::leaf::{data_root, loss_leaf, tag};
use crate::merkle::{Path, root_of};
use crate::opening::{Roots, Violation};
use crate::poseidon;
use crate::statement::{STEP_BITS, TENSOR_BITS, TRACE_BITS};

/// What is public of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossSample {
    /// The step.
    pub step: u32,
    /// Position of the sums of the last layer in the trace.
    pub sums: usize,
    /// Position of its errors.
    pub errors: usize,
    /// Position of the losses up to the row before; none for row 0.
    pub before: Option<usize>,
    /// Position of the losses up to the row.
    pub losses: usize,
    /// The last tensor, tensors of the model less one.
    pub tensor: u32,
    /// 64 less the classes, `0 ..= 63`.
    pub padding: u32,
    /// The dither.
    pub dither: Dither,
    /// Exponent of the errors before they are rounded.
    pub exponent: i32,
    /// Index of the record in the data.
    pub record: u32,
    /// Records of the data.
    pub records: u32,
}

impl LossSample {
    /// `step | sums | errors | before | losses | tensor | padding`, low first; `dither | exponent + 2^30
    /// | record | records | first`, where `first` is 1 for row 0.
    /// None where a field does not fit its bits.
    pub fn elements(&self) -> Option<Vec<Fr>> {
        let fields = [
            (self.step.into(), STEP_BITS),
            (self.sums as u64, TRACE_BITS),
            (self.errors as u64, TRACE_BITS),
            (self.before.unwrap_or(0) as u64, TRACE_BITS),
            (self.losses as u64, TRACE_BITS),
            (self.tensor.into(), TENSOR_BITS),
            (self.padding.into(), 6),
        ];
        let exponent = self.exponent.wrapping_add(WORD_BIAS) as u32;
        let more = [
            (exponent.into(), WORD_BITS),
            (self.record.into(), DATA_DEPTH as u32),
            (self.records.into(), RECORDS_BITS),
            (u64::from(self.before.is_none()), 1),
        ];
        Some(vec![packed(&fields)?, packed(&[&self.dither.fields()[..], &more].concat())?])
    }
}

/// Losses of the batch up to a row, with the label of the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LossLeaf {
    /// Losses up to the row.
    pub loss: Fr,
    /// Label of the row.
    pub label: u16,
    /// Path to the tree root of the trace.
    pub path: Path,
}

/// Everything that one cell opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LossOpening {
    /// What is public of it.
    pub sample: LossSample,
    /// Record `step + 1`.
    pub after: Record,
    /// Sums of the last layer, over their whole inner dimension.
    pub sums: WordLeaf,
    /// 8-bit errors of the last layer.
    pub errors: ByteLeaf,
    /// The row before; zeros for row 0.
    pub before: LossLeaf,
    /// Losses up to the row, and their path.
    pub losses: (Fr, Path),
    /// Exponents of the last tensor that the step used.
    pub used: ExponentsLeaf,
    /// Exponents of the last tensor for the next step.
    pub next: ExponentsLeaf,
    /// Label of the row's record.
    pub label: u16,
    /// Hash of its features.
    pub features: Fr,
    /// Path of the record in the data.
    pub data_path: Path,
}

impl LossOpening {
    /// Whether losses and errors are those of the row.
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn check(&self, roots: &Roots) -> Result<(), Violation> {
        let LossSample { step, sums, errors, before, losses, tensor, padding, dither, exponent, record, records } =
            self.sample;
        self.after.check(step + 1, roots)?;
        self.after.traces("sums", self.sums.hash()?, sums, &self.sums.path, roots)?;
        self.after.traces("errors", self.errors.hash(), errors, &self.errors.path, roots)?;
        let start = match before {
            Some(position) => {
                let LossLeaf { loss, label, path } = &self.before;
                self.after.traces("losses before", loss_leaf(*loss, *label), position, path, roots)?;
                *loss
            }
            None => Fr::ZERO,
        };
        let leaf = loss_leaf(self.losses.0, self.label);
        self.after.traces("losses", leaf, losses, &self.losses.1, roots)?;
        self.used.check(tensor, tensor + 1, self.after.used)?;
        self.next.check(tensor, tensor + 1, self.after.next)?;
        let data_record = poseidon::hash(Fr::from(tag::DATA_RECORD), Fr::from(self.label), self.features);
        let root = data_root(root_of(data_record, record as usize, &self.data_path), records);
        ensure(root == roots.data, Violation::Path { what: "record of the batch", root: "data" })?;

        let classes = LEAF - padding as usize;
        let label = usize::from(self.label);
        let legal = Violation::Value { what: "label", index: 0, expected: classes as i64 - 1, got: label as i64 };
        ensure(label < classes, legal)?;
        let e = bounded(self.used.sums());
        let logits: Vec<i32> = self.sums.words[..classes].iter().map(|&sum| logit(sum, e)).collect();
        let mut row = [0; LEAF];
        let loss = softmax_row(&logits, label, &mut row[..classes]);
        ensure(self.losses.0 == start + Fr::from(loss), Violation::Loss { expected: loss })?;
        let exponent = i64::from(exponent);
        let shift = bounded(i64::from(self.used.errors) - exponent);
        for (index, (&error, &got)) in row.iter().zip(&self.errors.bytes).enumerate() {
            equal("error", index, requantize_stochastic(error, shift, dither.at(index)).into(), got.into())?;
        }
        holds_all("exponent of the errors", self.next.errors, exponent, row.iter().map(|error| error.unsigned_abs()))
    }
}
