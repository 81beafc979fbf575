//! Replay from checkpoint to checkpoint: what is selected, what is rejected, what is told beside it.

use std::fs;

use pogo_protocol::stream::keccak;

use super::*;

/// A committed training of four segments: steps 0..64, 64..128, 128..192, 192..200.
static LONG: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = folder();
    let spec = write(&dir, "spec.toml", &TINY.replace("steps = 12", "steps = 200"));
    let work = dir.join("work");
    for arguments in [&["train", &spec][..], &["commit"]] {
        let done = run(arguments.iter().copied().chain(["--work", &text(&work)]));
        assert_eq!(done.code, 0, "{}", done.stderr);
    }
    work
});

/// A copy of that training: a directory is locked while a command runs in it.
fn copy() -> PathBuf {
    let target = folder().join("work");
    copy_files(&LONG, &target);
    target
}

fn replay(work: &Path, arguments: &[&str]) -> Finished {
    run(["replay", "--json", "--work", &text(work), "--segments"].into_iter().chain(arguments.iter().copied()))
}

fn steps(table: &Value) -> Vec<(u64, u64)> {
    let segments = table["segments"].as_array().expect("it is a list");
    let number = |value: &Value| value.as_u64().expect("it is a number");
    segments.iter().map(|segment| (number(&segment["steps"][0]), number(&segment["steps"][1]))).collect()
}

/// Changes weight 0 of the state before step 64 by one unit and seals the file again.
fn forge(work: &Path) {
    let file = work.join("checkpoints/0000000064.state");
    let mut content = fs::read(&file).expect("the checkpoint reads");
    content.truncate(content.len() - 32);
    // Magic 8, version 2, five exponents after their count 4 + 20, count of weights 4.
    content[38 + 3] ^= 1;
    let seal = keccak(&[&content]);
    fs::write(&file, [&content[..], &seal].concat()).expect("the checkpoint is written");
}

#[test]
fn all_segments_of_an_honest_training_are_exact() {
    let done = replay(&copy(), &["all"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let table = done.json();
    assert_eq!(table["replayed"], serde_json::json!([4, 4]));
    assert_eq!(table["differences"], serde_json::json!([]));
    assert_eq!(steps(&table), [(0, 64), (64, 128), (128, 192), (192, 200)]);
    for segment in table["segments"].as_array().expect("it is a list") {
        assert_eq!(segment["exact"], true);
        for name in ["l1", "l2", "linf", "cosine"] {
            assert_eq!(segment["error"][name], 0.0, "{segment}");
            assert!(segment["moved"][name].as_f64() > Some(0.0), "{segment}");
        }
        assert_eq!(segment["moved_normalized"], Value::Null);
    }
}

#[test]
fn a_seed_draws_distinct_segments_and_always_the_same() {
    let (work, seed) = (copy(), "5a".repeat(32));
    let first = replay(&work, &["2", "--seed", &seed]).json();
    assert_eq!(first, replay(&work, &["2", "--seed", &seed]).json());
    assert_eq!(first["missed"], 0.5);
    let drawn = steps(&first);
    assert!(drawn.len() == 2 && drawn[0] != drawn[1], "{drawn:?}");
    let fresh = replay(&work, &["1"]).json();
    let printed = fresh["seed"].as_str().expect("it is printed");
    assert_eq!(steps(&replay(&work, &["1", "--seed", printed]).json()), steps(&fresh));
    assert_ne!(replay(&work, &["1"]).json()["seed"], fresh["seed"]);
}

#[test]
fn the_top_segments_are_those_that_moved_most() {
    let work = copy();
    let all = replay(&work, &["all"]).json();
    let moved = |segment: &Value| segment["moved"]["l2"].as_f64().expect("it is a number");
    let mut segments = all["segments"].as_array().expect("it is a list").clone();
    segments.sort_by(|a, b| moved(b).total_cmp(&moved(a)));
    segments.truncate(2);
    segments.sort_by_key(|segment| segment["steps"][0].as_u64());
    let top = replay(&work, &["top:2"]).json();
    assert_eq!(top["segments"], serde_json::json!(segments));
}

#[test]
fn a_forged_state_between_two_segments_is_named_by_its_leaf() {
    let work = copy();
    forge(&work);
    let done = replay(&work, &["all"]);
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("checkpoint 64, leaf 0 (tensor 0, row 0), weight 0: expected "), "{}", done.stderr);
    assert!(done.stderr.contains("checkpoint 64: state is not that of record 64"), "{}", done.stderr);
    let table = done.json();
    let exact: Vec<&Value> = table["segments"].as_array().expect("a list").iter().map(|s| &s["exact"]).collect();
    assert_eq!(exact, [false, false, true, true]);
    let units = table["segments"][0]["error"]["l1"].as_f64().expect("a number") * f64::from(1 << 24);
    assert!((units - 1.0).abs() < 1e-9, "{units} units apart");
    assert_eq!(table["segments"][1]["error"], Value::Null);
}

#[test]
fn an_edited_code_rejects_its_segment() {
    let work = copy();
    let log = work.join("updates.log");
    let mut content = fs::read(&log).expect("the log reads");
    // 26 leaves of 32 bytes, framed by a length of 4 and a checksum of 8; code 10 of leaf 3 in step 70.
    let at = 70 * (26 * 32 + 12) + 4 + 3 * 32 + 5;
    content[at] = if content[at] & 15 == 0 { content[at] + 1 } else { content[at] - 1 };
    fs::write(&log, content).expect("the log is written");
    let done = replay(&work, &["all"]);
    assert_eq!(done.code, 1);
    assert!(done.reason().contains("step 70, leaf 3 (tensor 0, row 3), code 10: expected "), "{}", done.stderr);
    assert_eq!(done.json()["segments"][1]["exact"], false);
    assert_eq!(done.json()["segments"][2]["exact"], true);
}

#[test]
fn distances_are_told_as_parts_of_two_independent_runs() {
    let work = copy();
    let first = replay(&work, &["all", "--reference"]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    let table = first.json();
    let (moved, unit) = (&table["segments"][0]["moved"], &table["reference"]);
    for name in ["l1", "l2", "linf", "cosine"] {
        let expected = moved[name].as_f64().expect("a number") / unit[name].as_f64().expect("a number");
        let got = table["segments"][0]["moved_normalized"][name].as_f64().expect("a number");
        assert!((got - expected).abs() < 1e-12, "{name}: {got}");
        assert_eq!(table["segments"][0]["error_normalized"][name], 0.0);
    }
    let file = work.join("reference.bin");
    let kept = fs::read(&file).expect("it is kept");
    assert_eq!(run(["inspect", &text(&file), "--json"]).json()["l2"], unit["l2"]);
    assert_eq!(replay(&work, &["all", "--reference"]).json(), table);
    // That of another round says nothing here.
    let mut other = kept.clone();
    other[12] ^= 1;
    fs::write(&file, other).expect("it is written");
    let refused = replay(&work, &["all", "--reference"]);
    assert_eq!(refused.code, 1);
    assert!(refused.reason().contains("reference.bin: inputs: expected 0x"), "{}", refused.stderr);
    assert_eq!(replay(&work, &["all"]).code, 0, "nobody asked for it");
}

#[test]
fn selections_that_make_no_sense_are_wrong_usage() {
    let work = copy();
    for (arguments, message) in [
        (&["5"][..], "expected all or 1 to 4, as many as this round has, got 5"),
        (&["top:5"], "expected all or 1 to 4"),
        (&["0"], "expected all, N or top:Q"),
        (&["top:"], "expected all, N or top:Q"),
        (&["all", "--seed", &"00".repeat(32)], "--seed: expected --segments N"),
        (&["1", "--seed", "00"], "--seed: expected 64 hexadecimal digits"),
        (&["all", "--steps", "0..5"], "cannot be used with"),
    ] {
        let done = replay(&work, arguments);
        assert_eq!(done.code, 2, "{arguments:?}: {}", done.stderr);
        assert!(done.stderr.contains(message), "{arguments:?}: {}", done.stderr);
    }
    assert_eq!(run(["replay", "--seed", "00"]).code, 2);
}
