//! What cells open: step records with all their fields, leaves of a trace, exponents of a tensor.

use ark_bn254::Fr;

use crate::fixed::{FEATURE_EXPONENT, LEAF, WEIGHT_FRACTION, WORD_MAX, WORD_MIN};
use crate::leaf::{LeafError, bytes_leaf, tag, words_leaf};
use crate::merkle::{self, Path, root_of};
use crate::model::Exponents;
use crate::opening::{Roots, Violation};
use crate::poseidon;
use crate::record::{
    EXPONENTS_DEPTH, StepRecord, exponent_slots, exponents_leaves, exponents_root, pair, record_leaf, rest, steps_root,
};

/// Depths of the trees of a preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depths {
    /// Of the trees over a model's leaves, at most 24.
    pub tree: usize,
    /// Of the tree over the step records, at most 20.
    pub steps: usize,
    /// Of the tree over the tensors of a step, at most 30.
    pub trace: usize,
}

/// A step record, opened whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Root of the state.
    pub state_root: Fr,
    /// Root of the codes.
    pub update_root: Fr,
    /// Root of the trace.
    pub trace_root: Fr,
    /// Sum of the losses of the batch, Q16 nats.
    pub loss: Fr,
    /// Root of the exponents that the step used.
    pub used: Fr,
    /// Root of the exponents for the next step.
    pub next: Fr,
    /// Path to the tree root over the records.
    pub path: Path,
}

impl Record {
    /// A record and its path.
    pub fn new(record: &StepRecord, path: Path) -> Self {
        let StepRecord { state_root, update_root, trace_root, .. } = *record;
        let [used, next] = [&record.exponents, &record.next_exponents].map(|e| exponents_root(e.as_ref()));
        Self { state_root, update_root, trace_root, loss: record.loss.into(), used, next, path }
    }

    /// Its leaf in the tree of steps, with this root of the trace.
    pub(super) fn leaf(&self, trace_root: Fr) -> Fr {
        record_leaf(pair(self.state_root, self.update_root), rest(&[trace_root, self.loss, self.used, self.next]))
    }

    /// Whether the record at `index` of the round is this one.
    ///
    /// # Errors
    /// [`Violation::Path`].
    pub fn check(&self, index: u32, roots: &Roots) -> Result<(), Violation> {
        let root = steps_root(root_of(self.leaf(self.trace_root), index as usize, &self.path), roots.record_count);
        let fits = (index as usize) >> self.path.len() == 0;
        ensure(fits && root == roots.steps, Violation::Path { what: "record", root: "steps" })
    }

    /// Whether `leaf` stands at `position` of the trace of this record.
    ///
    /// # Errors
    /// [`Violation::Path`] that names `what`.
    pub fn traces(
        &self,
        what: &'static str,
        leaf: Fr,
        position: usize,
        path: &Path,
        roots: &Roots,
    ) -> Result<(), Violation> {
        model_root(tag::TRACE_ROOT, leaf, position, path, roots)
            .filter(|&root| root == self.trace_root)
            .map(|_| ())
            .ok_or(Violation::Path { what, root: "trace" })
    }

    /// Whether `leaf` stands at `position` of the state of this record.
    ///
    /// # Errors
    /// [`Violation::Path`].
    pub fn holds(&self, leaf: Fr, position: usize, path: &Path, roots: &Roots) -> Result<(), Violation> {
        model_root(tag::STATE_ROOT, leaf, position, path, roots)
            .filter(|&root| root == self.state_root)
            .map(|_| ())
            .ok_or(Violation::Path { what: "leaf", root: "state" })
    }
}

/// Root with the layout of a tree that `leaf` stands in; none beyond its positions.
pub(super) fn model_root(tag: u64, leaf: Fr, position: usize, path: &Path, roots: &Roots) -> Option<Fr> {
    let root = poseidon::hash(Fr::from(tag), root_of(leaf, position, path), roots.layout);
    (position >> path.len() == 0).then_some(root)
}

/// 64 bytes of a row of a trace tensor, and their path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByteLeaf {
    /// The bytes.
    pub bytes: [i8; LEAF],
    /// Path to the tree root of the trace.
    pub path: Path,
}

impl ByteLeaf {
    /// Hash of the leaf.
    pub fn hash(&self) -> Fr {
        bytes_leaf(&self.bytes)
    }
}

/// 64 words of a row of a trace tensor, and their path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordLeaf {
    /// The words.
    pub words: [i32; LEAF],
    /// Path to the tree root of the trace.
    pub path: Path,
}

impl WordLeaf {
    /// Hash of the leaf.
    ///
    /// # Errors
    /// [`LeafError::Word`].
    pub fn hash(&self) -> Result<Fr, LeafError> {
        words_leaf(&self.words)
    }
}

/// Exponents of one tensor, and their path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExponentsLeaf {
    /// Shift of its weights.
    pub shift: i32,
    /// Exponent of its input.
    pub input: i32,
    /// Exponent of the errors of its output.
    pub errors: i32,
    /// Path to the tree root of the exponents.
    pub path: Path,
}

impl ExponentsLeaf {
    /// Exponents of tensor `l`.
    pub fn new(exponents: &Exponents, l: usize) -> Self {
        let (depth, leaves) = (EXPONENTS_DEPTH, exponents_leaves(exponents));
        let path = merkle::Tree::new(depth, leaves, merkle::hash_pairs).path(l);
        Self { shift: exponents.weights[l], input: exponents.input(l), errors: exponents.errors[l], path }
    }

    /// Exponent of the 8-bit weights.
    fn weights(&self) -> i64 {
        i64::from(self.shift) - i64::from(WEIGHT_FRACTION)
    }

    /// Exponent of the sums, inputs times weights.
    pub fn sums(&self) -> i64 {
        i64::from(self.input) + self.weights()
    }

    /// Exponent of the errors below, errors times weights.
    pub fn below(&self) -> i64 {
        i64::from(self.errors) + self.weights()
    }

    /// Exponent of the gradient, errors times inputs.
    pub fn gradient(&self) -> i64 {
        i64::from(self.errors) + i64::from(self.input)
    }

    /// Whether these are the exponents of tensor `l` of `tensors` under `root`; the input of tensor 0
    /// are the features, whose exponent is fixed.
    ///
    /// # Errors
    /// [`Violation::Leaf`] for an exponent that is no word, [`Violation::Path`], or [`Violation::Value`].
    pub fn check(&self, l: u32, tensors: u32, root: Fr) -> Result<(), Violation> {
        let exponents = [self.shift, self.input, self.errors];
        if let Some((index, &got)) = (0..).zip(&exponents).find(|(_, e)| !(WORD_MIN..=WORD_MAX).contains(*e)) {
            return Err(Violation::Leaf(LeafError::Word { index, got }));
        }
        let leaf = exponent_slots(exponents);
        let tree = root_of(leaf, l as usize, &self.path);
        let fits = self.path.len() == EXPONENTS_DEPTH && l >> EXPONENTS_DEPTH == 0;
        let got = poseidon::hash(Fr::from(tag::EXPONENTS), tree, Fr::from(tensors));
        ensure(fits && got == root, Violation::Path { what: "exponents of a tensor", root: "exponents" })?;
        let (expected, input) = (i64::from(FEATURE_EXPONENT), i64::from(self.input));
        if l == 0 { equal("exponent of the features", 0, expected, input) } else { Ok(()) }
    }
}

/// Holds a computed value to the opened one.
pub(super) fn equal(what: &'static str, index: usize, expected: i64, got: i64) -> Result<(), Violation> {
    ensure(expected == got, Violation::Value { what, index, expected, got })
}

/// Whether `next`, the exponent asked for of values with exponent `e`, holds all of these magnitudes.
pub(super) fn holds_all(
    what: &'static str,
    next: i32,
    e: i64,
    magnitudes: impl Iterator<Item = u32>,
) -> Result<(), Violation> {
    let room = i64::from(next) - e;
    let needed = |magnitude| i64::from(crate::fixed::byte_shift(magnitude));
    for (index, magnitude) in magnitudes.enumerate() {
        let holds = (0..=24).contains(&room) && needed(magnitude) <= room;
        ensure(holds, Violation::Value { what, index, expected: needed(magnitude), got: room })?;
    }
    Ok(())
}

pub(super) fn ensure(holds: bool, violation: Violation) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(violation) }
}

/// Fields of a sample as one element, the first lowest: (value, bits); none where a value has more bits.
pub(crate) fn packed(fields: &[(u64, u32)]) -> Option<Fr> {
    fields.iter().rev().try_fold(Fr::from(0u64), |sum, &(value, bits)| {
        (value >> bits == 0).then(|| sum * power(bits) + Fr::from(value))
    })
}

fn power(bits: u32) -> Fr {
    Fr::from(1u128 << bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_words_and_their_sums_do_not_wrap() {
        let leaf = |shift, input, errors| ExponentsLeaf { shift, input, errors, path: alloc::vec![] };
        let least = leaf(WORD_MIN, WORD_MIN, WORD_MIN);
        let (two, scale) = (2 * i64::from(WORD_MIN), i64::from(WEIGHT_FRACTION));
        assert_eq!([least.sums(), least.below(), least.gradient()], [two - scale, two - scale, two]);
        // Beyond its slot an exponent spills into the next: two lists of exponents with one leaf.
        let (wide, word) = (leaf(WORD_MAX + 1, -7, 0), leaf(WORD_MIN, -7, 0));
        assert_eq!(exponent_slots([wide.shift, -7, 0]), exponent_slots([word.shift, -7, 0]));
        let refused = Err(Violation::Leaf(LeafError::Word { index: 0, got: WORD_MAX + 1 }));
        assert_eq!(wide.check(0, 1, Fr::from(0u64)), refused);
    }

    #[test]
    fn a_field_has_its_bits_or_nothing_is_packed() {
        assert_eq!(packed(&[(3, 2), (5, 3), (1, 1)]), Some(Fr::from(3 + (5 << 2) + (1 << 5))));
        assert_eq!(packed(&[(u64::from(u32::MAX), 32), (7, 3)]), Some(Fr::from((7u64 << 32) + u64::from(u32::MAX))));
        for wide in [[(4, 2), (0, 3)], [(0, 2), (8, 3)], [(u64::MAX, 2), (0, 3)]] {
            assert_eq!(packed(&wide), None, "{wide:?}");
        }
    }
}
