//! `pogo audit`: checks published steps without computing their matrix products.

use std::collections::BTreeSet;
use std::path::PathBuf;

use pogo_protocol::cell::Cell;
use pogo_protocol::codec::scalar_bytes;
use pogo_protocol::record::steps_root;
use pogo_prover::audit::{Finding, Traced, audit};
use pogo_prover::commit::records_tree;
use pogo_prover::round::Round;
use pogo_prover::store::Log;
use pogo_prover::train::{RECORDS, Stepper, UPDATES, all_records, codes_at};

use super::disclose::{fill_in, segments};
use super::{Done, Work};
use crate::failure::Failure;
use crate::output::{Console, Table};
use crate::spec;
use crate::workspace::{COMMITMENT, DISCLOSURE, TRACES, Workspace, list_folder, parse, random, trace_file};

/// Arguments of the command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    work: Work,
    /// One step, from 0 [default: every step whose tensors were published].
    #[arg(long, value_name = "N")]
    step: Option<u32>,
    /// Spec file whose [data] says where the data is on this machine [default: where the miner had it].
    #[arg(long, value_name = "SPEC.toml")]
    data: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments, console: Console) -> Result<Done, Failure> {
    let _span = tracing::info_span!("audit").entered();
    let workspace = Workspace::open_published(&arguments.work.work)?;
    let commitment = workspace.commitment()?;
    let spec = &workspace.setup.spec;
    let of_spec = (commitment.steps, commitment.spec_hash, scalar_bytes(&commitment.data_root));
    if of_spec != (spec.steps, spec.hash(), spec.data_root) {
        return Err(Failure::in_file(&workspace.store.path(COMMITMENT), "is not of the spec in the setup"));
    }
    let files = arguments.files(&workspace)?;
    let data = match &arguments.data {
        Some(file) => spec::read_source(file)?.load()?,
        None => workspace.data()?,
    };
    let job = workspace.job(&data);
    let mut records = all_records(&workspace.store, &job)?;
    let last = &records[records.len() - 1];
    let tree = records_tree(workspace.round.shape.steps_depth, &records);
    if steps_root(tree.root(), records.len() as u32) != commitment.steps_root {
        return Err(Failure::in_file(&workspace.store.path(RECORDS), "not the records of the commitment"));
    }
    let ends = [("start", records[0].head(), commitment.start()), ("end", last.head(), commitment.head())];
    if let Some((end, ..)) = ends.into_iter().find(|(_, recorded, committed)| recorded != committed) {
        let what = format!("not the {end} of the commitment: state root or exponents are others");
        return Err(Failure::in_file(&workspace.store.path(RECORDS), what));
    }
    if workspace.store.has(DISCLOSURE) {
        fill_in(&workspace, &mut records, segments(&workspace, &commitment)?.as_ref())?;
    }
    let mut log = Log::open(&workspace.store.path(UPDATES), Some(spec.steps as usize))?;
    let stepper = Stepper::new(&job, records[0].state_root)?;
    let seed = random()?;
    let bar = console.bar("audit", files.len() as u64);
    let (mut steps, mut findings): (Vec<u32>, Vec<Finding>) = Default::default();
    for file in &files {
        let traced = parse(file, |bytes| Traced::decode(&workspace.setup.spec, bytes))?;
        if *file != workspace.store.path(&trace_file(traced.step)) {
            return Err(Failure::in_file(file, format!("is of step {}", traced.step)));
        }
        let codes = codes_at(&workspace.store, &workspace.setup.spec, &mut log, traced.step)?;
        findings.extend(audit(&job, &stepper, &records, &codes, &traced, seed)?);
        steps.push(traced.step);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let lines: Vec<String> = findings.iter().map(|finding| line(finding, &workspace.round)).collect();
    let doubtful: BTreeSet<Cell> = findings.iter().flat_map(|finding| finding.cells(&workspace.round)).collect();
    let doubtful: Vec<String> = doubtful.iter().map(Cell::to_string).collect();
    let table = Table::new("audit")
        .row_as("steps", "steps", serde_json::json!(steps), format!("{steps:?}"))
        .row_as("findings", "findings", serde_json::json!(lines), lines.len().to_string())
        .row_as("cells", "cells to doubt", serde_json::json!(doubtful), doubtful.len().to_string());
    Ok(Done { table, failure: Failure::not_exact(&lines) })
}

/// Cells of a finding that are named in its line.
const NAMED: usize = 4;

/// A finding and the cells that a dispute can name.
fn line(finding: &Finding, round: &Round) -> String {
    let cells: Vec<String> = finding.cells(round).iter().map(Cell::to_string).collect();
    match cells.len() {
        0 => finding.to_string(),
        count if count > NAMED => format!("{finding}; doubt {} and {} more", cells[..NAMED].join(", "), count - NAMED),
        _ => format!("{finding}; doubt {}", cells.join(", ")),
    }
}

impl Arguments {
    /// The published steps to audit.
    fn files(&self, workspace: &Workspace) -> Result<Vec<PathBuf>, Failure> {
        let missing =
            |what: String| Failure::Usage(format!("{what}: not there: run `pogo open` or `pogo trace` first"));
        match self.step {
            Some(step) if workspace.store.has(&trace_file(step)) => Ok(vec![workspace.store.path(&trace_file(step))]),
            Some(step) => Err(missing(workspace.store.path(&trace_file(step)).display().to_string())),
            None => {
                let folder = workspace.store.path(TRACES);
                let files = if folder.exists() { list_folder(&folder)? } else { Vec::new() };
                if files.is_empty() { Err(missing(folder.display().to_string())) } else { Ok(files) }
            }
        }
    }
}
