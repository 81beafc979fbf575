//! The small round that every attack is run on.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use pogo_circuits::round::Shape;
use pogo_circuits::srs::Srs;
use pogo_protocol::codec::scalar_bytes;
use pogo_protocol::commitment::Commitment;
use pogo_protocol::data::Batch;
use pogo_protocol::model::{Schedule, Spec, State, TraceMode};
use pogo_protocol::statement::{Circuits, Context, PublicRound};
use pogo_protocol::step::calibrate;
use pogo_verifier::Setup;

use crate::commit::data_root;
use crate::data::{self, Split};
use crate::device::{Device, cpu};
use crate::error::Error;
use crate::prove::Prover;
use crate::round::Round;
use crate::store::Store;
use crate::train::Job;

/// Steps of the round.
pub const STEPS: u32 = 12;

/// Data, task and keys of all attacks, and a folder for their files.
pub struct Ground {
    /// The embedded digits.
    pub data: Split,
    /// A net of 26 leaves for [`STEPS`] steps.
    pub round: Round,
    /// The same, of a task that commits to the trace of every step.
    pub traced: Round,
    circuits: Circuits,
    device: Device,
    scratch: PathBuf,
    prover: OnceLock<Prover>,
}

impl Ground {
    /// The round, with its files below `scratch`, which the caller makes and removes.
    ///
    /// # Errors
    /// None with this spec, which fits the preset.
    pub fn new(scratch: &Path) -> Result<Self, Error> {
        let data = data::digits();
        let root = data_root(&data.train);
        let spec = Spec {
            name: "attack".into(),
            layers: vec![64, 16, 10],
            batch: 64,
            steps: STEPS,
            checkpoint_every: 1,
            learning_rate: 1 << 16,
            schedule: Schedule::Linear,
            warmup: 0,
            seed: 7,
            trace: TraceMode::None,
            data_root: scalar_bytes(&root),
        };
        let context = Context { chain_id: 31_337, contract: [9; 20], task: [8; 32], round: 0, miner: [7; 20] };
        let traced = Spec { trace: TraceMode::Every, ..spec.clone() };
        Ok(Self {
            data,
            round: Round::new(spec, context, Shape::MINIMAL)?,
            traced: Round::new(traced, context, Shape::MINIMAL)?,
            circuits: Setup::Development.circuits(),
            device: Device::Cpu,
            scratch: scratch.to_path_buf(),
            prover: OnceLock::new(),
        })
    }

    /// The round as its miner trains it.
    pub fn job(&self) -> Job<'_> {
        Job { round: &self.round, data: &self.data.train, device: &self.device }
    }

    /// `round`, which is one of these with something else in it, on the same data.
    pub fn job_of<'a>(&'a self, round: &'a Round) -> Job<'a> {
        Job { round, ..self.job() }
    }

    /// A work directory of its own for an attack.
    ///
    /// # Errors
    /// When it cannot be made or is in use.
    pub fn store(&self, name: &str) -> Result<Store, Error> {
        Ok(Store::open(&self.scratch.join(name))?)
    }

    /// What is public of a commitment to [`Ground::round`].
    pub fn public<'a>(&'a self, commitment: &'a Commitment, beacon: [u8; 32]) -> PublicRound<'a> {
        let records = self.data.train.len() as u32;
        self.round.public(commitment, records, beacon, &self.circuits, self.prover().srs.id())
    }

    /// SRS and keys, made by the first attack that proves.
    pub fn prover(&self) -> &Prover {
        self.prover.get_or_init(|| Prover::new(Srs::development(Shape::MINIMAL.k)))
    }

    /// Integer loss of the 4-bit model of a state, as an attester measures it.
    pub fn loss(&self, state: &State, batch: &Batch) -> u64 {
        let (spec, weights) = (&self.round.spec, state.quantize().expand());
        let activations = match &state.exponents {
            Some(exponents) => exponents.activations.clone(),
            None => calibrate(spec, &weights, batch),
        };
        cpu::evaluate(spec, &weights, &activations, batch).loss
    }
}
