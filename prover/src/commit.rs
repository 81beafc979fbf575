//! Commit: Poseidon Merkle trees over state, updates, 4-bit model, step records and data, hashed
//! on all cores.

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use pogo_protocol::cell::input::DATA_DEPTH;
use pogo_protocol::commitment::Commitment;
use pogo_protocol::data::DataSet;
use pogo_protocol::fixed::{BLOCK, LEAF};
use pogo_protocol::leaf::{self, FEATURES_DEPTH, LeafError, tag};
use pogo_protocol::merkle::{self, Layout, ModelTooLarge, Tree};
use pogo_protocol::model::{Quantized, Spec, State};
use pogo_protocol::record::{StepRecord, steps_root};
use rayon::prelude::*;

use crate::device::{Device, ModelRoots, Roots};
use crate::error::Error;
use crate::round::Round;

/// Nodes of a level below which it is hashed by one thread.
const SMALL_LEVEL: usize = 16;

/// Placement of a model's leaves in trees of `depth`.
///
/// # Errors
/// [`ModelTooLarge`].
pub fn layout(spec: &Spec, depth: usize) -> Result<Layout, ModelTooLarge> {
    Layout::new(depth, spec.tensors().iter().map(|tensor| (tensor.rows, tensor.cols)))
}

/// A tree whose levels are hashed on all cores.
pub fn tree(depth: usize, leaves: Vec<Fr>) -> Tree {
    Tree::new(depth, leaves, |level, empty| {
        if level.len() < SMALL_LEVEL {
            return merkle::hash_pairs(level, empty);
        }
        let above = merkle::node(empty, empty);
        level.par_chunks(2).map(|pair| merkle::parent(pair, empty, above)).collect()
    })
}

/// Tree over the state leaves.
///
/// # Errors
/// [`LeafError`] for a word outside its range, which no training step leaves behind.
pub fn state_tree(layout: &Layout, state: &State) -> Result<Tree, LeafError> {
    model_tree(layout, |leaf| {
        let place = layout.place(leaf);
        let weights = leaf_of(&state.weights[place.tensor], place.index_in_tensor);
        Ok(leaf::state_leaf(leaf::weights_hash(weights)?, momenta_hash(layout, state, leaf)?))
    })
}

/// Hash of the momenta half of a leaf of `state`.
///
/// # Errors
/// [`LeafError`] for a word outside its range.
pub fn momenta_hash(layout: &Layout, state: &State, leaf: usize) -> Result<Fr, LeafError> {
    let place = layout.place(leaf);
    let momenta = leaf_of(&state.momenta[place.tensor], place.index_in_tensor);
    leaf::momenta_hash(momenta, state.scales[place.tensor][place.index_in_tensor])
}

/// Tree over the codes of one step.
///
/// # Errors
/// [`LeafError`] for a code outside its range.
pub fn update_tree(layout: &Layout, codes: &[Vec<i8>]) -> Result<Tree, LeafError> {
    model_tree(layout, |leaf| {
        let place = layout.place(leaf);
        leaf::update_leaf(leaf_of(&codes[place.tensor], place.index_in_tensor))
    })
}

/// Tree over the 4-bit model.
///
/// # Errors
/// [`LeafError`] for a code or scale outside its range.
pub fn quantized_tree(layout: &Layout, model: &Quantized) -> Result<Tree, LeafError> {
    model_tree(layout, |leaf| {
        let place = layout.place(leaf);
        let codes = leaf_of(&model.codes[place.tensor], place.index_in_tensor);
        leaf::quantized_leaf(codes, scales_of(model, place.tensor, place.index_in_tensor))
    })
}

/// Root of the 4-bit model.
///
/// # Errors
/// [`LeafError`] for a code or scale outside its range.
pub fn quantized_root(layout: &Layout, model: &Quantized) -> Result<Fr, LeafError> {
    Ok(layout.root(tag::QUANTIZED_ROOT, quantized_tree(layout, model)?.root()))
}

/// Both block scales of a leaf of the 4-bit model.
pub fn scales_of(model: &Quantized, tensor: usize, index: usize) -> [u8; LEAF / BLOCK] {
    let blocks = LEAF / BLOCK;
    std::array::from_fn(|block| model.scales[tensor][index * blocks + block])
}

/// The 64 values of leaf `index` of a tensor in padded rows.
pub fn leaf_of<T>(tensor: &[T], index: usize) -> &[T; LEAF] {
    tensor[index * LEAF..(index + 1) * LEAF].try_into().expect("a slice of 64")
}

/// Roots of a state and of the codes that led to it.
///
/// # Errors
/// [`LeafError`], which no training step leaves behind.
pub fn step_roots(layout: &Layout, state: &State, codes: &[Vec<i8>]) -> Result<Roots, LeafError> {
    Ok(Roots {
        state: layout.root(tag::STATE_ROOT, state_tree(layout, state)?.root()),
        update: layout.root(tag::UPDATE_ROOT, update_tree(layout, codes)?.root()),
    })
}

fn model_tree(layout: &Layout, hash: impl Fn(usize) -> Result<Fr, LeafError> + Send + Sync) -> Result<Tree, LeafError> {
    let hashes: Vec<Fr> = (0..layout.leaf_count()).into_par_iter().map(hash).collect::<Result<_, _>>()?;
    let mut positions = vec![Fr::ZERO; layout.position_count()];
    hashes.into_iter().enumerate().for_each(|(leaf, hash)| positions[layout.place(leaf).position] = hash);
    Ok(tree(layout.depth(), positions))
}

/// Tree over the records of a data set.
pub fn data_tree(data: &DataSet) -> Tree {
    let empty = merkle::empty_subtrees(FEATURES_DEPTH);
    let leaf = |index| leaf::data_record(data.record(index), data.labels[index], &empty);
    tree(DATA_DEPTH, (0..data.len()).into_par_iter().map(leaf).collect())
}

/// Root of a data set.
pub fn data_root(data: &DataSet) -> Fr {
    leaf::data_root(data_tree(data).root(), data.len() as u32)
}

/// Tree over the step records; of a bare record it has the empty leaf.
pub fn records_tree(depth: usize, records: &[StepRecord]) -> Tree {
    let leaf = |record: &StepRecord| if record.is_bare() { Fr::ZERO } else { record.hash() };
    tree(depth, records.par_iter().map(leaf).collect())
}

/// The commitment of a round from its records and its final state, hashed on `device`.
///
/// # Errors
/// [`Error::Gpu`], or [`Error::Leaf`], which no training step leaves behind.
pub fn commit(round: &Round, records: &[StepRecord], state: &State, device: &Device) -> Result<Commitment, Error> {
    let mut trainer = device.trainer(round, 0)?;
    trainer.load(state)?;
    Ok(commitment(round, records, &trainer.model_roots()?))
}

/// The commitment of a round from its records and the roots of its final state.
pub fn commitment(round: &Round, records: &[StepRecord], roots: &ModelRoots) -> Commitment {
    let Round { spec, shape, .. } = round;
    let (start, last) = (records[0].head(), &records[records.len() - 1]);
    Commitment {
        parent_root: start.state,
        parent_exponents: start.exponents,
        steps_root: steps_root(records_tree(shape.steps_depth, records).root(), records.len() as u32),
        state_root: roots.state,
        exponents: last.next_exponents.clone().expect("a step asks for exponents"),
        quantized_root: roots.quantized,
        data_root: pogo_protocol::codec::scalar(&spec.data_root).unwrap_or(Fr::ZERO),
        spec_hash: spec.hash(),
        steps: records.len() as u32 - 1,
        quantized_exponents: roots.quantized_exponents.iter().map(|&exponent| exponent as u8).collect(),
    }
}
