//! What a round leaves for people: `report.html`, which needs no network, and `loss.csv`.

use pogo_prover::train::Trace;

use crate::failure::Failure;
use crate::output::Table;
use crate::workspace::Workspace;

const TEMPLATE: &str = include_str!("report/template.html");
/// Size of the curve, without its margins.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 240.0;

/// Writes both files.
///
/// # Errors
/// The file system's.
pub(crate) fn write(workspace: &Workspace, trace: &Trace, table: &Table) -> Result<(), Failure> {
    let losses = losses(workspace, trace);
    let lines = losses.iter().enumerate().map(|(t, loss)| format!("{t},{loss:.6}\n"));
    let csv = format!("step,loss\n{}", lines.collect::<String>());
    workspace.store.write("loss.csv", csv.as_bytes())?;
    let html = TEMPLATE
        .replace("{{curve}}", &curve(&losses))
        .replace("{{tables}}", &tables(table))
        .replace("{{version}}", env!("CARGO_PKG_VERSION"))
        .replace("{{name}}", &escape(&workspace.setup.spec.name));
    Ok(workspace.store.write("report.html", html.as_bytes())?)
}

/// Mean loss of the batch of every step, nats.
fn losses(workspace: &Workspace, trace: &Trace) -> Vec<f64> {
    let batch = f64::from(workspace.setup.spec.batch);
    trace.records.iter().skip(1).map(|record| record.loss as f64 / 65536.0 / batch).collect()
}

/// A line over the steps, as SVG, with marks on both axes.
fn curve(losses: &[f64]) -> String {
    let top = losses.iter().copied().fold(0.1, f64::max);
    let x = |t: usize| WIDTH * t as f64 / (losses.len().max(2) - 1) as f64;
    let y = |loss: f64| HEIGHT * (1.0 - loss / top);
    let points = losses.iter().enumerate().map(|(t, &loss)| format!("{:.1},{:.1}", x(t), y(loss)));
    let points = points.collect::<Vec<_>>().join(" ");
    let marks = (0..=4).map(|quarter| {
        let (loss, step) = (top * f64::from(quarter) / 4.0, (losses.len().max(1) - 1) * quarter as usize / 4);
        let (at, right) = (y(loss), x(step));
        format!(
            "<line class=\"grid\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"-8\" y=\"{at:.1}\" dy=\"4\" text-anchor=\"end\">{loss:.2}</text>\
             <text x=\"{right:.1}\" y=\"{}\" text-anchor=\"middle\">{step}</text>",
            HEIGHT + 18.0
        )
    });
    let marks = marks.collect::<String>();
    format!(
        "<svg viewBox=\"-48 -12 {} {}\" role=\"img\" aria-label=\"Loss of each step's batch\">{marks}\
         <polyline points=\"{points}\"/></svg>",
        WIDTH + 64.0,
        HEIGHT + 40.0
    )
}

fn tables(table: &Table) -> String {
    let mut html = String::new();
    for (title, rows) in table.sections() {
        html += &format!("<h2>{}</h2>\n<table>\n", escape(title));
        for row in rows.iter().filter(|row| !row.label.is_empty()) {
            html += &format!("<tr><th>{}</th><td>{}</td></tr>\n", escape(&row.label), escape(&row.text));
        }
        html += "</table>\n";
    }
    html
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
