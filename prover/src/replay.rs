//! Replay: recompute chosen steps exactly and hold everything published about them to the result.
//!
//! There is no tolerance. A replay of all steps finds any edited leaf, which sampling hardly does.

use std::ops::Range;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use pogo_protocol::commitment::Commitment;
use pogo_protocol::fixed::LEAF;
use pogo_protocol::model::{State, TraceMode};
use pogo_protocol::record::{StepRecord, steps_root};

use crate::commit::{self, leaf_of, records_tree};
use crate::error::Error;
use crate::store::{Log, Store};
use crate::trace;
use crate::train::{Job, Stepper, UPDATES, codes_at, initial_record, state_on_disk};

/// What of a step is not what recomputing gives.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// A code of a published update.
    #[error("step {step}, leaf {leaf} (tensor {tensor}, row {row}), code {index}: expected {expected}, got {got}")]
    Code {
        /// Step.
        step: u32,
        /// Leaf of the model.
        leaf: usize,
        /// Tensor of the leaf.
        tensor: usize,
        /// Row of the leaf.
        row: usize,
        /// Code of the leaf.
        index: usize,
        /// Recomputed.
        expected: i8,
        /// Published.
        got: i8,
    },
    /// A word of a published state.
    #[error(
        "checkpoint {step}, leaf {leaf} (tensor {tensor}, row {row}), {field} {index}: expected {expected}, got {got}"
    )]
    State {
        /// Steps before the state.
        step: u32,
        /// Leaf of the model.
        leaf: usize,
        /// Tensor of the leaf.
        tensor: usize,
        /// Row of the leaf.
        row: usize,
        /// Which words of the leaf: weight, momentum or scale.
        field: &'static str,
        /// First word of the leaf that differs.
        index: usize,
        /// Recomputed.
        expected: i32,
        /// Published.
        got: i32,
    },
    /// A published state that is not the one of its record, or whose exponents are not the recomputed.
    #[error("checkpoint {step}: {field} is not that of record {step}")]
    Checkpoint {
        /// Steps before the state.
        step: u32,
        /// What of it.
        field: &'static str,
    },
    /// A field of a step record.
    #[error("record {record}: {field} is not the recomputed one")]
    Record {
        /// Record.
        record: u32,
        /// Field.
        field: &'static str,
    },
    /// A root of the commitment.
    #[error("commitment: {field} is not the one of the published files")]
    Commitment {
        /// Root.
        field: &'static str,
    },
}

/// Recomputes `steps` and returns every difference; an empty list means that all is exact.
///
/// # Errors
/// [`Error`] of the store.
pub fn replay(
    store: &Store,
    job: &Job<'_>,
    records: &[StepRecord],
    commitment: &Commitment,
    steps: Range<u32>,
    progress: impl FnMut(u32),
) -> Result<Vec<Difference>, Error> {
    let mut replayer = Replayer::new(store, job, records, commitment)?;
    let mut differences = replayer.compare_start()?;
    replayer.stepper.seek(store, records, steps.start)?;
    differences.extend(replayer.compare_steps(steps.clone(), progress)?);
    if steps.end == job.round.spec.steps {
        differences.extend(replayer.compare_end()?);
    }
    Ok(differences)
}

/// A finished round and what recomputes it.
pub(crate) struct Replayer<'a> {
    pub(crate) store: &'a Store,
    pub(crate) job: &'a Job<'a>,
    pub(crate) records: &'a [StepRecord],
    pub(crate) commitment: &'a Commitment,
    /// Where the recomputed state is.
    pub(crate) stepper: Stepper<'a>,
    updates: Log,
}

impl<'a> Replayer<'a> {
    /// Prepares the replay of any steps.
    pub(crate) fn new(
        store: &'a Store,
        job: &'a Job<'a>,
        records: &'a [StepRecord],
        commitment: &'a Commitment,
    ) -> Result<Self, Error> {
        let stepper = Stepper::new(job, records[0].state_root)?;
        let updates = Log::open(&store.path(UPDATES), Some(job.round.spec.steps as usize))?;
        Ok(Self { store, job, records, commitment, stepper, updates })
    }

    /// Holds the commitment to the records, and the first of them to the state the round starts from.
    pub(crate) fn compare_start(&self) -> Result<Vec<Difference>, Error> {
        let Self { store, job, records, commitment, .. } = self;
        let tree = records_tree(job.round.shape.steps_depth, records);
        let initial = initial_record(&job.round.layout, &state_on_disk(store, &job.round.spec, 0)?)?;
        let start = records[0].head();
        let held = [
            (
                steps_root(tree.root(), records.len() as u32) == commitment.steps_root,
                Difference::Commitment { field: "steps root" },
            ),
            (start.state == commitment.parent_root, Difference::Commitment { field: "parent root" }),
            (start.exponents == commitment.parent_exponents, Difference::Commitment { field: "parent exponents" }),
            (records[0] == initial, Difference::Record { record: 0, field: "initial state" }),
        ];
        Ok(held.into_iter().filter(|&(holds, _)| !holds).map(|(_, difference)| difference).collect())
    }

    /// Runs `steps` from the state on the stepper and holds codes and records to them.
    pub(crate) fn compare_steps(
        &mut self,
        steps: Range<u32>,
        mut progress: impl FnMut(u32),
    ) -> Result<Vec<Difference>, Error> {
        let (job, mut differences) = (self.job, Vec::new());
        for first in steps.clone().step_by(self.stepper.group() as usize) {
            let group = first..steps.end.min(first + self.stepper.group());
            let traces = self.traces(group.clone())?;
            let recorded = self.stepper.record(group.clone())?;
            for ((t, trace_root), (mut record, result)) in group.clone().zip(traces).zip(recorded) {
                record.trace_root = trace_root;
                let published = codes_at(self.store, &job.round.spec, &mut self.updates, t)?;
                differences.extend(compare_codes(job, t, &result.codes, &published));
                differences.extend(compare_records(&record, &self.records[t as usize + 1]));
            }
            progress(group.end - 1);
        }
        Ok(differences)
    }

    /// Trace roots of a group of steps as the spec asks for them; the state is put back.
    fn traces(&mut self, steps: Range<u32>) -> Result<Vec<Fr>, Error> {
        if self.job.round.spec.trace != TraceMode::Every {
            return Ok(vec![Fr::ZERO; steps.len()]);
        }
        let first = self.stepper.state()?;
        let (mut state, mut roots) = (first.clone(), Vec::with_capacity(steps.len()));
        for t in steps {
            roots.push(trace::root(self.job.round, &self.stepper.trace(&state, t))?);
            self.stepper.run(t..t + 1)?;
            state = self.stepper.state()?;
        }
        self.stepper.load(&first)?;
        Ok(roots)
    }

    /// Holds the commitment to the recomputed final state, which is on the stepper.
    pub(crate) fn compare_end(&mut self) -> Result<Vec<Difference>, Error> {
        let expected = commit::commitment(self.job.round, self.records, &self.stepper.model_roots()?);
        Ok(compare_commitments(&expected, self.commitment))
    }
}

/// What the published commitment says otherwise than that of the recomputed final state.
fn compare_commitments(expected: &Commitment, got: &Commitment) -> Vec<Difference> {
    let fields = [
        ("state root", expected.state_root == got.state_root),
        ("exponents", expected.exponents == got.exponents),
        ("quantized root", expected.quantized_root == got.quantized_root),
        ("quantized exponents", expected.quantized_exponents == got.quantized_exponents),
        ("data root", expected.data_root == got.data_root),
        ("spec hash", expected.spec_hash == got.spec_hash),
        ("steps", expected.steps == got.steps),
    ];
    let differs = fields.into_iter().filter(|&(_, equal)| !equal);
    differs.map(|(field, _)| Difference::Commitment { field }).collect()
}

fn compare_codes(job: &Job<'_>, step: u32, expected: &[Vec<i8>], got: &[Vec<i8>]) -> Vec<Difference> {
    let leaf = |leaf| {
        let place = job.round.layout.place(leaf);
        let of = |codes: &[Vec<i8>]| *leaf_of(&codes[place.tensor], place.index_in_tensor);
        let (expected, got) = (of(expected), of(got));
        (0..expected.len()).filter(move |&index| expected[index] != got[index]).map(move |index| Difference::Code {
            step,
            leaf,
            tensor: place.tensor,
            row: place.row,
            index,
            expected: expected[index],
            got: got[index],
        })
    };
    (0..job.round.layout.leaf_count()).flat_map(leaf).collect()
}

/// First difference of each kind of words in each leaf of the state before step `step`.
pub(crate) fn compare_states(job: &Job<'_>, step: u32, expected: &State, got: &State) -> Vec<Difference> {
    let leaf = |leaf| {
        let place = job.round.layout.place(leaf);
        let (tensor, at) = (place.tensor, place.index_in_tensor);
        let (words, one) = (at * LEAF..(at + 1) * LEAF, at..at + 1);
        let parts = [
            ("weight", &expected.weights[tensor][words.clone()], &got.weights[tensor][words.clone()]),
            ("momentum", &expected.momenta[tensor][words.clone()], &got.momenta[tensor][words]),
            ("scale", &expected.scales[tensor][one.clone()], &got.scales[tensor][one]),
        ];
        parts.into_iter().filter_map(move |(field, expected, got)| {
            let index = (0..expected.len()).find(|&index| expected[index] != got[index])?;
            let (expected, got) = (expected[index], got[index]);
            Some(Difference::State { step, leaf, tensor, row: place.row, field, index, expected, got })
        })
    };
    let words = (0..job.round.layout.leaf_count()).flat_map(leaf);
    let exponents =
        (expected.exponents != got.exponents).then_some(Difference::Checkpoint { step, field: "exponents" });
    words.chain(exponents).collect()
}

/// What a record says otherwise than the recomputed one.
pub(crate) fn compare_records(expected: &StepRecord, got: &StepRecord) -> Vec<Difference> {
    let fields = [
        ("index", expected.index == got.index),
        ("state root", expected.state_root == got.state_root),
        ("update root", expected.update_root == got.update_root),
        ("loss", expected.loss == got.loss),
        ("exponents", expected.exponents == got.exponents),
        ("next exponents", expected.next_exponents == got.next_exponents),
        ("trace root", expected.trace_root == got.trace_root),
    ];
    let differs = fields.into_iter().filter(|&(_, equal)| !equal);
    differs.map(|(field, _)| Difference::Record { record: expected.index, field }).collect()
}
