//! Audits of published steps.

use std::fs;
use std::path::{Path, PathBuf};

use pogo_prover::data::digits;
use pogo_prover::store::Log;

use crate::provenance::{SECOND, published};
use crate::{TINY, copy_of_round, files, folder, run, text, write};

/// The traced steps that opening the drawn cells published.
fn traces(work: &Path) -> Vec<PathBuf> {
    let traces: Vec<PathBuf> =
        files(work).into_keys().filter(|name| name.starts_with("traces")).map(|name| work.join(name)).collect();
    assert!(!traces.is_empty());
    traces
}

#[test]
fn the_steps_of_the_drawn_cells_are_published_and_exact() {
    let work = copy_of_round();
    let done = run(["audit", "--work", &text(&work), "--json"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(done.json()["findings"], serde_json::json!([]));
    assert_eq!(done.json()["steps"].as_array().unwrap().len(), traces(&work).len());
}

#[test]
fn published_files_alone_are_audited() {
    let (work, out) = (copy_of_round(), folder().join("out"));
    assert_eq!(run(["publish", "--work", &text(&work), "--audit", &text(&out)]).code, 0);
    assert!(!out.join("checkpoints").exists());
    let done = run(["audit", "--work", &text(&out)]);
    assert_eq!(done.code, 0, "{done:?}");
}

#[test]
fn published_files_of_a_later_round_are_audited() {
    let out = published(&SECOND, &["--audit"]);
    let done = run(["audit", "--work", &text(&out)]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(files(&out).keys().all(|name| !name.starts_with("checkpoints/")), "the start is not published");
}

#[test]
fn an_auditor_reads_its_own_copy_of_the_data() {
    let (work, dir) = (copy_of_round(), folder());
    let split = digits();
    let line = |features: &[i8], label: &u16| {
        let features: Vec<String> = features.iter().map(ToString::to_string).collect();
        format!("{},{label}\n", features.join(","))
    };
    let lines = |set: &pogo_protocol::data::DataSet| -> String {
        set.features.chunks(set.width).zip(&set.labels).map(|(features, label)| line(features, label)).collect()
    };
    let csv = lines(&split.train) + &lines(&split.test);
    write(&dir, "digits.csv", &csv);
    let source = format!("{{ csv = \"digits.csv\", label = \"last\", classes = 10, test = {} }}", split.test.len());
    let spec = write(&dir, "mine.toml", &TINY.replace("\"digits\"", &source));
    let audit = |spec: &str| run(["audit", "--work", &text(&work), "--data", spec]);
    assert_eq!(audit(&spec).code, 0, "{:?}", audit(&spec));
    // Another label of the first record is other data.
    let (first, rest) = csv.split_once('\n').expect("there are lines");
    let (features, label) = first.rsplit_once(',').expect("there are fields");
    let other = if label == "0" { "1" } else { "0" };
    write(&dir, "digits.csv", &format!("{features},{other}\n{rest}"));
    let done = audit(&spec);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.reason().contains("data"), "{done:?}");
    fs::remove_file(dir.join("digits.csv")).unwrap();
    assert_eq!(audit(&spec).code, 3);
    assert_eq!(audit(&write(&dir, "none.toml", &TINY.replace("\"digits\"", "\"cats\""))).code, 2);
}

#[test]
fn a_false_product_is_named() {
    let work = copy_of_round();
    let trace = &traces(&work)[0];
    let mut bytes = fs::read(trace).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(trace, bytes).unwrap();
    let done = run(["audit", "--work", &text(&work)]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.reason().starts_with("not exact: step "), "{done:?}");
    assert!(done.reason().contains("errors below of tensor 1, tile (0, 0), element (63, 15): expected"), "{done:?}");
}

#[test]
fn any_step_is_published_on_demand() {
    let work = copy_of_round();
    let dir = text(&work);
    for trace in traces(&work) {
        fs::remove_file(trace).unwrap();
    }
    let done = run(["audit", "--work", &dir]);
    assert_eq!((done.code, done.reason().ends_with("run `pogo open` or `pogo trace` first")), (2, true), "{done:?}");
    let done = run(["trace", "--work", &dir, "--device", "cpu", "0", "11"]);
    assert_eq!(done.code, 0, "{done:?}");
    let done = run(["audit", "--work", &dir, "--json"]);
    assert_eq!((done.code, &done.json()["steps"]), (0, &serde_json::json!([0, 11])), "{done:?}");
    assert_eq!(run(["audit", "--work", &dir, "--step", "11"]).code, 0);
    assert_eq!(run(["audit", "--work", &dir, "--step", "5"]).code, 2);
    let done = run(["trace", "--work", &dir, "--device", "cpu", "12"]);
    assert_eq!((done.code, done.reason()), (2, "STEP: expected 0 to 11, got 12"), "{done:?}");
}

#[test]
fn a_round_that_commits_to_every_trace_is_verified_and_audited() {
    let dir = folder();
    let spec = write(&dir, "every.toml", &TINY.replace("none", "every"));
    let work = text(&dir.join("work"));
    for verb in ["train", "commit", "replay"] {
        let done = match verb {
            "train" => run(["train", &spec, "--work", &work, "--device", "cpu"]),
            verb => run([verb, "--work", &work, "--device", "cpu"]),
        };
        assert_eq!(done.code, 0, "{verb}: {done:?}");
    }
    assert_eq!(run(["trace", "--work", &work, "--device", "cpu", "3"]).code, 0);
    assert_eq!(run(["audit", "--work", &work]).code, 0);
    // Another root, in a whole entry, is not the committed one.
    let file = dir.join("work/traces.log");
    let mut root = Log::open(&file, None).unwrap().read(11).unwrap();
    *root.last_mut().unwrap() ^= 1;
    Log::open(&file, Some(11)).unwrap().append(&root).unwrap();
    let done = run(["audit", "--work", &work]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.reason().ends_with("records.log: not the records of the commitment"), "{done:?}");
}
