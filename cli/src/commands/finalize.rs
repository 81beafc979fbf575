//! `pogo finalize`: votes, disputes and answers, played to the end of the round.

use std::path::Path;

use pogo_protocol::attest::SignedAttestation;
use pogo_protocol::codec::scalar_bytes;
use pogo_prover::error::hex;
use serde_json::{Value, json};

use super::attest::evaluated;
use super::{Done, Work};
use crate::dispute;
use crate::failure::Failure;
use crate::output::Table;
use crate::settlement;
use crate::verdict::{Answer, Disputed, End, Verdict};
use crate::workspace::{Published, VERDICT, Workspace, list_folder, parse, part_file};

/// Runs the command.
pub(crate) fn run(arguments: &Work) -> Result<Done, Failure> {
    let workspace = Workspace::open(&arguments.work)?;
    workspace.commitment()?;
    workspace.beacon()?;
    workspace.need(&part_file("proofs", 0), "prove")?;
    let published = Published::read(&arguments.work)?;
    let signed = read_attestations(&arguments.work)?;
    let records = workspace.data()?.test.len();
    let verdict = finalize(&workspace, &published, records, &signed)?;
    Ok(done(&verdict))
}

/// Settles the round and writes the verdict, or holds the one that is there to it.
pub(crate) fn finalize(
    workspace: &Workspace,
    published: &Published,
    test_records: usize,
    signed: &[SignedAttestation],
) -> Result<Verdict, Failure> {
    let _span = tracing::info_span!("finalize").entered();
    let dir = workspace.store.path("");
    let verdict = settlement::play(&dir, published, evaluated(test_records), signed, &dispute::read(&dir)?)?;
    workspace.write_once(VERDICT, &verdict.encode())?;
    Ok(verdict)
}

/// The verdict; a failure unless the round was finalized.
pub(crate) fn done(verdict: &Verdict) -> Done {
    let finalized = verdict.end == End::Finalized;
    let failure = || Failure::Check(format!("the round is not finalized: {}", verdict.end.describe()));
    Done { table: table(verdict), failure: (!finalized).then(failure) }
}

/// The verdict in rows.
pub(crate) fn table(verdict: &Verdict) -> Table {
    let Verdict { total, positive, negative, improved, disputes, .. } = verdict;
    let votes = format!("{positive} for, {negative} against, {improved} measured a fall, of {total}");
    let table = Table::new("verdict")
        .row("verdict", "round", verdict.end.describe())
        .row("head", "head", hex(&scalar_bytes(&verdict.head.state)))
        .row("head_exponents", "exponents of the head", hex(&scalar_bytes(&verdict.head.exponents)))
        .row_as("votes", "stake", json!([positive, negative, improved, total]), votes);
    let values: Vec<Value> = disputes.iter().map(value).collect();
    let table = table.hidden("disputes", values.clone().into());
    let table = disputes.iter().fold(table, |table, dispute| {
        table.row_as("disputes", &format!("dispute {}", dispute.cell), values.clone(), line(dispute))
    });
    match &verdict.end {
        End::Rejected { cell, reporter, rewarded, burned } => table.row_as(
            "slash",
            "slashed",
            json!({ "cell": cell.to_string(), "reporter": hex(reporter), "rewarded": rewarded, "burned": burned }),
            format!("the miner's bond for {cell}: {rewarded} to {}, {burned} burned", hex(reporter)),
        ),
        End::Finalized | End::Lapsed(_) => table,
    }
}

/// Who has the bond of a dispute at the end.
fn won_by(dispute: &Disputed) -> &'static str {
    if dispute.answer == Answer::Proven { "miner" } else { "disputer" }
}

fn value(dispute: &Disputed) -> Value {
    let answer = match dispute.answer {
        Answer::None => "none",
        Answer::Refused => "refused",
        Answer::Proven => "proven",
    };
    json!({
        "cell": dispute.cell.to_string(),
        "disputer": hex(&dispute.disputer),
        "bond": dispute.bond,
        "answer": answer,
        "won_by": won_by(dispute),
    })
}

fn line(dispute: &Disputed) -> String {
    let what = match dispute.answer {
        Answer::None => "not answered",
        Answer::Refused => "the answer is no proof of that cell",
        Answer::Proven => "proven",
    };
    let (bond, disputer) = (dispute.bond, hex(&dispute.disputer));
    format!("{what}; the bond of {bond} of {disputer} goes to the {}", won_by(dispute))
}

/// The attestations in a folder of a round.
pub(crate) fn read_attestations(dir: &Path) -> Result<Vec<SignedAttestation>, Failure> {
    let files = list_folder(&dir.join(Published::ATTESTATIONS))?;
    if files.is_empty() {
        let what = "attestations: none there: run `pogo attest` first";
        return Err(Failure::Usage(format!("{}: {what}", dir.display())));
    }
    files.iter().map(|file| parse(file, SignedAttestation::decode)).collect()
}
