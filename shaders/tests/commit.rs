//! The kernels of the commitments, run by the plain twins, give the roots of the protocol's trees.

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use pogo_protocol::fixed::{LEAF, WORD_MAX, WORD_MIN, pcg};
use pogo_protocol::leaf;
use pogo_protocol::merkle::{Layout, Nodes, Tree, empty_subtrees, hash_pairs, root_of_nodes};
use pogo_shaders::field::{self, WORDS, from_words, to_words};
use pogo_shaders::kernel::Kernel;
use pogo_shaders::kernels::commit::{
    LEAVES, MOMENTA_HASH, QUANTIZED_LEAVES, STATE_LEAVES, UPDATE_LEAVES, WEIGHTS_HASH, collect_dispatch,
    leaves_dispatches, levels, tree_dispatches,
};
use pogo_shaders::kernels::leaf::{CODE_WORDS, MOMENTA_CHANGED, WEIGHTS_CHANGED, pack_codes};
use pogo_shaders::plan::{BufferId, Buffers, Dispatch, run_twins};

const DEPTH: usize = 10;
/// Rows with padding and gaps between them, a tensor of one leaf, a gap between tensors.
const SHAPES: [(usize, usize); 4] = [(5, 70), (3, 5), (1, 64), (9, 300)];
/// Words before the codes in their buffer.
const SKIPPED: usize = 24;

/// One tensor of a model: plain values, and its buffers.
struct Tensor {
    weights: Vec<[i32; LEAF]>,
    momenta: Vec<[i32; LEAF]>,
    scales: Vec<i32>,
    codes: Vec<[i8; LEAF]>,
    block_scales: Vec<[u8; 2]>,
    leaves_per_row: usize,
    height: usize,
    levels: Vec<std::ops::Range<usize>>,
    buffers: [BufferId; 12],
}

/// A model in plain memory.
struct Model {
    layout: Layout,
    tensors: Vec<Tensor>,
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

impl Tensor {
    fn new((rows, cols): (usize, usize), seed: u32, buffers: &mut Buffers) -> Self {
        let leaves_per_row = cols.div_ceil(LEAF);
        let (leaves, stride) = (rows * leaves_per_row, leaves_per_row.next_power_of_two());
        let height = (rows.next_power_of_two() * stride).ilog2() as usize;
        let levels = levels((rows - 1) * stride + leaves_per_row, height);
        let nodes = levels[height].end;
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
            weights: all().map(|leaf| std::array::from_fn(|i| word(draw(leaf, i)))).collect(),
            momenta: all().map(|leaf| std::array::from_fn(|i| word(draw(leaf, i) + 7))).collect(),
            scales: all().map(|leaf| word(draw(leaf, 0) + 9) & WORD_MAX).collect(),
            codes: all().map(|leaf| std::array::from_fn(|i| (pcg(draw(leaf, i)) % 15) as i8 - 7)).collect(),
            block_scales: all().map(|leaf| [0, 1].map(|i| 1 + (pcg(draw(leaf, i)) % 18) as u8)).collect(),
            leaves_per_row,
            height,
            levels,
            buffers: sizes.map(|words| buffers.add("tensor", words)),
        }
    }

    fn leaves(&self) -> usize {
        self.scales.len()
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
        let seeded = SHAPES.into_iter().zip([1 << 10, 1 << 20, 1 << 25, 1 << 30]);
        let tensors: Vec<Tensor> = seeded.map(|(shape, seed)| Tensor::new(shape, seed, &mut buffers)).collect();
        let memory = buffers.list().iter().map(|buffer| vec![0; buffer.words]).collect();
        let mut model = Self { layout: Layout::new(DEPTH, SHAPES).unwrap(), tensors, shared, memory };
        model.memory[shared[0].0] = field::poseidon();
        model.memory[shared[1].0] = empty_subtrees(DEPTH).into_iter().flat_map(to_words).collect();
        model
    }

    /// Writes all values, and marks leaves as changed.
    fn load(&mut self, changes: impl Fn(usize, usize) -> u32) {
        for (t, tensor) in self.tensors.iter().enumerate() {
            let [weights, momenta, scales, codes, block_scales, changed, ..] = tensor.buffers;
            let words = |leaves: &[[i32; LEAF]]| leaves.iter().flatten().map(|&word| word as u32).collect();
            self.memory[weights.0] = words(&tensor.weights);
            self.memory[momenta.0] = words(&tensor.momenta);
            self.memory[scales.0] = tensor.scales.iter().map(|&scale| scale as u32).collect();
            let all: Vec<i8> = tensor.codes.iter().flatten().copied().collect();
            self.memory[codes.0] = [u32::MAX; SKIPPED].into_iter().chain(pack_codes(&all)).collect();
            let pack = |&[first, second]: &[u8; 2]| u32::from(first) | u32::from(second) << 8;
            self.memory[block_scales.0] = tensor.block_scales.iter().map(pack).collect();
            self.memory[changed.0] = (0..tensor.leaves()).map(|leaf| changes(t, leaf)).collect();
        }
    }

    /// Hashes what is marked, and all above it.
    fn hash_state(&mut self) -> Fr {
        let [poseidon, empty, flags] = self.shared;
        let (either, mut list) = (WEIGHTS_CHANGED | MOMENTA_CHANGED, Vec::new());
        for tensor in &self.tensors {
            let [weights, momenta, scales, _, _, changed, listed, weights_hashes, momenta_hashes, nodes, fresh, _] =
                tensor.buffers;
            let leaves = tensor.leaves();
            let collect = |mask, clear| collect_dispatch(leaves, mask, clear, vec![changed, listed]);
            let of_weights = [poseidon, weights, listed, weights_hashes, flags];
            let of_momenta = [poseidon, momenta, scales, listed, momenta_hashes, flags];
            let of_state = [poseidon, listed, weights_hashes, momenta_hashes, nodes, fresh];
            list.push(collect(WEIGHTS_CHANGED, 0));
            list.extend(halves(&WEIGHTS_HASH, leaves, &[], &of_weights));
            list.push(collect(MOMENTA_CHANGED, 0));
            list.extend(halves(&MOMENTA_HASH, leaves, &[], &of_momenta));
            list.push(collect(either, either));
            list.extend(halves(&STATE_LEAVES, leaves, &place(tensor), &of_state));
            list.extend(tree_dispatches(&tensor.levels, false, [poseidon, empty, nodes, fresh]));
        }
        self.run(&list);
        self.root(9)
    }

    /// Hashes the codes, with their scales if `kernel` takes them.
    fn hash_codes(&mut self, kernel: &'static Kernel, scaled: bool) -> Fr {
        let [poseidon, empty, flags] = self.shared;
        let mut list = Vec::new();
        for tensor in &self.tensors {
            let [_, _, _, codes, scales, .., fresh, nodes] = tensor.buffers;
            let buffers = [poseidon, codes].into_iter().chain(scaled.then_some(scales)).chain([nodes, flags]);
            list.extend(halves(kernel, tensor.leaves(), &place(tensor), &buffers.collect::<Vec<_>>()));
            list.extend(tree_dispatches(&tensor.levels, true, [poseidon, empty, nodes, fresh]));
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

    /// Root over the subtrees of the tensors, whose nodes are in their buffer `at`.
    fn root(&self, at: usize) -> Fr {
        let mut nodes = Vec::new();
        for (t, tensor) in self.tensors.iter().enumerate() {
            let top = tensor.levels[tensor.height].start * WORDS;
            let words = self.memory[tensor.buffers[at].0][top..].first_chunk().unwrap();
            let first = self.layout.place(self.layout.leaves_of(t).start).position >> tensor.height;
            nodes.push(Nodes { height: tensor.height, first, hashes: vec![from_words(words).unwrap()] });
        }
        root_of_nodes(DEPTH, &nodes)
    }

    /// Root of the plain tree over leaves by their tensor and number in it.
    fn plain_root(&self, hash: impl Fn(&Tensor, usize) -> Fr) -> Fr {
        let mut positions = vec![Fr::ZERO; self.layout.position_count()];
        for leaf in 0..self.layout.leaf_count() {
            let place = self.layout.place(leaf);
            positions[place.position] = hash(&self.tensors[place.tensor], place.index_in_tensor);
        }
        Tree::new(DEPTH, positions, hash_pairs).root()
    }
}

/// The leaves of a small tensor in two dispatches, as the plan cuts a large one.
fn halves(kernel: &'static Kernel, leaves: usize, more: &[u32], buffers: &[BufferId]) -> Vec<Dispatch> {
    let whole = leaves_dispatches(kernel, leaves, 1, more, buffers);
    let [mut first, mut second] = [whole[0].clone(), whole[0].clone()];
    let middle = leaves as u32 / 2;
    (first.parameters[1], second.parameters[0]) = (middle, middle);
    vec![first, second]
}

fn place(tensor: &Tensor) -> [u32; 3] {
    let stride = tensor.leaves_per_row.next_power_of_two();
    [tensor.leaves_per_row as u32, stride as u32, SKIPPED as u32]
}

#[test]
fn twins_give_the_roots_of_the_trees() {
    let mut model = Model::new();
    model.load(|_, _| WEIGHTS_CHANGED | MOMENTA_CHANGED);
    assert_eq!(model.hash_state(), model.plain_root(Tensor::state_leaf));
    let update = model.hash_codes(&UPDATE_LEAVES, false);
    assert_eq!(update, model.plain_root(|tensor, leaf| leaf::update_leaf(&tensor.codes[leaf]).unwrap()));
    let quantized = model.hash_codes(&QUANTIZED_LEAVES, true);
    let plain =
        |tensor: &Tensor, leaf: usize| leaf::quantized_leaf(&tensor.codes[leaf], tensor.block_scales[leaf]).unwrap();
    assert_eq!(quantized, model.plain_root(plain));
    assert_eq!(model.flag(), 0);
}

#[test]
fn only_what_is_marked_is_hashed_again() {
    let mut model = Model::new();
    model.load(|_, _| WEIGHTS_CHANGED | MOMENTA_CHANGED);
    model.hash_state();
    // A weight of one leaf, a momentum of another, a scale of a third; one that changed unmarked stays.
    model.tensors[0].weights[3][63] ^= 1;
    model.tensors[3].momenta[44][0] ^= 1;
    model.tensors[3].scales[7] ^= 1;
    let expected = model.plain_root(Tensor::state_leaf);
    model.tensors[3].weights[20][5] ^= 1;
    model.load(|tensor, leaf| match (tensor, leaf) {
        (0, 3) => WEIGHTS_CHANGED,
        (3, 44 | 7) => MOMENTA_CHANGED,
        _ => 0,
    });
    assert_eq!(model.hash_state(), expected);
    for tensor in &model.tensors {
        let [_, _, _, _, _, changed, .., fresh, _] = tensor.buffers;
        assert!(model.memory[changed.0].iter().all(|&bits| bits == 0), "marks are left");
        let below = tensor.levels[tensor.height].start;
        assert!(model.memory[fresh.0][..below].iter().all(|&fresh| fresh == 0), "fresh nodes below the root");
    }
    model.load(|tensor, leaf| if (tensor, leaf) == (3, 20) { WEIGHTS_CHANGED } else { 0 });
    assert_eq!(model.hash_state(), model.plain_root(Tensor::state_leaf));
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
    let [_, _, _, _, _, changed, list, ..] = model.tensors[3].buffers;
    model.run(&[collect_dispatch(model.tensors[3].leaves(), 2, 2, vec![changed, list])]);
    let expected: Vec<u32> = (0..45).filter(|leaf| leaf % 3 == 2).collect();
    assert_eq!(model.memory[list.0][..16], [&[15], &expected[..]].concat());
    assert!(model.memory[changed.0].iter().enumerate().all(|(leaf, &bits)| bits == u32::from(leaf % 3 == 1)));
}

#[test]
fn value_without_a_place_in_a_leaf_raises_the_flag() {
    let all = |_, _| WEIGHTS_CHANGED | MOMENTA_CHANGED;
    for illegal in [WORD_MIN - 1, WORD_MAX + 1, i32::MIN, i32::MAX] {
        let mut model = Model::new();
        model.tensors[3].weights[44][63] = illegal;
        model.load(all);
        model.hash_state();
        assert_eq!(model.flag(), 1, "weight {illegal}");
        model.tensors[3].weights[44][63] = 0;
        model.tensors[1].scales[2] = illegal;
        model.load(all);
        model.hash_state();
        assert_eq!(model.flag(), 1, "scale {illegal}");
    }
    let mut model = Model::new();
    model.tensors[0].codes[9][63] = 8;
    model.load(all);
    model.hash_codes(&UPDATE_LEAVES, false);
    assert_eq!(model.flag(), 1, "code");
    for illegal in [[0, 1], [1, 0], [19, 1], [1, 255]] {
        let mut model = Model::new();
        model.tensors[2].block_scales[0] = illegal;
        model.load(all);
        model.hash_codes(&QUANTIZED_LEAVES, true);
        assert_eq!(model.flag(), 1, "scales {illegal:?}");
    }
}
