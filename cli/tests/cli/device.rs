//! Devices: a round on a GPU has the roots of the same round on the CPU.
//!
//! Without a GPU adapter these tests say that they were skipped, unless `POGO_REQUIRE_GPU` is set.

use super::*;

/// Whether this machine has an adapter; says so when it has none.
fn has_gpu(test: &str) -> bool {
    let devices = run(["devices", "--json"]);
    assert_eq!(devices.code, 0, "{}", devices.stderr);
    let devices = devices.json();
    assert!(devices["cpu"]["speed"]["step_operations"].as_f64() > Some(0.0), "{devices}");
    let found = devices["gpu:0"]["speed"]["hashed_bytes"].as_f64() > Some(0.0);
    if !found {
        assert!(std::env::var_os("POGO_REQUIRE_GPU").is_none(), "{test}: a GPU adapter is required here: {devices}");
        eprintln!("skipped: {test}: this machine has no GPU adapter");
    }
    found
}

/// Roots of the round of `spec` on a device, by `verb`.
fn roots(dir: &Path, spec: &str, verb: &str, device: &str) -> Vec<Value> {
    let work = text(&dir.join(device));
    let done = run([verb, spec, "--work", &work, "--device", device]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let commitment = run(["commit", "--work", &work, "--json"]).json();
    let roots = ["commitment", "parent_root", "steps_root", "state_root", "quantized_root"];
    roots.map(|root| commitment[root].clone()).to_vec()
}

#[test]
fn a_round_on_the_gpu_has_the_roots_of_the_cpu() {
    if !has_gpu("a_round_on_the_gpu_has_the_roots_of_the_cpu") {
        return;
    }
    let dir = folder();
    let spec = write(&dir, "spec.toml", TINY);
    let expected = roots(&dir, &spec, "train", "cpu");
    assert_eq!(roots(&dir, &spec, "run", "gpu"), expected);
    let replayed = run(["replay", "--work", &text(&dir.join("gpu")), "--device", "gpu"]);
    assert_eq!(replayed.code, 0, "{}", replayed.stderr);
}

#[test]
fn a_net_of_the_size_of_mnist_on_the_gpu_has_the_roots_of_the_cpu() {
    if !has_gpu("a_net_of_the_size_of_mnist_on_the_gpu_has_the_roots_of_the_cpu") {
        return;
    }
    let dir = folder();
    let pixel = |record: u32, i: u32| (record * 31 + i * i * 7 + record * i) % 128;
    let record = |record: u32| {
        let pixels: Vec<String> = (0..784).map(|i| pixel(record, i).to_string()).collect();
        format!("{},{}\n", pixels.join(","), record % 10)
    };
    write(&dir, "data.csv", &(0..150).map(record).collect::<String>());
    let spec = TINY.replace("\"digits\"", "{ csv = \"data.csv\", label = \"last\", classes = 10, test = 20 }");
    let spec = spec.replace("[64, 16, 10]", "[784, 256, 128, 10]").replace("steps = 12", "steps = 3");
    let spec = write(&dir, "spec.toml", &spec);
    assert_eq!(roots(&dir, &spec, "train", "gpu"), roots(&dir, &spec, "train", "cpu"));
}

#[test]
fn a_device_that_does_not_exist_is_named() {
    let dir = folder();
    let spec = write(&dir, "spec.toml", TINY);
    let work = text(&dir.join("work"));
    let wrong = run(["train", &spec, "--work", &work, "--device", "cuda"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("expected auto, cpu, gpu or gpu:INDEX, got \"cuda\""), "{}", wrong.stderr);
    let absent = run(["train", &spec, "--work", &work, "--device", "gpu:4711"]);
    assert_eq!(absent.code, 3);
    assert!(absent.stderr.contains("no GPU adapter 4711"), "{}", absent.stderr);
}
