//! Arithmetic on cells gives what the protocol's integers give, and nothing else can be shown.

use std::collections::BTreeSet;

use halo2_proofs::dev::MockProver;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use pogo_circuits::chips::arithmetic::Arithmetic;
use pogo_circuits::circuit::{Gridded, Sheet, instances};
use pogo_circuits::grid::{Advice, Cell, Grid, Origin, field};
use pogo_circuits::testing::gadget::{Gadget, INPUT, Operation};
use pogo_circuits::testing::{Checker, Constraint};
use pogo_protocol::fixed::{self, BYTE_MAX, GRADIENT_MAX, LOGIT_MAX};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;

const BYTE: u64 = BYTE_MAX as u64;
const LOGIT: u64 = LOGIT_MAX as u64;
const GRADIENT: u64 = GRADIENT_MAX as u64;

/// Numbers that are rounded by each shift: one to the nearest and with a dither each.
const NUMBERS: usize = 12;

fn gadget(operation: Operation, inputs: &[i128]) -> Gadget {
    Gadget { operation, inputs: inputs.iter().copied().map(field).collect() }
}

/// The results that a grid claims.
fn results(gadget: &Gadget, grid: &Grid) -> Vec<Fr> {
    instances(grid).split_off(gadget.inputs.len())
}

/// Rounds numbers `x` with dithers `r`: inputs are `s, x, r, x, r, ..`.
fn rounded<const LIMIT: u64>(arithmetic: &mut Arithmetic, grid: &mut Grid, inputs: &[Cell]) -> Vec<Cell> {
    let (&s, numbers) = inputs.split_first().expect("a shift");
    let shift = arithmetic.shift(grid, s);
    let mut results = Vec::new();
    for number in numbers.chunks(2) {
        let dither = arithmetic.dither(grid, number[1], shift.right);
        for addend in [shift.half, dither] {
            results.push(arithmetic.round(grid, number[0], &shift, addend, LIMIT));
        }
    }
    results
}

/// Many of [`rounded`], one below the other.
fn all_rounded<const LIMIT: u64>(arithmetic: &mut Arithmetic, grid: &mut Grid, inputs: &[Cell]) -> Vec<Cell> {
    inputs.chunks(1 + 2 * NUMBERS).flat_map(|inputs| rounded::<LIMIT>(arithmetic, grid, inputs)).collect()
}

/// Sums and gradients, the edges of their range among them.
fn number(random: &mut ChaCha20Rng, i: usize) -> i32 {
    let edges = [0, 1, -1, fixed::WORD_MIN, fixed::WORD_MAX, i32::MAX, -i32::MAX];
    match edges.get(i) {
        Some(&edge) => edge,
        None => (random.next_u32() as i32).max(-i32::MAX) >> (random.next_u32() % 31),
    }
}

fn dither(random: &mut ChaCha20Rng, i: usize) -> u32 {
    [0, u32::MAX, 1 << 31].get(i % 5).copied().unwrap_or_else(|| random.next_u32())
}

/// Every shift that is told apart, and the longest.
fn shifts() -> impl Iterator<Item = i32> {
    (-40..=70).chain([-i32::MAX, -(1 << 30), 1 << 20, i32::MAX])
}

fn rounding_is_that_of_the_protocol<const LIMIT: u64>(named: impl Fn(i32, i32) -> i32) {
    let mut random = ChaCha20Rng::seed_from_u64(LIMIT);
    let (mut inputs, mut expected) = (Vec::new(), Vec::new());
    for s in shifts() {
        inputs.push(i128::from(s));
        for i in 0..NUMBERS {
            let (x, r) = (number(&mut random, i), dither(&mut random, i));
            inputs.extend([i128::from(x), i128::from(r)]);
            let limit = LIMIT as i32;
            let nearest = fixed::rshn(x, s).clamp(-limit, limit);
            assert!(s.abs() > 70 || nearest == named(x, s), "{x} by {s}");
            expected.extend([nearest, fixed::rsr(x, s, r).clamp(-limit, limit)]);
        }
    }
    let gadget = gadget(all_rounded::<LIMIT>, &inputs);
    let grid = gadget.grid();
    let expected: Vec<Fr> = expected.into_iter().map(|y| field(i128::from(y))).collect();
    assert_eq!(results(&gadget, &grid), expected);
    assert_eq!(Checker::of::<Gadget>().broken(&grid, &instances(&grid)), BTreeSet::new());
}

#[test]
fn bytes_are_rounded_as_the_protocol_rounds_them() {
    rounding_is_that_of_the_protocol::<BYTE>(fixed::requantize);
    assert_eq!(fixed::requantize_stochastic(-77, 3, 5), fixed::rsr(-77, 3, 5).clamp(-BYTE_MAX, BYTE_MAX));
}

#[test]
fn logits_are_rounded_as_the_protocol_rounds_them() {
    rounding_is_that_of_the_protocol::<LOGIT>(|acc, s| fixed::logit(acc, fixed::LOGIT_EXPONENT - s));
}

#[test]
fn gradients_are_aligned_as_the_protocol_aligns_them() {
    rounding_is_that_of_the_protocol::<GRADIENT>(|g, s| fixed::align_gradient(g, fixed::GRADIENT_EXPONENT - s));
}

#[test]
fn halo2_accepts_the_rounding() {
    for s in [-40, -3, 0, 9, 31, 32, 50] {
        let gadget = gadget(rounded::<BYTE>, &[s, -12_345, 77_777_777, 1 << 30, 3]);
        let mock = MockProver::run(12, &Sheet::new(&gadget), vec![instances(&gadget.grid())]);
        mock.expect("the circuit fits").assert_satisfied();
    }
}

/// Rounds 3 by this shift, which is out of range.
#[test]
fn a_shift_of_two_to_the_32_is_refused() {
    for s in [1 << 32, -(1 << 32)] {
        let grid = gadget(rounded::<BYTE>, &[s, 3, 3]).grid();
        let broken = Checker::of::<Gadget>().broken(&grid, &instances(&grid));
        assert!(broken.contains(&Constraint::Lookup("9 bits")), "{s}: {broken:?}");
    }
}

/// One of each of the small operations on `x, y, flag`.
fn basics(arithmetic: &mut Arithmetic, grid: &mut Grid, inputs: &[Cell]) -> Vec<Cell> {
    let &[x, y, flag] = inputs else { panic!("three inputs") };
    let seven = arithmetic.constant(grid, Fr::from(7));
    assert_eq!(arithmetic.constant(grid, Fr::from(7)), seven, "a constant is made once");
    let product = arithmetic.multiply(grid, x, y);
    let linear = arithmetic.linear(grid, &[(x, Fr::from(3)), (y, -Fr::from(5)), (seven, Fr::from(2))], "linear");
    // Goes on from the line that stands last.
    let more = arithmetic.linear(grid, &[(linear, -Fr::ONE), (x, Fr::ONE)], "linear");
    let dot = arithmetic.dot(grid, more, &[(x, x), (y, seven)]);
    let further = arithmetic.dot(grid, dot, &[(seven, seven)]);
    let chosen = arithmetic.choose(grid, flag, x, y);
    let zero = arithmetic.is_zero(grid, x);
    let difference = arithmetic.difference(grid, x, y);
    let same = arithmetic.is_zero(grid, difference);
    arithmetic.equal_if(grid, same, x, y);
    arithmetic.equal_unless(grid, flag, chosen, y);
    let bits: Vec<Cell> = [true, false, true].map(|bit| arithmetic.bit(grid, bit, INPUT)).to_vec();
    let power = arithmetic.power(grid, &bits);
    arithmetic.natural(grid, x);
    arithmetic.natural_of(grid, y, 3);
    vec![product, linear, more, dot, further, chosen, zero, same, power]
}

#[test]
fn small_operations_compute_what_they_say() {
    let big = (1 << 66) - 1;
    for (x, y) in [(0, 0), (5, 0), (0, 9), (4, 4), (big, (1 << 33) - 1)] {
        for flag in [0, 1] {
            let gadget = gadget(basics, &[x, y, flag]);
            let grid = gadget.grid();
            let [fx, fy] = [x, y].map(field);
            let linear = fx * Fr::from(3) - fy * Fr::from(5) + Fr::from(14);
            let (more, bit) = (fx - linear, |bit: bool| Fr::from(u64::from(bit)));
            let dot = more + fx * fx + fy * Fr::from(7);
            let chosen = if flag == 1 { fx } else { fy };
            let further = dot + Fr::from(49);
            let expected = [fx * fy, linear, more, dot, further, chosen, bit(x == 0), bit(x == y), Fr::from(32)];
            assert_eq!(results(&gadget, &grid), expected, "{x}, {y}, {flag}");
            let broken = Checker::of::<Gadget>().broken(&grid, &instances(&grid));
            assert_eq!(broken, BTreeSet::new(), "{x}, {y}, {flag}");
        }
    }
}

/// The book has these numbers, in its chapter on cells.
#[test]
fn operations_take_the_rows_that_the_book_says() {
    let measured: Operation = |arithmetic, grid, inputs| {
        let &[s, x, r, bit] = inputs else { panic!("four inputs") };
        // Constants are made before: they cost nothing later.
        for value in [31, 127, 128, LOGIT, 2 * LOGIT] {
            arithmetic.constant(grid, Fr::from(value));
        }
        let shift = arithmetic.shift(grid, s);
        let mut rows = |name, expected, operation: &dyn Fn(&mut Arithmetic, &mut Grid) -> Cell| {
            // A line stands before each.
            arithmetic.difference(grid, x, r);
            let before = grid.height(Advice::Value);
            operation(arithmetic, grid);
            assert_eq!(grid.height(Advice::Value) - before, expected, "{name}");
        };
        rows("product", 1, &|arithmetic, grid| arithmetic.multiply(grid, x, r));
        rows("product after product", 3, &|arithmetic, grid| {
            arithmetic.multiply(grid, x, r);
            arithmetic.multiply(grid, x, r)
        });
        rows("linear", 3, &|arithmetic, grid| arithmetic.linear(grid, &[x, r, s].map(|cell| (cell, Fr::ONE)), "sum"));
        rows("choice", 3, &|arithmetic, grid| arithmetic.choose(grid, bit, x, r));
        rows("is zero", 3, &|arithmetic, grid| arithmetic.is_zero(grid, x));
        rows("natural", 6, &|arithmetic, grid| arithmetic.natural(grid, x));
        rows("power", 14, &|arithmetic, grid| arithmetic.power(grid, &[bit; 5]));
        rows("shift", 71, &|arithmetic, grid| arithmetic.shift(grid, s).right);
        rows("dither", 8, &|arithmetic, grid| arithmetic.dither(grid, r, shift.right));
        rows("byte", 22, &|arithmetic, grid| arithmetic.round(grid, x, &shift, shift.half, BYTE));
        rows("logit", 28, &|arithmetic, grid| arithmetic.round(grid, x, &shift, shift.half, LOGIT));
        vec![]
    };
    gadget(measured, &[2, 17, 5, 1]).grid();
}

#[test]
fn numbers_that_are_not_natural_are_refused() {
    let checker = Checker::of::<Gadget>();
    let refused = |x, y| {
        let grid = gadget(basics, &[x, y, 0]).grid();
        checker.refuses(&grid, &instances(&grid), |_| false)
    };
    assert!(!refused(1 << 65, 1 << 32));
    for (x, y) in [(-1, 1), (1 << 66, 1), (i128::MAX, 1), (1, 1 << 33), (1, -1)] {
        assert!(refused(x, y), "{x}, {y}");
    }
}

#[test]
fn unequal_cells_are_refused_as_the_flag_says() {
    let unequal: Operation = |arithmetic, grid, inputs| {
        arithmetic.equal_if(grid, inputs[0], inputs[1], inputs[2]);
        arithmetic.equal_unless(grid, inputs[3], inputs[1], inputs[2]);
        vec![]
    };
    let checker = Checker::of::<Gadget>();
    for (inputs, refused) in
        [([0, 4, 5, 1], false), ([1, 4, 5, 1], true), ([0, 4, 5, 0], true), ([1, 4, 4, 0], false), ([1, 4, 5, 0], true)]
    {
        let grid = gadget(unequal, &inputs).grid();
        assert_eq!(checker.refuses(&grid, &instances(&grid), |_| false), refused, "{inputs:?}");
    }
}

/// Altered grids, each made from the honest one by a few changes with all that depends on them
/// following.
struct Attack {
    gadget: Gadget,
    honest: Grid,
    checker: Checker,
}

impl Attack {
    fn on(operation: Operation, inputs: &[i128]) -> Self {
        let gadget = gadget(operation, inputs);
        let honest = gadget.grid();
        let checker = Checker::of::<Gadget>();
        assert!(!checker.refuses(&honest, &instances(&honest), |_| false), "{inputs:?}");
        Self { gadget, honest, checker }
    }

    /// Numbers of the assignments with one of these names.
    fn named(&self, names: &[&str]) -> Vec<usize> {
        let all = self.honest.assignments.iter().enumerate();
        let named = all.filter(|(_, assignment)| names.contains(&assignment.name)).map(|(at, _)| at);
        named.collect()
    }

    /// Numbers of all assignments that are neither copies nor inputs.
    fn all(&self) -> Vec<usize> {
        let all = self.honest.assignments.iter().enumerate();
        let own = all.filter(|(_, a)| a.origin != Origin::Copied && a.name != INPUT).map(|(at, _)| at);
        own.collect()
    }

    /// The change that gives an assignment this value, where what it is computed from stays.
    fn set(&self, at: usize, value: i128) -> (usize, Fr) {
        (at, field(value) - self.honest.value(self.honest.assignments[at].cell))
    }

    fn honest_value(&self, at: usize) -> i128 {
        self.honest.integer(self.honest.assignments[at].cell)
    }

    /// Whether an altered grid that claims something else is refused.
    fn holds(&self, changes: &[(usize, Fr)]) -> bool {
        let grid = self.gadget.tampered_grid(changes);
        let claim = instances(&grid);
        claim == instances(&self.honest) || self.checker.refuses(&grid, &claim, |_| false)
    }

    fn hold(&self, attempts: &[Vec<(usize, Fr)>]) {
        assert!(!attempts.is_empty());
        attempts.par_iter().for_each(|changes| {
            let names: Vec<_> = changes.iter().map(|&(at, _)| self.honest.assignments[at]).collect();
            assert!(self.holds(changes), "{:?}: {names:?} + {changes:?}", self.gadget.inputs);
        });
    }
}

/// Shifts, numbers and dithers: within limits, at them, saturated, each kind of shift.
const CASES: [[i128; 3]; 8] = [
    [3, -77, 0x9E37_79B9],
    [0, 127, 1],
    [-2, -31, 7],
    [4, 2040, u32::MAX as i128],
    [31, -(1 << 30), 1 << 31],
    [40, -5, u32::MAX as i128],
    [-35, 1, 0],
    [-50, 0, 5],
];

/// The powers of a shift.
fn powers(arithmetic: &mut Arithmetic, grid: &mut Grid, inputs: &[Cell]) -> Vec<Cell> {
    let shift = arithmetic.shift(grid, inputs[0]);
    vec![shift.right, shift.left, shift.half]
}

#[test]
fn no_cell_can_be_altered() {
    let mut random = ChaCha20Rng::seed_from_u64(1);
    let cases = CASES.iter().map(|case| Attack::on(rounded::<BYTE>, case));
    let words = CASES[..2].iter().map(|case| Attack::on(rounded::<GRADIENT>, case));
    let shifts = [-40, -31, -1, 0, 1, 31, 32, 70].map(|s| Attack::on(powers, &[s]));
    let others = [[0, 9, 1], [5, 5, 0]].map(|case| Attack::on(basics, &case));
    for attack in cases.chain(words).chain(shifts).chain(others) {
        let mut attempts = Vec::new();
        for at in attack.all() {
            let random = Fr::random(&mut random);
            attempts.extend([Fr::ONE, -Fr::ONE, random].map(|change| vec![(at, change)]));
        }
        attack.hold(&attempts);
    }
}

/// The witnesses of a shift conspire: every two of its bits and limbs, up and down.
#[test]
fn no_two_parts_of_a_shift_can_be_altered() {
    let names = ["shift by 32", "right shift bit", "left shift bit", "right shift beyond 32", "left shift beyond 31"];
    for s in [-50, -31, -30, -2, 0, 1, 3, 31, 32, 33, 40] {
        let attack = Attack::on(powers, &[s]);
        let parts = attack.named(&names);
        assert_eq!(parts.len(), 1 + 5 + 5 + 3 + 3);
        let mut attempts = Vec::new();
        for (i, &one) in parts.iter().enumerate() {
            for &other in &parts[..i] {
                for (up, down) in [(1, 1), (1, -1), (-1, 1), (-1, -1)] {
                    attempts.push(vec![(one, field(up)), (other, field(down))]);
                }
            }
        }
        attack.hold(&attempts);
    }
}

/// The result and both flags conspire: the result moved a little or to a limit, under every choice of
/// the flags.
#[test]
fn no_other_result_can_be_shown_with_other_flags() {
    for case in CASES.into_iter().chain([[2, 506, 9], [2, -510, 9], [0, -128, 0], [0, 128, 0], [1, 254, 0]]) {
        let attack = Attack::on(rounded::<BYTE>, &case);
        let [results, lows, insides] =
            ["below the limit", "saturated low", "inside the limits"].map(|name| attack.named(&[name]));
        assert_eq!([results.len(), lows.len(), insides.len()], [2; 3]);
        let mut attempts = Vec::new();
        for ((&result, &low), &inside) in results.iter().zip(&lows).zip(&insides) {
            let below = attack.honest_value(result);
            for shown in (below - 2..=below + 2).chain([0, 1, 128, 255, 256]) {
                for flags in 0..4 {
                    attempts.push(vec![
                        attack.set(result, shown),
                        attack.set(low, flags & 1),
                        attack.set(inside, flags >> 1),
                    ]);
                }
            }
        }
        attack.hold(&attempts);
    }
}

/// -77 / 8 is -10 to the nearest. A flag of 1/9 would show -9, whose remainder is -1, as one of 0.
#[test]
fn a_flag_that_is_no_bit_is_refused() {
    let attack = Attack::on(rounded::<BYTE>, &[3, -77, 0]);
    let [result, low] = ["below the limit", "saturated low"].map(|name| attack.named(&[name])[0]);
    let ninth = Fr::from(9).invert().expect("9 is not 0");
    let lie = [attack.set(result, 128 + 9), (low, ninth)];
    let grid = attack.gadget.tampered_grid(&lie);
    assert_eq!(results(&attack.gadget, &grid)[0], field(-9));
    let broken = attack.checker.broken(&grid, &instances(&grid));
    assert_eq!(broken, [Constraint::Lookup("bit")].into());
}

/// A sum beyond a limit of words, shown as it is: only the two words about the limit stand against it.
#[test]
fn a_result_beyond_its_limit_is_refused() {
    let limit = i128::from(LOGIT);
    for (beyond, whose) in [(limit + 5, "below the limit"), (-limit - 5, "above the limit")] {
        let attack = Attack::on(rounded::<LOGIT>, &[0, beyond, 0]);
        let [lows, insides, below, above] =
            ["saturated low", "inside the limits", "below the limit", "above the limit"]
                .map(|name| attack.named(&[name]));
        let below_shown = limit - beyond;
        let flags = [attack.set(lows[0], 0), attack.set(insides[0], 1)];
        // The limbs that honest numbers of this size have, and one that has the top limb of 0.
        let whole = limbs(below_shown).into_iter().zip(&below).map(|(limb, &at)| attack.set(at, limb));
        let shown: Vec<_> = flags.into_iter().chain(whole).collect();
        let grid = attack.gadget.tampered_grid(&shown);
        assert_eq!(results(&attack.gadget, &grid)[0], field(beyond), "{whose}");
        assert!(attack.checker.refuses(&grid, &instances(&grid), |_| false), "{whose}");
        let top = grid.value(grid.assignments[above[0]].cell);
        let hidden: Vec<_> = shown.into_iter().chain([(above[0], -top)]).collect();
        attack.hold(&[hidden]);
    }
}

/// Limbs of a word as the circuit has them, the highest first.
fn limbs(value: i128) -> [i128; 3] {
    [value >> 22, value >> 11 & 2047, value & 2047]
}

/// With an inverse of 0, a bit that says 0 of a number that is not.
#[test]
fn zero_is_not_shown_of_another_number() {
    let attack = Attack::on(basics, &[5, 9, 0]);
    let (bits, inverses) = (attack.named(&["is zero"]), attack.named(&["inverse"]));
    let value = |at: usize| attack.honest.value(attack.honest.assignments[at].cell);
    let lies = bits.iter().zip(&inverses).map(|(&bit, &inverse)| vec![(bit, Fr::ONE), (inverse, -value(inverse))]);
    attack.hold(&lies.collect::<Vec<_>>());
}
