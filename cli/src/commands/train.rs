//! `pogo train`: all steps of a round, resumed where an earlier start ended.

use std::path::{Path, PathBuf};

use pogo_protocol::model::State;
use pogo_prover::data::Split;
use pogo_prover::error::hex;
use pogo_prover::train::{self, Progress, Trace};
use pogo_verifier::Setup as SrsKind;

use super::{DeviceArgument, Done, Work};
use crate::estimate;
use crate::failure::Failure;
use crate::lineage::Link;
use crate::output::{Console, Table};
use crate::setup::{SAMPLES_MAX, Setup, Start};
use crate::spec;
use crate::workspace::{COMMITMENT, SETUP, Workspace, parse};

/// Samples that are asked for when nobody says how many.
pub(crate) const DEFAULT_SAMPLES: u32 = 8;

/// Arguments that make a round.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Begin {
    /// TOML file of the task; the round in the work directory, else the embedded digits, when there is none.
    #[arg(value_name = "SPEC.toml")]
    pub(crate) spec: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) work: Work,
    /// Samples of each kind that the proofs must show [default: 8].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(SAMPLES_MAX)))]
    pub(crate) samples: Option<u32>,
    /// Prepared ceremony SRS that the proofs rest on [default: the development SRS].
    #[arg(long, value_name = "FILE")]
    pub(crate) srs: Option<PathBuf>,
    /// Continue the task of a finalized round from its final state: its work directory, or the copy
    /// that `pogo publish --state` makes.
    #[arg(long, value_name = "DIR")]
    pub(crate) parent: Option<PathBuf>,
    /// Begin a task from the weights of a finalized round of another: likewise.
    #[arg(long, value_name = "DIR", conflicts_with = "parent")]
    pub(crate) fine_tune: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) device: DeviceArgument,
}

impl Begin {
    /// Opens or makes the work directory.
    ///
    /// # Errors
    /// When the spec is none, or the directory holds another round.
    pub(crate) fn workspace(&self) -> Result<Workspace, Failure> {
        match (&self.parent, &self.fine_tune) {
            (Some(dir), _) => self.continued(&finalized(dir)?),
            (None, Some(dir)) => self.fine_tuned(&finalized(dir)?),
            (None, None) => {
                let here = self.work.work.join(SETUP);
                let asked =
                    if self.spec.is_none() && here.exists() { self.asked_again(&here)? } else { self.read_spec()? };
                Workspace::create(&self.work.work, asked, None)
            }
        }
    }

    /// The round after `parent`, from its whole final state. A spec file says where the data is here
    /// and who mines; it must be that of the task.
    fn continued(&self, parent: &Link) -> Result<Workspace, Failure> {
        let before = &parent.published.setup;
        let mut asked = match &self.spec {
            Some(_) => self.read_spec()?,
            None => Setup { samples: self.samples.unwrap_or(before.samples), srs: self.srs_kind(), ..before.clone() },
        };
        if asked.spec != before.spec || asked.context.task != before.context.task {
            let (expected, got) = (hex(&before.spec.hash()), hex(&asked.spec.hash()));
            return Err(Failure::Usage(format!("--parent: spec hash: expected {expected}, got {got}")));
        }
        asked.context.round = before.context.round + 1;
        asked.start = Start::Parent(parent.commitment());
        Workspace::create(&self.work.work, asked, Some(&parent.final_state()?))
    }

    /// Round 0 of another task, from the weights of `origin`.
    fn fine_tuned(&self, origin: &Link) -> Result<Workspace, Failure> {
        let mut asked = self.read_spec()?;
        let (expected, got) = (&origin.round.spec.layers, &asked.spec.layers);
        if expected != got {
            return Err(Failure::Usage(format!("--fine-tune: model.layers: expected {expected:?}, got {got:?}")));
        }
        if asked.spec == origin.round.spec {
            let what = "expected the spec of another task, got the same: --parent continues a task";
            return Err(Failure::Usage(format!("--fine-tune: {what}")));
        }
        let inherited = State::from_weights(&asked.spec, origin.final_state()?.weights);
        asked.start = Start::FineTune(origin.commitment());
        Workspace::create(&self.work.work, asked, Some(&inherited))
    }

    fn read_spec(&self) -> Result<Setup, Failure> {
        spec::read(self.spec.as_deref(), self.samples.unwrap_or(DEFAULT_SAMPLES), self.srs_kind())
    }

    fn srs_kind(&self) -> SrsKind {
        if self.srs.is_some() { SrsKind::Ceremony } else { SrsKind::Development }
    }

    /// The round that is in the directory, with what the arguments say otherwise.
    fn asked_again(&self, file: &Path) -> Result<Setup, Failure> {
        let mut setup = parse(file, Setup::decode)?;
        setup.samples = self.samples.unwrap_or(setup.samples);
        if self.srs.is_some() {
            setup.srs = SrsKind::Ceremony;
        }
        Ok(setup)
    }
}

/// A round to start from, checked from its files.
fn finalized(dir: &Path) -> Result<Link, Failure> {
    let link = Link::read(dir)?;
    link.check()?;
    Ok(link)
}

/// Runs the command.
pub(crate) fn run(arguments: &Begin, console: Console) -> Result<Done, Failure> {
    let mut workspace = arguments.workspace()?;
    arguments.device.open(&mut workspace, console)?;
    let data = workspace.data()?;
    let trace = train(&workspace, &data, console)?;
    Ok(table(&workspace, &trace).into())
}

/// Trains, or reads the finished training.
pub(crate) fn train(workspace: &Workspace, data: &Split, console: Console) -> Result<Trace, Failure> {
    let _span = tracing::info_span!("train").entered();
    if workspace.store.has(COMMITMENT) {
        return workspace.trace(data);
    }
    console.note(estimate::training(workspace, data)?);
    let bar = console.bar("train", workspace.setup.spec.steps.into());
    let progress = |progress: Progress| match progress {
        Progress::Steps { done, loss, .. } => {
            bar.set_position(done.into());
            bar.set_message(format!("loss {loss:.4}"));
        }
        Progress::Traced { done, of } => {
            bar.set_length(of.into());
            bar.set_position(done.into());
            bar.set_message("tensors committed to");
        }
        Progress::Lost { reason, next } => bar.suspend(|| {
            console.warn(format!("{reason}; going on from the last checkpoint on {next}"));
        }),
    };
    let job = workspace.job(data);
    let trace = workspace.timed("train", || Ok(train::train(&workspace.store, &job, progress)?))?;
    bar.finish_and_clear();
    Ok(trace)
}

/// What training left behind.
pub(crate) fn table(workspace: &Workspace, trace: &Trace) -> Table {
    let loss = |index: usize| {
        let record = trace.records.get(index);
        record.map_or(0.0, |r| r.loss as f64 / 65536.0 / f64::from(workspace.setup.spec.batch))
    };
    let (first, last) = (loss(1), loss(trace.records.len() - 1));
    Table::new("train")
        .row("steps", "steps", trace.records.len() as u64 - 1)
        .row("leaves", "leaves", workspace.round.layout.leaf_count() as u64)
        .row_as("first_batch_loss", "loss of the first batch", first, format!("{first:.4} nats"))
        .row_as("last_batch_loss", "loss of the last batch", last, format!("{last:.4} nats"))
}
