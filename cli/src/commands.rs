//! The commands, one file each. The eight verbs come first, in the order of a round.

pub(crate) mod train;

pub(crate) mod commit;

pub(crate) mod challenge;

pub(crate) mod open;

pub(crate) mod prove;

pub(crate) mod verify;

pub(crate) mod attest;

pub(crate) mod finalize;

pub(crate) mod completions;
pub(crate) mod inspect;
pub(crate) mod publish;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod srs;

use std::path::PathBuf;

use crate::failure::Failure;
use crate::output::Table;

/// What a command found, and whether that is a failure all the same.
#[derive(Debug)]
pub(crate) struct Done {
    /// Its results.
    pub(crate) table: Table,
    /// Why it ends with another code than 0.
    pub(crate) failure: Option<Failure>,
}

impl From<Table> for Done {
    fn from(table: Table) -> Self {
        Self { table, failure: None }
    }
}

/// The work directory of a command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Work {
    /// Work directory of the round.
    #[arg(long, value_name = "DIR", default_value = "pogo-work")]
    pub(crate) work: PathBuf,
}
