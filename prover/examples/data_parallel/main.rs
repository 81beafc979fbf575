//! Trains the digits over several processes, and holds each of them to the root of a single one.
//!
//! ```text
//! cargo run --release -p pogo-prover --example data_parallel -- [--workers W] [--steps N] [--store URL]
//! ```
//! The store is a new folder by default; a URL names an empty place in one, `file://` here. The
//! program starts itself again for every worker, with `--worker I --of W`.

mod workers;

use std::error::Error;
use std::process::Command;

use pogo_prover::error::hex;
use url::Url;
use workers::{Worker, train_split, train_whole};

const OPTIONS: [&str; 5] = ["--workers", "--steps", "--store", "--worker", "--of"];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut pairs = arguments.chunks(2);
    if let Some(pair) = pairs.find(|pair| pair.len() < 2 || !OPTIONS.contains(&pair[0].as_str())) {
        return Err(format!("expected one of {OPTIONS:?} and its value, got {pair:?}").into());
    }
    let value = |name: &str| arguments.chunks(2).find(|pair| pair[0] == name).map(|pair| pair[1].clone());
    let number = |name: &str, default: u32| value(name).map_or(Ok(default), |text| text.parse());
    let steps = number("--steps", 300)?;
    if let (Some(index), Some(of), Some(store)) = (value("--worker"), value("--of"), value("--store")) {
        return Worker { index: index.parse()?, of: of.parse()?, steps, store }.run();
    }
    let folder = std::env::temp_dir().join(format!("pogo-data-parallel-{}", std::process::id()));
    let fresh = Url::from_directory_path(&folder).map_err(|()| "the temporary folder has no absolute path")?;
    let store = value("--store").unwrap_or(fresh.into());
    compare(number("--workers", 2)?, steps, &store)?;
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(())
}

fn compare(workers: u32, steps: u32, store: &str) -> Result<(), Box<dyn Error>> {
    let whole = train_whole(steps)?;
    println!("one process  {}", hex(&whole.root));
    let program = std::env::current_exe()?;
    let launch = |worker: &Worker| {
        let mut command = Command::new(&program);
        command.args(["--worker", &worker.index.to_string(), "--of", &worker.of.to_string()]);
        command.args(["--steps", &worker.steps.to_string(), "--store", &worker.store]);
        command
    };
    let reports = train_split(workers as usize, steps, store, launch)?;
    for (index, report) in reports.iter().enumerate() {
        let bytes = report.bytes / u64::from(steps.max(2) - 1);
        println!("worker {index}     {}  {bytes} bytes put a step", hex(&report.root));
    }
    match reports.iter().position(|report| report.root != whole.root) {
        None => Ok(()),
        Some(index) => Err(format!("worker {index} ended in another state than one process").into()),
    }
}
