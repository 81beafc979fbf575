//! A round of trace mode `challenged`: segments of two steps are drawn and disclosed, every kind of cell is
//! drawn of them, proven, verified, and can be disputed; other segments are disclosed when disputed.

use std::fs;
use std::sync::LazyLock;

use crate::dispute::{dispute, finalize};
use crate::*;

/// The line of [`TINY`] that says when traces are committed to, and another.
const MODE: &str = "trace = \"none\"";
const CHALLENGED: &str = "trace = \"challenged\"";

/// The beacon that draws segments.
const FIRST: &str = "0x0808080808080808080808080808080808080808080808080808080808080808";

/// 2 of 10 segments are drawn.
pub(crate) static TRACED: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = folder();
    let spec = TINY.replace("steps = 12", "steps = 20").replace(MODE, &format!("{CHALLENGED}\ncheckpoint_every = 2"));
    let (spec, work) = (write(&dir, "traced.toml", &spec), dir.join("work"));
    let beacons = ["--beacon", BEACON, "--first-beacon", FIRST];
    let done = run(["run", &spec, "--work", &text(&work), "--samples", "2"].into_iter().chain(beacons));
    assert_eq!(done.code, 0, "{}", done.stderr);
    work
});

/// Proofs of each circuit but those of products and peaks, which the beacon picks: a disclosure of four records,
/// an update and a momentum cell of each of four steps, two cells of other kinds.
const CIRCUITS: [&str; 13] = [
    "disclosure",
    "round",
    "link",
    "input",
    "weights",
    "activation",
    "loss",
    "errors",
    "momentum",
    "blank",
    "scale",
    "init",
    "vacant",
];

#[test]
fn every_kind_of_cell_is_proven_and_verified() {
    let done = run(["verify", &text(&TRACED), "--json"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let table = done.json();
    let proofs = |circuit: &str| table["proofs_by_circuit"][circuit].as_u64().unwrap_or(0);
    for circuit in CIRCUITS {
        assert_eq!(proofs(circuit), 1, "{circuit}");
    }
    let products: u64 = ["forward", "gradient", "backward"].map(proofs).into_iter().sum();
    assert_eq!(products, 2);
    // A peak of each drawn segment, of one kind or another.
    let peaks: u64 = ["weights-peak", "activation-peak", "errors-peak", "loss-peak"].map(proofs).into_iter().sum();
    assert!((1..=2).contains(&peaks), "{peaks}");
    assert_eq!(table["proofs"], CIRCUITS.len() as u64 + products + peaks);
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

/// The segments that the round disclosed, in the order drawn.
fn drawn(work: &Path) -> Vec<u64> {
    let done = run(["disclose", "--work", &text(work), "--json"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    done.json()["segments"].as_array().expect("a list").iter().filter_map(Value::as_u64).collect()
}

#[test]
fn a_dispute_names_any_cell_and_its_proof_wins_the_bond() {
    let work = folder().join("work");
    copy_files(&TRACED, &work);
    fs::remove_file(work.join("verdict.bin")).expect("there is a verdict");
    let drawn = drawn(&work);
    let other = (0..10).find(|segment| !drawn.contains(segment)).expect("2 of 10 are drawn");
    let (step, hidden) = (2 * drawn[0] + 1, 2 * other);
    let open = |attester: &str, cell: &str| dispute("open", &work, &["--cell", cell, "--attester", attester]);
    for (attester, cell) in
        [("3", format!("loss:{step}:17")), ("4", format!("disclosure:{other}")), ("6", "init:5".to_owned())]
    {
        let done = open(attester, &cell);
        assert_eq!(done.code, 0, "{}", done.stderr);
    }
    let numbers = "expected a step below 20, of a disclosed segment, and a number below";
    for (cell, expected) in [
        (format!("loss:{step}:64"), format!("{numbers} 64, got")),
        (format!("momentum:{hidden}:0"), format!("{numbers} 26, got")),
        (format!("disclosure:{}", drawn[0]), "expected a segment below 10 that is not disclosed".to_owned()),
    ] {
        let done = open("5", &cell);
        assert_eq!(done.code, 2, "{cell}");
        assert!(done.reason().contains(&expected), "{}", done.stderr);
    }
    // A sampled proof, of other cells, is no answer; the next call replaces it.
    let sampled = fs::read(work.join("proofs/part-003.proof")).expect("the proof reads");
    fs::write(work.join(format!("disputes/loss-{step}-17.proof")), sampled).expect("the file is written");
    let answers = |list: &Value| -> Vec<Value> {
        list["disputes"].as_array().expect("a list").iter().map(|dispute| dispute["answer"].clone()).collect()
    };
    assert_eq!(answers(&dispute("list", &work, &[]).json()), ["none", "refused", "none"]);
    let done = dispute("answer", &work, &[]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(answers(&done.json()), ["proven"; 3]);
    // What was disclosed in answer has cells now, and tensors to audit.
    assert!(work.join(format!("traces/{hidden:010}.trace")).exists());
    let done = open("5", &format!("momentum:{hidden}:0"));
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(dispute("answer", &work, &[]).code, 0);
    let verdict = finalize(&work);
    let disputes = verdict.json()["disputes"].as_array().expect("a list").clone();
    assert_eq!(disputes.len(), 4);
    for dispute in disputes {
        assert_eq!(dispute["won_by"], "miner", "{dispute}");
    }
}

#[test]
fn beacons_are_drawn_in_turn_and_nothing_is_proven_before_the_disclosure() {
    let dir = folder();
    let spec = TINY.replace("steps = 12", "steps = 20").replace(MODE, CHALLENGED);
    let (spec, work) = (write(&dir, "challenged.toml", &spec), text(&dir.join("work")));
    for verb in [&["train", &spec][..], &["commit"]] {
        assert_eq!(run(verb.iter().copied().chain(["--work", &work])).code, 0);
    }
    let refused = |arguments: &[&str], reason: &str| {
        let done = run(arguments.iter().copied().chain(["--work", &work]));
        assert_eq!(done.code, 2, "{arguments:?}");
        assert!(done.reason().contains(reason), "{}", done.stderr);
    };
    refused(&["disclose"], "first-beacon.bin: not there: run `pogo challenge` first");
    let first = run(["challenge", "--work", &work, "--beacon", FIRST, "--json"]);
    assert_eq!(first.json()["segments"].as_array().expect("a list").len(), 8);
    refused(&["challenge", "--beacon", BEACON], "a beacon is never drawn again");
    refused(&["open"], "beacon.bin: not there: run `pogo challenge` first");
    assert!(!dir.join("work/beacon.bin").exists(), "no cell is drawn before the disclosure");
}

#[test]
fn a_round_without_its_disclosure_or_with_another_is_refused() {
    let work = folder().join("work");
    copy_files(&TRACED, &work);
    let file = work.join("disclosure.bin");
    let disclosure = fs::read(&file).expect("it reads");
    let refused = || {
        let done = run(["verify", &text(&work)]);
        assert_eq!(done.code, 1);
        done.reason().to_owned()
    };
    fs::remove_file(&file).expect("removed");
    assert!(refused().contains("disclosure"), "{}", refused());
    for at in [15, 50, disclosure.len() - 1] {
        let mut other = disclosure.clone();
        other[at] ^= 1;
        fs::write(&file, other).expect("written");
        refused();
    }
    fs::write(&file, &disclosure).expect("written");
    assert_eq!(run(["verify", &text(&work), "--first-beacon", FIRST]).code, 0);
    assert_eq!(run(["verify", &text(&work), "--first-beacon", BEACON]).code, 1);
    // Everything recomputed is what was published, bare records and disclosed ones.
    let replayed = run(["replay", "--work", &text(&work), "--all", "--json"]);
    assert_eq!(replayed.code, 0, "{}", replayed.stderr);
    let audited = run(["audit", "--work", &text(&work), "--json"]);
    assert_eq!((audited.code, audited.json()["steps"].as_array().map(Vec::len)), (0, Some(4)), "{}", audited.stderr);
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
