//! `pogo replay --segments`: replay from checkpoint to checkpoint, in the way of Proof-of-Learning.
//!
//! Equal or rejected. The distances that it prints are for people and decide nothing.

use pogo_protocol::commitment::Commitment;
use pogo_prover::distance::{Distance, NAMES};
use pogo_prover::error::hex;
use pogo_prover::reference::{self, Reference};
use pogo_prover::segments::{Replayed, Segments, Selection};
use pogo_prover::train::{self, Job};
use serde_json::{Value, json};

use super::{Arguments, Done, done};
use crate::commands::challenge::bytes_32;
use crate::failure::Failure;
use crate::output::{Console, Table};
use crate::workspace::{Workspace, random};

/// Distance of two independent runs, kept because it costs two trainings.
const REFERENCE: &str = "reference.bin";

/// Replays the selected segments.
pub(super) fn run(
    workspace: &Workspace,
    commitment: &Commitment,
    arguments: &Arguments,
    selection: Selection,
    console: Console,
) -> Result<Done, Failure> {
    let given = arguments.seed.as_ref().map(|text| bytes_32("--seed", text)).transpose()?;
    if given.is_some() && !matches!(selection, Selection::Drawn(_)) {
        return Err(Failure::Usage("--seed: expected --segments N, which draws".to_owned()));
    }
    let data = workspace.data()?;
    let job = workspace.job(&data);
    let records = train::all_records(&workspace.store, &job)?;
    let mut segments = Segments::open(&workspace.store, &job, &records, commitment)?;
    check(selection, segments.count())?;
    let seed = given.map_or_else(random, Ok)?;
    let selected = segments.select(selection, seed)?;
    let unit = arguments.reference.then(|| reference(workspace, &job, console)).transpose()?;

    let mut differences = segments.compare_start()?;
    let bar = console.bar("replay", selected.iter().map(|&segment| segments.steps(segment).len() as u64).sum());
    let mut replayed = Vec::with_capacity(selected.len());
    for segment in selected {
        let (before, first) = (bar.position(), segments.steps(segment).start);
        let result = segments.replay(segment, |step| bar.set_position(before + u64::from(step + 1 - first)))?;
        differences.extend(result.differences.iter().cloned());
        replayed.push(result);
    }
    bar.finish_and_clear();
    let table = head(selection, seed, replayed.len(), segments.count());
    Ok(done(rows(table, &replayed, unit.as_ref()), &differences))
}

/// Refuses more segments than there are.
fn check(selection: Selection, count: usize) -> Result<(), Failure> {
    let got = match selection {
        Selection::All => return Ok(()),
        Selection::Drawn(got) | Selection::Top(got) => got,
    };
    if got <= count {
        return Ok(());
    }
    Err(Failure::Usage(format!("--segments: expected all or 1 to {count}, as many as this round has, got {got}")))
}

/// The kept reference of this round, or a new one.
fn reference(workspace: &Workspace, job: &Job<'_>, console: Console) -> Result<Distance, Failure> {
    let expected = reference::inputs(job.round);
    if workspace.store.has(REFERENCE) {
        let kept = workspace.store.parse(REFERENCE, Reference::decode)?;
        if kept.inputs != expected {
            let what = format!(
                "inputs: expected {}, got {}: it is of another round; remove it",
                hex(&expected),
                hex(&kept.inputs)
            );
            return Err(Failure::in_file(&workspace.store.path(REFERENCE), what));
        }
        return Ok(kept.distance);
    }
    let steps = job.round.spec.steps;
    console.note(format!("Training two independent runs of {steps} steps, to have a unit for distances."));
    let bar = console.bar("reference", 2 * u64::from(steps));
    let made = Reference::compute(job, |done| bar.set_position(done.into()))?;
    bar.finish_and_clear();
    workspace.store.write(REFERENCE, &made.encode())?;
    Ok(made.distance)
}

/// What was selected, and how likely a single false segment was not.
fn head(selection: Selection, seed: [u8; 32], replayed: usize, of: usize) -> Table {
    let table = Table::new("replay of segments: equal or rejected; distances of 32-bit weights for information")
        .row_as("replayed", "segments", json!([replayed, of]), format!("{replayed} of {of}"));
    match selection {
        Selection::All => table.row("selection", "selected", "all"),
        Selection::Drawn(_) => {
            let missed = 1.0 - replayed as f64 / of as f64;
            table
                .row_as("selection", "selected", "drawn", "drawn from seed and commitment")
                .row("seed", "seed", hex(&seed))
                .row_as("missed", "a false one escapes with", missed, format!("{:.1} %", 100.0 * missed))
        }
        Selection::Top(_) => table.row_as(
            "selection",
            "selected",
            "top",
            "those that moved the weights most; an extra only, an attacker knows where it looks",
        ),
    }
}

fn rows(table: Table, replayed: &[Replayed], unit: Option<&Distance>) -> Table {
    let all: Vec<Value> = replayed.iter().map(|segment| value(segment, unit)).collect();
    let table = match unit {
        None => table,
        Some(unit) => {
            table.row_as("reference", "two independent runs", named(unit.values()), text(unit.values(), None))
        }
    };
    replayed.iter().fold(table, |table, segment| {
        let verdict = match &segment.error {
            _ if segment.differences.is_empty() => "exact".to_owned(),
            Some(error) => format!("rejected; error {}", line(error, unit)),
            None => "rejected; no recorded state to recompute from".to_owned(),
        };
        table
            .row_as("segments", &format!("steps {}..{}", segment.steps.start, segment.steps.end), all.clone(), verdict)
            .row_as("segments", "  moved", all.clone(), line(&segment.moved, unit))
    })
}

fn value(segment: &Replayed, unit: Option<&Distance>) -> Value {
    let normalized = |distance: &Distance| unit.map(|unit| named(distance.normalized(unit)));
    json!({
        "steps": [segment.steps.start, segment.steps.end],
        "exact": segment.differences.is_empty(),
        "error": segment.error.as_ref().map(|error| named(error.values())),
        "error_normalized": segment.error.as_ref().and_then(normalized),
        "moved": named(segment.moved.values()),
        "moved_normalized": normalized(&segment.moved),
    })
}

fn named(values: [f64; 4]) -> Value {
    NAMES
        .into_iter()
        .zip(values)
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn line(distance: &Distance, unit: Option<&Distance>) -> String {
    text(distance.values(), unit.map(|unit| distance.normalized(unit)))
}

/// The four distances, each with its part of the reference where there is one.
fn text(values: [f64; 4], normalized: Option<[f64; 4]>) -> String {
    let one = |i: usize| match normalized {
        None => format!("{} {:.4}", NAMES[i], values[i]),
        Some(parts) => format!("{} {:.4} ({:.2} %)", NAMES[i], values[i], 100.0 * parts[i]),
    };
    (0..NAMES.len()).map(one).collect::<Vec<_>>().join(", ")
}
