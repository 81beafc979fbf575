//! Step: the CPU device against the plain reference, and the exact matmul against its own limit.
//! `cargo bench -p pogo-benches --bench step`

use pogo_benches::{batch, cpu_seconds, head, row, spec};
use pogo_protocol::model::State;
use pogo_protocol::step;
use pogo_prover::device::cpu;

fn main() {
    head("step");
    for (name, layers, size) in [
        ("64-64-10, batch 64", vec![64, 64, 10], 64),
        ("784-256-128-10, batch 64", vec![784, 256, 128, 10], 64),
        ("1024-1024-1024-10, batch 1024", vec![1024, 1024, 1024, 10], 1024),
    ] {
        let spec = spec(&layers, size);
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
