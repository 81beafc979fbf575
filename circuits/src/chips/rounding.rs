//! Rounding shifts of [`pogo_protocol::fixed`] on cells: a shift is two powers of two, and a rounded
//! number is a quotient with a remainder in range, or a limit that the quotient is beyond.
//!
//! ```text
//! rshn(x, s)    = floor((x left + half) / right)      but where a left shift saturates:
//! rsr(x, s, r)  = floor((x left + d) / right)         the clamp that follows makes them equal
//! r >> (32 - s) = d = floor(r right / 2^32)
//! ```

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use pogo_protocol::fixed::BYTE_MAX;

use super::arithmetic::Arithmetic;
use super::values::{Range, Source};
use crate::grid::{Cell, Grid, field};

/// Bits of a right shift below 32, and of a left shift.
const SHIFT_BITS: usize = 5;
/// The longest left shift that is told apart.
const LEFT_MAX: i128 = 31;
/// The longest right shift that is told apart: it leaves nothing.
const RIGHT_MAX: i128 = 32;

/// What a shift by `s` multiplies with and divides by.
#[derive(Clone, Copy, Debug)]
pub struct Shift {
    /// `2^max(s, 0)`, at most `2^32`.
    pub right: Cell,
    /// `2^max(-s, 0)`, at most `2^31`; 0 where `s >= 32`.
    pub left: Cell,
    /// Half of `right` where `s >= 1`, else 0.
    pub half: Cell,
    /// `right - 1`.
    last: Cell,
    /// `-right`.
    negated: Cell,
}

impl Arithmetic {
    /// The powers of a shift by a signed integer `s` of magnitude below `2^31`: 71 rows, and constants.
    ///
    /// `s = 32 top + low - l + over - under` with a bit `top`, five bits `low` and `l`, words `over` and
    /// `under`, and
    ///
    /// ```text
    /// top low + top l + low l + over (1 - top) + under (31 - l) = 0
    /// ```
    ///
    /// None of the five is negative or as large as `2^36`, so each is 0, and every `s` has one witness:
    /// with `top` it is `32 + over`; without, `over` is 0, and `s` is `low > 0`, or `-l`, or beyond
    /// `l = 31`, where `under` begins, `-31 - under`. A left shift by 31 takes anything but 0 beyond
    /// every limit of [`Arithmetic::round`], as one by 30 does in `rshn`.
    pub fn shift(&mut self, grid: &mut Grid, s: Cell) -> Shift {
        let shift = grid.integer(s);
        let far = shift >= RIGHT_MAX;
        let lines = &mut self.lines;
        let top = lines.bits(grid, far.into(), 1, Source::Derived, "shift by 32").value;
        let low = if far { 0 } else { shift.clamp(0, RIGHT_MAX - 1) };
        let low = lines.bits(grid, low, SHIFT_BITS, Source::Derived, "right shift bit");
        let left = lines.bits(grid, (-shift).clamp(0, LEFT_MAX), SHIFT_BITS, Source::Derived, "left shift bit");
        let told = RIGHT_MAX * grid.integer(top) + grid.integer(low.value) - grid.integer(left.value);
        let over = lines.word(grid, (shift - told).max(0), Source::Derived, "right shift beyond 32");
        let under = lines.word(grid, (told - shift).max(0), Source::Derived, "left shift beyond 31");
        let terms = [(under, -1), (left.value, -1), (top, RIGHT_MAX), (low.value, 1), (over, 1)];
        let sum = self.linear(grid, &terms.map(|(cell, factor)| (cell, field(factor))), "shift");
        grid.equal(sum, s);

        let near = self.difference(grid, self.one, top);
        let longest = self.constant(grid, field(LEFT_MAX));
        let shorter = self.difference(grid, longest, left.value);
        let nothing = [(top, low.value), (top, left.value), (low.value, left.value), (over, near), (under, shorter)];
        let nothing = self.dot(grid, self.zero, &nothing);
        grid.equal(nothing, self.zero);

        let right = self.power(grid, &[&low.bits[..], &[top]].concat());
        let left = self.power(grid, &left.bits);
        let left = self.multiply(grid, near, left);
        // A power of two is odd where it is 1, and then its half is 0.
        let halves = [Range::Bits11, Range::Bits11, Range::Bits11, Range::Bit];
        let whole = self.same_limbs(grid, right, &halves, "half of a power");
        let half = Cell { row: whole.row - 1, ..whole };
        let last = self.difference(grid, right, self.one);
        let negated = self.linear(grid, &[(right, -Fr::ONE)], "negated power");
        Shift { right, left, half, last, negated }
    }

    /// `floor(r right / 2^32)` of a dither `r` in `0 .. 2^32`: 8 rows after a line, 9 after a product.
    ///
    /// `right` is that of [`Arithmetic::shift`]; with `d < 2^33` and `rest < 2^32` in limbs, the equation
    /// `r right = d 2^32 + rest` cannot wrap and has one solution, which is below `right`.
    pub fn dither(&mut self, grid: &mut Grid, r: Cell, right: Cell) -> Cell {
        let product = self.multiply(grid, r, right);
        let rest = [Range::Bit, Range::Bits9, Range::Bits11, Range::Bits11];
        let limbs = [&[Range::Bits11; 3][..], &rest].concat();
        let whole = self.same_limbs(grid, product, &limbs, "dithered product");
        Cell { row: whole.row - rest.len(), ..whole }
    }

    /// `y = clamp(floor((x left + addend) / right), -limit, limit)` as a signed integer: 22 rows where
    /// `limit` is 127 and 28 elsewhere, one more after a product; and constants.
    ///
    /// `x` is a signed integer of magnitude below `2^31`, `addend` one in `0 .. right`: half of it, or a
    /// dither. With `e = x left + addend - y right` and bits `low` and `inside`:
    ///
    /// ```text
    /// shown = low ? right - 1 - e : e     is natural
    /// inside (right - 1 - shown)          is natural, below 2^33
    /// y = low ? -limit : limit            unless inside
    /// -limit <= y <= limit
    /// ```
    ///
    /// Inside, `e` and `right - 1 - e` are natural whatever `low` is, so `y` is the floor itself, and it
    /// is in the limits. Otherwise the floor is at least `y = limit`, as `e >= 0`, or at most
    /// `y = -limit`, as `e < right`. So `y` is what it should be for every choice of the bits, which are
    /// free only where the floor is a limit. Nothing wraps: `|x left|` and `|y right|` are at most
    /// `2^62`, so all numbers are below `2^64` in magnitude, naturals below `2^66`, the modulus above
    /// `2^253`.
    ///
    /// # Panics
    /// When `limit` is 0, or `2^30` or more.
    pub fn round(&mut self, grid: &mut Grid, x: Cell, shift: &Shift, addend: Cell, limit: u64) -> Cell {
        let bound = i128::from(limit);
        let shifted = self.dot(grid, addend, &[(x, shift.left)]);
        let floor = grid.integer(shifted).div_euclid(grid.integer(shift.right).max(1));
        let y = self.within(grid, floor.clamp(-bound, bound), limit);
        let rest = self.dot(grid, shifted, &[(y, shift.negated)]);
        let mirrored = self.linear(grid, &[(rest, -Fr::from(2)), (shift.last, Fr::ONE)], "mirrored remainder");
        let (low, shown) = self.flagged(grid, rest, floor < -bound, mirrored, "saturated low");
        let shown = self.natural(grid, shown);
        let other = self.difference(grid, shift.last, shown);
        let (inside, other) = self.flagged(grid, self.zero, floor.abs() <= bound, other, "inside the limits");
        let top = self.constant(grid, Fr::from(limit));
        let terms = [(top, -Fr::ONE), (low, Fr::from(2 * limit)), (y, Fr::ONE)];
        let distance = self.linear(grid, &terms, "distance to the limit");
        let same = self.multiply(grid, inside, distance);
        grid.equal(same, distance);
        self.natural_of(grid, other, 3);
        y
    }

    /// A signed integer constrained to be in `-limit ..= limit`: 2 rows where `limit` is 127, else 8.
    fn within(&mut self, grid: &mut Grid, value: i128, limit: u64) -> Cell {
        assert!((1..1 << 30).contains(&limit), "limit {limit}");
        let bound = i128::from(limit);
        if limit == BYTE_MAX as u64 {
            let bias = self.constant(grid, field(bound + 1));
            let digit = |grid: &mut Grid, digit| grid.derive(digit, field(bound + 1 - value), "below the limit");
            let below = self.lines.horner_by(grid, Range::Byte, Fr::ZERO, digit);
            return self.difference(grid, bias, below);
        }
        let (top, width) = (self.constant(grid, field(bound)), self.constant(grid, field(2 * bound)));
        let below = self.lines.word(grid, bound - value, Source::Derived, "below the limit");
        let y = self.difference(grid, top, below);
        let above = self.lines.word(grid, bound + grid.integer(y), Source::Derived, "above the limit");
        let sum = self.linear(grid, &[(above, Fr::ONE), (below, Fr::ONE)], "within the limits");
        grid.equal(sum, width);
        y
    }
}
