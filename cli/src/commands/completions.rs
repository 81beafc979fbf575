//! `pogo completions`: a script that completes `pogo` in a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use super::Done;
use crate::Cli;
use crate::failure::Failure;
use crate::output::{Console, Table};

/// Arguments of the command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The shell.
    shell: Shell,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments, console: Console) -> Result<Done, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "pogo", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    if console.json {
        return Ok(Table::default().row("script", "script", script).into());
    }
    print!("{script}");
    Ok(Table::default().into())
}
