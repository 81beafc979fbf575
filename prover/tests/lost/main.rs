//! A device that its driver takes away in the middle of a round: training goes on to the same roots.
//!
//! `driver.c` stands between Vulkan and a software driver and loses a device at a chosen wait. It is
//! compiled here and used in a process of its own. Without `cc`, or a Vulkan driver to hand on to, each
//! test says that it was skipped, unless `POGO_REQUIRE_GPU` is set.

use std::path::{Path, PathBuf};
use std::process::Command;

use pogo_circuits::round::Shape;
use pogo_protocol::codec::scalar_bytes;
use pogo_protocol::model::{Schedule, Spec, TraceMode};
use pogo_protocol::statement::Context;
use pogo_prover::device::Device;
use pogo_prover::device::gpu::{Gpu, GpuError};
use pogo_prover::round::Round;
use pogo_prover::store::Store;
use pogo_prover::train::{Job, Progress, Trace, train};
use pogo_prover::{commit, data};
use serde_json::{Value, json};

/// The wait that finds the device lost: after the checkpoint of step 64, before that of step 128.
const LOST_AT: &str = "30";

/// A folder that is gone in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pogo-lost-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs `test` again in a process of its own over the driver that loses devices, where it returns true;
/// here it returns false once that process has passed.
fn over_losing_driver(test: &str, more: &[(&str, &str)]) -> bool {
    if std::env::var_os("POGO_LOST_AT").is_some() {
        return true;
    }
    let folder = Folder::new(test);
    let Some((manifest, real)) = build(&folder.0) else {
        assert!(std::env::var_os("POGO_REQUIRE_GPU").is_none(), "{test}: cc and a Vulkan driver are required here");
        eprintln!("skipped: {test}: this machine has no cc or no Vulkan driver");
        return false;
    };
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([test, "--exact", "--nocapture"]).envs(more.iter().copied());
    child.env("VK_DRIVER_FILES", manifest).env("WGPU_BACKEND", "vulkan").env("NODEVICE_SELECT", "1");
    let output = child.env("POGO_DRIVER", real).env("POGO_LOST_AT", LOST_AT).output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert!(!text.contains("panicked"), "a panic that is no news is printed: {text}");
    false
}

/// The manifest of the losing driver, and the library that it hands on to.
fn build(folder: &Path) -> Option<(PathBuf, PathBuf)> {
    let real = driver()?;
    let (source, library) =
        (Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lost/driver.c"), folder.join("liblost.so"));
    let mut cc = Command::new("cc");
    let built = cc.args(["-shared", "-fPIC", "-o"]).args([&library, &source]).arg("-ldl").status();
    if !built.ok()?.success() {
        return None;
    }
    let manifest = folder.join("lost.json");
    let icd = json!({ "library_path": library, "api_version": "1.1.0" });
    std::fs::write(&manifest, json!({ "file_format_version": "1.0.0", "ICD": icd }).to_string()).unwrap();
    Some((manifest, real))
}

/// The library of the Vulkan driver that is asked for, else of lavapipe.
fn driver() -> Option<PathBuf> {
    let asked = std::env::var_os("VK_DRIVER_FILES").map(PathBuf::from);
    let manifest = asked.or_else(|| {
        let found = std::fs::read_dir("/usr/share/vulkan/icd.d").ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        found
            .into_iter()
            .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("lvp_icd")))
    })?;
    let value: Value = serde_json::from_slice(&std::fs::read(&manifest).ok()?).ok()?;
    let library = Path::new(value["ICD"]["library_path"].as_str()?).to_owned();
    // A name alone is looked for by the linker, a path is seen from the manifest.
    let named = library.components().count() == 1;
    Some(if named { library } else { manifest.parent()?.join(library) })
}

/// Trains a round of 150 steps on `device`, telling of every loss where training goes on.
fn round_on(device: &Device, folder: &Folder, losses: &mut Vec<String>) -> Trace {
    let data = data::digits().train;
    let root = commit::data_root(&data);
    let spec = Spec {
        name: "lost".into(),
        layers: vec![64, 10],
        batch: 64,
        steps: 150,
        checkpoint_every: 1,
        learning_rate: 65_536,
        schedule: Schedule::Constant,
        warmup: 0,
        seed: 3,
        trace: TraceMode::None,
        data_root: scalar_bytes(&root),
    };
    let context = Context { chain_id: 31_337, contract: [9; 20], task: [8; 32], round: 0, miner: [7; 20] };
    let round = Round::new(spec, context, Shape::MINIMAL).unwrap();
    let progress = |progress| {
        if let Progress::Lost { next, .. } = progress {
            losses.push(next);
        }
    };
    train(&Store::open(&folder.0).unwrap(), &Job { round: &round, data: &data, device }, progress).unwrap()
}

/// The first adapter to its loss and on: where training went on, each time.
fn lose() -> Vec<String> {
    let (mut losses, gpu) = (Vec::new(), Gpu::open(0).unwrap());
    let expected = round_on(&Device::Cpu, &Folder::new("cpu"), &mut losses);
    let got = round_on(&Device::Gpu(gpu), &Folder::new("gpu"), &mut losses);
    assert_eq!(got.records, expected.records);
    assert!(got.state == expected.state);
    losses
}

#[test]
fn a_device_that_comes_back_without_memory_is_replaced_by_the_cpu() {
    let test = "a_device_that_comes_back_without_memory_is_replaced_by_the_cpu";
    if over_losing_driver(test, &[("POGO_FULL_AFTER", "model")]) {
        assert_eq!(lose(), [Gpu::open(0).unwrap().describe(), &Device::Cpu.describe()]);
    }
}

#[test]
fn a_device_that_does_not_come_back_is_replaced_by_the_cpu() {
    if over_losing_driver("a_device_that_does_not_come_back_is_replaced_by_the_cpu", &[("POGO_FULL_AFTER", "open")]) {
        assert_eq!(lose(), [Device::Cpu.describe()]);
        let error = Gpu::open(0).unwrap_err();
        assert!(matches!(error, GpuError::Refused { .. }), "{error}");
    }
}

#[test]
fn a_device_that_its_driver_takes_is_opened_again() {
    if over_losing_driver("a_device_that_its_driver_takes_is_opened_again", &[]) {
        assert_eq!(lose(), [Gpu::open(0).unwrap().describe()]);
    }
}
