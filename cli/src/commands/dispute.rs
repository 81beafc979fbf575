//! `pogo dispute`: an attester doubts one cell and puts up a bond; the miner answers with a proof of
//! that very cell, or loses its own bond in `pogo finalize`.

use std::path::PathBuf;

use clap::Subcommand;
use pogo_protocol::attest::Sign;
use pogo_protocol::cell::{Cell, Kind};
use pogo_protocol::commitment::Commitment;
use pogo_protocol::settle;
use pogo_protocol::statement::{CircuitKind, PublicRound, Statement};
use pogo_prover::data::Split;
use pogo_prover::error::hex;
use pogo_prover::open;
use pogo_prover::train::Trace;
use pogo_verifier::Verifier;
use serde_json::{Value, json};

use super::attest::{self, ATTESTERS, development_key};
use super::{Done, Work, WorkOnDevice, challenge, commit, prove};
use crate::dispute::{self, Dispute, Opened};
use crate::failure::Failure;
use crate::output::{Console, Table};
use crate::settlement::DISPUTE_BOND;
use crate::workspace::{Published, VERDICT, Workspace, part_file};

/// What to do about disputes.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Doubt one cell: writes a signed negative attestation with its bond into disputes/.
    Open(Open),
    /// Prove every disputed cell; writes each proof beside its dispute.
    Answer(Answer),
    /// List the disputes and what their answers are worth.
    List(Work),
}

/// Arguments of `pogo dispute open`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Open {
    #[command(flatten)]
    at: WorkOnDevice,
    /// The doubted cell: KIND:STEP:INDEX or quantize:LEAF, as `pogo replay` and `pogo audit` name them.
    #[arg(long, value_name = "CELL")]
    cell: Cell,
    /// Whose development key signs. 0 to 2 are the attesters of `pogo attest`, who have stake and whose
    /// vote this is; others have none, and need none to dispute.
    #[arg(long, value_name = "N", default_value_t = ATTESTERS)]
    attester: u8,
}

/// Arguments of `pogo dispute answer`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Answer {
    #[command(flatten)]
    at: WorkOnDevice,
    /// Prepared ceremony SRS, for a round that rests on one.
    #[arg(long, value_name = "FILE")]
    srs: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(command: &Command, console: Console) -> Result<Done, Failure> {
    match command {
        Command::Open(arguments) => open(arguments, console),
        Command::Answer(arguments) => answer(arguments, console),
        Command::List(work) => {
            let workspace = Workspace::open(&work.work)?;
            let (commitment, beacon) = (workspace.commitment()?, workspace.beacon()?);
            Ok(table(&workspace, &challenge::public(&workspace, &commitment, beacon)?)?.into())
        }
    }
}

fn open(arguments: &Open, console: Console) -> Result<Done, Failure> {
    let workspace = arguments.at.open(console)?;
    let commitment = disputable(&workspace)?;
    let public = challenge::public(&workspace, &commitment, workspace.beacon()?)?;
    let cell = arguments.cell;
    if settle::answer(&public, cell).is_none() {
        return Err(Failure::Usage(format!("--cell: expected {}, got {cell}", disputed(&public, cell.kind))));
    }
    may_sign(&workspace, arguments)?;
    let data = workspace.data()?;
    let trace = workspace.trace(&data)?;
    commit::hold(&workspace, &trace)?;
    let published = Published::read(&arguments.at.work.work)?;
    let (parent, sign) = (workspace.start()?, Sign::Negative(cell));
    let signed = attest::sign(&workspace, &published, &data, [&parent, &trace.state], arguments.attester, sign)?;
    let dispute = Dispute::new(signed, DISPUTE_BOND).expect("the sign is negative");
    workspace.write_once(&dispute::file(cell), &dispute.encode())?;
    Ok(table(&workspace, &public)?.into())
}

/// The cells of a kind that a dispute may name.
fn disputed(public: &PublicRound<'_>, kind: Kind) -> String {
    let (steps, leaves) = (public.commitment.steps, public.layout.leaf_count());
    match (kind, public.space()) {
        (Kind::Update, _) => format!("a step below {steps} and a leaf below {leaves}"),
        (Kind::Quantize, _) => format!("a leaf below {leaves}"),
        (Kind::Init, _) => "no cell of the first state, which the settlement compares".to_owned(),
        (Kind::Disclosure, _) => "no disclosure, which is no part of a round".to_owned(),
        (_, Some(space)) if kind.is_of_step() => {
            format!("a step below {steps} and a number below {}", space.count(kind))
        }
        (_, Some(space)) => format!("a number below {}", space.count(kind)),
        (_, None) => "update or quantize: the round commits to no traces".to_owned(),
    }
}

/// The commitment of a round that is proven and not at its end.
fn disputable(workspace: &Workspace) -> Result<Commitment, Failure> {
    let commitment = workspace.commitment()?;
    workspace.beacon()?;
    workspace.need(&part_file("proofs", 0), "prove")?;
    if workspace.store.has(VERDICT) {
        let file = workspace.store.path(VERDICT);
        return Err(Failure::Usage(format!("{}: the window of disputes is over", file.display())));
    }
    Ok(commitment)
}

/// An attester signs once about a candidate, and a cell is disputed once.
fn may_sign(workspace: &Workspace, arguments: &Open) -> Result<(), Failure> {
    let attester = development_key(arguments.attester)?.address();
    let usage = |what: String| Err(Failure::Usage(what));
    let voted = attest::file(&attester);
    if workspace.store.has(&voted) {
        let file = workspace.store.path(&voted);
        return usage(format!(
            "{}: signed already, and two signatures are slashed; use another --attester",
            file.display()
        ));
    }
    for Opened { dispute, .. } in dispute::read(&workspace.store.path(""))? {
        if dispute.cell == arguments.cell {
            return usage(format!("--cell: {} is disputed already", dispute.cell));
        }
        if dispute.disputer() == attester {
            return usage(format!("--attester: {} signed about {} already; use another", hex(&attester), dispute.cell));
        }
    }
    Ok(())
}

fn answer(arguments: &Answer, console: Console) -> Result<Done, Failure> {
    let _span = tracing::info_span!("answer").entered();
    let workspace = arguments.at.open(console)?;
    let commitment = disputable(&workspace)?;
    let public = challenge::public(&workspace, &commitment, workspace.beacon()?)?;
    let data = workspace.data()?;
    let trace = workspace.trace(&data)?;
    commit::hold(&workspace, &trace)?;
    let (mut openings, mut failures) = (Vec::new(), Vec::new());
    for (cell, statement) in unanswered(&workspace, &public)? {
        match reveal(&workspace, &data, &trace, &public, cell, console) {
            Ok(opened) => openings.push((cell, statement, opened)),
            Err(Failure::Check(why)) => failures.push(format!("{cell}: {why}")),
            Err(failure) => return Err(failure),
        }
    }
    openings.sort_by_key(|(_, _, opened)| opened.circuit());
    if !openings.is_empty() {
        let kinds: Vec<CircuitKind> = openings.iter().filter_map(|(_, _, opened)| opened.circuit()).collect();
        let prover = prove::prover(&workspace, arguments.srs.as_deref(), &kinds, console)?;
        let mut verifier = Verifier::new(workspace.setup.srs);
        for (cell, statement, opened) in openings {
            let proof = workspace.timed("answer", || Ok(prover.prove(&statement, opened)?))?;
            verifier
                .verify(&statement.encode(), &proof)
                .map_err(|error| Failure::Check(format!("the answer about {cell}: {error}")))?;
            workspace.store.write(&dispute::answer_file(cell), &proof)?;
        }
    }
    let failure =
        (!failures.is_empty()).then(|| Failure::Check(format!("no answer is possible: {}", failures.join("; "))));
    Ok(Done { table: table(&workspace, &public)?, failure })
}

/// Opens what answers a dispute about a cell.
fn reveal(
    workspace: &Workspace,
    data: &Split,
    trace: &Trace,
    public: &PublicRound<'_>,
    cell: Cell,
    console: Console,
) -> Result<open::Opened, Failure> {
    match settle::answer(public, cell).expect("the statement exists, so the cell does") {
        settle::Answer::Round(part) => {
            let job = workspace.job(data);
            let mut opened = open::open(&workspace.store, &job, trace, public.commitment, &[part])?;
            Ok(open::Opened::Round(opened.remove(0)))
        }
        settle::Answer::Cells(part) => {
            Ok(open::Opened::Cells(prove::open_cells(workspace, public, &[part], console)?.remove(0)))
        }
    }
}

/// Disputed cells without a proof that is accepted, and the statements that answer them.
fn unanswered(workspace: &Workspace, public: &PublicRound<'_>) -> Result<Vec<(Cell, Statement)>, Failure> {
    let mut verifier = Verifier::new(workspace.setup.srs);
    let mut open = Vec::new();
    for Opened { dispute, answer } in dispute::read(&workspace.store.path(""))? {
        let statement = dispute.check(&workspace.store.path(""), public)?;
        let encoded = statement.encode();
        if answer.is_none_or(|proof| verifier.verify(&encoded, &proof).is_err()) {
            open.push((dispute.cell, statement));
        }
    }
    Ok(open)
}

/// Every dispute and the state of its answer.
fn table(workspace: &Workspace, public: &PublicRound<'_>) -> Result<Table, Failure> {
    let mut verifier = Verifier::new(workspace.setup.srs);
    let mut rows = Vec::new();
    for Opened { dispute, answer } in dispute::read(&workspace.store.path(""))? {
        let statement = dispute.check(&workspace.store.path(""), public)?.encode();
        let answer = match answer.map(|proof| verifier.verify(&statement, &proof)) {
            None => "none",
            Some(Err(_)) => "refused",
            Some(Ok(())) => "proven",
        };
        rows.push((dispute, answer));
    }
    let value = |(dispute, answer): &(Dispute, &str)| {
        let disputer = hex(&dispute.disputer());
        json!({ "cell": dispute.cell.to_string(), "disputer": disputer, "bond": dispute.bond, "answer": answer })
    };
    let values: Vec<Value> = rows.iter().map(value).collect();
    let count = values.len().to_string();
    let table = Table::new("disputes").row_as("disputes", "disputes", values.clone(), count);
    Ok(rows.iter().fold(table, |table, (dispute, answer)| {
        let text = format!("answer: {answer}; bond of {} by {}", dispute.bond, hex(&dispute.disputer()));
        table.row_as("disputes", &dispute.cell.to_string(), values.clone(), text)
    }))
}

/// A dispute file in rows.
pub(crate) fn inspected(dispute: &Dispute) -> Table {
    Table::new("dispute")
        .row("cell", "cell", dispute.cell.to_string())
        .row("bond", "bond", dispute.bond)
        .then(attest::table(&[dispute.signed]))
}
