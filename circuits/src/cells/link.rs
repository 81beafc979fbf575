//! The link cell: a record goes on from the one before it.
//!
//! ```text
//! used = next of the record before, or where that is 0 (no exponents) the own next
//! loss = losses up to the last row
//! step 0: update root, trace root, loss and exponents used of record 0 are 0; its next exponents
//!         are 0 exactly in a fresh task
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
    let (step, index) = opener.step(sample.step);
    let losses = opener.trace_position(sample.losses);
    let first = opener.arithmetic.bit(&mut opener.grid, sample.step == 0, "first step");
    let fresh = opener.arithmetic.bit(&mut opener.grid, sample.fresh, "fresh task");

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
    arithmetic.equal_if(grid, first, none, fresh);
    vec![vec![(step.value, STEP_BITS), (losses.value, TRACE_BITS), (first, 1), (fresh, 1)]]
}
