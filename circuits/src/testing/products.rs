//! A committed step, with every product of it.

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use pogo_protocol::cell::{CellOpening, Depths};
use pogo_protocol::data::Batch;
use pogo_protocol::fixed::pcg;
use pogo_protocol::merkle::{Tree, hash_pairs};
use pogo_protocol::model::{Schedule, Spec, State, TraceMode};
use pogo_protocol::product::{ProductCell, ProductOpening, TracedRecord};
use pogo_protocol::record::{StepRecord, steps_root};
use pogo_protocol::statement::{CircuitKind, Context, STEP_ELEMENTS, Statement};
use pogo_protocol::trace::{Trace, TraceLayout};

use crate::round::Claim;
use crate::step::{StepCircuit, StepShape};

/// Number of the step.
pub const STEP: u32 = 1;
/// Records of the round.
pub const RECORDS: u32 = 3;

fn spec() -> Spec {
    Spec {
        name: "product".into(),
        layers: vec![130, 70, 10],
        batch: 128,
        steps: 2,
        checkpoint_every: 1,
        learning_rate: 1 << 14,
        schedule: Schedule::Constant,
        warmup: 0,
        seed: 3,
        trace: TraceMode::Every,
        data_root: [0; 32],
    }
}

/// A step, committed to.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where its tensors stand.
    pub layout: TraceLayout,
    /// Its tensors.
    pub trace: Trace,
    /// The tree over them.
    pub tree: Tree,
    /// Record after it.
    pub record: TracedRecord,
    /// Root over the step records.
    pub steps_root: Fr,
    /// Layout element of the model.
    pub element: Fr,
}

/// The step in trees of these depths.
pub fn step(depths: Depths) -> Step {
    let spec = spec();
    let layout = TraceLayout::new(depths.trace, &spec).expect("the step fits");
    let count = spec.batch as usize * spec.width();
    let features = (0..count as u32).map(|i| (pcg(i) % 255) as i8).map(|x| x.max(-127)).collect();
    let batch = Batch { features, labels: (0..spec.batch as u16).map(|i| i % 10).collect() };
    let trace = Trace::new(&spec, &State::initial(&spec), &batch, STEP, 9);
    let mut leaves = vec![Fr::ZERO; layout.position_count()];
    for placed in layout.tensors() {
        trace.leaves(placed).expect("words of a step").into_iter().for_each(|(position, leaf)| leaves[position] = leaf);
    }
    let tree = Tree::new(depths.trace, leaves, hash_pairs);
    let element = Fr::from(77u64);
    let records: Vec<StepRecord> = (0..RECORDS)
        .map(|index| StepRecord {
            index,
            state_root: Fr::from(100 + index),
            update_root: Fr::from(200 + index),
            loss: 300 + u64::from(index),
            exponents: None,
            next_exponents: Some(trace.gradients.exponents_next.clone()),
            trace_root: if index == STEP + 1 { layout.root(tree.root(), element) } else { Fr::ZERO },
        })
        .collect();
    let steps = Tree::new(depths.steps, records.iter().map(StepRecord::hash).collect(), hash_pairs);
    let index = STEP as usize + 1;
    let record = TracedRecord::new(&records[index], steps.path(index));
    Step { layout, trace, tree, record, steps_root: steps_root(steps.root(), RECORDS), element }
}

impl Step {
    /// Opens a cell of the step.
    ///
    /// # Panics
    /// When the step has no such cell.
    pub fn open(&self, cell: ProductCell) -> ProductOpening {
        cell.open(&self.layout, &self.trace, &self.tree, STEP, self.record.clone()).expect("the step has the cell")
    }

    /// What a proof of an opening of the step claims, under this steps root.
    pub fn statement(&self, opening: &ProductOpening, steps_root: Fr) -> Statement {
        let root = Fr::from;
        let mut samples = opening.sample().elements().expect("a small step");
        samples.resize(STEP_ELEMENTS, Fr::ZERO);
        Statement {
            circuit: [1; 32],
            srs: [2; 32],
            context: Context { chain_id: 31_337, contract: [3; 20], task: [4; 32], round: 0, miner: [5; 20] },
            commitment: [6; 32],
            spec: [7; 32],
            data_root: root(8u64),
            beacon: [9; 32],
            part: 0,
            parts: 1,
            parent_root: root(10u64),
            steps_root,
            state_root: root(11u64),
            quantized_root: root(12u64),
            layout: self.element,
            record_count: RECORDS,
            samples,
        }
    }

    /// The circuit that shows an opening of the step.
    pub fn circuit(&self, depths: Depths, opening: ProductOpening, steps_root: Fr) -> StepCircuit {
        let shape = StepShape { k: 15, circuit: CircuitKind::Product(opening.orientation), cells: 1, depths };
        let claim = Claim::new(&self.statement(&opening, steps_root));
        StepCircuit::new(shape, claim, vec![CellOpening::Product(opening)])
    }
}
