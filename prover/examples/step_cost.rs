//! CPU seconds of a training step, and the operations of its matrix products in one of them.
//!
//! ```text
//! cargo run --release -p pogo-prover --example step_cost -- LAYERS BATCH STEPS
//! RAYON_NUM_THREADS=1 cargo run --release -p pogo-prover --example step_cost -- 784,256,128,10 64 1000
//! ```
//! A multiplication and addition are two operations; a tensor has three products, the first two.
//! CPU time is read from `/proc/self/stat` (Linux), in ticks of 10 ms: let it run for seconds.

use pogo_protocol::data::Batch;
use pogo_protocol::model::{Schedule, Spec, State, TraceMode};
use pogo_prover::device::cpu;

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
        trace: TraceMode::None,
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
    let start = cpu_seconds();
    for t in 0..spec.steps {
        cpu::step(&spec, &mut state, &batch, t, 1);
    }
    let seconds = (cpu_seconds() - start) / f64::from(spec.steps);
    let tensors = spec.tensors();
    let products = tensors.iter().enumerate().map(|(l, tensor)| {
        let once = (2 * rows * tensor.rows * tensor.cols) as f64;
        if l == 0 { 2.0 * once } else { 3.0 * once }
    });
    let operations: f64 = products.sum();
    println!(
        "{:.6} CPU s a step, {:.1} G operations a CPU second, {} threads",
        seconds,
        operations / seconds / 1e9,
        rayon::current_num_threads()
    );
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks.map(|field| field.parse::<f64>().expect("a number")).sum::<f64>() / 100.0
}
