//! Every device gives the bits of the plain reference step, at every number of threads and however
//! the batch is split.

use std::ops::Range;

use pogo_protocol::data::{Batch, Order, Round};
use pogo_protocol::model::{Schedule, Spec, State, TraceMode};
use pogo_protocol::step::{self, ExponentsDiffer, Gradients, StepResult, byte_weights};
use pogo_prover::data::digits;
use pogo_prover::device::cpu;
use proptest::prelude::*;

const THREADS: [usize; 4] = [1, 2, 3, 7];

fn spec(layers: Vec<u32>, batch: u32, learning_rate: u32, seed: u64) -> Spec {
    Spec {
        name: "random".to_owned(),
        layers,
        batch,
        steps: 4,
        checkpoint_every: 1,
        learning_rate,
        schedule: Schedule::Linear,
        warmup: 1,
        seed,
        trace: TraceMode::None,
        data_root: [0; 32],
    }
}

/// A batch of bytes from a small generator, the whole range of features included.
fn batch(spec: &Spec, rows: usize, seed: u64) -> Batch {
    let mut x = seed | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x
    };
    Batch {
        features: (0..rows * spec.width()).map(|_| next() as i8).collect(),
        labels: (0..rows).map(|_| (next() % spec.classes() as u64) as u16).collect(),
    }
}

/// Some rows of a batch.
fn part(spec: &Spec, batch: &Batch, rows: Range<usize>) -> Batch {
    let features = batch.features[rows.start * spec.width()..rows.end * spec.width()].to_vec();
    Batch { features, labels: batch.labels[rows].to_vec() }
}

/// Gradients of the parts into which `cuts` divide a batch, added up in the order of `keys`.
fn added(
    gradients: impl Fn(Range<usize>) -> Gradients,
    cuts: &[usize],
    keys: &[u32],
) -> Result<Gradients, ExponentsDiffer> {
    let mut parts: Vec<(u32, Range<usize>)> = keys.iter().copied().zip(cuts.windows(2).map(|c| c[0]..c[1])).collect();
    parts.sort_by_key(|part| part.0);
    let mut parts = parts.into_iter().map(|(_, rows)| gradients(rows));
    let mut sum = parts.next().unwrap();
    parts.try_for_each(|part| sum.add(&part))?;
    Ok(sum)
}

fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

fn assert_equals_reference(spec: &Spec, seed: u64) {
    let mut expected = State::initial(spec);
    let mut states = vec![expected.clone(); THREADS.len()];
    for t in 0..spec.steps {
        let batch = batch(spec, spec.batch as usize, seed + u64::from(t));
        let result = step::step(spec, &mut expected, &batch, t, seed as u32);
        for (state, threads) in states.iter_mut().zip(THREADS) {
            let got = with_threads(threads, || cpu::step(spec, state, &batch, t, seed as u32));
            assert_eq!(got, result, "step {t}, {threads} threads");
            assert_eq!(state, &expected, "state after step {t}, {threads} threads");
        }
    }
}

type Apply = fn(&Spec, &mut State, Gradients, u32) -> StepResult;

/// Every step on a batch that `cuts` divide, against the reference on the whole one. A step without
/// fixed exponents must be refused or give the same.
fn assert_parts_add_up(spec: &Spec, cuts: &[usize], keys: &[u32], seed: u32) {
    let mut expected = State::initial(spec);
    for t in 0..spec.steps {
        let (batch, before) = (batch(spec, spec.batch as usize, u64::from(seed) + u64::from(t)), expected.clone());
        let result = step::step(spec, &mut expected, &batch, t, seed);
        let check = |device: &str, sum: Result<Gradients, ExponentsDiffer>, apply: Apply| match sum {
            Ok(sum) => {
                let mut state = before.clone();
                assert_eq!(apply(spec, &mut state, sum, t), result, "step {t}, {device}");
                assert_eq!(state, expected, "state after step {t}, {device}");
            }
            Err(ExponentsDiffer) => assert_eq!(before.exponents, None, "step {t}, {device}"),
        };
        let plain =
            |rows: Range<usize>| step::gradients(spec, &before, &part(spec, &batch, rows.clone()), rows.start, t, seed);
        check("reference", added(plain, cuts, keys), step::apply);
        for threads in THREADS {
            let fast = |rows: Range<usize>| {
                cpu::gradients(spec, &before, &part(spec, &batch, rows.clone()), rows.start, t, seed)
            };
            with_threads(threads, || check(&format!("{threads} threads"), added(fast, cuts, keys), cpu::apply));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn cpu_step_equals_the_reference_at_every_number_of_threads(
        layers in prop::collection::vec(1u32..150, 2..5),
        log_batch in 0u32..6,
        learning_rate in prop_oneof![1u32..1 << 18, Just((1 << 26) - 1)],
        seed in any::<u32>(),
    ) {
        assert_equals_reference(&spec(layers, 1 << log_batch, learning_rate, 3), seed.into());
    }

    #[test]
    fn parts_of_a_batch_added_in_any_order_equal_the_whole_batch(
        layers in prop::collection::vec(1u32..150, 2..5),
        log_batch in 0u32..6,
        cuts in prop::collection::vec(0usize..33, 0..6),
        keys in prop::collection::vec(any::<u32>(), 33),
        seed in any::<u32>(),
    ) {
        let spec = spec(layers, 1 << log_batch, 1 << 14, 3);
        let rows = spec.batch as usize;
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(rows)).chain([0, rows]).collect();
        cuts.sort();
        assert_parts_add_up(&spec, &cuts, &keys, seed);
        let single_rows: Vec<usize> = (0..=rows).collect();
        assert_parts_add_up(&spec, &single_rows, &keys, seed);
    }

    #[test]
    fn cpu_evaluation_equals_the_reference_however_the_records_are_split(
        layers in prop::collection::vec(1u32..100, 2..5),
        rows in 1usize..40,
        at in 0usize..40,
        seed in any::<u32>(),
    ) {
        let spec = spec(layers, 4, 1 << 14, 5);
        let mut state = State::initial(&spec);
        step::step(&spec, &mut state, &batch(&spec, 4, 9), 0, 1);
        let activations = state.exponents.clone().unwrap().activations;
        let rows = batch(&spec, rows, seed.into());
        for model in [byte_weights(&state), state.quantize().expand()] {
            let expected = step::evaluate(&spec, &model, &activations, &rows);
            prop_assert_eq!(cpu::evaluate(&spec, &model, &activations, &rows), expected);
            let at = at.min(rows.rows());
            let part = |range| step::evaluate(&spec, &model, &activations, &part(&spec, &rows, range));
            let (a, b) = (part(0..at), part(at..rows.rows()));
            prop_assert_eq!(a.loss + b.loss, expected.loss);
            prop_assert_eq!(a.correct + b.correct, expected.correct);
        }
    }
}

#[test]
fn parts_that_chose_different_exponents_are_refused() {
    let spec = spec(vec![20, 8, 3], 2, 1 << 14, 3);
    let state = State::initial(&spec);
    let gradients = |features, first_row| {
        let row = Batch { features: vec![features; 20], labels: vec![0] };
        step::gradients(&spec, &state, &row, first_row, 0, 1)
    };
    let (mut dark, bright) = (gradients(1, 0), gradients(127, 1));
    let before = dark.clone();
    assert_eq!(dark.add(&bright), Err(ExponentsDiffer));
    assert_eq!(dark, before);
}

#[test]
fn rows_longer_than_a_chunk_equal_the_reference() {
    let wide = spec(vec![2500, 33, 1100, 5], 32, 1 << 12, 1);
    assert_equals_reference(&wide, 77);
}

#[test]
fn batch_longer_than_a_chunk_equals_the_reference() {
    let long = spec(vec![20, 40, 3], 2048, 1 << 12, 1);
    assert_equals_reference(&long, 78);
}

/// A whole round against an implementation that shares nothing with this one:
/// `python3 book/measurements/integer_sgd.py digits 64,64,10 64 300 65536 20 linear 1`.
#[test]
fn round_on_digits_gives_the_numbers_of_the_numpy_twin() {
    let mut spec = spec(vec![64, 64, 10], 64, 65_536, 1);
    spec.name = "accuracy".to_owned();
    (spec.steps, spec.warmup) = (300, 20);
    let round = Round { task: spec.hash(), round: 0, parent_root: [0; 32], miner: [0; 20] };
    let split = digits();
    let order = Order::new(round, split.train.len() as u32, spec.batch).unwrap();
    let mut state = State::initial(&spec);
    let losses: Vec<u64> = (0..spec.steps)
        .map(|t| {
            let batch = split.train.batch(&order.batch_indices(t));
            cpu::step(&spec, &mut state, &batch, t, round.dither_seed()).loss
        })
        .collect();
    assert_eq!(losses[..3], [11_346_060, 11_937_268, 11_569_342]);
    assert_eq!(losses[299], 20_810);
    let activations = state.exponents.clone().unwrap().activations;
    let test = split.test.all();
    let measured = |model: &[_]| {
        let evaluation = cpu::evaluate(&spec, model, &activations, &test);
        (evaluation.loss, evaluation.correct)
    };
    assert_eq!(measured(&byte_weights(&state)), (1_838_069, 354));
    assert_eq!(measured(&state.quantize().expand()), (2_103_762, 352));
}
