//! Measuring in CPU seconds: what a run costs does not depend on what else the machine does.

use cpu_time::ProcessTime;

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
