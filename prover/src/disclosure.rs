//! Disclose: the whole records of segments that a first beacon drew, or that a dispute asks for.
//!
//! In trace mode `challenged` training leaves records without trace roots, and bare ones between the
//! checkpoints. The records of a segment are recomputed here, hashed whole and kept in
//! `disclosed.log`, in the order in which they are disclosed; [`fill`] puts them in their places, so
//! that cells are opened under the root of what is disclosed.

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use pogo_protocol::cell::Record;
use pogo_protocol::cell::disclosure::{DISCLOSED, Disclosed, DisclosureOpening, DisclosureSample};
use pogo_protocol::disclosure;
use pogo_protocol::record::{StepRecord, steps_root};

use crate::commit::{self, records_tree};
use crate::error::Error;
use crate::store::{Log, Store};
use crate::trace;
use crate::train::{Job, Stepper, Trace};

/// The log of disclosed records.
pub const DISCLOSED_RECORDS: &str = "disclosed.log";

/// The disclosed records of a round, in the order in which they were disclosed.
///
/// # Errors
/// [`Error::Store`] for a damaged log.
pub fn disclosed(store: &Store) -> Result<Vec<StepRecord>, Error> {
    if !store.has(DISCLOSED_RECORDS) {
        return Ok(Vec::new());
    }
    let mut log = Log::open(&store.path(DISCLOSED_RECORDS), None)?;
    let count = log.len();
    let read = |index| -> Result<StepRecord, Error> {
        let record = StepRecord::decode(&log.read(index)?);
        Ok(record.map_err(|error| store.content(DISCLOSED_RECORDS, format!("entry {index}: {error}")))?)
    };
    (0..count).map(read).collect()
}

/// Recomputes the records of segments that are not disclosed yet and appends them to the log;
/// `progress` is told of every step done.
///
/// # Errors
/// [`Error`] of the store; [`Error::Diverged`] when a recomputed record is not the committed one.
pub fn disclose(
    store: &Store,
    job: &Job<'_>,
    trained: &Trace,
    segments: &[u32],
    mut progress: impl FnMut(u32),
) -> Result<(), Error> {
    let known = disclosed(store)?;
    let mut log = Log::open(&store.path(DISCLOSED_RECORDS), Some(known.len()))?;
    log.cut()?;
    let mut stepper = Stepper::new(job, trained.records[0].state_root)?;
    for &segment in segments {
        let numbers = disclosure::records(&job.round.spec, segment);
        let is_known = |number: u32| known.iter().any(|record| record.index == number);
        if numbers.clone().all(is_known) {
            continue;
        }
        let mut state = stepper.seek(store, &trained.records, numbers.start - 1)?;
        for number in numbers {
            let t = number - 1;
            let trace_root = trace::root(job.round, &stepper.trace(&state, t))?;
            let (record, result) = stepper.record(t..number)?.remove(0);
            state = stepper.state()?;
            if is_known(number) {
                continue;
            }
            let roots = commit::step_roots(&job.round.layout, &state, &result.codes)?;
            let record = StepRecord { state_root: roots.state, update_root: roots.update, trace_root, ..record };
            let committed = &trained.records[number as usize];
            let untraced = StepRecord { trace_root: Fr::ZERO, ..record.clone() };
            if !committed.is_bare() && *committed != untraced {
                return Err(Error::Diverged { step: number });
            }
            log.append(&record.encode())?;
            progress(t);
        }
    }
    Ok(log.sync()?)
}

/// Puts disclosed records in their places.
pub fn fill(records: &mut [StepRecord], disclosed: &[StepRecord]) {
    for record in disclosed {
        if let Some(place) = records.get_mut(record.index as usize) {
            place.clone_from(record);
        }
    }
}

/// Opens the disclosure of `whole` records, one after another, in the tree of `depth` over `records`;
/// and the steps root after each proof.
pub fn open(depth: usize, records: &[StepRecord], whole: &[StepRecord]) -> (Vec<DisclosureOpening>, Vec<Fr>) {
    let (mut tree, count) = (records_tree(depth, records), records.len() as u32);
    let proof = |whole: &[StepRecord]| {
        let mut opened = Vec::with_capacity(whole.len());
        for record in whole {
            let index = record.index as usize;
            opened.push(Record::new(record, tree.path(index)));
            tree.replace(index, record.hash());
        }
        let to = steps_root(tree.root(), count);
        let disclosed = |record: &StepRecord| Disclosed {
            index: record.index,
            committed: !records[record.index as usize].is_bare(),
        };
        let sample = DisclosureSample { to, records: whole.iter().map(disclosed).collect() };
        (DisclosureOpening { sample, records: opened }, to)
    };
    whole.chunks(DISCLOSED).map(proof).unzip()
}
