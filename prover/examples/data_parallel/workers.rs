//! One training over several processes, which meet in nothing but an object store.
//!
//! Worker `i` of `W` computes rows `B i / W .. B (i + 1) / W` of every batch and puts what they add
//! to the step into the store; it takes what the others put, adds everything up and makes the step.
//! So every worker goes through the states of a single process, bit for bit. The first step, whose
//! exponents are not fixed yet, is made whole by everyone.
//!
//! ```text
//! part/STEP/WORKER    gradients of the worker's rows
//! report/WORKER       final state root and the bytes that it put
//! ```
//! Objects are created and never overwritten. A worker deletes its part of the step before once it
//! has seen all parts of this one: nobody makes a step before it has read the last one's parts.

use std::error::Error;
use std::ops::Range;
use std::process::Command;
use std::time::{Duration, Instant};

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode};
use pogo_circuits::round::Shape;
use pogo_protocol::codec::{CodecError, Reader, Writer, scalar_bytes};
use pogo_protocol::data::{Batch, DataSet, Order, Round};
use pogo_protocol::model::{Schedule, Spec, State, TraceMode};
use pogo_protocol::step::Gradients;
use pogo_prover::checkpoint::{decode_gradients, encode_gradients};
use pogo_prover::device::cpu;
use pogo_prover::{commit, data, train};
use tokio::runtime::Runtime;
use url::Url;

/// Longest wait for another worker's object.
const PATIENCE: Duration = Duration::from_secs(60);
/// Wait between two looks for an object.
const LOOK: Duration = Duration::from_micros(500);

/// One worker process.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    /// Its number, from 0.
    pub(crate) index: usize,
    /// Number of workers.
    pub(crate) of: usize,
    /// Steps to make.
    pub(crate) steps: u32,
    /// URL of the object store.
    pub(crate) store: String,
}

/// What a training ended in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// Root of the final state.
    pub(crate) root: [u8; 32],
    /// Bytes that were put into the store.
    pub(crate) bytes: u64,
}

/// Trains over `of` processes, made by `launch`, and returns their reports in order.
///
/// # Errors
/// When there are no workers, a process fails or its report cannot be read.
pub(crate) fn train_split(
    of: usize,
    steps: u32,
    store: &str,
    launch: impl Fn(&Worker) -> Command,
) -> Result<Vec<Report>, Box<dyn Error>> {
    if of == 0 {
        return Err("expected at least one worker".into());
    }
    let workers = (0..of).map(|index| Worker { index, of, steps, store: store.to_owned() });
    let processes: Vec<_> = workers.map(|worker| launch(&worker).spawn()).collect::<Result<_, _>>()?;
    let ends: Vec<_> = processes.into_iter().map(|mut process| process.wait()).collect::<Result<_, _>>()?;
    if let Some(index) = ends.iter().position(|end| !end.success()) {
        return Err(format!("worker {index}: {}", ends[index]).into());
    }
    let exchange = Exchange::open(store)?;
    let reports = (0..of).map(|index| Ok(Report::decode(&exchange.take(&report_name(index))?)?)).collect();
    for index in 0..of {
        exchange.delete(&report_name(index))?;
        if steps > 1 {
            exchange.delete(&part_name(steps - 1, index))?;
        }
    }
    reports
}

/// Trains in this process alone.
///
/// # Errors
/// When the data set does not fill a batch.
pub(crate) fn train_whole(steps: u32) -> Result<Report, Box<dyn Error>> {
    let mut training = Training::new(steps)?;
    for t in 0..steps {
        training.step_whole(t);
    }
    Ok(Report { root: training.root()?, bytes: 0 })
}

impl Worker {
    /// Trains with the others and puts the report.
    ///
    /// # Errors
    /// When the store fails or another worker's object does not appear or is not one.
    pub(crate) fn run(&self) -> Result<(), Box<dyn Error>> {
        let exchange = Exchange::open(&self.store)?;
        let mut training = Training::new(self.steps)?;
        let mut bytes = 0;
        for t in 0..self.steps {
            if training.state.exponents.is_none() {
                training.step_whole(t);
                continue;
            }
            let part = encode_gradients(&training.gradients(t, self.rows(&training.spec, self.index)));
            bytes += part.len() as u64;
            exchange.put(&part_name(t, self.index), part)?;
            let sum = self.sum(&exchange, &training.spec, t)?;
            cpu::apply(&training.spec, &mut training.state, sum, t);
            if t > 1 {
                // Step 0 has no parts.
                exchange.delete(&part_name(t - 1, self.index))?;
            }
        }
        exchange.put(&report_name(self.index), Report { root: training.root()?, bytes }.encode())
    }

    /// The parts of all workers, its own too, added up.
    fn sum(&self, exchange: &Exchange, spec: &Spec, t: u32) -> Result<Gradients, Box<dyn Error>> {
        let part = |index: usize| -> Result<Gradients, Box<dyn Error>> {
            let bytes = exchange.take(&part_name(t, index))?;
            Ok(decode_gradients(spec, self.rows(spec, index).len(), &bytes)?)
        };
        let mut sum = part(0)?;
        for index in 1..self.of {
            sum.add(&part(index)?)?;
        }
        Ok(sum)
    }

    /// Rows of a batch that worker `index` computes.
    fn rows(&self, spec: &Spec, index: usize) -> Range<usize> {
        let cut = |index| spec.batch as usize * index / self.of;
        cut(index)..cut(index + 1)
    }
}

impl Report {
    const MAGIC: &[u8; 8] = b"pogo/rep";

    fn encode(&self) -> Vec<u8> {
        Writer::new(Self::MAGIC).bytes(&self.root).u64(self.bytes).finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes, Self::MAGIC, "report")?;
        let report = Self { root: reader.array("root")?, bytes: reader.u64("bytes")? };
        reader.finish()?;
        Ok(report)
    }
}

fn part_name(t: u32, index: usize) -> String {
    format!("part/{t}/{index}")
}

fn report_name(index: usize) -> String {
    format!("report/{index}")
}

/// The digits, and a state on its way.
struct Training {
    spec: Spec,
    data: DataSet,
    order: Order,
    dither_seed: u32,
    state: State,
}

impl Training {
    fn new(steps: u32) -> Result<Self, Box<dyn Error>> {
        let data = data::digits().train;
        let spec = Spec {
            name: "data parallel".into(),
            layers: vec![64, 64, 10],
            batch: 64,
            steps,
            checkpoint_every: 1,
            learning_rate: 3 << 12,
            schedule: Schedule::Linear,
            warmup: 0,
            seed: 1,
            trace: TraceMode::None,
            data_root: scalar_bytes(&commit::data_root(&data)),
        };
        spec.validate()?;
        let round = Round { task: spec.hash(), round: 0, parent_root: [0; 32], miner: [0; 20] };
        let order = Order::new(round, data.len() as u32, spec.batch)?;
        let state = State::initial(&spec);
        Ok(Self { spec, data, order, dither_seed: round.dither_seed(), state })
    }

    fn rows(&mut self, t: u32, rows: Range<usize>) -> Batch {
        self.data.batch(&self.order.batch_indices(t)[rows])
    }

    fn gradients(&mut self, t: u32, rows: Range<usize>) -> Gradients {
        let first_row = rows.start;
        let rows = self.rows(t, rows);
        cpu::gradients(&self.spec, &self.state, &rows, first_row, t, self.dither_seed)
    }

    fn step_whole(&mut self, t: u32) {
        let batch = self.rows(t, 0..self.spec.batch as usize);
        cpu::step(&self.spec, &mut self.state, &batch, t, self.dither_seed);
    }

    fn root(&self) -> Result<[u8; 32], Box<dyn Error>> {
        let layout = commit::layout(&self.spec, Shape::MINIMAL.tree_depth)?;
        Ok(scalar_bytes(&train::state_root(&layout, &self.state)?))
    }
}

/// An object store, call by call.
struct Exchange {
    store: Box<dyn ObjectStore>,
    prefix: Path,
    runtime: Runtime,
}

impl Exchange {
    fn open(url: &str) -> Result<Self, Box<dyn Error>> {
        let (store, prefix) = object_store::parse_url(&Url::parse(url)?)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        Ok(Self { store, prefix, runtime })
    }

    fn path(&self, name: &str) -> Path {
        name.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    /// Creates an object; one that is there already is an error.
    fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), Box<dyn Error>> {
        let (path, bytes) = (self.path(name), bytes.into());
        self.runtime.block_on(self.store.put_opts(&path, bytes, PutMode::Create.into()))?;
        Ok(())
    }

    /// The bytes of an object, once it is there.
    fn take(&self, name: &str) -> Result<Vec<u8>, Box<dyn Error>> {
        let (path, start) = (self.path(name), Instant::now());
        loop {
            match self.runtime.block_on(async { self.store.get(&path).await?.bytes().await }) {
                Ok(bytes) => return Ok(bytes.into()),
                Err(object_store::Error::NotFound { .. }) if start.elapsed() < PATIENCE => std::thread::sleep(LOOK),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn delete(&self, name: &str) -> Result<(), Box<dyn Error>> {
        Ok(self.runtime.block_on(self.store.delete(&self.path(name)))?)
    }
}
