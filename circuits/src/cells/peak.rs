//! The peak cell: an exponent asked for the next step is not larger than a value needs.
//!
//! The miner chooses a row by its index `64 t + r`, which stands at `first + stride t + r`, and a value
//! of it. With `n` the room of the exponent, `n (|x| - 2^(6 + n))` is natural only where `n` is 0 or
//! `x` would not fit one bit less.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use pogo_protocol::cell::loss::LossLeaf;
use pogo_protocol::cell::peak::{COUNT_BITS, PeakOpening, PeakSample, PeakValues, Rows};
use pogo_protocol::fixed::{LEAF, WORD_BIAS, WORD_BITS};
use pogo_protocol::leaf::tag;
use pogo_protocol::statement::{STEP_BITS, TENSOR_BITS, TRACE_BITS};

use super::errors::is_positive;
use super::loss::{chosen, logits, number_of, softmax};
use super::opened::{ExponentCells, Fields, Opener, RecordCells, Room};
use crate::chips::poseidon::{Operand, convert};
use crate::chips::values::{Bits, Source, WIDE};
use crate::grid::{Cell, field};

/// Bits of a row in its tile.
const ROW_BITS: usize = 6;

/// Public cells of a peak.
struct Publics {
    values: [Cell; 2],
    beside: [Cell; 2],
    count: Cell,
    tensors: Cell,
    exponent: Cell,
    padding: Vec<Cell>,
    padding_count: Cell,
}

/// Assigns one peak cell and returns its public fields.
pub(crate) fn assign(opener: &mut Opener, opening: &PeakOpening) -> Vec<Fields> {
    let sample = &opening.sample;
    let (step, index) = opener.step(sample.step);
    let publics = Publics::new(opener, sample);
    let (tensor, of) = tensors(opener, opening);
    let before = opener.record(&opening.before, &step);
    let after = opener.record(&opening.after, &index);
    let next = opener.exponents(&opening.next, &tensor, publics.tensors, after.next);
    let used = of.map(|of| opener.exponents(&opening.used, &of, publics.tensors, after.used));

    let row = opener.bits((opening.index as usize % LEAF) as u64, ROW_BITS, "row bit").value;
    let tile = opener.bits((opening.index as usize / LEAF) as u64, COUNT_BITS as usize - ROW_BITS, "tile bit").value;
    let grid = &mut opener.grid;
    let terms = [(row, -Fr::ONE), (tile, -Fr::from(LEAF as u64)), (opener.arithmetic.one, -Fr::ONE)];
    let terms = [&terms[..], &[(publics.count, Fr::ONE)]].concat();
    let rest = opener.arithmetic.linear(grid, &terms, "indices after it");
    opener.arithmetic.natural_of(grid, rest, 3);

    let (values, room) = values(opener, opening, &publics, (tile, row), (&before, &after), (&next, used.as_ref()));
    peak(opener, &values, &room);
    let fields = vec![
        (step.value, STEP_BITS),
        (publics.values[0], TRACE_BITS),
        (publics.values[1], TRACE_BITS),
        (publics.beside[0], TRACE_BITS),
        (publics.beside[1], TRACE_BITS),
        (publics.count, COUNT_BITS),
        (tensor.value, TENSOR_BITS),
        (publics.tensors, TENSOR_BITS),
    ];
    vec![fields, vec![(publics.exponent, WORD_BITS), (publics.padding_count, 6)]]
}

impl Publics {
    fn new(opener: &mut Opener, sample: &PeakSample) -> Self {
        let mut rows = |rows: Rows| {
            [rows.first, rows.stride].map(|number| opener.bits(number as u64, TRACE_BITS as usize, "rows bit").value)
        };
        let (values, beside) = (rows(sample.values), rows(sample.beside));
        let count = opener.bits(sample.count.into(), COUNT_BITS as usize, "count bit").value;
        let tensors = opener.bits(sample.tensors.into(), TENSOR_BITS as usize, "tensors bit").value;
        let exponent = i128::from(sample.exponent) + i128::from(WORD_BIAS);
        let exponent = opener.arithmetic.lines.word(&mut opener.grid, exponent, Source::Input, "exponent of errors");
        let padding = opener.arithmetic.lines.padding(&mut opener.grid, sample.padding as usize);
        opener.grid.equal(padding.marks[0], opener.arithmetic.zero);
        Self { values, beside, count, tensors, exponent, padding: padding.marks, padding_count: padding.count }
    }
}

/// The tensor of the exponent, and the one whose used exponents its values have; none for weights.
fn tensors(opener: &mut Opener, opening: &PeakOpening) -> (Bits, Option<Bits>) {
    let tensor = opening.sample.tensor;
    match &opening.values {
        PeakValues::Weights(..) => (opener.tensor(tensor).0, None),
        PeakValues::Activations(..) => {
            let (below, tensor) = opener.tensor(tensor.saturating_sub(1));
            (tensor, Some(below))
        }
        PeakValues::Errors(..) => {
            let (tensor, above) = opener.tensor(tensor);
            (tensor, Some(above))
        }
        PeakValues::Losses(..) => {
            let tensor = opener.tensor(tensor).0;
            (tensor.clone(), Some(tensor))
        }
    }
}

/// Where the chosen row stands.
fn position(opener: &mut Opener, [first, stride]: [Cell; 2], (tile, row): (Cell, Cell), depth: usize) -> Bits {
    let grid = &mut opener.grid;
    let start = opener.arithmetic.dot(grid, first, &[(stride, tile)]);
    let sum = opener.sum(&[start, row], &[]);
    let number = opener.grid.integer(sum);
    let bits = opener.arithmetic.lines.bits(&mut opener.grid, number, depth, Source::Derived, "position bit");
    opener.grid.equal(bits.value, sum);
    bits
}

/// The values of the chosen row as signed integers, and the room of the exponent asked for them.
fn values(
    opener: &mut Opener,
    opening: &PeakOpening,
    publics: &Publics,
    index: (Cell, Cell),
    (before, after): (&RecordCells, &RecordCells),
    (next, used): (&ExponentCells, Option<&ExponentCells>),
) -> (Vec<Cell>, Room) {
    let depths = opener.depths;
    let used = || used.expect("all but weights open the exponents used");
    match &opening.values {
        PeakValues::Weights(weights, momenta_hash, path) => {
            let at = position(opener, publics.values, index, depths.tree);
            let slots = opener.words(weights, "weight");
            let half = opener.hash_words(tag::WEIGHTS, &slots);
            let momenta = Operand::Input(convert(*momenta_hash), "momenta hash");
            let leaf = opener.lane.hash(&mut opener.grid, tag::STATE, Operand::Copy(half), momenta);
            opener.holds(leaf, &at, path, before);
            let room = opener.room(next.shift, opener.arithmetic.zero);
            (slots.into_iter().map(|slot| opener.signed(slot)).collect(), room)
        }
        PeakValues::Activations(sums) => {
            let at = position(opener, publics.values, index, depths.trace);
            let slots = opener.traced_words(sums, &at, after);
            let e = opener.sum(&[used().input, used().weights], &[]);
            let room = opener.room(next.input, e);
            let part = |slot| {
                let sum = opener.signed(slot);
                opener.positive_part(sum, &WIDE).0
            };
            (slots.into_iter().map(part).collect(), room)
        }
        PeakValues::Errors(below, activations) => {
            let at = position(opener, publics.values, index, depths.trace);
            let slots = opener.traced_words(below, &at, after);
            let at = position(opener, publics.beside, index, depths.trace);
            let inputs = opener.bytes(&activations.bytes, "activation");
            let leaf = opener.hash_bytes(&inputs);
            opener.traces(leaf, &at, &activations.path, after);
            let e = opener.sum(&[used().errors, used().weights], &[]);
            let room = opener.room(next.errors, e);
            let masked = |(slot, input)| {
                let active = is_positive(opener, input);
                let error = opener.signed(slot);
                opener.arithmetic.multiply(&mut opener.grid, active, error)
            };
            (slots.into_iter().zip(inputs).map(masked).collect(), room)
        }
        PeakValues::Losses(sums, LossLeaf { loss, label, path }) => {
            let at = position(opener, publics.values, index, depths.trace);
            let slots = opener.traced_words(sums, &at, after);
            let at = position(opener, publics.beside, index, depths.trace);
            let is_label = chosen(opener, usize::from(*label), &publics.padding);
            let label = number_of(opener, &is_label);
            let loss = Operand::Input(convert(*loss), "losses");
            let leaf = opener.lane.hash(&mut opener.grid, tag::LOSS, loss, Operand::Copy(label));
            opener.traces(leaf, &at, path, after);
            let logits = logits(opener, slots, used());
            let (_, errors) = softmax(opener, &logits, &publics.padding, &is_label);
            let e = opener.signed(publics.exponent);
            let room = opener.room(next.errors, e);
            (errors, room)
        }
    }
}

/// Constrains the room to be 0, or a value to need all of it.
fn peak(opener: &mut Opener, values: &[Cell], room: &Room) {
    let largest = (0..LEAF).max_by_key(|&j| opener.grid.integer(values[j]).abs()).unwrap_or(0);
    let magnitude = chosen_magnitude(opener, values, largest);
    let grid = &mut opener.grid;
    let terms = [(room.size, -Fr::from(64)), (magnitude, Fr::ONE)];
    let above = opener.arithmetic.linear(grid, &terms, "above the smaller exponent");
    let shown = opener.arithmetic.multiply(grid, room.bits, above);
    opener.arithmetic.natural_of(grid, shown, 4);
}

/// Magnitude of one of 64 values, signed integers below `2^33` in magnitude, as the miner chooses.
pub(crate) fn chosen_magnitude(opener: &mut Opener, values: &[Cell], index: usize) -> Cell {
    let none = vec![opener.arithmetic.zero; LEAF];
    let bits = chosen(opener, index, &none);
    let pairs: Vec<_> = bits.into_iter().zip(values.iter().copied()).collect();
    let (grid, zero) = (&mut opener.grid, opener.arithmetic.zero);
    let value = opener.arithmetic.dot(grid, zero, &pairs);
    debug_assert!(opener.grid.value(value) == field(opener.grid.integer(value)));
    opener.positive_part(value, &WIDE).1
}
