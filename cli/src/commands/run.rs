//! `pogo run`: a whole round in one command, resumed wherever an earlier start ended.

use std::time::Instant;

use pogo_protocol::codec::scalar_bytes;
use pogo_protocol::model::{State, TraceMode};
use pogo_protocol::step::Evaluation;
use pogo_prover::data::Split;
use pogo_prover::error::hex;
use pogo_prover::train::Trace;

use super::challenge::BeaconArguments;
use super::train::Begin;
use super::{Done, attest, challenge, commit, disclose, finalize, open, prove, train, verify};
use crate::evaluate::{Model, accuracy, evaluate, mean_loss};
use crate::failure::Failure;
use crate::output::{Console, Table, seconds};
use crate::verdict::Verdict;
use crate::workspace::{BEACON, Cost, FIRST_BEACON, Published, Workspace};
use crate::{evm, report};

/// Arguments of the command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    begin: Begin,
    #[command(flatten)]
    beacons: BeaconArguments,
}

/// What the checks of a round gave.
struct Checked {
    verify_seconds: f64,
    gas: Option<Vec<pogo_contracts::Gas>>,
    verdict: Verdict,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments, console: Console) -> Result<Done, Failure> {
    let given = arguments.beacons.beacon.value()?;
    let dir = &arguments.begin.work.work;
    let mut workspace = arguments.begin.workspace()?;
    let (mode, srs) = (workspace.setup.spec.trace, arguments.begin.srs.as_deref());
    let first = arguments.beacons.first(mode)?;
    arguments.begin.device.open(&mut workspace, console)?;
    let data = workspace.data()?;

    let trace = train::train(&workspace, &data, console)?;
    let commitment = commit::commit(&workspace, &trace)?;
    if mode == TraceMode::Challenged {
        let first = challenge::challenge(&workspace, FIRST_BEACON, first, console)?;
        disclose::disclose(&workspace, &data, &trace, &commitment, first, srs, console)?;
    }
    let beacon = challenge::challenge(&workspace, BEACON, given, console)?;
    open::open(&workspace, &data, &trace, &commitment, beacon, console)?;
    prove::prove(&workspace, &commitment, beacon, srs, console)?;

    let published = Published::read(dir)?;
    let checked = check(&workspace, &published, &data, &trace)?;

    let table = summary(&workspace, &published, &data, &trace, &checked)?;
    report::write(&workspace, &trace, &table)?;
    console.note(format!("Wrote {} and loss.csv.\n", workspace.store.path("report.html").display()));
    Ok(Done { table, failure: finalize::done(&checked.verdict).failure })
}

/// Verify, attest, finalize.
fn check(workspace: &Workspace, published: &Published, data: &Split, trace: &Trace) -> Result<Checked, Failure> {
    let start = Instant::now();
    {
        let _span = tracing::info_span!("verify").entered();
        verify::verify(published)?;
    }
    let verify_seconds = start.elapsed().as_secs_f64();
    let gas = evm::verify(published)?;
    let signed = attest::attest(workspace, published, data, trace)?;
    let verdict = finalize::finalize(workspace, published, data.test.len(), &signed)?;
    Ok(Checked { verify_seconds, gas, verdict })
}

fn summary(
    workspace: &Workspace,
    published: &Published,
    data: &Split,
    trace: &Trace,
    checked: &Checked,
) -> Result<Table, Failure> {
    let setup = &workspace.setup;
    let root = |scalar| hex(&scalar_bytes(scalar));
    let commitment = &published.commitment;
    let table = Table::new(format!("round {} of {}", setup.context.round, setup.spec.name))
        .row_as("data", "data", setup.source.describe(), source(workspace, data))
        .row_as("layers", "layers", serde_json::json!(setup.spec.layers), format!("{:?}", setup.spec.layers))
        .row("start", "starts from", setup.start.describe())
        .row("steps", "steps", setup.spec.steps)
        .row("leaves", "leaves of 64 weights", workspace.round.layout.leaf_count() as u64)
        .row_as("device", "device", workspace.device.describe(), workspace.device.describe())
        .then(model(workspace, data, trace)?)
        .then(verify::soundness(setup.samples))
        .then(proof(workspace, published, checked))
        .then(finalize::table(&checked.verdict))
        .section("roots")
        .row("commitment", "commitment", hex(&commitment.hash()))
        .row("beacon", "beacon", hex(&published.beacon.value))
        .row("parent_root", "parent root", root(&commitment.parent_root))
        .row("steps_root", "steps root", root(&commitment.steps_root))
        .row("state_root", "state root", root(&commitment.state_root))
        .row("quantized_root", "4-bit root", root(&commitment.quantized_root))
        .row("data_root", "data root", root(&commitment.data_root));
    Ok(table)
}

fn source(workspace: &Workspace, data: &Split) -> String {
    let (train, test) = (data.train.len(), data.test.len());
    format!("{}, {train} records to train on, {test} held back", workspace.setup.source.describe())
}

/// The model before and after, on the records held back.
fn model(workspace: &Workspace, data: &Split, trace: &Trace) -> Result<Table, Failure> {
    let (initial, test) = (workspace.start()?, data.test.all());
    let measure = |state: &State, model| evaluate(&workspace.round, &workspace.device, state, model, &test);
    let rows = |table: Table, names: [&'static str; 4], label: &str, model| {
        let (before, after) = (measure(&initial, model)?, measure(&trace.state, model)?);
        let [loss_before, loss_after, accuracy_before, accuracy_after] = names;
        let text = |e: &Evaluation| format!("loss {:.4}, {:.2} % right", mean_loss(e), accuracy(e));
        let table = table
            .row_as(loss_before, &format!("{label}, before"), mean_loss(&before), text(&before))
            .row_as(loss_after, &format!("{label}, after"), mean_loss(&after), text(&after))
            .hidden(accuracy_before, serde_json::json!(accuracy(&before)))
            .hidden(accuracy_after, serde_json::json!(accuracy(&after)));
        Ok::<_, Failure>(table)
    };
    let master = ["loss_before", "loss_after", "accuracy_before", "accuracy_after"];
    let four = ["loss_before_4_bit", "loss_after_4_bit", "accuracy_before_4_bit", "accuracy_after_4_bit"];
    let table = Table::new("model, measured on the records held back (loss in nats)");
    let table = rows(table, master, "32-bit weights", Model::Master)?;
    rows(table, four, "4-bit weights", Model::FourBit)
}

/// What proving and checking cost.
fn proof(workspace: &Workspace, published: &Published, checked: &Checked) -> Table {
    let times = workspace.times();
    let cost = |stage: &str| times.get(stage).copied().unwrap_or_default();
    let text = |cost: Cost| format!("{} ({} of CPU)", seconds(cost.wall), seconds(cost.cpu));
    let (train, keys, prove) = (cost("train"), cost("keys"), cost("prove"));
    let table = Table::new("proof")
        .row("srs", "SRS", crate::setup::srs_name(workspace.setup.srs))
        .row_as("train_seconds", "training and hashing", train.wall, text(train))
        .hidden("train_cpu_seconds", train.cpu.into())
        .row_as("keys_seconds", "keys of the circuits", keys.wall, text(keys))
        .hidden("keys_cpu_seconds", keys.cpu.into())
        .row_as("prove_seconds", "proving", prove.wall, text(prove))
        .hidden("prove_cpu_seconds", prove.cpu.into());
    let time = checked.verify_seconds;
    let table = verify::proofs(table, published).row_as("verify_seconds", "verifying them all", time, seconds(time));
    gas(table, checked)
}

fn gas(table: Table, checked: &Checked) -> Table {
    let Some(gas) = &checked.gas else {
        return table.row_as("gas", "gas", serde_json::Value::Null, "no contract for this SRS in this build");
    };
    let most = gas.iter().map(|gas| gas.total).max().unwrap_or(0);
    let sent = gas.iter().map(|gas| gas.calldata_bytes).max().unwrap_or(0);
    table.row_as("gas", "gas of a proof in the EVM", most, format!("{most} ({sent} bytes sent)"))
}
