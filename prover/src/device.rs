//! Where training steps run. Every device gives the bits of [`pogo_protocol::step`].

pub mod cpu;
pub mod gpu;

use std::fmt;
use std::str::FromStr;
use std::time::Instant;

use ark_bn254::Fr;
use pogo_circuits::round::Shape;
use pogo_protocol::data::Batch;
use pogo_protocol::fixed::pcg;
use pogo_protocol::model::{Schedule, Spec, State, TraceMode};
use pogo_protocol::statement::Context;
use pogo_protocol::step::{Evaluation, StepResult};

use crate::error::Error;
use crate::round::Round;
use gpu::{Adapter, Gpu, GpuError, GpuTrainer};

/// Which device is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The first GPU that is hardware and holds the model, else the CPU.
    #[default]
    Auto,
    /// All cores of the CPU.
    Cpu,
    /// An adapter by its number in [`gpu::adapters`], software ones included.
    Gpu(usize),
}

/// A device.
#[derive(Clone, Debug)]
pub enum Device {
    /// All cores of the CPU.
    Cpu,
    /// A GPU.
    Gpu(Gpu),
}

/// One step to run.
#[derive(Clone, Debug)]
pub struct Step {
    /// Number of the step in the round.
    pub t: u32,
    /// Its batch.
    pub batch: Batch,
}

/// Roots of the model trees after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roots {
    /// Root of the state.
    pub state: Fr,
    /// Root of the codes.
    pub update: Fr,
}

/// What a step left behind.
#[derive(Clone, Debug)]
pub struct Done {
    /// Loss, exponents and codes.
    pub result: StepResult,
    /// Roots, where they were asked for.
    pub roots: Option<Roots>,
}

/// A state and its 4-bit model, committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRoots {
    /// Root of the state.
    pub state: Fr,
    /// Root of the 4-bit model.
    pub quantized: Fr,
    /// Exponent of each tensor of the 4-bit model.
    pub quantized_exponents: Vec<u32>,
}

/// A state on a device, and the steps that change it.
pub trait Trainer {
    /// Puts a state on the device.
    ///
    /// # Errors
    /// [`Error::Gpu`].
    fn load(&mut self, state: &State) -> Result<(), Error>;

    /// How many steps are best run together.
    fn group(&self) -> usize;

    /// Runs steps one after another; `hash` asks for their roots.
    ///
    /// # Errors
    /// [`Error::Gpu`]; the state on the device is then undefined.
    fn run(&mut self, steps: &[Step], hash: bool) -> Result<Vec<Done>, Error>;

    /// Commits to the state and its 4-bit model.
    ///
    /// # Errors
    /// [`Error::Gpu`].
    fn model_roots(&mut self) -> Result<ModelRoots, Error>;

    /// Loss of the 4-bit model of the state over any number of records, with the activations'
    /// exponents fixed; [`pogo_protocol::step::evaluate`].
    ///
    /// # Errors
    /// [`Error::Gpu`].
    fn evaluate(&mut self, activations: &[i32], batch: &Batch) -> Result<Evaluation, Error>;

    /// The state on the device.
    ///
    /// # Errors
    /// [`Error::Gpu`].
    fn state(&mut self) -> Result<State, Error>;
}

impl Device {
    /// The device asked for, to run `round`; and where [`Choice::Auto`] gives the CPU, why.
    ///
    /// # Errors
    /// [`GpuError`] when a GPU was asked for by its number and cannot be opened.
    pub fn open(choice: Choice, round: &Round) -> Result<(Self, Option<String>), GpuError> {
        match choice {
            Choice::Cpu => Ok((Self::Cpu, None)),
            Choice::Gpu(index) => Ok((Self::Gpu(Gpu::open(index)?), None)),
            Choice::Auto => Ok(Self::found(gpu::first_that_holds(round, Adapter::is_hardware))),
        }
    }

    /// A GPU that was found, or the CPU and why.
    fn found(gpu: Result<Gpu, Vec<GpuError>>) -> (Self, Option<String>) {
        let why = match gpu {
            Ok(gpu) => return (Self::Gpu(gpu), None),
            Err(reasons) if reasons.is_empty() => "no GPU was found".to_owned(),
            Err(reasons) => reasons.iter().map(GpuError::to_string).collect::<Vec<_>>().join("; "),
        };
        (Self::Cpu, Some(why))
    }

    /// The device to go on with once this one was lost: the same adapter opened anew, else the CPU. An
    /// adapter that is gone gives its number to another, which is not taken for it.
    pub fn after_loss(&self) -> Self {
        let Self::Gpu(lost) = self else { return Self::Cpu };
        match Gpu::open(lost.index()) {
            Ok(gpu) if gpu.describe() == lost.describe() => Self::Gpu(gpu),
            _ => Self::Cpu,
        }
    }

    /// What it is, in one line.
    pub fn describe(&self) -> String {
        match self {
            Self::Cpu => format!("CPU, {} threads", rayon::current_num_threads()),
            Self::Gpu(gpu) => gpu.describe().to_owned(),
        }
    }

    /// A trainer of `round` on this device.
    ///
    /// # Errors
    /// [`Error::Gpu`] when the model does not fit.
    pub fn trainer<'a>(&self, round: &'a Round, dither_seed: u32) -> Result<Box<dyn Trainer + 'a>, Error> {
        match self {
            Self::Cpu => Ok(Box::new(cpu::CpuTrainer::new(round, dither_seed))),
            Self::Gpu(gpu) => Ok(Box::new(GpuTrainer::new(gpu, round, dither_seed)?)),
        }
    }
}

/// How fast a device is, measured on a net of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// Additions and multiplications of a training step a second, without hashing.
    pub step_operations: f64,
    /// Bytes of 32-bit weights whose state and codes are hashed to their roots a second.
    pub hashed_bytes: f64,
}

/// What training a round will take, told before it starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Need {
    /// Seconds of all steps, hashing included, from [`Device::speed`].
    pub seconds: f64,
    /// Bytes of device memory.
    pub bytes: u64,
}

/// Units of both layers of the net that [`Device::speed`] trains, and its batch.
const MEASURED: u32 = 256;

impl Device {
    /// Trains a small net for a moment and tells how fast that was; seconds on a slow device.
    ///
    /// # Errors
    /// [`Error::Gpu`].
    pub fn speed(&self) -> Result<Speed, Error> {
        let round = measured_round()?;
        let step = |t| Step { t, batch: measured_batch() };
        let mut trainer = self.trainer(&round, 1)?;
        let mut time = |count: u32, hash: bool| -> Result<f64, Error> {
            let steps: Vec<Step> = (0..count.min(trainer.group() as u32)).map(step).collect();
            let start = Instant::now();
            trainer.run(&steps, hash)?;
            Ok(start.elapsed().as_secs_f64() / steps.len() as f64)
        };
        time(1, true)?; // compiles the shaders
        let (plain, hashed) = (time(4, false)?, time(2, true)?);
        let weights = f64::from(MEASURED) * f64::from(MEASURED + 10);
        Ok(Speed {
            step_operations: 6.0 * weights * f64::from(MEASURED) / plain,
            hashed_bytes: 4.0 * weights / hashing_seconds(plain, hashed),
        })
    }
}

impl Gpu {
    /// Time and memory of a round on this GPU, whose speed is measured for it.
    ///
    /// # Errors
    /// [`Error::Gpu`], also when the model does not fit.
    pub fn need(&self, round: &Round) -> Result<Need, Error> {
        let bytes = GpuTrainer::bytes(self, round)?;
        let speed = Device::Gpu(self.clone()).speed()?;
        let weights: f64 = round.spec.tensors().iter().map(|tensor| tensor.padded_len() as f64).sum();
        let step = 6.0 * weights * f64::from(round.spec.batch) / speed.step_operations;
        let seconds = f64::from(round.spec.steps) * (step + 4.0 * weights / speed.hashed_bytes);
        Ok(Need { seconds, bytes })
    }
}

/// Seconds of hashing in a step of `hashed` seconds that takes `plain` without. A difference below a
/// tenth is noise, and taken for a tenth.
fn hashing_seconds(plain: f64, hashed: f64) -> f64 {
    (hashed - plain).max(hashed / 10.0)
}

fn measured_round() -> Result<Round, Error> {
    let spec = Spec {
        name: "speed".into(),
        layers: vec![MEASURED, MEASURED, 10],
        batch: MEASURED,
        steps: 16,
        checkpoint_every: 1,
        learning_rate: 1 << 14,
        schedule: Schedule::Constant,
        warmup: 0,
        seed: 1,
        trace: TraceMode::None,
        data_root: [0; 32],
    };
    let context = Context { chain_id: 0, contract: [0; 20], task: [0; 32], round: 0, miner: [0; 20] };
    Round::new(spec, context, Shape::MINIMAL)
}

fn measured_batch() -> Batch {
    let elements = MEASURED * MEASURED;
    Batch {
        features: (0..elements).map(|i| (pcg(i) >> 25) as i8).collect(),
        labels: (0..MEASURED).map(|i| (i % 10) as u16).collect(),
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected auto, cpu, gpu or gpu:INDEX, got {text:?}");
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "gpu" => Ok(Self::Gpu(0)),
            Some(("gpu", index)) => index.parse().map(Self::Gpu).map_err(|_| expected()),
            _ => Err(expected()),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu(index) => write!(f, "gpu:{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_taken_with_all_reasons_when_no_gpu_holds_the_model() {
        let refused = |adapter: &str| GpuError::Refused { adapter: adapter.into(), reason: "too small".into() };
        let (device, why) = Device::found(Err(vec![refused("first"), refused("second")]));
        assert!(matches!(device, Device::Cpu));
        assert_eq!(why.as_deref(), Some("first: too small; second: too small"));
        assert_eq!(Device::found(Err(Vec::new())).1.as_deref(), Some("no GPU was found"));
    }

    #[test]
    fn hashing_that_drowns_in_noise_has_a_speed_all_the_same() {
        assert_eq!(hashing_seconds(1.0, 3.0), 2.0);
        assert_eq!(hashing_seconds(3.0, 3.0), 0.3);
        assert_eq!(hashing_seconds(4.0, 3.0), 0.3);
    }

    #[test]
    fn choices_read_back_and_nothing_else_does() {
        for choice in [Choice::Auto, Choice::Cpu, Choice::Gpu(0), Choice::Gpu(3)] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        assert_eq!("gpu".parse(), Ok(Choice::Gpu(0)));
        for wrong in ["", "GPU", "gpu:", "gpu:-1", "cpu:0", "auto:1", "cuda"] {
            assert!(wrong.parse::<Choice>().is_err(), "{wrong}");
        }
    }
}
