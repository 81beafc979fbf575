//! The blank cell: a public leaf, which the verifier knows to be that of zeros, stands in the trace.

use pogo_protocol::cell::blank::BlankOpening;
use pogo_protocol::leaf::tag;
use pogo_protocol::statement::{STEP_BITS, TRACE_BITS};

use super::opened::{Fields, Opener};

/// Bits of a field that is an element of its own.
pub(crate) const WHOLE: u32 = 254;

/// Assigns one blank cell and returns its public fields.
pub(crate) fn assign(opener: &mut Opener, opening: &BlankOpening) -> Vec<Fields> {
    let sample = &opening.sample;
    let (step, next) = opener.step(sample.step);
    let position = opener.trace_position(sample.position);
    let leaf = opener.input(sample.leaf, "leaf of zeros");
    let after = opener.record(&opening.after, &next);
    let root = opener.path_from(leaf, &position, &opening.path);
    opener.under(tag::TRACE_ROOT, root, after.trace_root);
    vec![vec![(step.value, STEP_BITS), (position.value, TRACE_BITS)], vec![(leaf, WHOLE)]]
}
