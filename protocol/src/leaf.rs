//! Leaves: 64 consecutive weights of one row, as field elements and as Poseidon hashes.
//!
//! A word (weight, momentum, scale) is an `i32` in `-2^30 ..= 2^30 - 1`. Its slot is
//! `word + 2^30`, 31 bits; a field element holds eight slots, low first:
//! `element = sum slot_i * 2^(31 i)`. Sixty-four 4-bit codes are the base-15 digits `code + 7` of
//! one element, low first; `15^64 < 2^251`, so the digits are unique.

use alloc::vec::Vec;

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, PrimeField};

use crate::fixed::{BLOCK_SCALE_MAX, CODE_MAX, LEAF, WORD_BIAS, WORD_BITS};
use crate::merkle;
use crate::poseidon;

/// Words a field element holds.
pub const WORDS_PER_ELEMENT: usize = 8;
/// Base of the code digits: codes run from -7 to 7.
pub const CODE_BASE: u64 = 15;
/// Blocks (of 32 weights) in a quantized leaf.
pub const BLOCKS_PER_LEAF: usize = 2;

/// Poseidon capacity tags: one for each kind of hash, so that no two kinds can collide.
pub mod tag {
    /// Inner node of every tree.
    pub const NODE: u64 = 1;
    /// Weights half of a state leaf.
    pub const WEIGHTS: u64 = 2;
    /// Momenta half of a state leaf, with its scale.
    pub const MOMENTA: u64 = 3;
    /// State leaf: weights half and momenta half.
    pub const STATE: u64 = 4;
    /// Update leaf: the codes of one step.
    pub const UPDATE: u64 = 5;
    /// Quantized leaf: 4-bit codes and two block scales.
    pub const QUANTIZED: u64 = 6;
    /// State root: tree root and layout.
    pub const STATE_ROOT: u64 = 7;
    /// Update root: tree root and layout.
    pub const UPDATE_ROOT: u64 = 8;
    /// Quantized root: tree root and layout.
    pub const QUANTIZED_ROOT: u64 = 9;
    /// State root and update root of one step record.
    pub const PAIR: u64 = 10;
    /// Step record.
    pub const RECORD: u64 = 11;
    /// Root over the step records, with their count.
    pub const STEPS_ROOT: u64 = 12;
    /// Fields of a step record that the update cell does not read.
    pub const REST: u64 = 13;
    /// One record of the data set: label and features.
    pub const DATA_RECORD: u64 = 14;
    /// Root over the data set, with its count.
    pub const DATA_ROOT: u64 = 15;
    /// Features of one data record, with their number.
    pub const FEATURES: u64 = 16;
    /// Tensor shapes and format version.
    pub const LAYOUT: u64 = 17;
    /// Exponents of a step, with the number of tensors.
    pub const EXPONENTS: u64 = 18;
    /// 64 bytes of one row of a trace tensor or of a data record.
    pub const BYTES: u64 = 19;
    /// 64 words of one row of a trace tensor.
    pub const WORDS: u64 = 20;
    /// Losses of a batch up to one of its rows.
    pub const LOSS: u64 = 21;
    /// Root over the tensors of a step: tree root and layout.
    pub const TRACE_ROOT: u64 = 22;
}

/// A value that has no place in a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// A word outside `-2^30 ..= 2^30 - 1`.
    #[error("word {index} of the leaf is {got}, expected -2^30 ..= 2^30 - 1")]
    Word {
        /// Position in the leaf.
        index: usize,
        /// The word.
        got: i32,
    },
    /// A code outside `-7 ..= 7`.
    #[error("code {index} of the leaf is {got}, expected -7 ..= 7")]
    Code {
        /// Position in the leaf.
        index: usize,
        /// The code.
        got: i8,
    },
    /// A block scale outside `1 ..= 18`.
    #[error("scale {index} of the leaf is {got}, expected 1 ..= 18")]
    Scale {
        /// Block in the leaf.
        index: usize,
        /// The scale.
        got: u8,
    },
}

/// Packs words into field elements, eight 31-bit slots each, low first.
///
/// # Errors
/// [`LeafError::Word`] for a word outside the legal range.
pub fn pack_words(words: &[i32]) -> Result<Vec<Fr>, LeafError> {
    words
        .chunks(WORDS_PER_ELEMENT)
        .enumerate()
        .map(|(chunk, group)| pack_element(group, chunk * WORDS_PER_ELEMENT))
        .collect()
}

fn pack_element(group: &[i32], first: usize) -> Result<Fr, LeafError> {
    let mut limbs = [0u64; 4];
    for (i, &word) in group.iter().enumerate() {
        let slot = i64::from(word) + i64::from(WORD_BIAS);
        if slot < 0 || slot >> WORD_BITS != 0 {
            return Err(LeafError::Word { index: first + i, got: word });
        }
        let bit = i * WORD_BITS as usize;
        limbs[bit / 64] |= (slot as u64) << (bit % 64);
        if bit % 64 + WORD_BITS as usize > 64 {
            limbs[bit / 64 + 1] |= (slot as u64) >> (64 - bit % 64);
        }
    }
    Ok(Fr::from_bigint(ark_ff::BigInt(limbs)).unwrap_or(Fr::ZERO)) // 248 bits: always below r
}

/// Packs 64 codes as base-15 digits of one field element, low first.
///
/// # Errors
/// [`LeafError::Code`] for a code outside `-7 ..= 7`.
pub fn pack_codes(codes: &[i8; LEAF]) -> Result<Fr, LeafError> {
    let base = Fr::from(CODE_BASE);
    codes.iter().enumerate().rev().try_fold(Fr::ZERO, |sum, (index, &code)| {
        let digit = u64::try_from(i32::from(code) + CODE_MAX).unwrap_or(CODE_BASE);
        if digit >= CODE_BASE {
            return Err(LeafError::Code { index, got: code });
        }
        Ok(sum * base + Fr::from(digit))
    })
}

/// Hash of the weights half of a state leaf.
///
/// # Errors
/// [`LeafError::Word`] for a weight outside the legal range.
pub fn weights_hash(weights: &[i32; LEAF]) -> Result<Fr, LeafError> {
    Ok(poseidon::sponge(Fr::from(tag::WEIGHTS), &pack_words(weights)?))
}

/// Hash of the momenta half of a state leaf: 64 momenta, then the leaf's running gradient scale.
///
/// # Errors
/// [`LeafError::Word`] for a word outside the legal range (index 64 is the scale).
pub fn momenta_hash(momenta: &[i32; LEAF], scale: i32) -> Result<Fr, LeafError> {
    let mut elements = pack_words(momenta)?;
    elements.push(pack_element(&[scale], LEAF)?);
    Ok(poseidon::sponge(Fr::from(tag::MOMENTA), &elements))
}

/// State leaf from its two halves.
pub fn state_leaf(weights_hash: Fr, momenta_hash: Fr) -> Fr {
    poseidon::hash(Fr::from(tag::STATE), weights_hash, momenta_hash)
}

/// Update leaf: the 64 codes of one step.
///
/// # Errors
/// [`LeafError::Code`] for a code outside `-7 ..= 7`.
pub fn update_leaf(codes: &[i8; LEAF]) -> Result<Fr, LeafError> {
    Ok(poseidon::hash(Fr::from(tag::UPDATE), pack_codes(codes)?, Fr::ZERO))
}

/// Quantized leaf: 64 4-bit codes and the scales of its two blocks.
///
/// # Errors
/// [`LeafError::Code`] or [`LeafError::Scale`] for a value outside its range.
pub fn quantized_leaf(codes: &[i8; LEAF], scales: [u8; BLOCKS_PER_LEAF]) -> Result<Fr, LeafError> {
    for (index, &got) in scales.iter().enumerate() {
        if !(1..=BLOCK_SCALE_MAX).contains(&i32::from(got)) {
            return Err(LeafError::Scale { index, got });
        }
    }
    let packed = Fr::from(u64::from(scales[0]) + 32 * u64::from(scales[1]));
    Ok(poseidon::hash(Fr::from(tag::QUANTIZED), pack_codes(codes)?, packed))
}

/// Bytes that a field element holds.
const BYTES_PER_ELEMENT: usize = 31;

/// Trace leaf of 64 bytes of one row: `sponge(BYTES, elements)`, bytes as `byte + 128`, 31 an
/// element, low first.
pub fn bytes_leaf(bytes: &[i8; LEAF]) -> Fr {
    let element = |chunk: &[i8]| {
        let bytes: Vec<u8> = chunk.iter().map(|&byte| (i16::from(byte) + 128) as u8).collect();
        Fr::from_le_bytes_mod_order(&bytes) // 248 bits: always below r
    };
    let elements: Vec<Fr> = bytes.chunks(BYTES_PER_ELEMENT).map(element).collect();
    poseidon::sponge(Fr::from(tag::BYTES), &elements)
}

/// Trace leaf of 64 words of one row: `sponge(WORDS, elements)`, packed as in a state leaf.
///
/// # Errors
/// [`LeafError::Word`] for a word outside the legal range.
pub fn words_leaf(words: &[i32; LEAF]) -> Result<Fr, LeafError> {
    Ok(poseidon::sponge(Fr::from(tag::WORDS), &pack_words(words)?))
}

/// Trace leaf of a row of the batch: the losses up to it, summed, and its label.
pub fn loss_leaf(loss: Fr, label: u16) -> Fr {
    poseidon::hash(Fr::from(tag::LOSS), loss, Fr::from(label))
}

/// Height of the tree over the features of a data record, 64 a leaf: enough for the widest input.
pub const FEATURES_DEPTH: usize = 10;

/// Leaf of one record of a data set, `H(DATA_RECORD, label, H(FEATURES, tree root, width))`. The
/// tree has a [`bytes_leaf`] for every 64 features, padded with zeros, so that a row of the first
/// trace tensor has the leaves of its record. `empty` is [`merkle::empty_subtrees`] of
/// [`FEATURES_DEPTH`].
pub fn data_record(features: &[i8], label: u16, empty: &[Fr]) -> Fr {
    let root = merkle::root(feature_leaves(features), empty);
    let features_hash = poseidon::hash(Fr::from(tag::FEATURES), root, Fr::from(features.len() as u64));
    poseidon::hash(Fr::from(tag::DATA_RECORD), Fr::from(label), features_hash)
}

/// A [`bytes_leaf`] for every 64 features of a record, padded with zeros.
pub fn feature_leaves(features: &[i8]) -> Vec<Fr> {
    let leaf = |chunk: &[i8]| {
        let mut bytes = [0; LEAF];
        bytes[..chunk.len()].copy_from_slice(chunk);
        bytes_leaf(&bytes)
    };
    features.chunks(LEAF).map(leaf).collect()
}

/// Root of a data set from the tree root over its records.
pub fn data_root(tree_root: Fr, records: u32) -> Fr {
    poseidon::hash(Fr::from(tag::DATA_ROOT), tree_root, Fr::from(records))
}
