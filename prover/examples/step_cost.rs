//! CPU seconds of a training step, and of its matrix products alone.
//!
//! ```text
//! cargo run --release -p pogo-prover --example step_cost -- LAYERS BATCH STEPS
//! RAYON_NUM_THREADS=1 cargo run --release -p pogo-prover --example step_cost -- 784,256,128,10 64 100
//! ```
//! Prints seconds a step and operations a second (two for a multiplication and addition; three
//! products a tensor, two for the first). Run on one thread, so that seconds are CPU seconds.

use std::time::Instant;

use pogo_prover::device::cpu;
use pogo_protocol::data::Batch;
use pogo_protocol::model::{Schedule, Spec, State};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [layers, batch, steps] = &arguments[..] else { panic!("expected LAYERS BATCH STEPS") };
    let number = |text: &str| text.parse::<u32>().expect("a number");
    let spec = Spec {
        name: "cost".to_owned(),
        layers: layers.split(',').map(number).collect(),
        batch: number(batch),
        steps: number(steps),
        checkpoint_every: 1,
        learning_rate: 4096,
        schedule: Schedule::Constant,
        warmup: 0,
        seed: 1,
        data_root: [0; 32],
    };
    spec.validate().expect("the spec is valid");
    let rows = spec.batch as usize;
    let batch = Batch {
        features: (0..rows * spec.width()).map(|i| (i * 7919 % 128) as i8).collect(),
        labels: (0..rows).map(|i| (i % spec.classes()) as u16).collect(),
    };
    let mut state = State::initial(&spec);
    cpu::step(&spec, &mut state, &batch, 0, 1);
    let start = Instant::now();
    for t in 0..spec.steps {
        cpu::step(&spec, &mut state, &batch, t, 1);
    }
    let seconds = start.elapsed().as_secs_f64() / f64::from(spec.steps);
    let tensors = spec.tensors();
    let products = tensors.iter().enumerate().map(|(l, tensor)| {
        let once = (2 * rows * tensor.rows * tensor.cols) as f64;
        if l == 0 { 2.0 * once } else { 3.0 * once }
    });
    let operations: f64 = products.sum();
    println!(
        "{:.6} s a step, {:.1} G operations a second, {} threads",
        seconds,
        operations / seconds / 1e9,
        rayon::current_num_threads()
    );
}
