//! Audit: a step checked by Freivalds' check against the same step recomputed, and the hashing that
//! both need besides. One thread.
//! `cargo bench -p pogo-benches --bench audit`

use pogo_benches::{batch, cpu_seconds, head, row, spec};
use pogo_protocol::merkle::Layout;
use pogo_protocol::model::State;
use pogo_protocol::trace::Trace;
use pogo_prover::audit::{Traced, check_products};
use pogo_prover::commit::step_roots;
use pogo_prover::device::cpu;

fn main() {
    head("audit");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread");
    pool.install(|| {
        for width in [64, 256, 512, 1024, 2048] {
            let name = format!("{width}-{width}-10, batch {width}");
            let spec = spec(&[width, width, 10], width);
            let state = State::initial(&spec);
            let batch = batch(&spec);
            let trace = Trace::new(&spec, &state, &batch, 0, 1);
            let traced = Traced::new(0, state.clone(), &trace);
            drop(trace);
            let audit = cpu_seconds(3, || {
                let (.., findings) = check_products(&spec, &batch, &traced, 1, [1; 32]);
                assert_eq!(findings, []);
            });
            let step = cpu_seconds(3, || cpu::step(&spec, &mut state.clone(), &batch, 0, 1));
            let layout =
                Layout::new(24, spec.tensors().iter().map(|tensor| (tensor.rows, tensor.cols))).expect("it fits");
            let codes: Vec<Vec<i8>> = spec.tensors().iter().map(|tensor| vec![1; tensor.padded_len()]).collect();
            let hash = cpu_seconds(1, || step_roots(&layout, &state, &codes));
            row(&format!("recomputed step, {name}"), step * 1e3, "CPU ms");
            row(&format!("audited step, {name}"), audit * 1e3, "CPU ms");
            row(&format!("recomputed / audited, {name}"), step / audit, "");
            row(&format!("hashing state and codes, {name}"), hash * 1e3, "CPU ms");
        }
    });
}
