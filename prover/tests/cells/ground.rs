//! Small rounds on noise, which commit to the trace of every step.

use pogo_circuits::round::Shape;
use pogo_protocol::codec::scalar_bytes;
use pogo_protocol::data::DataSet;
use pogo_protocol::fixed::pcg;
use pogo_protocol::model::{Schedule, Spec, State, TraceMode};
use pogo_protocol::statement::Context;
use pogo_prover::attack::mine::{Draft, Mined};
use pogo_prover::commit::data_root;
use pogo_prover::device::Device;
use pogo_prover::round::Round;
use pogo_prover::train::Job;

pub(crate) const STEPS: u32 = 3;
/// Shallow trees, which save most of the hashing.
const SHAPE: Shape = Shape { tree_depth: 10, trace_depth: 13, ..Shape::MINIMAL };
/// The step that miners lie about.
pub(crate) const LIE: u32 = 1;

/// A round on noise, which commits to the trace of every step.
pub(crate) struct Ground {
    pub(crate) round: Round,
    pub(crate) data: DataSet,
}

impl Ground {
    pub(crate) fn new(layers: &[u32], batch: u32) -> Self {
        Self::of_steps(layers, batch, STEPS)
    }

    pub(crate) fn of_steps(layers: &[u32], batch: u32, steps: u32) -> Self {
        let (width, classes, count) = (layers[0] as usize, layers[layers.len() - 1] as usize, 2 * batch + 1);
        let noise = |i: u32| (pcg(i) % 255) as i32 - 127;
        let data = DataSet {
            width,
            classes,
            features: (0..count * layers[0]).map(|i| noise(i) as i8).collect(),
            labels: (0..count).map(|i| (pcg(i + 7) % classes as u32) as u16).collect(),
        };
        let spec = Spec {
            name: "cells".into(),
            layers: layers.to_vec(),
            batch,
            steps,
            checkpoint_every: 1,
            learning_rate: 1 << 18,
            schedule: Schedule::Linear,
            warmup: 0,
            seed: 3,
            trace: TraceMode::Every,
            data_root: scalar_bytes(&data_root(&data)),
        };
        let context = Context { chain_id: 31_337, contract: [9; 20], task: [8; 32], round: 0, miner: [7; 20] };
        let shape = Shape { steps_depth: (steps + 1).next_power_of_two().ilog2() as usize, ..SHAPE };
        Self { round: Round::new(spec, context, shape).expect("it fits the preset"), data }
    }

    /// Two tensors, nothing of whose size divides 64.
    pub(crate) fn small() -> Self {
        Self::new(&[70, 66, 5], 64)
    }

    pub(crate) fn job(&self) -> Job<'_> {
        Job { round: &self.round, data: &self.data, device: &Device::Cpu }
    }

    pub(crate) fn honest(&self) -> Mined<'_> {
        Mined::honest(self.job()).expect("an honest round")
    }

    /// A round whose step [`LIE`] is changed.
    pub(crate) fn lie(&self, lie: impl Fn(&mut Draft<'_>)) -> Mined<'_> {
        let edit = |t, draft: &mut Draft<'_>| {
            if t == LIE {
                lie(draft)
            }
        };
        Mined::new(self.job(), State::initial(&self.round.spec), edit).expect("words of a leaf")
    }
}
