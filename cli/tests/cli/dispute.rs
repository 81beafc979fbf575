//! Disputes: an honest miner wins the bond of a false one, a lying miner loses its own to a true one.

use std::fs;
use std::path::{Path, PathBuf};

use pogo_circuits::round::Shape;
use pogo_protocol::challenge::{self, UpdateSample};
use pogo_protocol::codec::scalar_bytes;
use pogo_protocol::fixed;
use pogo_protocol::model::{Schedule, Spec, State, TraceMode};
use pogo_protocol::statement::Context;
use pogo_prover::attack::mine::Mined;
use pogo_prover::data::digits;
use pogo_prover::device::Device;
use pogo_prover::error::hex;
use pogo_prover::round::Round;
use pogo_prover::store::Store;
use pogo_prover::train::Job;

use super::provenance::{SECOND, copy};
use super::*;

/// A copy of the round as it was before its verdict.
pub(crate) fn before_the_verdict() -> PathBuf {
    let work = copy_of_round();
    fs::remove_file(work.join("verdict.bin")).expect("there is a verdict");
    work
}

/// A verb of `pogo dispute`.
pub(crate) fn dispute(verb: &str, work: &Path, arguments: &[&str]) -> Finished {
    run(["dispute", verb, "--work", &text(work), "--json"].into_iter().chain(arguments.iter().copied()))
}

/// `pogo finalize`.
pub(crate) fn finalize(work: &Path) -> Finished {
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
        (&["--cell", "quantize:26"], "expected a leaf below 26"),
        (&["--cell", "init:0"], "expected update or quantize: the round commits to no traces"),
        (&["--cell", "loss:3:17"], "expected update or quantize: the round commits to no traces"),
        (&["--cell", "update:6:11", "--attester", "4"], "is disputed already"),
        (&["--cell", "update:6:12", "--attester", "3"], "signed about update:6:11 already"),
        // The attesters 0 to 2 signed that all is well.
        (&["--cell", "update:6:12", "--attester", "0"], "signed already, and two signatures are slashed"),
        (&["--cell", "forward:1"], "expected KIND:STEP:INDEX as in update:3:17"),
    ] {
        let done = dispute("open", &work, arguments);
        assert_eq!(done.code, 2, "{arguments:?}: {}", done.stderr);
        assert!(done.stderr.contains(reason), "{arguments:?}: {}", done.stderr);
    }
}

#[test]
fn a_dispute_of_a_later_round_measures_the_parent_that_the_votes_measure() {
    let work = copy(&SECOND);
    fs::remove_file(work.join("verdict.bin")).expect("there is a verdict");
    // Attester 0 takes its vote back, and measures the same records once more for its dispute.
    let votes = run(["attest", "--work", &text(&work), "--json"]).json();
    let vote = &votes["attestations"][0];
    let attester = vote["attester"].as_str().expect("an address");
    fs::remove_file(work.join(format!("attestations/{attester}.attestation"))).expect("it voted");
    let done = dispute("open", &work, &["--cell", "quantize:3", "--attester", "0"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let opened = run(["inspect", &text(&work.join("disputes/quantize-3.dispute")), "--json"]).json();
    let opened = &opened["attestations"][0];
    for field in ["attester", "evaluated", "loss_before", "loss_after"] {
        assert_eq!(opened[field], vote[field], "{field}");
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

/// The step and leaf of the one lie.
const LIE: UpdateSample = UpdateSample { step: 6, leaf: 11 };

/// Trains a round in `work` and then exchanges its files for those of a miner who changed one code of
/// [`LIE`], with the weight that it moves. Returns a beacon that does not draw a cell of that step.
fn lie(work: &Path) -> String {
    mine(work, LIE.step, |job| {
        let place = job.round.layout.place(LIE.leaf);
        let at = place.index_in_tensor * fixed::LEAF;
        let mined = Mined::new(job, State::initial(&job.round.spec), |t, draft| {
            if t == LIE.step {
                let code = &mut draft.codes[place.tensor][at];
                *code += if *code < 7 { 1 } else { -1 };
                let before = draft.before.weights[place.tensor][at];
                draft.after.weights[place.tensor][at] = fixed::update(before, (*code).into(), draft.learning_rate);
            }
        });
        mined.expect("the steps run")
    })
}

/// Trains a round in `work` and then exchanges its files for those of this miner. Returns a beacon that
/// does not draw a cell of `step`.
pub(crate) fn mine(work: &Path, step: u32, miner: impl for<'a> FnOnce(Job<'a>) -> Mined<'a>) -> String {
    let spec = write(work.parent().expect("it lies in a folder"), "tiny.toml", TINY);
    assert_eq!(run(["train", &spec, "--work", &text(work)]).code, 0);
    let setup = run(["inspect", &text(&work.join("setup.bin")), "--json"]).json();
    let data = digits();
    let spec = Spec {
        name: "tiny".into(),
        layers: vec![64, 16, 10],
        batch: 64,
        steps: 12,
        checkpoint_every: 1,
        learning_rate: 65536,
        schedule: Schedule::Constant,
        warmup: 0,
        seed: 1,
        trace: TraceMode::None,
        data_root: scalar_bytes(&pogo_prover::commit::data_root(&data.train)),
    };
    assert_eq!(setup["spec_hash"], hex(&spec.hash()));
    let bytes = |field: &str| -> Vec<u8> {
        let digits = setup[field].as_str().expect("a text").trim_start_matches("0x");
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("a byte")).collect()
    };
    let context = Context {
        chain_id: setup["chain id"].as_str().expect("a text").parse().expect("a number"),
        contract: bytes("contract").try_into().expect("20 bytes"),
        task: bytes("task").try_into().expect("32 bytes"),
        round: 0,
        miner: bytes("round.miner").try_into().expect("20 bytes"),
    };
    let round = Round::new(spec, context, Shape::MINIMAL).expect("the model fits");
    let job = Job { round: &round, data: &data.train, device: &Device::Cpu };
    let mined = miner(job);
    mined.write(&Store::open(work).expect("the directory opens")).expect("the files are written");
    let misses = |beacon: &[u8; 32]| {
        let drawn = challenge::draw(*beacon, mined.commitment.hash(), 12, round.layout.leaf_count(), 8);
        drawn.updates.iter().all(|sample| sample.step != step)
    };
    let beacon = (0..=255).map(|byte| [byte; 32]).find(misses).expect("half of all draws miss a step");
    hex(&beacon)
}

#[test]
fn one_honest_attester_slashes_a_liar_whom_everybody_else_votes_for() {
    let work = folder().join("work");
    let beacon = lie(&work);
    let at = text(&work);
    for verb in [&["commit"][..], &["challenge", "--beacon", &beacon], &["open"], &["prove"]] {
        let done = run(verb.iter().copied().chain(["--work", &at]));
        assert_eq!(done.code, 0, "{verb:?}: {}", done.stderr);
    }
    // The proof of the drawn cells is accepted; replay names the lie.
    assert_eq!(run(["verify", &at]).code, 0);
    let replayed = run(["replay", "--work", &at, "--step", "6"]);
    assert_eq!(replayed.code, 1);
    assert!(replayed.stderr.contains("step 6, leaf 11 (tensor 0, row 11), code 0: expected"), "{}", replayed.stderr);

    // Attester 2 is honest; 0 and 1 sign that all is well.
    let opened = dispute("open", &work, &["--cell", "update:6:11", "--attester", "2"]);
    assert_eq!(opened.code, 0, "{}", opened.stderr);
    let votes = run(["attest", "--work", &at, "--json"]).json();
    let positive: Vec<bool> = votes["attestations"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|vote| vote["positive"].as_bool().expect("a sign"))
        .collect();
    assert_eq!(positive, [true, true, false]);

    let answered = dispute("answer", &work, &[]);
    assert_eq!(answered.code, 1);
    assert!(answered.reason().contains("no answer is possible: update:6:11: "), "{}", answered.stderr);
    let done = finalize(&work);
    assert_eq!(done.code, 1);
    assert!(done.reason().contains("rejected: the disputed cell update:6:11 was not proven"), "{}", done.stderr);
    let verdict = done.json();
    assert_eq!(verdict["votes"], serde_json::json!([200, 100, 300, 300]));
    assert_eq!(verdict["slash"]["reporter"], opened.json()["disputes"][0]["disputer"]);
    assert_eq!(verdict["slash"]["rewarded"], 500);
}
