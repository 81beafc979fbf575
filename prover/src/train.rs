//! Train: all steps of a round, each recorded with its roots, resumable at any moment.
//!
//! A step record needs the state root after the step, so hashing goes along with training. Every
//! [`SNAPSHOT`] steps the whole state is written; a later start continues from the last one, and
//! openings and replays start from the nearest.

use std::ops::Range;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use pogo_protocol::codec::scalar_bytes;
use pogo_protocol::data::{self, Batch, DataSet, Order};
use pogo_protocol::leaf::tag;
use pogo_protocol::merkle::Layout;
use pogo_protocol::model::{Spec, State};
use pogo_protocol::record::StepRecord;
use pogo_protocol::step::StepResult;
use pogo_protocol::trace::Trace as StepTrace;

use crate::checkpoint::{decode_checkpoint, decode_codes, encode_codes, seal};
use crate::commit;
use crate::device::gpu::GpuError;
use crate::device::{Device, Done, ModelRoots, Roots, Step, Trainer};
use crate::error::Error;
use crate::round::Round;
use crate::store::{Log, Store};
use crate::trace;

/// The log of step records.
pub const RECORDS: &str = "records.log";

/// The log of updates.
pub const UPDATES: &str = "updates.log";

/// Steps between two checkpoints on disk, or the next multiple of `checkpoint_every`.
pub const SNAPSHOT: u32 = 64;

/// Losses of a device after which training goes on on the CPU, as it does when a device that was
/// opened again fails in any other way.
const LOSSES: usize = 3;

/// A round, the data it is trained on, and the device that does it.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The round.
    pub round: &'a Round,
    /// Training records.
    pub data: &'a DataSet,
    /// Where steps run.
    pub device: &'a Device,
}

/// What training leaves behind; updates and checkpoints are in the store.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Records of the initial state and of every step.
    pub records: Vec<StepRecord>,
    /// State after the last step.
    pub state: State,
}

/// What training tells while it runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Some steps are done.
    Steps {
        /// Steps done.
        done: u32,
        /// Steps of the round.
        of: u32,
        /// Mean loss of the last step, nats.
        loss: f64,
    },
    /// The tensors of steps were committed to.
    Traced {
        /// Steps done.
        done: u32,
        /// Steps of the round.
        of: u32,
    },
    /// The device was lost, or failed after it was; training goes on from the last checkpoint.
    Lost {
        /// What happened.
        reason: String,
        /// Where training goes on.
        next: String,
    },
}

/// The steps of a job on its device, from any state.
pub struct Stepper<'a> {
    job: &'a Job<'a>,
    order: Order,
    dither_seed: u32,
    trainer: Box<dyn Trainer + 'a>,
}

impl<'a> Stepper<'a> {
    /// Prepares the batch order and the dither, which depend on the root the round starts from.
    ///
    /// # Errors
    /// When the data set does not fill a batch, or is not the one of the spec, or the device does
    /// not take the model.
    pub fn new(job: &'a Job<'a>, parent_root: Fr) -> Result<Self, Error> {
        let expected = (job.round.spec.width(), job.round.spec.classes());
        let got = (job.data.width, job.data.classes);
        if expected != got {
            return Err(Error::DataShape { expected, got });
        }
        let root = commit::data_root(job.data);
        let (expected, got) = (job.round.spec.data_root, scalar_bytes(&root));
        if expected != got {
            return Err(Error::DataRoot { expected, got });
        }
        let round = data::Round {
            task: job.round.spec.hash(),
            round: job.round.context.round,
            parent_root: scalar_bytes(&parent_root),
            miner: job.round.context.miner,
        };
        let order = Order::new(round, job.data.len() as u32, job.round.spec.batch)?;
        let dither_seed = round.dither_seed();
        let trainer = job.device.trainer(job.round, dither_seed)?;
        Ok(Self { job, order, dither_seed, trainer })
    }

    /// Puts a state on the device.
    ///
    /// # Errors
    /// [`Error::Gpu`].
    pub fn load(&mut self, state: &State) -> Result<(), Error> {
        self.trainer.load(state)
    }

    /// The state on the device.
    ///
    /// # Errors
    /// [`Error::Gpu`].
    pub fn state(&mut self) -> Result<State, Error> {
        self.trainer.state()
    }

    /// Roots of the model on the device.
    ///
    /// # Errors
    /// [`Error::Gpu`], or [`Error::Leaf`], which no step leaves behind.
    pub fn model_roots(&mut self) -> Result<ModelRoots, Error> {
        self.trainer.model_roots()
    }

    /// Runs steps without hashing.
    ///
    /// # Errors
    /// [`Error::Gpu`].
    pub fn run(&mut self, steps: Range<u32>) -> Result<Vec<StepResult>, Error> {
        Ok(self.groups(steps, false)?.into_iter().map(|done| done.result).collect())
    }

    /// Runs steps and records them: those that are not committed to without their roots.
    ///
    /// # Errors
    /// [`Error::Gpu`], or [`Error::Leaf`], which no step leaves behind.
    pub fn record(&mut self, steps: Range<u32>) -> Result<Vec<(StepRecord, StepResult)>, Error> {
        let (first, every) = (steps.start, self.job.round.spec.checkpoint_every);
        let record = |(i, Done { result, roots }): (usize, Done)| {
            let roots = roots.unwrap_or(Roots { state: Fr::ZERO, update: Fr::ZERO });
            let record = StepRecord {
                index: first + i as u32 + 1,
                state_root: roots.state,
                update_root: roots.update,
                loss: result.loss,
                exponents: Some(result.exponents_used.clone()),
                next_exponents: Some(result.exponents_next.clone()),
                trace_root: Fr::ZERO,
            };
            (record, result)
        };
        let mut done = Vec::with_capacity(steps.len());
        if every == 1 {
            done = self.groups(steps, true)?;
        } else {
            for t in steps.clone().filter(|&t| t == first || t.is_multiple_of(every)) {
                let last = (t / every + 1) * every - 1;
                done.extend(self.groups(t..last.min(steps.end), false)?);
                done.extend(self.groups(last..steps.end.min(last + 1), true)?);
            }
        }
        Ok(done.into_iter().enumerate().map(record).collect())
    }

    /// Steps that are best run together.
    pub fn group(&self) -> u32 {
        self.trainer.group() as u32
    }

    /// The state before step `t` of a finished round, also left on the device: from the nearest
    /// checkpoint, replayed and held to the records.
    ///
    /// # Errors
    /// [`Error::Diverged`] when a replayed state is not the recorded one.
    pub fn seek(&mut self, store: &Store, records: &[StepRecord], t: u32) -> Result<State, Error> {
        let (state, first) = nearest(store, self.job, records, t)?;
        self.load(&state)?;
        self.run(first..t)?;
        let state = self.state()?;
        if !records[t as usize].is_bare() {
            self.hold(&state, &records[t as usize])?;
        }
        Ok(state)
    }

    fn groups(&mut self, steps: Range<u32>, hash: bool) -> Result<Vec<Done>, Error> {
        let mut all = Vec::with_capacity(steps.len());
        for first in steps.clone().step_by(self.trainer.group()) {
            let group = first..steps.end.min(first + self.group());
            let batches: Vec<Step> = group.map(|t| Step { t, batch: self.batch(t) }).collect();
            all.extend(self.trainer.run(&batches, hash)?);
        }
        Ok(all)
    }

    /// Every tensor of step `t` from the state before it.
    pub fn trace(&self, state: &State, t: u32) -> StepTrace {
        StepTrace::new(&self.job.round.spec, state, &self.batch(t), t, self.dither_seed)
    }

    /// Holds a state to the record that says it.
    ///
    /// # Errors
    /// [`Error::Diverged`].
    pub fn hold(&self, state: &State, record: &StepRecord) -> Result<(), Error> {
        hold(&self.job.round.layout, state, record)
    }

    /// Seed of the dither of the round.
    pub fn dither_seed(&self) -> u32 {
        self.dither_seed
    }

    /// Records of step `t`.
    pub fn batch(&self, t: u32) -> Batch {
        self.job.data.batch(&self.order.batch_indices(t))
    }
}

/// Trains the round in `store`, from its last checkpoint if it has one; `progress` is told of
/// every group of steps. A lost device is opened again, or replaced by the CPU, and training goes on
/// from the last checkpoint to the same roots.
///
/// # Errors
/// [`Error`] of the store, or a checkpoint that is not the one that was recorded.
pub fn train(store: &Store, job: &Job<'_>, mut progress: impl FnMut(Progress)) -> Result<Trace, Error> {
    let mut device = job.device.clone();
    for losses in 1.. {
        match train_on(store, &Job { device: &device, ..*job }, &mut progress) {
            Err(Error::Gpu(error)) if losses > 1 || matches!(error, GpuError::Lost(_)) => {
                let again = losses < LOSSES && matches!(error, GpuError::Lost(_));
                device = if again { device.after_loss() } else { Device::Cpu };
                progress(Progress::Lost { reason: error.to_string(), next: device.describe() });
            }
            done => return done,
        }
    }
    unreachable!("the CPU is never lost")
}

fn train_on(store: &Store, job: &Job<'_>, progress: &mut impl FnMut(Progress)) -> Result<Trace, Error> {
    let (mut state, mut records, first) = resume(store, job)?;
    let mut record_log = Log::open(&store.path(RECORDS), Some(records.len()))?;
    let mut update_log = Log::open(&store.path(UPDATES), Some(first as usize))?;
    record_log.cut()?;
    update_log.cut()?;
    if records.is_empty() {
        let initial = initial_record(&job.round.layout, &state)?;
        record_log.append(&initial.encode())?;
        records.push(initial);
    }
    let mut stepper = Stepper::new(job, records[0].state_root)?;
    stepper.load(&state)?;
    let (mut t, steps) = (first, job.round.spec.steps);
    let snapshot = SNAPSHOT.next_multiple_of(job.round.spec.checkpoint_every);
    while t < steps {
        let checkpoint = steps.min((t / snapshot + 1) * snapshot);
        let group = t..checkpoint.min(t + stepper.group());
        t = group.end;
        for (record, result) in stepper.record(group)? {
            update_log.append(&encode_codes(&result.codes))?;
            record_log.append(&record.encode())?;
            records.push(record);
        }
        if t == checkpoint {
            state = stepper.state()?;
            update_log.sync()?;
            record_log.sync()?;
            store.write(&checkpoint_name(t), &seal(&state))?;
        }
        let loss = records[t as usize].loss as f64 / 65536.0 / f64::from(job.round.spec.batch);
        progress(Progress::Steps { done: t, of: steps, loss });
    }
    trace::complete(store, job, &mut records, |done| progress(Progress::Traced { done, of: steps }))?;
    Ok(Trace { records, state })
}

/// The finished training of `store`.
///
/// # Errors
/// [`Error::Unfinished`] when training has not ended.
pub fn load(store: &Store, job: &Job<'_>) -> Result<Trace, Error> {
    let (state, mut records, step) = resume(store, job)?;
    if step != job.round.spec.steps {
        return Err(Error::Unfinished { step, steps: job.round.spec.steps });
    }
    trace::fill(store, job, &mut records)?;
    Ok(Trace { records, state })
}

/// The records of a finished round, with their trace roots.
///
/// # Errors
/// [`Error`] of the store.
pub fn all_records(store: &Store, job: &Job<'_>) -> Result<Vec<StepRecord>, Error> {
    let mut records = records(store, job.round.spec.steps as usize + 1)?;
    trace::fill(store, job, &mut records)?;
    Ok(records)
}

/// Codes of step `t` as published.
///
/// # Errors
/// [`Error`] of the store.
pub fn codes_at(store: &Store, spec: &Spec, log: &mut Log, t: u32) -> Result<Vec<Vec<i8>>, Error> {
    let (bytes, _) = log.read_any(t as usize)?;
    Ok(decode_codes(spec, &bytes).map_err(|error| store.content(UPDATES, error))?)
}

/// Root of a state.
///
/// # Errors
/// [`Error::Leaf`] for a word outside its range.
pub fn state_root(layout: &Layout, state: &State) -> Result<Fr, Error> {
    Ok(layout.root(tag::STATE_ROOT, commit::state_tree(layout, state)?.root()))
}

/// Record 0: the initial state.
///
/// # Errors
/// [`Error::Leaf`] for a word outside its range.
pub fn initial_record(layout: &Layout, state: &State) -> Result<StepRecord, Error> {
    Ok(StepRecord {
        index: 0,
        state_root: state_root(layout, state)?,
        update_root: Fr::ZERO,
        loss: 0,
        exponents: None,
        next_exponents: state.exponents.clone(),
        trace_root: Fr::ZERO,
    })
}

/// The first `count` records of `store`, as training left them: without trace roots.
///
/// # Errors
/// [`Error::Store`] when there are fewer, or one is damaged.
pub fn records(store: &Store, count: usize) -> Result<Vec<StepRecord>, Error> {
    let mut log = Log::open(&store.path(RECORDS), Some(count))?;
    let read = |index| -> Result<StepRecord, Error> {
        let record = StepRecord::decode(&log.read(index)?);
        Ok(record.map_err(|error| store.content(RECORDS, format!("entry {index}: {error}")))?)
    };
    (0..count).map(read).collect()
}

/// Lets the round in `store` start from `state` instead of the seed.
///
/// # Errors
/// [`Error::Store`].
pub fn start_from(store: &Store, state: &State) -> Result<(), Error> {
    Ok(store.write(&checkpoint_name(0), &seal(state))?)
}

/// Whether the round in `store` starts from a state of its own, see [`start_from`].
pub fn has_start(store: &Store) -> bool {
    store.has(&checkpoint_name(0))
}

/// The state before step `t` as it lies on disk, not held to its record. Before step 0 that is the
/// state of the seed, unless there is another to start from.
///
/// # Errors
/// [`Error::Store`] when there is no checkpoint of `t`, or it is none of this spec.
pub fn state_on_disk(store: &Store, spec: &Spec, t: u32) -> Result<State, Error> {
    if t == 0 && !has_start(store) {
        return Ok(State::initial(spec));
    }
    load_checkpoint(store, spec, &checkpoint_name(t))
}

/// Steps before which the state lies on disk, rising, up to `steps`; the first is 0.
///
/// # Errors
/// [`Error::Store`].
pub fn steps_on_disk(store: &Store, steps: u32) -> Result<Vec<u32>, Error> {
    let later = checkpoints(store)?.into_iter().map(|(t, _)| t).filter(|t| (1..=steps).contains(t));
    Ok(std::iter::once(0).chain(later).collect())
}

/// Whether a state is the recorded one.
///
/// # Errors
/// [`Error::Leaf`] for a word outside its range.
pub fn is_recorded(layout: &Layout, state: &State, record: &StepRecord) -> Result<bool, Error> {
    Ok(state.exponents == record.next_exponents && state_root(layout, state)? == record.state_root)
}

/// State and step of the last checkpoint whose logs are whole, and the records up to it.
fn resume(store: &Store, job: &Job<'_>) -> Result<(State, Vec<StepRecord>, u32), Error> {
    for (t, name) in checkpoints(store)?.into_iter().rev() {
        let logged = Log::open(&store.path(RECORDS), Some(t as usize + 1))
            .and_then(|_| Log::open(&store.path(UPDATES), Some(t as usize)));
        if logged.is_err() {
            continue;
        }
        let records = records(store, t as usize + 1)?;
        let state = load_checkpoint(store, &job.round.spec, &name)?;
        hold(&job.round.layout, &state, &records[t as usize])?;
        return Ok((state, records, t));
    }
    Ok((state_on_disk(store, &job.round.spec, 0)?, Vec::new(), 0))
}

fn nearest(store: &Store, job: &Job<'_>, records: &[StepRecord], t: u32) -> Result<(State, u32), Error> {
    let at = steps_on_disk(store, t)?.pop().unwrap_or(0);
    let state = state_on_disk(store, &job.round.spec, at)?;
    hold(&job.round.layout, &state, &records[at as usize])?;
    Ok((state, at))
}

/// Steps and names of the checkpoints, in order.
fn checkpoints(store: &Store) -> Result<Vec<(u32, String)>, Error> {
    let names = store.list("checkpoints")?.into_iter();
    let step = |name: &str| name.strip_prefix("checkpoints/")?.strip_suffix(".state")?.parse().ok();
    Ok(names.filter_map(|name| Some((step(&name)?, name))).collect())
}

/// Name of the checkpoint before step `t`.
pub fn checkpoint_name(t: u32) -> String {
    format!("checkpoints/{t:010}.state")
}

fn load_checkpoint(store: &Store, spec: &Spec, name: &str) -> Result<State, Error> {
    Ok(store.parse(name, |bytes| decode_checkpoint(spec, bytes))?)
}

fn hold(layout: &Layout, state: &State, record: &StepRecord) -> Result<(), Error> {
    if is_recorded(layout, state, record)? { Ok(()) } else { Err(Error::Diverged { step: record.index }) }
}
