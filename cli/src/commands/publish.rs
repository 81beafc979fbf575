//! `pogo publish`: copies the files that another machine needs to verify a round.

use std::fs;
use std::path::PathBuf;

use pogo_prover::store::write_atomic;

use super::{Done, Work};
use crate::failure::Failure;
use crate::output::{Table, bytes};
use crate::workspace::{Published, TRACES, Workspace, list_folder, part_file, read};

/// Arguments of the command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    work: Work,
    /// Folder to write to; made when there is none.
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// Also what `pogo audit` reads: step records, codes, and the tensors of published steps.
    #[arg(long)]
    audit: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let (from, to) = (&arguments.work.work, &arguments.out);
    let workspace = Workspace::open(from)?;
    workspace.commitment()?;
    workspace.beacon()?;
    workspace.need(&part_file("proofs", 0), "prove")?;
    let mut files: Vec<PathBuf> = Published::FILES.iter().map(|name| from.join(name)).collect();
    let mut folders = Published::FOLDERS.to_vec();
    if arguments.audit {
        let logs = ["records.log", "updates.log", "traces.log"].map(|name| from.join(name));
        files.extend(logs.into_iter().filter(|log| log.exists()));
        folders.push(TRACES);
    }
    for folder in folders {
        let target = to.join(folder);
        fs::create_dir_all(&target).map_err(|error| Failure::io(&target, &error))?;
        files.extend(list_folder(&from.join(folder))?);
    }
    let mut size = 0;
    for file in &files {
        let content = read(file)?;
        size += content.len() as u64;
        write_atomic(&to.join(file.strip_prefix(from).unwrap_or(file)), &content)?;
    }
    let table = Table::new(format!("published to {}", to.display())).row("files", "files", files.len() as u64).row_as(
        "bytes",
        "size",
        size,
        bytes(size),
    );
    Ok(table.into())
}
