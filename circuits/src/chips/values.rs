//! Integers: digits looked up in a range, composed line by line.
//!
//! ```text
//! HORNER  value = factor * value before + digit
//! PAD     value = value before + digit,  digit * (1 - digit before) = 0
//! SELECT  parameter = factor * parameter before + digit * (value + 2^40 - 2^30)
//! ```
//!
//! A digit with range 0 is free (a copy of another cell). All others are in the table of their
//! range, so a *word* of three limbs (9, 11 and 11 bits, high first) is a number below `2^31`, a
//! *wide* number of 11, 11 and 11 bits one below `2^33`, and neither can wrap in the field.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::plonk::ConstraintSystem;

use pogo_protocol::fixed::{BYTE_MAX, WORD_BITS};
use pogo_protocol::tables::{EXP, LN};

use super::{Columns, constant, kind, power_of_two};
use crate::grid::{Advice, Cell, Fixed, Grid, field};

/// Bits of a limb other than the highest of a word.
const LIMB_BITS: u32 = 11;
/// Added to a selected value, so that the running sum counts as well.
pub(crate) const SELECT_BITS: u32 = 40;

/// Limbs of a word.
const WORD: [Range; 3] = [Range::Bits9, Range::Bits11, Range::Bits11];
/// Limbs of a wide number.
pub(crate) const WIDE: [Range; 3] = [Range::Bits11; 3];

const HORNER: u64 = 1;
const PAD: u64 = 2;
const SELECT: u64 = 3;
/// Kind of the lines that the quantize cell adds.
pub(crate) const QUANTIZE: u64 = 4;
pub(crate) const LINE_KINDS: u64 = 4;

/// What a digit is looked up in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    Free = 0,
    Bit = 1,
    Bits9 = 2,
    Bits11 = 3,
    /// 0 ..= 14: a 4-bit code and 7.
    Code = 4,
    /// 1 ..= 18: a block scale.
    Scale = 5,
    /// 2^4 .. 2^27: a rounding step.
    Power = 6,
    Zero = 7,
    One = 8,
    /// 1 ..= 255: a byte of at most 127 in size, and 128. Sums of products of such bytes are words.
    Byte = 9,
    /// `d 2^31 + EXP[d]`.
    Exp = 10,
    /// `m 2^31 + LN[m - 1024]` for the mantissas `1024 .. 2048`.
    Ln = 11,
    Bits3 = 12,
    Bits5 = 13,
    Bits6 = 14,
}

impl Range {
    /// Ranges of the round circuit.
    pub(crate) const ROUND: [Range; 8] =
        [Range::Bit, Range::Bits9, Range::Bits11, Range::Code, Range::Scale, Range::Power, Range::Zero, Range::One];
    /// Ranges of a circuit with [arithmetic](super::arithmetic).
    pub(crate) const ARITHMETIC: [Range; 6] =
        [Range::Bit, Range::Bits9, Range::Bits11, Range::Zero, Range::One, Range::Byte];

    /// Ranges of a circuit with rounding and averages.
    pub(crate) const AVERAGES: [Range; 9] = [
        Range::Bit,
        Range::Bits3,
        Range::Bits5,
        Range::Bits6,
        Range::Bits9,
        Range::Bits11,
        Range::Zero,
        Range::One,
        Range::Byte,
    ];
    /// Ranges of a circuit with rounding and softmax.
    pub(crate) const SOFTMAX: [Range; 8] =
        [Range::Bit, Range::Bits9, Range::Bits11, Range::Zero, Range::One, Range::Byte, Range::Exp, Range::Ln];

    /// Ranges of a circuit with 4-bit codes.
    pub(crate) const CODES: [Range; 7] =
        [Range::Bit, Range::Bits9, Range::Bits11, Range::Code, Range::Scale, Range::Zero, Range::One];

    /// Bits of a limb in this range, which holds all numbers of so many bits.
    fn bits(self) -> u32 {
        match self {
            Range::Bit => 1,
            Range::Bits3 => 3,
            Range::Bits5 => 5,
            Range::Bits6 => 6,
            Range::Bits9 => 9,
            Range::Bits11 => LIMB_BITS,
            _ => unreachable!("no limb is looked up in {self:?}"),
        }
    }

    fn values(self) -> Vec<u64> {
        match self {
            Range::Free => vec![],
            Range::Bit => (0..2).collect(),
            Range::Bits9 => (0..1 << 9).collect(),
            Range::Bits11 => (0..1 << LIMB_BITS).collect(),
            Range::Code => (0..15).collect(),
            Range::Scale => (1..19).collect(),
            Range::Power => (4..28).map(|s| 1 << s).collect(),
            Range::Zero => vec![0],
            Range::One => vec![1],
            Range::Byte => (1..=128 + BYTE_MAX as u64).collect(),
            Range::Bits3 => (0..1 << 3).collect(),
            Range::Bits5 => (0..1 << 5).collect(),
            Range::Bits6 => (0..1 << 6).collect(),
            Range::Exp => pairs(0, &EXP),
            Range::Ln => pairs(LN.len() as u64, &LN),
        }
    }
}

/// Arguments from `first` on with their values, each pair as one number.
fn pairs(first: u64, table: &[u32]) -> Vec<u64> {
    (first..).zip(table).map(|(argument, &value)| argument << WORD_BITS | u64::from(value)).collect()
}

/// Creates the lines and the lookup.
pub(crate) fn configure(meta: &mut ConstraintSystem<Fr>, columns: &Columns) {
    meta.create_gate("horner: value = factor * value before + digit", |cells| {
        let active = kind(columns.fixed(cells, Fixed::Line), HORNER, LINE_KINDS);
        let factor = columns.fixed(cells, Fixed::Factor);
        let composed = factor * columns.prev(cells, Advice::Value) + columns.cur(cells, Advice::Digit);
        vec![active * (columns.cur(cells, Advice::Value) - composed)]
    });
    meta.create_gate("pad: count the digits, ones before zeros", |cells| {
        let active = kind(columns.fixed(cells, Fixed::Line), PAD, LINE_KINDS);
        let (before, digit) = (columns.prev(cells, Advice::Digit), columns.cur(cells, Advice::Digit));
        let count = columns.prev(cells, Advice::Value) + digit.clone();
        vec![active.clone() * (columns.cur(cells, Advice::Value) - count), active * digit * (constant(1) - before)]
    });
    meta.create_gate("select: sum the chosen value", |cells| {
        let active = kind(columns.fixed(cells, Fixed::Line), SELECT, LINE_KINDS);
        let before = columns.fixed(cells, Fixed::Factor) * columns.prev(cells, Advice::Parameter);
        let chosen = columns.cur(cells, Advice::Value) + power_of_two(SELECT_BITS) - power_of_two(30);
        let sum = before + columns.cur(cells, Advice::Digit) * chosen;
        vec![active * (columns.cur(cells, Advice::Parameter) - sum)]
    });
    meta.lookup_any("digit is in its range", |cells| {
        let range = columns.fixed(cells, Fixed::Range);
        let table = [columns.fixed(cells, Fixed::TableRange), columns.fixed(cells, Fixed::TableValue)];
        let [table_range, table_value] = table;
        vec![(range.clone(), table_range), (range * columns.cur(cells, Advice::Digit), table_value)]
    });
}

/// Lines one below the other in the value columns.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    next: usize,
}

/// A number and its bits, lowest first.
#[derive(Clone, Debug)]
pub(crate) struct Bits {
    pub(crate) value: Cell,
    pub(crate) bits: Vec<Cell>,
}

/// Marks of the padding of a leaf and their number.
#[derive(Clone, Debug)]
pub(crate) struct Padding {
    /// 1 for each of the 64 slots that is padding.
    pub(crate) marks: Vec<Cell>,
    pub(crate) count: Cell,
}

/// Whether a number is a witness or follows from cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Input,
    Derived,
}

impl Lines {
    /// Fills the lookup table with these ranges; once a circuit.
    pub(crate) fn table(grid: &mut Grid, ranges: &[Range]) {
        let mut row = 1; // row 0 is (0, 0): every digit with range 0
        for &range in ranges {
            for value in range.values() {
                let tag = Fr::from(range as u64);
                grid.fix(Fixed::TableRange, row, tag);
                grid.fix(Fixed::TableValue, row, tag * Fr::from(value));
                row += 1;
            }
        }
    }

    /// Takes `count` rows for a rule; the rule writes their cells.
    pub(crate) fn take(&mut self, count: usize) -> usize {
        let row = self.next;
        self.next += count;
        row
    }

    /// The cell of a column in the last row taken.
    pub(crate) fn last(&self, column: Advice) -> Cell {
        Cell { column, row: self.next - 1 }
    }

    /// A constant of the circuit, 0 or 1.
    pub(crate) fn constant(&mut self, grid: &mut Grid, one: bool) -> Cell {
        let range = if one { Range::One } else { Range::Zero };
        self.horner(grid, range, 0, |grid, cell| grid.derive(cell, Fr::from(u64::from(one)), "constant"))
    }

    /// A public input.
    pub(crate) fn public(&mut self, grid: &mut Grid, value: Fr, row: usize, name: &'static str) -> Cell {
        let cell = self.horner(grid, Range::Free, 0, |grid, cell| grid.input(cell, value, name));
        grid.public(cell, row);
        cell
    }

    /// One digit.
    pub(crate) fn digit(&mut self, grid: &mut Grid, range: Range, value: i128, name: &'static str) -> Cell {
        self.horner(grid, range, 0, |grid, cell| grid.input(cell, field(value), name))
    }

    /// A number below `2^31`.
    pub(crate) fn word(&mut self, grid: &mut Grid, value: i128, source: Source, name: &'static str) -> Cell {
        self.limbs(grid, &WORD, value, source, name)
    }

    /// A number below `2^33`.
    pub(crate) fn wide(&mut self, grid: &mut Grid, value: i128, name: &'static str) -> Cell {
        self.limbs(grid, &WIDE, value, Source::Derived, name)
    }

    /// A number in limbs, the highest first; its running values stand in the rows above the result.
    pub(crate) fn limbs(
        &mut self,
        grid: &mut Grid,
        ranges: &[Range],
        value: i128,
        source: Source,
        name: &'static str,
    ) -> Cell {
        let (mut shift, mut last) = (ranges.iter().map(|range| range.bits()).sum::<u32>(), None);
        for (i, &range) in ranges.iter().enumerate() {
            let bits = range.bits();
            shift -= bits;
            // The top limb takes all that is left, so that a number out of range is out of the table.
            let (factor, mask) = if i == 0 { (0, -1) } else { (bits, (1 << bits) - 1) };
            let limb = field(value >> shift & mask);
            last = Some(self.horner(grid, range, factor, |grid, cell| assign(grid, cell, limb, source, name)));
        }
        last.expect("at least one limb")
    }

    /// A number of `count` bits.
    pub(crate) fn bits(
        &mut self,
        grid: &mut Grid,
        value: i128,
        count: usize,
        source: Source,
        name: &'static str,
    ) -> Bits {
        let (mut cells, mut last) = (Vec::with_capacity(count), None);
        for bit in (0..count).rev() {
            let factor = u32::from(bit + 1 != count);
            let row = self.next;
            let digit = if bit + 1 == count { value >> bit } else { value >> bit & 1 };
            last = Some(
                self.horner(grid, Range::Bit, factor, |grid, cell| assign(grid, cell, field(digit), source, name)),
            );
            cells.push(Cell { column: Advice::Digit, row });
        }
        cells.reverse();
        Bits { value: last.expect("at least one bit"), bits: cells }
    }

    /// `number + 1`; `number` must be the last value composed.
    pub(crate) fn increment(&mut self, grid: &mut Grid, number: Cell) -> Cell {
        debug_assert_eq!(number, self.last(Advice::Value));
        let row = self.next;
        let cell = self.line(grid, HORNER, Range::One, Fr::ONE);
        let one = grid.derive(Cell { column: Advice::Digit, row }, Fr::ONE, "one");
        grid.derive(cell, grid.value(number) + grid.value(one), "increment")
    }

    /// `sum digit_i * 2^(bits * i)`-like composition of cells, the last of `cells` first:
    /// `value = factor_i * value + cell_i`.
    pub(crate) fn compose(&mut self, grid: &mut Grid, cells: &[(Cell, Fr)], range: Range, name: &'static str) -> Cell {
        let mut before = Fr::ZERO;
        let mut last = None;
        for (i, &(from, factor)) in cells.iter().enumerate() {
            let factor = if i == 0 { Fr::ZERO } else { factor };
            let row = self.next;
            let cell = self.line(grid, HORNER, range, factor);
            let digit = grid.copy(Cell { column: Advice::Digit, row }, from, name);
            grid.derive(cell, factor * before + grid.value(digit), name);
            before = grid.value(cell);
            last = Some(cell);
        }
        last.expect("at least one cell")
    }

    /// Marks the last `count` of 64 slots as padding.
    pub(crate) fn padding(&mut self, grid: &mut Grid, count: usize) -> Padding {
        let (mut marks, mut last) = (Vec::with_capacity(64), None);
        for slot in (0..64).rev() {
            let (row, first) = (self.next, slot == 63);
            let cell = self.line(grid, if first { HORNER } else { PAD }, Range::Bit, Fr::ZERO);
            let mark = Cell { column: Advice::Digit, row };
            grid.input(mark, Fr::from(u64::from(slot >= 64 - count)), "padding mark");
            let before = if first { Fr::ZERO } else { grid.value(Cell { column: Advice::Value, row: row - 1 }) };
            last = Some(grid.derive(cell, before + grid.value(mark), "padding count"));
            marks.push(mark);
        }
        marks.reverse();
        Padding { marks, count: last.expect("64 slots") }
    }

    /// `sum bit_i * (word_i - 2^30 + 2^40)`, with `chosen` the index whose bit is 1.
    pub(crate) fn select(&mut self, grid: &mut Grid, words: &[Cell], chosen: Option<usize>) -> Cell {
        let (mut sum, mut last) = (Fr::ZERO, None);
        for (i, &word) in words.iter().enumerate() {
            let row = self.next;
            let factor = if i == 0 { Fr::ZERO } else { Fr::ONE };
            let value = self.line(grid, SELECT, Range::Bit, factor);
            let bit = Cell { column: Advice::Digit, row };
            grid.input(bit, Fr::from(u64::from(chosen == Some(i))), "select bit");
            grid.copy(value, word, "select word");
            let offset = field((1 << SELECT_BITS) - (1 << 30));
            sum = factor * sum + grid.value(bit) * (grid.value(value) + offset);
            let cell = Cell { column: Advice::Parameter, row };
            last = Some(grid.derive(cell, sum, "select sum"));
            sum = grid.value(cell);
        }
        last.expect("at least one word")
    }

    fn horner(
        &mut self,
        grid: &mut Grid,
        range: Range,
        factor_bits: u32,
        digit: impl Fn(&mut Grid, Cell) -> Cell,
    ) -> Cell {
        let factor = if factor_bits == 0 { Fr::ZERO } else { Fr::from(1 << factor_bits) };
        self.horner_by(grid, range, factor, digit)
    }

    /// `factor * value before + digit`.
    pub(crate) fn horner_by(
        &mut self,
        grid: &mut Grid,
        range: Range,
        factor: Fr,
        digit: impl Fn(&mut Grid, Cell) -> Cell,
    ) -> Cell {
        let row = self.next;
        let cell = self.line(grid, HORNER, range, factor);
        let digit = digit(grid, Cell { column: Advice::Digit, row });
        let before = if row == 0 { Fr::ZERO } else { grid.value(Cell { column: Advice::Value, row: row - 1 }) };
        grid.derive(cell, factor * before + grid.value(digit), "composed value")
    }

    /// Opens a line and returns its value cell.
    fn line(&mut self, grid: &mut Grid, kind: u64, range: Range, factor: Fr) -> Cell {
        let row = self.take(1);
        grid.fix(Fixed::Line, row, Fr::from(kind));
        grid.fix(Fixed::Range, row, Fr::from(range as u64));
        grid.fix(Fixed::Factor, row, factor);
        Cell { column: Advice::Value, row }
    }
}

fn assign(grid: &mut Grid, cell: Cell, value: Fr, source: Source, name: &'static str) -> Cell {
    match source {
        Source::Input => grid.input(cell, value, name),
        Source::Derived => grid.derive(cell, value, name),
    }
}
