//! Step: the CPU device against the plain reference, and the exact matmul against its own limit.
//! `cargo bench -p pogo-benches --bench step`

use pogo_benches::{cpu_seconds, head, row};
use pogo_protocol::data::{Batch, DataSet};
use pogo_protocol::model::{Schedule, Spec, State, TraceMode};
use pogo_protocol::step;
use pogo_prover::device::cpu;

fn spec(layers: Vec<u32>, batch: u32) -> Spec {
    Spec {
        name: "bench".into(),
        layers,
        batch,
        steps: 100,
        checkpoint_every: 1,
        learning_rate: 3 << 12,
        schedule: Schedule::Constant,
        warmup: 0,
        seed: 1,
        trace: TraceMode::Challenged,
        data_root: [0; 32],
    }
}

/// Features and labels from a counter, so that nothing has to be loaded.
fn batch(spec: &Spec) -> Batch {
    let (width, rows) = (spec.width(), spec.batch as usize);
    let noise = |i: usize| (i as u32).wrapping_mul(0x9E37_79B9) >> 25;
    let set = DataSet {
        width,
        classes: spec.classes(),
        features: (0..width * rows).map(|i| noise(i) as i8).collect(),
        labels: (0..rows).map(|i| (noise(i * 7) as usize % spec.classes()) as u16).collect(),
    };
    set.all()
}

fn main() {
    head("step");
    for (name, layers, size) in [
        ("64-64-10, batch 64", vec![64, 64, 10], 64),
        ("784-256-128-10, batch 64", vec![784, 256, 128, 10], 64),
        ("1024-1024-1024-10, batch 1024", vec![1024, 1024, 1024, 10], 1024),
    ] {
        let spec = spec(layers, size);
        let batch = batch(&spec);
        let products: f64 = spec.tensors().iter().map(|t| (t.rows * t.cols) as f64 * f64::from(size)).sum();
        let mut state = State::initial(&spec);
        let fast = cpu_seconds(5, || cpu::step(&spec, &mut state, &batch, 0, 1));
        row(&format!("CPU device, {name}"), fast * 1e3, "CPU ms a step");
        // Forward, errors back (all but the first tensor) and gradient: about three products each.
        row(&format!("CPU device, {name}"), 6.0 * products / fast / 1e9, "GOP a CPU second");
        if products < 1e8 {
            let mut state = State::initial(&spec);
            let plain = cpu_seconds(3, || step::step(&spec, &mut state, &batch, 0, 1));
            row(&format!("plain reference, {name}"), plain / fast, "times the device");
        }
    }
}
