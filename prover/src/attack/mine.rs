//! A miner that keeps every state, and may change each step before it commits to it.

use std::collections::BTreeMap;

use pogo_protocol::cell::Cell;
use pogo_protocol::challenge::UpdateSample;
use pogo_protocol::commitment::Commitment;
use pogo_protocol::fixed::{self, LEAF};
use pogo_protocol::model::State;
use pogo_protocol::opening::{Openings, Violation};
use pogo_protocol::record::StepRecord;
use pogo_protocol::statement::Part;

use crate::checkpoint::{encode_codes, seal};
use crate::commit::{self, step_roots};
use crate::error::Error;
use crate::open::{self, Step, assemble};
use crate::replay::{Difference, replay};
use crate::store::{Log, Store};
use crate::train::{Job, Stepper, Trace, checkpoint_name, initial_record};

/// All of a round: what is published of it, and what only its miner has.
#[derive(Clone)]
pub struct Mined<'a> {
    /// The round that it claims to be.
    pub job: Job<'a>,
    /// The state of every record.
    pub states: Vec<State>,
    /// The codes of every step.
    pub codes: Vec<Vec<Vec<i8>>>,
    /// Records and final state.
    pub trace: Trace,
    /// What is committed to.
    pub commitment: Commitment,
}

/// One step before it is committed to: honest, until somebody changes it.
pub struct Draft<'a> {
    /// State before the step.
    pub before: &'a State,
    /// State after the step.
    pub after: State,
    /// Codes of the step.
    pub codes: Vec<Vec<i8>>,
    /// Its record; its roots are made from state and codes afterwards.
    pub record: StepRecord,
    /// Learning rate of the step.
    pub learning_rate: u32,
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
        let (mut states, mut all_codes) = (vec![start], Vec::new());
        let mut stepper = Stepper::new(&job, records[0].state_root)?;
        for t in 0..job.round.spec.steps {
            let before = &states[t as usize];
            stepper.load(before)?;
            let (record, result) = stepper.record(t..t + 1)?.remove(0);
            let learning_rate = job.round.spec.learning_rate(t);
            let mut draft = Draft { before, after: stepper.state()?, codes: result.codes, record, learning_rate };
            edit(t, &mut draft);
            let Draft { after, codes, mut record, .. } = draft;
            let roots = step_roots(layout, &after, &codes)?;
            (record.state_root, record.update_root) = (roots.state, roots.update);
            states.push(after);
            all_codes.push(codes);
            records.push(record);
        }
        drop(stepper);
        Self::committed(job, states, all_codes, records)
    }

    /// A round of any states, codes and records, which need not fit each other.
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
        Ok(Self { job, states, codes, trace: Trace { records, state }, commitment })
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
            let (before, after) = (self.states[t].clone(), self.states[t + 1].clone());
            steps.insert(sample.step, Step::new(&self.job.round.layout, before, after, self.codes[t].clone())?);
        }
        Ok(assemble(&self.job, &self.trace, &self.commitment, std::slice::from_ref(part), &steps)?.remove(0))
    }

    /// Every cell of the round that does not hold, and the relation that it breaks.
    ///
    /// # Errors
    /// [`Error::Leaf`].
    pub fn bad_cells(&self) -> Result<Vec<(Cell, Violation)>, Error> {
        let roots = open::roots(&self.job.round.layout, &self.commitment);
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
