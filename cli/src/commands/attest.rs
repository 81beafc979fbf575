//! `pogo attest`: three local attesters measure the 4-bit model and sign what they found, and prove cells of
//! their evaluations when asked.
//!
//! Their keys are development keys, a function of their number: they stand in for three people.
//! Each checks the proofs, evaluates the parent's and the candidate's 4-bit model on test records of
//! its own, drawn from beacon and address, and signs both integer losses. An attester who disputed a
//! cell signed already: its vote is the negative attestation of its dispute.

use std::path::PathBuf;
use std::str::FromStr;

use pogo_protocol::attest::{Address, Attestation, AttesterKey, Sign, SignedAttestation, evaluation_indices};
use pogo_protocol::cell::Cell;
use pogo_protocol::codec::scalar_bytes;
use pogo_protocol::data::DataSet;
use pogo_protocol::evaluation::PublicEvaluation;
use pogo_protocol::model::State;
use pogo_protocol::stream::keccak;
use pogo_prover::data::Split;
use pogo_prover::error::hex;
use pogo_prover::evaluation::Evaluation;
use pogo_prover::open::Opened;
use pogo_prover::train::Trace;
use serde_json::Value;

use super::{Done, WorkOnDevice, challenge, commit, prove, verify};
use crate::dispute;
use crate::evaluate::{Model, evaluate};
use crate::evaluation;
use crate::failure::Failure;
use crate::output::{Console, Table};
use crate::workspace::{Published, Workspace, part_file};

/// Local attesters.
pub(crate) const ATTESTERS: u8 = 3;
/// Records that each evaluates, where there are as many; a power of two.
const EVALUATED: u32 = 128;

/// Arguments of the command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    at: WorkOnDevice,
    /// Prove a cell of the evaluation of attester N, 0 to 2, as in 0:loss:0:17 or 2:dequantize:0:5; writes the
    /// proof into evaluations/, where `pogo verify` checks it. May be given several times.
    #[arg(long, value_name = "N:CELL")]
    prove: Vec<Asked>,
    /// Prepared ceremony SRS, to prove under one.
    #[arg(long, value_name = "FILE", requires = "prove")]
    srs: Option<PathBuf>,
}

/// A cell of an attester's evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    attester: u8,
    cell: Cell,
}

impl FromStr for Asked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once(':').and_then(|(number, cell)| {
            let attester = number.parse().ok().filter(|&number| number < ATTESTERS)?;
            Some(Self { attester, cell: cell.parse().ok()? })
        });
        parsed.ok_or_else(|| format!("expected an attester, 0 to {}, and a cell as in 0:loss:0:17", ATTESTERS - 1))
    }
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments, console: Console) -> Result<Done, Failure> {
    let workspace = arguments.at.open(console)?;
    workspace.commitment()?;
    workspace.beacon()?;
    workspace.need(&part_file("proofs", 0), "prove")?;
    let published = Published::read(&arguments.at.work.work)?;
    verify::verify(&published)?;
    let data = workspace.data()?;
    let trace = workspace.trace(&data)?;
    commit::hold(&workspace, &trace)?;
    let signed = attest(&workspace, &published, &data, &trace)?;
    let table = table(&signed);
    if arguments.prove.is_empty() {
        return Ok(table.into());
    }
    let files = prove_cells(&workspace, &published, (&data, &trace), &signed, arguments, console)?;
    Ok(table.row_as("evaluations", "proven cells", files.clone(), files.join(" ")).into())
}

/// Proves cells of evaluations; the files written.
fn prove_cells(
    workspace: &Workspace,
    published: &Published,
    (data, trace): (&Split, &Trace),
    signed: &[SignedAttestation],
    arguments: &Arguments,
    console: Console,
) -> Result<Vec<String>, Failure> {
    let _span = tracing::info_span!("prove evaluation").entered();
    let public = challenge::public(workspace, &published.commitment, published.beacon, None)?;
    let mut openings = Vec::new();
    for &Asked { attester: number, cell } in &arguments.prove {
        let attestation = &signed[usize::from(number)].attestation;
        let evaluation = own_evaluation(workspace, published, data, &trace.state, &attestation.attester)?;
        let depths = workspace.round.depths();
        let claimed =
            PublicEvaluation::new(public.clone(), depths, attestation).map_err(pogo_prover::error::Error::from)?;
        let statement = claimed.statement(cell);
        let statement = statement.ok_or_else(|| {
            Failure::Usage(format!("--prove: the evaluation of attester {number} has no cell {cell}"))
        })?;
        let opening = evaluation.open(&claimed, &[cell])?.remove(0);
        let circuit = opening.sample().circuit();
        let opened = Opened::Cells(vec![opening; circuit.capacity()]);
        openings.push((circuit, evaluation::file(&attestation.attester, cell), statement, opened));
    }
    openings.sort_by_key(|(circuit, ..)| *circuit);
    let kinds: Vec<_> = openings.iter().map(|(circuit, ..)| *circuit).collect();
    let prover = prove::prover(workspace, arguments.srs.as_deref(), &kinds, console)?;
    let mut files = Vec::new();
    for (_, file, statement, opened) in openings {
        let proof = workspace.timed("evaluation", || Ok(prover.prove(&statement, opened)?))?;
        workspace.store.write(&file, &proof)?;
        files.push(file);
    }
    evaluation::verify(&workspace.store.path(""), published)?;
    Ok(files)
}

/// Signs as every local attester; files that are there must be the same.
pub(crate) fn attest(
    workspace: &Workspace,
    published: &Published,
    data: &Split,
    trace: &Trace,
) -> Result<Vec<SignedAttestation>, Failure> {
    let _span = tracing::info_span!("attest").entered();
    let parent = workspace.start()?;
    let disputes = dispute::read(&workspace.store.path(""))?;
    let vote = |number| {
        let attester = development_key(number)?.address();
        let signed = match disputes.iter().find(|opened| opened.dispute.disputer() == attester) {
            Some(opened) => opened.dispute.signed,
            None => sign(workspace, published, data, [&parent, &trace.state], number, Sign::Positive)?,
        };
        workspace.write_once(&file(&attester), &signed.encode())?;
        Ok(signed)
    };
    (0..ATTESTERS).map(vote).collect()
}

/// File of an attester's vote.
pub(crate) fn file(attester: &Address) -> String {
    file_of(&hex(attester))
}

/// File of the vote of an attester, whose address is written so.
pub(crate) fn file_of(attester: &str) -> String {
    format!("attestations/{attester}.attestation")
}

/// Key of a local attester: `keccak256("pogo/attester/development/v1" || number)`.
pub(crate) fn development_key(number: u8) -> Result<AttesterKey, Failure> {
    let secret = keccak(&[b"pogo/attester/development/v1", &[number]]);
    AttesterKey::from_secret(&secret).map_err(|error| Failure::Check(error.to_string()))
}

/// Records that an attester of this task evaluates: the largest power of two of them, up to 128.
pub(crate) fn evaluated(records: usize) -> u32 {
    (records as u32).checked_ilog2().map_or(0, |exponent| EVALUATED.min(1 << exponent))
}

/// The records that an attester evaluates.
fn drawn(published: &Published, data: &Split, attester: &Address) -> DataSet {
    let records = data.test.len();
    data.test.choose(&evaluation_indices(published.beacon.value, *attester, records as u32, evaluated(records)))
}

/// What an attester computes of the 4-bit model of the final state.
fn own_evaluation(
    workspace: &Workspace,
    published: &Published,
    data: &Split,
    state: &State,
    attester: &Address,
) -> Result<Evaluation, Failure> {
    let records = drawn(published, data, attester);
    Ok(Evaluation::new(&workspace.round, &published.commitment, state.quantize(), records)?)
}

/// Measures the states before and after the round, and signs both losses with this opinion.
pub(crate) fn sign(
    workspace: &Workspace,
    published: &Published,
    data: &Split,
    states: [&State; 2],
    number: u8,
    sign: Sign,
) -> Result<SignedAttestation, Failure> {
    let key = development_key(number)?;
    let attester = key.address();
    let batch = drawn(published, data, &attester).all();
    let before = evaluate(&workspace.round, &workspace.device, states[0], Model::FourBit, &batch)?;
    let after = own_evaluation(workspace, published, data, states[1], &attester)?;
    let attestation = Attestation {
        candidate: published.commitment.hash(),
        beacon: published.beacon.value,
        attester,
        sign,
        evaluated: batch.rows() as u32,
        loss_before: before.loss,
        loss_after: after.loss(),
        evaluation: after.roots(),
    };
    key.sign(&workspace.setup.context, attestation).map_err(|error| Failure::Check(error.to_string()))
}

/// Who signed what.
pub(crate) fn table(signed: &[SignedAttestation]) -> Table {
    let values: Vec<Value> = signed.iter().map(|signed| value(&signed.attestation)).collect();
    let table = Table::new("attestations (local development keys)");
    signed.iter().enumerate().fold(table, |table, (index, signed)| {
        table.row_as("attestations", &format!("attester {index}"), values.clone(), line(&signed.attestation))
    })
}

fn value(attestation: &Attestation) -> Value {
    serde_json::json!({
        "attester": hex(&attestation.attester),
        "positive": attestation.sign == Sign::Positive,
        "cell": cell(attestation),
        "evaluated": attestation.evaluated,
        "loss_before": attestation.loss_before,
        "loss_after": attestation.loss_after,
        "data_root": hex(&scalar_bytes(&attestation.evaluation.data)),
        "trace_root": hex(&scalar_bytes(&attestation.evaluation.trace)),
    })
}

/// The cell that a negative attestation names.
fn cell(attestation: &Attestation) -> Option<String> {
    match attestation.sign {
        Sign::Positive => None,
        Sign::Negative(cell) => Some(cell.to_string()),
    }
}

fn line(attestation: &Attestation) -> String {
    let mean = |loss: u64| loss as f64 / 65536.0 / f64::from(attestation.evaluated.max(1));
    let (before, after) = (mean(attestation.loss_before), mean(attestation.loss_after));
    let sign = cell(attestation).map_or("+".to_owned(), |cell| format!("- {cell}"));
    format!("{sign} {} loss of the 4-bit model {before:.4} -> {after:.4}", hex(&attestation.attester))
}
