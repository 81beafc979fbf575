//! Small rounds as plain data: true when made, free to alter before they are committed to.

use pogo_protocol::fixed::{self, BLOCK, LEAF};
use pogo_protocol::leaf::{self, BLOCKS_PER_LEAF, tag};
use pogo_protocol::merkle::{Layout, Tree, hash_pairs};
use pogo_protocol::opening::{Openings, QuantizeOpening, RecordOpening, Roots, Slot, UpdateOpening};
use pogo_protocol::poseidon;
use pogo_protocol::record::{pair, steps_root};

use crate::round::{Claim, Shape};

/// The leaves of one state.
#[derive(Clone, Debug)]
pub struct State {
    /// Weights of each leaf.
    pub weights: Vec<[i32; LEAF]>,
    /// Momenta of each leaf.
    pub momenta: Vec<[i32; LEAF]>,
    /// Gradient scale of each leaf.
    pub scales: Vec<i32>,
}

/// A 4-bit leaf: codes and block scales.
pub type Leaf4 = ([i8; LEAF], [u8; BLOCKS_PER_LEAF]);

/// A round over a model of small tensors.
#[derive(Clone, Debug)]
pub struct TestRound {
    /// Size of the circuit that shows it.
    pub shape: Shape,
    /// Places of the leaves.
    pub layout: Layout,
    /// States, one more than steps.
    pub states: Vec<State>,
    /// Learning rate of each step.
    pub rates: Vec<u32>,
    /// Codes that each step applied to each leaf.
    pub codes: Vec<Vec<[i8; LEAF]>>,
    /// `2^(st - 1)` of each tensor.
    pub half_steps: Vec<u32>,
    /// 4-bit leaves of the final state.
    pub quantized: Vec<Leaf4>,
    /// Statement digest and the records' other fields.
    digest: [ark_bn254::Fr; 2],
    rests: Vec<ark_bn254::Fr>,
}

/// What a proof of `shape` shows of a true round of three steps (fewer records than larger trees
/// hold) with edge values among its weights; `seed` varies it.
pub fn round(shape: &Shape, seed: u64) -> (Claim, Openings) {
    let round = TestRound::new(shape, 3, seed);
    let (steps, leaves) = (round.rates.len(), round.layout.leaf_count());
    let from = seed as usize;
    let updates: Vec<_> =
        (0..shape.updates).map(|i| ((from + i) % steps, (from / steps + i / steps + i) % leaves)).collect();
    let quantizes: Vec<_> = (0..shape.quantizes).map(|i| (from + i) % leaves).collect();
    round.open(&updates, &quantizes)
}

impl TestRound {
    /// A true round of `steps` steps, three at most.
    pub fn new(shape: &Shape, steps: usize, seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let shapes = if shape.tree_depth < 4 { vec![(2, 70)] } else { vec![(3, 150), (2, 10)] };
        let layout = Layout::new(shape.tree_depth, shapes).expect("the test model fits");
        let rates = [1 << 12, (1 << 26) - 1, 12_345][..steps].to_vec();
        let states = (0..=steps).map(|_| state(&layout, &mut random)).collect();
        let rests = (0..=steps).map(|_| random.field()).collect();
        let digest = [random.field(), random.field()];
        let (codes, half_steps, quantized) = Default::default();
        let mut round = Self { shape: *shape, layout, states, rates, codes, half_steps, quantized, digest, rests };
        round.settle();
        round
    }

    /// Makes the round true: codes, later weights and the 4-bit leaves follow from the initial
    /// weights, the momenta, the scales and the learning rates.
    pub fn settle(&mut self) {
        self.codes = (0..self.rates.len()).map(|step| self.advance(step)).collect();
        self.quantize();
    }

    /// Openings of these (step, leaf) pairs and of these 4-bit leaves, with roots over what the
    /// round holds, true or not.
    ///
    /// # Panics
    /// On words, codes or scales that no leaf can hold.
    pub fn open(&self, updates: &[(usize, usize)], quantizes: &[usize]) -> (Claim, Openings) {
        let (trees, last) = (Trees::new(self), self.rates.len());
        let roots = Roots {
            parent: trees.state_roots[0],
            steps: steps_root(trees.records.root(), last as u32 + 1),
            state: trees.state_roots[last],
            quantized: self.layout.root(tag::QUANTIZED_ROOT, trees.quantized.root()),
            data: ark_bn254::Fr::from(0u64),
            layout: self.layout.element(),
            record_count: last as u32 + 1,
        };
        let openings = Openings {
            updates: updates.iter().map(|&(step, leaf)| self.update(&trees, step, leaf)).collect(),
            quantizes: quantizes.iter().map(|&leaf| self.quantized(&trees, leaf)).collect(),
            first: trees.record(0),
            last: trees.record(last),
        };
        (Claim { digest: self.digest, roots }, openings)
    }

    fn advance(&mut self, step: usize) -> Vec<[i8; LEAF]> {
        let (rate, mut applied) = (self.rates[step], Vec::new());
        for leaf in 0..self.layout.leaf_count() {
            let shift = fixed::code_shift(self.states[step + 1].scales[leaf]);
            let mut codes = [0; LEAF];
            for (i, slot) in codes.iter_mut().enumerate() {
                let before = self.states[step].weights[leaf][i];
                let code = fixed::code(self.states[step + 1].momenta[leaf][i], shift, before, rate);
                self.states[step + 1].weights[leaf][i] = fixed::update(before, code, rate);
                *slot = code as i8;
            }
            applied.push(codes);
        }
        applied
    }

    fn quantize(&mut self) {
        let weights = &self.states[self.rates.len()].weights;
        let tensors = self.layout.place(self.layout.leaf_count() - 1).tensor + 1;
        let largest = |weights: &[[i32; LEAF]]| weights.iter().flatten().map(|w| w.unsigned_abs()).max().unwrap_or(0);
        let exponents =
            (0..tensors).map(|tensor| fixed::block_exponent(largest(&weights[self.layout.leaves_of(tensor)])));
        let exponents: Vec<u32> = exponents.collect();
        self.half_steps = exponents.iter().map(|exponent| 1 << (exponent - 1)).collect();
        let leaves = weights.iter().enumerate();
        self.quantized = leaves.map(|(i, leaf)| quantize_leaf(leaf, exponents[self.layout.place(i).tensor])).collect();
    }

    fn slot(&self, leaf: usize) -> Slot {
        let place = self.layout.place(leaf);
        Slot { position: place.position, padding: LEAF - place.valid }
    }

    fn update(&self, trees: &Trees, step: usize, leaf: usize) -> UpdateOpening {
        let slot = self.slot(leaf);
        let (before, after) = (&self.states[step], &self.states[step + 1]);
        UpdateOpening {
            slot,
            step: step as u32,
            learning_rate: self.rates[step],
            weights_before: before.weights[leaf],
            momenta_hash_before: momenta_hash(before, leaf),
            path_before: trees.states[step].path(slot.position),
            record_before: trees.record(step),
            weights_after: after.weights[leaf],
            momenta_after: after.momenta[leaf],
            scale_after: after.scales[leaf],
            path_after: trees.states[step + 1].path(slot.position),
            codes: self.codes[step][leaf],
            path_update: trees.updates[step].path(slot.position),
            record_after: trees.record(step + 1),
        }
    }

    fn quantized(&self, trees: &Trees, leaf: usize) -> QuantizeOpening {
        let (slot, last) = (self.slot(leaf), self.rates.len());
        let (codes, scales) = self.quantized[leaf];
        QuantizeOpening {
            slot,
            half_step: self.half_steps[self.layout.place(leaf).tensor],
            weights: self.states[last].weights[leaf],
            momenta_hash: momenta_hash(&self.states[last], leaf),
            path: trees.states[last].path(slot.position),
            codes,
            scales,
            path_quantized: trees.quantized.path(slot.position),
        }
    }
}

/// Trees of a round.
struct Trees {
    states: Vec<Tree>,
    updates: Vec<Tree>,
    quantized: Tree,
    state_roots: Vec<ark_bn254::Fr>,
    update_roots: Vec<ark_bn254::Fr>,
    rests: Vec<ark_bn254::Fr>,
    records: Tree,
}

impl Trees {
    fn new(round: &TestRound) -> Self {
        let layout = &round.layout;
        let states: Vec<Tree> = round.states.iter().map(|state| state_tree(layout, state)).collect();
        let codes = |codes: &Vec<[i8; LEAF]>| {
            tree(layout, codes.iter().map(|codes| leaf::update_leaf(codes).expect("legal codes")))
        };
        let updates: Vec<Tree> = round.codes.iter().map(codes).collect();
        let quantized =
            round.quantized.iter().map(|(codes, scales)| leaf::quantized_leaf(codes, *scales).expect("legal codes"));
        let quantized = tree(layout, quantized);
        let state_roots: Vec<_> = states.iter().map(|tree| layout.root(tag::STATE_ROOT, tree.root())).collect();
        let mut update_roots = vec![ark_bn254::Fr::from(0u64)];
        update_roots.extend(updates.iter().map(|tree| layout.root(tag::UPDATE_ROOT, tree.root())));
        let records = state_roots.iter().zip(&update_roots).zip(&round.rests);
        let records =
            records.map(|((&state, &update), &rest)| poseidon::hash(tag::RECORD.into(), pair(state, update), rest));
        let records = Tree::new(round.shape.steps_depth, records.collect(), hash_pairs);
        Self { states, updates, quantized, state_roots, update_roots, rests: round.rests.clone(), records }
    }

    fn record(&self, index: usize) -> RecordOpening {
        let path = self.records.path(index);
        RecordOpening { update_root: self.update_roots[index], rest: self.rests[index], path }
    }
}

fn state_tree(layout: &Layout, state: &State) -> Tree {
    let leaves = state.weights.iter().enumerate().map(|(leaf, weights)| {
        leaf::state_leaf(leaf::weights_hash(weights).expect("legal words"), momenta_hash(state, leaf))
    });
    tree(layout, leaves)
}

fn momenta_hash(state: &State, leaf: usize) -> ark_bn254::Fr {
    leaf::momenta_hash(&state.momenta[leaf], state.scales[leaf]).expect("legal words")
}

fn tree(layout: &Layout, leaves: impl Iterator<Item = ark_bn254::Fr>) -> Tree {
    let mut positions = vec![ark_bn254::Fr::from(0u64); layout.position_count()];
    for (leaf, hash) in leaves.enumerate() {
        positions[layout.place(leaf).position] = hash;
    }
    Tree::new(layout.depth(), positions, hash_pairs)
}

fn quantize_leaf(weights: &[i32; LEAF], exponent: u32) -> Leaf4 {
    let (mut codes, mut scales) = ([0; LEAF], [1; BLOCKS_PER_LEAF]);
    for (block, weights) in weights.chunks(BLOCK).enumerate() {
        let max = weights.iter().map(|w| w.unsigned_abs()).max().unwrap_or(0);
        let scale = fixed::block_scale(max, exponent);
        scales[block] = scale as u8;
        for (i, &weight) in weights.iter().enumerate() {
            codes[block * BLOCK + i] = fixed::quantize(weight, scale, exponent) as i8;
        }
    }
    (codes, scales)
}

/// Weights, momenta at the edges of the range and of each rounding step, scales.
fn state(layout: &Layout, random: &mut Random) -> State {
    let (mut weights, mut momenta, mut scales) = (Vec::new(), Vec::new(), Vec::new());
    for leaf in 0..layout.leaf_count() {
        let valid = layout.place(leaf).valid;
        let scale = [random.word().abs(), 0, 127, 128, (1 << 30) - 1][(random.next() % 5) as usize];
        let shift = fixed::code_shift(scale);
        let mut leaf_momenta = words(valid, random);
        for (i, momentum) in leaf_momenta.iter_mut().enumerate().take(valid).skip(5).filter(|(i, _)| i % 2 == 0) {
            let edge = ((i as i64 - 30) << (shift - 1)) - (i % 3) as i64;
            *momentum = edge.clamp(fixed::WORD_MIN.into(), fixed::WORD_MAX.into()) as i32;
        }
        weights.push(words(valid, random));
        momenta.push(leaf_momenta);
        scales.push(scale);
    }
    State { weights, momenta, scales }
}

fn words(valid: usize, random: &mut Random) -> [i32; LEAF] {
    let edges = [fixed::WORD_MAX, fixed::WORD_MIN, 0, fixed::WORD_MAX - 5, fixed::WORD_MIN + 5];
    core::array::from_fn(|i| match i {
        _ if i >= valid => 0,
        _ if i < edges.len() => edges[i],
        _ => random.word(),
    })
}

/// xorshift64*, for test values.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn field(&mut self) -> ark_bn254::Fr {
        ark_bn254::Fr::from(u128::from(self.next()) << 64 | u128::from(self.next()))
    }

    /// A word, uniform in its bit length.
    fn word(&mut self) -> i32 {
        let bits = self.next() % 31;
        let magnitude = (self.next() % (1 << bits).max(1)) as i32;
        if self.next() & 1 == 0 { magnitude } else { -magnitude }
    }
}
