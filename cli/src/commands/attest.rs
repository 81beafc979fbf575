//! `pogo attest`: three local attesters measure the 4-bit model and sign what they found.
//!
//! Their keys are development keys, a function of their number: they stand in for three people.
//! Each checks the proofs, evaluates the parent's and the candidate's 4-bit model on test records of
//! its own, drawn from beacon and address, and signs both integer losses. An attester who disputed a
//! cell signed already: its vote is the negative attestation of its dispute.

use pogo_protocol::attest::{Address, Attestation, AttesterKey, Sign, SignedAttestation, evaluation_indices};
use pogo_protocol::model::State;
use pogo_protocol::stream::keccak;
use pogo_prover::data::Split;
use pogo_prover::error::hex;
use pogo_prover::train::Trace;
use serde_json::Value;

use super::{Done, WorkOnDevice, commit, verify};
use crate::dispute;
use crate::evaluate::{Model, evaluate};
use crate::failure::Failure;
use crate::output::{Console, Table};
use crate::workspace::{Published, Workspace, part_file};

/// Local attesters.
pub(crate) const ATTESTERS: u8 = 3;
/// Records that each evaluates, where there are as many.
const EVALUATED: u32 = 128;

/// Runs the command.
pub(crate) fn run(arguments: &WorkOnDevice, console: Console) -> Result<Done, Failure> {
    let workspace = arguments.open(console)?;
    workspace.commitment()?;
    workspace.beacon()?;
    workspace.need(&part_file("proofs", 0), "prove")?;
    let published = Published::read(&arguments.work.work)?;
    verify::verify(&published)?;
    let data = workspace.data()?;
    let trace = workspace.trace(&data)?;
    commit::hold(&workspace, &trace)?;
    Ok(table(&attest(&workspace, &published, &data, &trace)?).into())
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
    format!("attestations/{}.attestation", hex(attester))
}

/// Key of a local attester: `keccak256("pogo/attester/development/v1" || number)`.
pub(crate) fn development_key(number: u8) -> Result<AttesterKey, Failure> {
    let secret = keccak(&[b"pogo/attester/development/v1", &[number]]);
    AttesterKey::from_secret(&secret).map_err(|error| Failure::Check(error.to_string()))
}

/// Records that an attester of this task evaluates.
pub(crate) fn evaluated(records: usize) -> u32 {
    EVALUATED.min(records as u32)
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
    let (attester, records) = (key.address(), data.test.len());
    let beacon = published.beacon.value;
    let indices = evaluation_indices(beacon, attester, records as u32, evaluated(records));
    let batch = data.test.batch(&indices);
    let measure = |state| evaluate(&workspace.round, &workspace.device, state, Model::FourBit, &batch);
    let (before, after) = (measure(states[0])?, measure(states[1])?);
    let attestation = Attestation {
        candidate: published.commitment.hash(),
        beacon,
        attester,
        sign,
        evaluated: indices.len() as u32,
        loss_before: before.loss,
        loss_after: after.loss,
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
