//! `pogo replay`: recomputes steps exactly and names every step and leaf that differs.

use std::ops::Range;

use pogo_prover::error::Error;
use pogo_prover::replay::replay;

use super::{Done, WorkOnDevice};
use crate::failure::Failure;
use crate::output::{Console, Table};

/// Differences that are printed; the rest is counted.
const SHOWN: usize = 20;

/// Arguments of the command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    at: WorkOnDevice,
    /// One step, from 0.
    #[arg(long, value_name = "N", conflicts_with_all = ["steps", "all"])]
    step: Option<u32>,
    /// Steps from A to before B.
    #[arg(long, value_name = "A..B", conflicts_with = "all")]
    steps: Option<String>,
    /// All steps: the default.
    #[arg(long)]
    all: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments, console: Console) -> Result<Done, Failure> {
    let _span = tracing::info_span!("replay").entered();
    let workspace = arguments.at.open(console)?;
    let commitment = workspace.commitment()?;
    let steps = arguments.range(workspace.setup.spec.steps)?;
    let data = workspace.data()?;
    let trace = pogo_prover::train::load(&workspace.store, &workspace.job(&data)).map_err(|error| match error {
        Error::Unfinished { .. } => {
            Failure::in_file(&workspace.store.path(""), format!("the logs are damaged: {error}"))
        }
        error => error.into(),
    })?;
    let bar = console.bar("replay", u64::from(steps.end - steps.start));
    let progress = |step: u32| bar.set_position(u64::from(step + 1 - steps.start));
    let job = workspace.job(&data);
    let differences = replay(&workspace.store, &job, &trace.records, &commitment, steps.clone(), progress)?;
    bar.finish_and_clear();
    let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
    let table = Table::new("replay")
        .row_as(
            "steps",
            "steps",
            serde_json::json!([steps.start, steps.end]),
            format!("{}..{}", steps.start, steps.end),
        )
        .row_as("differences", "differences", serde_json::json!(lines), lines.len().to_string());
    Ok(Done { table, failure: failure(&lines) })
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

fn failure(differences: &[String]) -> Option<Failure> {
    if differences.is_empty() {
        return None;
    }
    let mut text = format!("not exact: {}", differences[..differences.len().min(SHOWN)].join("\n"));
    if differences.len() > SHOWN {
        text += &format!("\nand {} more", differences.len() - SHOWN);
    }
    Some(Failure::Check(text))
}
