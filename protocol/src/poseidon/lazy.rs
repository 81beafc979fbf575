//! Field arithmetic that postpones reductions, for [`super::permute`] only.
//!
//! A [`Lazy`] is a Montgomery residue of the field (modulus p, radix 2^256), known up to multiples
//! of p: p < 0.1891 * 2^256, so values up to 5.28 p fit in four words. If a < A p and b < B p,
//! their Montgomery product is below (0.1891 A B + 1) p, hence small factors need no subtraction.

use ark_bn254::Fr;
use ark_ff::{BigInt, PrimeField};

/// Words of a residue, least significant first.
pub(super) type Lazy = [u64; 4];

const P: Lazy = Fr::MODULUS.0;
const P2: Lazy = doubled(P);
/// -1 / p mod 2^64.
const NEGATIVE_INVERSE: u64 = negative_inverse(P[0]);

/// The residue of a field element, below p.
pub(super) const fn from_field(a: Fr) -> Lazy {
    a.0.0
}

/// The field element of a residue below 4 p.
#[inline(always)]
pub(super) fn to_field(a: Lazy) -> Fr {
    Fr::new_unchecked(BigInt(below_p(below_2p(a))))
}

/// a below 4 p, to below 2 p.
#[inline(always)]
pub(super) fn below_2p(a: Lazy) -> Lazy {
    subtract_if_not_less(a, P2)
}

/// a below 2 p, to below p.
#[inline(always)]
pub(super) fn below_p(a: Lazy) -> Lazy {
    subtract_if_not_less(a, P)
}

/// a + b; the sum must fit.
#[inline(always)]
pub(super) fn add(a: Lazy, b: Lazy) -> Lazy {
    let (r0, carry) = a[0].carrying_add(b[0], false);
    let (r1, carry) = a[1].carrying_add(b[1], carry);
    let (r2, carry) = a[2].carrying_add(b[2], carry);
    let (r3, _) = a[3].carrying_add(b[3], carry);
    [r0, r1, r2, r3]
}

/// 2 a^5, for a < 2 p: below 2.2 p.
#[inline(always)]
pub(super) fn twice_fifth_power(a: Lazy) -> Lazy {
    multiply(fourth_power(a), add(a, a))
}

/// a^5, for a < 2 p: below 1.6 p.
#[inline(always)]
pub(super) fn fifth_power(a: Lazy) -> Lazy {
    multiply(fourth_power(a), a)
}

#[inline(always)]
fn fourth_power(a: Lazy) -> Lazy {
    let square = multiply(a, a);
    multiply(square, square)
}

/// a * b.
#[inline(always)]
pub(super) fn multiply(a: Lazy, b: Lazy) -> Lazy {
    sum_of_products([a], &[b])
}

/// sum of factor_i * value_i with one reduction, for at most four factors below p, or one below
/// 4 p: the running sum then stays below 5 p, in four words.
#[inline(always)]
pub(super) fn sum_of_products<const N: usize>(values: [Lazy; N], factors: &[Lazy; N]) -> Lazy {
    let mut sum = [0; 4];
    for word in 0..sum.len() {
        let mut top = 0;
        for (value, &factor) in values.iter().zip(factors) {
            let carry;
            (sum, carry) = add_product(sum, factor, value[word]);
            top += carry;
        }
        sum = reduce_word(sum, top);
    }
    sum
}

/// sum + a * word, as four words and a carry.
#[inline(always)]
fn add_product(sum: Lazy, a: Lazy, word: u64) -> (Lazy, u64) {
    let (r0, carry) = a[0].carrying_mul_add(word, sum[0], 0);
    let (r1, carry) = a[1].carrying_mul_add(word, sum[1], carry);
    let (r2, carry) = a[2].carrying_mul_add(word, sum[2], carry);
    let (r3, carry) = a[3].carrying_mul_add(word, sum[3], carry);
    ([r0, r1, r2, r3], carry)
}

/// (sum + top 2^256 + m p) / 2^64, with the m that makes it exact.
#[inline(always)]
fn reduce_word(sum: Lazy, top: u64) -> Lazy {
    let m = sum[0].wrapping_mul(NEGATIVE_INVERSE);
    let (_, carry) = m.carrying_mul_add(P[0], sum[0], 0);
    let (r0, carry) = m.carrying_mul_add(P[1], sum[1], carry);
    let (r1, carry) = m.carrying_mul_add(P[2], sum[2], carry);
    let (r2, carry) = m.carrying_mul_add(P[3], sum[3], carry);
    [r0, r1, r2, top + carry]
}

#[inline(always)]
fn subtract_if_not_less(a: Lazy, b: Lazy) -> Lazy {
    let (r0, borrow) = a[0].borrowing_sub(b[0], false);
    let (r1, borrow) = a[1].borrowing_sub(b[1], borrow);
    let (r2, borrow) = a[2].borrowing_sub(b[2], borrow);
    let (r3, borrow) = a[3].borrowing_sub(b[3], borrow);
    // Selected with a mask: as a branch it would be mispredicted half the time.
    let keep = u64::from(borrow).wrapping_neg();
    [r0 ^ (keep & (r0 ^ a[0])), r1 ^ (keep & (r1 ^ a[1])), r2 ^ (keep & (r2 ^ a[2])), r3 ^ (keep & (r3 ^ a[3]))]
}

const fn doubled(a: Lazy) -> Lazy {
    [a[0] << 1, a[1] << 1 | a[0] >> 63, a[2] << 1 | a[1] >> 63, a[3] << 1 | a[2] >> 63]
}

/// Newton: each round doubles the number of correct low bits, from three.
const fn negative_inverse(p: u64) -> u64 {
    let mut inverse = p;
    let mut round = 0;
    while round < 5 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(p.wrapping_mul(inverse)));
        round += 1;
    }
    inverse.wrapping_neg()
}
