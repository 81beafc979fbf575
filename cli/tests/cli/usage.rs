//! Wrong specs and arguments: the exit code says whose fault it is, the message says where.

use std::fs;

use super::*;

#[test]
fn a_wrong_spec_is_named_by_its_field() {
    let cases = [
        ("steps = 12", "steps = 12\nspeed = 3", "unknown field `speed`"),
        ("[model]", "[model]\nbias = true", "unknown field `bias`"),
        ("name = \"tiny\"", "name = \"tiny\"\ncolor = 1", "unknown field `color`"),
        ("[round]", "[round]\nminers = 1", "unknown field `miners`"),
        ("batch = 64", "batch = \"64\"", "expected u32"),
        ("batch = 64", "batch = 63", "batch: expected a power of two"),
        ("batch = 64", "", "missing field `batch`"),
        ("steps = 12", "steps = 0", "steps: expected 1 to"),
        ("steps = 12", "steps = 5000", "steps: expected at most 4095"),
        ("layers = [64, 16, 10]", "layers = [64]", "layers: expected 2 to"),
        ("layers = [64, 16, 10]", "layers = [63, 10]", "model.layers: expected [64, .., 10]"),
        ("schedule = \"constant\"", "schedule = \"cosine\"", "unknown variant `cosine`"),
        ("learning_rate = 65536", "learning_rate = 67108864", "learning_rate: expected 1 to"),
        ("source = \"digits\"", "source = \"cats\"", "data.source: expected \"digits\""),
        ("source = \"digits\"", "source = { csv = \"a\", label = \"last\", classes = 2 }", "missing field `test`"),
        ("source = \"digits\"", "source = { mnist = \"a\", test = 1 }", "unknown field `test`"),
        ("[round]", "[round]\nminer = \"0x12\"", "round.miner: expected 40"),
        ("[round]", "[round]\nnumber = 1", "round.number: expected 0"),
        ("[round]", "[round]\npreset = \"huge\"", "unknown variant `huge`"),
        ("[round]", "[round]\ncheckpoint_every = 2", "checkpoint_every: expected 1"),
        ("[model]", "[model", "TOML"),
    ];
    let dir = folder();
    for (from, to, message) in cases {
        let spec = write(&dir, "spec.toml", &TINY.replacen(from, to, 1));
        let done = run(["train", &spec, "--work", &text(&dir.join("work"))]);
        assert_eq!(done.code, 2, "{to}: {}", done.stderr);
        assert!(done.stderr.contains(message), "{to}: {}", done.stderr);
        assert!(
            done.stderr.contains("spec.toml") || to.contains("5000") || to.contains("checkpoint"),
            "{}",
            done.stderr
        );
    }
}

#[test]
fn a_traced_task_whose_batch_has_padding_rows_is_refused() {
    let dir = folder();
    let spec = write(&dir, "spec.toml", &TINY.replace("none", "every").replace("batch = 64", "batch = 32"));
    let done = run(["train", &spec, "--work", &text(&dir.join("work"))]);
    assert_eq!(done.code, 2, "{}", done.stderr);
    let reason = "batch: expected at least 64 where steps are traced, got 32";
    assert!(done.reason().contains(reason), "{}", done.stderr);
}

#[test]
fn a_missing_file_is_the_environment() {
    let dir = folder();
    let work = text(&dir.join("work"));
    let spec = write(&dir, "spec.toml", &TINY.replace("\"digits\"", "{ mnist = \"nowhere\" }"));
    for arguments in [
        vec!["run", "nowhere.toml", "--work", &work],
        vec!["run", &spec, "--work", &work],
        vec!["verify", &work],
        vec!["inspect", &work],
        vec!["srs", "check", "nowhere.srs"],
    ] {
        let done = run(arguments.clone());
        assert_eq!(done.code, 3, "{arguments:?}: {}", done.stderr);
        assert!(done.reason().contains("nowhere") || done.reason().contains(&work), "{}", done.stderr);
    }
}

#[test]
fn another_round_is_not_put_into_a_used_directory() {
    let work = text(&copy_of_round());
    let dir = folder();
    let cases = [
        ("steps = 12", "steps = 13", "train.steps: expected 12, got 13"),
        ("seed = 1", "seed = 2", "train.seed: expected 1, got 2"),
        ("name = \"tiny\"", "name = \"other\"", "name: expected tiny, got other"),
    ];
    for (from, to, message) in cases {
        let spec = write(&dir, "spec.toml", &TINY.replace(from, to));
        let done = run(["run", &spec, "--work", &work]);
        assert_eq!(done.code, 2);
        assert!(done.reason().contains(message), "{}", done.stderr);
    }
    let done = run(["run", "--work", &work, "--samples", "16"]);
    assert_eq!(done.code, 2);
    assert!(done.reason().contains("samples: expected 8, got 16"), "{}", done.stderr);
}

#[test]
fn csv_data_that_changed_after_training_is_refused() {
    let dir = folder();
    let line =
        |i: u32| (0..4).map(|j| format!("{},", (i * 7 + j * 13) % 100)).collect::<String>() + &(i % 2).to_string();
    let csv = (0..60).map(|i| line(i) + "\n").collect::<String>();
    write(&dir, "data.csv", &csv);
    let source = "{ csv = \"data.csv\", label = \"last\", classes = 2, test = 20 }";
    let spec =
        TINY.replace("\"digits\"", source).replace("[64, 16, 10]", "[4, 3, 2]").replace("batch = 64", "batch = 8");
    let spec = write(&dir, "spec.toml", &spec);
    let work = text(&dir.join("work"));
    assert_eq!(run(["train", &spec, "--work", &work]).code, 0);
    assert_eq!(run(["commit", "--work", &work]).code, 0);
    write(&dir, "data.csv", &csv.replacen("0,13", "1,13", 1));
    let done = run(["replay", "--work", &work]);
    assert_eq!(done.code, 1);
    assert!(done.reason().contains("data root: expected 0x"), "{}", done.stderr);
}

#[test]
fn wrong_arguments_are_wrong_usage() {
    let round = text(&copy_of_round());
    for arguments in [
        vec!["walk"],
        vec!["run", "--samples", "0"],
        vec!["run", "--beacon", "12"],
        vec!["verify", "--proof", "a"],
        vec!["replay", "--work", &round, "--steps", "5"],
        vec!["replay", "--work", &round, "--steps", "5..13"],
        vec!["replay", "--work", &round, "--step", "12"],
        vec!["replay", "--work", &round, "--step", "1", "--all"],
        vec!["srs", "import", "--out", "a"],
        vec!["completions", "tcl"],
    ] {
        assert_eq!(run(arguments.clone()).code, 2, "{arguments:?}");
    }
}

#[test]
fn failures_are_json_too() {
    let done = run(["verify", "nowhere", "--json"]);
    assert_eq!((done.code, &done.json()["exit_code"]), (3, &3.into()));
}

#[test]
fn help_and_completions_print() {
    assert_eq!(run(["--help"]).code, 0);
    assert!(run(["run", "--help"]).stdout.contains("learning_rate"));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = run(["completions", shell]);
        assert_eq!(done.code, 0);
        assert!(done.stdout.contains("finalize"), "{shell}");
    }
}

#[test]
fn an_srs_that_is_none_is_refused() {
    let dir = folder();
    let file = write(&dir, "srs", "pogo/srs and nothing behind it");
    assert_eq!(run(["srs", "check", &file]).code, 1);
    let out = dir.join("out");
    assert_eq!(run(["srs", "import", "--ptau", &file, "--out", &text(&out)]).code, 1);
    assert!(fs::metadata(out).is_err(), "nothing is written");
}
