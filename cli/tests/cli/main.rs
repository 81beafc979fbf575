//! The `pogo` binary from outside: what it prints, what it writes, and its exit codes.

mod attack;
mod audit;
mod cells;
mod device;
mod dispute;
mod evaluation;
mod order;
mod provenance;
mod resume;
mod round;
mod segments;
mod tamper;
mod usage;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

/// A round that takes a second to train.
pub const TINY: &str = r#"
name = "tiny"
[data]
source = "digits"
[model]
layers = [64, 16, 10]
[train]
batch = 64
steps = 12
learning_rate = 65536
schedule = "constant"
seed = 1
[round]
trace = "none"
"#;

/// The beacon of every test.
pub const BEACON: &str = "0x0707070707070707070707070707070707070707070707070707070707070707";

/// One finished round, which tests read or copy.
pub static ROUND: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = folder();
    let spec = write(&dir, "tiny.toml", TINY);
    let work = dir.join("work");
    let done = run(["run", &spec, "--work", &text(&work), "--beacon", BEACON]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    work
});

/// What a process left.
#[derive(Debug)]
pub struct Finished {
    /// Exit code; -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// Standard output as one JSON object.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The reason of a failure: what follows `error: `, on one line.
    pub fn reason(&self) -> &str {
        let mut lines = self.stderr.lines().filter(|line| !line.starts_with("warning: "));
        let reason = lines.next().and_then(|line| line.strip_prefix("error: "));
        assert_eq!(lines.next(), None, "more than one line: {self:?}");
        reason.unwrap_or_else(|| panic!("no reason: {self:?}"))
    }
}

/// The command with these arguments.
pub fn pogo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pogo"));
    command.args(arguments).stdin(Stdio::null()).env_remove("RUST_LOG");
    command
}

/// Runs the command to its end.
pub fn run<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Finished {
    let Output { status, stdout, stderr } = pogo(arguments).output().expect("the binary starts");
    let decode = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    Finished { code: status.code().unwrap_or(-1), stdout: decode(stdout), stderr: decode(stderr) }
}

/// A fresh folder.
pub fn folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("cli-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&dir).expect("the folder is made");
    dir
}

/// A copy of the finished round.
pub fn copy_of_round() -> PathBuf {
    let target = folder().join("work");
    copy_files(&ROUND, &target);
    target
}

/// Copies all files below a folder.
pub fn copy_files(from: &Path, to: &Path) {
    for (name, content) in files(from) {
        let file = to.join(name);
        fs::create_dir_all(file.parent().expect("it lies in a folder")).expect("the folder is made");
        fs::write(file, content).expect("the file is written");
    }
}

/// All files below a folder by name.
pub fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("the folder is there") {
        let path = entry.expect("the entry reads").path();
        let name = text(path.file_name().expect("it has a name").as_ref());
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(inner, content)| (format!("{name}/{inner}"), content)));
        } else {
            found.insert(name, fs::read(&path).expect("the file reads"));
        }
    }
    found
}

/// Writes a file and returns its path.
pub fn write(dir: &Path, name: &str, content: &str) -> String {
    let file = dir.join(name);
    fs::write(&file, content).expect("the file is written");
    text(&file)
}

/// A path as an argument.
pub fn text(path: &Path) -> String {
    path.to_str().expect("the path is UTF-8").to_owned()
}
