//! The round circuit: update and quantize cells of one proof, under the roots of one commitment.
//!
//! ```text
//! public inputs: statement digest (high, low) | parent, steps, state, quantized root | layout
//!                | record count | packed update samples | packed quantize samples
//! ```
//!
//! Beside the sampled cells, every proof opens record 0 (its state root is the parent root) and
//! the last record (its state root is the final state root).

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::ConstraintSystem;
use pogo_protocol::fixed::LEAF;
use pogo_protocol::opening::{Openings, QuantizeOpening, RecordOpening, Roots, Slot, UpdateOpening};
use pogo_protocol::statement::{QUANTIZES_PER_ELEMENT, SAMPLES_PER_PROOF, Statement, UPDATES_PER_ELEMENT};

use crate::cells::{Builder, Packed, Publics, quantize, update};
use crate::chips::Columns;
use crate::chips::poseidon::{Lane, Operand, convert};
use crate::chips::values::{Bits, Lines, Range, Source};
use crate::circuit::Gridded;
use crate::grid::{Cell, Grid};

/// Size of a round circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows are `2^k`.
    pub k: u32,
    /// Update cells.
    pub updates: usize,
    /// Quantize cells.
    pub quantizes: usize,
    /// Depth of the trees over a model's leaves.
    pub tree_depth: usize,
    /// Depth of the tree over step records.
    pub steps_depth: usize,
    /// Depth of the tree over the tensors of a step.
    pub trace_depth: usize,
}

impl Shape {
    /// Eight cells of each kind; models up to 2^18 leaf positions (16 M weights), 4,095 steps.
    pub const MINIMAL: Shape = Shape {
        k: 15,
        updates: SAMPLES_PER_PROOF,
        quantizes: SAMPLES_PER_PROOF,
        tree_depth: 18,
        steps_depth: 12,
        trace_depth: 24,
    };
    /// Eight cells of each kind; models up to 2^24 leaf positions (1 G weights), 1 M steps.
    pub const MAINNET: Shape = Shape {
        k: 16,
        updates: SAMPLES_PER_PROOF,
        quantizes: SAMPLES_PER_PROOF,
        tree_depth: 24,
        steps_depth: 20,
        trace_depth: 30,
    };
    /// The smallest circuit, for tests: one cell of each kind, trees of depth 2.
    pub const SMALLEST: Shape =
        Shape { k: 12, updates: 1, quantizes: 1, tree_depth: 2, steps_depth: 2, trace_depth: 8 };
}

/// What the public inputs claim beside the samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Statement digest, high and low limb.
    pub digest: [ark_bn254::Fr; 2],
    /// The roots.
    pub roots: Roots,
}

impl Claim {
    /// The claim of a statement.
    pub fn new(statement: &Statement) -> Self {
        let instances = statement.instances();
        let roots = Roots {
            parent: statement.parent_root,
            steps: statement.steps_root,
            state: statement.state_root,
            quantized: statement.quantized_root,
            data: statement.data_root,
            layout: statement.layout,
            record_count: statement.record_count,
        };
        Self { digest: [instances[0], instances[1]], roots }
    }

    /// The claim of zeros, for keys.
    pub(crate) fn blank() -> Self {
        let zero = ark_bn254::Fr::from(0u64);
        let roots = Roots {
            parent: zero,
            steps: zero,
            state: zero,
            quantized: zero,
            data: zero,
            layout: zero,
            record_count: 1,
        };
        Self { digest: [zero; 2], roots }
    }

    /// Assigns the public inputs before the samples; returns their cells and those of the digest.
    pub(crate) fn publish(&self, grid: &mut Grid, lines: &mut Lines) -> (Publics, [Cell; 2]) {
        let Roots { parent, steps, state, quantized, layout, record_count, .. } = self.roots;
        let [high, low] = self.digest;
        let mut row = 0;
        let mut public = |value, name| {
            row += 1;
            lines.public(grid, convert(value), row - 1, name)
        };
        let digest = [public(high, "statement digest, high"), public(low, "statement digest, low")];
        let publics = Publics {
            parent_root: public(parent, "parent root"),
            steps_root: public(steps, "steps root"),
            state_root: public(state, "state root"),
            quantized_root: public(quantized, "quantized root"),
            layout: public(layout, "layout"),
            record_count: public(record_count.into(), "record count"),
        };
        (publics, digest)
    }
}

/// A round circuit with its witness.
#[derive(Clone, Debug)]
pub struct RoundCircuit {
    shape: Shape,
    claim: Claim,
    openings: Openings,
}

impl RoundCircuit {
    /// The circuit that shows that `openings` obey the relations under `claim`.
    ///
    /// # Panics
    /// When the openings are not as many, or the paths not as long, as `shape` says.
    pub fn new(shape: Shape, claim: Claim, openings: Openings) -> Self {
        assert_eq!((openings.updates.len(), openings.quantizes.len()), (shape.updates, shape.quantizes), "openings");
        Self { shape, claim, openings }
    }

    /// The circuit with zeros for a witness, for keys.
    pub fn blank(shape: Shape) -> Self {
        Self { shape, claim: Claim::blank(), openings: blank_openings(&shape) }
    }

    /// Opens the first and the last record.
    fn ends(&self, builder: &mut Builder) {
        let depth = self.shape.steps_depth;
        let (zero, publics) = (builder.zero, builder.publics);
        let first = Bits { value: zero, bits: vec![zero; depth] };
        builder.record(publics.parent_root, Operand::Copy(zero), &first, &self.openings.first);
        let last = i128::from(self.claim.roots.record_count) - 1;
        let last = builder.lines.bits(&mut builder.grid, last, depth, Source::Input, "last record bit");
        let count = builder.lines.increment(&mut builder.grid, last.value);
        builder.grid.equal(count, publics.record_count);
        let update = Operand::Input(convert(self.openings.last.update_root), "update root of the last record");
        builder.record(publics.state_root, update, &last, &self.openings.last);
    }
}

fn blank_openings(shape: &Shape) -> Openings {
    let zero = ark_bn254::Fr::from(0u64);
    let slot = Slot { position: 0, padding: 0 };
    let record = RecordOpening { update_root: zero, rest: zero, path: vec![zero; shape.steps_depth] };
    let path = vec![zero; shape.tree_depth];
    let update = UpdateOpening {
        slot,
        step: 0,
        learning_rate: 1,
        weights_before: [0; LEAF],
        momenta_hash_before: zero,
        path_before: path.clone(),
        record_before: record.clone(),
        weights_after: [0; LEAF],
        momenta_after: [0; LEAF],
        scale_after: 0,
        path_after: path.clone(),
        codes: [0; LEAF],
        path_update: path.clone(),
        record_after: record.clone(),
    };
    let quantize = QuantizeOpening {
        slot,
        half_step: 1,
        weights: [0; LEAF],
        momenta_hash: zero,
        path: path.clone(),
        codes: [0; LEAF],
        scales: [1; 2],
        path_quantized: path,
    };
    Openings {
        first: record.clone(),
        last: record,
        updates: vec![update; shape.updates],
        quantizes: vec![quantize; shape.quantizes],
    }
}

impl Gridded for RoundCircuit {
    fn gates(meta: &mut ConstraintSystem<Fr>, columns: &Columns) {
        update::configure(meta, columns);
        quantize::configure(meta, columns);
    }

    fn fill(&self, mut grid: Grid) -> Grid {
        Lines::table(&mut grid, &Range::ROUND);
        let mut lines = Lines::default();
        let zero = lines.constant(&mut grid, false);
        let (publics, _) = self.claim.publish(&mut grid, &mut lines);
        let mut row = grid.publics.len();
        let mut builder = Builder { grid, lane: Lane::new(), lines, publics, zero };
        self.ends(&mut builder);
        let Shape { tree_depth, steps_depth, .. } = self.shape;
        let updates: Vec<Packed> = (self.openings.updates.iter())
            .map(|opening| update::assign(&mut builder, opening, tree_depth, steps_depth))
            .collect();
        let quantizes: Vec<Packed> =
            self.openings.quantizes.iter().map(|opening| quantize::assign(&mut builder, opening, tree_depth)).collect();
        for (samples, per_element) in [(updates, UPDATES_PER_ELEMENT), (quantizes, QUANTIZES_PER_ELEMENT)] {
            for group in samples.chunks(per_element) {
                let high_first: Vec<_> = group.iter().rev().flatten().copied().collect();
                let element = builder.lines.compose(&mut builder.grid, &high_first, Range::Free, "packed sample");
                builder.grid.public(element, row);
                row += 1;
            }
        }
        builder.grid
    }
}
