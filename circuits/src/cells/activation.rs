//! The activation cell: 64 inputs of a layer are the activated, rounded sums of the layer below, which
//! the exponent asked for the next step holds.
//!
//! A sum `s` is split by a bit `p`: `|s| = (2p - 1) s` is natural, and `max(s, 0) = p s`.

use pogo_protocol::cell::activation::ActivationOpening;
use pogo_protocol::fixed::BYTE_MAX;
use pogo_protocol::statement::{STEP_BITS, TENSOR_BITS, TRACE_BITS};

use super::opened::{Fields, Opener};
use crate::chips::values::WIDE;

/// Assigns one activation cell and returns its public fields.
pub(crate) fn assign(opener: &mut Opener, opening: &ActivationOpening) -> Vec<Fields> {
    let sample = &opening.sample;
    let (step, index) = opener.step(sample.step);
    let sums = opener.trace_position(sample.sums);
    let activations = opener.trace_position(sample.activations);
    let (tensor, above) = opener.tensor(sample.tensor);
    let tensors = opener.bits(sample.tensors.into(), TENSOR_BITS as usize, "tensors bit").value;
    let after = opener.record(&opening.after, &index);

    let slots = opener.traced_words(&opening.sums, &sums, &after);

    let below = opener.exponents(&opening.used_below, &tensor, tensors, after.used);
    let used = opener.exponents(&opening.used, &above, tensors, after.used);
    let next = opener.exponents(&opening.next, &above, tensors, after.next);
    let e = opener.sum(&[below.input, below.weights], &[]);
    let shift = opener.sum(&[used.input], &[e]);
    let shift = opener.arithmetic.shift(&mut opener.grid, shift);
    let room = opener.room(next.input, e);
    let rounded: Vec<_> = slots
        .into_iter()
        .map(|slot| {
            let sum = opener.signed(slot);
            let (active, _) = opener.positive_part(sum, &WIDE);
            opener.fits(active, room);
            opener.arithmetic.round(&mut opener.grid, active, &shift, shift.half, BYTE_MAX as u64)
        })
        .collect();
    let leaf = opener.hash_bytes(&rounded);
    opener.traces(leaf, &activations, &opening.activations.path, &after);
    vec![vec![
        (step.value, STEP_BITS),
        (sums.value, TRACE_BITS),
        (activations.value, TRACE_BITS),
        (tensor.value, TENSOR_BITS),
        (tensors, TENSOR_BITS),
    ]]
}
