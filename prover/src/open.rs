//! Open: leaves and paths that a challenge asks for, from the store, by exact replay.

use std::collections::BTreeMap;

use ark_bn254::Fr;
use pogo_protocol::cell::{CellOpening, Depths};
use pogo_protocol::fixed::LEAF;
use pogo_protocol::merkle::{Layout, Tree};
use pogo_protocol::model::State;
use pogo_protocol::opening::{Openings, QuantizeOpening, RecordOpening, Roots, Slot, UpdateOpening, Violation};
use pogo_protocol::record::StepRecord;
use pogo_protocol::statement::{CircuitKind, Part, PublicRound};

use crate::commit::{self, leaf_of, momenta_hash, quantized_tree, records_tree, scales_of, state_tree, update_tree};
use crate::error::Error;
use crate::store::Store;
use crate::train::{Job, Stepper, Trace};

pub mod cells;
mod peaks;

/// Opens the samples of every part of a challenge.
///
/// # Errors
/// [`Error::Opening`] when an opening does not obey the relations, and errors of the store.
pub fn open(
    store: &Store,
    job: &Job<'_>,
    trace: &Trace,
    public: &PublicRound<'_>,
    parts: &[Part],
) -> Result<Vec<Openings>, Error> {
    let steps = steps(store, job, trace, parts)?;
    let last = Model::new(&job.round.layout, trace.state.clone())?;
    let openings = assemble(job, &trace.records, &last, parts, &steps)?;
    let roots = public.roots();
    for (part, openings) in openings.iter().enumerate() {
        openings.check(&roots).map_err(|violation| Error::Opening { part, violation })?;
    }
    Ok(openings)
}

/// Openings of every part from the records, the final state and the steps that it samples, not checked.
///
/// # Errors
/// [`Error::Leaf`].
pub(crate) fn assemble(
    job: &Job<'_>,
    records: &[StepRecord],
    last: &Model,
    parts: &[Part],
    steps: &BTreeMap<u32, Step>,
) -> Result<Vec<Openings>, Error> {
    let tree = records_tree(job.round.shape.steps_depth, records);
    let quantized = last.state.quantize();
    let quantized_tree = quantized_tree(&job.round.layout, &quantized)?;
    let quantize = |&leaf: &usize| -> Result<QuantizeOpening, Error> {
        let place = job.round.layout.place(leaf);
        Ok(QuantizeOpening {
            slot: slot(&job.round.layout, leaf),
            half_step: 1 << (quantized.exponents[place.tensor] - 1),
            weights: *leaf_of(&last.state.weights[place.tensor], place.index_in_tensor),
            momenta_hash: momenta_hash(&job.round.layout, &last.state, leaf)?,
            path: last.tree.path(place.position),
            codes: *leaf_of(&quantized.codes[place.tensor], place.index_in_tensor),
            scales: scales_of(&quantized, place.tensor, place.index_in_tensor),
            path_quantized: quantized_tree.path(place.position),
        })
    };
    let open_part = |samples: &Part| -> Result<Openings, Error> {
        let updates = samples
            .updates
            .iter()
            .map(|sample| steps[&sample.step].open(job, records, &tree, sample.step, sample.leaf));
        Ok(Openings {
            first: record(records, &tree, 0),
            last: record(records, &tree, records.len() as u32 - 1),
            updates: updates.collect::<Result<_, _>>()?,
            quantizes: samples.quantizes.iter().map(quantize).collect::<Result<_, _>>()?,
        })
    };
    parts.iter().map(open_part).collect()
}

/// What one proof opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// Update and quantize cells, by the round circuit.
    Round(Openings),
    /// Cells of one other kind, each by its circuit.
    Cells(Vec<CellOpening>),
}

impl Opened {
    /// Whether all of it obeys the relations.
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn check(&self, roots: &Roots, depths: Depths) -> Result<(), Violation> {
        match self {
            Self::Round(openings) => openings.check(roots),
            Self::Cells(openings) => openings.iter().try_for_each(|opening| opening.check(roots, depths)),
        }
    }

    /// The circuit that proves it; none for no cells.
    pub fn circuit(&self) -> Option<CircuitKind> {
        match self {
            Self::Round(_) => Some(CircuitKind::Round),
            Self::Cells(openings) => openings.first().map(|opening| opening.sample().circuit()),
        }
    }
}

/// A state and the tree over its leaves.
#[derive(Clone)]
pub(crate) struct Model {
    pub(crate) state: State,
    pub(crate) tree: Tree,
}

impl Model {
    /// Hashes the leaves.
    pub(crate) fn new(layout: &Layout, state: State) -> Result<Self, Error> {
        Ok(Self { tree: state_tree(layout, &state)?, state })
    }

    /// Puts a value at a position of the tree: what only a miner that lies does.
    pub(crate) fn put(&mut self, layout: &Layout, position: usize, value: Fr) {
        let positions = 0..layout.position_count().max(position + 1);
        let leaf = |at: usize| if at == position { value } else { self.tree.leaf(at) };
        self.tree = commit::tree(layout.depth(), positions.map(leaf).collect());
    }
}

/// One step with its state before and after.
pub(crate) struct Step {
    before: Model,
    after: Model,
    codes: Vec<Vec<i8>>,
    update_tree: Tree,
}

/// Replays every sampled step once.
fn steps(store: &Store, job: &Job<'_>, trace: &Trace, parts: &[Part]) -> Result<BTreeMap<u32, Step>, Error> {
    let mut stepper = Stepper::new(job, trace.records[0].state_root)?;
    let mut steps = BTreeMap::new();
    for sample in parts.iter().flat_map(|part| &part.updates) {
        if steps.contains_key(&sample.step) {
            continue;
        }
        let before = stepper.seek(store, &trace.records, sample.step)?;
        let result = stepper.run(sample.step..sample.step + 1)?.remove(0);
        let (layout, after) = (&job.round.layout, stepper.state()?);
        let models = [Model::new(layout, before)?, Model::new(layout, after)?];
        steps.insert(sample.step, Step::new(layout, models, result.codes)?);
    }
    Ok(steps)
}

impl Step {
    /// A step between two states; hashes its codes.
    pub(crate) fn new(layout: &Layout, [before, after]: [Model; 2], codes: Vec<Vec<i8>>) -> Result<Self, Error> {
        Ok(Self { before, after, update_tree: update_tree(layout, &codes)?, codes })
    }

    fn open(
        &self,
        job: &Job<'_>,
        records: &[StepRecord],
        tree: &Tree,
        step: u32,
        leaf: usize,
    ) -> Result<UpdateOpening, Error> {
        let place = job.round.layout.place(leaf);
        let of = |tensors: &[Vec<i32>]| *leaf_of(&tensors[place.tensor], place.index_in_tensor);
        Ok(UpdateOpening {
            slot: slot(&job.round.layout, leaf),
            step,
            learning_rate: job.round.spec.learning_rate(step),
            weights_before: of(&self.before.state.weights),
            momenta_hash_before: commit::momenta_hash(&job.round.layout, &self.before.state, leaf)?,
            path_before: self.before.tree.path(place.position),
            record_before: record(records, tree, step),
            weights_after: of(&self.after.state.weights),
            momenta_after: of(&self.after.state.momenta),
            scale_after: self.after.state.scales[place.tensor][place.index_in_tensor],
            path_after: self.after.tree.path(place.position),
            codes: *leaf_of(&self.codes[place.tensor], place.index_in_tensor),
            path_update: self.update_tree.path(place.position),
            record_after: record(records, tree, step + 1),
        })
    }
}

fn record(records: &[StepRecord], tree: &Tree, index: u32) -> RecordOpening {
    let record = &records[index as usize];
    RecordOpening { update_root: record.update_root, rest: record.rest(), path: tree.path(index as usize) }
}

fn slot(layout: &Layout, leaf: usize) -> Slot {
    let place = layout.place(leaf);
    Slot { position: place.position, padding: LEAF - place.valid }
}
