//! Proofs of cells of evaluations in a round's folder: `evaluations/ATTESTER-CELL.proof`, as in
//! `evaluations/0x12..-loss-0-17.proof`.
//!
//! Commitment and attestation give the statement, so a proof is all there is to keep.

use std::path::Path;

use pogo_circuits::round::Shape;
use pogo_protocol::attest::{Address, SignedAttestation};
use pogo_protocol::cell::Cell;
use pogo_protocol::evaluation::PublicEvaluation;
use pogo_prover::error::hex;
use pogo_prover::round::Round;
use pogo_verifier::Verifier;

use crate::commands::attest;
use crate::failure::Failure;
use crate::workspace::{Published, list_folder, parse, read, srs_id};

/// Folder of the proofs.
pub(crate) const FOLDER: &str = "evaluations";

/// File of the proof of a cell of an attester's evaluation.
pub(crate) fn file(attester: &Address, cell: Cell) -> String {
    format!("{FOLDER}/{}-{}.proof", hex(attester), cell.to_string().replace(':', "-"))
}

/// Checks every proof in the folder of a round against what its attester signed; returns how many there
/// are.
///
/// # Errors
/// [`Failure`] naming the file that is of no cell, or does not show it.
pub(crate) fn verify(dir: &Path, published: &Published) -> Result<u64, Failure> {
    let folder = dir.join(FOLDER);
    let files = if folder.exists() { list_folder(&folder)? } else { Vec::new() };
    if files.is_empty() {
        return Ok(0);
    }
    let Published { setup, commitment, beacon, .. } = published;
    let round = Round::new(setup.spec.clone(), setup.context, Shape::MINIMAL)?;
    let circuits = setup.srs.circuits();
    let public = round.public(commitment, setup.records, beacon.value, &circuits, srs_id(setup.srs)?);
    let mut verifier = Verifier::new(setup.srs);
    for proof in &files {
        let wrong = |what: String| Failure::in_file(proof, what);
        let stem = proof.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.split_once('-'));
        let cell = stem.and_then(|(_, cell)| cell.replace('-', ":").parse::<Cell>().ok());
        let (Some((attester, _)), Some(cell)) = (stem, cell) else {
            return Err(wrong("expected the name ATTESTER-CELL.proof".to_owned()));
        };
        let signed = dir.join(attest::file_of(attester));
        let vote = parse(&signed, SignedAttestation::decode)?;
        vote.verify(&setup.context).map_err(|error| Failure::in_file(&signed, error))?;
        if attest::file(&vote.attestation.attester) != attest::file_of(attester) {
            return Err(Failure::in_file(&signed, "is signed by another attester than its name says"));
        }
        let evaluation = PublicEvaluation::new(public.clone(), round.depths(), &vote.attestation)
            .map_err(|error| Failure::in_file(&signed, error))?;
        let statement =
            evaluation.statement(cell).ok_or_else(|| wrong(format!("the evaluation has no cell {cell}")))?;
        let shown = verifier.verify(&statement.encode(), &read(proof)?);
        shown.map_err(|error| wrong(format!("not verified: {error}")))?;
    }
    Ok(files.len() as u64)
}
