//! `pogo replay`: recomputes steps exactly and names every step and leaf that differs.

mod segments;

use std::ops::Range;

use pogo_prover::disclosure;
use pogo_prover::replay::{Difference, replay};
use pogo_prover::segments::Selection;
use pogo_prover::train;

use super::{Done, WorkOnDevice};
use crate::failure::Failure;
use crate::output::{Console, Table};

/// Arguments of the command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    at: WorkOnDevice,
    /// One step, from 0.
    #[arg(long, value_name = "N", conflicts_with_all = ["steps", "all", "segments"])]
    step: Option<u32>,
    /// Steps from A to before B.
    #[arg(long, value_name = "A..B", conflicts_with_all = ["all", "segments"])]
    steps: Option<String>,
    /// All steps: the default.
    #[arg(long, conflicts_with = "segments")]
    all: bool,
    /// Replay from checkpoint to checkpoint, and tell how far apart states are: all segments, N drawn
    /// at random, or top:Q, the Q that moved the weights most (an extra: an attacker knows where it looks).
    #[arg(long, value_name = "all|N|top:Q")]
    segments: Option<Selection>,
    /// Seed of 32 bytes that draws the N segments [default: drawn by this machine].
    #[arg(long, value_name = "HEX", requires = "segments")]
    seed: Option<String>,
    /// Tell distances as parts of that of two independent runs; trains twice, and keeps reference.bin.
    #[arg(long, requires = "segments")]
    reference: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments, console: Console) -> Result<Done, Failure> {
    let _span = tracing::info_span!("replay").entered();
    let workspace = arguments.at.open(console)?;
    let commitment = workspace.commitment()?;
    if let Some(selection) = arguments.segments {
        return segments::run(&workspace, &commitment, arguments, selection, console);
    }
    let all = workspace.setup.spec.steps;
    let steps = arguments.range(all)?;
    let data = workspace.data()?;
    let bar = console.bar("replay", u64::from(steps.end - steps.start));
    let progress = |step: u32| bar.set_position(u64::from(step + 1 - steps.start));
    let job = workspace.job(&data);
    let records = train::all_records(&workspace.store, &job)?;
    let mut differences = replay(&workspace.store, &job, &records, &commitment, steps.clone(), progress)?;
    let shown = disclosure::disclosed(&workspace.store)?;
    differences.extend(disclosure::replay(&workspace.store, &job, &records, &shown, &steps)?);
    bar.finish_and_clear();
    let table = Table::new("replay").row_as(
        "steps",
        "steps",
        serde_json::json!([steps.start, steps.end]),
        format!("{}..{}", steps.start, steps.end),
    );
    Ok(done(table, &differences))
}

impl Arguments {
    fn range(&self, steps: u32) -> Result<Range<u32>, Failure> {
        let range = match (self.step, &self.steps) {
            (Some(step), _) => Some(step..step.saturating_add(1)),
            (None, Some(text)) => text.split_once("..").and_then(|(a, b)| Some(a.parse().ok()?..b.parse().ok()?)),
            (None, None) => Some(0..steps),
        };
        let legal = range.filter(|range| range.start < range.end && range.end <= steps);
        legal.ok_or_else(|| Failure::Usage(format!("steps: expected A..B within 0..{steps}")))
    }
}

/// The table with all differences; a failure unless there are none.
fn done(table: Table, differences: &[Difference]) -> Done {
    let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
    let count = lines.len().to_string();
    Done { failure: Failure::not_exact(&lines), table: table.row_as("differences", "differences", lines, count) }
}
