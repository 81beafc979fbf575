//! The weights cell: 64 8-bit weights of the trace are the rounded weights of the state before the
//! step, which the shift asked for the next step holds.

use pogo_protocol::cell::weights::WeightsOpening;
use pogo_protocol::fixed::BYTE_MAX;
use pogo_protocol::leaf::tag;
use pogo_protocol::statement::{POSITION_BITS, STEP_BITS, TENSOR_BITS, TRACE_BITS};

use super::opened::{Fields, Opener};
use crate::chips::poseidon::{Operand, convert};

/// Assigns one weights cell and returns its public fields.
pub(crate) fn assign(opener: &mut Opener, opening: &WeightsOpening) -> Vec<Fields> {
    let sample = &opening.sample;
    let (step, index) = opener.step(sample.step);
    let state = opener.state_position(sample.state);
    let trace = opener.trace_position(sample.trace);
    let tensor = opener.bits(sample.tensor.into(), TENSOR_BITS as usize, "tensor bit");
    let tensors = opener.bits(sample.tensors.into(), TENSOR_BITS as usize, "tensors bit").value;
    let before = opener.record(&opening.before, &step);
    let after = opener.record(&opening.after, &index);

    let slots = opener.words(&opening.weights, "weight");
    let half = opener.hash_words(tag::WEIGHTS, &slots);
    let momenta = Operand::Input(convert(opening.momenta_hash), "momenta hash");
    let leaf = opener.lane.hash(&mut opener.grid, tag::STATE, Operand::Copy(half), momenta);
    opener.holds(leaf, &state, &opening.path, &before);

    let used = opener.exponents(&opening.used, &tensor, tensors, after.used);
    let next = opener.exponents(&opening.next, &tensor, tensors, after.next);
    let shift = opener.arithmetic.shift(&mut opener.grid, used.shift);
    let room = opener.room(next.shift, opener.arithmetic.zero);
    let rounded: Vec<_> = slots
        .into_iter()
        .map(|slot| {
            let weight = opener.signed(slot);
            opener.spans(weight, room);
            opener.arithmetic.round(&mut opener.grid, weight, &shift, shift.half, BYTE_MAX as u64)
        })
        .collect();
    let leaf = opener.hash_bytes(&rounded);
    opener.traces(leaf, &trace, &opening.rounded.path, &after);
    vec![vec![
        (step.value, STEP_BITS),
        (state.value, POSITION_BITS),
        (trace.value, TRACE_BITS),
        (tensor.value, TENSOR_BITS),
        (tensors, TENSOR_BITS),
    ]]
}
