//! A whole round: what it prints and leaves, and that a second start changes nothing.

use std::fs;

use super::*;

#[test]
fn a_round_is_finalized_and_leaves_every_file() {
    let names: Vec<String> = files(&ROUND).into_keys().collect();
    for name in [
        "setup.bin",
        "records.log",
        "updates.log",
        "checkpoints/0000000012.state",
        "commitment.bin",
        "beacon.bin",
        "openings/part-000.openings",
        "statements/part-000.statement",
        "proofs/part-000.proof",
        "verdict.bin",
        "report.html",
        "loss.csv",
    ] {
        assert!(names.iter().any(|found| found == name), "{name} is not in {names:?}");
    }
    assert_eq!(names.iter().filter(|name| name.starts_with("attestations/")).count(), 3);
    assert!(!names.iter().any(|name| name.ends_with(".tmp")));
}

#[test]
fn a_second_start_prints_the_same_round_and_changes_no_artifact() {
    let work = copy_of_round();
    let before = files(&work);
    let done = run(["run", "--work", &text(&work), "--json"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let table = done.json();
    assert_eq!(table["verdict"], "finalized");
    assert_eq!((&table["steps"], &table["leaves"], &table["samples"]), (&12.into(), &26.into(), &8.into()));
    assert!(table["loss_after"].as_f64() < table["loss_before"].as_f64());
    assert!(table["loss_after_4_bit"].as_f64() < table["loss_before_4_bit"].as_f64());
    assert!((20_000..=500_000).contains(&table["gas"].as_u64().expect("gas is a number")));
    let mut after = files(&work);
    // The report holds the time that verifying took this time.
    after.insert("report.html".to_owned(), before["report.html"].clone());
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (name, content) in &before {
        assert!(after[name] == *content, "{name} changed");
    }
}

#[test]
fn the_report_needs_no_network_and_says_what_is_not_proven() {
    let report = fs::read_to_string(ROUND.join("report.html")).expect("the report reads");
    assert!(report.contains("<svg") && report.contains("<polyline points="));
    assert!(report.contains("The gradient is not bound by the proof yet."));
    for reference in ["http", "src=", "href=", "url(", "{{"] {
        assert!(!report.contains(reference), "the report holds {reference}");
    }
    let curve = fs::read_to_string(ROUND.join("loss.csv")).expect("the curve reads");
    assert_eq!(curve.lines().count(), 13);
    assert_eq!(curve.lines().next(), Some("step,loss"));
}

#[test]
fn published_files_alone_verify() {
    let out = folder().join("published");
    assert_eq!(run(["publish", "--work", &text(&ROUND), &text(&out)]).code, 0);
    assert!(!out.join("records.log").exists());
    let before = files(&out);
    let done = run(["verify", &text(&out), "--json"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(done.json()["verified"], true);
    assert!(done.stderr.contains("DEVELOPMENT SRS"));
    assert_eq!(before, files(&out), "verifying writes nothing");
    let statement = text(&out.join("statements/part-000.statement"));
    let proof = text(&out.join("proofs/part-000.proof"));
    assert_eq!(run(["verify", "--statement", &statement, "--proof", &proof]).code, 0);
}

#[test]
fn demands_that_a_round_does_not_meet_fail() {
    let round = text(&ROUND);
    let other = "11".repeat(32);
    for (demand, reason) in [
        (vec!["--ceremony"], "expected a ceremony's"),
        (vec!["--samples", "9"], "expected at least 9, got 8"),
        (vec!["--beacon", &other], "beacon: expected 0x1111"),
    ] {
        let done = run(["verify", &round].into_iter().chain(demand));
        assert_eq!(done.code, 1);
        assert!(done.reason().contains(reason), "{}", done.stderr);
    }
    assert_eq!(run(["verify", &round, "--samples", "8", "--beacon", BEACON]).code, 0);
}

#[test]
fn every_artifact_is_inspected_and_garbage_is_refused() {
    let other = ["report.html", "loss.csv", "times.json", "lock"];
    // Some mean something to the setup beside their folder only.
    let dir = folder();
    fs::create_dir(dir.join("cut")).expect("the folder is made");
    fs::copy(ROUND.join("setup.bin"), dir.join("setup.bin")).expect("the setup is copied");
    let cut = dir.join("cut/file");
    for (name, content) in files(&ROUND) {
        let file = text(&ROUND.join(&name));
        let expected = i32::from(other.contains(&name.as_str()));
        let done = run(["inspect", &file, "--json"]);
        assert_eq!(done.code, expected, "{name}: {}", done.stderr);
        if expected == 0 {
            assert!(done.json()["kind"].is_string());
            for bytes in [&content[..content.len() - 1], &[&content[..], &[0]].concat()] {
                fs::write(&cut, bytes).expect("the file is written");
                assert_eq!(run(["inspect", &text(&cut)]).code, 1, "{name} cut or extended");
            }
        }
    }
    for garbage in [&b""[..], b"pogo", b"pogo/cmt", &[0xff; 100], &[0; 64]] {
        let file = folder().join("garbage");
        fs::write(&file, garbage).expect("the file is written");
        assert_eq!(run(["inspect", &text(&file)]).code, 1, "{garbage:?}");
    }
}
