//! The momentum cell: momenta and gradient scale of a leaf follow from those before the step and its
//! gradient.
//!
//! ```text
//! 8 (m' - m) + rest = ga - m + 4           rest in 0 .. 8
//! 64 size + rest    = |ga|                 rest in 0 .. 64
//! a = sum of sizes;  v' = a, or once a step was made  32 (v' - v) + rest = a - v + 16
//! ```

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use pogo_protocol::cell::momentum::{Momenta, MomentumOpening};
use pogo_protocol::fixed::{GRADIENT_EXPONENT, GRADIENT_MAX, LEAF, MOMENTUM_SHIFT, SCALE_SHIFT, WORD_BIAS};
use pogo_protocol::leaf::tag;
use pogo_protocol::statement::{POSITION_BITS, STEP_BITS, TENSOR_BITS, TRACE_BITS};

use super::opened::{Fields, Opener, RecordCells};
use crate::chips::poseidon::{Operand, convert};
use crate::chips::values::{Bits, Source};
use crate::grid::{Cell, field};

/// Bits that the size of a gradient leaves out.
const SIZE_SHIFT: i32 = 6;

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
    let slots = opener.words(&opening.gradient.words, "gradient");
    let leaf = opener.hash_words(tag::WORDS, &slots);
    opener.traces(leaf, &gradient, &opening.gradient.path, &after);
    let used = opener.exponents(&opening.used, &tensor, tensors, after.used);
    let exponent = opener.sum(&[used.errors, used.input], &[]);
    let target = opener.arithmetic.constant(&mut opener.grid, field(GRADIENT_EXPONENT.into()));
    let shift = opener.sum(&[target], &[exponent]);
    let shift = opener.arithmetic.shift(&mut opener.grid, shift);

    let (mut new, mut sizes) = (Vec::with_capacity(LEAF), Vec::with_capacity(LEAF));
    for (slot, m) in slots.into_iter().zip(old) {
        let g = opener.signed(slot);
        let ga = opener.arithmetic.round(&mut opener.grid, g, &shift, shift.half, GRADIENT_MAX as u64);
        new.push(average(opener, m, ga, MOMENTUM_SHIFT));
        let (_, size) = opener.positive_part(ga);
        sizes.push(shifted(opener, size, SIZE_SHIFT));
    }
    let sum = opener.sum(&sizes, &[]);
    let first = opener.arithmetic.is_zero(&mut opener.grid, before.next);
    let averaged = average(opener, old_scale, sum, SCALE_SHIFT);
    let scale = opener.arithmetic.choose(&mut opener.grid, first, sum, averaged);

    let bias = |opener: &mut Opener, cell| opener.plus(cell, WORD_BIAS.into());
    let words: Vec<Cell> = new.into_iter().map(|m| bias(opener, m)).collect();
    let scale = bias(opener, scale);
    let half = hash_momenta(opener, &words, scale);
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
    let slot = i128::from(opening.scale) + i128::from(WORD_BIAS);
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

/// `from + rshn(to - from, shift)`.
fn average(opener: &mut Opener, from: Cell, to: Cell, shift: i32) -> Cell {
    let distance = opener.sum(&[to], &[from]);
    let distance = opener.plus(distance, 1 << (shift - 1));
    let moved = quotient(opener, distance, shift);
    opener.sum(&[from, moved], &[])
}

/// `floor(x / 2^shift)` of a natural number below `2^33`.
fn shifted(opener: &mut Opener, x: Cell, shift: i32) -> Cell {
    quotient(opener, x, shift)
}

/// `floor(x / 2^shift)` of a signed integer of magnitude below `2^32`; `shift` at most 11.
///
/// `x = 2^shift q + rest` with `rest` of `shift` bits and `q + 2^32` below `2^33`.
fn quotient(opener: &mut Opener, x: Cell, shift: i32) -> Cell {
    let (grid, arithmetic) = (&mut opener.grid, &mut opener.arithmetic);
    let value = grid.integer(x);
    let q = value.div_euclid(1 << shift);
    let biased = arithmetic.lines.wide(grid, q + (1 << 32), "quotient and 2^32");
    let q = opener.plus(biased, -(1 << 32));
    let (grid, arithmetic) = (&mut opener.grid, &mut opener.arithmetic);
    let terms = [(q, -field(1 << shift)), (x, Fr::ONE)];
    let rest = arithmetic.linear(grid, &terms, "remainder of a shift");
    let bits = arithmetic.lines.bits(grid, grid.integer(rest), shift as usize, Source::Derived, "remainder bit");
    grid.equal(bits.value, rest);
    q
}
