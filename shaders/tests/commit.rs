//! The kernels of the commitments, run by the plain twins, give the roots of the protocol's trees.

use std::ops::Range;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use pogo_protocol::fixed::{LEAF, WORD_MAX, WORD_MIN, pcg};
use pogo_protocol::leaf;
use pogo_protocol::merkle::{Layout, Nodes, Tree, empty_subtrees, hash_pairs, root_of_nodes};
use pogo_protocol::model::{Schedule, Spec, TraceMode};
use pogo_shaders::commit::{Committing, whole_height};
use pogo_shaders::field::{self, WORDS, from_words, to_words};
use pogo_shaders::kernel::Kernel;
use pogo_shaders::kernels::commit::{
    LEAVES, MOMENTA_HASH, QUANTIZED_LEAVES, STATE_LEAVES, UPDATE_LEAVES, WEIGHTS_HASH, collect_dispatch,
    leaves_dispatches, levels, tree_dispatches,
};
use pogo_shaders::kernels::leaf::{CODE_WORDS, MOMENTA_CHANGED, WEIGHTS_CHANGED, pack_codes};
use pogo_shaders::plan::{BufferId, Buffers, Dispatch, run_twins};
use pogo_shaders::step::{BINDING_MAX, Training};

const DEPTH: usize = 10;
/// Rows of several leaves, a tensor of one leaf, gaps after tensors and before the last.
const SHAPES: [(usize, usize); 4] = [(5, 70), (3, 5), (1, 64), (9, 300)];
/// Tensor and rows of each shard. 4 rows of the last tensor are 20 leaves, and a node is whole over 4.
const SHARDS: [(usize, Range<usize>); 6] = [(0, 0..5), (1, 0..3), (2, 0..1), (3, 0..4), (3, 4..8), (3, 8..9)];
/// Words before the codes in their buffer.
const SKIPPED: usize = 24;

/// Some rows of a tensor of a model: plain values, and their buffers.
struct Shard {
    /// Leaves of the model.
    leaves: Range<usize>,
    /// Position of the first.
    first: usize,
    weights: Vec<[i32; LEAF]>,
    momenta: Vec<[i32; LEAF]>,
    scales: Vec<i32>,
    codes: Vec<[i8; LEAF]>,
    block_scales: Vec<[u8; 2]>,
    levels: Vec<Range<usize>>,
    buffers: [BufferId; 12],
}

/// A model in plain memory.
struct Model {
    layout: Layout,
    shards: Vec<Shard>,
    shared: [BufferId; 3],
    memory: Vec<Vec<u32>>,
}

/// A word of the whole range, often at an end of it.
fn word(seed: u32) -> i32 {
    match pcg(seed) % 8 {
        0 => WORD_MIN,
        1 => WORD_MAX,
        _ => pcg(!seed) as i32 >> 1,
    }
}

impl Shard {
    fn new(layout: &Layout, (tensor, rows): (usize, Range<usize>), seed: u32, buffers: &mut Buffers) -> Self {
        let (of_tensor, per_row) = (layout.leaves_of(tensor), SHAPES[tensor].1.div_ceil(LEAF));
        let range = of_tensor.start + rows.start * per_row..of_tensor.start + rows.end * per_row;
        let (leaves, first) = (range.len(), layout.place(range.start).position);
        let levels = levels(leaves, whole_height(first, leaves, range.end == of_tensor.end));
        let nodes = levels[levels.len() - 1].end;
        let sizes = [
            leaves * LEAF,
            leaves * LEAF,
            leaves,
            SKIPPED + leaves * CODE_WORDS,
            leaves,
            leaves,
            1 + leaves,
            leaves * WORDS,
            leaves * WORDS,
            nodes * WORDS,
            nodes,
            nodes * WORDS,
        ];
        let draw = |leaf: usize, i: usize| seed ^ (leaf * LEAF + i) as u32;
        let all = || 0..leaves;
        Self {
            leaves: range,
            first,
            weights: all().map(|leaf| std::array::from_fn(|i| word(draw(leaf, i)))).collect(),
            momenta: all().map(|leaf| std::array::from_fn(|i| word(draw(leaf, i) + 7))).collect(),
            scales: all().map(|leaf| word(draw(leaf, 0) + 9) & WORD_MAX).collect(),
            codes: all().map(|leaf| std::array::from_fn(|i| (pcg(draw(leaf, i)) % 15) as i8 - 7)).collect(),
            block_scales: all().map(|leaf| [0, 1].map(|i| 1 + (pcg(draw(leaf, i)) % 18) as u8)).collect(),
            levels,
            buffers: sizes.map(|words| buffers.add("shard", words)),
        }
    }

    /// Nodes of the highest level.
    fn top(&self) -> Range<usize> {
        self.levels[self.levels.len() - 1].clone()
    }

    fn state_leaf(&self, leaf: usize) -> Fr {
        let momenta = leaf::momenta_hash(&self.momenta[leaf], self.scales[leaf]).unwrap();
        leaf::state_leaf(leaf::weights_hash(&self.weights[leaf]).unwrap(), momenta)
    }
}

impl Model {
    fn new() -> Self {
        let mut buffers = Buffers::default();
        let poseidon = buffers.add_uniform("constants", field::poseidon().len());
        let shared = [poseidon, buffers.add("empty", (DEPTH + 1) * WORDS), buffers.add("flags", 1)];
        let layout = Layout::new(DEPTH, SHAPES).unwrap();
        let seeded = SHARDS.into_iter().zip([1 << 10, 1 << 15, 1 << 20, 1 << 25, 1 << 28, 1 << 30]);
        let shards: Vec<Shard> = seeded.map(|(rows, seed)| Shard::new(&layout, rows, seed, &mut buffers)).collect();
        let memory = buffers.list().iter().map(|buffer| vec![0; buffer.words]).collect();
        let mut model = Self { layout, shards, shared, memory };
        model.memory[shared[0].0] = field::poseidon();
        model.memory[shared[1].0] = empty_subtrees(DEPTH).into_iter().flat_map(to_words).collect();
        model
    }

    /// Writes all values, and marks leaves as changed.
    fn load(&mut self, changes: impl Fn(usize, usize) -> u32) {
        for (s, shard) in self.shards.iter().enumerate() {
            let [weights, momenta, scales, codes, block_scales, changed, ..] = shard.buffers;
            let words = |leaves: &[[i32; LEAF]]| leaves.iter().flatten().map(|&word| word as u32).collect();
            self.memory[weights.0] = words(&shard.weights);
            self.memory[momenta.0] = words(&shard.momenta);
            self.memory[scales.0] = shard.scales.iter().map(|&scale| scale as u32).collect();
            let all: Vec<i8> = shard.codes.iter().flatten().copied().collect();
            self.memory[codes.0] = [u32::MAX; SKIPPED].into_iter().chain(pack_codes(&all)).collect();
            let pack = |&[first, second]: &[u8; 2]| u32::from(first) | u32::from(second) << 8;
            self.memory[block_scales.0] = shard.block_scales.iter().map(pack).collect();
            self.memory[changed.0] = (0..shard.leaves.len()).map(|leaf| changes(s, leaf)).collect();
        }
    }

    /// Hashes what is marked, and all above it.
    fn hash_state(&mut self) -> Fr {
        let [poseidon, empty, flags] = self.shared;
        let (either, mut list) = (WEIGHTS_CHANGED | MOMENTA_CHANGED, Vec::new());
        for shard in &self.shards {
            let [weights, momenta, scales, _, _, changed, listed, weights_hashes, momenta_hashes, nodes, fresh, _] =
                shard.buffers;
            let leaves = shard.leaves.len();
            let collect = |mask, clear| collect_dispatch(leaves, mask, clear, vec![changed, listed]);
            let of_weights = [poseidon, weights, listed, weights_hashes, flags];
            let of_momenta = [poseidon, momenta, scales, listed, momenta_hashes, flags];
            let of_state = [poseidon, listed, weights_hashes, momenta_hashes, nodes, fresh];
            list.push(collect(WEIGHTS_CHANGED, 0));
            list.extend(halves(&WEIGHTS_HASH, leaves, &[], &of_weights));
            list.push(collect(MOMENTA_CHANGED, 0));
            list.extend(halves(&MOMENTA_HASH, leaves, &[], &of_momenta));
            list.push(collect(either, either));
            list.extend(halves(&STATE_LEAVES, leaves, &[], &of_state));
            list.extend(tree_dispatches(&shard.levels, false, [poseidon, empty, nodes, fresh]));
        }
        self.run(&list);
        self.root(9)
    }

    /// Hashes the codes, with their scales if `kernel` takes them.
    fn hash_codes(&mut self, kernel: &'static Kernel, scaled: bool) -> Fr {
        let [poseidon, empty, flags] = self.shared;
        let mut list = Vec::new();
        for shard in &self.shards {
            let [_, _, _, codes, scales, .., fresh, nodes] = shard.buffers;
            let buffers = [poseidon, codes].into_iter().chain(scaled.then_some(scales)).chain([nodes, flags]);
            list.extend(halves(kernel, shard.leaves.len(), &[SKIPPED as u32], &buffers.collect::<Vec<_>>()));
            list.extend(tree_dispatches(&shard.levels, true, [poseidon, empty, nodes, fresh]));
        }
        self.run(&list);
        self.root(11)
    }

    fn run(&mut self, dispatches: &[Dispatch]) {
        run_twins(&mut self.memory, dispatches);
    }

    fn flag(&mut self) -> u32 {
        std::mem::take(&mut self.memory[self.shared[2].0][0])
    }

    /// Root over the nodes of the shards, which are in their buffer `at`.
    fn root(&self, at: usize) -> Fr {
        let node = |words: &[u32]| from_words(words.first_chunk().unwrap()).unwrap();
        let nodes = self.shards.iter().map(|shard| {
            let (top, height) = (shard.top(), shard.levels.len() - 1);
            let words = &self.memory[shard.buffers[at].0][top.start * WORDS..top.end * WORDS];
            Nodes { height, first: shard.first >> height, hashes: words.chunks(WORDS).map(node).collect() }
        });
        root_of_nodes(DEPTH, &nodes.collect::<Vec<_>>())
    }

    /// Root of the plain tree over leaves by their shard and number in it.
    fn plain_root(&self, hash: impl Fn(&Shard, usize) -> Fr) -> Fr {
        let mut positions = vec![Fr::ZERO; self.layout.position_count()];
        for shard in &self.shards {
            for (i, leaf) in shard.leaves.clone().enumerate() {
                positions[self.layout.place(leaf).position] = hash(shard, i);
            }
        }
        Tree::new(DEPTH, positions, hash_pairs).root()
    }
}

/// The leaves of a small shard in two dispatches, as the plan cuts a large one.
fn halves(kernel: &'static Kernel, leaves: usize, more: &[u32], buffers: &[BufferId]) -> Vec<Dispatch> {
    let whole = leaves_dispatches(kernel, leaves, 1, more, buffers);
    let [mut first, mut second] = [whole[0].clone(), whole[0].clone()];
    let middle = leaves as u32 / 2;
    (first.parameters[1], second.parameters[0]) = (middle, middle);
    vec![first, second]
}

/// A round of a model of these layers.
fn spec(layers: &[u32]) -> Spec {
    Spec {
        name: "commit".into(),
        layers: layers.to_vec(),
        batch: 64,
        steps: 1,
        checkpoint_every: 1,
        learning_rate: 1,
        schedule: Schedule::Constant,
        warmup: 0,
        seed: 0,
        trace: TraceMode::None,
        data_root: [0; 32],
    }
}

#[test]
fn shards_of_wide_rows_leave_few_nodes_to_the_host() {
    // A shard is 2^n rows, so that its nodes are whole up to 2^n times the power of two in the leaves of a row.
    for (layers, binding_max) in [
        (&[784, 256, 128, 10][..], BINDING_MAX),
        (&[784, 3000, 10], 1 << 20),
        (&[5000, 700, 300, 10], 4 << 20),
        (&[8256, 4160, 10], 32 << 20),
    ] {
        let (spec, mut buffers) = (spec(layers), Buffers::default());
        let layout = Layout::new(24, spec.tensors().iter().map(|tensor| (tensor.rows, tensor.cols))).unwrap();
        let training = Training::new(&mut buffers, &spec, 1, binding_max).unwrap();
        let committing = Committing::new(&mut buffers, &layout, &training, binding_max).unwrap();
        let odd = |n: usize| n >> n.trailing_zeros();
        let most = |leaves_per_row: usize| odd(leaves_per_row).max(32);
        let bound: usize = training.shards.iter().map(|shard| most(shard.leaves() / shard.rows.len())).sum();
        let nodes = committing.tops_words() / WORDS / 2;
        assert!(nodes <= bound, "{layers:?}: {nodes} nodes of {} leaves, expected {bound}", layout.leaf_count());
        assert_eq!(binding_max < BINDING_MAX, training.shards.len() > spec.tensors().len(), "{layers:?}");
    }
}

#[test]
fn twins_give_the_roots_of_the_trees() {
    let mut model = Model::new();
    model.load(|_, _| WEIGHTS_CHANGED | MOMENTA_CHANGED);
    assert_eq!(model.hash_state(), model.plain_root(Shard::state_leaf));
    let update = model.hash_codes(&UPDATE_LEAVES, false);
    assert_eq!(update, model.plain_root(|shard, leaf| leaf::update_leaf(&shard.codes[leaf]).unwrap()));
    let quantized = model.hash_codes(&QUANTIZED_LEAVES, true);
    let plain =
        |shard: &Shard, leaf: usize| leaf::quantized_leaf(&shard.codes[leaf], shard.block_scales[leaf]).unwrap();
    assert_eq!(quantized, model.plain_root(plain));
    assert_eq!(model.flag(), 0);
}

#[test]
fn only_what_is_marked_is_hashed_again() {
    let mut model = Model::new();
    model.load(|_, _| WEIGHTS_CHANGED | MOMENTA_CHANGED);
    model.hash_state();
    // A weight of one leaf, a momentum of another, a scale of a third; one that changed unmarked stays.
    model.shards[0].weights[3][63] ^= 1;
    model.shards[5].momenta[4][0] ^= 1;
    model.shards[3].scales[7] ^= 1;
    let expected = model.plain_root(Shard::state_leaf);
    model.shards[4].weights[0][5] ^= 1;
    model.load(|shard, leaf| match (shard, leaf) {
        (0, 3) => WEIGHTS_CHANGED,
        (3, 7) | (5, 4) => MOMENTA_CHANGED,
        _ => 0,
    });
    assert_eq!(model.hash_state(), expected);
    for shard in &model.shards {
        let [_, _, _, _, _, changed, .., fresh, _] = shard.buffers;
        assert!(model.memory[changed.0].iter().all(|&bits| bits == 0), "marks are left");
        let below = shard.top().start;
        assert!(model.memory[fresh.0][..below].iter().all(|&fresh| fresh == 0), "fresh nodes below the root");
    }
    model.load(|shard, leaf| if (shard, leaf) == (4, 0) { WEIGHTS_CHANGED } else { 0 });
    assert_eq!(model.hash_state(), model.plain_root(Shard::state_leaf));
}

#[test]
fn many_leaves_are_hashed_by_several_dispatches() {
    let dispatches = leaves_dispatches(&WEIGHTS_HASH, 2 * LEAVES + 1, 4, &[], &[]);
    let ranges: Vec<[u32; 2]> = dispatches.iter().map(|d| [d.parameters[0], d.parameters[1]]).collect();
    let [one, two] = [LEAVES, 2 * LEAVES].map(|leaves| leaves as u32);
    assert_eq!(ranges, [[0, one], [one, two], [two, two + 1]]);
    let threads = |d: &Dispatch| 64 * d.workgroups.iter().product::<u32>();
    assert_eq!(dispatches.iter().map(threads).collect::<Vec<_>>(), [one, one, 64]);
}

#[test]
fn lists_are_in_order() {
    let mut model = Model::new();
    model.load(|_, leaf| leaf as u32 % 3);
    let [_, _, _, _, _, changed, list, ..] = model.shards[3].buffers;
    model.run(&[collect_dispatch(model.shards[3].leaves.len(), 2, 2, vec![changed, list])]);
    let expected: Vec<u32> = (0..20).filter(|leaf| leaf % 3 == 2).collect();
    assert_eq!(model.memory[list.0][..7], [&[6], &expected[..]].concat());
    assert!(model.memory[changed.0].iter().enumerate().all(|(leaf, &bits)| bits == u32::from(leaf % 3 == 1)));
}

#[test]
fn value_without_a_place_in_a_leaf_raises_the_flag() {
    let all = |_, _| WEIGHTS_CHANGED | MOMENTA_CHANGED;
    for illegal in [WORD_MIN - 1, WORD_MAX + 1, i32::MIN, i32::MAX] {
        let mut model = Model::new();
        model.shards[5].weights[4][63] = illegal;
        model.load(all);
        model.hash_state();
        assert_eq!(model.flag(), 1, "weight {illegal}");
        model.shards[5].weights[4][63] = 0;
        model.shards[1].scales[2] = illegal;
        model.load(all);
        model.hash_state();
        assert_eq!(model.flag(), 1, "scale {illegal}");
    }
    let mut model = Model::new();
    model.shards[0].codes[9][63] = 8;
    model.load(all);
    model.hash_codes(&UPDATE_LEAVES, false);
    assert_eq!(model.flag(), 1, "code");
    for illegal in [[0, 1], [1, 0], [19, 1], [1, 255]] {
        let mut model = Model::new();
        model.shards[2].block_scales[0] = illegal;
        model.load(all);
        model.hash_codes(&QUANTIZED_LEAVES, true);
        assert_eq!(model.flag(), 1, "scales {illegal:?}");
    }
}
