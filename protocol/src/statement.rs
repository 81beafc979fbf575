//! The statement: the public claim of one proof, its words and its field vector.
//!
//! The words are those of Solidity's `abi.encode(Statement)`; the digest is their keccak256. The
//! circuit's public inputs are the digest in two 128-bit limbs, the roots, and the samples packed
//! several to a field element:
//!
//! ```text
//! update sample   = padding | learning_rate << 7 | step << 38 | position << 58      (82 bits, 3 an element)
//! quantize sample = padding | half_step << 7 | position << 38                       (62 bits, 4 an element)
//! element = sum sample_i << (bits * i)
//! ```
//!
//! `padding` is 64 less the leaf's real weights, `half_step` is `2^(st - 1)` of its tensor.

use alloc::vec::Vec;

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, BigInt, PrimeField};

use crate::challenge::{Challenge, UpdateSample};
use crate::codec::{CodecError, Reader, Writer, scalar_bytes};
use crate::commitment::Commitment;
use crate::fixed::LEAF;
use crate::merkle::Layout;
use crate::model::Spec;
use crate::stream::keccak;

/// Domain of the statement digest.
pub const DOMAIN: &[u8] = b"pogo/statement/v1";
/// Samples of each kind that one proof carries.
pub const SAMPLES_PER_PROOF: usize = 8;
/// Elements of packed update samples.
pub const UPDATE_ELEMENTS: usize = SAMPLES_PER_PROOF.div_ceil(UPDATES_PER_ELEMENT);
/// Elements of packed quantize samples.
pub const QUANTIZE_ELEMENTS: usize = SAMPLES_PER_PROOF.div_ceil(QUANTIZES_PER_ELEMENT);
/// Public inputs of a round circuit.
pub const INSTANCES: usize = 8 + UPDATE_ELEMENTS + QUANTIZE_ELEMENTS;
/// 32-byte words of the ABI encoding.
pub const WORDS: usize = 14 + 6 + UPDATE_ELEMENTS + QUANTIZE_ELEMENTS;

/// Bits of the padding count in a packed sample.
pub const PADDING_BITS: u32 = 7;
/// Bits of the learning rate, and of the half step, in a packed sample.
pub const WORD_FIELD_BITS: u32 = 31;
/// Bits of the step in a packed sample.
pub const STEP_BITS: u32 = 20;
/// Bits of the position in a packed sample.
pub const POSITION_BITS: u32 = 24;
/// Update samples in one element.
pub const UPDATES_PER_ELEMENT: usize = 3;
/// Quantize samples in one element.
pub const QUANTIZES_PER_ELEMENT: usize = 4;

/// Where and by whom the round is run; what a proof must not be moved out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// EVM chain id.
    pub chain_id: u64,
    /// Settlement contract.
    pub contract: [u8; 20],
    /// Hash of the task's name.
    pub task: [u8; 32],
    /// Round of the task, from 0.
    pub round: u64,
    /// Address of the miner.
    pub miner: [u8; 20],
}

/// The public claim of one proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Id of the circuit: digest of its description, which names constraints, key and SRS.
    pub circuit: [u8; 32],
    /// Id of the SRS.
    pub srs: [u8; 32],
    /// Where and by whom.
    pub context: Context,
    /// Hash of the commitment.
    pub commitment: [u8; 32],
    /// Hash of the spec.
    pub spec: [u8; 32],
    /// Root of the training data.
    pub data_root: Fr,
    /// The beacon the samples were drawn from.
    pub beacon: [u8; 32],
    /// Number of this proof among those of the round.
    pub part: u32,
    /// Number of proofs of the round.
    pub parts: u32,
    /// Root of the state the round started from.
    pub parent_root: Fr,
    /// Root over the step records.
    pub steps_root: Fr,
    /// Root of the final state.
    pub state_root: Fr,
    /// Root of the 4-bit model.
    pub quantized_root: Fr,
    /// Layout element of the model.
    pub layout: Fr,
    /// Number of step records.
    pub record_count: u32,
    /// Packed update samples.
    pub updates: [Fr; UPDATE_ELEMENTS],
    /// Packed quantize samples.
    pub quantizes: [Fr; QUANTIZE_ELEMENTS],
}

/// Samples of one proof, filled up to its capacity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// [`SAMPLES_PER_PROOF`] (step, leaf) pairs.
    pub updates: Vec<UpdateSample>,
    /// [`SAMPLES_PER_PROOF`] leaves.
    pub quantizes: Vec<usize>,
}

/// Samples that are drawn when at least `samples` are asked for: whole proofs, as a fuller one
/// costs nothing more.
pub fn samples_drawn(samples: usize) -> usize {
    samples.max(1).next_multiple_of(SAMPLES_PER_PROOF)
}

/// Splits a challenge into proofs. Where a kind has fewer cells than slots, its cells repeat from
/// the first.
pub fn parts(challenge: &Challenge) -> Vec<Part> {
    let most = challenge.updates.len().max(challenge.quantizes.len());
    (0..most.div_ceil(SAMPLES_PER_PROOF))
        .map(|part| {
            let slots = part * SAMPLES_PER_PROOF..(part + 1) * SAMPLES_PER_PROOF;
            Part {
                updates: slots.clone().map(|slot| challenge.updates[slot % challenge.updates.len()]).collect(),
                quantizes: slots.map(|slot| challenge.quantizes[slot % challenge.quantizes.len()]).collect(),
            }
        })
        .collect()
}

/// A round as everybody who holds its published files can recompute it.
#[derive(Clone, Debug)]
pub struct PublicRound<'a> {
    /// What the task fixes.
    pub spec: &'a Spec,
    /// Placement of the leaves.
    pub layout: &'a Layout,
    /// What the miner committed to.
    pub commitment: &'a Commitment,
    /// Where and by whom.
    pub context: Context,
    /// Public randomness of the round.
    pub beacon: [u8; 32],
    /// Id of the circuit.
    pub circuit: [u8; 32],
    /// Id of the SRS.
    pub srs: [u8; 32],
}

impl PublicRound<'_> {
    /// The samples of each proof of the round when at least `samples` of each kind are asked for.
    pub fn parts(&self, samples: usize) -> Vec<Part> {
        let hash = self.commitment.hash();
        let drawn = samples_drawn(samples);
        parts(&crate::challenge::draw(self.beacon, hash, self.commitment.steps, self.layout.leaf_count(), drawn))
    }

    /// The statements of all proofs of the round, a pure function of what is public.
    pub fn statements(&self, samples: usize) -> Vec<Statement> {
        let parts = self.parts(samples);
        let count = parts.len() as u32;
        parts.iter().zip(0..).map(|(part, number)| self.statement(part, number, count)).collect()
    }

    pub(crate) fn statement(&self, part: &Part, number: u32, parts: u32) -> Statement {
        let updates: Vec<u128> = part.updates.iter().map(|&sample| self.pack_update(sample)).collect();
        let quantizes: Vec<u128> = part.quantizes.iter().map(|&leaf| self.pack_quantize(leaf)).collect();
        let commitment = self.commitment;
        Statement {
            circuit: self.circuit,
            srs: self.srs,
            context: self.context,
            commitment: commitment.hash(),
            spec: commitment.spec_hash,
            data_root: commitment.data_root,
            beacon: self.beacon,
            part: number,
            parts,
            parent_root: commitment.parent_root,
            steps_root: commitment.steps_root,
            state_root: commitment.state_root,
            quantized_root: commitment.quantized_root,
            layout: self.layout.element(),
            record_count: commitment.steps + 1,
            updates: pack(&updates, UPDATES_PER_ELEMENT, update_bits()),
            quantizes: pack(&quantizes, QUANTIZES_PER_ELEMENT, quantize_bits()),
        }
    }

    fn pack_update(&self, sample: UpdateSample) -> u128 {
        let place = self.layout.place(sample.leaf);
        let learning_rate = self.spec.learning_rate(sample.step);
        (LEAF - place.valid) as u128
            | u128::from(learning_rate) << PADDING_BITS
            | u128::from(sample.step) << (PADDING_BITS + WORD_FIELD_BITS)
            | (place.position as u128) << (PADDING_BITS + WORD_FIELD_BITS + STEP_BITS)
    }

    fn pack_quantize(&self, leaf: usize) -> u128 {
        let place = self.layout.place(leaf);
        let exponent = self.commitment.quantized_exponents.get(place.tensor).copied().unwrap_or(0);
        (LEAF - place.valid) as u128
            | half_step(exponent) << PADDING_BITS
            | (place.position as u128) << (PADDING_BITS + WORD_FIELD_BITS)
    }
}

/// Bits of a packed update sample.
pub const fn update_bits() -> u32 {
    PADDING_BITS + WORD_FIELD_BITS + STEP_BITS + POSITION_BITS
}

/// Bits of a packed quantize sample.
pub const fn quantize_bits() -> u32 {
    PADDING_BITS + WORD_FIELD_BITS + POSITION_BITS
}

/// `2^(st - 1)` for `st` in `1 ..= 24`; 0, which no proof satisfies, for another.
fn half_step(exponent: u8) -> u128 {
    if (1..=24).contains(&exponent) { 1 << (exponent - 1) } else { 0 }
}

fn pack<const N: usize>(samples: &[u128], per_element: usize, bits: u32) -> [Fr; N] {
    let radix = Fr::from(BigInt([1, 0, 0, 0]) << bits);
    let mut elements = [Fr::ZERO; N];
    for (element, group) in elements.iter_mut().zip(samples.chunks(per_element)) {
        *element = group.iter().rev().fold(Fr::ZERO, |sum, &sample| sum * radix + Fr::from(sample));
    }
    elements
}

impl Statement {
    const MAGIC: &'static [u8; 8] = b"pogo/stm";

    /// The words of `abi.encode(Statement)`, in the order of the Solidity struct.
    pub fn words(&self) -> Vec<[u8; 32]> {
        let mut words = Vec::with_capacity(WORDS);
        words.extend([keccak(&[DOMAIN]), self.circuit, self.srs]);
        words.extend([word(&self.context.chain_id.to_be_bytes()), word(&self.context.contract), self.context.task]);
        words.extend([word(&self.context.round.to_be_bytes()), word(&self.context.miner)]);
        words.extend([self.commitment, self.spec, scalar_bytes(&self.data_root), self.beacon]);
        words.extend([word(&self.part.to_be_bytes()), word(&self.parts.to_be_bytes())]);
        words.extend(self.inputs().iter().map(scalar_bytes));
        words
    }

    /// `keccak256(abi.encode(statement))`.
    pub fn digest(&self) -> [u8; 32] {
        keccak(&self.words().iter().map(<[u8; 32]>::as_slice).collect::<Vec<_>>())
    }

    /// The circuit's public inputs: digest limbs (high, low), roots, counts, packed samples.
    pub fn instances(&self) -> Vec<Fr> {
        let digest = self.digest();
        let limb = |half: &[u8]| Fr::from_be_bytes_mod_order(half);
        let mut instances = Vec::with_capacity(INSTANCES);
        instances.extend([limb(&digest[..16]), limb(&digest[16..])]);
        instances.extend(self.inputs());
        instances
    }

    fn inputs(&self) -> Vec<Fr> {
        let head = [self.parent_root, self.steps_root, self.state_root, self.quantized_root, self.layout];
        let mut inputs = head.to_vec();
        inputs.push(Fr::from(self.record_count));
        inputs.extend(self.updates);
        inputs.extend(self.quantizes);
        inputs
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.words()[1..].iter().fold(Writer::new(Self::MAGIC), |writer, word| writer.bytes(word)).finish()
    }

    /// Reads what [`Statement::encode`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`CodecError`] naming the field.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes, Self::MAGIC, "statement")?;
        let statement = Self {
            circuit: reader.array("circuit")?,
            srs: reader.array("srs")?,
            context: Context {
                chain_id: number(&mut reader, "chain id")?,
                contract: low(reader.array("contract")?, "contract")?,
                task: reader.array("task")?,
                round: number(&mut reader, "round")?,
                miner: low(reader.array("miner")?, "miner")?,
            },
            commitment: reader.array("commitment")?,
            spec: reader.array("spec")?,
            data_root: reader.scalar("data root")?,
            beacon: reader.array("beacon")?,
            part: small(&mut reader, "part")?,
            parts: small(&mut reader, "parts")?,
            parent_root: reader.scalar("parent root")?,
            steps_root: reader.scalar("steps root")?,
            state_root: reader.scalar("state root")?,
            quantized_root: reader.scalar("quantized root")?,
            layout: reader.scalar("layout")?,
            record_count: small(&mut reader, "record count")?,
            updates: scalars(&mut reader, "updates")?,
            quantizes: scalars(&mut reader, "quantizes")?,
        };
        reader.finish()?;
        Ok(statement)
    }
}

/// A number or an address as a word: zeros before it.
pub(crate) fn word(bytes: &[u8]) -> [u8; 32] {
    let mut word = [0; 32];
    word[32 - bytes.len()..].copy_from_slice(bytes);
    word
}

fn low<const N: usize>(word: [u8; 32], field: &'static str) -> Result<[u8; N], CodecError> {
    let (zeros, value) = word.split_at(32 - N);
    if zeros.iter().any(|&byte| byte != 0) {
        return Err(CodecError::Value { field });
    }
    let mut array = [0; N];
    array.copy_from_slice(value);
    Ok(array)
}

fn number(reader: &mut Reader<'_>, field: &'static str) -> Result<u64, CodecError> {
    low(reader.array(field)?, field).map(u64::from_be_bytes)
}

fn small(reader: &mut Reader<'_>, field: &'static str) -> Result<u32, CodecError> {
    low(reader.array(field)?, field).map(u32::from_be_bytes)
}

fn scalars<const N: usize>(reader: &mut Reader<'_>, field: &'static str) -> Result<[Fr; N], CodecError> {
    let mut elements = [Fr::ZERO; N];
    for element in &mut elements {
        *element = reader.scalar(field)?;
    }
    Ok(elements)
}
