//! `pogo prove`: one Halo2 proof for each file of openings, and for each few of the other drawn cells.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pogo_circuits::round::Shape;
use pogo_circuits::srs::{Origin, Srs};
use pogo_protocol::cell::CellOpening;
use pogo_protocol::commitment::Commitment;
use pogo_protocol::disclosure;
use pogo_protocol::opening::Openings;
use pogo_protocol::statement::{CellPart, CircuitKind, PublicRound};
use pogo_prover::error::Error;
use pogo_prover::open::{Opened, cells};
use pogo_prover::prove::Prover;
use pogo_verifier::Setup as SrsKind;

use super::{Done, WorkOnDevice, challenge, commit, disclose, verify};
use crate::estimate;
use crate::failure::Failure;
use crate::output::{Console, Table};
use crate::workspace::{Beacon, Published, Workspace, part_file};

/// Arguments of a command that proves.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) at: WorkOnDevice,
    /// Prepared ceremony SRS, for a round that rests on one.
    #[arg(long, value_name = "FILE")]
    pub(crate) srs: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments, console: Console) -> Result<Done, Failure> {
    let workspace = arguments.at.open(console)?;
    let (commitment, beacon) = (workspace.commitment()?, workspace.beacon()?);
    prove(&workspace, &commitment, beacon, arguments.srs.as_deref(), console)?;
    let table = verify::proofs(Table::new("prove"), &Published::read(&arguments.at.work.work)?);
    Ok(table.row("srs", "SRS", crate::setup::srs_name(workspace.setup.srs)).into())
}

/// Proves every part whose proof is missing.
pub(crate) fn prove(
    workspace: &Workspace,
    commitment: &Commitment,
    beacon: Beacon,
    srs: Option<&Path>,
    console: Console,
) -> Result<(), Failure> {
    let _span = tracing::info_span!("prove").entered();
    let (segments, samples) = (disclose::segments(workspace, commitment)?, workspace.setup.samples as usize);
    let public = challenge::public(workspace, commitment, beacon, segments.as_ref())?;
    let (statements, round_parts) = (public.statements(samples).map_err(Error::from)?, public.parts(samples).len());
    (0..round_parts).try_for_each(|part| workspace.need(&part_file("openings", part), "open"))?;
    // The files of the disclosure come first.
    let first = segments.as_ref().map_or(0, |segments| disclosure::proofs(public.spec, &segments.drawn).len());
    for (part, statement) in statements.iter().enumerate() {
        workspace.write_once(&part_file("statements", first + part), &statement.encode())?;
    }
    let is_missing = |part: &usize| !workspace.store.has(&part_file("proofs", first + *part));
    let missing: Vec<usize> = (0..statements.len()).filter(is_missing).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let kinds: Vec<CircuitKind> =
        missing.iter().filter_map(|&part| workspace.circuits.kind(&statements[part].circuit)).collect();
    let prover = prover(workspace, srs, &kinds, console)?;
    let cell_parts = public.cell_parts(samples);
    let unproven: Vec<usize> = missing.iter().filter_map(|part| part.checked_sub(round_parts)).collect();
    let unproven: Vec<CellPart> = unproven.into_iter().map(|part| cell_parts[part].clone()).collect();
    let mut cells = open_cells(workspace, &public, &unproven, console)?.into_iter();

    let bar = console.bar("prove", missing.len() as u64);
    for part in missing {
        let opened = match part < round_parts {
            true => Opened::Round(workspace.store.parse(&part_file("openings", part), Openings::decode)?),
            false => Opened::Cells(cells.next().unwrap_or_default()),
        };
        if let Some(circuit) = opened.circuit() {
            workspace.timed("keys", || Ok(prover.keys(circuit).map(drop)?))?;
        }
        let proof = workspace.timed("prove", || Ok(prover.prove(&statements[part], opened)?))?;
        workspace.store.write(&part_file("proofs", first + part), &proof)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Opens the cells of every part, which replays their steps.
///
/// # Errors
/// [`Failure::Check`] naming the first cell that does not hold.
pub(crate) fn open_cells(
    workspace: &Workspace,
    public: &PublicRound<'_>,
    parts: &[CellPart],
    console: Console,
) -> Result<Vec<Vec<CellOpening>>, Failure> {
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let data = workspace.data()?;
    let mut trace = workspace.trace(&data)?;
    commit::hold(workspace, &trace)?;
    disclose::fill_in(workspace, &mut trace.records, public.segments)?;
    let steps: BTreeSet<u32> = parts.iter().flat_map(|part| &part.cells).map(|cell| cell.step).collect();
    let bar = console.bar("open", steps.len() as u64);
    let job = workspace.job(&data);
    let opened =
        workspace.timed("open", || Ok(cells::open(&workspace.store, &job, &trace, public, parts, |_| bar.inc(1))?))?;
    bar.finish_and_clear();
    Ok(opened)
}

/// A prover under the SRS of the round, after telling what proofs of these circuits will cost. Keys
/// are made circuit by circuit as they are needed.
///
/// # Errors
/// When the SRS is not the one that the round rests on.
pub(crate) fn prover(
    workspace: &Workspace,
    srs: Option<&Path>,
    proofs: &[CircuitKind],
    console: Console,
) -> Result<Prover, Failure> {
    if workspace.setup.srs == SrsKind::Development {
        console.warn("DEVELOPMENT SRS: its secret is public, anybody can forge proofs under it. For trials only.");
    }
    console.note(estimate::proving(proofs));
    let spinner = console.spinner("preparing the SRS");
    let k = Shape::MINIMAL.k;
    let srs = match (workspace.setup.srs, srs) {
        (SrsKind::Development, None) => Srs::development(k),
        (SrsKind::Ceremony, Some(file)) => load_ceremony(file, k)?,
        (SrsKind::Development, Some(_)) => {
            return Err(Failure::Usage("--srs: expected none, this round rests on the development SRS".to_owned()));
        }
        (SrsKind::Ceremony, None) => {
            return Err(Failure::Usage("--srs: expected the prepared file of the round's ceremony".to_owned()));
        }
    };
    spinner.finish_and_clear();
    Ok(Prover::new(srs))
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
