//! Openings: the leaves and paths that a challenge asks for, and the plain relation they obey.
//!
//! [`Openings::check`] is what a round proof proves, in plain code: the circuits are held to it.

use alloc::vec::Vec;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;

use crate::cell::disclosure::DISCLOSED;
use crate::codec::{CodecError, Reader, Writer};
use crate::fixed::{self, BLOCK, LEAF, LEARNING_RATE_BOUND};
use crate::leaf::{self, BLOCKS_PER_LEAF, LeafError, tag};
use crate::merkle::{Path, root_of};
use crate::poseidon;
use crate::record::{pair, record_leaf, steps_root};

/// Where a leaf sits and how much of it is padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Position in the trees of the model.
    pub position: usize,
    /// Weights of the leaf that are padding, `0 ..= 63`.
    pub padding: usize,
}

/// One (step, leaf) pair of the update cell: state before, codes, state after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateOpening {
    /// Place of the leaf.
    pub slot: Slot,
    /// The step.
    pub step: u32,
    /// Learning rate of the step.
    pub learning_rate: u32,
    /// Weights before the step.
    pub weights_before: [i32; LEAF],
    /// Hash of the momenta half before the step.
    pub momenta_hash_before: Fr,
    /// Path to the state root of record `step`.
    pub path_before: Path,
    /// Record `step`.
    pub record_before: RecordOpening,
    /// Weights after the step.
    pub weights_after: [i32; LEAF],
    /// Momenta after the step.
    pub momenta_after: [i32; LEAF],
    /// Gradient scale after the step.
    pub scale_after: i32,
    /// Path to the state root of record `step + 1`.
    pub path_after: Path,
    /// Codes of the step.
    pub codes: [i8; LEAF],
    /// Path to the update root of record `step + 1`.
    pub path_update: Path,
    /// Record `step + 1`; its update root is computed, not read.
    pub record_after: RecordOpening,
}

/// One leaf of the quantize cell: final state and 4-bit leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuantizeOpening {
    /// Place of the leaf.
    pub slot: Slot,
    /// `2^(st - 1)` for the tensor's exponent `st`.
    pub half_step: u32,
    /// Weights of the final state.
    pub weights: [i32; LEAF],
    /// Hash of the momenta half of the final state.
    pub momenta_hash: Fr,
    /// Path to the final state root.
    pub path: Path,
    /// 4-bit codes.
    pub codes: [i8; LEAF],
    /// Block scales.
    pub scales: [u8; BLOCKS_PER_LEAF],
    /// Path to the quantized root.
    pub path_quantized: Path,
}

/// What a step record holds beside the state root that is computed, and its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordOpening {
    /// Update root of the record.
    pub update_root: Fr,
    /// Hash of the record's other fields.
    pub rest: Fr,
    /// Path to the tree root over the records.
    pub path: Path,
}

/// Everything one proof opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Openings {
    /// Record 0, whose state root is the parent root.
    pub first: RecordOpening,
    /// The last record, whose state root is the final state root.
    pub last: RecordOpening,
    /// Update cells.
    pub updates: Vec<UpdateOpening>,
    /// Quantize cells.
    pub quantizes: Vec<QuantizeOpening>,
}

/// The roots and counts that openings are checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roots {
    /// Root of the state the round started from.
    pub parent: Fr,
    /// Root over the step records.
    pub steps: Fr,
    /// Root of the final state.
    pub state: Fr,
    /// Root of the 4-bit model.
    pub quantized: Fr,
    /// Root of the training data.
    pub data: Fr,
    /// Layout element of the model.
    pub layout: Fr,
    /// Number of step records.
    pub record_count: u32,
}

/// Which relation openings break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A path does not lead to its root.
    #[error("{what} is not in the {root} root")]
    Path {
        /// What is opened.
        what: &'static str,
        /// The root.
        root: &'static str,
    },
    /// A value stands where a tree has no leaf.
    #[error("a value stands where the {root} tree has no leaf, below the sibling at height {height} of a last leaf")]
    Filled {
        /// The root of the tree.
        root: &'static str,
        /// Height of the sibling that is not the root of an empty subtree.
        height: usize,
    },
    /// A value has no place in a leaf.
    #[error(transparent)]
    Leaf(#[from] LeafError),
    /// The gradient scale is negative.
    #[error("gradient scale {got} is negative")]
    Scale {
        /// The scale.
        got: i32,
    },
    /// A code is not the rounded momentum.
    #[error("code {index}: expected {expected}, got {got}")]
    Code {
        /// Weight of the leaf.
        index: usize,
        /// The rounded momentum, or the quantized weight.
        expected: i32,
        /// The code.
        got: i32,
    },
    /// A weight after the step is not the weight before it less code times learning rate.
    #[error("weight {index} after the step: expected {expected}, got {got}")]
    Weight {
        /// Weight of the leaf.
        index: usize,
        /// The updated weight.
        expected: i32,
        /// The weight.
        got: i32,
    },
    /// A padding weight or momentum is not zero.
    #[error("padding {index} of the leaf is not zero")]
    Padding {
        /// Weight of the leaf.
        index: usize,
    },
    /// A block scale is not the smallest that holds its block.
    #[error("scale of block {block}: expected {expected}, got {got}")]
    BlockScale {
        /// Block of the leaf.
        block: usize,
        /// The smallest scale.
        expected: i32,
        /// The scale.
        got: i32,
    },
    /// A value is not the one that follows.
    #[error("{what} {index}: expected {expected}, got {got}")]
    Value {
        /// What it is.
        what: &'static str,
        /// Which of them.
        index: usize,
        /// What follows from the rest.
        expected: i64,
        /// What was opened.
        got: i64,
    },
    /// The losses up to a row are not those before it and its own.
    #[error("losses of the batch do not grow by {expected}, the loss of the row")]
    Loss {
        /// Loss of the row.
        expected: u32,
    },
    /// What is opened is of another kind of cell than the sample.
    #[error("what is opened is of another kind of cell")]
    OtherCell,
    /// A disclosure that names no record or too many, or opens others than it names.
    #[error("records of a disclosure: expected 1 to {DISCLOSED}, each opened, got {named} and {opened} opened")]
    Disclosed {
        /// Records that the sample names.
        named: usize,
        /// Records opened.
        opened: usize,
    },
    /// A record does not follow from the one before it.
    #[error("{field} of a record does not follow from the record before it")]
    Link {
        /// The field.
        field: &'static str,
    },
    /// Words of a product are not those of the tile before and the product of the tiles.
    #[error("words {}..{} of row {row} are not those before and the product", 8 * element, 8 * element + 8)]
    Product {
        /// Row of the tile.
        row: usize,
        /// Element of the row, eight words.
        element: usize,
    },
    /// The half step is not `2^0 ..= 2^23`.
    #[error("half step: expected a power of two up to 2^23, got {got}")]
    HalfStep {
        /// The half step.
        got: u32,
    },
    /// The tensor's exponent is too small for the leaf.
    #[error("exponent of the 4-bit weights is too small for weight {index}")]
    Exponent {
        /// Weight of the leaf.
        index: usize,
    },
}

impl Openings {
    const MAGIC: &'static [u8; 8] = b"pogo/opn";

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let writer = self.last.write(self.first.write(Writer::new(Self::MAGIC)));
        let writer = writer.u32(self.updates.len() as u32);
        let writer = self.updates.iter().fold(writer, |writer, update| update.write(writer));
        let writer = writer.u32(self.quantizes.len() as u32);
        self.quantizes.iter().fold(writer, |writer, quantize| quantize.write(writer)).finish()
    }

    /// Reads what [`Openings::encode`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`CodecError`] naming the field.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes, Self::MAGIC, "openings file")?;
        let first = RecordOpening::read(&mut reader)?;
        let last = RecordOpening::read(&mut reader)?;
        let updates = (0..reader.u32("update count")?).map(|_| UpdateOpening::read(&mut reader));
        let updates = updates.collect::<Result<_, _>>()?;
        let quantizes = (0..reader.u32("quantize count")?).map(|_| QuantizeOpening::read(&mut reader));
        let quantizes = quantizes.collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self { first, last, updates, quantizes })
    }

    /// Whether all openings obey the update and quantize relations under `roots`.
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn check(&self, roots: &Roots) -> Result<(), Violation> {
        let steps = |what| Violation::Path { what, root: "steps" };
        let first = self.first.root(roots.parent, Fr::ZERO, 0, roots);
        ensure(first == roots.steps, steps("record 0 with the parent root"))?;
        let count = roots.record_count as usize;
        let last = self.last.root(roots.state, self.last.update_root, count.wrapping_sub(1), roots);
        ensure(last == roots.steps, steps("the last record with the final state root"))?;
        self.updates.iter().try_for_each(|update| update.check(roots))?;
        self.quantizes.iter().try_for_each(|quantize| quantize.check(roots))
    }
}

/// Longest path of any preset, with room to spare.
const PATH_MAX: u32 = 32;

fn write_path(writer: Writer, path: &Path) -> Writer {
    path.iter().fold(writer.u32(path.len() as u32), |writer, sibling| writer.scalar(sibling))
}

fn read_path(reader: &mut Reader<'_>) -> Result<Path, CodecError> {
    let length = reader.u32("path length")?;
    if length > PATH_MAX {
        return Err(CodecError::Value { field: "path length" });
    }
    (0..length).map(|_| reader.scalar("sibling")).collect()
}

fn write_words(writer: Writer, words: &[i32; LEAF]) -> Writer {
    words.iter().fold(writer, |writer, &word| writer.u32(word as u32))
}

fn read_words(reader: &mut Reader<'_>, field: &'static str) -> Result<[i32; LEAF], CodecError> {
    let mut words = [0; LEAF];
    for word in &mut words {
        *word = reader.u32(field)? as i32;
    }
    Ok(words)
}

fn read_learning_rate(reader: &mut Reader<'_>) -> Result<u32, CodecError> {
    let rate = reader.u32("learning rate")?;
    let legal = (1..LEARNING_RATE_BOUND).contains(&rate);
    legal.then_some(rate).ok_or(CodecError::Value { field: "learning rate" })
}

fn read_codes(reader: &mut Reader<'_>) -> Result<[i8; LEAF], CodecError> {
    Ok(reader.array::<LEAF>("codes")?.map(|byte| byte as i8))
}

impl Slot {
    fn write(&self, writer: Writer) -> Writer {
        writer.u32(self.position as u32).u32(self.padding as u32)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (position, padding) = (reader.u32("position")? as usize, reader.u32("padding")? as usize);
        if padding >= LEAF {
            return Err(CodecError::Value { field: "padding" });
        }
        Ok(Self { position, padding })
    }
}

impl RecordOpening {
    fn write(&self, writer: Writer) -> Writer {
        write_path(writer.scalar(&self.update_root).scalar(&self.rest), &self.path)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            update_root: reader.scalar("update root")?,
            rest: reader.scalar("rest of a record")?,
            path: read_path(reader)?,
        })
    }

    /// Steps root that this record has at `index` with the given state and update root.
    fn root(&self, state_root: Fr, update_root: Fr, index: usize, roots: &Roots) -> Fr {
        let record = record_leaf(pair(state_root, update_root), self.rest);
        steps_root(root_of(record, index, &self.path), roots.record_count)
    }
}

impl UpdateOpening {
    fn write(&self, writer: Writer) -> Writer {
        let writer = self.slot.write(writer).u32(self.step).u32(self.learning_rate);
        let writer = write_words(writer, &self.weights_before).scalar(&self.momenta_hash_before);
        let writer = self.record_before.write(write_path(writer, &self.path_before));
        let writer = write_words(write_words(writer, &self.weights_after), &self.momenta_after);
        let writer = write_path(writer.u32(self.scale_after as u32), &self.path_after);
        let writer = write_path(writer.bytes(&self.codes.map(|code| code as u8)), &self.path_update);
        self.record_after.write(writer)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            slot: Slot::read(reader)?,
            step: reader.u32("step")?,
            learning_rate: read_learning_rate(reader)?,
            weights_before: read_words(reader, "weights before")?,
            momenta_hash_before: reader.scalar("momenta hash before")?,
            path_before: read_path(reader)?,
            record_before: RecordOpening::read(reader)?,
            weights_after: read_words(reader, "weights after")?,
            momenta_after: read_words(reader, "momenta after")?,
            scale_after: reader.u32("scale after")? as i32,
            path_after: read_path(reader)?,
            codes: read_codes(reader)?,
            path_update: read_path(reader)?,
            record_after: RecordOpening::read(reader)?,
        })
    }

    /// The update relation: `code = round(momentum, scale)`, `after = before - code * rate`, all
    /// leaves opened.
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn check(&self, roots: &Roots) -> Result<(), Violation> {
        self.check_paths(roots)?;
        ensure(self.scale_after >= 0, Violation::Scale { got: self.scale_after })?;
        let shift = fixed::code_shift(self.scale_after);
        for index in 0..LEAF {
            let (before, after, momentum) =
                (self.weights_before[index], self.weights_after[index], self.momenta_after[index]);
            if index >= LEAF - self.slot.padding {
                ensure(before == 0 && after == 0 && momentum == 0, Violation::Padding { index })?;
            }
            let expected = fixed::code(momentum, shift, before, self.learning_rate);
            let got = i32::from(self.codes[index]);
            ensure(got == expected, Violation::Code { index, expected, got })?;
            let updated = fixed::update(before, expected, self.learning_rate);
            ensure(after == updated, Violation::Weight { index, expected: updated, got: after })?;
        }
        Ok(())
    }

    fn check_paths(&self, roots: &Roots) -> Result<(), Violation> {
        let path = |what| Violation::Path { what, root: "steps" };
        let position = self.slot.position;
        let model_root =
            |tag: u64, leaf, path: &Path| poseidon::hash(Fr::from(tag), root_of(leaf, position, path), roots.layout);
        let before = leaf::state_leaf(leaf::weights_hash(&self.weights_before)?, self.momenta_hash_before);
        let before = model_root(tag::STATE_ROOT, before, &self.path_before);
        let record = &self.record_before;
        let root = record.root(before, record.update_root, self.step as usize, roots);
        ensure(root == roots.steps, path("the leaf before the step"))?;
        let momenta = leaf::momenta_hash(&self.momenta_after, self.scale_after)?;
        let after = leaf::state_leaf(leaf::weights_hash(&self.weights_after)?, momenta);
        let after = model_root(tag::STATE_ROOT, after, &self.path_after);
        let update = model_root(tag::UPDATE_ROOT, leaf::update_leaf(&self.codes)?, &self.path_update);
        let root = self.record_after.root(after, update, self.step as usize + 1, roots);
        ensure(root == roots.steps, path("the leaf after the step with its codes"))
    }
}

impl QuantizeOpening {
    fn write(&self, writer: Writer) -> Writer {
        let writer = self.slot.write(writer).u32(self.half_step);
        let writer = write_path(write_words(writer, &self.weights).scalar(&self.momenta_hash), &self.path);
        let writer = writer.bytes(&self.codes.map(|code| code as u8)).bytes(&self.scales);
        write_path(writer, &self.path_quantized)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let slot = Slot::read(reader)?;
        let half_step = reader.u32("half step")?;
        if !is_half_step(half_step) {
            return Err(CodecError::Value { field: "half step" });
        }
        Ok(Self {
            slot,
            half_step,
            weights: read_words(reader, "weights")?,
            momenta_hash: reader.scalar("momenta hash")?,
            path: read_path(reader)?,
            codes: read_codes(reader)?,
            scales: reader.array("scales")?,
            path_quantized: read_path(reader)?,
        })
    }

    /// The quantize relation: scales and codes are those of the weights.
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn check(&self, roots: &Roots) -> Result<(), Violation> {
        let path = |what, root| Violation::Path { what, root };
        let model_root = |tag: u64, leaf, path: &Path| {
            poseidon::hash(Fr::from(tag), root_of(leaf, self.slot.position, path), roots.layout)
        };
        let half_step = Violation::HalfStep { got: self.half_step };
        ensure(is_half_step(self.half_step), half_step)?;
        let state = leaf::state_leaf(leaf::weights_hash(&self.weights)?, self.momenta_hash);
        let root = model_root(tag::STATE_ROOT, state, &self.path);
        ensure(root == roots.state, path("the leaf", "state"))?;
        let quantized = leaf::quantized_leaf(&self.codes, self.scales)?;
        let root = model_root(tag::QUANTIZED_ROOT, quantized, &self.path_quantized);
        ensure(root == roots.quantized, path("the 4-bit leaf", "quantized"))?;
        (0..BLOCKS_PER_LEAF).try_for_each(|block| self.check_block(block))
    }

    fn check_block(&self, block: usize) -> Result<(), Violation> {
        let range = block * BLOCK..(block + 1) * BLOCK;
        let max = self.weights[range.clone()].iter().map(|w| w.unsigned_abs()).max().unwrap_or(0);
        let exponent = self.half_step.ilog2() + 1;
        let expected = fixed::block_scale(max, exponent);
        let got = i32::from(self.scales[block]);
        ensure(got == expected, Violation::BlockScale { block, expected, got })?;
        for index in range {
            let weight = self.weights[index];
            ensure(index < LEAF - self.slot.padding || weight == 0, Violation::Padding { index })?;
            let fits = u64::from(weight.unsigned_abs()) <= (7 * got as u64) << exponent;
            ensure(fits, Violation::Exponent { index })?;
            let expected = fixed::quantize(weight, got, exponent);
            let got = i32::from(self.codes[index]);
            ensure(got == expected, Violation::Code { index, expected, got })?;
        }
        Ok(())
    }
}

fn is_half_step(half_step: u32) -> bool {
    half_step.is_power_of_two() && half_step <= 1 << 23
}

fn ensure(holds: bool, violation: Violation) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(violation) }
}
