//! The commands, one file each. The eight verbs come first, in the order of a round.

pub(crate) mod train;

pub(crate) mod commit;

pub(crate) mod challenge;

pub(crate) mod disclose;

pub(crate) mod open;

pub(crate) mod prove;

pub(crate) mod verify;

pub(crate) mod attest;

pub(crate) mod finalize;

pub(crate) mod attack;
pub(crate) mod audit;
pub(crate) mod completions;
pub(crate) mod devices;
pub(crate) mod dispute;
pub(crate) mod inspect;
pub(crate) mod provenance;
pub(crate) mod publish;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod srs;
pub(crate) mod trace;

use std::path::PathBuf;

use pogo_prover::device::{Choice, Device};

use crate::failure::Failure;
use crate::output::{Console, Table};
use crate::workspace::Workspace;

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

/// The device of a command that runs training steps.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct DeviceArgument {
    /// Where training steps run: auto, cpu, gpu or gpu:INDEX of `pogo devices`.
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: Choice,
}

impl DeviceArgument {
    /// Opens it for a work directory and says which it is.
    ///
    /// # Errors
    /// [`Failure::Environment`] when the GPU that was asked for cannot be opened.
    pub(crate) fn open(self, workspace: &mut Workspace, console: Console) -> Result<(), Failure> {
        let opened = Device::open(self.device, &workspace.round);
        let (device, why) = opened.map_err(|error| Failure::Environment(error.to_string()))?;
        let why = why.map_or(String::new(), |why| format!("; {why}"));
        console.note(format!("Device: {}{why}.", device.describe()));
        workspace.device = device;
        Ok(())
    }
}

/// The work directory of a command that runs training steps or hashes a model, and its device.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct WorkOnDevice {
    #[command(flatten)]
    pub(crate) work: Work,
    #[command(flatten)]
    device: DeviceArgument,
}

impl WorkOnDevice {
    /// Opens both.
    ///
    /// # Errors
    /// When there is no round in the directory, or the device cannot be opened.
    pub(crate) fn open(&self, console: Console) -> Result<Workspace, Failure> {
        let mut workspace = Workspace::open(&self.work.work)?;
        self.device.open(&mut workspace, console)?;
        Ok(workspace)
    }
}
