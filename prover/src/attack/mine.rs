//! A miner that keeps every state, and may change each step before it commits to it.

use std::collections::BTreeMap;

use ark_bn254::Fr;
use pogo_protocol::cell::{Cell, Kind};
use pogo_protocol::challenge::UpdateSample;
use pogo_protocol::commitment::Commitment;
use pogo_protocol::fixed::{self, LEAF};
use pogo_protocol::leaf::tag;
use pogo_protocol::model::State;
use pogo_protocol::opening::{Openings, Violation};
use pogo_protocol::record::{StepRecord, steps_root};
use pogo_protocol::statement::{CircuitKind, Circuits, Part, PublicRound};
use pogo_protocol::trace::Trace as StepTrace;
use rayon::prelude::*;

use crate::checkpoint::{encode_codes, seal};
use crate::commit::{self, step_roots};
use crate::error::Error;
use crate::open::cells::{Ends, Opener, TracedStep};
use crate::open::{Model, Step, assemble};
use crate::replay::{Difference, replay};
use crate::round::Round;
use crate::store::{Log, Store};
use crate::trace::{self, TRACE_ROOTS};
use crate::train::{Job, Stepper, Trace, checkpoint_name, initial_record};

/// Ids of no circuits: what is opened does not depend on them.
const NO_CIRCUITS: Circuits = Circuits([[0; 32]; CircuitKind::ALL.len()]);

/// All of a round: what is published of it, and what only its miner has.
#[derive(Clone)]
pub struct Mined<'a> {
    /// The round that it claims to be.
    pub job: Job<'a>,
    /// The state of every record.
    pub states: Vec<State>,
    /// The codes of every step.
    pub codes: Vec<Vec<Vec<i8>>>,
    /// The tensors of every step, in a round that commits to traces.
    pub traces: Vec<StepTrace>,
    /// Records and final state.
    pub trace: Trace,
    /// What is committed to.
    pub commitment: Commitment,
    /// Both ends of the round, where the final state is committed to with more than its leaves.
    pub(super) salted: Option<Ends>,
}

/// One step before it is committed to: honest, until somebody changes it.
pub struct Draft<'a> {
    /// State before the step.
    pub before: &'a State,
    /// State after the step.
    pub after: State,
    /// Codes of the step.
    pub codes: Vec<Vec<i8>>,
    /// Its record; state and update root are made from state and codes afterwards.
    pub record: StepRecord,
    /// Its tensors, in a round that commits to traces; the record has their root.
    pub trace: Option<StepTrace>,
    /// Learning rate of the step.
    pub learning_rate: u32,
    round: &'a Round,
}

impl Draft<'_> {
    /// Makes codes and weights what the update relation asks for with the momenta and scales of
    /// the state after the step, whatever these are.
    pub fn obey(&mut self) {
        for (tensor, scales) in self.after.scales.iter().enumerate() {
            for (i, code) in self.codes[tensor].iter_mut().enumerate() {
                let (momentum, weight) = (self.after.momenta[tensor][i], self.before.weights[tensor][i]);
                let shift = fixed::code_shift(scales[i / LEAF]);
                let rounded = fixed::code(momentum, shift, weight, self.learning_rate);
                *code = rounded as i8;
                self.after.weights[tensor][i] = fixed::update(weight, rounded, self.learning_rate);
            }
        }
    }

    /// Gives the record the root of the tensors as they are now.
    ///
    /// # Errors
    /// [`Error::Leaf`] for a word out of its range.
    pub fn hash_trace(&mut self) -> Result<(), Error> {
        if let Some(trace) = &self.trace {
            self.record.trace_root = trace::root(self.round, trace)?;
        }
        Ok(())
    }
}

impl<'a> Mined<'a> {
    /// An honest round.
    ///
    /// # Errors
    /// [`Error`] of a step.
    pub fn honest(job: Job<'a>) -> Result<Self, Error> {
        Self::new(job, State::initial(&job.round.spec), |_, _| {})
    }

    /// A round from `start` whose every step may be changed by `edit`, which gets its number.
    ///
    /// # Errors
    /// [`Error::Leaf`] for a change out of a leaf's ranges, else [`Error`] of a step.
    pub fn new(job: Job<'a>, start: State, mut edit: impl FnMut(u32, &mut Draft<'_>)) -> Result<Self, Error> {
        let layout = &job.round.layout;
        let mut records = vec![initial_record(layout, &start)?];
        let (mut states, mut all_codes, mut traces) = (vec![start], Vec::new(), Vec::new());
        let mut stepper = Stepper::new(&job, records[0].state_root)?;
        for t in 0..job.round.spec.steps {
            let before = &states[t as usize];
            stepper.load(before)?;
            let (record, result) = stepper.record(t..t + 1)?.remove(0);
            let (round, learning_rate) = (job.round, job.round.spec.learning_rate(t));
            let trace = round.trace.is_some().then(|| stepper.trace(before, t));
            let (after, codes) = (stepper.state()?, result.codes);
            let mut draft = Draft { before, after, codes, record, trace, learning_rate, round };
            draft.hash_trace()?;
            edit(t, &mut draft);
            let Draft { after, codes, mut record, trace, .. } = draft;
            traces.extend(trace);
            let roots = step_roots(layout, &after, &codes)?;
            (record.state_root, record.update_root) = (roots.state, roots.update);
            states.push(after);
            all_codes.push(codes);
            records.push(record);
        }
        drop(stepper);
        Ok(Self { traces, ..Self::committed(job, states, all_codes, records)? })
    }

    /// A round of any states, codes and records, which need not fit each other, without traces.
    ///
    /// # Errors
    /// [`Error::Leaf`] for a state out of its ranges.
    pub fn committed(
        job: Job<'a>,
        states: Vec<State>,
        codes: Vec<Vec<Vec<i8>>>,
        records: Vec<StepRecord>,
    ) -> Result<Self, Error> {
        let state = states[states.len() - 1].clone();
        let commitment = commit::commit(job.round, &records, &state, job.device)?;
        let trace = Trace { records, state };
        Ok(Self { job, states, codes, traces: Vec::new(), trace, commitment, salted: None })
    }

    /// The same round, whose final state is committed to with a value at a position that holds no leaf.
    ///
    /// # Errors
    /// [`Error::Leaf`].
    pub fn salt(mut self, position: usize, value: Fr) -> Result<Self, Error> {
        let (Round { layout, shape, .. }, state) = (self.job.round, self.trace.state.clone());
        let mut last = Model::new(layout, state)?;
        last.put(layout, position, value);
        let (records, state_root) = (&mut self.trace.records, layout.root(tag::STATE_ROOT, last.tree.root()));
        let count = records.len();
        records[count - 1].state_root = state_root;
        let steps_root = steps_root(commit::records_tree(shape.steps_depth, records).root(), count as u32);
        self.commitment = Commitment { state_root, steps_root, ..self.commitment };
        self.salted = Some(Ends::new(layout, &self.states[0], last)?);
        Ok(self)
    }

    /// The state of a record in its tree.
    fn model(&self, record: usize) -> Result<Model, Error> {
        match &self.salted {
            Some(ends) if record == self.states.len() - 1 => Ok(ends.last.clone()),
            _ => Model::new(&self.job.round.layout, self.states[record].clone()),
        }
    }

    /// The final state.
    pub fn state(&self) -> &State {
        &self.trace.state
    }

    /// Openings of these samples from the miner's own states, whether they obey the relations or not.
    ///
    /// # Errors
    /// [`Error::Leaf`].
    pub fn openings(&self, part: &Part) -> Result<Openings, Error> {
        let mut steps = BTreeMap::new();
        for sample in &part.updates {
            if steps.contains_key(&sample.step) {
                continue;
            }
            let t = sample.step as usize;
            let models = [self.model(t)?, self.model(t + 1)?];
            steps.insert(sample.step, Step::new(&self.job.round.layout, models, self.codes[t].clone())?);
        }
        let last = self.model(self.states.len() - 1)?;
        Ok(assemble(&self.job, &self.trace.records, &last, std::slice::from_ref(part), &steps)?.remove(0))
    }

    /// What is public of the round.
    pub fn public(&self) -> PublicRound<'_> {
        let Job { round, data, .. } = self.job;
        round.public(&self.commitment, data.len() as u32, [0; 32], &NO_CIRCUITS, [0; 32])
    }

    /// Every cell of the round that does not hold, and the relation that it breaks.
    ///
    /// # Errors
    /// [`Error::Leaf`].
    pub fn bad_cells(&self) -> Result<Vec<(Cell, Violation)>, Error> {
        let mut bad = self.bad_round_cells()?;
        bad.extend(self.bad_traced_cells()?);
        Ok(bad)
    }

    /// Those of the cells that a round proof opens.
    fn bad_round_cells(&self) -> Result<Vec<(Cell, Violation)>, Error> {
        let roots = self.commitment.roots(&self.job.round.layout);
        let leaves = self.job.round.layout.leaf_count();
        let mut bad = Vec::new();
        for step in 0..self.commitment.steps {
            let updates = (0..leaves).map(|leaf| UpdateSample { step, leaf }).collect();
            let openings = self.openings(&Part { updates, quantizes: Vec::new() })?;
            let checked = (0..).zip(&openings.updates).map(|(leaf, opening)| (leaf, opening.check(&roots)));
            bad.extend(checked.filter_map(|(leaf, holds)| Some((Cell::update(step, leaf), holds.err()?))));
        }
        let openings = self.openings(&Part { updates: Vec::new(), quantizes: (0..leaves).collect() })?;
        let checked = (0..).zip(&openings.quantizes).map(|(leaf, opening)| (leaf, opening.check(&roots)));
        bad.extend(checked.filter_map(|(leaf, holds)| Some((Cell::quantize(leaf), holds.err()?))));
        Ok(bad)
    }

    /// Those of the cells that are opened from traces; none where the round commits to none.
    fn bad_traced_cells(&self) -> Result<Vec<(Cell, Violation)>, Error> {
        let (public, round) = (self.public(), self.job.round);
        let (roots, depths) = (public.roots(), round.depths());
        let (Some(opener), Some(space)) = (self.opener(), round.space()) else { return Ok(Vec::new()) };
        let kinds = || Kind::ALL.into_iter().filter(|kind| kind.is_traced());
        let mut bad = Vec::new();
        for step in 0..self.commitment.steps {
            let traced = self.traced_step(step)?;
            let cells: Vec<Cell> = kinds().flat_map(|kind| space.of_step(kind, step)).collect();
            let check = |&cell: &Cell| -> Result<Option<(Cell, Violation)>, Error> {
                Ok(opener.open(&traced, cell)?.check(&roots, depths).err().map(|violation| (cell, violation)))
            };
            let found: Vec<_> = cells.par_iter().map(check).collect::<Result<_, _>>()?;
            bad.extend(found.into_iter().flatten());
        }
        Ok(bad)
    }

    /// What opens the traced cells of the round; none where it commits to no traces.
    pub fn opener(&self) -> Option<Opener<'_>> {
        let (records, states) = (&self.trace.records, [&self.states[0], &self.trace.state]);
        let opener = Opener::new(self.public(), self.job.round.shape.steps_depth, records, states, self.job.data)?;
        Some(self.salted.iter().cloned().fold(opener, Opener::with_ends))
    }

    /// A step of a round that commits to traces, as its miner has it.
    ///
    /// # Errors
    /// [`Error::NoStep`] where there is no such step or it has no trace; [`Error::Leaf`].
    pub fn traced_step(&self, step: u32) -> Result<TracedStep, Error> {
        let t = step as usize;
        let none = Error::NoStep { steps: self.traces.len() as u32, got: step };
        let trace = self.traces.get(t).ok_or(none)?.clone();
        TracedStep::new(self.job.round, step, [self.model(t)?, self.model(t + 1)?], &self.codes[t], trace)
    }

    /// Writes the round, which starts from the seed, into a work directory as if `pogo train` had,
    /// with a checkpoint of every later record, so that none has to be recomputed.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn write(&self, store: &Store) -> Result<(), Error> {
        let log = |name: &str, entries: Vec<Vec<u8>>| {
            let mut log = Log::open(&store.path(name), Some(0))?;
            log.cut()?;
            entries.iter().try_for_each(|entry| log.append(entry))?;
            log.sync()
        };
        log("records.log", self.trace.records.iter().map(StepRecord::encode).collect())?;
        log("updates.log", self.codes.iter().map(|codes| encode_codes(codes)).collect())?;
        if self.job.round.trace.is_some() {
            let roots = self.trace.records.iter().skip(1).map(|record| trace::encode_root(&record.trace_root));
            log(TRACE_ROOTS, roots.collect())?;
        }
        for (t, state) in (0..).zip(&self.states).skip(1) {
            store.write(&checkpoint_name(t), &seal(state))?;
        }
        Ok(())
    }

    /// What an exact replay of all steps says.
    ///
    /// # Errors
    /// [`Error`] of the store.
    pub fn replay(&self, store: &Store) -> Result<Vec<Difference>, Error> {
        self.write(store)?;
        replay(store, &self.job, &self.trace.records, &self.commitment, 0..self.commitment.steps, |_| {})
    }
}
