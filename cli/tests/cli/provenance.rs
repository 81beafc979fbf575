//! Rounds that start from other rounds, the chain from a model back to a seed, and who can answer a
//! challenge.

use std::fs;

use pogo_protocol::stream::keccak;
use pogo_prover::attack::mine::Mined;

use super::dispute::{before_the_verdict, dispute, finalize, mine};
use super::*;

/// Round 1 of the task of [`ROUND`].
pub(crate) static SECOND: LazyLock<PathBuf> = LazyLock::new(|| {
    let work = folder().join("second");
    let done = run(["run", "--parent", &text(&ROUND), "--work", &text(&work), "--beacon", BEACON, "--json"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    work
});

/// Another task, fine-tuned from [`SECOND`].
static TUNED: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = folder();
    let spec = write(&dir, "tuned.toml", &tuned());
    let work = dir.join("tuned");
    let done = run(["run", &spec, "--fine-tune", &text(&SECOND), "--work", &text(&work), "--beacon", BEACON]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    work
});

fn tuned() -> String {
    TINY.replace("\"tiny\"", "\"tuned\"").replace("learning_rate = 65536", "learning_rate = 16384")
}

/// A copy of a round that a test may change.
pub(crate) fn copy(from: &Path) -> PathBuf {
    let target = folder().join("copy");
    copy_files(from, &target);
    target
}

/// What a round publishes, with these options.
pub(crate) fn published(work: &Path, options: &[&str]) -> PathBuf {
    let out = folder().join("published");
    let done = run(["publish", "--work", &text(&copy(work)), &text(&out)].into_iter().chain(options.iter().copied()));
    assert_eq!(done.code, 0, "{}", done.stderr);
    out
}

fn provenance(model: &Path, rounds: &[&Path]) -> Finished {
    let rounds: Vec<String> = rounds.iter().map(|round| text(round)).collect();
    let model = text(model);
    run(["provenance", "--json", &model, "--rounds"].into_iter().chain(rounds.iter().map(String::as_str)))
}

fn final_state(work: &Path) -> PathBuf {
    work.join("checkpoints/0000000012.state")
}

/// Changes the last exponent of a state, which no state root holds, under a checksum that fits.
fn change_exponent(file: &Path) {
    let mut content = fs::read(file).expect("the state reads");
    content.truncate(content.len() - 32);
    // Magic 8, version 2, count 4, then five exponents.
    content[8 + 2 + 4 + 5 * 4 - 1] ^= 1;
    let seal = keccak(&[&content]);
    fs::write(file, [&content[..], &seal].concat()).expect("the state is written");
}

fn roots(work: &Path) -> Value {
    run(["inspect", "--json", &text(&work.join("commitment.bin"))]).json()
}

#[test]
fn a_second_round_goes_on_from_the_whole_final_state() {
    let work = copy(&SECOND);
    let (before, after) = (roots(&ROUND), roots(&work));
    assert_eq!(after["parent_root"], before["state_root"]);
    let read = |file: PathBuf| fs::read(file).expect("the state reads");
    assert!(read(work.join("checkpoints/0000000000.state")) == read(final_state(&ROUND)));
    let done = run(["replay", "--work", &text(&work), "--segments", "all"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let setup = run(["inspect", "--json", &text(&work.join("setup.bin"))]).json();
    assert_eq!(setup["round.number"], "1");
    let hash = before["commitment"].as_str().expect("it is text");
    assert_eq!(setup["round.start"], format!("the final state of {hash}"));
    // A second start needs no parent and changes nothing.
    let again = run(["run", "--work", &text(&work), "--json"]);
    assert_eq!((again.code, &again.json()["state_root"]), (0, &after["state_root"]), "{}", again.stderr);
    let expected: BTreeMap<_, _> = files(&SECOND).into_iter().filter(|(name, _)| name != "report.html").collect();
    let got: BTreeMap<_, _> = files(&work).into_iter().filter(|(name, _)| name != "report.html").collect();
    assert!(expected == got);
}

#[test]
fn a_published_copy_with_its_state_is_a_parent_too() {
    let parent = published(&ROUND, &["--state"]);
    let work = text(&folder().join("work"));
    let done = run(["train", "--parent", &text(&parent), "--work", &work]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let done = run(["commit", "--work", &work, "--json"]);
    assert_eq!(done.json()["commitment"], roots(&SECOND)["commitment"]);
}

#[test]
fn fine_tuning_takes_weights_only() {
    let start = text(&TUNED.join("checkpoints/0000000000.state"));
    assert_eq!(run(["inspect", "--json", &start]).json()["exponents"], "none yet");
    assert_ne!(roots(&TUNED)["parent_root"], roots(&SECOND)["state_root"]);
    let done = run(["replay", "--work", &text(&copy(&TUNED))]);
    assert_eq!(done.code, 0, "{}", done.stderr);
}

#[test]
fn what_is_no_finalized_round_is_no_parent() {
    let (fresh, unfinished) = (text(&folder().join("work")), copy(&ROUND));
    fs::remove_file(unfinished.join("verdict.bin")).expect("it was there");
    let (bare, forged) = (published(&ROUND, &[]), published(&ROUND, &["--state"]));
    change_exponent(&final_state(&forged));
    let other = write(&folder(), "spec.toml", &TINY.replace("seed = 1", "seed = 2"));
    let (whole, bare, forged, unfinished) = (text(&ROUND), text(&bare), text(&forged), text(&unfinished));
    for (arguments, code, message) in [
        (vec!["--parent", &unfinished], 3, "verdict.bin"),
        (vec!["--parent", &bare], 3, "0000000012.state"),
        (vec!["--parent", &forged], 1, "is not the final state of the commitment"),
        (vec!["--parent", &whole, &other], 2, "--parent: spec hash: expected 0x"),
        (vec!["--fine-tune", &whole, &other], 0, ""),
        (vec!["--parent", &whole], 2, "this directory holds another round"),
        (vec!["--fine-tune", &whole], 2, "model.layers: expected [64, 16, 10], got [64, 64, 10]"),
        (vec!["--fine-tune", &whole, "--parent", &whole], 2, "cannot be used with"),
    ] {
        let done = run(["train", "--work", &fresh].into_iter().chain(arguments.iter().copied()));
        assert_eq!(done.code, code, "{arguments:?}: {}", done.stderr);
        assert!(done.stderr.contains(message), "{arguments:?}: {}", done.stderr);
    }
    let same = write(&folder(), "spec.toml", TINY);
    let done = run(["train", &same, "--work", &text(&folder().join("work")), "--fine-tune", &whole]);
    assert_eq!(done.code, 2);
    assert!(done.reason().contains("expected the spec of another task"), "{}", done.stderr);
}

#[test]
fn a_start_that_is_lost_or_left_over_is_named() {
    let (lost, left) = (copy(&SECOND), copy(&ROUND));
    let start = lost.join("checkpoints/0000000000.state");
    fs::copy(&start, left.join("checkpoints/0000000000.state")).expect("it is copied");
    fs::remove_file(&start).expect("it was there");
    for (work, code, message) in [(lost, 2, "not there, the round starts from"), (left, 1, "starts from the seed")] {
        let done = run(["replay", "--work", &text(&work)]);
        assert_eq!(done.code, code, "{}", done.stderr);
        assert!(done.reason().contains(message), "{}", done.stderr);
    }
}

#[test]
fn a_start_that_is_not_the_end_of_the_parent_is_named() {
    let work = copy(&SECOND);
    change_exponent(&work.join("checkpoints/0000000000.state"));
    let done = run(["train", "--parent", &text(&ROUND), "--work", &text(&work)]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(done.reason().contains("0000000000.state: is not the state that the round starts from"), "{}", done.stderr);
}

#[test]
fn a_model_is_followed_back_to_its_seed() {
    let rounds = [published(&SECOND, &["--state"]), published(&ROUND, &[]), published(&TUNED, &["--model"])];
    let rounds = rounds.each_ref().map(PathBuf::as_path);
    for model in [final_state(&TUNED), rounds[2].join("model.bin")] {
        let before = rounds.map(files);
        let done = provenance(&model, &rounds);
        assert_eq!(done.code, 0, "{}", done.stderr);
        let table = done.json();
        assert_eq!(table["complete"], true);
        let found = table["rounds"].as_array().expect("it is a list");
        let names: Vec<_> = found.iter().map(|round| (&round["name"], &round["round"])).collect();
        assert_eq!(names, [(&"tuned".into(), &0.into()), (&"tiny".into(), &1.into()), (&"tiny".into(), &0.into())]);
        assert_eq!(found[1]["parent_root"], found[2]["state_root"]);
        assert!(found.iter().all(|round| round["verdict"] == "finalized"));
        assert_eq!(found[1]["parent_exponents"], found[2]["exponents"]);
        assert!([0, 2].iter().all(|&fresh| found[fresh]["parent_exponents"] == format!("0x{}", "00".repeat(32))));
        assert!(before == rounds.map(files), "it writes nothing");
    }
    // The 4-bit model of an earlier round has a shorter chain.
    let done = provenance(&published(&SECOND, &["--model"]).join("model.bin"), &rounds);
    assert_eq!((done.code, done.json()["rounds"].as_array().map(Vec::len)), (0, Some(2)), "{}", done.stderr);
    assert_eq!(done.json()["kind"], "4-bit model");
}

#[test]
fn a_first_record_that_gives_exponents_to_the_first_step_is_refused() {
    let work = folder().join("work");
    let beacon = mine(&work, 0, |job| {
        // A lie that moves no weight: the first step is told the exponents that it finds by itself.
        let Mined { states, codes, mut trace, .. } = Mined::honest(job).expect("the steps run");
        trace.records[0].next_exponents = trace.records[1].exponents.clone();
        Mined::committed(job, states, codes, trace.records).expect("the states are in range")
    });
    let at = text(&work);
    for verb in [&["commit"][..], &["challenge", "--beacon", &beacon], &["open"], &["prove"]] {
        let done = run(verb.iter().copied().chain(["--work", &at]));
        assert_eq!(done.code, 0, "{verb:?}: {}", done.stderr);
    }
    let done = run(["verify", &at, "--beacon", &beacon]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(done.reason().contains("commitment: parent exponents does not fit the spec"), "{}", done.stderr);
}

#[test]
fn a_forged_dispute_breaks_the_link() {
    let work = before_the_verdict();
    assert_eq!(dispute("open", &work, &["--cell", "quantize:3"]).code, 0);
    assert_eq!(dispute("answer", &work, &[]).code, 0);
    assert_eq!(finalize(&work).code, 0);
    let copy = published(&work, &["--state"]);
    let done = provenance(&final_state(&copy), &[&copy]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    // One bit of r: magic, version, bond, and the attestation, which ends with r 32, s 32, v 1.
    let file = copy.join("disputes/quantize-3.dispute");
    let mut content = fs::read(&file).expect("the dispute reads");
    let at = content.len() - 40;
    content[at] ^= 1;
    fs::write(&file, content).expect("the dispute is written");
    let next = text(&folder().join("next"));
    for done in [provenance(&final_state(&copy), &[&copy]), run(["train", "--parent", &text(&copy), "--work", &next])] {
        assert_eq!(done.code, 1, "{}", done.stderr);
        assert!(done.reason().contains("disputes/quantize-3.dispute: sign"), "{}", done.stderr);
    }
}

#[test]
fn a_broken_link_is_named_and_what_holds_is_shown() {
    let (second, first, tuned) = (published(&SECOND, &["--state"]), published(&ROUND, &[]), published(&TUNED, &[]));
    let (whole, state) = (final_state(&SECOND), final_state(&TUNED));
    let broken = |model: &Path, rounds: &[&Path], held: usize, message: &str| {
        let done = provenance(model, rounds);
        assert_eq!(done.code, 1, "{message}: {}", done.stderr);
        assert!(done.reason().contains(message), "{message}: {}", done.stderr);
        let shown = done.json()["rounds"].as_array().expect("it is a list").len();
        assert_eq!((&done.json()["complete"], shown), (&false.into(), held), "{message}");
    };
    broken(&whole, &[&second], 0, "the folder of that round is not given");
    broken(&state, &[&tuned, &second], 1, "the folder of that round is not given");
    // A round that says it started from the seed: the proofs know nothing of it, its parent root does.
    let setup = fs::read(tuned.join("setup.bin")).expect("the setup reads");
    let (head, source) = setup.split_at(setup.len() - 14);
    let (head, start) = head.split_at(head.len() - 33);
    assert_eq!(start[0], 2);
    let liar = copy(&tuned);
    fs::write(liar.join("setup.bin"), [head, &[0], source].concat()).expect("the setup is written");
    broken(&state, &[&liar, &second, &first], 0, "parent root: expected 0x");
    // One that names the wrong round as its origin.
    let hash = roots(&ROUND)["commitment"].as_str().map(|text| text[2..].to_owned()).expect("it is text");
    let hash: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&hash[2 * i..2 * i + 2], 16).expect("digits")).collect();
    fs::write(liar.join("setup.bin"), [head, &[2], &hash, source].concat()).expect("the setup is written");
    broken(&state, &[&liar, &second, &published(&ROUND, &["--state"])], 0, "parent root: expected 0x");
    // A changed proof, and votes that nobody cast, in the middle.
    let verdict = "verdict.bin: is not the one that the attestations give";
    for (name, message) in [("proofs/part-000.proof", "not verified: "), ("verdict.bin", verdict)] {
        let bad = copy(&second);
        let mut content = fs::read(bad.join(name)).expect("it reads");
        let at = content.len() - 9;
        content[at] ^= 1;
        fs::write(bad.join(name), content).expect("it is written");
        broken(&state, &[&tuned, &bad, &first], 1, message);
    }
}

#[test]
fn a_model_nobody_committed_to_has_no_provenance() {
    let round = published(&ROUND, &["--model"]);
    let file = round.join("model.bin");
    let mut content = fs::read(&file).expect("the model reads");
    content[18] ^= 1;
    fs::write(&file, &content).expect("the model is written");
    let done = provenance(&file, &[&round]);
    assert_eq!(done.code, 1);
    assert!(done.reason().contains("no given round has committed to it: its root is 0x"), "{}", done.stderr);
    // Exponents are in no root of a model: the commitment has those of the state and of the 4-bit one.
    content[18] ^= 1;
    content[13] ^= 1;
    fs::write(&file, content).expect("the model is written");
    let state = folder().join("other.state");
    fs::copy(final_state(&ROUND), &state).expect("the state is copied");
    change_exponent(&state);
    for (model, expected) in [(&file, "exponents: expected ["), (&state, "exponents: expected Some(Exponents")] {
        let done = provenance(model, &[&ROUND]);
        assert_eq!(done.code, 1, "{}", done.stderr);
        assert!(done.reason().contains(expected), "{}", done.stderr);
    }
    let done = provenance(&round.join("setup.bin"), &[&round]);
    assert_eq!(done.code, 1);
    assert!(done.reason().contains("expected a state or a 4-bit model"), "{}", done.stderr);
    let round = text(&round);
    for arguments in [
        vec!["provenance"],
        vec!["provenance", &round],
        vec!["provenance", "--challenge", "00"],
        vec!["provenance", "--challenge", "00", "--out", &round],
    ] {
        assert_eq!(run(arguments.clone()).code, 2, "{arguments:?}");
    }
}

#[test]
fn only_who_holds_the_steps_answers_a_challenge() {
    let nonce = "c4".repeat(32);
    let answer = |work: &Path, out: &Path| {
        run(["provenance", "--challenge", &nonce, "--work", &text(work), "--out", &text(out), "--json"])
    };
    let (owner, out) = (copy(&ROUND), folder().join("answer"));
    let before = files(&owner);
    let done = answer(&owner, &out);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(before == files(&owner), "the round itself stays as it is");
    assert_eq!(done.json()["commitment"], roots(&ROUND)["commitment"]);
    let verified = run(["verify", &text(&out), "--beacon", &nonce, "--json"]);
    assert_eq!(verified.code, 0, "{}", verified.stderr);
    assert_eq!(verified.json()["commitment"], roots(&ROUND)["commitment"]);
    assert_eq!(run(["verify", &text(&out), "--beacon", BEACON]).code, 1, "an answer is to one number");
    assert_eq!(answer(&owner, &out).code, 2, "an answer is not written over another");
    for (options, lacks) in [(&["--model"][..], "records.log"), (&["--model", "--state"], "records.log")] {
        let (thief, out) = (published(&ROUND, options), folder().join("answer"));
        let done = answer(&thief, &out);
        assert_eq!(done.code, 1, "{}", done.stderr);
        assert!(done.reason().contains(lacks), "{}", done.stderr);
        assert!(done.reason().contains("the round was not trained here"), "{}", done.stderr);
        assert!(!out.exists());
    }
    // Codes of all steps alone, without the final state, are not enough either.
    let thief = published(&ROUND, &[]);
    for log in ["records.log", "updates.log"] {
        fs::copy(ROUND.join(log), thief.join(log)).expect("the log is copied");
    }
    let done = answer(&thief, &folder().join("answer"));
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(done.reason().contains("0000000012.state: not there"), "{}", done.stderr);
}
