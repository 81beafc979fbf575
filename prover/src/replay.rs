//! Replay: recompute chosen steps exactly and hold everything published about them to the result.
//!
//! There is no tolerance. A replay of all steps finds any edited leaf, which sampling hardly does.

use std::ops::Range;

use pogo_protocol::commitment::Commitment;
use pogo_protocol::model::State;
use pogo_protocol::record::{StepRecord, steps_root};

use crate::commit::{self, leaf_of, records_tree};
use crate::error::Error;
use crate::store::{Log, Store};
use crate::train::{Job, Stepper, codes_at, initial_record};

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
    mut progress: impl FnMut(u32),
) -> Result<Vec<Difference>, Error> {
    let mut differences = Vec::new();
    let root = steps_root(records_tree(job.round.shape.steps_depth, records).root(), records.len() as u32);
    let mut hold = |holds: bool, difference| {
        if !holds {
            differences.push(difference);
        }
    };
    hold(root == commitment.steps_root, Difference::Commitment { field: "steps root" });
    hold(records[0].state_root == commitment.parent_root, Difference::Commitment { field: "parent root" });
    let initial = initial_record(&job.round.layout, &State::initial(&job.round.spec))?;
    hold(records[0] == initial, Difference::Record { record: 0, field: "initial state" });
    let mut stepper = Stepper::new(job, records[0].state_root)?;
    stepper.seek(store, records, steps.start)?;
    let mut log = Log::open(&store.path("updates.log"), Some(commitment.steps as usize))?;
    for first in steps.clone().step_by(stepper.group() as usize) {
        let group = first..steps.end.min(first + stepper.group());
        for (t, (record, result)) in group.clone().zip(stepper.record(group.clone())?) {
            let published = codes_at(store, &job.round.spec, &mut log, t)?;
            differences.extend(compare_codes(job, t, &result.codes, &published));
            differences.extend(compare_records(&record, &records[t as usize + 1]));
        }
        progress(group.end - 1);
    }
    if steps.end == commitment.steps {
        let state = stepper.state()?;
        drop(stepper); // a device holds one state at a time
        differences.extend(compare_commitments(&commit::commit(job.round, records, &state, job.device)?, commitment));
    }
    Ok(differences)
}

/// What the published commitment says otherwise than that of the recomputed final state.
fn compare_commitments(expected: &Commitment, got: &Commitment) -> Vec<Difference> {
    let fields = [
        ("state root", expected.state_root == got.state_root),
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

fn compare_records(expected: &StepRecord, got: &StepRecord) -> Vec<Difference> {
    let fields = [
        ("index", expected.index == got.index),
        ("state root", expected.state_root == got.state_root),
        ("update root", expected.update_root == got.update_root),
        ("batch digest", expected.batch_digest == got.batch_digest),
        ("loss", expected.loss == got.loss),
        ("exponents", expected.exponents == got.exponents),
        ("next exponents", expected.next_exponents == got.next_exponents),
    ];
    let differs = fields.into_iter().filter(|&(_, equal)| !equal);
    differs.map(|(field, _)| Difference::Record { record: expected.index, field }).collect()
}
