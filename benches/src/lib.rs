//! Measuring in CPU seconds: what a run costs does not depend on what else the machine does.

use cpu_time::ProcessTime;
use pogo_protocol::data::Batch;
use pogo_protocol::fixed::pcg;
use pogo_protocol::model::{Schedule, Spec, TraceMode};

/// A task of this model, 16 steps at a constant learning rate.
pub fn spec(layers: &[u32], batch: u32) -> Spec {
    Spec {
        name: "bench".into(),
        layers: layers.to_vec(),
        batch,
        steps: 16,
        checkpoint_every: 1,
        learning_rate: 3 << 12,
        schedule: Schedule::Constant,
        warmup: 0,
        seed: 1,
        trace: TraceMode::None,
        data_root: [0; 32],
    }
}

/// One batch of noise, so that nothing has to be loaded.
pub fn batch(spec: &Spec) -> Batch {
    let classes = spec.classes() as u32;
    Batch {
        features: (0..spec.batch as usize * spec.width()).map(|i| (pcg(i as u32) >> 25) as i8).collect(),
        labels: (0..spec.batch).map(|i| (pcg(i) % classes) as u16).collect(),
    }
}

/// CPU seconds of this process that one call takes: the least of `runs`.
pub fn cpu_seconds<T>(runs: usize, mut call: impl FnMut() -> T) -> f64 {
    let once = |_| {
        let start = ProcessTime::now();
        std::hint::black_box(call());
        start.elapsed().as_secs_f64()
    };
    (0..runs).map(once).fold(f64::INFINITY, f64::min)
}

/// Largest resident memory of this process so far in MB, where `/proc` tells.
pub fn peak_megabytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kilobytes| kilobytes / 1000)
}

/// Prints one line of a table.
pub fn row(what: &str, value: f64, unit: &str) {
    println!("| {what} | {value:.4} | {unit} |");
}

/// Prints the head of a table.
pub fn head(verb: &str) {
    println!("\n### {verb}\n| what | value | unit |\n|---|---|---|");
}
