//! The link cell: a record goes on from the one before it.
//!
//! ```text
//! used = next of the record before, or where that is 0 (no exponents) the own next
//! loss = losses up to the last row
//! first step: update root, trace root, loss and exponents used of record 0 are 0; its next exponents
//!             are those of the start
//! last step:  the next exponents of the record after it are those of the end
//! ```

use halo2_proofs::halo2curves::bn256::Fr;
use pogo_protocol::cell::link::LinkOpening;
use pogo_protocol::leaf::tag;
use pogo_protocol::statement::{STEP_BITS, TRACE_BITS};

use super::opened::{Fields, Opener};
use crate::chips::poseidon::Operand;

/// Assigns one link cell and returns its public fields.
pub(crate) fn assign(opener: &mut Opener, opening: &LinkOpening) -> Vec<Fields> {
    let sample = &opening.sample;
    let (start, end) = (opener.shared[0], opener.shared[1]);
    let (step, index) = opener.step(sample.step);
    let losses = opener.trace_position(sample.losses);
    let first = opener.arithmetic.bit(&mut opener.grid, sample.first, "first step");
    let last = opener.arithmetic.bit(&mut opener.grid, sample.last, "last step");

    let before = opener.record(&opening.before, &step);
    let after = opener.record(&opening.after, &index);
    let zero = opener.arithmetic.zero;
    let label = Operand::Input(Fr::from(u64::from(opening.label)), "label");
    let leaf = opener.lane.hash(&mut opener.grid, tag::LOSS, Operand::Copy(after.loss), label);
    opener.traces(leaf, &losses, &opening.path, &after);

    let (grid, arithmetic) = (&mut opener.grid, &mut opener.arithmetic);
    let none = arithmetic.is_zero(grid, before.next);
    let asked = arithmetic.choose(grid, none, after.next, before.next);
    grid.equal(after.used, asked);
    for field in [before.update_root, before.trace_root, before.loss, before.used] {
        arithmetic.equal_if(grid, first, field, zero);
    }
    arithmetic.equal_if(grid, first, before.next, start);
    arithmetic.equal_if(grid, last, after.next, end);
    vec![vec![(step.value, STEP_BITS), (losses.value, TRACE_BITS), (first, 1), (last, 1)]]
}
