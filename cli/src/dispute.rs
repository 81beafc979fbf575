//! Disputes in a work directory: `disputes/CELL.dispute`, and beside it the answer, `disputes/CELL.proof`.
//!
//! ```text
//! "pogo/dsp" | version u16 | bond u64 | signed attestation blob, whose sign is negative
//! ```
//!
//! A segment is answered by a disclosure, in `disputes/disclosure-N.proof`, which goes on from the
//! steps root `from`:
//!
//! ```text
//! "pogo/dsg" | version u16 | from 32 | count u32 | each: root 32, proof blob
//! ```
//!
//! The negative attestation names the cell. A settlement takes one dispute a cell, so the cell is the
//! name of the file: `update-5-9`, `quantize-9`. Kinds of cells are known to [`Cell`] alone.

use std::path::{Path, PathBuf};

use ark_bn254::Fr;
use pogo_protocol::attest::{Address, Sign, SignedAttestation};
use pogo_protocol::cell::{Cell, Kind};
use pogo_protocol::codec::{CodecError, Reader, Writer};
use pogo_protocol::disclosure::Segments;
use pogo_protocol::settle;
use pogo_protocol::statement::PublicRound;

use crate::failure::Failure;
use crate::workspace::{self, list_folder, parse};

/// Folder of disputes and their answers.
pub(crate) const FOLDER: &str = "disputes";

/// A doubt about one cell, signed, with a bond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dispute {
    /// The doubted cell: that of the attestation's sign.
    pub(crate) cell: Cell,
    /// What the disputer puts at stake.
    pub(crate) bond: u64,
    /// The negative attestation.
    pub(crate) signed: SignedAttestation,
}

/// A dispute of a work directory and the file that answers it.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    /// The dispute.
    pub(crate) dispute: Dispute,
    /// The answer, checked by nobody yet.
    pub(crate) answer: Option<Vec<u8>>,
}

/// The answer to a dispute about a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentAnswer {
    /// Root over the records before.
    pub(crate) from: Fr,
    /// Root over the records after each proof.
    pub(crate) roots: Vec<Fr>,
    /// The proofs.
    pub(crate) proofs: Vec<Vec<u8>>,
}

impl SegmentAnswer {
    /// First bytes of the file.
    pub(crate) const MAGIC: &[u8; 8] = b"pogo/dsg";

    /// Canonical bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let writer = Writer::new(Self::MAGIC).scalar(&self.from).u32(self.roots.len() as u32);
        let parts = self.roots.iter().zip(&self.proofs);
        parts.fold(writer, |writer, (root, proof)| writer.scalar(root).blob(proof)).finish()
    }

    /// Reads what [`SegmentAnswer::encode`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`CodecError`] naming the field.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes, Self::MAGIC, "disclosure of a segment")?;
        let (from, count) = (reader.scalar("from")?, reader.u32("proofs")?);
        let (mut roots, mut proofs) = (Vec::new(), Vec::new());
        for _ in 0..count {
            roots.push(reader.scalar("root")?);
            proofs.push(reader.blob("proof")?.to_vec());
        }
        reader.finish()?;
        Ok(Self { from, roots, proofs })
    }
}

/// The answers about segments in the order in which they go on from `segments`, to which every one
/// that `accept` takes is added. A file that is no answer is none.
pub(crate) fn disclosed_later(
    opened: &[Opened],
    segments: &mut Segments,
    mut accept: impl FnMut(&Segments, u32, &SegmentAnswer) -> bool,
) {
    let answers = opened.iter().filter(|opened| opened.dispute.cell.kind == Kind::Disclosure);
    let decoded = |opened: &Opened| SegmentAnswer::decode(opened.answer.as_ref()?).ok();
    let mut left: Vec<(u32, SegmentAnswer)> =
        answers.filter_map(|opened| Some((opened.dispute.cell.index, decoded(opened)?))).collect();
    while let Some(next) = left.iter().position(|(_, answer)| answer.from == segments.steps_root) {
        let (segment, answer) = left.swap_remove(next);
        if accept(segments, segment, &answer) {
            segments.later.push(segment);
            segments.steps_root = answer.roots.last().copied().unwrap_or(segments.steps_root);
        }
    }
}

impl Dispute {
    /// First bytes of the file.
    pub(crate) const MAGIC: &[u8; 8] = b"pogo/dsp";

    /// A dispute about the cell that a negative attestation names; none for a positive one.
    pub(crate) fn new(signed: SignedAttestation, bond: u64) -> Option<Self> {
        match signed.attestation.sign {
            Sign::Negative(cell) => Some(Self { cell, bond, signed }),
            Sign::Positive => None,
        }
    }

    /// Who doubts.
    pub(crate) fn disputer(&self) -> Address {
        self.signed.attestation.attester
    }

    /// Canonical bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        Writer::new(Self::MAGIC).u64(self.bond).blob(&self.signed.encode()).finish()
    }

    /// Reads what [`Dispute::encode`] wrote, and nothing else. Signature and candidate are not
    /// checked: that needs the round.
    ///
    /// # Errors
    /// [`CodecError`] naming the field.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes, Self::MAGIC, "dispute")?;
        let bond = reader.u64("bond")?;
        let signed = SignedAttestation::decode(reader.blob("attestation")?)?;
        reader.finish()?;
        Self::new(signed, bond).ok_or(CodecError::Value { field: "sign" })
    }

    /// Holds the dispute, read from `dir`, to the round: who signed it, about which candidate and
    /// beacon, and that the cell is there.
    ///
    /// # Errors
    /// [`Failure::Check`] naming the file.
    pub(crate) fn check(&self, dir: &Path, round: &PublicRound<'_>) -> Result<(), Failure> {
        let file = dir.join(file(self.cell));
        let wrong = |what: String| Failure::in_file(&file, what);
        let attestation = &self.signed.attestation;
        let about = (attestation.candidate, attestation.beacon) == (round.commitment.hash(), round.beacon);
        if !about {
            return Err(wrong("is about another candidate or beacon".to_owned()));
        }
        self.signed.verify(&round.context).map_err(|error| wrong(error.to_string()))?;
        let later = round.segments.is_some_and(|segments| segments.later.contains(&self.cell.index));
        let exists = self.cell.kind == Kind::Disclosure && later || settle::answer(round, self.cell).is_some();
        if exists { Ok(()) } else { Err(wrong(format!("the round has no cell {}", self.cell))) }
    }
}

/// File of the dispute about a cell.
pub(crate) fn file(cell: Cell) -> String {
    format!("{FOLDER}/{}.dispute", stem(cell))
}

/// File of the answer to it.
pub(crate) fn answer_file(cell: Cell) -> String {
    format!("{FOLDER}/{}.proof", stem(cell))
}

/// All disputes of a work directory or its published copy, by name.
///
/// # Errors
/// A file that cannot be read, is malformed, or stands under the name of another cell.
pub(crate) fn read(dir: &Path) -> Result<Vec<Opened>, Failure> {
    let folder = dir.join(FOLDER);
    let files = if folder.exists() { list_folder(&folder)? } else { Vec::new() };
    let read_one = |path: &PathBuf| {
        let dispute = parse(path, Dispute::decode)?;
        if *path != dir.join(file(dispute.cell)) {
            return Err(Failure::in_file(path, format!("is about the cell {}", dispute.cell)));
        }
        let answer = dir.join(answer_file(dispute.cell));
        let answer = if answer.exists() { Some(workspace::read(&answer)?) } else { None };
        Ok(Opened { dispute, answer })
    };
    files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "dispute")).map(read_one).collect()
}

fn stem(cell: Cell) -> String {
    cell.to_string().replace(':', "-")
}
