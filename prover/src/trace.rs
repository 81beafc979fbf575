//! Trace: the tensors of steps under one root each, hashed on all cores.
//!
//! In mode `every` all steps of a round have their roots before it is committed to. They are made
//! once training has ended, by going through it again, and kept in `traces.log`, so that training
//! runs wherever it is fast and an interrupted pass goes on where it stopped.

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use pogo_protocol::codec::{CodecError, Reader, Writer};
use pogo_protocol::merkle::Tree;
use pogo_protocol::model::TraceMode;
use pogo_protocol::record::StepRecord;
use pogo_protocol::trace::{Trace, TraceLayout};
use rayon::prelude::*;

use crate::commit;
use crate::error::Error;
use crate::round::Round;
use crate::store::{Log, Store};
use crate::train::{Job, Stepper};

/// The log of trace roots.
pub const TRACE_ROOTS: &str = "traces.log";
const MAGIC: &[u8; 8] = b"pogo/trt";

/// Tree over the tensors of a step.
///
/// # Errors
/// [`Error::Leaf`], which no step leaves behind.
pub fn tree(layout: &TraceLayout, trace: &Trace) -> Result<Tree, Error> {
    let mut leaves = vec![Fr::ZERO; layout.position_count()];
    let hashed: Vec<_> = layout.tensors().par_iter().map(|placed| trace.leaves(placed)).collect::<Result<_, _>>()?;
    hashed.into_iter().flatten().for_each(|(position, leaf)| leaves[position] = leaf);
    Ok(commit::tree(layout.depth(), leaves))
}

/// Root over the tensors of a step.
///
/// # Errors
/// [`Error::TraceTooLarge`], or [`Error::Leaf`], which no step leaves behind.
pub fn root(round: &Round, trace: &Trace) -> Result<Fr, Error> {
    let layout = round.trace_layout()?;
    Ok(layout.root(tree(&layout, trace)?.root(), round.layout.element()))
}

/// Gives the records the roots that their spec asks for, making those that `traces.log` lacks;
/// `progress` is told of every step done.
///
/// # Errors
/// [`Error`] of the store, or [`Error::Diverged`] when a recomputed step is not the recorded one.
pub fn complete(
    store: &Store,
    job: &Job<'_>,
    records: &mut [StepRecord],
    mut progress: impl FnMut(u32),
) -> Result<(), Error> {
    if job.round.spec.trace != TraceMode::Every {
        return Ok(());
    }
    let mut log = Log::open_while(&store.path(TRACE_ROOTS), |entry| decode_root(entry).is_ok())?;
    log.cut()?;
    let (first, steps) = (log.len() as u32, job.round.spec.steps);
    if first < steps {
        let mut stepper = Stepper::new(job, records[0].state_root)?;
        let mut state = stepper.seek(store, records, first)?;
        for t in first..steps {
            // What is written is not looked at again, so the state must be the recorded one.
            stepper.hold(&state, &records[t as usize])?;
            let root = root(job.round, &stepper.trace(&state, t))?;
            log.append(&encode_root(&root))?;
            stepper.run(t..t + 1)?;
            state = stepper.state()?;
            progress(t + 1);
        }
        log.sync()?;
    }
    fill(store, job, records)
}

/// Gives the records the roots of `traces.log`.
///
/// # Errors
/// [`Error`] of the store, also for a log of fewer steps.
pub fn fill(store: &Store, job: &Job<'_>, records: &mut [StepRecord]) -> Result<(), Error> {
    if job.round.spec.trace != TraceMode::Every {
        return Ok(());
    }
    let mut log = Log::open(&store.path(TRACE_ROOTS), Some(job.round.spec.steps as usize))?;
    for (t, record) in records.iter_mut().skip(1).enumerate() {
        record.trace_root =
            decode_root(&log.read(t)?).map_err(|error| store.content(TRACE_ROOTS, format!("entry {t}: {error}")))?;
    }
    Ok(())
}

/// An entry of [`TRACE_ROOTS`].
pub fn encode_root(root: &Fr) -> Vec<u8> {
    Writer::new(MAGIC).scalar(root).finish()
}

/// Reads an entry of [`TRACE_ROOTS`].
///
/// # Errors
/// [`CodecError`] naming the field.
pub fn decode_root(bytes: &[u8]) -> Result<Fr, CodecError> {
    let mut reader = Reader::new(bytes, MAGIC, "trace root")?;
    let root = reader.scalar("trace root")?;
    reader.finish()?;
    Ok(root)
}
