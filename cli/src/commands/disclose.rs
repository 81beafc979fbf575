//! `pogo disclose`: in trace mode `challenged`, the whole records of the segments that the first beacon
//! drew, and the proofs that nothing else changed. The beacon of the cells comes after it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ark_bn254::Fr;
use pogo_protocol::cell::CellOpening;
use pogo_protocol::commitment::Commitment;
use pogo_protocol::disclosure::{self, Disclosure, Segments};
use pogo_protocol::model::TraceMode;
use pogo_protocol::opening::Roots;
use pogo_protocol::record::{StepRecord, steps_root};
use pogo_protocol::statement::{CircuitKind, PublicRound, Statement};
use pogo_prover::commit::records_tree;
use pogo_prover::data::Split;
use pogo_prover::disclosure::{DISCLOSED_RECORDS, disclose as recompute, disclosed, fill, open};
use pogo_prover::error::hex;
use pogo_prover::open::Opened;
use pogo_prover::train::Trace;

use super::{Done, challenge, commit, prove, trace};
use crate::failure::Failure;
use crate::output::{Console, Table};
use crate::workspace::{Beacon, DISCLOSURE, Workspace, part_file};

/// Runs the command.
pub(crate) fn run(arguments: &prove::Arguments, console: Console) -> Result<Done, Failure> {
    let workspace = arguments.at.open(console)?;
    let commitment = workspace.commitment()?;
    if workspace.setup.spec.trace != TraceMode::Challenged {
        return Err(Failure::Usage("the round discloses nothing: its trace mode is not `challenged`".to_owned()));
    }
    let first = workspace.first_beacon()?;
    let data = workspace.data()?;
    let trained = workspace.trace(&data)?;
    commit::hold(&workspace, &trained)?;
    disclose(&workspace, &data, &trained, &commitment, first, arguments.srs.as_deref(), console)?;
    let segments = segments(&workspace, &commitment)?;
    let drawn = segments.map_or(Vec::new(), |segments| segments.drawn);
    Ok(Table::new("disclosed")
        .row("first_beacon", "first beacon", hex(&first.value))
        .row_as("segments", "segments", serde_json::json!(drawn), format!("{drawn:?}"))
        .row("segment_steps", "steps of each", workspace.setup.spec.checkpoint_every)
        .into())
}

/// Recomputes, publishes and proves the records of the drawn segments, each proof that is missing.
pub(crate) fn disclose(
    workspace: &Workspace,
    data: &Split,
    trained: &Trace,
    commitment: &Commitment,
    first: Beacon,
    srs: Option<&Path>,
    console: Console,
) -> Result<(), Failure> {
    let _span = tracing::info_span!("disclose").entered();
    let public = challenge::public(workspace, commitment, first, None)?;
    let drawn = public.drawn_segments(workspace.setup.samples as usize);
    let prepared = prepare(workspace, data, trained, &public, &drawn, false, console)?;
    for (part, statement) in prepared.statements.iter().enumerate() {
        workspace.write_once(&part_file("statements", part), &statement.encode())?;
    }
    let missing = |part: &usize| !workspace.store.has(&part_file("proofs", *part));
    let parts: Vec<usize> = (0..prepared.statements.len()).filter(missing).collect();
    if !parts.is_empty() {
        let circuits = vec![CircuitKind::Disclosure; parts.len()];
        let prover = prove::prover(workspace, srs, &circuits, console)?;
        let bar = console.bar("disclose", parts.len() as u64);
        for part in parts {
            let opened = Opened::Cells(vec![prepared.openings[part].clone()]);
            let proof = workspace.timed("prove", || Ok(prover.prove(&prepared.statements[part], opened)?))?;
            workspace.store.write(&part_file("proofs", part), &proof)?;
            bar.inc(1);
        }
        bar.finish_and_clear();
    }
    workspace.write_once(DISCLOSURE, &Disclosure { beacon: first.value, roots: prepared.roots }.encode())
}

/// What discloses segments: a statement, what its proof opens, and the root after it, for each proof.
pub(crate) struct Prepared {
    /// The statements.
    pub(crate) statements: Vec<Statement>,
    /// What their proofs open.
    pub(crate) openings: Vec<CellOpening>,
    /// Root over the records after each.
    pub(crate) roots: Vec<Fr>,
}

/// Recomputes the records of segments, publishes the tensors of their steps, and opens their disclosure
/// in the round as it stands; as an answer to a `dispute`, or to a draw.
///
/// # Errors
/// [`Failure::Check`] for records that are not those of the commitment.
pub(crate) fn prepare(
    workspace: &Workspace,
    data: &Split,
    trained: &Trace,
    public: &PublicRound<'_>,
    segments: &[u32],
    dispute: bool,
    console: Console,
) -> Result<Prepared, Failure> {
    let (spec, job) = (&workspace.setup.spec, workspace.job(data));
    let records = |segments: &[u32]| -> Vec<u32> {
        segments.iter().flat_map(|&segment| disclosure::records(spec, segment)).collect()
    };
    let steps: BTreeSet<u32> = records(segments).iter().map(|record| record - 1).collect();
    let bar = console.bar("records", steps.len() as u64);
    workspace.timed("disclose", || Ok(recompute(&workspace.store, &job, trained, segments, |_| bar.inc(1))?))?;
    bar.finish_and_clear();
    trace::publish(workspace, data, trained, &steps, console)?;

    let known: BTreeMap<u32, StepRecord> =
        disclosed(&workspace.store)?.into_iter().map(|record| (record.index, record)).collect();
    let whole = |segments: &[u32]| -> Result<Vec<StepRecord>, Failure> {
        let log = workspace.store.path(DISCLOSED_RECORDS);
        let missing = |record: &u32| Failure::in_file(&log, format!("record {record} was disclosed and is not there"));
        records(segments).iter().map(|record| known.get(record).cloned().ok_or_else(|| missing(record))).collect()
    };
    let mut before = trained.records.clone();
    if let Some(segments) = public.segments {
        fill(&mut before, &whole(&segments.drawn)?);
        fill(&mut before, &whole(&segments.later)?);
    }
    let (openings, roots) = open(workspace.round.shape.steps_depth, &before, &whole(segments)?);
    let mut steps = public.roots().steps;
    for (opening, &root) in openings.iter().zip(&roots) {
        let from = Roots { steps: std::mem::replace(&mut steps, root), ..public.roots() };
        opening.check(&from).map_err(|violation| Failure::Check(format!("the records do not fit: {violation}")))?;
    }
    let of = if dispute { 0 } else { roots.len() as u32 };
    let statements = public.disclosure_statements(segments, &roots, of).unwrap_or_default();
    Ok(Prepared { statements, openings: openings.into_iter().map(CellOpening::Disclosure).collect(), roots })
}

/// The segments that the round in a work directory has disclosed in answer to its draw; none in other
/// trace modes than `challenged`.
///
/// # Errors
/// [`Failure::Usage`] before `pogo disclose`; [`Failure::Check`] for a file that is not of this round.
pub(crate) fn segments(workspace: &Workspace, commitment: &Commitment) -> Result<Option<Segments>, Failure> {
    if workspace.setup.spec.trace != TraceMode::Challenged {
        return Ok(None);
    }
    workspace.need(DISCLOSURE, "disclose")?;
    let disclosure = workspace.store.parse(DISCLOSURE, Disclosure::decode)?;
    let first = Beacon { value: disclosure.beacon, given: false };
    let public = challenge::public(workspace, commitment, first, None)?;
    match public.disclosed(&disclosure, workspace.setup.samples as usize) {
        Some((_, segments)) => Ok(Some(segments)),
        None => Err(Failure::in_file(&workspace.store.path(DISCLOSURE), "other roots than the drawn segments take")),
    }
}

/// Puts the disclosed records of these segments among those of the training.
///
/// # Errors
/// [`Failure::Check`] when they do not have the root of the segments.
pub(crate) fn fill_in(
    workspace: &Workspace,
    records: &mut [StepRecord],
    segments: Option<&Segments>,
) -> Result<(), Failure> {
    let Some(segments) = segments else { return Ok(()) };
    let of = |record: &StepRecord| record.index.checked_sub(1).is_some_and(|step| segments.hold(step));
    let known: Vec<StepRecord> = disclosed(&workspace.store)?.into_iter().filter(of).collect();
    fill(records, &known);
    let tree = records_tree(workspace.round.shape.steps_depth, records);
    if steps_root(tree.root(), records.len() as u32) != segments.steps_root {
        return Err(Failure::in_file(&workspace.store.path(DISCLOSED_RECORDS), "not the records of the disclosure"));
    }
    Ok(())
}
