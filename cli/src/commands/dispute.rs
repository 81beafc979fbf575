//! `pogo dispute`: an attester doubts one cell and puts up a bond; the miner answers with a proof of
//! that very cell, or loses its own bond in `pogo finalize`.

use std::path::Path;

use clap::Subcommand;
use pogo_protocol::attest::Sign;
use pogo_protocol::cell::{Cell, Kind};
use pogo_protocol::commitment::Commitment;
use pogo_protocol::disclosure::{self, Segments};
use pogo_protocol::settle;
use pogo_protocol::statement::{CircuitKind, PublicRound, Statement};
use pogo_prover::data::Split;
use pogo_prover::error::hex;
use pogo_prover::open;
use pogo_prover::train::Trace;
use pogo_verifier::Verifier;
use serde_json::{Value, json};

use super::attest::{self, ATTESTERS, development_key};
use super::{Done, Work, WorkOnDevice, challenge, commit, disclose, prove};
use crate::dispute::{self, Dispute, Opened, SegmentAnswer};
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
    Answer(prove::Arguments),
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

/// Runs the command.
pub(crate) fn run(command: &Command, console: Console) -> Result<Done, Failure> {
    match command {
        Command::Open(arguments) => open(arguments, console),
        Command::Answer(arguments) => answer(arguments, console),
        Command::List(work) => {
            let workspace = Workspace::open(&work.work)?;
            let commitment = workspace.commitment()?;
            Ok(table(&Answers::read(&workspace, &commitment)?).into())
        }
    }
}

fn open(arguments: &Open, console: Console) -> Result<Done, Failure> {
    let workspace = arguments.at.open(console)?;
    let commitment = disputable(&workspace)?;
    let answers = Answers::read(&workspace, &commitment)?;
    let public = challenge::public(&workspace, &commitment, workspace.beacon()?, answers.segments.as_ref())?;
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
    Ok(table(&Answers::read(&workspace, &commitment)?).into())
}

/// The cells of a kind that a dispute may name.
fn disputed(public: &PublicRound<'_>, kind: Kind) -> String {
    let (steps, leaves) = (public.commitment.steps, public.layout.leaf_count());
    match (kind, public.space()) {
        (Kind::Update, _) => format!("a step below {steps} and a leaf below {leaves}"),
        (Kind::Quantize, _) => format!("a leaf below {leaves}"),
        (Kind::Disclosure, Some(_)) => {
            format!("a segment below {} that is not disclosed", disclosure::count(public.spec))
        }
        (Kind::Init, Some(space)) if space.count(kind) == 0 => {
            "no first weights: the round does not start from its seed".to_owned()
        }
        (_, Some(space)) if kind.is_of_step() => {
            format!("a step below {steps}, of a disclosed segment, and a number below {}", space.count(kind))
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

fn answer(arguments: &prove::Arguments, console: Console) -> Result<Done, Failure> {
    let _span = tracing::info_span!("answer").entered();
    let workspace = arguments.at.open(console)?;
    let commitment = disputable(&workspace)?;
    let data = workspace.data()?;
    let trained = workspace.trace(&data)?;
    commit::hold(&workspace, &trained)?;
    answer_segments(&workspace, &data, &trained, &commitment, arguments.srs.as_deref(), console)?;
    let failure = answer_cells(&workspace, &data, trained, &commitment, arguments.srs.as_deref(), console)?;
    Ok(Done { table: table(&Answers::read(&workspace, &commitment)?), failure })
}

/// Discloses every disputed segment that is not, one after another.
fn answer_segments(
    workspace: &Workspace,
    data: &Split,
    trained: &Trace,
    commitment: &Commitment,
    srs: Option<&Path>,
    console: Console,
) -> Result<(), Failure> {
    let answers = Answers::read(workspace, commitment)?;
    let open: Vec<u32> = answers.open(|kind| kind == Kind::Disclosure).map(|cell| cell.index).collect();
    if open.is_empty() {
        return Ok(());
    }
    let prover = prove::prover(workspace, srs, &[CircuitKind::Disclosure], console)?;
    for segment in open {
        let segments = Answers::read(workspace, commitment)?.segments;
        let public = challenge::public(workspace, commitment, workspace.beacon()?, segments.as_ref())?;
        let prepared = disclose::prepare(workspace, data, trained, &public, &[segment], true, console)?;
        let proofs = prepared.statements.iter().zip(prepared.openings).map(|(statement, opening)| {
            workspace.timed("answer", || Ok(prover.prove(statement, open::Opened::Cells(vec![opening]))?))
        });
        let proofs = proofs.collect::<Result<_, Failure>>()?;
        let answer = SegmentAnswer { from: public.roots().steps, roots: prepared.roots, proofs };
        workspace.store.write(&dispute::answer_file(Cell::segment(segment)), &answer.encode())?;
    }
    Ok(())
}

/// Proves every disputed cell without a proof that is accepted; what cannot be is a failure.
fn answer_cells(
    workspace: &Workspace,
    data: &Split,
    mut trained: Trace,
    commitment: &Commitment,
    srs: Option<&Path>,
    console: Console,
) -> Result<Option<Failure>, Failure> {
    let answers = Answers::read(workspace, commitment)?;
    let public = challenge::public(workspace, commitment, workspace.beacon()?, answers.segments.as_ref())?;
    disclose::fill_in(workspace, &mut trained.records, answers.segments.as_ref())?;
    let (mut openings, mut failures) = (Vec::new(), Vec::new());
    for cell in answers.open(|kind| kind != Kind::Disclosure) {
        let statement = settle::answer_statement(&public, cell).expect("the dispute was held to the round");
        match reveal(workspace, data, &trained, &public, cell, console) {
            Ok(opened) => openings.push((cell, statement, opened)),
            Err(Failure::Check(why)) => failures.push(format!("{cell}: {why}")),
            Err(failure) => return Err(failure),
        }
    }
    openings.sort_by_key(|(_, _, opened)| opened.circuit());
    if !openings.is_empty() {
        let kinds: Vec<CircuitKind> = openings.iter().filter_map(|(_, _, opened)| opened.circuit()).collect();
        let prover = prove::prover(workspace, srs, &kinds, console)?;
        let mut verifier = Verifier::new(workspace.setup.srs);
        for (cell, statement, opened) in openings {
            let proof = workspace.timed("answer", || Ok(prover.prove(&statement, opened)?))?;
            verifier
                .verify(&statement.encode(), &proof)
                .map_err(|error| Failure::Check(format!("the answer about {cell}: {error}")))?;
            workspace.store.write(&dispute::answer_file(cell), &proof)?;
        }
    }
    Ok((!failures.is_empty()).then(|| Failure::Check(format!("no answer is possible: {}", failures.join("; ")))))
}

/// Opens what answers a dispute about a cell.
fn reveal(
    workspace: &Workspace,
    data: &Split,
    trained: &Trace,
    public: &PublicRound<'_>,
    cell: Cell,
    console: Console,
) -> Result<open::Opened, Failure> {
    match settle::answer(public, cell).expect("the statement exists, so the cell does") {
        settle::Answer::Round(part) => {
            let job = workspace.job(data);
            let mut opened = open::open(&workspace.store, &job, trained, public, &[part])?;
            Ok(open::Opened::Round(opened.remove(0)))
        }
        settle::Answer::Cells(part) => {
            Ok(open::Opened::Cells(prove::open_cells(workspace, public, &[part], console)?.remove(0)))
        }
        settle::Answer::Segment(_) => Err(Failure::Check(format!("{cell} is no cell"))),
    }
}

/// The disputes of a work directory, what their answers are worth, and the segments that are disclosed
/// with those that answers disclose.
struct Answers {
    segments: Option<Segments>,
    /// "none", "refused" or "proven".
    disputes: Vec<(Dispute, &'static str)>,
}

impl Answers {
    /// Reads all disputes, holds them to the round, and verifies their answers.
    fn read(workspace: &Workspace, commitment: &Commitment) -> Result<Self, Failure> {
        let (dir, beacon) = (workspace.store.path(""), workspace.beacon()?);
        let (opened, mut verifier) = (dispute::read(&dir)?, Verifier::new(workspace.setup.srs));
        let mut verified = |statement: &Statement, proof: &[u8]| verifier.verify(&statement.encode(), proof).is_ok();
        let mut segments = disclose::segments(workspace, commitment)?;
        let committed = challenge::public(workspace, commitment, beacon, None)?;
        if let Some(segments) = &mut segments {
            dispute::disclosed_later(&opened, segments, |before, segment, answer| {
                let public = PublicRound { segments: Some(before), ..committed.clone() };
                let statements = public.disclosure_statements(&[segment], &answer.roots, 0).unwrap_or_default();
                let whole = statements.len() == answer.proofs.len() && !statements.is_empty();
                whole && statements.iter().zip(&answer.proofs).all(|(statement, proof)| verified(statement, proof))
            });
        }
        let public = PublicRound { segments: segments.as_ref(), ..committed.clone() };
        let mut disputes = Vec::new();
        for Opened { dispute, answer } in opened {
            dispute.check(&dir, &public)?;
            let later = segments.as_ref().is_some_and(|segments| segments.later.contains(&dispute.cell.index));
            let proven = match (&answer, settle::answer_statement(&public, dispute.cell)) {
                (Some(proof), Some(statement)) => verified(&statement, proof),
                _ => dispute.cell.kind == Kind::Disclosure && later,
            };
            let worth = match (answer, proven) {
                (None, _) => "none",
                (Some(_), false) => "refused",
                (Some(_), true) => "proven",
            };
            disputes.push((dispute, worth));
        }
        Ok(Self { segments, disputes })
    }

    /// Disputed cells of some kinds without an answer that is accepted.
    fn open(&self, kinds: impl Fn(Kind) -> bool) -> impl Iterator<Item = Cell> {
        let open = self.disputes.iter().filter(move |(dispute, worth)| *worth != "proven" && kinds(dispute.cell.kind));
        open.map(|(dispute, _)| dispute.cell)
    }
}

/// Every dispute and the state of its answer.
fn table(answers: &Answers) -> Table {
    let value = |(dispute, answer): &(Dispute, &str)| {
        let disputer = hex(&dispute.disputer());
        json!({ "cell": dispute.cell.to_string(), "disputer": disputer, "bond": dispute.bond, "answer": answer })
    };
    let values: Vec<Value> = answers.disputes.iter().map(value).collect();
    let count = values.len().to_string();
    let table = Table::new("disputes").row_as("disputes", "disputes", values.clone(), count);
    answers.disputes.iter().fold(table, |table, (dispute, answer)| {
        let text = format!("answer: {answer}; bond of {} by {}", dispute.bond, hex(&dispute.disputer()));
        table.row_as("disputes", &dispute.cell.to_string(), values.clone(), text)
    })
}

/// A dispute file in rows.
pub(crate) fn inspected(dispute: &Dispute) -> Table {
    Table::new("dispute")
        .row("cell", "cell", dispute.cell.to_string())
        .row("bond", "bond", dispute.bond)
        .then(attest::table(&[dispute.signed]))
}
