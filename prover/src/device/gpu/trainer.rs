//! The state of a round on a GPU, and its steps.

use std::ops::Range;

use ark_bn254::Fr;
use pogo_protocol::data::Batch;
use pogo_protocol::fixed::{LEAF, block_exponent};
use pogo_protocol::leaf::tag;
use pogo_protocol::merkle::root_of_nodes;
use pogo_protocol::model::State;
use pogo_protocol::step::{Evaluation, StepResult};
use pogo_shaders::commit::{Committing, Kind};
use pogo_shaders::evaluate::{Evaluating, ROWS};
use pogo_shaders::kernels::leaf::{CODE_WORDS, CONTROL, MOMENTA_CHANGED, WEIGHTS_CHANGED, unpack_codes};
use pogo_shaders::kernels::loss::TALLY;
use pogo_shaders::plan::{BufferId, Buffers, Dispatch, TooLarge};
use pogo_shaders::step::{Shard, Training};
use pogo_shaders::{constants, field};

use super::{Gpu, GpuError, Memory, Program};
use crate::device::{Done, ModelRoots, Roots, Step, Trainer};
use crate::error::Error;
use crate::round::Round;

/// Most steps that are run without reading anything back.
const SLOTS: usize = 16;
/// Bytes that the slots of all steps may take together, as far as there is a choice.
const SLOT_BYTES: usize = 256 << 20;

/// A state in the memory of a GPU.
#[derive(Debug)]
pub struct GpuTrainer<'a> {
    gpu: Gpu,
    round: &'a Round,
    dither_seed: u32,
    training: Training,
    committing: Committing,
    evaluating: Evaluating,
    memory: Memory,
    /// The step in each slot, and its commitment.
    slots: Vec<(Program, Program)>,
    /// Whether the scales hold an average yet.
    started: bool,
}

impl<'a> GpuTrainer<'a> {
    /// Bytes of device memory that `round` takes.
    ///
    /// # Errors
    /// [`GpuError::TooLarge`] naming the tensor that does not fit.
    pub fn bytes(gpu: &Gpu, round: &Round) -> Result<u64, GpuError> {
        Ok(Plans::new(round, gpu.binding_max())?.buffers.list().iter().map(|buffer| 4 * buffer.words as u64).sum())
    }

    /// Tries whether the GPU holds `round`: makes all buffers, and gives them back.
    ///
    /// # Errors
    /// [`GpuError::TooLarge`] or [`GpuError::Memory`] naming the tensor that does not fit.
    pub fn fits(gpu: &Gpu, round: &Round) -> Result<(), GpuError> {
        gpu.allocate(Plans::new(round, gpu.binding_max())?.buffers.list()).map(drop)
    }

    /// A trainer of `round` at its initial state.
    ///
    /// # Errors
    /// [`GpuError::TooLarge`] or [`GpuError::Memory`] naming the tensor that does not fit.
    pub fn new(gpu: &Gpu, round: &'a Round, dither_seed: u32) -> Result<Self, Error> {
        let Plans { buffers, training, committing, evaluating } =
            Plans::new(round, gpu.binding_max()).map_err(GpuError::from)?;
        let memory = gpu.allocate(buffers.list())?;
        gpu.write(&memory, training.tables, 0, &constants::tables());
        gpu.write(&memory, committing.poseidon, 0, &field::poseidon());
        gpu.write(&memory, committing.empty, 0, &committing.pack_empty());
        let prepare = |slot| -> Result<(Program, Program), GpuError> {
            let commit = committing.step(&training, slot);
            Ok((gpu.prepare(&memory, &training.step(slot))?, gpu.prepare(&memory, &commit)?))
        };
        let slots = (0..training.slots).map(prepare).collect::<Result<_, _>>()?;
        let gpu = gpu.clone();
        let mut trainer =
            Self { gpu, round, dither_seed, training, committing, evaluating, memory, slots, started: false };
        trainer.load(&State::initial(&round.spec))?;
        Ok(trainer)
    }

    /// Runs dispatches once.
    fn once(&self, dispatches: &[Dispatch]) -> Result<(), GpuError> {
        self.gpu.run([&self.gpu.prepare(&self.memory, dispatches)?])
    }

    /// Quantizes the state; the largest magnitude of each tensor.
    fn quantize(&self) -> Result<Vec<u32>, GpuError> {
        let tensors = self.round.spec.layers.len() - 1;
        self.write(self.evaluating.maxima, 0, &vec![0; tensors]);
        self.once(&self.evaluating.quantize(&self.training))?;
        self.gpu.read(&self.memory, &[(self.evaluating.maxima, 0..tensors)])
    }

    /// Runs steps that have a slot each.
    fn run_group(&mut self, steps: &[Step], hash: bool) -> Result<Vec<Done>, GpuError> {
        for (slot, step) in steps.iter().enumerate() {
            self.write_slot(slot, step, self.started || slot > 0);
        }
        self.started = true;
        let programs = |(step, commit)| [Some(step), hash.then_some(commit)];
        let slots = self.slots[..steps.len()].iter().map(|(step, commit)| (step, commit));
        self.gpu.run(slots.flat_map(programs).flatten())?;
        let results = self.read_slots(steps.len())?;
        let roots = if hash { self.read_roots(steps.len())? } else { vec![None; steps.len()] };
        Ok(results.into_iter().zip(roots).map(|(result, roots)| Done { result, roots }).collect())
    }

    /// Writes what a step reads into its slot.
    fn write_slot(&self, slot: usize, Step { t, batch }: &Step, started: bool) {
        let control = [self.round.spec.learning_rate(*t), self.dither_seed, *t, started.into()];
        self.write(self.training.control, slot * CONTROL, &control);
        let features = self.training.pack_features(batch);
        self.write(self.training.features, slot * features.len(), &features);
        let labels: Vec<u32> = batch.labels.iter().map(|&label| label.into()).collect();
        self.write(self.training.labels, slot * labels.len(), &labels);
    }

    /// Reads what the steps in the first `slots` slots left behind.
    fn read_slots(&self, slots: usize) -> Result<Vec<StepResult>, GpuError> {
        let words = self.training.results_words();
        let results = self.gpu.read(&self.memory, &[(self.training.results, 0..slots * words)])?;
        let mut done: Vec<StepResult> = results
            .chunks(words)
            .map(|words| {
                let (loss, _, exponents_used, exponents_next) = self.training.unpack_results(words);
                let codes = self.round.spec.tensors().iter().map(|t| Vec::with_capacity(t.padded_len())).collect();
                StepResult { loss, exponents_used, exponents_next, codes }
            })
            .collect();
        for shard in &self.training.shards {
            let words = shard.leaves() * CODE_WORDS;
            let codes = self.gpu.read(&self.memory, &[(shard.codes, 0..slots * words)])?;
            for (result, codes) in done.iter_mut().zip(codes.chunks(words)) {
                result.codes[shard.tensor].extend(unpack_codes(codes));
            }
        }
        Ok(done)
    }

    /// Reads the roots of the first `slots` slots.
    fn read_roots(&self, slots: usize) -> Result<Vec<Option<Roots>>, GpuError> {
        let roots = |words: &[u32]| -> Result<Option<Roots>, GpuError> {
            Ok(Some(Roots {
                state: self.root(Kind::State, tag::STATE_ROOT, words)?,
                update: self.root(Kind::Codes, tag::UPDATE_ROOT, words)?,
            }))
        };
        self.read_tops(slots)?.chunks(self.committing.tops_words()).map(roots).collect()
    }

    /// Reads the nodes of the first `slots` slots that are left to the host.
    fn read_tops(&self, slots: usize) -> Result<Vec<u32>, GpuError> {
        let words = slots * self.committing.tops_words();
        let mut read =
            self.gpu.read(&self.memory, &[(self.committing.tops, 0..words), (self.committing.flags, 0..1)])?;
        if read.pop() != Some(0) {
            return Err(GpuError::Other("a value left on the device has no place in a leaf".into()));
        }
        Ok(read)
    }

    /// The root of a tree from the nodes that the device leaves to the host.
    fn root(&self, kind: Kind, tag: u64, tops: &[u32]) -> Result<Fr, GpuError> {
        let layout = &self.round.layout;
        let nodes = self.committing.unpack_tops(kind, tops);
        let nodes = nodes.ok_or_else(|| GpuError::Other("a node of the device is not an element".into()))?;
        Ok(layout.root(tag, root_of_nodes(layout.depth(), &nodes)))
    }

    fn write(&self, id: BufferId, first: usize, words: &[u32]) {
        self.gpu.write(&self.memory, id, first, words);
    }

    fn write_signed(&self, id: BufferId, words: &[i32]) {
        self.write(id, 0, &words.iter().map(|&word| word as u32).collect::<Vec<_>>());
    }
}

impl Trainer for GpuTrainer<'_> {
    fn load(&mut self, state: &State) -> Result<(), Error> {
        for shard in &self.training.shards {
            let (words, leaves) = places(shard);
            self.write_signed(shard.weights, &state.weights[shard.tensor][words.clone()]);
            self.write_signed(shard.momenta, &state.momenta[shard.tensor][words]);
            self.write(shard.changed, 0, &vec![WEIGHTS_CHANGED | MOMENTA_CHANGED; leaves.len()]);
            self.write_signed(shard.scales, &state.scales[shard.tensor][leaves]);
        }
        self.write(self.training.exponents, 0, &self.training.pack_exponents(state.exponents.as_ref()));
        self.write(self.committing.flags, 0, &[0]);
        self.started = state.started();
        Ok(())
    }

    fn group(&self) -> usize {
        self.training.slots
    }

    fn run(&mut self, steps: &[Step], hash: bool) -> Result<Vec<Done>, Error> {
        let mut done = Vec::with_capacity(steps.len());
        for group in steps.chunks(self.group()) {
            done.extend(self.run_group(group, hash)?);
        }
        Ok(done)
    }

    fn model_roots(&mut self) -> Result<ModelRoots, Error> {
        let maxima = self.quantize()?;
        self.gpu.run([&self.slots[0].1])?;
        let state = self.root(Kind::State, tag::STATE_ROOT, &self.read_tops(1)?)?;
        self.once(&self.committing.quantized(&self.training, &self.evaluating))?;
        let quantized = self.root(Kind::Codes, tag::QUANTIZED_ROOT, &self.read_tops(1)?)?;
        Ok(ModelRoots { state, quantized, quantized_exponents: maxima.into_iter().map(block_exponent).collect() })
    }

    fn evaluate(&mut self, activations: &[i32], batch: &Batch) -> Result<Evaluation, Error> {
        let maxima = self.quantize()?;
        self.write(self.evaluating.tally, 0, &[0; TALLY]);
        let width = self.round.spec.width();
        for (features, labels) in batch.features.chunks(ROWS * width).zip(batch.labels.chunks(ROWS)) {
            let rows = Batch { features: features.to_vec(), labels: labels.to_vec() };
            self.write(self.evaluating.exponents, 0, &self.evaluating.pack_exponents(&maxima, activations));
            self.write(self.evaluating.features, 0, &self.evaluating.pack_features(&rows));
            let labels: Vec<u32> = labels.iter().map(|&label| label.into()).collect();
            self.write(self.evaluating.labels, 0, &labels);
            self.once(&self.evaluating.evaluate(&self.training, labels.len()))?;
        }
        let tally = self.gpu.read(&self.memory, &[(self.evaluating.tally, 0..TALLY)])?;
        let loss = u64::from(tally[1]) << 32 | u64::from(tally[0]);
        Ok(Evaluation { loss, correct: tally[2].into(), records: batch.labels.len() as u64 })
    }

    fn state(&mut self) -> Result<State, Error> {
        let mut state = State::from_weights(&self.round.spec, Vec::new());
        state.weights = state.momenta.clone();
        for shard in &self.training.shards {
            let (words, leaves) = places(shard);
            let parts =
                [(shard.weights, 0..words.len()), (shard.momenta, 0..words.len()), (shard.scales, 0..leaves.len())];
            let read: Vec<i32> = self.gpu.read(&self.memory, &parts)?.into_iter().map(|word| word as i32).collect();
            let (weights, rest) = read.split_at(words.len());
            let (momenta, scales) = rest.split_at(words.len());
            state.weights[shard.tensor][words.clone()].copy_from_slice(weights);
            state.momenta[shard.tensor][words].copy_from_slice(momenta);
            state.scales[shard.tensor][leaves].copy_from_slice(scales);
        }
        let words = 1 + 3 * self.training.sites();
        let exponents = self.gpu.read(&self.memory, &[(self.training.exponents, 0..words)])?;
        state.exponents = self.training.unpack_exponents(&exponents);
        Ok(state)
    }
}

/// Everything that a round does on a device.
struct Plans {
    buffers: Buffers,
    training: Training,
    committing: Committing,
    evaluating: Evaluating,
}

impl Plans {
    /// Plans with as many slots as are worth their memory and leave every buffer within `binding_max`
    /// bytes, padding and all; one slot at least.
    ///
    /// # Errors
    /// [`TooLarge`] naming the tensor that does not fit.
    fn new(round: &Round, binding_max: usize) -> Result<Self, TooLarge> {
        let codes = round.layout.leaf_count() * CODE_WORDS * 4;
        let features = round.spec.batch as usize * round.spec.layers[0] as usize;
        let mut slots = (SLOT_BYTES / (codes + features)).clamp(1, SLOTS);
        loop {
            match Self::with_slots(round, slots, binding_max) {
                Err(_) if slots > 1 => slots -= 1,
                plans => return plans,
            }
        }
    }

    fn with_slots(round: &Round, slots: usize, binding_max: usize) -> Result<Self, TooLarge> {
        let mut buffers = Buffers::default();
        let training = Training::new(&mut buffers, &round.spec, slots, binding_max)?;
        let committing = Committing::new(&mut buffers, &round.layout, &training, binding_max)?;
        let evaluating = Evaluating::new(&mut buffers, &round.spec, &training, binding_max)?;
        Ok(Self { buffers, training, committing, evaluating })
    }
}

/// Words and leaves of its tensor that a shard holds.
fn places(shard: &Shard) -> (Range<usize>, Range<usize>) {
    let leaves = shard.first_leaf()..shard.first_leaf() + shard.leaves();
    (leaves.start * LEAF..leaves.end * LEAF, leaves)
}

#[cfg(test)]
mod tests {
    use pogo_circuits::round::Shape;
    use pogo_protocol::model::{Schedule, Spec, TraceMode};
    use pogo_protocol::statement::Context;
    use pogo_shaders::step::BINDING_MAX;

    use super::*;

    fn plans(layers: &[u32], batch: u32) -> Result<Plans, TooLarge> {
        let spec = Spec {
            name: "plan".into(),
            layers: layers.to_vec(),
            batch,
            steps: 8,
            checkpoint_every: 1,
            learning_rate: 1,
            schedule: Schedule::Constant,
            warmup: 0,
            seed: 1,
            trace: TraceMode::None,
            data_root: [0; 32],
        };
        let context = Context { chain_id: 0, contract: [0; 20], task: [0; 32], round: 0, miner: [0; 20] };
        let shape = Shape { tree_depth: 24, ..Shape::MINIMAL };
        Plans::new(&Round::new(spec, context, shape).unwrap(), BINDING_MAX)
    }

    #[test]
    fn a_model_whose_single_step_fits_is_planned_with_the_slots_that_fit() {
        let cases: [(&[u32], u32, usize); 6] = [
            (&[64, 64, 10], 64, 16),
            (&[3072, 64, 10], 4096, 10),
            (&[784, 128, 10], 16_384, 9),
            (&[4096, 8192, 10], 64, 8),
            (&[65_536, 10], 128, 16),
            (&[65_536, 10], 512, 4),
        ];
        for (layers, batch, slots) in cases {
            let plans = plans(layers, batch).unwrap_or_else(|error| panic!("{layers:?}, batch {batch}: {error}"));
            assert_eq!(plans.training.slots, slots, "{layers:?}, batch {batch}");
            assert!(plans.buffers.list().iter().all(|buffer| buffer.words * 4 <= BINDING_MAX));
        }
    }

    #[test]
    fn a_batch_has_up_to_2_to_the_25_activations_and_2_to_the_27_features() {
        assert!(plans(&[64, 512, 10], 1 << 16).is_ok());
        assert_eq!(plans(&[64, 513, 10], 1 << 16).err().unwrap().tensor, "sums");
        assert!(plans(&[2048, 10], 1 << 16).is_ok());
        assert_eq!(plans(&[2049, 10], 1 << 16).err().unwrap().tensor, "activations 0");
    }
}
