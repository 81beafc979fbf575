//! Arithmetic on cells: products, linear forms, bits and ranges.
//!
//! ```text
//! MULTIPLY  parameter = parameter before + digit * value
//! ```
//!
//! A row is one product added to a running sum. A sum starts in the parameter cell of the row before,
//! which lines leave empty, so a product after a line takes one row and none is spent on the start.
//! A linear form is a chain of `HORNER` lines, one a term; one whose first term stands in the row
//! before goes on from there.
//!
//! Cells hold field elements; a *signed integer* is one of small magnitude, negative ones counted down
//! from the modulus. Each method says which magnitudes it takes. [`super::rounding`] is built on these.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::plonk::ConstraintSystem;

use super::values::{Lines, Range, Source};
use super::{Columns, kind};
use crate::grid::{Advice, Cell, Fixed, Grid};

const MULTIPLY: u64 = 1;
/// Kinds of rules of a circuit with this chip: `MULTIPLY`, and 2 to 4 for rules of its own.
pub(crate) const RULE_KINDS: u64 = 4;

/// Limbs of a natural number.
const NATURAL: usize = 6;

/// Creates the gate.
pub(crate) fn configure(meta: &mut ConstraintSystem<Fr>, columns: &Columns) {
    meta.create_gate("multiply: sum of products", |cells| {
        let active = kind(columns.fixed(cells, Fixed::Rule), MULTIPLY, RULE_KINDS);
        let product = columns.cur(cells, Advice::Digit) * columns.cur(cells, Advice::Value);
        let before = columns.prev(cells, Advice::Parameter);
        vec![active * (columns.cur(cells, Advice::Parameter) - before - product)]
    });
}

/// The value lines of a circuit with the `MULTIPLY` gate, and its constants. The lookup table of the
/// circuit holds `Range::ARITHMETIC`.
#[derive(Debug)]
pub struct Arithmetic {
    pub(crate) lines: Lines,
    pub(crate) zero: Cell,
    pub(crate) one: Cell,
    constants: Vec<(Fr, Cell)>,
}

impl Arithmetic {
    /// Opens the value lines: the first two rows are the constants 0 and 1.
    pub fn new(grid: &mut Grid) -> Self {
        let mut lines = Lines::default();
        let (zero, one) = (lines.constant(grid, false), lines.constant(grid, true));
        Self { lines, zero, one, constants: vec![(Fr::ZERO, zero), (Fr::ONE, one)] }
    }

    /// A constant of the circuit: 2 rows the first time, none later.
    pub fn constant(&mut self, grid: &mut Grid, value: Fr) -> Cell {
        if let Some(&(_, cell)) = self.constants.iter().find(|&&(known, _)| known == value) {
            return cell;
        }
        let cell = self.linear(grid, &[(self.one, value)], "constant");
        self.constants.push((value, cell));
        cell
    }

    /// A bit of the witness: 1 row.
    pub fn bit(&mut self, grid: &mut Grid, value: bool, name: &'static str) -> Cell {
        self.lines.digit(grid, Range::Bit, value.into(), name)
    }

    /// The sum of `coefficient * cell`: a row a term, one more where the last coefficient is not 1, one
    /// less where the first cell is the last value composed.
    ///
    /// # Panics
    /// When there is no term, or a coefficient is 0.
    pub fn linear(&mut self, grid: &mut Grid, terms: &[(Cell, Fr)], name: &'static str) -> Cell {
        let &[(mut sum, mut coefficient), ref rest @ ..] = terms else { panic!("a linear form has a term") };
        if sum != self.last(Advice::Value) {
            sum = self.lines.horner_by(grid, Range::Free, Fr::ZERO, |grid, digit| grid.copy(digit, sum, name));
        }
        for &(cell, next) in rest {
            let factor = coefficient * next.invert().expect("no coefficient is 0");
            sum = self.lines.horner_by(grid, Range::Free, factor, |grid, digit| grid.copy(digit, cell, name));
            coefficient = next;
        }
        if coefficient != Fr::ONE {
            let no_digit = |grid: &mut Grid, digit| grid.derive(digit, Fr::ZERO, "no digit");
            sum = self.lines.horner_by(grid, Range::Zero, coefficient, no_digit);
        }
        sum
    }

    /// `left - right`: 2 rows.
    pub fn difference(&mut self, grid: &mut Grid, left: Cell, right: Cell) -> Cell {
        self.linear(grid, &[(right, -Fr::ONE), (left, Fr::ONE)], "difference")
    }

    /// `left * right`: 1 row after a line, 2 after a product.
    pub fn multiply(&mut self, grid: &mut Grid, left: Cell, right: Cell) -> Cell {
        self.dot(grid, self.zero, &[(left, right)])
    }

    /// `start + sum left * right`: a row a product, one more where `start` needs a row, which is after a
    /// product that is not `start` itself.
    pub fn dot(&mut self, grid: &mut Grid, start: Cell, products: &[(Cell, Cell)]) -> Cell {
        self.start(grid, start);
        products.iter().fold(start, |_, &(left, right)| {
            self.product(grid, Range::Free, |grid, digit| grid.copy(digit, left, "factor"), right)
        })
    }

    /// A new bit, and `start + bit * cell`: rows as [`Arithmetic::dot`], none for the bit.
    pub(crate) fn flagged(
        &mut self,
        grid: &mut Grid,
        start: Cell,
        bit: bool,
        cell: Cell,
        name: &'static str,
    ) -> (Cell, Cell) {
        self.start(grid, start);
        let bit = Fr::from(u64::from(bit));
        let sum = self.product(grid, Range::Bit, |grid, digit| grid.derive(digit, bit, name), cell);
        (Cell { column: Advice::Digit, ..sum }, sum)
    }

    /// Constrains `left = right` where `flag`, a bit, is 1.
    pub fn equal_if(&mut self, grid: &mut Grid, flag: Cell, left: Cell, right: Cell) {
        let difference = self.difference(grid, left, right);
        let chosen = self.multiply(grid, flag, difference);
        grid.equal(chosen, self.zero);
    }

    /// Constrains `left = right` where `flag`, a bit, is 0.
    pub fn equal_unless(&mut self, grid: &mut Grid, flag: Cell, left: Cell, right: Cell) {
        let difference = self.difference(grid, left, right);
        let chosen = self.multiply(grid, flag, difference);
        grid.equal(chosen, difference);
    }

    /// `if_one` or `if_zero`, as `flag`, a bit, says: 3 rows.
    pub fn choose(&mut self, grid: &mut Grid, flag: Cell, if_one: Cell, if_zero: Cell) -> Cell {
        let difference = self.difference(grid, if_one, if_zero);
        self.dot(grid, if_zero, &[(flag, difference)])
    }

    /// A bit that is 1 where the cell is 0, and 0 elsewhere: 3 rows after a line, 4 after a product.
    ///
    /// With `z x = 0` and `z + x i = 1`: `x = 0` gives `z = 1`, and any `i`; another `x` gives `z = 0`.
    pub fn is_zero(&mut self, grid: &mut Grid, cell: Cell) -> Cell {
        let value = grid.value(cell);
        let (bit, product) = self.flagged(grid, self.zero, value == Fr::ZERO, cell, "is zero");
        grid.equal(product, self.zero);
        self.start(grid, bit);
        let inverse = value.invert().unwrap_or(Fr::ZERO);
        let sum = self.product(grid, Range::Free, |grid, digit| grid.derive(digit, inverse, "inverse"), cell);
        grid.equal(sum, self.one);
        bit
    }

    /// Constrains the cell to be an integer in `0 .. 2^66`: 6 rows. Returns the same number as the last
    /// value composed.
    pub fn natural(&mut self, grid: &mut Grid, cell: Cell) -> Cell {
        self.natural_of(grid, cell, NATURAL)
    }

    /// Constrains the cell to be an integer of so many limbs of 11 bits, a row each. Returns the same
    /// number as the last value composed.
    ///
    /// # Panics
    /// When there are not 1 to 11 limbs: 11 are 121 bits, far from the field's modulus.
    pub fn natural_of(&mut self, grid: &mut Grid, cell: Cell, limbs: usize) -> Cell {
        assert!((1..=11).contains(&limbs), "{limbs} limbs");
        self.same_limbs(grid, cell, &vec![Range::Bits11; limbs], "natural")
    }

    /// The number of the cell in limbs, the highest first.
    pub(crate) fn same_limbs(&mut self, grid: &mut Grid, cell: Cell, ranges: &[Range], name: &'static str) -> Cell {
        let composed = self.lines.limbs(grid, ranges, grid.integer(cell), Source::Derived, name);
        grid.equal(composed, cell);
        composed
    }

    /// `2^n` with the bits of `n`, the lowest first: 2 rows for the first bit and 3 for each other.
    ///
    /// The product of `1 + bit_k (2^(2^k) - 1)`; at most 7 bits, so that it is below the modulus.
    ///
    /// # Panics
    /// When there are not 1 to 7 bits.
    pub fn power(&mut self, grid: &mut Grid, bits: &[Cell]) -> Cell {
        assert!((1..=7).contains(&bits.len()), "{} bits", bits.len());
        let mut product = None;
        for (k, &bit) in bits.iter().enumerate() {
            let power = Fr::from(2).pow([1 << k]);
            let factor = self.linear(grid, &[(bit, power - Fr::ONE), (self.one, Fr::ONE)], "factor of a power");
            product = Some(product.map_or(factor, |product| self.multiply(grid, product, factor)));
        }
        product.expect("at least one bit")
    }

    /// Puts the start of a sum into the last row.
    fn start(&mut self, grid: &mut Grid, start: Cell) {
        let last = self.last(Advice::Parameter);
        if start == last {
            return;
        }
        if grid.height(Advice::Parameter) > last.row {
            self.lines.take(1);
        }
        grid.copy(self.last(Advice::Parameter), start, "start of a sum");
    }

    /// The sum in the last row and `digit * value`, in a row of its own.
    fn product(
        &mut self,
        grid: &mut Grid,
        range: Range,
        digit: impl FnOnce(&mut Grid, Cell) -> Cell,
        value: Cell,
    ) -> Cell {
        let before = grid.value(self.last(Advice::Parameter));
        let row = self.lines.take(1);
        grid.fix(Fixed::Rule, row, Fr::from(MULTIPLY));
        grid.fix(Fixed::Range, row, Fr::from(range as u64));
        let digit = digit(grid, Cell { column: Advice::Digit, row });
        let value = grid.copy(Cell { column: Advice::Value, row }, value, "factor");
        let sum = before + grid.value(digit) * grid.value(value);
        grid.derive(Cell { column: Advice::Parameter, row }, sum, "sum of products")
    }

    fn last(&self, column: Advice) -> Cell {
        self.lines.last(column)
    }
}
