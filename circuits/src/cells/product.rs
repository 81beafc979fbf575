//! The product cell: a tile of words is the tile before it and the product of two tiles of bytes.
//!
//! The 64 x 64 x 64 products are not made. With `r` the statement digest, which binds all four tiles
//! through the steps root, both sides are compared at one point (Freivalds, Schwartz and Zippel):
//!
//! ```text
//! sum_ig r^(8i + g) (after_ig - before_ig) = sum_k u_k v_k
//! u_k = sum_i r^(8i) left_ik      v_k = sum_j r^(j / 8) 2^(31 (j mod 8)) right_jk
//! ```
//!
//! `after_ig` is element `g` of row `i` as it is hashed, eight words in slots of 31 bits: packing is
//! linear, so no word is ever taken apart. Element by element `after - before` is the packed product,
//! and a chain of slabs from the zero tile, each true, holds the packed sums. A false tile passes with
//! probability below `2^-244`.
//!
//! ```text
//! DIRECT      sum = factor * sum two rows before + byte - 128
//! TRANSPOSED  sum = factor * sum 128 rows before + byte - 128
//! ELEMENT     sum = factor * sum two rows before + element
//! ```
//!
//! The right side is a sum of [products](crate::chips::arithmetic) that starts at the words before.
//!
//! A byte takes two rows: in the first its digit and the factor, in the second the running sum. The
//! packed element runs through the value column of both. A tile is written from its last number to
//! its first, so `DIRECT` sums over the columns of a row, and `TRANSPOSED`, which reads the same
//! column of the row below, over the rows of a column.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::plonk::ConstraintSystem;
use halo2_proofs::poly::Rotation;
use pogo_protocol::fixed::{LEAF, WORD_BITS};
use pogo_protocol::leaf::{WORDS_PER_ELEMENT, pack_words, tag};
use pogo_protocol::product::{Inner, TILE, Tile};

use crate::chips::arithmetic::{self, Arithmetic, RULE_KINDS};
use crate::chips::poseidon::{Lane, Operand, convert};
use crate::chips::values::{Bits, Range};
use crate::chips::{Columns, constant, kind};
use crate::grid::{Advice, Cell, Fixed, Grid};

const DIRECT: u64 = 2;
const TRANSPOSED: u64 = 3;
const ELEMENT: u64 = 4;

/// Bytes that an element holds.
const BYTES_PER_ELEMENT: usize = 31;
/// Elements of a row of words.
const ELEMENTS: usize = LEAF / WORDS_PER_ELEMENT;
/// Rows of a byte in the value columns.
const BYTE_ROWS: usize = 2;
const ROW_BEFORE: i32 = -((BYTE_ROWS * TILE) as i32);

/// Creates the gates of the product cell.
pub(crate) fn configure(meta: &mut ConstraintSystem<Fr>, columns: &Columns) {
    arithmetic::configure(meta, columns);
    for (name, rule, back, bias) in [
        ("direct: sum over the columns of a row", DIRECT, -2, 128),
        ("transposed: sum over the rows of a column", TRANSPOSED, ROW_BEFORE, 128),
        ("element: sum of the packed words", ELEMENT, -2, 0),
    ] {
        meta.create_gate(name, |cells| {
            let active = kind(columns.fixed(cells, Fixed::Rule), rule, RULE_KINDS);
            let before = cells.query_advice(columns.advice(Advice::Parameter), Rotation(back));
            let factor = columns.prev(cells, Advice::Parameter);
            let term = columns.prev(cells, Advice::Digit) - constant(bias);
            vec![active * (columns.cur(cells, Advice::Parameter) - factor * before - term)]
        });
    }
}

/// The stacks of rows and the powers of the point at which both sides are compared.
#[derive(Debug)]
pub(crate) struct Multiplier {
    pub(crate) grid: Grid,
    pub(crate) lane: Lane,
    pub(crate) arithmetic: Arithmetic,
    point: Cell,
    point_8: Cell,
    /// `2^31`, from one word of an element to the next.
    slot: Cell,
    /// `point / 2^217`, from the last word of an element to the first of the next.
    next: Cell,
}

/// A tile as it was hashed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hashed {
    /// Its digest.
    pub(crate) digest: Cell,
    /// Root of the tree that it stands in.
    pub(crate) root: Cell,
}

/// Where a tile stands: the bits of its number, and its siblings.
pub(crate) type Place<'a> = (&'a Bits, &'a [ark_bn254::Fr]);

impl Multiplier {
    /// With the point `high 2^128 + low` of the two limbs of the statement digest.
    pub(crate) fn new(mut grid: Grid, mut arithmetic: Arithmetic, [high, low]: [Cell; 2]) -> Self {
        let point = arithmetic.linear(&mut grid, &[(high, super::power(128)), (low, Fr::ONE)], "point");
        let slot = arithmetic.constant(&mut grid, super::power(WORD_BITS));
        let back = super::power(WORD_BITS * (WORDS_PER_ELEMENT as u32 - 1)).invert().expect("a power of 2 is not 0");
        let back = arithmetic.constant(&mut grid, back);
        let next = arithmetic.multiply(&mut grid, point, back);
        let point_8 = (0..3).fold(point, |power, _| arithmetic.multiply(&mut grid, power, power));
        Self { grid, lane: Lane::new(), arithmetic, point, point_8, slot, next }
    }

    /// Sums of the left tile: `r^(8i)` times the numbers of its outer index `i`.
    pub(crate) fn left(&mut self, tile: &Tile<i8>, inner: Inner, number: &Bits) -> (Vec<Cell>, Hashed) {
        let point_8 = self.point_8;
        self.bytes(tile, inner, number, |_| point_8)
    }

    /// Sums of the right tile: `r^(j / 8) 2^(31 (j mod 8))` times those of its outer index `j`.
    pub(crate) fn right(&mut self, tile: &Tile<i8>, inner: Inner, number: &Bits) -> (Vec<Cell>, Hashed) {
        let (slot, next) = (self.slot, self.next);
        self.bytes(
            tile,
            inner,
            number,
            |outer| if outer % WORDS_PER_ELEMENT + 1 == WORDS_PER_ELEMENT { next } else { slot },
        )
    }

    /// Looks up, packs, hashes and sums the bytes of a tile; `factor(o)` is what the sum over larger
    /// outer indices is multiplied with at index `o`.
    fn bytes(
        &mut self,
        tile: &Tile<i8>,
        inner: Inner,
        number: &Bits,
        factor: impl Fn(usize) -> Cell,
    ) -> (Vec<Cell>, Hashed) {
        let zero = self.arithmetic.zero;
        let (mut leaves, mut sums) = (Vec::with_capacity(TILE), vec![zero; TILE]);
        for row in (0..TILE).rev() {
            let mut elements = Vec::new();
            for column in (0..TILE).rev() {
                let (outer, index) = match inner {
                    Inner::Rows => (column, row),
                    Inner::Columns => (row, column),
                };
                let factor = if outer + 1 == TILE { zero } else { factor(outer) };
                let first = column + 1 == TILE || (column + 1) % BYTES_PER_ELEMENT == 0;
                let (element, sum) = self.byte(tile.rows[row][column], inner, first, factor);
                sums[index] = sum;
                if column % BYTES_PER_ELEMENT == 0 {
                    elements.push(element);
                }
            }
            elements.reverse();
            leaves.push(self.lane.sponge(&mut self.grid, tag::BYTES, &elements, zero));
        }
        leaves.reverse();
        (sums, self.tile(leaves, (number, &tile.path)))
    }

    /// One byte: the element packed so far and the sum so far.
    fn byte(&mut self, byte: i8, inner: Inner, first: bool, factor: Cell) -> (Cell, Cell) {
        let (kind, back) = match inner {
            // Summed over rows, so the sum over the outer index runs along the columns of a row.
            Inner::Rows => (DIRECT, 2),
            Inner::Columns => (TRANSPOSED, BYTE_ROWS * TILE),
        };
        let radix = if first { Fr::ZERO } else { Fr::from(256) };
        let (grid, lines) = (&mut self.grid, &mut self.arithmetic.lines);
        let slot = Fr::from((i16::from(byte) + 128).unsigned_abs() as u64);
        let value = lines.horner_by(grid, Range::Byte, radix, |grid, cell| grid.input(cell, slot, "byte"));
        let row = value.row;
        let factor = grid.copy(Cell { column: Advice::Parameter, row }, factor, "factor of a sum");
        let packed = lines.horner_by(grid, Range::Zero, Fr::ONE, |grid, cell| grid.derive(cell, Fr::ZERO, "no digit"));
        grid.fix(Fixed::Rule, row + 1, Fr::from(kind));
        let digit = grid.value(Cell { column: Advice::Digit, row });
        let before =
            (row + 1).checked_sub(back).map_or(Fr::ZERO, |row| grid.value(Cell { column: Advice::Parameter, row }));
        let sum = grid.value(factor) * before + digit - Fr::from(128);
        let sum = grid.derive(Cell { column: Advice::Parameter, row: row + 1 }, sum, "sum of bytes");
        (packed, sum)
    }

    /// `sum_ig r^(8i + g) element_ig` of a tile of words, and its digest.
    pub(crate) fn words(&mut self, elements: &[Vec<Fr>], place: Place<'_>) -> (Cell, Hashed) {
        let (zero, point) = (self.arithmetic.zero, self.point);
        let (mut leaves, mut sum) = (Vec::with_capacity(TILE), zero);
        for (i, row) in elements.iter().enumerate().rev() {
            let mut cells = Vec::with_capacity(ELEMENTS);
            for (g, &element) in row.iter().enumerate().rev() {
                let at = self.arithmetic.lines.take(2);
                let grid = &mut self.grid;
                let digit = grid.input(Cell { column: Advice::Digit, row: at }, element, "packed words");
                let last = i + 1 == TILE && g + 1 == ELEMENTS;
                let factor = grid.copy(
                    Cell { column: Advice::Parameter, row: at },
                    if last { zero } else { point },
                    "factor of a sum",
                );
                grid.fix(Fixed::Rule, at + 1, Fr::from(ELEMENT));
                let before = grid.value(Cell { column: Advice::Parameter, row: at - 1 });
                let value = grid.value(factor) * before + grid.value(digit);
                sum = grid.derive(Cell { column: Advice::Parameter, row: at + 1 }, value, "sum of elements");
                cells.push(digit);
            }
            cells.reverse();
            leaves.push(self.lane.sponge(&mut self.grid, tag::WORDS, &cells, zero));
        }
        leaves.reverse();
        (sum, self.tile(leaves, place))
    }

    /// A tile from the digests of its rows, opened where it stands.
    fn tile(&mut self, mut level: Vec<Cell>, (number, path): Place<'_>) -> Hashed {
        assert_eq!(number.bits.len(), path.len(), "path length of a tile");
        while level.len() > 1 {
            let node = |pair: &[Cell]| {
                self.lane.hash(&mut self.grid, tag::NODE, Operand::Copy(pair[0]), Operand::Copy(pair[1]))
            };
            level = level.chunks(2).map(node).collect();
        }
        let siblings: Vec<Fr> = path.iter().copied().map(convert).collect();
        let root = self.lane.path(&mut self.grid, tag::NODE, level[0], &number.bits, &siblings);
        Hashed { digest: level[0], root }
    }
}

/// Elements of a tile of words, row by row.
pub(crate) fn elements(tile: &Tile<i32>) -> Vec<Vec<Fr>> {
    let row = |row: &[i32; TILE]| {
        let packed = pack_words(row).expect("a checked opening holds words");
        packed.into_iter().map(convert).collect()
    };
    tile.rows.iter().map(row).collect()
}
