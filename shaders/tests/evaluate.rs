//! The 4-bit model by the plain twins is the protocol's.

use pogo_protocol::data::Batch;
use pogo_protocol::fixed::{block_exponent, pcg};
use pogo_protocol::model::{Schedule, Spec, State, TraceMode};
use pogo_protocol::step::{calibrate, evaluate};
use pogo_shaders::constants;
use pogo_shaders::evaluate::{Evaluating, ROWS};
use pogo_shaders::kernels::leaf::unpack_codes;
use pogo_shaders::plan::{Buffers, run_twins};
use pogo_shaders::step::Training;

#[test]
fn twins_give_the_4_bit_model_and_its_loss() {
    let spec = Spec {
        name: "test".into(),
        layers: vec![70, 300, 33, 5],
        batch: 8,
        steps: 1,
        checkpoint_every: 1,
        learning_rate: 1,
        schedule: Schedule::Constant,
        warmup: 0,
        seed: 5,
        trace: TraceMode::None,
        data_root: [0; 32],
    };
    let mut buffers = Buffers::default();
    let training = Training::new(&mut buffers, &spec, 1, 5 << 14).unwrap();
    let evaluating = Evaluating::new(&mut buffers, &spec, &training, 1 << 20).unwrap();
    assert!(training.shards.len() > 4);
    let mut memory: Vec<Vec<u32>> = buffers.list().iter().map(|buffer| vec![0; buffer.words]).collect();

    let state = State::initial(&spec);
    for shard in &training.shards {
        let first = shard.first_leaf() * 64;
        let weights = &state.weights[shard.tensor][first..first + shard.leaves() * 64];
        memory[shard.weights.0].iter_mut().zip(weights).for_each(|(word, &w)| *word = w as u32);
    }
    memory[training.tables.0].copy_from_slice(&constants::tables());
    run_twins(&mut memory, &evaluating.quantize(&training));

    let quantized = state.quantize();
    let exponents: Vec<u32> = memory[evaluating.maxima.0][..3].iter().map(|&max| block_exponent(max)).collect();
    assert_eq!(exponents, quantized.exponents);
    for (shard, ids) in training.shards.iter().zip(&evaluating.shards) {
        let (first, leaves) = (shard.first_leaf(), shard.leaves());
        let codes: Vec<i8> = unpack_codes(&memory[ids.codes.0][..leaves * 8]).collect();
        assert_eq!(codes, quantized.codes[shard.tensor][first * 64..(first + leaves) * 64]);
        let scales: Vec<u8> = memory[ids.scales.0][..leaves].iter().flat_map(|&w| [w as u8, (w >> 8) as u8]).collect();
        assert_eq!(scales, quantized.scales[shard.tensor][first * 2..(first + leaves) * 2]);
    }

    let rows = ROWS - 3;
    let batch = Batch {
        features: (0..rows * 70).map(|i| (pcg(i as u32) >> 25) as i8).collect(),
        labels: (0..rows).map(|i| (pcg(i as u32) % 5) as u16).collect(),
    };
    let model = quantized.expand();
    let activations = calibrate(&spec, &model, &batch);
    let words = evaluating.pack_exponents(&memory[evaluating.maxima.0], &activations);
    memory[evaluating.exponents.0].copy_from_slice(&words);
    memory[evaluating.features.0].copy_from_slice(&evaluating.pack_features(&batch));
    batch.labels.iter().enumerate().for_each(|(i, &label)| memory[evaluating.labels.0][i] = label.into());
    run_twins(&mut memory, &evaluating.evaluate(&training, rows));
    let expected = evaluate(&spec, &model, &activations, &batch);
    let tally = &memory[evaluating.tally.0];
    let got = (u64::from(tally[1]) << 32 | u64::from(tally[0]), u64::from(tally[2]));
    assert_eq!(got, (expected.loss, expected.correct));
    assert!(expected.correct > 0 && expected.loss > 0);
}
