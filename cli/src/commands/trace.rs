//! `pogo trace`: publishes the tensors of chosen steps, which an audit needs.

use std::collections::BTreeSet;

use pogo_prover::audit::traced;
use pogo_prover::data::Split;
use pogo_prover::train::{Stepper, Trace};

use super::{Done, WorkOnDevice, commit};
use crate::failure::Failure;
use crate::output::{Console, Table, bytes};
use crate::workspace::{Workspace, trace_file};

/// Arguments of the command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    at: WorkOnDevice,
    /// Steps, from 0.
    #[arg(value_name = "STEP", required = true)]
    steps: Vec<u32>,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments, console: Console) -> Result<Done, Failure> {
    let workspace = arguments.at.open(console)?;
    workspace.commitment()?;
    let last = workspace.setup.spec.steps - 1;
    if let Some(step) = arguments.steps.iter().find(|&&step| step > last) {
        return Err(Failure::Usage(format!("STEP: expected 0 to {last}, got {step}")));
    }
    let data = workspace.data()?;
    let trace = workspace.trace(&data)?;
    commit::hold(&workspace, &trace)?;
    let steps: BTreeSet<u32> = arguments.steps.iter().copied().collect();
    publish(&workspace, &data, &trace, &steps, console)?;
    let size = |&step: &u32| Ok(workspace.store.read(&trace_file(step))?.len() as u64);
    let size = steps.iter().map(size).sum::<Result<u64, Failure>>()?;
    let steps: Vec<u32> = steps.into_iter().collect();
    let table = Table::new("trace").row_as("steps", "steps", serde_json::json!(steps), format!("{steps:?}")).row_as(
        "bytes",
        "size of all",
        size,
        bytes(size),
    );
    Ok(table.into())
}

/// Writes the file of every step that has none.
pub(crate) fn publish(
    workspace: &Workspace,
    data: &Split,
    trace: &Trace,
    steps: &BTreeSet<u32>,
    console: Console,
) -> Result<(), Failure> {
    let missing: Vec<u32> = steps.iter().copied().filter(|&step| !workspace.store.has(&trace_file(step))).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let bar = console.bar("trace", missing.len() as u64);
    let job = workspace.job(data);
    let mut stepper = Stepper::new(&job, trace.records[0].state_root)?;
    for step in missing {
        let traced = traced(&mut stepper, &workspace.store, &trace.records, step)?;
        workspace.write_once(&trace_file(step), &traced.encode())?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}
