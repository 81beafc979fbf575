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
use pogo_protocol::leaf::{WORDS_PER_ELEMENT, pack_words, tag, words_leaf};
use pogo_protocol::merkle::node;
use pogo_protocol::product::{Inner, ProductOpening, TILE, TILE_BITS, TILE_HEIGHT, Tile};
use pogo_protocol::statement::STEP_BITS;

use super::opened::{BYTES_PER_ELEMENT, Fields, Opener};
use crate::chips::arithmetic::{self, RULE_KINDS};
use crate::chips::poseidon::{Operand, convert};
use crate::chips::values::{Bits, Range};
use crate::chips::{Columns, constant, kind};
use crate::grid::{Advice, Cell, Fixed};

const DIRECT: u64 = 2;
const TRANSPOSED: u64 = 3;
const ELEMENT: u64 = 4;

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

/// Assigns one product cell and returns its public fields; `digest` are the limbs of the statement's.
pub(crate) fn assign(opener: &mut Opener, digest: [Cell; 2], opening: &ProductOpening) -> Vec<Fields> {
    let ProductOpening { step, left, right, before, after, record, orientation } = opening;
    let first = opener.arithmetic.bit(&mut opener.grid, before.is_none(), "first slab");
    let (step, index) = opener.step(*step);
    let depth = opener.depths.trace - TILE_HEIGHT;
    assert!(depth <= TILE_BITS as usize, "depth {depth} of the tiles does not fit the sample");
    let blank = Tile { rows: vec![[0; TILE]; TILE], number: 0, path: vec![0u64.into(); depth] };
    let before = before.as_ref().unwrap_or(&blank);
    let [left_at, right_at, before_at, after_at] = [left.number, right.number, before.number, after.number]
        .map(|number| opener.bits(number as u64, depth, "tile bit"));

    let mut multiplier = Multiplier::new(opener, digest);
    let [left_inner, right_inner] = orientation.inner();
    let (left_sums, left) = multiplier.left(left, left_inner, &left_at);
    let (right_sums, right) = multiplier.right(right, right_inner, &right_at);
    let (after_sum, result) = multiplier.words(&elements(after), (&after_at, &after.path));
    let (before_sum, start) = multiplier.words(&elements(before), (&before_at, &before.path));
    let sums: Vec<_> = left_sums.into_iter().zip(right_sums).collect();
    let (grid, arithmetic) = (&mut opener.grid, &mut opener.arithmetic);
    let sum = arithmetic.dot(grid, before_sum, &sums);
    grid.equal(sum, after_sum);

    // The tile before is the tile of zeros, or it is in the trace as all others are.
    let empty = arithmetic.constant(grid, convert(zero_tile()));
    arithmetic.equal_if(grid, first, start.digest, empty);
    arithmetic.equal_unless(grid, first, start.root, result.root);
    grid.equal(left.root, result.root);
    grid.equal(right.root, result.root);
    opener.traced_record(record, result.root, &index);

    let [left_at, right_at, before_at, after_at] =
        [left_at, right_at, before_at, after_at].map(|number| (number.value, TILE_BITS));
    vec![vec![(first, 1), (step.value, STEP_BITS), after_at, before_at, right_at, left_at]]
}

/// Digest of a tile of words that are all zero.
fn zero_tile() -> ark_bn254::Fr {
    let leaf = words_leaf(&[0; TILE]).expect("zero is a word");
    (0..TILE_HEIGHT).fold(leaf, |digest, _| node(digest, digest))
}

/// The powers of the point at which both sides are compared.
#[derive(Debug)]
struct Multiplier<'a> {
    opener: &'a mut Opener,
    point: Cell,
    point_8: Cell,
    /// `2^31`, from one word of an element to the next.
    slot: Cell,
    /// `point / 2^217`, from the last word of an element to the first of the next.
    next: Cell,
}

/// A tile as it was hashed.
#[derive(Clone, Copy, Debug)]
struct Hashed {
    /// Its digest.
    digest: Cell,
    /// Root of the tree that it stands in.
    root: Cell,
}

/// Where a tile stands: the bits of its number, and its siblings.
type Place<'a> = (&'a Bits, &'a [ark_bn254::Fr]);

impl<'a> Multiplier<'a> {
    /// With the point `high 2^128 + low` of the two limbs of the statement digest.
    fn new(opener: &'a mut Opener, [high, low]: [Cell; 2]) -> Self {
        let (grid, arithmetic) = (&mut opener.grid, &mut opener.arithmetic);
        let point = arithmetic.linear(grid, &[(high, super::power(128)), (low, Fr::ONE)], "point");
        let slot = arithmetic.constant(grid, super::power(WORD_BITS));
        let back = super::power(WORD_BITS * (WORDS_PER_ELEMENT as u32 - 1)).invert().expect("a power of 2 is not 0");
        let back = arithmetic.constant(grid, back);
        let next = arithmetic.multiply(grid, point, back);
        let point_8 = (0..3).fold(point, |power, _| arithmetic.multiply(grid, power, power));
        Self { opener, point, point_8, slot, next }
    }

    /// Sums of the left tile: `r^(8i)` times the numbers of its outer index `i`.
    fn left(&mut self, tile: &Tile<i8>, inner: Inner, number: &Bits) -> (Vec<Cell>, Hashed) {
        let point_8 = self.point_8;
        self.bytes(tile, inner, number, |_| point_8)
    }

    /// Sums of the right tile: `r^(j / 8) 2^(31 (j mod 8))` times those of its outer index `j`.
    fn right(&mut self, tile: &Tile<i8>, inner: Inner, number: &Bits) -> (Vec<Cell>, Hashed) {
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
        let zero = self.opener.arithmetic.zero;
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
            leaves.push(self.opener.lane.sponge(&mut self.opener.grid, tag::BYTES, &elements, zero));
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
        let (grid, lines) = (&mut self.opener.grid, &mut self.opener.arithmetic.lines);
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
    fn words(&mut self, elements: &[Vec<Fr>], place: Place<'_>) -> (Cell, Hashed) {
        let (zero, point) = (self.opener.arithmetic.zero, self.point);
        let (mut leaves, mut sum) = (Vec::with_capacity(TILE), zero);
        for (i, row) in elements.iter().enumerate().rev() {
            let mut cells = Vec::with_capacity(ELEMENTS);
            for (g, &element) in row.iter().enumerate().rev() {
                let at = self.opener.arithmetic.lines.take(2);
                let grid = &mut self.opener.grid;
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
            leaves.push(self.opener.lane.sponge(&mut self.opener.grid, tag::WORDS, &cells, zero));
        }
        leaves.reverse();
        (sum, self.tile(leaves, place))
    }

    /// A tile from the digests of its rows, opened where it stands.
    fn tile(&mut self, mut level: Vec<Cell>, (number, path): Place<'_>) -> Hashed {
        assert_eq!(number.bits.len(), path.len(), "path length of a tile");
        while level.len() > 1 {
            let node = |pair: &[Cell]| {
                self.opener.lane.hash(&mut self.opener.grid, tag::NODE, Operand::Copy(pair[0]), Operand::Copy(pair[1]))
            };
            level = level.chunks(2).map(node).collect();
        }
        let siblings: Vec<Fr> = path.iter().copied().map(convert).collect();
        let root = self.opener.lane.path(&mut self.opener.grid, tag::NODE, level[0], &number.bits, &siblings);
        Hashed { digest: level[0], root }
    }
}

/// Elements of a tile of words, row by row.
fn elements(tile: &Tile<i32>) -> Vec<Vec<Fr>> {
    let row = |row: &[i32; TILE]| {
        let packed = pack_words(row).expect("a checked opening holds words");
        packed.into_iter().map(convert).collect()
    };
    tile.rows.iter().map(row).collect()
}
