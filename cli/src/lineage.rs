//! A finished round in a folder, checked from files alone: what another round or task may start from.
//!
//! The folder is a work directory or what `pogo publish` copied of one; it is only read.

use std::path::{Path, PathBuf};

use ark_bn254::Fr;
use pogo_circuits::round::Shape;
use pogo_protocol::codec::{CodecError, scalar_bytes};
use pogo_protocol::model::{Exponents, State, TraceMode};
use pogo_protocol::record::{StepRecord, steps_root};
use pogo_prover::checkpoint::decode_checkpoint;
use pogo_prover::commit::records_tree;
use pogo_prover::error::hex;
use pogo_prover::round::Round;
use pogo_prover::store::entries;
use pogo_prover::trace::{TRACE_ROOTS, decode_root};
use pogo_prover::train::{RECORDS, checkpoint_name, is_recorded, state_root};

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
        let Setup { spec, context, .. } = &published.setup;
        let round = Round::new(spec.clone(), *context, Shape::MINIMAL)?;
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

    /// Its final state, held to the commitment: weights, momenta and scales by the state root,
    /// exponents by the last of the step records.
    ///
    /// # Errors
    /// [`Failure::Environment`] for a missing file, [`Failure::Check`] for one that is not committed to.
    pub(crate) fn final_state(&self) -> Result<State, Failure> {
        let [_, last] = self.ends()?;
        let file = self.dir.join(checkpoint_name(self.round.spec.steps));
        let state = parse(&file, |bytes| decode_checkpoint(&self.round.spec, bytes))?;
        if !is_recorded(&self.round.layout, &state, &last)? {
            return Err(Failure::in_file(&file, "is not the state of the last record"));
        }
        Ok(state)
    }

    /// The first and the last of its step records, all of which are held to the commitment; none where
    /// its folder holds no records.
    ///
    /// # Errors
    /// [`Failure`] naming the log.
    pub(crate) fn recorded(&self) -> Result<Option<[StepRecord; 2]>, Failure> {
        if self.dir.join(RECORDS).exists() { self.ends().map(Some) } else { Ok(None) }
    }

    fn ends(&self) -> Result<[StepRecord; 2], Failure> {
        let steps = self.round.spec.steps as usize;
        let mut records = self.log(RECORDS, "step records", steps + 1, StepRecord::decode)?;
        if self.round.spec.trace == TraceMode::Every {
            let roots = self.log(TRACE_ROOTS, "trace roots", steps, decode_root)?;
            records.iter_mut().skip(1).zip(roots).for_each(|(record, root)| record.trace_root = root);
        }
        let root = steps_root(records_tree(self.round.shape.steps_depth, &records).root(), records.len() as u32);
        if root != self.published.commitment.steps_root {
            return Err(Failure::in_file(&self.dir.join(RECORDS), "steps root is not the committed one"));
        }
        Ok([records[0].clone(), records[steps].clone()])
    }

    /// The entries of a log, of which there are `expected`.
    fn log<T>(
        &self,
        name: &str,
        entries: &str,
        expected: usize,
        decode: fn(&[u8]) -> Result<T, CodecError>,
    ) -> Result<Vec<T>, Failure> {
        let file = self.dir.join(name);
        let log = parse(&file, |log| decode_log(log, decode))?;
        fits(&file, entries, &expected.to_string(), &log.len().to_string())?;
        Ok(log)
    }

    /// Hash of its commitment.
    pub(crate) fn commitment(&self) -> [u8; 32] {
        self.published.commitment.hash()
    }

    /// Holds what this round starts from to its `parent`, the round that its setup names; none for one
    /// that starts from the seed. Whether that includes the exponents that its first step was told: they
    /// are in step records only, so it takes those of this round and, where it goes on, of its parent.
    ///
    /// # Errors
    /// [`Failure::Check`] naming the folder and what does not fit.
    pub(crate) fn check_start(&self, parent: Option<&Link>) -> Result<bool, Failure> {
        let setup = &self.published.setup;
        let fits = |name: &str, expected: String, got: String| fits(&self.dir, name, &expected, &got);
        let root = |expected: Fr| fits("parent root", text(&expected), text(&self.published.commitment.parent_root));
        let told = match (setup.start, parent) {
            (Start::Seed, _) => {
                root(state_root(&self.round.layout, &State::initial(&setup.spec))?)?;
                Some(None)
            }
            (Start::Parent(_), Some(parent)) => {
                let before = &parent.published.setup;
                let task = |setup: &Setup| {
                    let Setup { spec, context, .. } = setup;
                    let (chain, contract, task) = (context.chain_id, hex(&context.contract), hex(&context.task));
                    format!("spec {}, chain {chain}, contract {contract}, task {task}", hex(&spec.hash()))
                };
                fits("task", task(before), task(setup))?;
                fits("round", before.context.round.saturating_add(1).to_string(), setup.context.round.to_string())?;
                root(parent.published.commitment.state_root)?;
                parent.recorded()?.map(|[_, last]| last.next_exponents)
            }
            (Start::FineTune(_), Some(parent)) => {
                fits("layers", format!("{:?}", parent.round.spec.layers), format!("{:?}", setup.spec.layers))?;
                let inherited = State::from_weights(&setup.spec, parent.final_state()?.weights);
                root(state_root(&self.round.layout, &inherited)?)?;
                Some(None)
            }
            (start, None) => {
                let what = format!("starts from {}: the folder of that round is not given", start.describe());
                return Err(Failure::in_file(&self.dir, what));
            }
        };
        match (self.recorded()?, told) {
            (Some([first, _]), Some(exponents)) => self.hold_first(&first, exponents).map(|()| true),
            _ => Ok(false),
        }
    }

    /// Holds record 0 to what no step has touched yet, and to the exponents that the first step is told.
    fn hold_first(&self, first: &StepRecord, exponents: Option<Exponents>) -> Result<(), Failure> {
        let expected = StepRecord {
            index: 0,
            state_root: self.published.commitment.parent_root,
            update_root: Fr::default(),
            loss: 0,
            exponents: None,
            next_exponents: exponents,
            trace_root: Fr::default(),
        };
        let fields = |record: &StepRecord| {
            [
                ("state root", text(&record.state_root)),
                ("update root", text(&record.update_root)),
                ("loss", record.loss.to_string()),
                ("exponents", format!("{:?}", record.exponents)),
                ("next exponents", format!("{:?}", record.next_exponents)),
                ("trace root", text(&record.trace_root)),
            ]
        };
        let mut both = fields(&expected).into_iter().zip(fields(first));
        let file = self.dir.join(RECORDS);
        both.try_for_each(|((name, expected), (_, got))| fits(&file, &format!("record 0: {name}"), &expected, &got))
    }
}

fn text(root: &Fr) -> String {
    hex(&scalar_bytes(root))
}

fn fits(file: &Path, name: &str, expected: &str, got: &str) -> Result<(), Failure> {
    let what = || Failure::in_file(file, format!("{name}: expected {expected}, got {got}"));
    if expected == got { Ok(()) } else { Err(what()) }
}

fn decode_log<T>(log: &[u8], decode: fn(&[u8]) -> Result<T, CodecError>) -> Result<Vec<T>, String> {
    let entries = entries(log).map_err(|entry| format!("entry {entry} is incomplete or damaged"))?;
    let decode = |(number, &entry): (usize, &&[u8])| decode(entry).map_err(|error| format!("entry {number}: {error}"));
    entries.iter().enumerate().map(decode).collect()
}
