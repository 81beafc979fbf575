//! Disputes: an honest miner wins the bond of a false one, a lying miner loses its own to a true one.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// A copy of the round as it was before its verdict.
fn before_the_verdict() -> PathBuf {
    let work = copy_of_round();
    fs::remove_file(work.join("verdict.bin")).expect("there is a verdict");
    work
}

fn dispute(verb: &str, work: &Path, arguments: &[&str]) -> Finished {
    run(["dispute", verb, "--work", &text(work), "--json"].into_iter().chain(arguments.iter().copied()))
}

fn finalize(work: &Path) -> Finished {
    run(["finalize", "--work", &text(work), "--json"])
}

#[test]
fn an_honest_miner_answers_false_disputes_is_finalized_and_wins_the_bonds() {
    let work = before_the_verdict();
    for (attester, cell) in [("3", "update:6:11"), ("4", "quantize:25")] {
        let done = dispute("open", &work, &["--cell", cell, "--attester", attester]);
        assert_eq!(done.code, 0, "{}", done.stderr);
    }
    let listed = dispute("list", &work, &[]).json();
    let answers = |list: &Value| -> Vec<Value> {
        list["disputes"].as_array().expect("a list").iter().map(|dispute| dispute["answer"].clone()).collect()
    };
    assert_eq!(answers(&listed), ["none", "none"]);

    let done = dispute("answer", &work, &[]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(answers(&done.json()), ["proven", "proven"]);
    let verdict = finalize(&work);
    assert_eq!(verdict.code, 0, "{}", verdict.stderr);
    assert_eq!(verdict.json()["verdict"], "finalized");
    for dispute in verdict.json()["disputes"].as_array().expect("a list") {
        assert_eq!((&dispute["won_by"], &dispute["bond"]), (&"miner".into(), &100.into()), "{dispute}");
    }
    let inspected = run(["inspect", &text(&work.join("verdict.bin")), "--json"]).json();
    assert_eq!(inspected["disputes"], verdict.json()["disputes"]);
    let inspected = run(["inspect", &text(&work.join("disputes/update-6-11.dispute")), "--json"]).json();
    assert_eq!((&inspected["cell"], &inspected["bond"]), (&"update:6:11".into(), &100.into()));

    // The round is at its end: nothing more can be disputed or answered.
    for (verb, arguments) in [("open", &["--cell", "update:0:0", "--attester", "5"][..]), ("answer", &[])] {
        let done = dispute(verb, &work, arguments);
        assert_eq!(done.code, 2);
        assert!(done.reason().contains("the window of disputes is over"), "{}", done.stderr);
    }
}

#[test]
fn silence_and_a_proof_of_something_else_are_no_answers() {
    let sampled = fs::read(ROUND.join("proofs/part-000.proof")).expect("the proof reads");
    for (answer, name) in [(None, "none"), (Some(sampled), "refused")] {
        let work = before_the_verdict();
        assert_eq!(dispute("open", &work, &["--cell", "update:6:11"]).code, 0);
        if let Some(proof) = answer {
            fs::write(work.join("disputes/update-6-11.proof"), proof).expect("the file is written");
        }
        assert_eq!(dispute("list", &work, &[]).json()["disputes"][0]["answer"], name);
        let done = finalize(&work);
        assert_eq!(done.code, 1);
        assert!(done.reason().contains("rejected: the disputed cell update:6:11 was not proven"), "{}", done.stderr);
        let verdict = run(["inspect", &text(&work.join("verdict.bin")), "--json"]).json();
        let end = &verdict["disputes"][0];
        assert_eq!((&end["answer"], &end["won_by"]), (&name.into(), &"disputer".into()));
        let slash = &verdict["slash"];
        assert_eq!((&slash["cell"], &slash["reporter"]), (&"update:6:11".into(), &end["disputer"]));
        assert_eq!((&slash["rewarded"], &slash["burned"]), (&500.into(), &500.into()));
    }
}

#[test]
fn disputes_that_cannot_be_are_refused() {
    let work = before_the_verdict();
    assert_eq!(dispute("open", &work, &["--cell", "update:6:11", "--attester", "3"]).code, 0);
    for (arguments, reason) in [
        (&["--cell", "update:12:0"][..], "expected a step below 12 and a leaf below 26"),
        (&["--cell", "quantize:26"], "expected a step below 12 and a leaf below 26"),
        (&["--cell", "update:6:11", "--attester", "4"], "is disputed already"),
        (&["--cell", "update:6:12", "--attester", "3"], "signed about update:6:11 already"),
        // The attesters 0 to 2 signed that all is well.
        (&["--cell", "update:6:12", "--attester", "0"], "signed already, and two signatures are slashed"),
        (&["--cell", "forward:1"], "expected update:STEP:LEAF or quantize:LEAF"),
    ] {
        let done = dispute("open", &work, arguments);
        assert_eq!(done.code, 2, "{arguments:?}: {}", done.stderr);
        assert!(done.stderr.contains(reason), "{arguments:?}: {}", done.stderr);
    }
}

#[test]
fn a_changed_dispute_is_refused() {
    let work = before_the_verdict();
    assert_eq!(dispute("open", &work, &["--cell", "quantize:3"]).code, 0);
    let file = work.join("disputes/quantize-3.dispute");
    let content = fs::read(&file).expect("the dispute reads");
    for byte in (0..content.len()).step_by(11) {
        let mut changed = content.clone();
        changed[byte] ^= 1;
        fs::write(&file, changed).expect("the file is written");
        assert_eq!(finalize(&work).code, 1, "byte {byte}");
    }
    fs::write(&file, &content[..content.len() - 1]).expect("the file is written");
    assert_eq!(finalize(&work).code, 1);
    fs::rename(&file, work.join("disputes/quantize-4.dispute")).expect("the file is there");
    fs::write(work.join("disputes/quantize-4.dispute"), &content).expect("the file is written");
    let done = finalize(&work);
    assert_eq!(done.code, 1);
    assert!(done.reason().contains("quantize-4.dispute: is about the cell quantize:3"), "{}", done.stderr);
}
