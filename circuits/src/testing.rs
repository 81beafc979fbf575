//! What circuit tests share: a small true round, and a checker that says which constraints a grid
//! breaks.
//!
//! The checker evaluates Halo2's own constraint system on the rows of a [`Grid`]; tests hold it to
//! `MockProver`. It exists because it names every broken constraint, gate, lookup or copy, so that
//! a test can show that each of them is needed, and because it is fast enough for thousands of
//! altered grids.

use std::collections::{BTreeSet, HashSet};

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::plonk::{Circuit, ConstraintSystem, Expression};
use halo2_proofs::poly::Rotation;
use pogo_protocol::fixed::{self, BLOCK, LEAF};
use pogo_protocol::leaf::{self, tag};
use pogo_protocol::merkle::{Layout, Tree, hash_pairs};
use pogo_protocol::opening::{Openings, QuantizeOpening, RecordOpening, Roots, Slot, UpdateOpening};
use pogo_protocol::poseidon;
use pogo_protocol::record::{pair, steps_root};

use crate::grid::{ADVICE, Cell, FIXED, Grid};
use crate::round::{Claim, RoundCircuit, Shape};

/// A constraint of a grid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Constraint {
    /// A polynomial of a gate: "gate / constraint".
    Gate(String),
    /// The digit lookup.
    Lookup,
    /// A copy between two cells, by what the second assigned of the two stands for.
    Copy(&'static str),
    /// A copy of the public inputs, by row.
    Public(usize),
}

/// Checks grids against the constraint system of [`RoundCircuit`].
#[derive(Debug)]
pub struct Checker {
    system: ConstraintSystem<Fr>,
}

impl Default for Checker {
    fn default() -> Self {
        let mut system = ConstraintSystem::default();
        RoundCircuit::configure(&mut system);
        Self { system }
    }
}

impl Checker {
    /// All gate constraints, by name.
    pub fn gates(&self) -> BTreeSet<Constraint> {
        let names = self.system.gates().iter().flat_map(|gate| {
            (0..gate.polynomials().len()).map(|i| Constraint::Gate(constraint_name(gate.name(), gate.constraint_name(i), i)))
        });
        names.collect()
    }

    /// All constraints that `grid` breaks when the public inputs are `instances`.
    pub fn broken(&self, grid: &Grid, instances: &[Fr]) -> BTreeSet<Constraint> {
        let mut broken = BTreeSet::new();
        let rows = grid.rows() + 1;
        for gate in self.system.gates() {
            for (i, polynomial) in gate.polynomials().iter().enumerate() {
                if (0..rows).any(|row| evaluate(polynomial, grid, row) != Fr::ZERO) {
                    broken.insert(Constraint::Gate(constraint_name(gate.name(), gate.constraint_name(i), i)));
                }
            }
        }
        self.check_lookup(grid, rows, &mut broken);
        let mut names = std::collections::HashMap::new();
        for assignment in &grid.assignments {
            names.entry(assignment.cell).or_insert(assignment.name);
        }
        for &(left, right) in &grid.copies {
            if grid.value(left) != grid.value(right) {
                broken.insert(Constraint::Copy(names.get(&left).copied().unwrap_or("constant")));
            }
        }
        for &(cell, row) in &grid.publics {
            if grid.value(cell) != instances[row] {
                broken.insert(Constraint::Public(row));
            }
        }
        broken
    }

    fn check_lookup(&self, grid: &Grid, rows: usize, broken: &mut BTreeSet<Constraint>) {
        for lookup in self.system.lookups() {
            let values = |expressions: &[Expression<Fr>], row| -> Vec<[u8; 32]> {
                expressions.iter().map(|e| evaluate(e, grid, row).to_repr().into()).collect()
            };
            let table: HashSet<_> = (0..rows).map(|row| values(lookup.table_expressions(), row)).collect();
            if (0..rows).any(|row| !table.contains(&values(lookup.input_expressions(), row))) {
                broken.insert(Constraint::Lookup);
            }
        }
    }
}

fn constraint_name(gate: &str, constraint: &str, index: usize) -> String {
    if constraint.is_empty() { format!("{gate} / {index}") } else { format!("{gate} / {constraint}") }
}

fn evaluate(expression: &Expression<Fr>, grid: &Grid, row: usize) -> Fr {
    let at = |rotation: Rotation| row.checked_add_signed(rotation.0 as isize);
    expression.evaluate(
        &|constant| constant,
        &|_| Fr::ZERO,
        &|query| grid.fixed_value(FIXED[query.column_index()], row),
        &|query| {
            let column = ADVICE[query.column_index()];
            at(query.rotation()).map_or(Fr::ZERO, |row| grid.value(Cell { column, row }))
        },
        &|_| Fr::ZERO,
        &|_| Fr::ZERO,
        &|a| -a,
        &|a, b| a + b,
        &|a, b| a * b,
        &|a, factor| a * factor,
    )
}

/// The leaves of one state.
#[derive(Clone, Debug)]
struct State {
    weights: Vec<[i32; LEAF]>,
    momenta: Vec<[i32; LEAF]>,
    scales: Vec<i32>,
}

/// A true round of three steps (fewer records than the trees hold) over two small tensors, with
/// edge values among its weights; `seed` varies it. Returns what a proof of `shape` shows.
pub fn round(shape: &Shape, seed: u64) -> (Claim, Openings) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let shapes = if shape.tree_depth < 4 { vec![(2, 70)] } else { vec![(3, 150), (2, 10)] };
    let layout = Layout::new(shape.tree_depth, shapes).expect("the test model fits");
    let steps = 3.min((1 << shape.steps_depth) - 1);
    let rates = [1 << 12, (1 << 26) - 1, 12_345];
    let mut states = vec![initial(&layout, &mut random)];
    let mut codes = Vec::new();
    for rate in &rates[..steps] {
        let (next, applied) = advance(&layout, states.last().expect("a state"), *rate, &mut random);
        states.push(next);
        codes.push(applied);
    }
    let trees = Trees::new(shape, &layout, &states, &codes, &mut random);
    let (half_steps, quantized) = quantize(&layout, &states[steps]);
    let quantized_tree = tree(&layout, quantized.iter().map(|(codes, scales)| {
        leaf::quantized_leaf(codes, *scales).expect("legal codes")
    }));
    let roots = Roots {
        parent: trees.state_roots[0],
        steps: steps_root(trees.records.root(), steps as u32 + 1),
        state: trees.state_roots[steps],
        quantized: layout.root(tag::QUANTIZED_ROOT, quantized_tree.root()),
        layout: layout.element(),
        record_count: steps as u32 + 1,
    };
    let updates = (0..shape.updates).map(|i| {
        let (step, leaf) = (i % steps, (i / steps + i) % layout.leaf_count());
        trees.update(&layout, &states, &codes[step][leaf], step, leaf, rates[step])
    });
    let quantizes = (0..shape.quantizes).map(|i| {
        let leaf = i % layout.leaf_count();
        let place = layout.place(leaf);
        let state = &states[steps];
        QuantizeOpening {
            slot: slot(&layout, leaf),
            half_step: half_steps[place.tensor],
            weights: state.weights[leaf],
            momenta_hash: leaf::momenta_hash(&state.momenta[leaf], state.scales[leaf]).expect("legal words"),
            path: trees.states[steps].path(place.position),
            codes: quantized[leaf].0,
            scales: quantized[leaf].1,
            path_quantized: quantized_tree.path(place.position),
        }
    });
    let openings = Openings {
        updates: updates.collect(),
        quantizes: quantizes.collect(),
        first: trees.record(0),
        last: trees.record(steps),
    };
    let digest = [random.field(), random.field()];
    (Claim { digest, roots }, openings)
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

fn slot(layout: &Layout, leaf: usize) -> Slot {
    let place = layout.place(leaf);
    Slot { position: place.position, padding: LEAF - place.valid }
}

fn words(valid: usize, random: &mut Random) -> [i32; LEAF] {
    let edges = [fixed::WORD_MAX, fixed::WORD_MIN, 0, fixed::WORD_MAX - 5, fixed::WORD_MIN + 5];
    core::array::from_fn(|i| match i {
        _ if i >= valid => 0,
        _ if i < edges.len() => edges[i],
        _ => random.word(),
    })
}

fn initial(layout: &Layout, random: &mut Random) -> State {
    let leaves = 0..layout.leaf_count();
    State {
        weights: leaves.clone().map(|leaf| words(layout.place(leaf).valid, random)).collect(),
        momenta: leaves.clone().map(|leaf| words(layout.place(leaf).valid, random)).collect(),
        scales: leaves.map(|_| random.word().abs()).collect(),
    }
}

fn advance(layout: &Layout, before: &State, rate: u32, random: &mut Random) -> (State, Vec<[i8; LEAF]>) {
    let mut after = before.clone();
    let mut applied = Vec::new();
    for leaf in 0..layout.leaf_count() {
        let valid = layout.place(leaf).valid;
        // Momenta at the edges of the range and of each rounding step.
        let scale = [random.word().abs(), 0, 127, 128, (1 << 30) - 1][(random.next() % 5) as usize];
        let shift = fixed::code_shift(scale);
        let mut momenta = words(valid, random);
        for (i, momentum) in momenta.iter_mut().enumerate().take(valid).skip(5) {
            if i % 2 == 0 {
                *momentum = ((i as i32 - 30) << (shift - 1)).wrapping_sub((i % 3) as i32).clamp(fixed::WORD_MIN, fixed::WORD_MAX);
            }
        }
        let mut codes = [0; LEAF];
        for i in 0..valid {
            let code = fixed::code(momenta[i], shift, before.weights[leaf][i], rate);
            codes[i] = code as i8;
            after.weights[leaf][i] = fixed::update(before.weights[leaf][i], code, rate);
        }
        (after.momenta[leaf], after.scales[leaf]) = (momenta, scale);
        applied.push(codes);
    }
    (after, applied)
}

fn tree(layout: &Layout, leaves: impl Iterator<Item = ark_bn254::Fr>) -> Tree {
    let mut positions = vec![ark_bn254::Fr::from(0u64); layout.position_count()];
    for (leaf, hash) in leaves.enumerate() {
        positions[layout.place(leaf).position] = hash;
    }
    Tree::new(layout.depth(), positions, hash_pairs)
}

type Leaf4 = ([i8; LEAF], [u8; 2]);

fn quantize(layout: &Layout, state: &State) -> (Vec<u32>, Vec<Leaf4>) {
    let tensors = layout.place(layout.leaf_count() - 1).tensor + 1;
    let exponents: Vec<u32> = (0..tensors)
        .map(|tensor| {
            let weights = state.weights[layout.leaves_of(tensor)].iter().flatten();
            fixed::block_exponent(weights.map(|w| w.unsigned_abs()).max().unwrap_or(0))
        })
        .collect();
    let leaves = (0..layout.leaf_count()).map(|leaf| {
        let exponent = exponents[layout.place(leaf).tensor];
        let (mut codes, mut scales) = ([0; LEAF], [1; 2]);
        for (block, weights) in state.weights[leaf].chunks(BLOCK).enumerate() {
            let max = weights.iter().map(|w| w.unsigned_abs()).max().unwrap_or(0);
            let scale = fixed::block_scale(max, exponent);
            scales[block] = scale as u8;
            for (i, &weight) in weights.iter().enumerate() {
                codes[block * BLOCK + i] = fixed::quantize(weight, scale, exponent) as i8;
            }
        }
        (codes, scales)
    });
    let leaves = leaves.collect();
    (exponents.iter().map(|&exponent| 1 << (exponent - 1)).collect(), leaves)
}

/// Trees of a round.
struct Trees {
    states: Vec<Tree>,
    updates: Vec<Tree>,
    state_roots: Vec<ark_bn254::Fr>,
    update_roots: Vec<ark_bn254::Fr>,
    rests: Vec<ark_bn254::Fr>,
    records: Tree,
}

impl Trees {
    fn new(shape: &Shape, layout: &Layout, states: &[State], codes: &[Vec<[i8; LEAF]>], random: &mut Random) -> Self {
        let states: Vec<Tree> = (states.iter())
            .map(|state| {
                tree(layout, (0..layout.leaf_count()).map(|leaf| {
                    let weights = leaf::weights_hash(&state.weights[leaf]).expect("legal words");
                    let momenta = leaf::momenta_hash(&state.momenta[leaf], state.scales[leaf]).expect("legal words");
                    leaf::state_leaf(weights, momenta)
                }))
            })
            .collect();
        let updates: Vec<Tree> = (codes.iter())
            .map(|codes| tree(layout, codes.iter().map(|codes| leaf::update_leaf(codes).expect("legal codes"))))
            .collect();
        let state_roots: Vec<_> = states.iter().map(|tree| layout.root(tag::STATE_ROOT, tree.root())).collect();
        let mut update_roots = vec![ark_bn254::Fr::from(0u64)];
        update_roots.extend(updates.iter().map(|tree| layout.root(tag::UPDATE_ROOT, tree.root())));
        let rests: Vec<_> = state_roots.iter().map(|_| random.field()).collect();
        let records = (state_roots.iter().zip(&update_roots).zip(&rests))
            .map(|((&state, &update), &rest)| poseidon::hash(ark_bn254::Fr::from(tag::RECORD), pair(state, update), rest));
        let records = Tree::new(shape.steps_depth, records.collect(), hash_pairs);
        Self { states, updates, state_roots, update_roots, rests, records }
    }

    fn record(&self, index: usize) -> RecordOpening {
        let path = self.records.path(index);
        RecordOpening { update_root: self.update_roots[index], rest: self.rests[index], path }
    }

    fn update(
        &self,
        layout: &Layout,
        states: &[State],
        codes: &[i8; LEAF],
        step: usize,
        leaf: usize,
        learning_rate: u32,
    ) -> UpdateOpening {
        let slot = slot(layout, leaf);
        let (before, after) = (&states[step], &states[step + 1]);
        let momenta_hash = leaf::momenta_hash(&before.momenta[leaf], before.scales[leaf]);
        UpdateOpening {
            slot,
            step: step as u32,
            learning_rate,
            weights_before: before.weights[leaf],
            momenta_hash_before: momenta_hash.expect("legal words"),
            path_before: self.states[step].path(slot.position),
            record_before: self.record(step),
            weights_after: after.weights[leaf],
            momenta_after: after.momenta[leaf],
            scale_after: after.scales[leaf],
            path_after: self.states[step + 1].path(slot.position),
            codes: *codes,
            path_update: self.updates[step].path(slot.position),
            record_after: self.record(step + 1),
        }
    }
}
