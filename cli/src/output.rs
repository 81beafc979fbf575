//! What a command says: one table, printed for people or as one JSON object.

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value};

/// Results of a command: rows under headings.
#[derive(Debug, Default)]
pub(crate) struct Table {
    sections: Vec<(String, Vec<Row>)>,
}

/// One result: its name in JSON and for people, its value in JSON and for people.
#[derive(Debug)]
pub(crate) struct Row {
    key: String,
    pub(crate) label: String,
    value: Value,
    pub(crate) text: String,
}

impl Table {
    /// An empty table under one heading.
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self::default().section(title)
    }

    /// Starts a section; JSON does not show it.
    pub(crate) fn section(mut self, title: impl Into<String>) -> Self {
        self.sections.push((title.into(), Vec::new()));
        self
    }

    /// Adds a result that people read as it is.
    pub(crate) fn row(self, key: impl Into<String>, label: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let text = match &value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        self.row_as(key, label, value, text)
    }

    /// Adds a result that people read in other words.
    pub(crate) fn row_as(
        mut self,
        key: impl Into<String>,
        label: &str,
        value: impl Into<Value>,
        text: impl Into<String>,
    ) -> Self {
        let row = Row { key: key.into(), label: label.to_owned(), value: value.into(), text: text.into() };
        if self.sections.is_empty() {
            self.sections.push((String::new(), Vec::new()));
        }
        self.sections.last_mut().expect("it has a section").1.push(row);
        self
    }

    /// Adds a result that only JSON shows.
    pub(crate) fn hidden(self, key: impl Into<String>, value: Value) -> Self {
        self.row_as(key, "", value, "")
    }

    /// Appends the sections of another table.
    pub(crate) fn then(mut self, other: Table) -> Self {
        self.sections.extend(other.sections);
        self
    }

    /// Headings and their rows.
    pub(crate) fn sections(&self) -> impl Iterator<Item = (&str, &[Row])> {
        self.sections.iter().map(|(title, rows)| (title.as_str(), rows.as_slice()))
    }

    /// One JSON object.
    pub(crate) fn to_json(&self) -> Value {
        let rows = self.sections.iter().flat_map(|(_, rows)| rows);
        Value::Object(rows.map(|row| (row.key.clone(), row.value.clone())).collect::<Map<_, _>>())
    }

    /// Lines for people.
    pub(crate) fn to_text(&self) -> String {
        let width = self.sections.iter().flat_map(|(_, rows)| rows).map(|row| row.label.len()).max().unwrap_or(0);
        let mut text = String::new();
        for (title, rows) in &self.sections {
            text += &format!("{title}\n");
            for row in rows.iter().filter(|row| !row.label.is_empty()) {
                text += &format!("  {:width$}  {}\n", row.label, row.text);
            }
        }
        text
    }
}

/// Where a command says what it is doing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Console {
    /// Whether standard output takes JSON only.
    pub(crate) json: bool,
}

impl Console {
    /// A line about what comes next; not in JSON.
    pub(crate) fn note(self, text: impl AsRef<str>) {
        if !self.json {
            println!("{}", text.as_ref());
        }
    }

    /// A warning, on standard error.
    pub(crate) fn warn(self, text: impl AsRef<str>) {
        eprintln!("warning: {}", text.as_ref());
    }

    /// A progress bar over `length` units, on standard error, hidden when that is no terminal.
    pub(crate) fn bar(self, what: &'static str, length: u64) -> ProgressBar {
        let style = ProgressStyle::with_template("{prefix:9} [{bar:32}] {pos}/{len}  {msg}  {eta} left");
        let bar = ProgressBar::new(length).with_prefix(what);
        bar.set_style(style.expect("the template is legal").progress_chars("=> "));
        bar
    }

    /// A spinner for work whose parts cannot be counted.
    pub(crate) fn spinner(self, what: &'static str) -> ProgressBar {
        let bar = ProgressBar::new_spinner().with_message(what);
        bar.enable_steady_tick(std::time::Duration::from_millis(120));
        bar
    }
}

/// A number of bytes for people.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} bytes"),
        10_000..10_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        _ => format!("{:.0} MB", count as f64 / 1e6),
    }
}

/// A time for people.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.1} s") }
}

/// Bits of soundness for people.
pub(crate) fn millibits(millibits: u64) -> String {
    format!("{}.{:02} bits", millibits / 1000, millibits % 1000 / 10)
}
