//! An attester proves cells of its own evaluation, and anybody checks them from files alone.

use std::fs;
use std::path::Path;

use super::*;

/// `pogo attest --prove CELL ..`.
fn prove(work: &Path, cells: &[&str]) -> Finished {
    let (work, cells) = (text(work), cells.iter().flat_map(|cell| ["--prove", *cell]));
    let fixed = ["attest", "--work", &work, "--device", "cpu", "--json"];
    run(fixed.into_iter().chain(cells))
}

fn verify(dir: &Path) -> Finished {
    run(["verify", &text(dir), "--json"])
}

#[test]
fn cells_of_evaluations_are_proven_published_and_verified() {
    let work = copy_of_round();
    assert_eq!(verify(&work).json()["evaluations"], 0);
    let done = prove(&work, &["0:dequantize:0:3", "1:link:0:0"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let files: Vec<String> = done.json()["evaluations"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|file| file.as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(files.len(), 2);

    let published = folder().join("published");
    assert_eq!(run(["publish", "--work", &text(&work), &text(&published)]).code, 0);
    let verified = verify(&published);
    assert_eq!((verified.code, &verified.json()["evaluations"]), (0, &2.into()), "{}", verified.stderr);

    // A proof is of one cell and one attester.
    let proof = files.iter().find(|file| file.contains("dequantize")).expect("a dequantize cell");
    let (attester, _) = proof.trim_start_matches("evaluations/").split_once('-').expect("ATTESTER-CELL");
    let other = files.iter().find(|file| file.contains("link")).expect("a link cell");
    let (second, _) = other.trim_start_matches("evaluations/").split_once('-').expect("ATTESTER-CELL");
    assert_ne!(attester, second);
    for moved in [proof.replace(attester, second), proof.replace("-0-3", "-0-4")] {
        let (from, to) = (published.join(proof), published.join(&moved));
        fs::rename(&from, &to).expect("moved");
        let refused = verify(&published);
        assert_eq!(refused.code, 1, "{}", refused.stderr);
        assert!(refused.reason().contains(&moved) && refused.reason().contains("not verified"), "{}", refused.stderr);
        fs::rename(&to, &from).expect("moved back");
    }
    let nameless = published.join("evaluations/something.proof");
    fs::copy(published.join(proof), &nameless).expect("copied");
    assert!(verify(&published).reason().contains("expected the name ATTESTER-CELL.proof"));
    fs::remove_file(nameless).expect("removed");

    // The signed loss is in the statement, and the signature over it.
    let vote = published.join(format!("attestations/{attester}.attestation"));
    let mut bytes = fs::read(&vote).expect("it reads");
    let loss_after = bytes.len() - 65 - 64 - 1;
    bytes[loss_after] ^= 1;
    fs::write(&vote, bytes).expect("written");
    let refused = verify(&published);
    assert_eq!(refused.code, 1);
    assert!(refused.reason().contains("signed by"), "{}", refused.stderr);
}

#[test]
fn cells_that_an_evaluation_does_not_have_are_refused() {
    let work = copy_of_round();
    for (cell, expected) in [
        ("0:update:0:0", "the evaluation of attester 0 has no cell update:0:0"),
        ("2:link:1:0", "the evaluation of attester 2 has no cell link:1:0"),
        ("3:link:0:0", "expected an attester, 0 to 2"),
        ("link:0:0", "expected an attester, 0 to 2"),
    ] {
        let refused = prove(&work, &[cell]);
        assert_eq!(refused.code, 2, "{cell}: {}", refused.stderr);
        assert!(refused.stderr.contains(expected), "{cell}: {}", refused.stderr);
    }
}
