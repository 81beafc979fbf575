//! `pogo publish`: copies the files that another machine needs to verify a round.

use std::fs;
use std::path::{Path, PathBuf};

use pogo_prover::checkpoint::{decode_checkpoint, encode_model};
use pogo_prover::disclosure::DISCLOSED_RECORDS;
use pogo_prover::store::write_atomic;
use pogo_prover::trace::TRACE_ROOTS;
use pogo_prover::train::{RECORDS, UPDATES, checkpoint_name};

use super::{Done, Work};
use crate::dispute;
use crate::evaluation;
use crate::failure::Failure;
use crate::output::{Table, bytes};
use crate::workspace::{DISCLOSURE, Published, TRACES, VERDICT, Workspace, list_folder, parse, part_file, read};

/// The 4-bit model of a published round.
const MODEL: &str = "model.bin";

/// Arguments of the command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    work: Work,
    /// Folder to write to; made when there is none.
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// Copy the final state, too: what the next round and a fine-tuning start from.
    #[arg(long)]
    state: bool,
    /// Write the 4-bit model, too, as model.bin.
    #[arg(long)]
    model: bool,
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
    // What was disclosed is public in trace mode `challenged`, the records with all their roots.
    let disclosed = [DISCLOSURE, DISCLOSED_RECORDS].into_iter().filter(|name| workspace.store.has(name));
    files.extend(disclosed.map(|name| from.join(name)));
    if workspace.store.has(VERDICT) {
        files.push(from.join(VERDICT));
        folders.extend([Published::ATTESTATIONS, dispute::FOLDER, evaluation::FOLDER]);
    }
    let last = checkpoint_name(workspace.setup.spec.steps);
    if arguments.state {
        make_folder(&to.join("checkpoints"))?;
        files.push(from.join(&last));
    }
    if arguments.audit {
        files.push(from.join(UPDATES));
        folders.push(TRACES);
        files.push(from.join(RECORDS));
        files.extend(workspace.store.has(TRACE_ROOTS).then(|| from.join(TRACE_ROOTS)));
    }
    for folder in folders {
        make_folder(&to.join(folder))?;
        files.extend(list_folder(&from.join(folder))?);
    }
    let mut size = 0;
    for file in &files {
        let content = read(file)?;
        size += content.len() as u64;
        write_atomic(&to.join(file.strip_prefix(from).unwrap_or(file)), &content)?;
    }
    let mut count = files.len() as u64;
    if arguments.model {
        let state = parse(&from.join(&last), |file| decode_checkpoint(&workspace.setup.spec, file))?;
        let model = encode_model(&state.quantize());
        (size, count) = (size + model.len() as u64, count + 1);
        write_atomic(&to.join(MODEL), &model)?;
    }
    let table = Table::new(format!("published to {}", to.display()));
    Ok(table.row("files", "files", count).row_as("bytes", "size", size, bytes(size)).into())
}

fn make_folder(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| Failure::io(folder, &error))
}
