//! `pogo commit`: the roots that bind everything before the challenge is known.

use pogo_protocol::codec::scalar_bytes;
use pogo_protocol::commitment::Commitment;
use pogo_prover::commit;
use pogo_prover::data::Split;
use pogo_prover::error::hex;
use pogo_prover::train::Trace;

use super::{Done, WorkOnDevice};
use crate::failure::Failure;
use crate::output::{Console, Table};
use crate::workspace::{COMMITMENT, Workspace};

/// Runs the command.
pub(crate) fn run(arguments: &WorkOnDevice, console: Console) -> Result<Done, Failure> {
    let workspace = arguments.open(console)?;
    let data: Split = workspace.data()?;
    let trace = workspace.trace(&data)?;
    Ok(table(&commit(&workspace, &trace)?).into())
}

/// Writes the commitment, or holds the one that is there to the records.
pub(crate) fn commit(workspace: &Workspace, trace: &Trace) -> Result<Commitment, Failure> {
    let _span = tracing::info_span!("commit").entered();
    let make = || {
        let commitment = commit::commit(&workspace.round, &trace.records, &trace.state, &workspace.device)?;
        workspace.write_once(COMMITMENT, &commitment.encode())?;
        Ok(commitment)
    };
    if workspace.store.has(COMMITMENT) { make() } else { workspace.timed("commit", make) }
}

/// Holds the commitment that is there to the training at hand.
pub(crate) fn hold(workspace: &Workspace, trace: &Trace) -> Result<(), Failure> {
    commit(workspace, trace).map(|_| ())
}

/// The roots.
pub(crate) fn table(commitment: &Commitment) -> Table {
    let root = |scalar| hex(&scalar_bytes(scalar));
    Table::new("commitment")
        .row("commitment", "commitment", hex(&commitment.hash()))
        .row("parent_root", "parent root", root(&commitment.parent_root))
        .row("parent_exponents", "parent exponents", root(&commitment.parent_exponents))
        .row("steps_root", "steps root", root(&commitment.steps_root))
        .row("state_root", "state root", root(&commitment.state_root))
        .row("exponents", "exponents", root(&commitment.head().exponents))
        .row("quantized_root", "4-bit root", root(&commitment.quantized_root))
        .row("data_root", "data root", root(&commitment.data_root))
        .row("spec_hash", "spec hash", hex(&commitment.spec_hash))
}
