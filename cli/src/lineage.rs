//! A finished round in a folder, checked from files alone: what another round or task may start from.
//!
//! The folder is a work directory or what `pogo publish` copied of one; it is only read.

use std::path::{Path, PathBuf};

use ark_bn254::Fr;
use pogo_protocol::codec::scalar_bytes;
use pogo_protocol::model::State;
use pogo_prover::checkpoint::decode_checkpoint;
use pogo_prover::error::hex;
use pogo_prover::round::Round;
use pogo_prover::train::{checkpoint_name, initial_record};

use crate::commands::{finalize, verify};
use crate::dispute;
use crate::failure::Failure;
use crate::settlement;
use crate::setup::{Setup, Start};
use crate::verdict::{End, Verdict};
use crate::workspace::{Published, VERDICT, parse};

/// A round in a folder.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// The folder.
    pub(crate) dir: PathBuf,
    /// Its public files.
    pub(crate) published: Published,
    /// Its round.
    pub(crate) round: Round,
}

impl Link {
    /// Reads the public files of a round.
    ///
    /// # Errors
    /// [`Failure`] naming the file.
    pub(crate) fn read(dir: &Path) -> Result<Self, Failure> {
        let published = Published::read(dir)?;
        let round = published.setup.round()?;
        Ok(Self { dir: dir.to_path_buf(), published, round })
    }

    /// Verifies its proofs, settles it anew from its attestations, and holds its verdict to that.
    ///
    /// # Errors
    /// [`Failure::Check`] naming the folder, also when the round was not finalized.
    pub(crate) fn check(&self) -> Result<Verdict, Failure> {
        verify::verify(&self.published).map_err(|failure| failure.about(&self.dir))?;
        let signed = finalize::read_attestations(&self.dir)?;
        let evaluated = signed.iter().map(|signed| signed.attestation.evaluated).max().unwrap_or(0);
        let disputes = dispute::read(&self.dir)?;
        let expected = settlement::play(&self.dir, &self.published, evaluated, &signed, &disputes)?;
        let verdict = parse(&self.dir.join(VERDICT), Verdict::decode)?;
        if verdict != expected {
            return Err(Failure::in_file(&self.dir.join(VERDICT), "is not the one that the attestations give"));
        }
        match verdict.end {
            End::Finalized => Ok(verdict),
            end => Err(Failure::in_file(&self.dir, format!("round: expected finalized, got {}", end.describe()))),
        }
    }

    /// Its final state, held to the commitment: weights, momenta and scales by the state root, and the
    /// exponents.
    ///
    /// # Errors
    /// [`Failure::Environment`] for a missing file, [`Failure::Check`] for one that is not committed to.
    pub(crate) fn final_state(&self) -> Result<State, Failure> {
        let file = self.dir.join(checkpoint_name(self.round.spec.steps));
        let state = parse(&file, |bytes| decode_checkpoint(&self.round.spec, bytes))?;
        if initial_record(&self.round.layout, &state)?.head() != self.published.commitment.head() {
            return Err(Failure::in_file(&file, "is not the final state of the commitment"));
        }
        Ok(state)
    }

    /// Hash of its commitment.
    pub(crate) fn commitment(&self) -> [u8; 32] {
        self.published.commitment.hash()
    }

    /// Holds what this round starts from, state and exponents, to its `parent`, the round that its setup
    /// names; none for one that starts from the seed.
    ///
    /// # Errors
    /// [`Failure::Check`] naming the folder and what does not fit.
    pub(crate) fn check_start(&self, parent: Option<&Link>) -> Result<(), Failure> {
        let setup = &self.published.setup;
        let fits = |name: &str, expected: String, got: String| fits(&self.dir, name, &expected, &got);
        let expected = match (setup.start, parent) {
            (Start::Seed, _) => initial_record(&self.round.layout, &State::initial(&setup.spec))?.head(),
            (Start::Parent(_), Some(parent)) => {
                let before = &parent.published.setup;
                let task = |setup: &Setup| {
                    let Setup { spec, context, .. } = setup;
                    let (chain, contract, task) = (context.chain_id, hex(&context.contract), hex(&context.task));
                    format!("spec {}, chain {chain}, contract {contract}, task {task}", hex(&spec.hash()))
                };
                fits("task", task(before), task(setup))?;
                fits("round", before.context.round.saturating_add(1).to_string(), setup.context.round.to_string())?;
                parent.published.commitment.head()
            }
            (Start::FineTune(_), Some(parent)) => {
                fits("layers", format!("{:?}", parent.round.spec.layers), format!("{:?}", setup.spec.layers))?;
                let inherited = State::from_weights(&setup.spec, parent.final_state()?.weights);
                initial_record(&self.round.layout, &inherited)?.head()
            }
            (start, None) => {
                let what = format!("starts from {}: the folder of that round is not given", start.describe());
                return Err(Failure::in_file(&self.dir, what));
            }
        };
        let got = self.published.commitment.start();
        fits("parent root", text(&expected.state), text(&got.state))?;
        fits("parent exponents", text(&expected.exponents), text(&got.exponents))
    }
}

fn text(root: &Fr) -> String {
    hex(&scalar_bytes(root))
}

fn fits(file: &Path, name: &str, expected: &str, got: &str) -> Result<(), Failure> {
    let what = || Failure::in_file(file, format!("{name}: expected {expected}, got {got}"));
    if expected == got { Ok(()) } else { Err(what()) }
}
