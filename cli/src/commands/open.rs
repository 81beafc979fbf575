//! `pogo open`: leaves and paths of the drawn update and quantize cells, one file a proof, and the
//! tensors of their steps. Cells of other kinds are opened by `pogo prove`, from their steps.

use std::collections::BTreeSet;

use pogo_protocol::commitment::Commitment;
use pogo_prover::data::Split;
use pogo_prover::open;
use pogo_prover::train::Trace;

use super::{Done, WorkOnDevice, challenge, commit, disclose, trace};
use crate::failure::Failure;
use crate::output::{Console, Table, bytes};
use crate::workspace::{Beacon, Workspace, part_file};

/// Runs the command.
pub(crate) fn run(arguments: &WorkOnDevice, console: Console) -> Result<Done, Failure> {
    let workspace = arguments.open(console)?;
    let (commitment, beacon) = (workspace.commitment()?, workspace.beacon()?);
    let data = workspace.data()?;
    let trace = workspace.trace(&data)?;
    commit::hold(&workspace, &trace)?;
    let parts = open(&workspace, &data, &trace, &commitment, beacon, console)?;
    let size = |part| Ok(workspace.store.read(&part_file("openings", part))?.len() as u64);
    let size = (0..parts).map(size).sum::<Result<u64, Failure>>()?;
    let table =
        Table::new("open").row("parts", "files", parts as u64).row_as("bytes", "size of all", size, bytes(size));
    Ok(table.into())
}

/// Opens every part whose file is missing; returns their number.
pub(crate) fn open(
    workspace: &Workspace,
    data: &Split,
    trained: &Trace,
    commitment: &Commitment,
    beacon: Beacon,
    console: Console,
) -> Result<usize, Failure> {
    let _span = tracing::info_span!("open").entered();
    let segments = disclose::segments(workspace, commitment)?;
    let public = challenge::public(workspace, commitment, beacon, segments.as_ref())?;
    let parts = public.parts(workspace.setup.samples as usize);
    let steps: BTreeSet<u32> = parts.iter().flat_map(|part| &part.updates).map(|sample| sample.step).collect();
    trace::publish(workspace, data, trained, &steps, console)?;
    if (0..parts.len()).all(|part| workspace.store.has(&part_file("openings", part))) {
        return Ok(parts.len());
    }
    let spinner = console.spinner("opening the drawn cells");
    let job = workspace.job(data);
    workspace.timed("open", || {
        let mut trained = trained.clone();
        disclose::fill_in(workspace, &mut trained.records, segments.as_ref())?;
        let openings = open::open(&workspace.store, &job, &trained, &public, &parts)?;
        for (part, openings) in openings.iter().enumerate() {
            workspace.write_once(&part_file("openings", part), &openings.encode())?;
        }
        Ok(())
    })?;
    spinner.finish_and_clear();
    Ok(parts.len())
}
