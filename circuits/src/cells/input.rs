//! The input cell: a leaf of the trace of a step is that of a record of the data.
//!
//! The leaf is never taken apart: it stands at the end of two paths.

use pogo_protocol::cell::input::{DATA_DEPTH, InputOpening, RECORDS_BITS, WIDTH_BITS};
use pogo_protocol::leaf::{FEATURES_DEPTH, tag};
use pogo_protocol::statement::{STEP_BITS, TRACE_BITS};

use super::opened::{Fields, Opener};
use crate::chips::poseidon::Operand;

/// Assigns one input cell and returns its public fields.
pub(crate) fn assign(opener: &mut Opener, opening: &InputOpening) -> Vec<Fields> {
    let sample = &opening.sample;
    let (step, next) = opener.step(sample.step);
    let position = opener.trace_position(sample.position);
    let index = opener.bits(sample.record.into(), DATA_DEPTH, "data record bit");
    let column = opener.bits(sample.column as u64, FEATURES_DEPTH, "features column bit");
    let width = opener.bits(sample.width as u64, WIDTH_BITS as usize, "width bit").value;
    let records = opener.bits(sample.records.into(), RECORDS_BITS as usize, "record count bit").value;

    let leaf = opener.input(opening.leaf, "leaf of features");
    let after = opener.record(&opening.after, &next);
    let root = opener.path_from(leaf, &position, &opening.path);
    opener.under(tag::TRACE_ROOT, root, after.trace_root);

    let features = opener.path_from(leaf, &column, &opening.features_path);
    let features = opener.lane.hash(&mut opener.grid, tag::FEATURES, Operand::Copy(features), Operand::Copy(width));
    let label = opener.input(opening.label, "label");
    opener.data_record(label, features, &index, &opening.data_path, records);
    vec![vec![
        (step.value, STEP_BITS),
        (position.value, TRACE_BITS),
        (index.value, DATA_DEPTH as u32),
        (column.value, FEATURES_DEPTH as u32),
        (width, WIDTH_BITS),
        (records, RECORDS_BITS),
    ]]
}
