//! Disclose: the whole records of segments that a first beacon drew, or that a dispute asks for.
//!
//! In trace mode `challenged` training leaves records without trace roots, and bare ones between the
//! checkpoints. The records of a segment are recomputed here, hashed whole and kept in
//! `disclosed.log`, in the order in which they are disclosed; [`fill`] puts them in their places, so
//! that cells are opened under the root of what is disclosed.

use std::ops::Range;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use pogo_protocol::cell::Record;
use pogo_protocol::cell::disclosure::{DISCLOSED, Disclosed, DisclosureOpening, DisclosureSample};
use pogo_protocol::disclosure;
use pogo_protocol::record::{StepRecord, steps_root};

use crate::commit::{self, records_tree};
use crate::error::Error;
use crate::replay::{Difference, compare_records};
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
    let mut log = Log::open_while(&store.path(DISCLOSED_RECORDS), |entry| StepRecord::decode(entry).is_ok())?;
    log.cut()?;
    let known = disclosed(store)?;
    let mut stepper = Stepper::new(job, trained.records[0].state_root)?;
    let is_known = |number: u32| known.iter().any(|record| record.index == number);
    for &segment in segments {
        let numbers = disclosure::records(&job.round.spec, segment);
        if numbers.clone().all(is_known) {
            continue;
        }
        for record in recompute(&mut stepper, store, job, &trained.records, numbers)? {
            let committed = &trained.records[record.index as usize];
            let untraced = StepRecord { trace_root: Fr::ZERO, ..record.clone() };
            if !committed.is_bare() && *committed != untraced {
                return Err(Error::Diverged { step: record.index });
            }
            if !is_known(record.index) {
                log.append(&record.encode())?;
            }
            progress(record.index - 1);
        }
    }
    Ok(log.sync()?)
}

/// What the disclosed records of these steps say otherwise than recomputing gives.
///
/// # Errors
/// [`Error`] of the store.
pub fn replay(
    store: &Store,
    job: &Job<'_>,
    records: &[StepRecord],
    disclosed: &[StepRecord],
    steps: &Range<u32>,
) -> Result<Vec<Difference>, Error> {
    let mut stepper = Stepper::new(job, records[0].state_root)?;
    let mut differences = Vec::new();
    for got in disclosed {
        if let Some(step) = got.index.checked_sub(1).filter(|step| steps.contains(step)) {
            for expected in recompute(&mut stepper, store, job, records, step + 1..step + 2)? {
                differences.extend(compare_records(&expected, got));
            }
        }
    }
    Ok(differences)
}

/// The whole records of these numbers, none of which is 0.
fn recompute(
    stepper: &mut Stepper<'_>,
    store: &Store,
    job: &Job<'_>,
    records: &[StepRecord],
    numbers: Range<u32>,
) -> Result<Vec<StepRecord>, Error> {
    let mut state = stepper.seek(store, records, numbers.start - 1)?;
    let mut whole = Vec::with_capacity(numbers.len());
    for number in numbers {
        let trace_root = trace::root(job.round, &stepper.trace(&state, number - 1))?;
        let (record, result) = stepper.record(number - 1..number)?.remove(0);
        state = stepper.state()?;
        let roots = commit::step_roots(&job.round.layout, &state, &result.codes)?;
        whole.push(StepRecord { state_root: roots.state, update_root: roots.update, trace_root, ..record });
    }
    Ok(whole)
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
