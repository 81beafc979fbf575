//! Every adapter of this machine gives the bits of the plain twins, kernel by kernel.
//!
//! Without an adapter each test says that it was skipped, unless `POGO_REQUIRE_GPU` is set.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use pogo_circuits::round::Shape;
use pogo_protocol::codec::scalar_bytes;
use pogo_protocol::data::{Batch, DataSet};
use pogo_protocol::fixed::{WORD_MAX, WORD_MIN, pcg};
use pogo_protocol::model::{Schedule, Spec, State, TraceMode};
use pogo_protocol::statement::Context;
use pogo_protocol::step::StepResult;
use pogo_prover::commit;
use pogo_prover::device::gpu::{self, Adapter, Gpu, GpuError, GpuTrainer, Memory};
use pogo_prover::device::{Device, Roots, Step, Trainer};
use pogo_prover::error::Error;
use pogo_prover::round::Round;
use pogo_prover::store::Store;
use pogo_prover::train::{Job, Progress, Stepper, Trace, initial_record, train};
use pogo_shaders::commit::Committing;
use pogo_shaders::evaluate::{Evaluating, ROWS};
use pogo_shaders::kernel::Access;
use pogo_shaders::kernels::commit::{MOMENTA_HASH, QUANTIZED_LEAVES, STATE_LEAVES, UPDATE_LEAVES, WEIGHTS_HASH};
use pogo_shaders::kernels::leaf::CONTROL;
use pogo_shaders::plan::{BufferId, Buffers, Dispatch, run_twins};
use pogo_shaders::step::{BINDING_MAX, Training};
use pogo_shaders::{constants, field};

/// Runs a test on every adapter, or says that there is none.
fn on_every_adapter(test: &str, run: impl Fn(&Gpu)) {
    let adapters = gpu::adapters();
    if adapters.is_empty() {
        assert!(std::env::var_os("POGO_REQUIRE_GPU").is_none(), "{test}: a GPU adapter is required here");
        eprintln!("skipped: {test}: this machine has no GPU adapter");
    }
    for adapter in adapters {
        eprintln!("{test}: {}", adapter.describe());
        run(&Gpu::open(adapter.index).unwrap());
    }
}

/// The same memory on a device and plain.
struct Pair<'a> {
    gpu: &'a Gpu,
    device: Memory,
    plain: Vec<Vec<u32>>,
}

impl<'a> Pair<'a> {
    fn new(gpu: &'a Gpu, buffers: &Buffers) -> Self {
        let device = gpu.allocate(buffers.list()).unwrap();
        Self { gpu, device, plain: buffers.list().iter().map(|buffer| vec![0; buffer.words]).collect() }
    }

    fn write(&mut self, id: BufferId, words: &[u32]) {
        self.gpu.write(&self.device, id, 0, words);
        self.plain[id.0][..words.len()].copy_from_slice(words);
    }

    /// Runs one dispatch on both sides and compares every buffer that it may write.
    fn check(&mut self, dispatch: &Dispatch) {
        let program = self.gpu.prepare(&self.device, std::slice::from_ref(dispatch)).unwrap();
        self.gpu.run([&program]).unwrap();
        run_twins(&mut self.plain, std::slice::from_ref(dispatch));
        for (binding, &id) in dispatch.buffers.iter().enumerate() {
            if dispatch.kernel.bindings[binding] != Access::Write {
                continue;
            }
            let expected = &self.plain[id.0];
            let got = self.gpu.read(&self.device, &[(id, 0..expected.len())]).unwrap();
            let wrong = (0..got.len()).find(|&i| got[i] != expected[i]);
            let at = wrong.map(|i| (i, got[i] as i32, expected[i] as i32));
            assert_eq!(at, None, "{}: binding {binding}: (word, got, expected)", dispatch.kernel.name);
        }
    }
}

fn spec(layers: &[u32], batch: u32, learning_rate: u32) -> Spec {
    Spec {
        name: "test".into(),
        layers: layers.to_vec(),
        batch,
        steps: 8,
        checkpoint_every: 1,
        learning_rate,
        schedule: Schedule::Constant,
        warmup: 0,
        seed: 3,
        trace: TraceMode::None,
        data_root: [0; 32],
    }
}

/// Words over the whole legal range, its edges often among them.
fn word(seed: u32, i: usize) -> u32 {
    let draw = pcg(seed.wrapping_add(i as u32));
    let edges = [WORD_MIN, WORD_MAX, 0, 1, -1, WORD_MIN + 1, 64, -64];
    match draw % 16 {
        edge @ 0..8 => edges[edge as usize] as u32,
        _ => (pcg(draw) as i32 >> (1 + draw % 29)) as u32,
    }
}

#[test]
fn every_kernel_of_a_step_equals_its_twin() {
    let specs = [
        (spec(&[70, 5, 3], 4, 4096), BINDING_MAX),
        (spec(&[64, 64, 10], 64, 65_536), BINDING_MAX),
        (spec(&[100, 300, 200, 70], 64, (1 << 26) - 1), 128 << 10),
    ];
    on_every_adapter("every_kernel_of_a_step_equals_its_twin", |gpu| {
        for (spec, binding_max) in &specs {
            let mut buffers = Buffers::default();
            let training = Training::new(&mut buffers, spec, 2, *binding_max).unwrap();
            let mut pair = Pair::new(gpu, &buffers);
            pair.write(training.tables, &constants::tables());
            let state = State::initial(spec);
            for shard in &training.shards {
                let words = shard.first_leaf() * 64..(shard.first_leaf() + shard.leaves()) * 64;
                let weights: Vec<u32> = state.weights[shard.tensor][words].iter().map(|&w| w as u32).collect();
                pair.write(shard.weights, &weights);
            }
            let classes = spec.layers[spec.layers.len() - 1];
            for t in 0..4 {
                let slot = t as usize % 2;
                let control = [spec.learning_rate(t), 99, t, u32::from(t > 0)];
                pair.write(training.control, &[control; 2].concat()[..2 * CONTROL]);
                let features: Vec<u32> = (0..2 * training.features_words()).map(|i| pcg(t ^ i as u32)).collect();
                pair.write(training.features, &features);
                let labels: Vec<u32> = (0..2 * spec.batch).map(|i| pcg(i + t) % classes).collect();
                pair.write(training.labels, &labels);
                training.step(slot).iter().for_each(|dispatch| pair.check(dispatch));
            }
            // Weights, momenta and scales of any size, which training reaches only after long.
            for shard in &training.shards {
                let real = shard.leaves() * 64;
                for (id, seed) in [(shard.weights, 1), (shard.momenta, 2)] {
                    pair.write(id, &(0..real).map(|i| word(seed, i)).collect::<Vec<_>>());
                }
                let scales: Vec<u32> = (0..shard.leaves()).map(|i| word(3, i) & WORD_MAX as u32).collect();
                pair.write(shard.scales, &scales);
            }
            training.step(0).iter().for_each(|dispatch| pair.check(dispatch));
        }
    });
}

/// A dispatch over leaves in two, as the plan cuts those over many; any other as it is. The upper half comes
/// first, when all that it must leave alone still differs from what it would write.
fn halves(dispatch: &Dispatch) -> Vec<Dispatch> {
    let over_leaves = [&WEIGHTS_HASH, &MOMENTA_HASH, &STATE_LEAVES, &UPDATE_LEAVES, &QUANTIZED_LEAVES];
    if over_leaves.iter().all(|kernel| kernel.name != dispatch.kernel.name) {
        return vec![dispatch.clone()];
    }
    let [mut first, mut second] = [dispatch.clone(), dispatch.clone()];
    let middle = dispatch.parameters[1] / 2;
    (first.parameters[1], second.parameters[0]) = (middle, middle);
    vec![second, first]
}

#[test]
fn every_kernel_of_a_commitment_equals_its_twin() {
    let specs = [(spec(&[70, 5, 3], 4, 4096), BINDING_MAX), (spec(&[130, 100, 70], 64, 65_536), 48 << 10)];
    on_every_adapter("every_kernel_of_a_commitment_equals_its_twin", |gpu| {
        for (spec, binding_max) in &specs {
            let layout = commit::layout(spec, Shape::MINIMAL.tree_depth).unwrap();
            let mut buffers = Buffers::default();
            let training = Training::new(&mut buffers, spec, 2, *binding_max).unwrap();
            let committing = Committing::new(&mut buffers, &layout, &training, BINDING_MAX).unwrap();
            let evaluating = Evaluating::new(&mut buffers, spec, &training, BINDING_MAX).unwrap();
            let mut pair = Pair::new(gpu, &buffers);
            pair.write(committing.poseidon, &field::poseidon());
            pair.write(committing.empty, &committing.pack_empty());
            for (round, shard) in
                [0, 1, 2].into_iter().flat_map(|round| training.shards.iter().map(move |s| (round, s)))
            {
                // All leaves at first, then ever fewer.
                let changed = |leaf: usize| if round == 0 { 3 } else { (leaf % 4 == 1) as u32 * round };
                pair.write(shard.changed, &(0..shard.leaves()).map(changed).collect::<Vec<_>>());
                for (id, seed) in [(shard.weights, round), (shard.momenta, 7 + round)] {
                    pair.write(id, &(0..shard.leaves() * 64).map(|i| word(seed, i)).collect::<Vec<_>>());
                }
                pair.write(shard.scales, &(0..shard.leaves()).map(|i| word(3, i)).collect::<Vec<_>>());
                let nibble = |i: usize| (0..8).fold(0, |all, n| (all << 4) | (pcg(round ^ (8 * i + n) as u32) % 15));
                pair.write(shard.codes, &(0..2 * shard.leaves() * 8).map(nibble).collect::<Vec<_>>());
                if shard.tensor + 1 == spec.layers.len() - 1 && shard.rows.end == spec.layers[shard.tensor + 1] as usize
                {
                    let slot = round as usize % 2;
                    committing.step(&training, slot).iter().flat_map(halves).for_each(|dispatch| pair.check(&dispatch));
                }
            }
            evaluating.quantize(&training).iter().for_each(|dispatch| pair.check(dispatch));
            committing.quantized(&training, &evaluating).iter().flat_map(halves).for_each(|d| pair.check(&d));
            assert_eq!(pair.plain[committing.flags.0][0], 0);
            pair.write(evaluating.exponents, &evaluating.pack_exponents(&[1 << 24; 2], &[-3]));
            pair.write(evaluating.labels, &(0..ROWS as u32).map(|i| i % 3).collect::<Vec<_>>());
            let features: Vec<u32> = (0..buffers.list()[evaluating.features.0].words).map(|i| pcg(i as u32)).collect();
            pair.write(evaluating.features, &features);
            pair.write(training.tables, &constants::tables());
            evaluating.evaluate(&training, ROWS - 5).iter().for_each(|dispatch| pair.check(dispatch));
        }
    });
}

#[test]
fn a_word_that_has_no_place_in_a_leaf_raises_the_flag() {
    let spec = spec(&[64, 2], 1, 1);
    let layout = commit::layout(&spec, Shape::MINIMAL.tree_depth).unwrap();
    let mut buffers = Buffers::default();
    let training = Training::new(&mut buffers, &spec, 1, BINDING_MAX).unwrap();
    let committing = Committing::new(&mut buffers, &layout, &training, BINDING_MAX).unwrap();
    on_every_adapter("a_word_that_has_no_place_in_a_leaf_raises_the_flag", |gpu| {
        let shard = &training.shards[0];
        let flag = |id: BufferId, at: usize, word: u32| {
            let memory = gpu.allocate(buffers.list()).unwrap();
            gpu.write(&memory, committing.poseidon, 0, &field::poseidon());
            gpu.write(&memory, shard.changed, 0, &[3, 3]);
            gpu.write(&memory, id, at, &[word]);
            let program = gpu.prepare(&memory, &committing.step(&training, 0)).unwrap();
            gpu.run([&program]).unwrap();
            gpu.read(&memory, &[(committing.flags, 0..1)]).unwrap()[0]
        };
        assert_eq!(flag(shard.weights, 127, WORD_MAX as u32), 0);
        for word in [WORD_MAX + 1, WORD_MIN - 1, i32::MIN, i32::MAX] {
            assert_eq!(flag(shard.weights, 127, word as u32), 1, "{word}");
            assert_eq!(flag(shard.momenta, 64, word as u32), 1, "{word}");
            assert_eq!(flag(shard.scales, 1, word as u32), 1, "{word}");
        }
        assert_eq!(flag(shard.codes, 15, 14 << 28), 0);
        assert_eq!(flag(shard.codes, 15, 15 << 28), 1);
    });
}

/// A round over made-up records, and the root it starts from.
fn job_parts(layers: &[u32], steps: u32) -> (Round, DataSet) {
    let (width, classes) = (layers[0] as usize, layers[layers.len() - 1]);
    let records = 300;
    let data = DataSet {
        width,
        classes: classes as usize,
        features: (0..records * width).map(|i| (pcg(i as u32) >> 25) as i8).collect(),
        labels: (0..records).map(|i| (pcg(i as u32 ^ 5) % classes) as u16).collect(),
    };
    let root = commit::data_root(&data);
    let spec = Spec { steps, data_root: scalar_bytes(&root), ..spec(layers, 64, 65_536) };
    let context = Context { chain_id: 31_337, contract: [9; 20], task: [8; 32], round: 0, miner: [7; 20] };
    (Round::new(spec, context, Shape::MINIMAL).unwrap(), data)
}

/// A folder that is gone in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("pogo-gpu-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn store(&self) -> Store {
        Store::open(&self.0).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn train_on(device: &Device, round: &Round, data: &DataSet, progress: impl FnMut(Progress)) -> Trace {
    let folder = Folder::new();
    train(&folder.store(), &Job { round, data, device }, progress).unwrap()
}

#[test]
fn a_round_has_the_roots_of_the_cpu() {
    // Five leaves a row leave gaps of whole pairs in their trees.
    for (layers, steps) in [(&[64, 64, 10][..], 20), (&[300, 40, 20, 10], 5)] {
        let (round, data) = job_parts(layers, steps);
        let expected = train_on(&Device::Cpu, &round, &data, |_| {});
        on_every_adapter("a_round_has_the_roots_of_the_cpu", |gpu| {
            let got = train_on(&Device::Gpu(gpu.clone()), &round, &data, |_| {});
            assert_eq!(got.records, expected.records);
            assert!(got.state == expected.state);
        });
    }
}

#[test]
fn the_4_bit_model_has_the_root_and_the_loss_of_the_cpu() {
    let (round, data) = job_parts(&[70, 130, 10], 3);
    let trace = train_on(&Device::Cpu, &round, &data, |_| {});
    let activations = &trace.state.exponents.as_ref().unwrap().activations;
    let measure = |device: &Device| {
        let mut trainer = device.trainer(&round, 0).unwrap();
        trainer.load(&trace.state).unwrap();
        let first = (trainer.model_roots().unwrap(), trainer.evaluate(activations, &data.all()).unwrap());
        let again = (trainer.model_roots().unwrap(), trainer.evaluate(activations, &data.all()).unwrap());
        assert_eq!(first, again);
        first
    };
    let expected = measure(&Device::Cpu);
    assert_eq!(expected.0.state, trace.records[3].state_root);
    on_every_adapter("the_4_bit_model_has_the_root_and_the_loss_of_the_cpu", |gpu| {
        assert_eq!(measure(&Device::Gpu(gpu.clone())), expected);
    });
}

#[test]
fn a_device_lost_in_the_middle_ends_in_the_same_roots() {
    let (round, data) = job_parts(&[64, 32, 10], 150);
    let expected = train_on(&Device::Cpu, &round, &data, |_| {});
    on_every_adapter("a_device_lost_in_the_middle_ends_in_the_same_roots", |gpu| {
        let mut lost = Vec::new();
        let got = train_on(&Device::Gpu(gpu.clone()), &round, &data, |progress| match progress {
            Progress::Steps { done, .. } if done > 70 && lost.is_empty() => gpu.destroy(),
            Progress::Steps { .. } | Progress::Traced { .. } => {}
            Progress::Lost { reason, next } => lost.push((reason, next)),
        });
        assert_eq!(lost.len(), 1, "{lost:?}");
        assert_eq!(lost[0].1, gpu.describe(), "it goes on on the same adapter");
        assert_eq!(got.records, expected.records);
        assert!(got.state == expected.state);
    });
}

/// A batch of `round` from a seed, its features over the whole range of a byte.
fn made_up_batch(round: &Round, seed: u32) -> Batch {
    let spec = &round.spec;
    let draw = |i: u32| pcg(i ^ pcg(seed));
    Batch {
        features: (0..spec.batch * spec.layers[0]).map(|i| (draw(i) >> 24) as i8).collect(),
        labels: (0..spec.batch).map(|i| (draw(!i) % spec.layers[spec.layers.len() - 1]) as u16).collect(),
    }
}

/// A round that trains on no data set.
fn round_of(layers: &[u32], batch: u32) -> Round {
    let context = Context { chain_id: 0, contract: [0; 20], task: [0; 32], round: 0, miner: [0; 20] };
    Round::new(spec(layers, batch, 65_536), context, Shape::MINIMAL).unwrap()
}

/// The first steps of a round.
fn made_up_steps(round: &Round, count: u32) -> Vec<Step> {
    (0..count).map(|t| Step { t, batch: made_up_batch(round, t) }).collect()
}

#[test]
fn every_call_on_a_lost_device_says_that_it_was_lost() {
    type Call = fn(&mut dyn Trainer, &Round) -> Result<(), Error>;
    let calls: [(&str, Call); 5] = [
        ("run", |trainer, round| trainer.run(&made_up_steps(round, 1), true).map(drop)),
        ("state", |trainer, _| trainer.state().map(drop)),
        ("model_roots", |trainer, _| trainer.model_roots().map(drop)),
        ("evaluate", |trainer, round| trainer.evaluate(&[0], &made_up_batch(round, 1)).map(drop)),
        ("load and state", |trainer, round| {
            trainer.load(&State::initial(&round.spec))?;
            trainer.state().map(drop)
        }),
    ];
    let round = round_of(&[70, 20, 10], 64);
    let lost = |what: &str, result: Result<(), Error>| {
        assert!(matches!(result, Err(Error::Gpu(GpuError::Lost(_)))), "{what}: {result:?}");
    };
    on_every_adapter("every_call_on_a_lost_device_says_that_it_was_lost", |gpu| {
        for (name, call) in calls {
            let gpu = Gpu::open(gpu.index()).unwrap();
            let mut trainer = GpuTrainer::new(&gpu, &round, 1).unwrap();
            call(&mut trainer, &round).unwrap();
            gpu.destroy();
            lost(name, call(&mut trainer, &round));
        }
        gpu.destroy();
        lost("new", GpuTrainer::new(gpu, &round, 1).map(drop));
    });
}

#[test]
fn steps_may_be_grouped_in_any_way() {
    let (round, data) = job_parts(&[70, 20, 3], 24);
    let root = initial_record(&round.layout, &State::initial(&round.spec)).unwrap().state_root;
    let codes = |device: &Device, cuts: &[u32]| {
        let job = Job { round: &round, data: &data, device };
        let mut stepper = Stepper::new(&job, root).unwrap();
        let parts = cuts.windows(2).flat_map(|cut| stepper.run(cut[0]..cut[1]).unwrap()).collect::<Vec<_>>();
        (parts, stepper.state().unwrap())
    };
    let expected = codes(&Device::Cpu, &[0, 24]);
    on_every_adapter("steps_may_be_grouped_in_any_way", |gpu| {
        for cuts in [&[0, 24][..], &[0, 1, 2, 24], &[0, 5, 21, 24]] {
            assert!(codes(&Device::Gpu(gpu.clone()), cuts) == expected, "{cuts:?}");
        }
    });
}

/// Two steps of a net, one after the other, with their roots if it is small, and the state that they leave.
fn two_steps(device: &Device, round: &Round) -> (Vec<(StepResult, Option<Roots>)>, State) {
    let mut trainer = device.trainer(round, 5).unwrap();
    let steps = made_up_steps(round, 2);
    let small = round.layout.leaf_count() < 1000;
    let done = steps.chunks(1).flat_map(|step| trainer.run(step, small).unwrap());
    (done.map(|done| (done.result, done.roots)).collect(), trainer.state().unwrap())
}

#[test]
fn nets_at_the_ends_of_what_a_spec_allows_equal_the_cpu() {
    // More rows, then more leaves, than one dimension of a dispatch has workgroups; most layers; least.
    let nets: [(&[u32], u32); 4] = [(&[1, 2], 1 << 16), (&[3, 1 << 16, 2], 1), (&[3; 64], 2), (&[1, 1], 1)];
    for (layers, batch) in nets {
        let round = round_of(layers, batch);
        let expected = two_steps(&Device::Cpu, &round);
        on_every_adapter("nets_at_the_ends_of_what_a_spec_allows_equal_the_cpu", |gpu| {
            assert!(two_steps(&Device::Gpu(gpu.clone()), &round) == expected, "{layers:?}, batch {batch}");
        });
    }
}

#[test]
fn a_run_may_have_more_steps_than_a_group() {
    let round = round_of(&[4, 2], 2);
    let results = |device: &Device| {
        let mut trainer = device.trainer(&round, 5).unwrap();
        let steps = made_up_steps(&round, 35);
        assert!(steps.len() > trainer.group());
        trainer.run(&steps, true).unwrap().into_iter().map(|done| (done.result, done.roots)).collect::<Vec<_>>()
    };
    let expected = results(&Device::Cpu);
    on_every_adapter("a_run_may_have_more_steps_than_a_group", |gpu| {
        assert_eq!(results(&Device::Gpu(gpu.clone())), expected);
    });
}

#[test]
fn a_state_that_is_loaded_forgets_all_of_the_last() {
    let round = round_of(&[70, 20, 10], 64);
    let steps = made_up_steps(&round, 4);
    let mut cpu = Device::Cpu.trainer(&round, 1).unwrap();
    cpu.run(&steps[..1], true).unwrap();
    let (state, roots) = (cpu.state().unwrap(), cpu.model_roots().unwrap());
    on_every_adapter("a_state_that_is_loaded_forgets_all_of_the_last", |gpu| {
        let mut trainer = GpuTrainer::new(gpu, &round, 1).unwrap();
        // Hashes of other leaves, which the next state must not keep.
        trainer.run(&steps, true).unwrap();
        trainer.load(&state).unwrap();
        assert_eq!(trainer.model_roots().unwrap(), roots);
        // A word that has no place in a leaf, which is told and then over.
        let mut wrong = state.clone();
        wrong.weights[0][3] = i32::MAX;
        trainer.load(&wrong).unwrap();
        let error = trainer.model_roots().unwrap_err().to_string();
        assert_eq!(error, "GPU: a value left on the device has no place in a leaf");
        trainer.load(&state).unwrap();
        assert_eq!(trainer.model_roots().unwrap(), roots);
    });
}

#[test]
fn an_adapter_that_does_not_exist_is_named() {
    let error = Gpu::open(4711).unwrap_err().to_string();
    assert!(error.starts_with("no GPU adapter 4711: "), "{error}");
}

#[test]
fn a_buffer_that_no_memory_holds_is_named_with_its_size() {
    on_every_adapter("a_buffer_that_no_memory_holds_is_named_with_its_size", |gpu| {
        let mut buffers = Buffers::default();
        buffers.add("momenta of tensor 3", 1 << 40);
        let error = gpu.allocate(buffers.list()).unwrap_err().to_string();
        let expected = "momenta of tensor 3 needs a buffer of 4398046511104 bytes, expected at most 268435456";
        assert!(error.starts_with(expected), "{error}");
    });
}

#[test]
fn an_adapter_is_taken_only_when_it_holds_the_model() {
    let (small, large) = (round_of(&[64, 10], 64), round_of(&[64, 1024, 10], 1 << 16));
    on_every_adapter("an_adapter_is_taken_only_when_it_holds_the_model", |gpu| {
        let this = |adapter: &Adapter| adapter.index == gpu.index();
        assert_eq!(gpu::first_that_holds(&small, this).unwrap().describe(), gpu.describe());
        let reasons: Vec<String> =
            gpu::first_that_holds(&large, this).unwrap_err().iter().map(GpuError::to_string).collect();
        let expected = format!("{}: sums needs a buffer of 268435456 bytes", gpu.describe());
        assert!(matches!(&reasons[..], [reason] if reason.starts_with(&expected)), "{reasons:?}");
    });
    assert!(gpu::first_that_holds(&small, |_| false).unwrap_err().is_empty());
}

#[test]
fn a_full_shard_is_read_back() {
    on_every_adapter("a_full_shard_is_read_back", |gpu| {
        let mut buffers = Buffers::default();
        let (words, leaves) = (BINDING_MAX / 4, BINDING_MAX / 256);
        let parts = [("weights", words), ("momenta", words), ("scales", leaves)];
        let parts = parts.map(|(name, words)| (buffers.add(name, words), 3..words));
        let memory = gpu.allocate(buffers.list()).unwrap();
        // The first and last word of each part, and a few around every multiple of 2^20.
        let marks = |range: &std::ops::Range<usize>| -> Vec<usize> {
            let around = (0..range.end).step_by(1 << 20).flat_map(|i| i.saturating_sub(2)..i + 2);
            around.chain([range.start, range.end - 1]).filter(|i| range.contains(i)).collect()
        };
        let (mut expected, mut at) = (HashMap::new(), 0);
        for (id, range) in &parts {
            for i in marks(range) {
                let word = 1 + pcg((at + i) as u32) % 1000;
                gpu.write(&memory, *id, i, &[word]);
                expected.insert(at + i - range.start, word);
            }
            at += range.len();
        }
        let read = gpu.read(&memory, &parts).unwrap();
        assert_eq!(read.len(), at);
        assert!(read.len() * 4 > 256 << 20, "more than the largest buffer has");
        let wrong = (0..at).find(|i| read[*i] != expected.get(i).copied().unwrap_or(0));
        assert_eq!(wrong.map(|i| (i, read[i], expected.get(&i))), None, "(word, got, expected)");
    });
}
