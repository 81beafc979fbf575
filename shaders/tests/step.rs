//! The list of dispatches, run by the plain twins, is the protocol's step.

use pogo_protocol::data::Batch;
use pogo_protocol::fixed::CODE_MAX;
use pogo_protocol::model::{Schedule, Spec, State, TraceMode};
use pogo_protocol::step;
use pogo_shaders::constants;
use pogo_shaders::kernels::leaf::{CODE_WORDS, CONTROL, unpack_codes};
use pogo_shaders::plan::{BufferId, Buffers, TooLarge, run_twins};
use pogo_shaders::step::{BINDING_MAX, Training};
use proptest::prelude::*;

fn spec(layers: &[u32], batch: u32, learning_rate: u32) -> Spec {
    Spec {
        name: "test".into(),
        layers: layers.to_vec(),
        batch,
        steps: 8,
        checkpoint_every: 1,
        learning_rate,
        schedule: Schedule::Linear,
        warmup: 2,
        seed: 11,
        trace: TraceMode::None,
        data_root: [0; 32],
    }
}

/// A batch from a seed, its features over the whole range of a byte.
fn batch(spec: &Spec, seed: u32) -> Batch {
    let (rows, width) = (spec.batch as usize, spec.layers[0] as usize);
    let classes = spec.layers[spec.layers.len() - 1];
    let draw = |i: usize| pogo_protocol::fixed::pcg(seed ^ (i as u32).wrapping_mul(0x9E37_79B9));
    Batch {
        features: (0..rows * width).map(|i| (draw(i) >> 24) as i8).collect(),
        labels: (0..rows).map(|i| (draw(i + 1_000_000) % classes) as u16).collect(),
    }
}

/// Plain memory with the training of `spec` in it.
struct Twins {
    training: Training,
    memory: Vec<Vec<u32>>,
}

impl Twins {
    fn new(spec: &Spec, state: &State, binding_max: usize) -> Self {
        let mut buffers = Buffers::default();
        let training = Training::new(&mut buffers, spec, 2, binding_max).unwrap();
        let memory = buffers.list().iter().map(|buffer| vec![0; buffer.words]).collect();
        let mut twins = Self { training, memory };
        twins.write(twins.training.tables, 0, &constants::tables());
        let exponents = twins.training.pack_exponents(state.exponents.as_ref());
        twins.write(twins.training.exponents, 0, &exponents);
        for shard in twins.training.shards.clone() {
            let words = shard.first_leaf() * 64..(shard.first_leaf() + shard.leaves()) * 64;
            let leaves = shard.first_leaf()..shard.first_leaf() + shard.leaves();
            twins.write_signed(shard.weights, &state.weights[shard.tensor][words.clone()]);
            twins.write_signed(shard.momenta, &state.momenta[shard.tensor][words]);
            twins.write_signed(shard.scales, &state.scales[shard.tensor][leaves]);
        }
        twins
    }

    fn write(&mut self, BufferId(id): BufferId, at: usize, words: &[u32]) {
        self.memory[id][at..at + words.len()].copy_from_slice(words);
    }

    fn write_signed(&mut self, id: BufferId, words: &[i32]) {
        self.write(id, 0, &words.iter().map(|&word| word as u32).collect::<Vec<_>>());
    }

    /// Runs step `t` in a slot and holds everything that it leaves behind to the protocol's step.
    fn step(&mut self, spec: &Spec, state: &mut State, batch: &Batch, t: u32, slot: usize) {
        let control = [spec.learning_rate(t), 77, t, state.started().into()];
        self.write(self.training.control, slot * CONTROL, &control);
        let features = self.training.pack_features(batch);
        self.write(self.training.features, slot * features.len(), &features);
        let labels: Vec<u32> = batch.labels.iter().map(|&label| label.into()).collect();
        self.write(self.training.labels, slot * labels.len(), &labels);
        run_twins(&mut self.memory, &self.training.step(slot));

        let expected = step::step(spec, state, batch, t, 77);
        let words = self.training.results_words();
        let results = &self.memory[self.training.results.0][slot * words..];
        let (loss, _, used, asked) = self.training.unpack_results(results);
        assert_eq!((loss, &used, &asked), (expected.loss, &expected.exponents_used, &expected.exponents_next));
        for shard in &self.training.shards {
            let words = shard.first_leaf() * 64..(shard.first_leaf() + shard.leaves()) * 64;
            let signed = |id: BufferId| -> Vec<i32> { self.memory[id.0].iter().map(|&word| word as i32).collect() };
            let l = shard.tensor;
            assert_eq!(signed(shard.weights)[..words.len()], state.weights[l][words.clone()], "weights {l}");
            assert_eq!(signed(shard.momenta)[..words.len()], state.momenta[l][words.clone()], "momenta {l}");
            let leaves = shard.first_leaf()..shard.first_leaf() + shard.leaves();
            assert_eq!(signed(shard.scales)[..leaves.len()], state.scales[l][leaves.clone()], "scales {l}");
            let codes = &self.memory[shard.codes.0][slot * leaves.len() * CODE_WORDS..][..leaves.len() * CODE_WORDS];
            assert_eq!(unpack_codes(codes).collect::<Vec<_>>(), expected.codes[l][words], "codes {l}");
        }
    }
}

fn check(spec: &Spec, binding_max: usize) {
    let mut state = State::initial(spec);
    let mut twins = Twins::new(spec, &state, binding_max);
    for t in 0..4 {
        let slot = t as usize % 2;
        twins.step(spec, &mut state, &batch(spec, t), t, slot);
    }
    let learns = spec.layers[spec.layers.len() - 1] > 1;
    assert_eq!(state.scales.iter().flatten().any(|&v| v != 0), learns, "a single class has no gradient, others have");
}

#[test]
fn twins_give_the_steps_of_the_protocol() {
    check(&spec(&[64, 64, 10], 64, 65_536), BINDING_MAX);
    check(&spec(&[70, 5, 3], 4, 4096), BINDING_MAX);
    check(&spec(&[1, 2], 1, 1), BINDING_MAX);
    check(&spec(&[100, 130, 70, 2], 128, (1 << 26) - 1), BINDING_MAX);
}

#[test]
fn shards_give_the_steps_of_the_protocol() {
    let spec = spec(&[100, 300, 200, 10], 64, 65_536);
    let mut buffers = Buffers::default();
    let training = Training::new(&mut buffers, &spec, 1, 128 << 10).unwrap();
    assert!(training.shards.len() > 4, "{} shards", training.shards.len());
    assert!(buffers.list().iter().all(|buffer| buffer.words * 4 <= 128 << 10));
    check(&spec, 128 << 10);
}

#[test]
fn a_tensor_that_fits_no_device_is_named_with_its_size() {
    let error = Training::new(&mut Buffers::default(), &spec(&[100, 300, 10], 64, 1), 1, 1 << 12).unwrap_err();
    assert!(matches!(&error, TooLarge { needed: 32768, most: 4096, .. }), "{error}");
    let expected = "weights of tensor 0, rows 0..64 needs a buffer of 32768 bytes, expected at most 4096";
    assert!(error.to_string().starts_with(expected), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn twins_give_the_steps_of_any_net(
        layers in prop::collection::vec(1u32..140, 2..5),
        batch_bits in 0u32..7,
        rate in prop_oneof![1u32..1 << 10, Just((1 << 26) - 1), 1u32..1 << 26],
    ) {
        check(&spec(&layers, 1 << batch_bits, rate), BINDING_MAX);
    }
}

#[test]
fn codes_survive_their_packing() {
    let codes: Vec<i8> = (0..64).map(|i| (i % 15) as i8 - CODE_MAX as i8).collect();
    let words: Vec<u32> = pogo_shaders::kernels::leaf::pack_codes(&codes).collect();
    assert_eq!(unpack_codes(&words).collect::<Vec<_>>(), codes);
}
