//! Devices: a training step and its commitment on the CPU device and on every adapter.
//! `cargo bench -p pogo-benches --bench device`
//!
//! The CPU device and software adapters are measured in CPU seconds, hardware in seconds by the clock.

use std::time::Instant;

use pogo_benches::{batch, cpu_seconds, head, row, spec};
use pogo_circuits::round::Shape;
use pogo_protocol::model::Spec;
use pogo_protocol::statement::Context;
use pogo_prover::device::gpu::{self, Gpu};
use pogo_prover::device::{Device, Step, Trainer};
use pogo_prover::round::Round;

/// Permutations a leaf of a state costs with its share of the tree, and a leaf of codes.
const STATE: f64 = 11.0;
const CODES: f64 = 2.0;
/// Share of a step's time that commitments may take.
const SHARE: f64 = 0.05;

fn round(layers: &[u32], batch: u32) -> Round {
    let context = Context { chain_id: 0, contract: [0; 20], task: [0; 32], round: 0, miner: [0; 20] };
    Round::new(spec(layers, batch), context, Shape::MINIMAL).expect("the model fits")
}

/// Seconds of one step, the least of a few runs of `count` steps together.
fn seconds(trainer: &mut dyn Trainer, spec: &Spec, hash: bool, hardware: bool) -> f64 {
    let count = trainer.group().min(2) as u32;
    let steps: Vec<Step> = (0..count).map(|t| Step { t, batch: batch(spec) }).collect();
    let mut run = || drop(trainer.run(&steps, hash).expect("the device trains"));
    let clock = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    };
    run();
    let best =
        if hardware { (0..5).map(|_| clock(&mut run)).fold(f64::INFINITY, f64::min) } else { cpu_seconds(3, run) };
    best / f64::from(count)
}

/// Step and commitment of one net; returns both.
fn measure(device: &Device, layers: &[u32], size: u32, hardware: bool) -> (f64, f64) {
    let round = round(layers, size);
    let mut trainer = device.trainer(&round, 1).expect("the model fits");
    let plain = seconds(&mut *trainer, &round.spec, false, hardware);
    let hashed = seconds(&mut *trainer, &round.spec, true, hardware);
    (plain, (hashed - plain).max(0.0))
}

fn main() {
    let mut devices = vec![(Device::Cpu, false)];
    devices.extend(gpu::adapters().into_iter().filter_map(|adapter| {
        let gpu = Gpu::open(adapter.index).ok()?;
        Some((Device::Gpu(gpu), adapter.is_hardware()))
    }));
    let nets: [(&[u32], u32); 3] = [(&[64, 64, 10], 64), (&[784, 256, 128, 10], 64), (&[1024, 1024, 1024, 10], 1024)];
    for (layers, size) in nets {
        head(&format!("{layers:?}, batch {size}"));
        let weights: f64 = layers.windows(2).map(|w| f64::from(w[0]) * f64::from(w[1])).sum();
        let mut cpu = None;
        for (device, hardware) in &devices {
            let name = device.describe();
            let (step, commit) = measure(device, layers, size, *hardware);
            let (base_step, base_commit) = *cpu.get_or_insert((step, commit));
            row(&format!("{name}: step"), step * 1e3, "ms");
            row(&format!("{name}: step"), 6.0 * weights * f64::from(size) / step / 1e9, "GOP/s");
            row(&format!("{name}: step, CPU device over it"), base_step / step, "times");
            row(&format!("{name}: commitment"), commit * 1e3, "ms");
            row(&format!("{name}: commitment"), 4.0 * weights / commit / 1e6, "MB/s of weights");
            row(&format!("{name}: commitment, CPU device over it"), base_commit / commit, "times");
            row(&format!("{name}: commitments' share"), 100.0 * commit / (commit + step), "%");
            let per_record = step / f64::from(size);
            for every in [1.0, 16.0, 256.0] {
                let cost = commit * (STATE / every + CODES) / (STATE + CODES);
                let records = cost * (1.0 / SHARE - 1.0) / per_record;
                row(&format!("{name}: below 5 % from, checkpoint_every = {every}"), records, "records a step");
            }
        }
    }
}
