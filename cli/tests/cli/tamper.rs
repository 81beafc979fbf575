//! Files that were changed after the fact: found, named, exit code 1, one line.

use std::fs;
use std::path::Path;

use super::*;

/// Verifies a copy of the round whose file `name` holds `content`.
fn verify_with(work: &Path, name: &str, content: &[u8]) -> Finished {
    fs::write(work.join(name), content).expect("the file is written");
    run(["verify", &text(work)])
}

fn flip(content: &[u8], bit: usize) -> Vec<u8> {
    let mut changed = content.to_vec();
    changed[bit / 8] ^= 1 << (bit % 8);
    changed
}

#[test]
fn a_flipped_bit_of_the_proof_is_refused() {
    let work = copy_of_round();
    let name = "proofs/part-000.proof";
    let proof = fs::read(work.join(name)).expect("the proof reads");
    for bit in (0..proof.len() * 8).step_by(97) {
        let done = verify_with(&work, name, &flip(&proof, bit));
        assert_eq!(done.code, 1, "bit {bit}: {}", done.stderr);
        assert!(done.reason().starts_with("not verified: "), "{}", done.stderr);
    }
}

#[test]
fn a_truncated_or_extended_proof_is_refused() {
    let work = copy_of_round();
    let name = "proofs/part-000.proof";
    let proof = fs::read(work.join(name)).expect("the proof reads");
    for length in [0, 1, 41, 42, proof.len() / 2, proof.len() - 1] {
        assert_eq!(verify_with(&work, name, &proof[..length]).code, 1, "{length} bytes");
    }
    let done = verify_with(&work, name, &[&proof[..], &[0]].concat());
    assert_eq!((done.code, done.reason()), (1, "not verified: proof: 1 bytes after the end"));
}

#[test]
fn a_changed_bit_of_any_other_published_file_is_refused() {
    for name in ["setup.bin", "commitment.bin", "beacon.bin", "statements/part-000.statement"] {
        let work = copy_of_round();
        let content = fs::read(work.join(name)).expect("the file reads");
        // The last byte of beacon.bin tells its source, of which the proof knows nothing. The number of
        // records is in statements of cells that open data, which mode `none` does not draw.
        let records = content.windows(4).position(|bytes| bytes == 1437u32.to_be_bytes());
        let free = match name {
            "setup.bin" => records.map(|at| at..at + 4).expect("the digits have 1,437 records to train on"),
            "beacon.bin" => content.len() - 1..content.len(),
            _ => 0..0,
        };
        let bytes = (0..content.len()).filter(|byte| !free.contains(byte));
        for bit in bytes.map(|byte| byte * 8 + byte % 8) {
            let done = verify_with(&work, name, &flip(&content, bit));
            assert_eq!(done.code, 1, "{name}, bit {bit}: {}", done.stderr);
            done.reason();
        }
    }
}

#[test]
fn a_missing_proof_is_refused() {
    let work = copy_of_round();
    fs::remove_file(work.join("proofs/part-000.proof")).expect("it was there");
    let done = run(["verify", &text(&work)]);
    assert_eq!((done.code, done.reason()), (1, "not verified: proofs: expected 1, got 0"));
}

#[test]
fn an_edited_code_is_found_by_replay_with_its_step_and_leaf() {
    let work = copy_of_round();
    let log = work.join("updates.log");
    let mut content = fs::read(&log).expect("the log reads");
    // 26 leaves of 32 bytes, framed by a length of 4 and a checksum of 8; code 10 of leaf 3 in step 7.
    let at = 7 * (26 * 32 + 12) + 4 + 3 * 32 + 5;
    content[at] = if content[at] & 15 == 0 { content[at] + 1 } else { content[at] - 1 };
    fs::write(&log, content).expect("the log is written");
    for arguments in [&["--all"][..], &["--step", "7"], &["--steps", "5..9"]] {
        let done = run(["replay", "--work", &text(&work)].into_iter().chain(arguments.iter().copied()));
        assert_eq!(done.code, 1, "{}", done.stderr);
        assert!(done.reason().contains("step 7, leaf 3 (tensor 0, row 3), code 10: expected "), "{}", done.stderr);
    }
    assert_eq!(run(["replay", "--work", &text(&work), "--steps", "8..12"]).code, 0);
    // Sampling knows nothing of it: the published round still verifies.
    assert_eq!(run(["verify", &text(&work)]).code, 0);
}

#[test]
fn an_untouched_round_replays_exactly() {
    let done = run(["replay", "--work", &text(&copy_of_round()), "--json"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(done.json()["differences"], serde_json::json!([]));
}

#[test]
fn an_edited_record_ends_the_replay() {
    let work = copy_of_round();
    let log = work.join("records.log");
    let mut content = fs::read(&log).expect("the log reads");
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(&log, content).expect("the log is written");
    assert_eq!(run(["replay", "--work", &text(&work)]).code, 1);
}

#[test]
fn another_commitment_in_the_directory_is_refused() {
    let work = copy_of_round();
    let name = work.join("commitment.bin");
    let content = fs::read(&name).expect("the commitment reads");
    fs::write(&name, flip(&content, 8 * 90)).expect("the file is written");
    for verb in ["commit", "open", "attest", "finalize", "run"] {
        assert_eq!(run([verb, "--work", &text(&work)]).code, 1, "{verb}");
    }
}

#[test]
fn a_commitment_to_another_number_of_steps_is_found_by_replay() {
    let work = copy_of_round();
    let name = work.join("commitment.bin");
    let content = fs::read(&name).expect("the commitment reads");
    // Magic 8, version 2, four roots of 32, five exponents after their count, two roots and a hash of 32,
    // then the steps: 12, now 8 or 28.
    for bit in [2, 4] {
        fs::write(&name, flip(&content, 8 * 261 + bit)).expect("the file is written");
        for arguments in [&["--all"][..], &["--segments", "all"]] {
            let done = run(["replay", "--work", &text(&work)].into_iter().chain(arguments.iter().copied()));
            assert_eq!(done.code, 1, "{}", done.stderr);
            assert!(done.reason().contains("commitment: steps is not the one"), "{}", done.stderr);
        }
    }
}

#[test]
fn an_attestation_that_was_changed_is_refused() {
    let work = copy_of_round();
    let name = files(&work).into_keys().find(|name| name.starts_with("attestations/")).expect("there is one");
    let content = fs::read(work.join(&name)).expect("the attestation reads");
    for byte in (0..content.len()).step_by(7) {
        fs::write(work.join(&name), flip(&content, byte * 8)).expect("the file is written");
        assert_eq!(run(["finalize", "--work", &text(&work)]).code, 1, "byte {byte}");
    }
}
