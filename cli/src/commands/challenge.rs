//! `pogo challenge`: the beacon, once, after the commitment is on disk; and the cells it draws. In trace
//! mode `challenged` twice: the first beacon draws segments, the second, after `pogo disclose`, cells.

use std::collections::BTreeSet;

use pogo_protocol::cell::{Cell, Kind};
use pogo_protocol::commitment::Commitment;
use pogo_protocol::disclosure::Segments;
use pogo_protocol::model::TraceMode;
use pogo_protocol::statement::PublicRound;
use pogo_prover::error::hex;

use super::{Done, Work, disclose};
use crate::failure::Failure;
use crate::output::{Console, Table};
use crate::spec;
use crate::workspace::{BEACON, Beacon, DISCLOSURE, FIRST_BEACON, Workspace, random, srs_id};

/// Arguments of the command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) work: Work,
    #[command(flatten)]
    pub(crate) beacon: BeaconArgument,
}

/// A beacon from outside.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct BeaconArgument {
    /// Beacon of 32 bytes from its public source [default: drawn by this machine, for trials].
    #[arg(long, value_name = "HEX")]
    pub(crate) beacon: Option<String>,
}

impl BeaconArgument {
    /// The beacon that was given.
    pub(crate) fn value(&self) -> Result<Option<[u8; 32]>, Failure> {
        self.beacon.as_ref().map(|text| bytes_32("--beacon", text)).transpose()
    }
}

/// Both beacons from outside.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct BeaconArguments {
    #[command(flatten)]
    pub(crate) beacon: BeaconArgument,
    /// The beacon that draws segments, in trace mode `challenged`; --beacon is the one that draws cells.
    #[arg(long, value_name = "HEX")]
    first_beacon: Option<String>,
}

impl BeaconArguments {
    /// The first beacon, where it was given for a round that has one.
    pub(crate) fn first(&self, trace: TraceMode) -> Result<Option<[u8; 32]>, Failure> {
        match &self.first_beacon {
            Some(_) if trace != TraceMode::Challenged => {
                Err(Failure::Usage("--first-beacon: expected none, the trace mode is not `challenged`".to_owned()))
            }
            given => given.as_ref().map(|text| bytes_32("--first-beacon", text)).transpose(),
        }
    }
}

/// 32 bytes from the hexadecimal digits of an option.
pub(crate) fn bytes_32(option: &str, text: &str) -> Result<[u8; 32], Failure> {
    let what = || Failure::Usage(format!("{option}: expected 64 hexadecimal digits, got {text:?}"));
    spec::hex::<32>(text).ok_or_else(what)
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments, console: Console) -> Result<Done, Failure> {
    let workspace = Workspace::open(&arguments.work.work)?;
    let commitment = workspace.commitment()?;
    let given = arguments.beacon.value()?;
    if workspace.setup.spec.trace == TraceMode::Challenged && !workspace.store.has(DISCLOSURE) {
        let first = challenge(&workspace, FIRST_BEACON, given, console)?;
        let segments = public(&workspace, &commitment, first, None)?.drawn_segments(workspace.setup.samples as usize);
        let table = Table::new("first challenge")
            .row("first_beacon", "first beacon", hex(&first.value))
            .row_as("beacon_given", "source", first.given, source(first))
            .row("segment_steps", "steps of a segment", workspace.setup.spec.checkpoint_every)
            .row_as("segments", "segments", serde_json::json!(segments), format!("{segments:?}"));
        return Ok(table.into());
    }
    let beacon = challenge(&workspace, BEACON, given, console)?;
    Ok(table(&workspace, &commitment, beacon)?.into())
}

/// The beacon in `file`; drawn and written when there is none, never drawn again.
pub(crate) fn challenge(
    workspace: &Workspace,
    file: &str,
    given: Option<[u8; 32]>,
    console: Console,
) -> Result<Beacon, Failure> {
    let _span = tracing::info_span!("challenge").entered();
    if workspace.store.has(file) {
        let beacon = workspace.store.parse(file, Beacon::decode)?;
        return match given {
            Some(value) if value != beacon.value => Err(Failure::Usage(format!(
                "{}: a beacon is never drawn again: expected {}, got {}",
                workspace.store.path(file).display(),
                hex(&beacon.value),
                hex(&value)
            ))),
            _ => Ok(beacon),
        };
    }
    let value = match given {
        Some(value) => value,
        None => {
            console.note("The beacon is drawn by this machine: a local stand-in for the randomness of a block.");
            random()?
        }
    };
    if file == BEACON && workspace.store.has(FIRST_BEACON) && workspace.first_beacon()?.value == value {
        let what = "expected another than the one that drew segments: it was known before the disclosure";
        return Err(Failure::Usage(format!("--beacon: {what}, got {}", hex(&value))));
    }
    let beacon = Beacon { value, given: given.is_some() };
    workspace.store.write(file, &beacon.encode())?;
    Ok(beacon)
}

fn source(beacon: Beacon) -> &'static str {
    if beacon.given { "given" } else { "this machine" }
}

/// The beacon and the cells that it draws.
fn table(workspace: &Workspace, commitment: &Commitment, beacon: Beacon) -> Result<Table, Failure> {
    let segments = disclose::segments(workspace, commitment)?;
    let public = public(workspace, commitment, beacon, segments.as_ref())?;
    let samples = workspace.setup.samples as usize;
    let (parts, cell_parts) = (public.parts(samples), public.cell_parts(samples));
    let updates: Vec<_> = parts.iter().flat_map(|part| &part.updates).map(|s| (s.step, s.leaf)).collect();
    let leaves: Vec<_> = parts.iter().flat_map(|part| &part.quantizes).copied().collect();
    let list = |pairs: &[(u32, usize)]| pairs.iter().map(|(t, l)| format!("{t}/{l}")).collect::<Vec<_>>().join(" ");
    let table = Table::new("challenge")
        .row("beacon", "beacon", hex(&beacon.value))
        .row_as("beacon_given", "source", beacon.given, source(beacon))
        .row("samples", "samples of each kind", u64::from(workspace.setup.samples))
        .row("proofs", "proofs", (parts.len() + cell_parts.len()) as u64)
        .row_as("updates", "update cells (step/leaf)", serde_json::json!(updates), list(&updates))
        .row_as("quantizes", "quantize cells (leaf)", serde_json::json!(leaves), format!("{leaves:?}"));
    Ok(Kind::ALL.into_iter().fold(table, |table, kind| {
        let drawn: BTreeSet<Cell> = cell_parts.iter().flat_map(|part| &part.cells).copied().collect();
        let names: Vec<String> = drawn.iter().filter(|cell| cell.kind == kind).map(Cell::to_string).collect();
        match names.is_empty() {
            true => table,
            false => table.row_as(kind.name(), &format!("{} cells", kind.name()), names.clone(), names.join(" ")),
        }
    }))
}

/// The public side of the round with the segments that are disclosed.
pub(crate) fn public<'a>(
    workspace: &'a Workspace,
    commitment: &'a Commitment,
    beacon: Beacon,
    segments: Option<&'a Segments>,
) -> Result<PublicRound<'a>, Failure> {
    let Workspace { round, setup, circuits, .. } = workspace;
    let committed = round.public(commitment, setup.records, beacon.value, circuits, srs_id(setup.srs)?);
    Ok(PublicRound { segments, ..committed })
}
