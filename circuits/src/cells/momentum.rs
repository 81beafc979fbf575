//! The momentum cell: momenta and gradient scale of a leaf follow from those before the step and its
//! gradient.
//!
//! ```text
//! 8 (m' - m) + rest = ga - m + 4           rest of 3 bits
//! 64 size + rest    = |ga|                 rest of 6 bits
//! a = sum of sizes;  v' = a, or once a step was made  32 (v' - v) + rest = a - v + 16
//! ```
//!
//! A quotient is what stands above the lowest limb of a number, so a shift costs no more than a range.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use pogo_protocol::cell::momentum::{Momenta, MomentumOpening};
use pogo_protocol::fixed::{GRADIENT_EXPONENT, GRADIENT_MAX, LEAF, MOMENTUM_SHIFT, SCALE_SHIFT};
use pogo_protocol::leaf::tag;
use pogo_protocol::statement::{POSITION_BITS, STEP_BITS, TENSOR_BITS, TRACE_BITS};

use super::opened::{BIAS, Fields, Opener, RecordCells};
use crate::chips::poseidon::{Operand, convert};
use crate::chips::values::{Bits, Range, Source};
use crate::grid::{Cell, field};

/// Limbs of a number below `2^35`, the lowest of 6 bits: those that the size of a gradient leaves out.
const SIZE: [Range; 4] = [Range::Bits9, Range::Bits9, Range::Bits11, Range::Bits6];
/// Limbs below which the averages move by an eighth and by a 32nd of their distance.
const MOMENTUM: [Range; 4] = [Range::Bits11, Range::Bits11, Range::Bits11, Range::Bits3];
const SCALE: [Range; 4] = [Range::Bits11, Range::Bits11, Range::Bits9, Range::Bits5];

/// Assigns one momentum cell and returns its public fields.
pub(crate) fn assign(opener: &mut Opener, opening: &MomentumOpening) -> Vec<Fields> {
    let sample = &opening.sample;
    let (step, index) = opener.step(sample.step);
    let state = opener.state_position(sample.state);
    let gradient = opener.trace_position(sample.gradient);
    let tensor = opener.bits(sample.tensor.into(), TENSOR_BITS as usize, "tensor bit");
    let tensors = opener.bits(sample.tensors.into(), TENSOR_BITS as usize, "tensors bit").value;
    let before = opener.record(&opening.before, &step);
    let after = opener.record(&opening.after, &index);

    let (old, old_scale) = momenta(opener, &opening.momenta_before, &state, &before);
    let slots = opener.traced_words(&opening.gradient, &gradient, &after);
    let used = opener.exponents(&opening.used, &tensor, tensors, after.used);
    let exponent = opener.sum(&[used.errors, used.input], &[]);
    let target = opener.arithmetic.constant(&mut opener.grid, field(GRADIENT_EXPONENT.into()));
    let shift = opener.sum(&[target], &[exponent]);
    let shift = opener.arithmetic.shift(&mut opener.grid, shift);

    let (mut new, mut sizes) = (Vec::with_capacity(LEAF), Vec::with_capacity(LEAF));
    for (slot, m) in slots.into_iter().zip(old) {
        let g = opener.signed(slot);
        let ga = opener.arithmetic.round(&mut opener.grid, g, &shift, shift.half, GRADIENT_MAX as u64);
        new.push(average(opener, m, ga, MOMENTUM_SHIFT, &MOMENTUM));
        let (_, size) = opener.positive_part(ga, &SIZE);
        sizes.push(above(size));
    }
    let sum = opener.sum(&sizes, &[]);
    let first = opener.arithmetic.is_zero(&mut opener.grid, before.next);
    let averaged = average(opener, old_scale, sum, SCALE_SHIFT, &SCALE);
    let sum = opener.plus(sum, BIAS);
    let scale = opener.arithmetic.choose(&mut opener.grid, first, sum, averaged);
    let half = hash_momenta(opener, &new, scale);
    let weights = Operand::Input(convert(opening.momenta_after.weights_hash), "weights hash");
    let leaf = opener.lane.hash(&mut opener.grid, tag::STATE, weights, Operand::Copy(half));
    opener.holds(leaf, &state, &opening.momenta_after.path, &after);
    vec![vec![
        (step.value, STEP_BITS),
        (state.value, POSITION_BITS),
        (gradient.value, TRACE_BITS),
        (tensor.value, TENSOR_BITS),
        (tensors, TENSOR_BITS),
    ]]
}

/// Momenta and scale of a leaf in the state of a record, as signed integers.
fn momenta(opener: &mut Opener, opening: &Momenta, position: &Bits, record: &RecordCells) -> (Vec<Cell>, Cell) {
    let slots = opener.words(&opening.momenta, "momentum before");
    let slot = i128::from(opening.scale) + BIAS;
    let scale = opener.arithmetic.lines.word(&mut opener.grid, slot, Source::Input, "scale before");
    let half = hash_momenta(opener, &slots, scale);
    let weights = Operand::Input(convert(opening.weights_hash), "weights hash");
    let leaf = opener.lane.hash(&mut opener.grid, tag::STATE, weights, Operand::Copy(half));
    opener.holds(leaf, position, &opening.path, record);
    (slots.into_iter().map(|slot| opener.signed(slot)).collect(), opener.signed(scale))
}

fn hash_momenta(opener: &mut Opener, slots: &[Cell], scale: Cell) -> Cell {
    let mut elements = opener.pack_words(slots);
    elements.push(scale);
    opener.lane.sponge(&mut opener.grid, tag::MOMENTA, &elements, opener.arithmetic.zero)
}

/// Slot of `from + rshn(to - from, shift)` of signed integers of at most `2^30` in magnitude; the lowest of the
/// limbs has `shift` bits, all of them 36.
///
/// `to - from + 2^(shift - 1) + 2^32` is in `0 .. 2^34`, so its limbs are those of one number.
fn average(opener: &mut Opener, from: Cell, to: Cell, shift: i32, limbs: &[Range]) -> Cell {
    let bias = (1 << 32) + (1 << (shift - 1));
    let terms = [(opener.arithmetic.one, field(bias)), (from, -Fr::ONE), (to, Fr::ONE)];
    let distance = opener.arithmetic.linear(&mut opener.grid, &terms, "distance of an average");
    let whole = opener.arithmetic.same_limbs(&mut opener.grid, distance, limbs, "distance of an average");
    let terms = [(opener.arithmetic.one, field(BIAS - (1 << (32 - shift)))), (from, Fr::ONE), (above(whole), Fr::ONE)];
    opener.arithmetic.linear(&mut opener.grid, &terms, "average")
}

/// What stands above the lowest limb of a number.
fn above(whole: Cell) -> Cell {
    Cell { row: whole.row - 1, ..whole }
}
