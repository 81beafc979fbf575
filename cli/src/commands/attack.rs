//! `pogo attack`: the attacks of the book, run on a small round on this machine.

use std::cmp::Ordering;

use pogo_prover::attack::{ATTACKS, Attack, Fate, Ground, Rate, Seen, find};
use serde_json::{Value, json};

use super::Done;
use crate::failure::Failure;
use crate::output::{Console, Table};

/// Arguments of the command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Id of an attack in the book, D1 to D18, or all.
    #[arg(value_name = "ID")]
    id: String,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments, console: Console) -> Result<Done, Failure> {
    let _span = tracing::info_span!("attack").entered();
    let chosen: Vec<&Attack> = match arguments.id.as_str() {
        "all" => ATTACKS.iter().collect(),
        id => {
            let unknown = || Failure::Usage(format!("ID: expected D1 to D{} or all, got {id:?}", ATTACKS.len()));
            vec![find(id).ok_or_else(unknown)?]
        }
    };
    let scratch = std::env::temp_dir().join(format!("pogo-attack-{}", std::process::id()));
    let seen = run_all(&chosen, &scratch, console);
    let _ = std::fs::remove_dir_all(&scratch);
    let seen = seen?;
    let rows: Vec<(&Attack, Seen)> = chosen.into_iter().zip(seen).collect();
    Ok(Done { table: table(&rows), failure: failure(&rows) })
}

fn run_all(chosen: &[&Attack], scratch: &std::path::Path, console: Console) -> Result<Vec<Seen>, Failure> {
    let ground = Ground::new(scratch)?;
    let bar = console.bar("attack", chosen.len() as u64);
    let run = |attack: &&Attack| {
        bar.set_message(attack.id);
        let seen = attack.run(&ground).map_err(|error| Failure::Environment(format!("{}: {error}", attack.id)))?;
        bar.inc(1);
        Ok(seen)
    };
    let seen = chosen.iter().map(run).collect();
    bar.finish_and_clear();
    seen
}

/// What passes in one word; "the proof" passes proof and rules, and only a replay shows it.
fn passes(fate: Fate) -> &'static str {
    match fate {
        Fate::Stopped => "no",
        Fate::Shown => "the proof",
        Fate::Unseen => "YES",
    }
}

fn table(rows: &[(&Attack, Seen)]) -> Table {
    let values: Vec<Value> = rows.iter().map(|(attack, seen)| value(attack, seen)).collect();
    let percent = |rate: Option<f64>| rate.map_or("-".to_owned(), |rate| format!("{:.2} %", 100.0 * rate));
    let line = |attack: &str, stopped_by: &str, measured: &str, expected: &str, passes: &str| {
        format!("{attack:38} {stopped_by:27} {measured:>9} {expected:>9}  {passes}")
    };
    let head = line("attack", "stopped by", "measured", "expected", "passes");
    let table = Table::new("attacks on a round of 12 steps and 26 leaves; rates are those of 8 cells of each kind");
    let table = table.row_as("attacks", "id", values.clone(), head);
    let table = rows.iter().fold(table, |table, (attack, seen)| {
        let (measured, expected) = (seen.rate.map(|rate| rate.measured()), seen.rate.map(|rate| rate.expected));
        let text = line(attack.name, attack.stopped_by, &percent(measured), &percent(expected), passes(seen.fate));
        table.row_as("attacks", attack.id, values.clone(), text)
    });
    match rows {
        [(attack, seen)] => table.row("does", "does", attack.does).row("seen", "seen", seen.why.as_str()),
        _ => table,
    }
}

fn value(attack: &Attack, seen: &Seen) -> Value {
    let rate = |Rate { drawn, caught, trials, expected }: Rate| {
        let measured = f64::from(caught) / f64::from(trials);
        json!({ "drawn": drawn, "caught": caught, "trials": trials, "measured": measured, "expected": expected })
    };
    json!({
        "id": attack.id,
        "attack": attack.name,
        "does": attack.does,
        "stopped_by": attack.stopped_by,
        "seen": seen.why,
        "rate": seen.rate.map(rate),
        "passes": passes(seen.fate),
        "expected_to_pass": passes(attack.fate),
    })
}

/// An attack that came farther than the book says, or a rate that is not the formula's.
fn failure(rows: &[(&Attack, Seen)]) -> Option<Failure> {
    let farther = rows.iter().filter(|(attack, seen)| attack.compare(seen) == Ordering::Greater);
    let farther = farther.map(|(attack, seen)| format!("{} passes and should not: {}", attack.id, seen.why));
    let unlikely = rows.iter().filter(|(_, seen)| seen.rate.is_some_and(|rate| !rate.is_plausible()));
    let unlikely = unlikely.map(|(attack, _)| format!("{}: the measured rate is not the expected one", attack.id));
    let lines: Vec<String> = farther.chain(unlikely).collect();
    (!lines.is_empty()).then(|| Failure::Check(lines.join("; ")))
}
