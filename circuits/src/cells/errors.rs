//! The errors cell: 64 8-bit errors of a hidden layer are those from the layer above where the layer
//! was active, rounded with the public dither.
//!
//! Whether the layer was active, `y > 0`, is a bit `a` with `a (2y - 1) - y` in `0 .. 2^11`: `y >= 1`
//! where it is 1, `y <= 0` where it is 0. The dither of element `j` is `first` or `second`, as the mark
//! of the element says, and `j` steps of the Weyl sequence, less `2^32` once or not at all.

use halo2_proofs::halo2curves::bn256::Fr;
use pogo_protocol::cell::errors::{Dither, ErrorsOpening, WEYL_STEP};
use pogo_protocol::fixed::{BYTE_MAX, LEAF};
use pogo_protocol::statement::{STEP_BITS, TENSOR_BITS, TRACE_BITS};

use super::opened::{Fields, Opener};
use crate::chips::rounding::Shift;
use crate::chips::values::Padding;
use crate::grid::{Cell, field};

/// Assigns one errors cell and returns its public fields.
pub(crate) fn assign(opener: &mut Opener, opening: &ErrorsOpening) -> Vec<Fields> {
    let sample = &opening.sample;
    let (step, index) = opener.step(sample.step);
    let [below, activations, errors] =
        [sample.below, sample.activations, sample.errors].map(|position| opener.trace_position(position));
    let (tensor, above) = opener.tensor(sample.tensor);
    let tensors = opener.bits(sample.tensors.into(), TENSOR_BITS as usize, "tensors bit").value;
    let weyl = Weyl::new(opener, &sample.dither);
    let after = opener.record(&opening.after, &index);

    let slots = opener.traced_words(&opening.below, &below, &after);
    let inputs = opener.bytes(&opening.activations.bytes, "activation");
    let leaf = opener.hash_bytes(&inputs);
    opener.traces(leaf, &activations, &opening.activations.path, &after);

    let layer_above = opener.exponents(&opening.used_above, &above, tensors, after.used);
    let used = opener.exponents(&opening.used, &tensor, tensors, after.used);
    let next = opener.exponents(&opening.next, &tensor, tensors, after.next);
    let e = opener.sum(&[layer_above.errors, layer_above.weights], &[]);
    let shift = opener.sum(&[used.errors], &[e]);
    let shift = opener.arithmetic.shift(&mut opener.grid, shift);
    let room = opener.room(next.errors, e);
    let rounded: Vec<_> = slots
        .into_iter()
        .zip(inputs)
        .enumerate()
        .map(|(j, (slot, input))| {
            let active = is_positive(opener, input);
            let error = opener.signed(slot);
            let error = opener.arithmetic.multiply(&mut opener.grid, active, error);
            opener.spans(error, room);
            weyl.round(opener, j, error, &shift)
        })
        .collect();
    let leaf = opener.hash_bytes(&rounded);
    opener.traces(leaf, &errors, &opening.errors.path, &after);
    let fields = vec![
        (step.value, STEP_BITS),
        (below.value, TRACE_BITS),
        (activations.value, TRACE_BITS),
        (errors.value, TRACE_BITS),
        (tensor.value, TENSOR_BITS),
        (tensors, TENSOR_BITS),
    ];
    vec![fields, weyl.fields()]
}

/// Whether a byte is positive.
pub(crate) fn is_positive(opener: &mut Opener, byte: Cell) -> Cell {
    let (grid, arithmetic) = (&mut opener.grid, &mut opener.arithmetic);
    let value = grid.integer(byte);
    let odd = arithmetic.linear(grid, &[(arithmetic.one, -Fr::one()), (byte, Fr::from(2))], "twice less one");
    let zero = arithmetic.zero;
    let (active, chosen) = arithmetic.flagged(grid, zero, value > 0, odd, "is positive");
    let shown = opener.sum(&[chosen], &[byte]);
    opener.arithmetic.natural_of(&mut opener.grid, shown, 1);
    active
}

/// The public dither of a row of 64.
#[derive(Debug)]
pub(crate) struct Weyl {
    first: Cell,
    second: Cell,
    /// `second - first`.
    jump: Cell,
    marks: Padding,
}

impl Weyl {
    pub(crate) fn new(opener: &mut Opener, dither: &Dither) -> Self {
        let first = opener.word32(dither.first, "dither");
        let second = opener.word32(dither.second, "dither of the tail");
        let jump = opener.sum(&[second], &[first]);
        let marks = opener.arithmetic.lines.padding(&mut opener.grid, dither.tail as usize);
        // At most 63 marks, so that their count has six bits.
        opener.grid.equal(marks.marks[0], opener.arithmetic.zero);
        Self { first, second, jump, marks }
    }

    /// An error, rounded to a byte with the dither of element `j`.
    pub(crate) fn round(&self, opener: &mut Opener, j: usize, error: Cell, shift: &Shift) -> Cell {
        let (grid, arithmetic) = (&mut opener.grid, &mut opener.arithmetic);
        debug_assert!(j < LEAF);
        let base = arithmetic.dot(grid, self.first, &[(self.marks.marks[j], self.jump)]);
        let steps = i128::from((j as u32).wrapping_mul(WEYL_STEP));
        let far = grid.integer(base) + steps >= 1 << 32;
        let wrapped = arithmetic.bit(grid, far, "dither wraps");
        let wrap = field(-(1 << 32));
        let terms = [(wrapped, wrap), (arithmetic.one, field(steps)), (base, Fr::one())];
        let terms = if steps == 0 { vec![terms[0], terms[2]] } else { terms.to_vec() };
        let sum = arithmetic.linear(grid, &terms, "dither of an element");
        let ranges = super::opened::WORD32;
        let dither = arithmetic.same_limbs(grid, sum, &ranges, "dither of an element");
        let dither = arithmetic.dither(grid, dither, shift.right);
        arithmetic.round(grid, error, shift, dither, BYTE_MAX as u64)
    }

    /// Its public fields.
    pub(crate) fn fields(&self) -> Fields {
        vec![(self.first, 32), (self.second, 32), (self.marks.count, 6)]
    }
}
