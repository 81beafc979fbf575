//! A round that commits to the trace of every step: every kind of cell is drawn, proven, verified, and
//! can be disputed.

use std::fs;
use std::sync::LazyLock;

use crate::dispute::{dispute, finalize};
use crate::*;

/// Two steps, all of whose links are drawn.
pub(crate) static TRACED: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = folder();
    let spec = TINY.replace("steps = 12", "steps = 2").replace("challenged", "every");
    let (spec, work) = (write(&dir, "traced.toml", &spec), dir.join("work"));
    let done = run(["run", &spec, "--work", &text(&work), "--beacon", BEACON]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    work
});

/// Proofs of each circuit that 8 samples of each kind take: 8 cells a proof, but 3 losses, 6 errors, and
/// one product. Which products and peaks are drawn the beacon says.
const PROOFS: [(&str, u64); 11] = [
    ("round", 1),
    ("link", 1),
    ("input", 1),
    ("weights", 1),
    ("activation", 1),
    ("loss", 3),
    ("errors", 2),
    ("momentum", 1),
    ("blank", 1),
    ("scale", 1),
    ("init", 1),
];

#[test]
fn every_kind_of_cell_is_proven_and_verified() {
    let done = run(["verify", &text(&TRACED), "--json"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let table = done.json();
    let proofs = |circuit: &str| table["proofs_by_circuit"][circuit].as_u64().unwrap_or(0);
    for (circuit, count) in PROOFS {
        assert_eq!(proofs(circuit), count, "{circuit}");
    }
    let products: u64 = ["forward", "gradient", "backward"].map(proofs).into_iter().sum();
    assert_eq!(products, 8);
    let all: u64 = PROOFS.iter().map(|(_, count)| count).sum();
    // 8 of the 10 exponents are drawn, of one kind or another.
    let peaks: u64 = ["weights-peak", "activation-peak", "errors-peak", "loss-peak"].map(proofs).into_iter().sum();
    assert!((3..=4).contains(&peaks), "{peaks}");
    assert_eq!(table["proofs"], all + products + peaks);
}

#[test]
fn a_missing_proof_is_made_again_and_the_others_are_kept() {
    let work = folder().join("work");
    copy_files(&TRACED, &work);
    let lost = files(&work).into_keys().filter(|name| name.starts_with("proofs/")).max().expect("there are proofs");
    fs::remove_file(work.join(&lost)).expect("it is there");
    let before = files(&work);
    let done = run(["verify", &text(&work)]);
    assert_eq!(done.code, 1);
    assert!(done.reason().contains("proofs: expected "), "{}", done.stderr);
    assert_eq!(run(["prove", "--work", &text(&work)]).code, 0);
    let mut after = files(&work);
    assert!(after.remove(&lost).is_some());
    assert!(
        before.iter().filter(|(name, _)| *name != "times.json").all(|(name, bytes)| after.get(name) == Some(bytes))
    );
    assert_eq!(run(["verify", &text(&work)]).code, 0);
}

#[test]
fn a_dispute_names_any_cell_and_its_proof_wins_the_bond() {
    let work = folder().join("work");
    copy_files(&TRACED, &work);
    fs::remove_file(work.join("verdict.bin")).expect("there is a verdict");
    for (attester, cell) in [("3", "loss:1:17"), ("4", "link:0:0"), ("6", "init:5")] {
        let done = dispute("open", &work, &["--cell", cell, "--attester", attester]);
        assert_eq!(done.code, 0, "{}", done.stderr);
    }
    let done = dispute("open", &work, &["--cell", "loss:1:64", "--attester", "5"]);
    assert_eq!(done.code, 2);
    assert!(done.reason().contains("expected a step below 2 and a number below 64, got loss:1:64"), "{}", done.stderr);
    // A sampled proof, of other cells, is no answer; the next call replaces it.
    let sampled = fs::read(work.join("proofs/part-001.proof")).expect("the proof reads");
    fs::write(work.join("disputes/link-0-0.proof"), sampled).expect("the file is written");
    let answers = |list: &Value| -> Vec<Value> {
        list["disputes"].as_array().expect("a list").iter().map(|dispute| dispute["answer"].clone()).collect()
    };
    assert_eq!(answers(&dispute("list", &work, &[]).json()), ["none", "refused", "none"]);
    let done = dispute("answer", &work, &[]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(answers(&done.json()), ["proven"; 3]);
    let verdict = finalize(&work);
    for dispute in verdict.json()["disputes"].as_array().expect("a list") {
        assert_eq!(dispute["won_by"], "miner", "{dispute}");
    }
}

#[test]
fn another_number_of_records_is_another_round() {
    let work = folder().join("work");
    copy_files(&TRACED, &work);
    let mut setup = fs::read(work.join("setup.bin")).expect("the setup reads");
    let records = 1437u32.to_be_bytes();
    let at = setup.windows(4).position(|bytes| bytes == records).expect("the digits have 1,437 records to train on");
    setup[at + 3] += 1;
    fs::write(work.join("setup.bin"), setup).expect("the file is written");
    let done = run(["verify", &text(&work)]);
    assert_eq!(done.code, 1);
    assert!(done.reason().contains("is not the one that commitment, spec and beacon give"), "{}", done.stderr);
    let done = run(["prove", "--work", &text(&work)]);
    assert_eq!(done.code, 1, "{}", done.stderr);
}
