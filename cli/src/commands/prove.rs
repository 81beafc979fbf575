//! `pogo prove`: one Halo2 proof for each file of openings.

use std::path::{Path, PathBuf};

use pogo_circuits::round::Shape;
use pogo_circuits::srs::{Origin, Srs};
use pogo_protocol::commitment::Commitment;
use pogo_protocol::opening::Openings;
use pogo_protocol::statement::Statement;
use pogo_prover::error::hex;
use pogo_prover::prove::Prover;
use pogo_verifier::Setup as SrsKind;

use super::{Done, Work, challenge};
use crate::estimate;
use crate::failure::Failure;
use crate::output::{Console, Table, bytes};
use crate::workspace::{Beacon, Workspace, description, part_file};

/// Arguments of the command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) work: Work,
    /// Prepared ceremony SRS, for a round that rests on one.
    #[arg(long, value_name = "FILE")]
    pub(crate) srs: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments, console: Console) -> Result<Done, Failure> {
    let workspace = Workspace::open(&arguments.work.work)?;
    let (commitment, beacon) = (workspace.commitment()?, workspace.beacon()?);
    let parts = prove(&workspace, &commitment, beacon, arguments.srs.as_deref(), console)?;
    let size = workspace.store.read(&part_file("proofs", 0))?.len() as u64;
    let table = Table::new("prove")
        .row("proofs", "proofs", parts as u64)
        .row_as("proof_bytes", "size of each", size, bytes(size))
        .row("srs", "SRS", crate::setup::srs_name(workspace.setup.srs));
    Ok(table.into())
}

/// Proves every part whose proof is missing; returns the number of parts.
pub(crate) fn prove(
    workspace: &Workspace,
    commitment: &Commitment,
    beacon: Beacon,
    srs: Option<&Path>,
    console: Console,
) -> Result<usize, Failure> {
    let _span = tracing::info_span!("prove").entered();
    let statements = challenge::public(workspace, commitment, beacon)?.statements(workspace.setup.samples as usize);
    for (part, statement) in statements.iter().enumerate() {
        workspace.need(&part_file("openings", part), "open")?;
        workspace.write_once(&part_file("statements", part), &statement.encode())?;
    }
    let is_missing = |part: &usize| !workspace.store.has(&part_file("proofs", *part));
    let missing: Vec<usize> = (0..statements.len()).filter(is_missing).collect();
    if missing.is_empty() {
        return Ok(statements.len());
    }
    let prover = workspace.timed("keys", || prover(workspace, srs, missing.len(), console))?;
    let bar = console.bar("prove", missing.len() as u64);
    for part in missing {
        workspace.timed("prove", || prove_part(workspace, &prover, &statements[part]))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(statements.len())
}

fn prove_part(workspace: &Workspace, prover: &Prover, statement: &Statement) -> Result<(), Failure> {
    let part = statement.part as usize;
    let openings = workspace.store.parse(&part_file("openings", part), Openings::decode)?;
    let proof = prover.prove(statement, openings)?;
    Ok(workspace.store.write(&part_file("proofs", part), &proof)?)
}

/// SRS and keys of the round, after telling what so many proofs will cost.
///
/// # Errors
/// When the SRS is not the one that the round rests on.
pub(crate) fn prover(
    workspace: &Workspace,
    srs: Option<&Path>,
    proofs: usize,
    console: Console,
) -> Result<Prover, Failure> {
    if workspace.setup.srs == SrsKind::Development {
        console.warn("DEVELOPMENT SRS: its secret is public, anybody can forge proofs under it. For trials only.");
    }
    console.note(estimate::proving(proofs));
    let spinner = console.spinner("preparing SRS and keys");
    let shape = Shape::MINIMAL;
    let srs = match (workspace.setup.srs, srs) {
        (SrsKind::Development, None) => Srs::development(shape.k),
        (SrsKind::Ceremony, Some(file)) => load_ceremony(file, shape.k)?,
        (SrsKind::Development, Some(_)) => {
            return Err(Failure::Usage("--srs: expected none, this round rests on the development SRS".to_owned()));
        }
        (SrsKind::Ceremony, None) => {
            return Err(Failure::Usage("--srs: expected the prepared file of the round's ceremony".to_owned()));
        }
    };
    let prover = Prover::new(shape, srs)?;
    spinner.finish_and_clear();
    let (expected, got) = (description(workspace.setup.srs)?.id(), prover.keys.circuit());
    if expected != got {
        let what = format!("circuit id: expected {}, got {}", hex(&expected), hex(&got));
        return Err(Failure::Check(format!("the keys made here are not those embedded in the verifier: {what}")));
    }
    Ok(prover)
}

fn load_ceremony(file: &Path, k: u32) -> Result<Srs, Failure> {
    let srs = Srs::load(file)?;
    if srs.origin != Origin::Ceremony {
        return Err(Failure::in_file(file, "expected a ceremony's SRS, got the development SRS"));
    }
    if srs.k() != k {
        return Err(Failure::in_file(file, format!("k: expected {k}, got {}", srs.k())));
    }
    Ok(srs)
}
