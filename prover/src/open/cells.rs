//! Open cells: what one cell of any kind opens, from the step that it is of. [`open`] recomputes the
//! steps of the drawn cells and opens them all, an [`Opener`] opens one. [`crate::evaluation`] opens those of an
//! evaluation with it, which is a round of one step.
//!
//! An opening stands where its public sample says ([`PublicRound::sample`]); what stands there comes
//! from the step. Whether it obeys its relation is for [`CellOpening::check`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use pogo_protocol::cell::activation::{ActivationOpening, ActivationSample};
use pogo_protocol::cell::blank::BlankOpening;
use pogo_protocol::cell::dequantize::{DequantizeOpening, DequantizeSample};
use pogo_protocol::cell::errors::{ErrorsOpening, ErrorsSample};
use pogo_protocol::cell::init::InitOpening;
use pogo_protocol::cell::input::{InputOpening, InputSample};
use pogo_protocol::cell::link::LinkOpening;
use pogo_protocol::cell::loss::{LossLeaf, LossOpening, LossSample};
use pogo_protocol::cell::momentum::{Momenta, MomentumOpening, MomentumSample};
use pogo_protocol::cell::peak::{Choice, PeakOpening, PeakSample, PeakValues, Scaled};
use pogo_protocol::cell::scale::{ScaleOpening, ScaleSample};
use pogo_protocol::cell::vacant::{LastLeaf, VacantOpening, VacantSample};
use pogo_protocol::cell::weights::{WeightsOpening, WeightsSample};
use pogo_protocol::cell::{ByteLeaf, Cell, CellOpening, ExponentsLeaf, Place, Record, WordLeaf};
use pogo_protocol::data::DataSet;
use pogo_protocol::evaluation::PublicEvaluation;
use pogo_protocol::fixed::{LEAF, bounded};
use pogo_protocol::leaf::{FEATURES_DEPTH, feature_leaves, tag, weights_hash};
use pogo_protocol::merkle::{Layout, LeafPlace, Path, Tree, hash_pairs};
use pogo_protocol::model::{Exponents, Quantized, State};
use pogo_protocol::poseidon;
use pogo_protocol::product::{ProductCell, TracedRecord};
use pogo_protocol::record::{EXPONENTS_DEPTH, StepRecord, exponents_leaves};
use pogo_protocol::statement::{CellPart, PublicRound, Sample};
use pogo_protocol::trace::{Placed, TensorId, Trace, TraceLayout};
use rayon::prelude::*;

use super::Model;
use super::peaks;
use crate::commit::{
    data_tree, leaf_of, momenta_hash, quantized_tree, records_tree, scales_of, state_tree, update_tree,
};
use crate::error::Error;
use crate::round::Round;
use crate::store::Store;
use crate::trace;
use crate::train::{self, Job, Stepper};

/// Opens the cells of every part from the store, by exact replay of their steps, and holds them to
/// their relations; `progress` is told of every step done.
///
/// # Errors
/// [`Error::Cell`] for one that does not hold, [`Error::NoCell`], and errors of the store.
pub fn open(
    store: &Store,
    job: &Job<'_>,
    trained: &train::Trace,
    public: &PublicRound<'_>,
    parts: &[CellPart],
    mut progress: impl FnMut(u32),
) -> Result<Vec<Vec<CellOpening>>, Error> {
    let cells: BTreeSet<Cell> = parts.iter().flat_map(|part| &part.cells).copied().collect();
    let Some(&first) = cells.first() else { return Ok(Vec::new()) };
    let mut stepper = Stepper::new(job, trained.records[0].state_root)?;
    let start = stepper.seek(store, &trained.records, 0)?;
    let (records, ends) = (&trained.records, [&start, &trained.state]);
    let opener = Opener::new(public.clone(), job.round.shape.steps_depth, records, ends, job.data);
    let opener = opener.ok_or(Error::NoCell { cell: first })?;
    let (roots, depths) = (public.roots(), job.round.depths());
    let mut opened = BTreeMap::new();
    for t in cells.iter().map(|cell| cell.step).collect::<BTreeSet<_>>() {
        let step = TracedStep::recompute(&mut stepper, store, job, &trained.records, t)?;
        let open = |&cell: &Cell| {
            let opening = opener.open(&step, cell)?;
            opening.check(&roots, depths).map_err(|violation| Error::Cell { cell, violation })?;
            Ok((cell, opening))
        };
        let of_step: Vec<Cell> = cells.iter().filter(|cell| cell.step == t).copied().collect();
        opened.extend(of_step.par_iter().map(open).collect::<Result<Vec<_>, Error>>()?);
        progress(t);
    }
    let part = |part: &CellPart| part.cells.iter().map(|cell| opened[cell].clone()).collect();
    Ok(parts.iter().map(part).collect())
}

/// What cells of all steps are opened from beside their step: the records and the training data.
pub struct Opener<'a> {
    round: PublicRound<'a>,
    layout: &'a TraceLayout,
    records: &'a [StepRecord],
    records_tree: Tree,
    data: &'a DataSet,
    data_tree: Tree,
    /// The first and the final state; none of an evaluation.
    states: Option<[&'a State; 2]>,
    /// Made for the first scale or vacant cell.
    ends: OnceLock<Ends>,
}

/// Both ends of a round in their trees.
#[derive(Clone)]
pub(crate) struct Ends {
    pub(crate) first: Tree,
    pub(crate) last: Model,
    pub(crate) quantized: Tree,
}

impl Ends {
    /// Hashes the first state and the 4-bit model of the last.
    pub(crate) fn new(layout: &Layout, first: &State, last: Model) -> Result<Self, Error> {
        let quantized = quantized_tree(layout, &last.state.quantize())?;
        Ok(Self { first: state_tree(layout, first)?, last, quantized })
    }
}

/// One step with its tensors and trees.
pub struct TracedStep {
    step: u32,
    models: Models,
    trace: Trace,
    tree: Tree,
}

/// What a step computed with.
#[expect(clippy::large_enum_variant, reason = "a handful at a time")]
enum Models {
    /// The states before and after a training step, and the tree over its codes.
    States(Model, Model, Tree),
    /// The 4-bit model of an evaluation, and the tree over it.
    FourBit(Quantized, Tree),
}

impl TracedStep {
    /// Step `step` of a round between two states; hashes its codes and its tensors.
    ///
    /// # Errors
    /// [`Error::TraceTooLarge`]; [`Error::Leaf`], which no step leaves behind.
    pub(crate) fn new(
        round: &Round,
        step: u32,
        [before, after]: [Model; 2],
        codes: &[Vec<i8>],
        trace: Trace,
    ) -> Result<Self, Error> {
        let tree = trace::tree(&round.trace_layout()?, &trace)?;
        let models = Models::States(before, after, update_tree(&round.layout, codes)?);
        Ok(Self { step, models, trace, tree })
    }

    /// Hashes the one step of an evaluation of this model, whose leaves and tensors are placed so.
    ///
    /// # Errors
    /// [`Error::Leaf`], which no evaluation leaves behind.
    pub fn of_evaluation(layout: &Layout, placed: &TraceLayout, model: Quantized, trace: Trace) -> Result<Self, Error> {
        let (tree, of_model) = (trace::tree(placed, &trace)?, quantized_tree(layout, &model)?);
        Ok(Self { step: 0, models: Models::FourBit(model, of_model), trace, tree })
    }

    /// Root of the tree over its tensors.
    pub(crate) fn tree_root(&self) -> Fr {
        self.tree.root()
    }

    /// A step of a finished round, recomputed.
    fn recompute(
        stepper: &mut Stepper<'_>,
        store: &Store,
        job: &Job<'_>,
        records: &[StepRecord],
        t: u32,
    ) -> Result<Self, Error> {
        let before = stepper.seek(store, records, t)?;
        let trace = stepper.trace(&before, t);
        let result = stepper.run(t..t + 1)?.remove(0);
        let model = |state| Model::new(&job.round.layout, state);
        Self::new(job.round, t, [model(before)?, model(stepper.state()?)?], &result.codes, trace)
    }
}

impl<'a> Opener<'a> {
    /// Hashes the records, in a tree of `steps_depth`, and the data; none where the round commits to
    /// no traces. `states` are the first and the final one.
    pub fn new(
        round: PublicRound<'a>,
        steps_depth: usize,
        records: &'a [StepRecord],
        states: [&'a State; 2],
        data: &'a DataSet,
    ) -> Option<Self> {
        let layout = round.trace?;
        Some(Self::of(round, layout, steps_depth, records, Some(states), data))
    }

    /// [`Opener::new`] of the round that an evaluation is.
    pub fn of_evaluation(evaluation: &'a PublicEvaluation<'_>, steps_depth: usize, data: &'a DataSet) -> Self {
        Self::of(evaluation.round(), evaluation.trace(), steps_depth, evaluation.records(), None, data)
    }

    fn of(
        round: PublicRound<'a>,
        layout: &'a TraceLayout,
        steps_depth: usize,
        records: &'a [StepRecord],
        states: Option<[&'a State; 2]>,
        data: &'a DataSet,
    ) -> Self {
        let (records_tree, data_tree) = (records_tree(steps_depth, records), data_tree(data));
        Self { round, layout, records, records_tree, data, data_tree, states, ends: OnceLock::new() }
    }

    /// The opener of a miner with other trees over both ends than their states have.
    pub(crate) fn with_ends(self, ends: Ends) -> Self {
        Self { ends: ends.into(), ..self }
    }

    /// Opens a cell of this step, whether it holds or not.
    ///
    /// # Errors
    /// [`Error::NoCell`] for a cell of another step, or one that a round proof opens; [`Error::Leaf`],
    /// which no step leaves behind.
    pub fn open(&self, step: &TracedStep, cell: Cell) -> Result<CellOpening, Error> {
        let place = self.round.space().and_then(|space| space.place(cell));
        match (self.round.sample(cell), place) {
            (Some(sample), Some(place)) if cell.step == step.step || !cell.kind.is_of_step() => {
                At { of: self, step, cell }.open(sample, place)
            }
            _ => Err(Error::NoCell { cell }),
        }
    }

    /// Both ends in their trees; none of an evaluation.
    fn ends(&self) -> Result<Option<&Ends>, Error> {
        let (Some([first, last]), None) = (self.states, self.ends.get()) else { return Ok(self.ends.get()) };
        let layout = self.round.layout;
        let ends = Ends::new(layout, first, Model::new(layout, last.clone())?)?;
        Ok(Some(self.ends.get_or_init(|| ends)))
    }
}

/// A cell as it is opened.
struct At<'a> {
    of: &'a Opener<'a>,
    step: &'a TracedStep,
    cell: Cell,
}

impl At<'_> {
    fn open(&self, sample: Sample, place: Place) -> Result<CellOpening, Error> {
        let path = |position| self.step.tree.path(position);
        Ok(match (sample, place) {
            (Sample::Link(sample), Place::Step) => CellOpening::Link(LinkOpening {
                sample,
                before: self.before(),
                after: self.after(),
                label: self.loss_leaf(self.of.round.spec.batch as usize - 1)?.label,
                path: path(sample.losses),
            }),
            (Sample::Input(sample), _) => CellOpening::Input(self.input(sample)?),
            (Sample::Weights(sample), Place::Leaf(leaf)) => CellOpening::Weights(self.weights(sample, leaf)?),
            (Sample::Product(..), Place::Tile(tile)) => self.product(tile)?,
            (Sample::Activation(sample), Place::Row(_, row, column, _)) => {
                CellOpening::Activation(self.activation(sample, row, column)?)
            }
            (Sample::Loss(sample), Place::Batch(row)) => CellOpening::Loss(self.loss(sample, row)?),
            (Sample::Errors(sample), Place::Row(_, row, column, _)) => {
                CellOpening::Errors(self.errors(sample, row, column)?)
            }
            (Sample::Momentum(sample), Place::Leaf(leaf)) => CellOpening::Momentum(self.momentum(sample, leaf)?),
            (Sample::Blank(sample), _) => {
                CellOpening::Blank(BlankOpening { sample, path: path(sample.position), after: self.after() })
            }
            (Sample::Init(sample), _) => {
                CellOpening::Init(InitOpening { sample, path: self.states()?.0.tree.path(sample.position) })
            }
            (Sample::Peak(sample), _) => CellOpening::Peak(self.peak(sample)?),
            (Sample::Scale(sample), Place::Tensor(tensor)) => CellOpening::Scale(self.scale(sample, tensor)?),
            (Sample::Dequantize(sample), Place::Leaf(leaf)) => CellOpening::Dequantize(self.dequantize(sample, leaf)?),
            (Sample::Vacant(sample), _) => CellOpening::Vacant(self.vacant(sample)?),
            _ => return Err(self.none()),
        })
    }

    fn peak(&self, sample: PeakSample) -> Result<PeakOpening, Error> {
        let (tensor, scaled) = (sample.tensor as usize, sample.scaled);
        let of = match scaled {
            Scaled::Weights | Scaled::Losses => tensor,
            Scaled::Activations => tensor - 1,
            Scaled::Errors => tensor + 1,
        };
        let used = self.used(of)?;
        let opening = |choice, values| -> Result<PeakOpening, Error> {
            let (before, after) = (self.before(), self.after());
            Ok(PeakOpening { sample, choice, before, after, next: self.next(tensor)?, used: used.clone(), values })
        };
        if scaled == Scaled::Weights {
            let (layout, (before, _)) = (self.of.round.layout, self.states()?);
            let leaf = peaks::of_weights(layout, &before.state, tensor);
            let (choice, weights, momenta_hash, path) = leaf_at(layout, before, leaf)?;
            return opening(choice, PeakValues::Weights(weights, momenta_hash, path));
        }
        let (e, classes) = (bounded(used.sums()), self.of.round.spec.classes());
        let row = peaks::of_trace(self.of.layout, &self.step.trace, scaled, tensor, e, classes);
        let (row, column) = row.ok_or(self.none())?;
        let values = match scaled {
            Scaled::Weights => return Err(self.none()),
            Scaled::Activations => PeakValues::Activations(self.words(TensorId::Sums(of), row, column)?),
            Scaled::Errors => PeakValues::Errors(
                self.words(TensorId::Below(of), row, column)?,
                self.bytes(TensorId::Inputs(of), row, column)?,
            ),
            Scaled::Losses => PeakValues::Losses(self.words(TensorId::Sums(of), row, column)?, self.loss_leaf(row)?),
        };
        opening(Choice { row: row as u32, column: column as u32 }, values)
    }

    fn scale(&self, sample: ScaleSample, tensor: usize) -> Result<ScaleOpening, Error> {
        let (layout, Ends { last, .. }) = (self.of.round.layout, self.of.ends()?.ok_or(self.none())?);
        let leaf = peaks::of_weights(layout, &last.state, tensor);
        let (choice, weights, momenta_hash, path) = leaf_at(layout, last, leaf)?;
        Ok(ScaleOpening { sample, choice, weights, momenta_hash, path })
    }

    fn dequantize(&self, sample: DequantizeSample, leaf: LeafPlace) -> Result<DequantizeOpening, Error> {
        let Models::FourBit(model, tree) = &self.step.models else { return Err(self.none()) };
        Ok(DequantizeOpening {
            sample,
            after: self.after(),
            codes: *leaf_of(&model.codes[leaf.tensor], leaf.index_in_tensor),
            scales: scales_of(model, leaf.tensor, leaf.index_in_tensor),
            path: tree.path(sample.model),
            expanded: self.bytes(TensorId::Weights(leaf.tensor), leaf.row, leaf.column)?,
        })
    }

    fn vacant(&self, sample: VacantSample) -> Result<VacantOpening, Error> {
        let Models::States(_, after, codes) = &self.step.models else { return Err(self.none()) };
        let Ends { first, quantized, .. } = self.of.ends()?.ok_or(self.none())?;
        let last = |tree: &Tree, at: usize| LastLeaf { hash: tree.leaf(at), path: tree.path(at) };
        let of_model = |tree| last(tree, sample.position);
        let of_tensors = |exponents: Option<&Exponents>| -> Result<LastLeaf, Error> {
            let leaves = exponents_leaves(exponents.ok_or(self.none())?);
            let at = leaves.len() - 1;
            Ok(last(&Tree::new(EXPONENTS_DEPTH, leaves, hash_pairs), at))
        };
        let record = &self.of.records[self.cell.step as usize + 1];
        Ok(VacantOpening {
            sample,
            after: self.after(),
            records: last(&self.of.records_tree, self.of.records.len() - 1),
            parent: of_model(first),
            state: of_model(&after.tree),
            update: of_model(codes),
            quantized: of_model(quantized),
            trace: last(&self.step.tree, sample.trace),
            used: of_tensors(record.exponents.as_ref())?,
            next: of_tensors(record.next_exponents.as_ref())?,
        })
    }

    /// Losses up to a row, with its label.
    fn loss_leaf(&self, row: usize) -> Result<LossLeaf, Error> {
        let (trace, placed) = (&self.step.trace, self.placed(TensorId::Losses)?);
        let both = trace.losses().get(row).zip(trace.labels().get(row)).ok_or(self.none())?;
        let path = self.step.tree.path(placed.position(row, 0, 0));
        Ok(LossLeaf { loss: Fr::from(*both.0), label: *both.1, path })
    }

    fn input(&self, sample: InputSample) -> Result<InputOpening, Error> {
        let record = sample.record as usize;
        let label = *self.of.data.labels.get(record).ok_or(self.none())?;
        let features = features_tree(self.of.data.record(record));
        Ok(InputOpening {
            sample,
            leaf: features.leaf(sample.column),
            path: self.step.tree.path(sample.position),
            after: self.after(),
            features_path: features.path(sample.column),
            label: label.into(),
            data_path: self.of.data_tree.path(record),
        })
    }

    fn weights(&self, sample: WeightsSample, leaf: LeafPlace) -> Result<WeightsOpening, Error> {
        let (before, _) = self.states()?;
        Ok(WeightsOpening {
            sample,
            before: self.before(),
            after: self.after(),
            weights: *leaf_of(&before.state.weights[leaf.tensor], leaf.index_in_tensor),
            momenta_hash: momenta_hash(self.of.round.layout, &before.state, self.cell.index as usize)?,
            path: before.tree.path(sample.state),
            rounded: self.bytes(TensorId::Weights(leaf.tensor), leaf.row, leaf.column)?,
            used: self.used(leaf.tensor)?,
            next: self.next(leaf.tensor)?,
        })
    }

    fn product(&self, tile: ProductCell) -> Result<CellOpening, Error> {
        let (step, after) = (self.step, self.cell.step as usize + 1);
        let record = TracedRecord::new(&self.of.records[after], self.of.records_tree.path(after));
        let opening = tile.open(self.of.layout, &step.trace, &step.tree, self.cell.step, record);
        opening.map(CellOpening::Product).ok_or(self.none())
    }

    fn activation(&self, sample: ActivationSample, row: usize, column: usize) -> Result<ActivationOpening, Error> {
        let below = sample.tensor as usize;
        Ok(ActivationOpening {
            sample,
            after: self.after(),
            sums: self.words(TensorId::Sums(below), row, column)?,
            activations: self.bytes(TensorId::Inputs(below + 1), row, column)?,
            used_below: self.used(below)?,
            used: self.used(below + 1)?,
            next: self.next(below + 1)?,
        })
    }

    fn loss(&self, sample: LossSample, row: usize) -> Result<LossOpening, Error> {
        let (last, record) = (sample.tensor as usize, sample.record as usize);
        let label = *self.of.data.labels.get(record).ok_or(self.none())?;
        let losses = self.loss_leaf(row)?;
        Ok(LossOpening {
            sample,
            after: self.after(),
            sums: self.words(TensorId::Sums(last), row, 0)?,
            errors: self.bytes(TensorId::Errors(last), row, 0)?,
            before: match sample.before {
                Some(_) => self.loss_leaf(row - 1)?,
                None => LossLeaf { loss: Fr::ZERO, label: 0, path: vec![Fr::ZERO; self.of.layout.depth()] },
            },
            losses: (losses.loss, losses.path),
            used: self.used(last)?,
            next: self.next(last)?,
            label,
            features: features_hash(self.of.data.record(record)),
            data_path: self.of.data_tree.path(record),
        })
    }

    fn errors(&self, sample: ErrorsSample, row: usize, column: usize) -> Result<ErrorsOpening, Error> {
        let tensor = sample.tensor as usize;
        Ok(ErrorsOpening {
            sample,
            after: self.after(),
            below: self.words(TensorId::Below(tensor + 1), row, column)?,
            activations: self.bytes(TensorId::Inputs(tensor + 1), row, column)?,
            errors: self.bytes(TensorId::Errors(tensor), row, column)?,
            used_above: self.used(tensor + 1)?,
            used: self.used(tensor)?,
            next: self.next(tensor)?,
        })
    }

    fn momentum(&self, sample: MomentumSample, leaf: LeafPlace) -> Result<MomentumOpening, Error> {
        let momenta = |model: &Model| -> Result<Momenta, Error> {
            let of = |tensors: &[Vec<i32>]| *leaf_of(&tensors[leaf.tensor], leaf.index_in_tensor);
            Ok(Momenta {
                weights_hash: weights_hash(&of(&model.state.weights))?,
                momenta: of(&model.state.momenta),
                scale: model.state.scales[leaf.tensor][leaf.index_in_tensor],
                path: model.tree.path(sample.state),
            })
        };
        let (before, after) = self.states()?;
        Ok(MomentumOpening {
            sample,
            before: self.before(),
            after: self.after(),
            momenta_before: momenta(before)?,
            momenta_after: momenta(after)?,
            gradient: self.words(TensorId::Gradients(leaf.tensor), leaf.row, leaf.column)?,
            used: self.used(leaf.tensor)?,
        })
    }

    fn none(&self) -> Error {
        Error::NoCell { cell: self.cell }
    }

    /// The states before and after the training step.
    fn states(&self) -> Result<(&Model, &Model), Error> {
        match &self.step.models {
            Models::States(before, after, _) => Ok((before, after)),
            Models::FourBit(..) => Err(self.none()),
        }
    }

    /// Record before the step.
    fn before(&self) -> Record {
        self.record(self.cell.step as usize)
    }

    /// Record after the step.
    fn after(&self) -> Record {
        self.record(self.cell.step as usize + 1)
    }

    fn record(&self, index: usize) -> Record {
        Record::new(&self.of.records[index], self.of.records_tree.path(index))
    }

    /// Exponents of tensor `l` that the step used.
    fn used(&self, l: usize) -> Result<ExponentsLeaf, Error> {
        self.exponents(|after| after.exponents.as_ref(), l)
    }

    /// Exponents of tensor `l` that the step asks for.
    fn next(&self, l: usize) -> Result<ExponentsLeaf, Error> {
        self.exponents(|after| after.next_exponents.as_ref(), l)
    }

    fn exponents(&self, of: impl Fn(&StepRecord) -> Option<&Exponents>, l: usize) -> Result<ExponentsLeaf, Error> {
        let exponents = of(&self.of.records[self.cell.step as usize + 1]);
        exponents.map(|exponents| ExponentsLeaf::new(exponents, l)).ok_or(self.none())
    }

    /// A leaf of a tensor of bytes.
    fn bytes(&self, id: TensorId, row: usize, column: usize) -> Result<ByteLeaf, Error> {
        let placed = self.placed(id)?;
        let bytes = self.step.trace.bytes_row(placed, row, column).ok_or(self.none())?;
        Ok(ByteLeaf { bytes, path: self.step.tree.path(placed.position(row, column, 0)) })
    }

    /// A leaf of a tensor of words, of its last slab.
    fn words(&self, id: TensorId, row: usize, column: usize) -> Result<WordLeaf, Error> {
        let (placed, trace) = (self.placed(id)?, &self.step.trace);
        let slab = placed.slabs - 1;
        let words = trace.words_row(placed, row, column, slab).ok_or(self.none())?;
        Ok(WordLeaf { words, path: self.step.tree.path(placed.position(row, column, slab)) })
    }

    fn placed(&self, id: TensorId) -> Result<&Placed, Error> {
        self.of.layout.tensor(id).ok_or(self.none())
    }
}

/// A leaf as the miner's choice, with its weights, the hash of its momenta half and its path.
fn leaf_at(layout: &Layout, model: &Model, leaf: usize) -> Result<(Choice, [i32; LEAF], Fr, Path), Error> {
    let place = layout.place(leaf);
    let choice = Choice { row: place.column as u32, column: place.row as u32 };
    let weights = *leaf_of(&model.state.weights[place.tensor], place.index_in_tensor);
    Ok((choice, weights, momenta_hash(layout, &model.state, leaf)?, model.tree.path(place.position)))
}

/// Tree over the features of a data record.
fn features_tree(features: &[i8]) -> Tree {
    Tree::new(FEATURES_DEPTH, feature_leaves(features), hash_pairs)
}

/// Hash of the features of a data record.
fn features_hash(features: &[i8]) -> Fr {
    poseidon::hash(Fr::from(tag::FEATURES), features_tree(features).root(), Fr::from(features.len() as u64))
}
