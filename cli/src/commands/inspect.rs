//! `pogo inspect`: what is in a file, whichever artifact it is.

use std::path::{Path, PathBuf};

use pogo_circuits::srs::Srs;
use pogo_protocol::attest::SignedAttestation;
use pogo_protocol::codec::{VERSION, scalar_bytes};
use pogo_protocol::commitment::Commitment;
use pogo_protocol::disclosure::Disclosure;
use pogo_protocol::opening::Openings;
use pogo_protocol::record::StepRecord;
use pogo_protocol::statement::{CircuitKind, Statement};
use pogo_protocol::stream::keccak;
use pogo_prover::audit::Traced;
use pogo_prover::checkpoint::{self, decode_model, decode_state, unseal};
use pogo_prover::commit::quantized_root;
use pogo_prover::distance::NAMES;
use pogo_prover::error::hex;
use pogo_prover::reference::Reference;
use pogo_prover::round::Round;
use pogo_prover::store::entries;
use pogo_prover::train::state_root;
use pogo_verifier::{Setup as SrsKind, container};

use super::{Done, attest, commit, dispute, finalize};
use crate::dispute::Dispute;
use crate::failure::Failure;
use crate::output::{Table, bytes};
use crate::setup::{self, Setup};
use crate::verdict::Verdict;
use crate::workspace::{Beacon, parse, read};

/// Arguments of the command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Any file of a work directory, or a prepared SRS.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let file = &arguments.file;
    let content = read(file)?;
    let head = |kind: &str| {
        Table::new(file.display().to_string())
            .row("kind", "kind", kind)
            .row("format_version", "format version", VERSION)
            .row_as("bytes", "size", content.len() as u64, bytes(content.len() as u64))
            .row("keccak256", "keccak256", hex(&keccak(&[&content])))
    };
    let table = match content.first_chunk::<8>() {
        Some(setup::MAGIC) => head("setup").then(fields(&decode(file, Setup::decode(&content))?)),
        Some(b"pogo/cmt") => head("commitment").then(commit::table(&decode(file, Commitment::decode(&content))?)),
        Some(Beacon::MAGIC) => {
            let beacon = decode(file, Beacon::decode(&content))?;
            head("beacon").row("beacon", "beacon", hex(&beacon.value)).row("given", "given", beacon.given)
        }
        Some(Disclosure::MAGIC) => {
            let disclosure = decode(file, Disclosure::decode(&content))?;
            let roots: Vec<String> = disclosure.roots.iter().map(|root| hex(&scalar_bytes(root))).collect();
            let table = head("disclosure").row("first_beacon", "first beacon", hex(&disclosure.beacon));
            table.row_as("roots", "steps roots", serde_json::json!(roots), roots.join(" "))
        }
        Some(b"pogo/opn") => head("openings").then(openings(&decode(file, Openings::decode(&content))?)),
        Some(b"pogo/stm") => head("statement").then(statement(&decode(file, Statement::decode(&content))?)),
        Some(b"pogo/prf") => head("proof").then(proof(file, &content)?),
        Some(b"pogo/att") => {
            let signed = decode(file, SignedAttestation::decode(&content))?;
            head("attestation").then(attest::table(&[signed]))
        }
        Some(Dispute::MAGIC) => head("dispute").then(dispute::inspected(&decode(file, Dispute::decode(&content))?)),
        Some(Verdict::MAGIC) => head("verdict").then(finalize::table(&decode(file, Verdict::decode(&content))?)),
        Some(checkpoint::MAGIC) => head("checkpoint").then(state(file, &content)?),
        Some(Traced::MAGIC) => head("traced step").then(traced(file, &content)?),
        Some(checkpoint::MODEL_MAGIC) => head("4-bit model").then(model(file, &content)?),
        Some(Reference::MAGIC) => head("reference").then(reference(&decode(file, Reference::decode(&content))?)),
        Some(b"pogo/srs") => head("prepared SRS").then(srs(file)?),
        Some(b"pogo/vk\0") => return Err(Failure::in_file(file, "a circuit description; no artifact of a round")),
        _ => head("log").then(log(file, &content)?),
    };
    Ok(table.into())
}

fn decode<T, E: std::fmt::Display>(file: &Path, result: Result<T, E>) -> Result<T, Failure> {
    result.map_err(|error| Failure::in_file(file, error))
}

fn fields(setup: &Setup) -> Table {
    let table = Table::new("fields").row("spec_hash", "spec hash", hex(&setup.spec.hash()));
    setup.fields().into_iter().fold(table, |table, (name, value)| table.row(name, name, value))
}

fn openings(openings: &Openings) -> Table {
    let updates: Vec<_> = openings.updates.iter().map(|update| (update.step, update.slot.position)).collect();
    let quantizes: Vec<_> = openings.quantizes.iter().map(|quantize| quantize.slot.position).collect();
    let list = |pairs: &[(u32, usize)]| pairs.iter().map(|(t, p)| format!("{t}/{p}")).collect::<Vec<_>>().join(" ");
    Table::new("cells").row_as("updates", "update (step/position)", serde_json::json!(updates), list(&updates)).row_as(
        "quantizes",
        "quantize (position)",
        serde_json::json!(quantizes),
        format!("{quantizes:?}"),
    )
}

fn statement(statement: &Statement) -> Table {
    let root = |scalar| hex(&scalar_bytes(scalar));
    let context = &statement.context;
    Table::new("fields")
        .row("digest", "digest", hex(&statement.digest()))
        .row("circuit", "circuit", hex(&statement.circuit))
        .row("circuit_name", "known as", known(&statement.circuit).map_or("unknown".to_owned(), |(_, _, name)| name))
        .row("srs", "SRS", hex(&statement.srs))
        .row("chain_id", "chain id", context.chain_id)
        .row("contract", "contract", hex(&context.contract))
        .row("task", "task", hex(&context.task))
        .row("round", "round", context.round)
        .row("miner", "miner", hex(&context.miner))
        .row("commitment", "commitment", hex(&statement.commitment))
        .row("spec_hash", "spec hash", hex(&statement.spec))
        .row("beacon", "beacon", hex(&statement.beacon))
        .row("part", "part", statement.part)
        .row("parts", "parts", statement.parts)
        .row("data_root", "data root", root(&statement.data_root))
        .row("parent_root", "parent root", root(&statement.parent_root))
        .row("steps_root", "steps root", root(&statement.steps_root))
        .row("state_root", "state root", root(&statement.state_root))
        .row("quantized_root", "4-bit root", root(&statement.quantized_root))
        .row("layout", "layout", root(&statement.layout))
        .row("record_count", "step records", statement.record_count)
}

/// SRS, kind and name of an embedded circuit.
fn known(circuit: &[u8; 32]) -> Option<(SrsKind, CircuitKind, String)> {
    let kinds = [(SrsKind::Development, "development"), (SrsKind::Ceremony, "ceremony")];
    let mut known = kinds.into_iter().filter_map(|(srs, origin)| {
        let kind = srs.circuits().kind(circuit)?;
        Some((srs, kind, format!("minimal, {}, {origin} SRS", kind.name())))
    });
    known.next()
}

fn proof(file: &Path, content: &[u8]) -> Result<Table, Failure> {
    let length = content.len().saturating_sub(container::HEADER);
    let (circuit, proof) = decode(file, container::decode(content, length))?;
    let known = known(&circuit);
    if let Some((srs, kind, _)) = &known {
        let description = srs.description(*kind).map_err(|error| Failure::Environment(error.to_string()))?;
        decode(file, container::decode(content, description.proof_length()))?;
    }
    Ok(Table::new("fields")
        .row("circuit", "circuit", hex(&circuit))
        .row("circuit_name", "known as", known.map_or("unknown".to_owned(), |(_, _, name)| name))
        .row_as("proof_bytes", "proof", proof.len() as u64, bytes(proof.len() as u64)))
}

/// A checkpoint means something to its setup only, which lies beside its folder.
fn state(file: &Path, content: &[u8]) -> Result<Table, Failure> {
    let body = unseal(content).ok_or_else(|| Failure::in_file(file, "checksum does not match"))?;
    let table = Table::new("fields").row("checksum", "checksum", hex(&keccak(&[body])));
    let folder = file.parent().and_then(Path::parent).unwrap_or(Path::new(""));
    let Some(round) = round_in(folder)? else {
        return Ok(table.row("state_root", "state root", "unknown without the setup.bin beside the folder"));
    };
    let state = decode(file, decode_state(&round.spec, body))?;
    let root = decode(file, state_root(&round.layout, &state))?;
    let exponents = state.exponents.as_ref();
    Ok(table
        .row("state_root", "state root", hex(&scalar_bytes(&root)))
        .row("leaves", "leaves", round.layout.leaf_count() as u64)
        .row("exponents", "exponents", exponents.map_or("none yet".to_owned(), |exponents| format!("{exponents:?}"))))
}

/// A step, too, means something to the setup beside its folder only.
fn traced(file: &Path, content: &[u8]) -> Result<Table, Failure> {
    let folder = file.parent().and_then(Path::parent).unwrap_or(Path::new(""));
    let Some(round) = round_in(folder)? else {
        return Err(Failure::in_file(file, "means nothing without the setup.bin beside its folder"));
    };
    let traced = decode(file, Traced::decode(&round.spec, content))?;
    let root = decode(file, state_root(&round.layout, &traced.state))?;
    let words = |products: &[Vec<i32>]| products.iter().map(Vec::len).sum::<usize>() as u64;
    Ok(Table::new("fields")
        .row("step", "step", traced.step)
        .row("state_root", "state root before it", hex(&scalar_bytes(&root)))
        .row("sums", "sums", words(&traced.sums))
        .row("gradients", "gradients", words(&traced.gradients))
        .row("errors_below", "errors below", words(&traced.below)))
}

/// A 4-bit model, too, means something to its setup only, which lies beside it.
fn model(file: &Path, content: &[u8]) -> Result<Table, Failure> {
    let Some(round) = round_in(file.parent().unwrap_or(Path::new("")))? else {
        return Ok(Table::new("fields").row("quantized_root", "4-bit root", "unknown without the setup.bin beside it"));
    };
    let model = decode(file, decode_model(&round.spec, content))?;
    let root = decode(file, quantized_root(&round.layout, &model))?;
    Ok(Table::new("fields").row("quantized_root", "4-bit root", hex(&scalar_bytes(&root))).row(
        "exponents",
        "exponents",
        format!("{:?}", model.exponents),
    ))
}

/// The round whose setup lies in this folder.
fn round_in(folder: &Path) -> Result<Option<Round>, Failure> {
    let file = folder.join(crate::workspace::SETUP);
    if !file.exists() {
        return Ok(None);
    }
    Ok(Some(parse(&file, Setup::decode)?.round()?))
}

fn reference(reference: &Reference) -> Table {
    let table = Table::new("two independent runs").row("inputs", "inputs", hex(&reference.inputs));
    let values = NAMES.into_iter().zip(reference.distance.values());
    values.fold(table, |table, (name, value)| table.row(name, name, value))
}

fn srs(file: &Path) -> Result<Table, Failure> {
    let srs = Srs::load(file)?;
    Ok(Table::new("fields")
        .row("origin", "origin", format!("{:?}", srs.origin).to_lowercase())
        .row("k", "k", srs.k())
        .row("id", "id", hex(&srs.id()))
        .row("source_g1", "SHA-256 of the source", hex(&srs.source.g1)))
}

/// The log of records, or that of updates.
fn log(file: &Path, content: &[u8]) -> Result<Table, Failure> {
    let unknown = || Failure::in_file(file, "not an artifact of pogo");
    let entries = entries(content).map_err(|number| match number {
        0 => unknown(),
        number => Failure::in_file(file, format!("entry {number} is incomplete or damaged")),
    })?;
    if entries.is_empty() {
        return Err(unknown());
    }
    let table = Table::new("log").row("entries", "entries", entries.len() as u64);
    let Ok(first) = StepRecord::decode(entries[0]) else {
        return Ok(table.row("entry_bytes", "bytes of an entry", entries[0].len() as u64));
    };
    let last = entries.last().map(|entry| StepRecord::decode(entry)).transpose();
    let last = decode(file, last)?.unwrap_or_else(|| first.clone());
    Ok(table
        .row("first_state_root", "first state root", hex(&scalar_bytes(&first.state_root)))
        .row("last_index", "last record", last.index)
        .row("last_state_root", "last state root", hex(&scalar_bytes(&last.state_root))))
}
