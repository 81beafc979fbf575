//! The commitments: Poseidon leaves of state, updates and 4-bit model, and the trees above them.
//!
//! A field element is eight words, see [`crate::field`]. A buffer of nodes holds the levels above one
//! run of leaves one after the other, [`levels`]; a node is fresh, one word a node, from the moment it
//! is hashed until its parent is. Lists of leaves begin with their length. The first word of `flags`
//! becomes 1 when a value has no place in a leaf, and the hash of that leaf then means nothing.

use std::iter::successors;
use std::ops::Range;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use pogo_protocol::fixed::LEAF;
use pogo_protocol::leaf::{self, LeafError};
use pogo_protocol::merkle;

use super::leaf::CODE_WORDS;
use crate::field::{WORDS, from_words, to_words};
use crate::kernel::{Access, Kernel, PARAMETERS};
use crate::plan::{BufferId, Dispatch, parameters, spread};

/// Hash of the weights half of listed leaves; parameters `first, end` in the list; bindings: poseidon, weights,
/// list, hashes, flags.
pub static WEIGHTS_HASH: Kernel = Kernel {
    name: "weights_hash",
    sources: &[FIELD, POSEIDON, PACK_WORDS, include_str!("../../wgsl/weights_hash.wgsl")],
    bindings: &[Access::Uniform, Access::Read, Access::Read, Access::Write, Access::Write],
    twin: weights_hash,
};

/// Hash of the momenta half of listed leaves; parameters `first, end` in the list; bindings: poseidon, momenta,
/// scales, list, hashes, flags.
pub static MOMENTA_HASH: Kernel = Kernel {
    name: "momenta_hash",
    sources: &[FIELD, POSEIDON, PACK_WORDS, include_str!("../../wgsl/momenta_hash.wgsl")],
    bindings: &[Access::Uniform, Access::Read, Access::Read, Access::Read, Access::Write, Access::Write],
    twin: momenta_hash,
};

/// State leaves of listed leaves, which become fresh; parameters `first, end` in the list; bindings:
/// poseidon, list, weights hashes, momenta hashes, nodes, fresh.
pub static STATE_LEAVES: Kernel = Kernel {
    name: "state_leaves",
    sources: &[FIELD, POSEIDON, include_str!("../../wgsl/state_leaves.wgsl")],
    bindings: &[Access::Uniform, Access::Read, Access::Read, Access::Read, Access::Write, Access::Write],
    twin: state_leaves,
};

/// Leaves of the codes of a step; parameters `first, end, codes`; bindings: poseidon, codes, nodes, flags.
pub static UPDATE_LEAVES: Kernel = Kernel {
    name: "update_leaves",
    sources: &[FIELD, POSEIDON, PACK_CODES, include_str!("../../wgsl/update_leaves.wgsl")],
    bindings: &[Access::Uniform, Access::Read, Access::Write, Access::Write],
    twin: update_leaves,
};

/// Leaves of the 4-bit model; parameters `first, end, codes`; bindings: poseidon, codes, scales, nodes,
/// flags.
pub static QUANTIZED_LEAVES: Kernel = Kernel {
    name: "quantized_leaves",
    sources: &[FIELD, POSEIDON, PACK_CODES, include_str!("../../wgsl/quantized_leaves.wgsl")],
    bindings: &[Access::Uniform, Access::Read, Access::Read, Access::Write, Access::Write],
    twin: quantized_leaves,
};

/// Parents of one level, of the fresh nodes and those never hashed, or all; parameters `children,
/// count, parents, height, all`; bindings: poseidon, empty subtrees, nodes, fresh (untouched with `all`).
pub static TREE_LEVEL: Kernel = Kernel {
    name: "tree_level",
    sources: &[FIELD, POSEIDON, include_str!("../../wgsl/tree_level.wgsl")],
    bindings: &[Access::Uniform, Access::Read, Access::Write, Access::Write],
    twin: tree_level,
};

/// Lists the leaves with a bit of `mask` and clears the bits of `clear`; one workgroup; parameters
/// `leaves, mask, clear`; bindings: changed, list.
pub static COLLECT_CHANGED: Kernel = Kernel {
    name: "collect_changed",
    sources: &[include_str!("../../wgsl/collect_changed.wgsl")],
    bindings: &[Access::Write, Access::Write],
    twin: collect_changed,
};

/// Copies words; parameters `from, to, count`; bindings: nodes, kept.
pub static KEEP_NODES: Kernel = Kernel {
    name: "keep_nodes",
    sources: &[include_str!("../../wgsl/keep_nodes.wgsl")],
    bindings: &[Access::Read, Access::Write],
    twin: keep_nodes,
};

/// Kernels of this file.
pub static KERNELS: [&Kernel; 8] = [
    &WEIGHTS_HASH,
    &MOMENTA_HASH,
    &STATE_LEAVES,
    &UPDATE_LEAVES,
    &QUANTIZED_LEAVES,
    &TREE_LEVEL,
    &COLLECT_CHANGED,
    &KEEP_NODES,
];

/// Most leaves that a dispatch hashes, so that none keeps a slow device long: about as many threads
/// as an H100 runs at once.
pub const LEAVES: usize = 1 << 15;
/// 32-bit operations of a permutation, roughly.
const PERMUTATION: u64 = 380_000;

const FIELD: &str = include_str!("../../wgsl/field.wgsl");
const POSEIDON: &str = include_str!("../../wgsl/poseidon.wgsl");
const PACK_WORDS: &str = include_str!("../../wgsl/pack_words.wgsl");
const PACK_CODES: &str = include_str!("../../wgsl/pack_codes.wgsl");

/// Nodes of each level, from the leaves to those of `height`, over so many leaves.
pub fn levels(leaves: usize, height: usize) -> Vec<Range<usize>> {
    let above = |level: &Range<usize>| Some(level.end..level.end + level.len().div_ceil(2));
    successors(Some(0..leaves), above).take(height + 1).collect()
}

/// Dispatches of one leaf a thread over `leaves`, each leaf with so many permutations; at most
/// [`LEAVES`] a dispatch.
pub fn leaves_dispatches(
    kernel: &'static Kernel,
    leaves: usize,
    permutations: u64,
    more: &[u32],
    buffers: &[BufferId],
) -> Vec<Dispatch> {
    let dispatch = |first: usize| {
        let end = leaves.min(first + LEAVES);
        let values = [&[first as u32, end as u32][..], more].concat();
        Dispatch {
            kernel,
            parameters: parameters(&values),
            buffers: buffers.to_vec(),
            workgroups: spread((end - first).div_ceil(64)),
            work: (end - first) as u64 * permutations * PERMUTATION,
        }
    };
    (0..leaves).step_by(LEAVES).map(dispatch).collect()
}

/// The dispatches from the first level to the last, of what is fresh or of everything. Buffers as
/// [`TREE_LEVEL`] binds them.
pub fn tree_dispatches(levels: &[Range<usize>], all: bool, buffers: [BufferId; 4]) -> Vec<Dispatch> {
    let pairs = levels.windows(2).enumerate();
    pairs
        .map(|(height, pair)| {
            let sizes = [pair[0].start, pair[0].len(), pair[1].start, height].map(|size| size as u32);
            let parameters = parameters(&[&sizes[..], &[all.into()]].concat());
            let (parents, buffers) = (pair[1].len(), buffers.to_vec());
            let work = parents as u64 * PERMUTATION;
            Dispatch { kernel: &TREE_LEVEL, parameters, buffers, workgroups: spread(parents.div_ceil(64)), work }
        })
        .collect()
}

/// The dispatch of [`COLLECT_CHANGED`].
pub fn collect_dispatch(leaves: usize, mask: u32, clear: u32, buffers: Vec<BufferId>) -> Dispatch {
    let parameters = parameters(&[leaves as u32, mask, clear]);
    Dispatch { kernel: &COLLECT_CHANGED, parameters, buffers, workgroups: [1, 1, 1], work: 8 * leaves as u64 }
}

fn weights_hash(p: &[u32; PARAMETERS], buffers: &mut [&mut [u32]]) {
    let [_, weights, list, hashes, flags] = buffers else { unreachable!("five bindings") };
    for leaf in listed(list, p) {
        write(hashes, leaf, leaf::weights_hash(&words_of(weights, leaf)), flags);
    }
}

fn momenta_hash(p: &[u32; PARAMETERS], buffers: &mut [&mut [u32]]) {
    let [_, momenta, scales, list, hashes, flags] = buffers else { unreachable!("six bindings") };
    for leaf in listed(list, p) {
        write(hashes, leaf, leaf::momenta_hash(&words_of(momenta, leaf), scales[leaf] as i32), flags);
    }
}

fn state_leaves(p: &[u32; PARAMETERS], buffers: &mut [&mut [u32]]) {
    let [_, list, weights_hashes, momenta_hashes, nodes, fresh] = buffers else { unreachable!("six bindings") };
    for leaf in listed(list, p) {
        set(nodes, leaf, leaf::state_leaf(element(weights_hashes, leaf), element(momenta_hashes, leaf)));
        fresh[leaf] = 1;
    }
}

fn update_leaves(p: &[u32; PARAMETERS], buffers: &mut [&mut [u32]]) {
    let [_, codes, nodes, flags] = buffers else { unreachable!("four bindings") };
    for leaf in p[0] as usize..p[1] as usize {
        write(nodes, leaf, leaf::update_leaf(&codes_of(&codes[p[2] as usize..], leaf)), flags);
    }
}

fn quantized_leaves(p: &[u32; PARAMETERS], buffers: &mut [&mut [u32]]) {
    let [_, codes, scales, nodes, flags] = buffers else { unreachable!("five bindings") };
    for leaf in p[0] as usize..p[1] as usize {
        let both = [scales[leaf] & 255, scales[leaf] >> 8].map(|scale| scale.min(255) as u8);
        let hash = leaf::quantized_leaf(&codes_of(&codes[p[2] as usize..], leaf), both);
        write(nodes, leaf, hash, flags);
    }
}

fn tree_level(p: &[u32; PARAMETERS], buffers: &mut [&mut [u32]]) {
    let [_, empty, nodes, fresh] = buffers else { unreachable!("four bindings") };
    let [children, count, parents, height] = [p[0], p[1], p[2], p[3]].map(|size| size as usize);
    let all = p[4] != 0;
    for i in 0..count.div_ceil(2) {
        let pair = children + 2 * i..children + (2 * i + 2).min(count);
        if !all {
            let hashed = element(nodes, parents + i) != Fr::ZERO;
            if hashed && fresh[pair.clone()].iter().all(|&fresh| fresh == 0) {
                continue;
            }
            fresh[pair.clone()].fill(0);
            fresh[parents + i] = 1;
        }
        let pair: Vec<Fr> = pair.map(|node| element(nodes, node)).collect();
        set(nodes, parents + i, merkle::parent(&pair, element(empty, height), element(empty, height + 1)));
    }
}

fn collect_changed(p: &[u32; PARAMETERS], buffers: &mut [&mut [u32]]) {
    let [changed, list] = buffers else { unreachable!("two bindings") };
    list[0] = 0;
    for (leaf, changed) in changed[..p[0] as usize].iter_mut().enumerate() {
        if *changed & p[1] != 0 {
            list[0] += 1;
            list[list[0] as usize] = leaf as u32;
        }
        *changed &= !p[2];
    }
}

fn keep_nodes(p: &[u32; PARAMETERS], buffers: &mut [&mut [u32]]) {
    let [nodes, kept] = buffers else { unreachable!("two bindings") };
    let [from, to, count] = [p[0], p[1], p[2]].map(|word| word as usize);
    kept[to..to + count].copy_from_slice(&nodes[from..from + count]);
}

/// Entries `first..end` of a list, as far as it goes.
fn listed(list: &[u32], p: &[u32; PARAMETERS]) -> impl Iterator<Item = usize> {
    let (first, end) = (p[0] as usize, p[1].min(list[0]) as usize);
    list[1..].iter().take(end).skip(first).map(|&leaf| leaf as usize)
}

fn words_of(words: &[u32], leaf: usize) -> [i32; LEAF] {
    std::array::from_fn(|i| words[leaf * LEAF + i] as i32)
}

fn codes_of(words: &[u32], leaf: usize) -> [i8; LEAF] {
    let mut codes = super::leaf::unpack_codes(&words[leaf * CODE_WORDS..][..CODE_WORDS]);
    std::array::from_fn(|_| codes.next().expect("64 nibbles"))
}

/// Element `i` of a buffer.
///
/// # Panics
/// When it is not canonical: only kernels write elements.
fn element(buffer: &[u32], i: usize) -> Fr {
    let words = buffer[i * WORDS..][..WORDS].try_into().expect("eight words");
    from_words(words).expect("a canonical element")
}

fn set(buffer: &mut [u32], i: usize, element: Fr) {
    buffer[i * WORDS..][..WORDS].copy_from_slice(&to_words(element));
}

fn write(buffer: &mut [u32], i: usize, hash: Result<Fr, LeafError>, flags: &mut [u32]) {
    match hash {
        Ok(hash) => set(buffer, i, hash),
        Err(_) => flags[0] = 1,
    }
}
