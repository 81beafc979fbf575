//! The peak cell: an exponent asked for the next step is not larger than a value needs.
//!
//! The miner chooses a row `64 t + r` and a column `c`, which stand at
//! `first + row_stride t + r + column_stride c`, and a value there. With `n` the room of the exponent, `n (|x| - 2^(6 + n))` is natural only where `n` is 0 or
//! `x` would not fit one bit less.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use pogo_protocol::cell::loss::LossLeaf;
use pogo_protocol::cell::peak::{COUNT_BITS, Choice, PeakOpening, PeakSample, PeakValues, Rows};
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
    values: [Cell; 3],
    beside: [Cell; 3],
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

    let place = choose(opener, opening.choice, [sample.rows, sample.columns]);
    let (values, room) = values(opener, opening, &publics, &place, (&before, &after), (&next, used.as_ref()));
    peak(opener, &values, &room);
    let fields = vec![(step.value, STEP_BITS)];
    let rows = publics.values.into_iter().chain(publics.beside).map(|number| (number, TRACE_BITS));
    let more = vec![
        (place.rows, COUNT_BITS),
        (place.columns, COUNT_BITS),
        (tensor.value, TENSOR_BITS),
        (publics.tensors, TENSOR_BITS),
        (publics.exponent, WORD_BITS),
        (publics.padding_count, 6),
    ];
    vec![fields.into_iter().chain(rows).collect(), more]
}

/// A chosen row and column, and the public numbers that they are below.
pub(crate) struct PlaceCells {
    /// `floor(row / 64)`, `row mod 64`, the column.
    parts: [Cell; 3],
    pub(crate) rows: Cell,
    pub(crate) columns: Cell,
}

/// Chooses a row and a column below these numbers.
pub(crate) fn choose(opener: &mut Opener, Choice { row, column }: Choice, [rows, columns]: [u32; 2]) -> PlaceCells {
    let count = |opener: &mut Opener, number: u32| opener.bits(number.into(), COUNT_BITS as usize, "count bit").value;
    let (rows, columns) = (count(opener, rows), count(opener, columns));
    let in_tile = opener.bits((row as usize % LEAF) as u64, ROW_BITS, "row bit").value;
    let tile = opener.bits((row as usize / LEAF) as u64, COUNT_BITS as usize - ROW_BITS, "tile bit").value;
    let column = opener.bits(column.into(), COUNT_BITS as usize, "column bit").value;
    let one = (opener.arithmetic.one, -Fr::ONE);
    let row_terms = [one, (in_tile, -Fr::ONE), (tile, -Fr::from(LEAF as u64)), (rows, Fr::ONE)];
    for terms in [&row_terms[..], &[one, (column, -Fr::ONE), (columns, Fr::ONE)]] {
        let rest = opener.arithmetic.linear(&mut opener.grid, terms, "rows or columns after it");
        opener.arithmetic.natural_of(&mut opener.grid, rest, 2);
    }
    PlaceCells { parts: [tile, in_tile, column], rows, columns }
}

impl Publics {
    fn new(opener: &mut Opener, sample: &PeakSample) -> Self {
        let (values, beside) = (rows(opener, sample.values, TRACE_BITS), rows(opener, sample.beside, TRACE_BITS));
        let tensors = opener.bits(sample.tensors.into(), TENSOR_BITS as usize, "tensors bit").value;
        let exponent = i128::from(sample.exponent) + i128::from(WORD_BIAS);
        let exponent = opener.arithmetic.lines.word(&mut opener.grid, exponent, Source::Input, "exponent of errors");
        let padding = opener.arithmetic.lines.padding(&mut opener.grid, sample.padding as usize);
        opener.grid.equal(padding.marks[0], opener.arithmetic.zero);
        Self { values, beside, tensors, exponent, padding: padding.marks, padding_count: padding.count }
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

/// First position and strides of rows, numbers of so many bits.
pub(crate) fn rows(opener: &mut Opener, rows: Rows, bits: u32) -> [Cell; 3] {
    [rows.first, rows.row_stride, rows.column_stride]
        .map(|number| opener.bits(number as u64, bits as usize, "rows bit").value)
}

/// Where the chosen row stands.
pub(crate) fn position(opener: &mut Opener, rows: [Cell; 3], place: &PlaceCells, depth: usize) -> Bits {
    let ([first, row_stride, column_stride], [tile, row, column]) = (rows, place.parts);
    let grid = &mut opener.grid;
    let start = opener.arithmetic.dot(grid, first, &[(row_stride, tile), (column_stride, column)]);
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
    place: &PlaceCells,
    (before, after): (&RecordCells, &RecordCells),
    (next, used): (&ExponentCells, Option<&ExponentCells>),
) -> (Vec<Cell>, Room) {
    let depths = opener.depths;
    let used = || used.expect("all but weights open the exponents used");
    match &opening.values {
        PeakValues::Weights(weights, momenta_hash, path) => {
            let at = position(opener, publics.values, place, depths.tree);
            let slots = opener.words(weights, "weight");
            let half = opener.hash_words(tag::WEIGHTS, &slots);
            let momenta = Operand::Input(convert(*momenta_hash), "momenta hash");
            let leaf = opener.lane.hash(&mut opener.grid, tag::STATE, Operand::Copy(half), momenta);
            opener.holds(leaf, &at, path, before);
            let room = opener.room(next.shift, opener.arithmetic.zero);
            (slots.into_iter().map(|slot| opener.signed(slot)).collect(), room)
        }
        PeakValues::Activations(sums) => {
            let at = position(opener, publics.values, place, depths.trace);
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
            let at = position(opener, publics.values, place, depths.trace);
            let slots = opener.traced_words(below, &at, after);
            let at = position(opener, publics.beside, place, depths.trace);
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
            let at = position(opener, publics.values, place, depths.trace);
            let slots = opener.traced_words(sums, &at, after);
            let at = position(opener, publics.beside, place, depths.trace);
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
