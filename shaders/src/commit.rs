//! The commitments of a state as a list of dispatches: leaves, then the levels above those of each
//! shard, up to the height at which its nodes are whole: no leaf of another shard is below them. What did
//! not change since the last commitment is not hashed again. The few nodes at the top are left to the
//! host, which hashes them faster than a device that runs one thread, see
//! [`pogo_protocol::merkle::root_of_nodes`].

use std::ops::Range;

use pogo_protocol::merkle::{Layout, Nodes, empty_subtrees};

use crate::evaluate::Evaluating;
use crate::field::{self, WORDS, to_words};
use crate::kernels::commit::{
    KEEP_NODES, MOMENTA_HASH, QUANTIZED_LEAVES, STATE_LEAVES, UPDATE_LEAVES, WEIGHTS_HASH, collect_dispatch,
    leaves_dispatches, levels, tree_dispatches,
};
use crate::kernels::leaf::{CODE_WORDS, MOMENTA_CHANGED, WEIGHTS_CHANGED};
use crate::plan::{BufferId, Buffers, Dispatch, TooLarge, parameters, spread};
use crate::step::{Shard, Training};

/// Most nodes at the top of a shard that are left to the host, where it is whole that far up.
const TOP: usize = 32;

/// Which tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Weights, momenta and scales.
    State,
    /// Codes of a step, or of the 4-bit model.
    Codes,
}

/// Where a shard sits in the tree, and its buffers.
#[derive(Clone, Debug)]
struct Subtree {
    /// First position in the tree.
    first: usize,
    /// Levels that the device hashes: up to [`whole_height`], or to one of at most [`TOP`] nodes.
    levels: Vec<Range<usize>>,
    weights_hashes: BufferId,
    momenta_hashes: BufferId,
    /// Leaves whose weights changed, whose momenta changed, where either did.
    lists: [BufferId; 3],
    /// Nodes of the state, which are kept, and of codes, which are not.
    state_nodes: BufferId,
    code_nodes: BufferId,
    /// Nodes of the state whose parents must be hashed.
    fresh: BufferId,
}

/// Buffers and dispatches of the commitments.
#[derive(Clone, Debug)]
pub struct Committing {
    /// Constants of the permutation, [`field::poseidon`].
    pub poseidon: BufferId,
    /// Roots of empty subtrees, [`Committing::pack_empty`].
    pub empty: BufferId,
    /// The first word becomes 1 when a value has no place in a leaf.
    pub flags: BufferId,
    /// Nodes left to the host: of each slot [`Committing::tops_words`].
    pub tops: BufferId,
    depth: usize,
    subtrees: Vec<Subtree>,
}

impl Committing {
    /// Adds the buffers of the commitments of `training` to `buffers`.
    ///
    /// # Errors
    /// [`TooLarge`] naming what does not fit.
    pub fn new(
        buffers: &mut Buffers,
        layout: &Layout,
        training: &Training,
        binding_max: usize,
    ) -> Result<Self, TooLarge> {
        let subtree = |shard: &Shard| subtree(buffers, layout, shard, binding_max);
        let subtrees: Vec<Subtree> = training.shards.iter().map(subtree).collect::<Result<_, _>>()?;
        let tops: usize = subtrees.iter().map(|subtree| 2 * subtree.top().len() * WORDS).sum();
        Ok(Self {
            poseidon: buffers.add_uniform("constants of Poseidon", field::poseidon().len()),
            empty: buffers.add_within("empty subtrees", (layout.depth() + 1) * WORDS, binding_max)?,
            flags: buffers.add("flags", 1),
            tops: buffers.add_within("nodes for the host", training.slots * tops, binding_max)?,
            depth: layout.depth(),
            subtrees,
        })
    }

    /// The dispatches that hash the state and the codes of the step in `slot`.
    pub fn step(&self, training: &Training, slot: usize) -> Vec<Dispatch> {
        let mut list = Vec::new();
        let both = || training.shards.iter().zip(&self.subtrees);
        both().for_each(|(shard, subtree)| list.extend(collect(shard, subtree)));
        both().for_each(|(shard, subtree)| list.extend(self.state_leaves(shard, subtree)));
        for (shard, subtree) in both() {
            let codes = slot * shard.leaves() * CODE_WORDS;
            let buffers = [self.poseidon, shard.codes, subtree.code_nodes, self.flags];
            list.extend(leaves_dispatches(&UPDATE_LEAVES, shard.leaves(), 1, &[codes as u32], &buffers));
        }
        list.extend(self.trees(&[Kind::State, Kind::Codes], slot));
        list
    }

    /// The dispatches that hash the 4-bit model into slot 0, after [`Evaluating::quantize`].
    pub fn quantized(&self, training: &Training, evaluating: &Evaluating) -> Vec<Dispatch> {
        let both = training.shards.iter().zip(&evaluating.shards).zip(&self.subtrees);
        let leaves = both.flat_map(|((shard, quantized), subtree)| {
            let buffers = [self.poseidon, quantized.codes, quantized.scales, subtree.code_nodes, self.flags];
            leaves_dispatches(&QUANTIZED_LEAVES, shard.leaves(), 1, &[0], &buffers)
        });
        leaves.chain(self.trees(&[Kind::Codes], 0)).collect()
    }

    /// Roots of empty subtrees as `empty` holds them.
    pub fn pack_empty(&self) -> Vec<u32> {
        empty_subtrees(self.depth).into_iter().flat_map(to_words).collect()
    }

    /// Words of `tops` for each slot.
    pub fn tops_words(&self) -> usize {
        self.subtrees.iter().map(|subtree| 2 * subtree.top().len() * WORDS).sum()
    }

    /// The nodes of one tree from the words of a slot of `tops`; none when one of them is no element.
    pub fn unpack_tops(&self, kind: Kind, words: &[u32]) -> Option<Vec<Nodes>> {
        let node = |words: &[u32]| field::from_words(words.first_chunk()?);
        let nodes = self.subtrees.iter().enumerate().map(|(i, subtree)| {
            let height = subtree.levels.len() - 1;
            let at = self.top_at(i, kind);
            let words = &words[at..at + subtree.top().len() * WORDS];
            let hashes = words.chunks(WORDS).map(node).collect::<Option<_>>()?;
            Some(Nodes { height, first: subtree.first >> height, hashes })
        });
        nodes.collect()
    }

    fn state_leaves(&self, shard: &Shard, subtree: &Subtree) -> Vec<Dispatch> {
        let leaves = shard.leaves();
        let Subtree { weights_hashes, momenta_hashes, state_nodes, fresh, .. } = *subtree;
        let [weights_list, momenta_list, list] = subtree.lists;
        let (poseidon, flags) = (self.poseidon, self.flags);
        let weights = [poseidon, shard.weights, weights_list, weights_hashes, flags];
        let momenta = [poseidon, shard.momenta, shard.scales, momenta_list, momenta_hashes, flags];
        let state = [poseidon, list, weights_hashes, momenta_hashes, state_nodes, fresh];
        [
            leaves_dispatches(&WEIGHTS_HASH, leaves, 4, &[], &weights),
            leaves_dispatches(&MOMENTA_HASH, leaves, 5, &[], &momenta),
            leaves_dispatches(&STATE_LEAVES, leaves, 1, &[], &state),
        ]
        .concat()
    }

    /// Levels of the trees, and their tops to the slot.
    fn trees(&self, kinds: &[Kind], slot: usize) -> Vec<Dispatch> {
        let mut list = Vec::new();
        for (i, subtree) in self.subtrees.iter().enumerate() {
            for &kind in kinds {
                let (nodes, all) = match kind {
                    Kind::State => (subtree.state_nodes, false),
                    Kind::Codes => (subtree.code_nodes, true),
                };
                list.extend(tree_dispatches(&subtree.levels, all, [self.poseidon, self.empty, nodes, subtree.fresh]));
                let to = slot * self.tops_words() + self.top_at(i, kind);
                list.push(keep(subtree.top(), to, nodes, self.tops));
            }
        }
        list
    }

    /// First word of a top in its slot.
    fn top_at(&self, i: usize, kind: Kind) -> usize {
        let before: usize = self.subtrees[..i].iter().map(|subtree| 2 * subtree.top().len() * WORDS).sum();
        match kind {
            Kind::State => before,
            Kind::Codes => before + self.subtrees[i].top().len() * WORDS,
        }
    }
}

impl Subtree {
    fn top(&self) -> Range<usize> {
        self.levels[self.levels.len() - 1].clone()
    }
}

/// Largest height at which the nodes over the leaves of a shard have no leaf of another one below them;
/// the first leaf stands at position `first`. Both that and, but for the `last` shard of a tensor, the
/// position after the shard are multiples of the leaves below such a node.
pub fn whole_height(first: usize, leaves: usize, last: bool) -> usize {
    let all = leaves.next_power_of_two();
    let end = if last { all } else { first + leaves };
    (first | end | all).trailing_zeros() as usize
}

fn subtree(buffers: &mut Buffers, layout: &Layout, shard: &Shard, binding_max: usize) -> Result<Subtree, TooLarge> {
    let (of_tensor, leaves) = (layout.leaves_of(shard.tensor), shard.leaves());
    let first_leaf = of_tensor.start + shard.first_leaf();
    let first = layout.place(first_leaf).position;
    let height = whole_height(first, leaves, first_leaf + leaves == of_tensor.end);
    let mut levels = levels(leaves, height);
    let hashed = levels.iter().position(|level| level.len() <= TOP).unwrap_or(height);
    levels.truncate(hashed + 1);
    let nodes = levels[hashed].end;
    let mut add = |what: &str, words: usize| {
        let name = format!("{what} of tensor {}, rows {:?}", shard.tensor, shard.rows);
        buffers.add_within(name, words, binding_max)
    };
    Ok(Subtree {
        first,
        levels,
        weights_hashes: add("hashes of the weights", leaves * WORDS)?,
        momenta_hashes: add("hashes of the momenta", leaves * WORDS)?,
        lists: [
            add("leaves with changed weights", 1 + leaves)?,
            add("leaves with changed momenta", 1 + leaves)?,
            add("changed leaves", 1 + leaves)?,
        ],
        state_nodes: add("nodes of the state", nodes * WORDS)?,
        code_nodes: add("nodes of the codes", nodes * WORDS)?,
        fresh: add("fresh nodes", nodes)?,
    })
}

/// The lists of a shard, and no change marked any more.
fn collect(shard: &Shard, subtree: &Subtree) -> [Dispatch; 3] {
    let both = WEIGHTS_CHANGED | MOMENTA_CHANGED;
    let collect = |mask, clear, list| collect_dispatch(shard.leaves(), mask, clear, vec![shard.changed, list]);
    let [weights, momenta, either] = subtree.lists;
    [collect(WEIGHTS_CHANGED, 0, weights), collect(MOMENTA_CHANGED, 0, momenta), collect(both, both, either)]
}

fn keep(nodes: Range<usize>, to: usize, from: BufferId, tops: BufferId) -> Dispatch {
    let words = [nodes.start * WORDS, to, nodes.len() * WORDS];
    Dispatch {
        kernel: &KEEP_NODES,
        parameters: parameters(&words.map(|word| word as u32)),
        buffers: vec![from, tops],
        workgroups: spread((nodes.len() * WORDS).div_ceil(64)),
        work: 64,
    }
}
