//! `pogo srs`: imports a ceremony's SRS, and checks a prepared one.

use std::path::{Path, PathBuf};

use pogo_circuits::srs::{Origin, Source, Srs, points, ptau};
use pogo_prover::error::hex;

use super::Done;
use crate::failure::Failure;
use crate::output::{Console, Table};
use crate::spec;

/// What to do with an SRS.
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Reads a ceremony's files, checks them in full, and writes a prepared SRS.
    Import(Import),
    /// Checks a prepared SRS in full: format, curve, subgroup, pairings.
    Check {
        /// Prepared SRS.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// Arguments of the import.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Import {
    /// File of snarkjs with the powers.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["g1", "g2"], required_unless_present = "g1")]
    ptau: Option<PathBuf>,
    /// Raw compressed points in G1.
    #[arg(long, value_name = "FILE", requires = "g2")]
    g1: Option<PathBuf>,
    /// Raw compressed points in G2.
    #[arg(long, value_name = "FILE", requires = "g1")]
    g2: Option<PathBuf>,
    /// Rows to support, as a power of two.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=28))]
    k: u32,
    /// SHA-256 that the file (with --g1, its file) must have.
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// SHA-256 that the file of --g2 must have.
    #[arg(long, value_name = "HEX", requires = "g2")]
    sha256_g2: Option<String>,
    /// Prepared SRS to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Runs the command.
pub(crate) fn run(command: &Command, console: Console) -> Result<Done, Failure> {
    let (file, srs) = match command {
        Command::Import(arguments) => (&arguments.out, import(arguments, console)?),
        Command::Check { file } => (file, check(file, console)?),
    };
    let origin = match srs.origin {
        Origin::Development => "development (secret is public)",
        Origin::Ceremony => "ceremony",
    };
    let table = Table::new(file.display().to_string())
        .row("origin", "origin", origin)
        .row("k", "k", srs.k())
        .row("id", "id", hex(&srs.id()))
        .row("source_g1", "SHA-256 of the source", hex(&srs.source.g1))
        .row("source_g2", "SHA-256 of the source in G2", hex(&srs.source.g2));
    Ok(table.into())
}

fn import(arguments: &Import, console: Console) -> Result<Srs, Failure> {
    let spinner = console.spinner("importing");
    let g1 = digest("--sha256", arguments.sha256.as_deref())?;
    let g2 = digest("--sha256-g2", arguments.sha256_g2.as_deref())?;
    let srs = match (&arguments.ptau, &arguments.g1, &arguments.g2) {
        (Some(file), _, _) => ptau::import(file, arguments.k, g1)?,
        (None, Some(first), Some(second)) => {
            let expected = g1.zip(g2).map(|(g1, g2)| Source { g1, g2 });
            if expected.is_none() && (g1.is_some() || g2.is_some()) {
                return Err(Failure::Usage("--sha256 and --sha256-g2: expected both or none".to_owned()));
            }
            points::import(first, second, arguments.k, expected)?
        }
        _ => return Err(Failure::Usage("expected --ptau, or --g1 and --g2".to_owned())),
    };
    srs.save(&arguments.out)?;
    spinner.finish_and_clear();
    Ok(srs)
}

fn check(file: &Path, console: Console) -> Result<Srs, Failure> {
    let spinner = console.spinner("checking");
    let srs = Srs::load(file)?;
    srs.check().map_err(|cause| Failure::in_file(file, cause))?;
    spinner.finish_and_clear();
    Ok(srs)
}

fn digest(option: &str, text: Option<&str>) -> Result<Option<[u8; 32]>, Failure> {
    let parse = |text: &str| {
        let what = || Failure::Usage(format!("{option}: expected 64 hexadecimal digits, got {text:?}"));
        spec::hex::<32>(text).ok_or_else(what)
    };
    text.map(parse).transpose()
}
