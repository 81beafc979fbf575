//! `pogo verify`: checks a round, or one proof, from files alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use pogo_circuits::round::Shape;
use pogo_protocol::challenge::soundness_millibits;
use pogo_protocol::statement::{CircuitKind, Statement};
use pogo_prover::error::hex;
use pogo_verifier::Setup as SrsKind;
use pogo_verifier::round::{self, Public};
use serde_json::json;

use super::Done;
use super::challenge::BeaconArguments;
use crate::evaluation;
use crate::failure::Failure;
use crate::output::{Console, Table, bytes, millibits, seconds};
use crate::workspace::{Published, parse, read};

/// Arguments of the command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Folder with setup.bin, commitment.bin, beacon.bin, statements/ and proofs/; a work directory is one.
    #[arg(value_name = "DIR", default_value = "pogo-work", conflicts_with_all = ["statement", "proof"])]
    dir: PathBuf,
    /// Statement file of a single proof; that it is the right claim is for you to know.
    #[arg(long, value_name = "FILE", requires = "proof")]
    statement: Option<PathBuf>,
    /// Proof file of that statement.
    #[arg(long, value_name = "FILE", requires = "statement")]
    proof: Option<PathBuf>,
    /// Refuse proofs under the development SRS.
    #[arg(long)]
    ceremony: bool,
    /// Refuse a round that shows fewer samples of each kind.
    #[arg(long, value_name = "N", conflicts_with = "statement")]
    samples: Option<u32>,
    #[command(flatten)]
    beacons: BeaconArguments,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments, console: Console) -> Result<Done, Failure> {
    let start = Instant::now();
    let _span = tracing::info_span!("verify").entered();
    if let (Some(statement), Some(proof)) = (&arguments.statement, &arguments.proof) {
        return verify_one(statement, proof, arguments.ceremony, console).map(Into::into);
    }
    let published = Published::read(&arguments.dir)?;
    refuse_development(published.setup.srs, arguments.ceremony, console)?;
    check_demands(&published, arguments)?;
    verify(&published)?;
    let evaluated = evaluation::verify(&arguments.dir, &published)?;
    let table = table(&published, start.elapsed().as_secs_f64());
    Ok(table.row("evaluations", "proven cells of evaluations", evaluated).into())
}

/// Checks every proof of a round against statements that are recomputed from its public files.
pub(crate) fn verify(published: &Published) -> Result<(), Failure> {
    let Published { setup, commitment, beacon, disclosure, statements, proofs } = published;
    let public = Public {
        spec: setup.spec.clone(),
        context: setup.context,
        commitment: commitment.clone(),
        records: setup.records,
        seeded: setup.is_seeded(),
        beacon: beacon.value,
        disclosure: disclosure.clone(),
        samples: setup.samples as usize,
        tree_depth: Shape::MINIMAL.tree_depth,
        steps_depth: Shape::MINIMAL.steps_depth,
        trace_depth: Shape::MINIMAL.trace_depth,
    };
    round::verify(setup.srs, &public, statements, proofs)
        .map_err(|error| Failure::Check(format!("not verified: {error}")))
}

/// Bits of soundness of a round, with the bad fractions that they assume.
pub(crate) fn soundness(samples: u32) -> Table {
    let bits = |per_mille| soundness_millibits(samples as usize, per_mille);
    let label = |percent| format!("soundness if {percent} % of the cells are bad");
    Table::new("soundness: how likely the samples meet a bad cell; one bad cell alone they hardly meet")
        .row("samples", "samples of each kind", u64::from(samples))
        .row_as("soundness_bits_1_percent", &label(1), bits(10) as f64 / 1e3, millibits(bits(10)))
        .row_as("soundness_bits_10_percent", &label(10), bits(100) as f64 / 1e3, millibits(bits(100)))
}

/// Adds how many proofs a round has, of which circuits, and their size.
pub(crate) fn proofs(table: Table, published: &Published) -> Table {
    let Published { setup, statements, proofs, .. } = published;
    let circuits = setup.srs.circuits();
    let kinds = statements.iter().filter_map(|bytes| circuits.kind(&Statement::decode(bytes).ok()?.circuit));
    let counts = kinds.fold(BTreeMap::<CircuitKind, u64>::new(), |mut counts, kind| {
        *counts.entry(kind).or_default() += 1;
        counts
    });
    let list: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} {}", kind.name())).collect();
    let counts: BTreeMap<&str, u64> = counts.iter().map(|(kind, &count)| (kind.name(), count)).collect();
    let size: u64 = proofs.iter().map(|proof| proof.len() as u64).sum();
    table
        .row("proofs", "proofs", proofs.len() as u64)
        .row_as("proofs_by_circuit", "of each circuit", json!(counts), list.join(", "))
        .row_as("proof_bytes", "size of all proofs", size, bytes(size))
}

fn table(published: &Published, time: f64) -> Table {
    let Published { setup, commitment, beacon, .. } = published;
    let table = Table::new("verified")
        .row_as("verified", "verdict", true, "every proof shows its statement, every statement is the round's")
        .row("commitment", "commitment", hex(&commitment.hash()))
        .row("beacon", "beacon", hex(&beacon.value))
        .row("miner", "miner", hex(&setup.context.miner));
    proofs(table, published)
        .row_as("verify_seconds", "time, with reading", time, seconds(time))
        .row("srs", "SRS", crate::setup::srs_name(setup.srs))
        .then(soundness(setup.samples))
}

fn check_demands(published: &Published, arguments: &Arguments) -> Result<(), Failure> {
    let samples = published.setup.samples;
    if let Some(asked) = arguments.samples
        && samples < asked
    {
        return Err(Failure::Check(format!("samples of each kind: expected at least {asked}, got {samples}")));
    }
    let first = arguments.beacons.first(published.setup.spec.trace)?;
    let disclosed = published.disclosure.as_ref().map(|disclosure| disclosure.beacon);
    same("beacon", arguments.beacons.beacon.value()?, Some(published.beacon.value))?;
    same("first beacon", first, disclosed)
}

/// Holds a beacon to the one that is demanded, if any is.
fn same(what: &str, expected: Option<[u8; 32]>, got: Option<[u8; 32]>) -> Result<(), Failure> {
    match expected {
        Some(expected) if got != Some(expected) => {
            let got = got.map_or("none".to_owned(), |got| hex(&got));
            Err(Failure::Check(format!("{what}: expected {}, got {got}", hex(&expected))))
        }
        _ => Ok(()),
    }
}

fn verify_one(statement: &Path, proof: &Path, ceremony: bool, console: Console) -> Result<Table, Failure> {
    let claim = parse(statement, Statement::decode)?;
    let kinds = [SrsKind::Ceremony, SrsKind::Development];
    let mut known = kinds.into_iter().filter_map(|kind| Some((kind, kind.circuits().kind(&claim.circuit)?)));
    let Some((kind, circuit)) = known.next() else {
        return Err(Failure::in_file(statement, "is of a circuit that this verifier does not know"));
    };
    refuse_development(kind, ceremony, console)?;
    let start = Instant::now();
    pogo_verifier::verify(kind, &claim.encode(), &read(proof)?)
        .map_err(|error| Failure::in_file(proof, format!("not verified: {error}")))?;
    let time = start.elapsed().as_secs_f64();
    Ok(Table::new("verified")
        .row_as("verified", "verdict", true, "the proof shows the statement")
        .row("commitment", "commitment", hex(&claim.commitment))
        .row("circuit", "circuit", circuit.name())
        .row("part", "part", claim.part)
        .row("parts", "parts", claim.parts)
        .row_as("verify_seconds", "time", time, seconds(time))
        .row("srs", "SRS", crate::setup::srs_name(kind)))
}

/// Warns of the development SRS, or refuses it where a `ceremony` is asked for.
pub(crate) fn refuse_development(kind: SrsKind, ceremony: bool, console: Console) -> Result<(), Failure> {
    if kind == SrsKind::Ceremony {
        return Ok(());
    }
    if ceremony {
        return Err(Failure::Check("SRS: expected a ceremony's, got the development SRS".to_owned()));
    }
    console.warn("DEVELOPMENT SRS: its secret is public, anybody can forge proofs under it. For trials only.");
    Ok(())
}
