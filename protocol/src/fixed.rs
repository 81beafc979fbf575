//! The integer semantics of training: every rounding, clamp and table look-up, defined once.
//!
//! A real tensor is an integer array and an exponent `e`, `real = q * 2^e`. All arithmetic is two's
//! complement and exact, so that every thread count, device and batch split gives the same bits.
//! Each function states its equation and the input range in which nothing can wrap; shaders and
//! circuits are held to these functions. Functions stand in the order in which a step uses them.

use crate::tables::{EXP, LN};

/// Weights of one leaf: 64 consecutive weights of one row of a tensor.
pub const LEAF: usize = 64;
/// Weights of one 4-bit block, which share one scale: half a leaf.
pub const BLOCK: usize = 32;
/// Fraction bits of a master weight: `real = W * 2^-24`.
pub const WEIGHT_FRACTION: i32 = 24;
/// A committed word `w` (weight, momentum) lies in `[-WORD_BIAS, WORD_BIAS)`; its slot is `w + WORD_BIAS`.
pub const WORD_BIAS: i32 = 1 << 30;
/// Bits of the slot of a committed word.
pub const WORD_BITS: u32 = 31;
/// The smallest legal committed word.
pub const WORD_MIN: i32 = -WORD_BIAS;
/// The largest legal committed word.
pub const WORD_MAX: i32 = WORD_BIAS - 1;
/// Largest magnitude of an activation, an error or an 8-bit weight.
pub const BYTE_MAX: i32 = 127;
/// Largest magnitude of a 4-bit code; -8 is never used.
pub const CODE_MAX: i32 = 7;
/// Exponent of the features of a record.
pub const FEATURE_EXPONENT: i32 = -7;
/// Exponent of the logits: units of `2^-8` nat.
pub const LOGIT_EXPONENT: i32 = -8;
/// Largest magnitude of a logit.
pub const LOGIT_MAX: i32 = 1 << 22;
/// Exponent of the probabilities and of the errors of one row before the division by the batch.
pub const ERROR_EXPONENT: i32 = -15;
/// Exponent of the aligned gradient and of the momenta.
pub const GRADIENT_EXPONENT: i32 = -32;
/// Largest magnitude of an aligned gradient.
pub const GRADIENT_MAX: i32 = WORD_MAX;
/// Momentum moves by `1/8` of its distance to the gradient.
pub const MOMENTUM_SHIFT: i32 = 3;
/// The gradient scale of a leaf moves by `1/32` of its distance.
pub const SCALE_SHIFT: i32 = 5;
/// Smallest shift from momentum to code. Momenta stall at 4 or -3 once gradients stop; with a smaller
/// shift they would move weights for ever.
pub const CODE_SHIFT_MIN: i32 = 4;
/// Learning rates lie in `[1, LEARNING_RATE_BOUND)`, so that `7 * learning_rate < 2^29`.
pub const LEARNING_RATE_BOUND: u32 = 1 << 26;
/// Largest block scale of the 4-bit weights; `7 * 18 = 126` still fits a byte.
pub const BLOCK_SCALE_MAX: i32 = 18;
/// Largest left shift result: the limit of the saturating shifts of [`rshn`] and [`rsr`].
pub const SHIFT_MAX: i32 = 1 << 30;

/// Number of bits of `m`: the smallest `k` with `m < 2^k`; 0 for 0.
pub fn bit_length(m: u32) -> i32 {
    (32 - m.leading_zeros()) as i32
}

/// `floor(x / d)` for `d >= 1`.
pub fn floor_div(x: i32, d: i32) -> i32 {
    x.div_euclid(d)
}

/// `round(x / 2^s)`, halves up: `(x >> s) + bit s-1 of x` for `s` in 1..=31.
///
/// `s = 0` gives `x`, `s >= 32` gives 0, `s < 0` is the left shift saturating at +-2^30. Any input.
pub fn rshn(x: i32, s: i32) -> i32 {
    match s {
        ..=0 => shift_left(x, s),
        1..=31 => (x >> s) + ((x >> (s - 1)) & 1),
        32.. => 0,
    }
}

/// A sum of exponents as the functions here take one: every shift beyond 32 either way does the same.
pub fn bounded(exponent: i64) -> i32 {
    exponent.clamp(-(1 << 30), 1 << 30) as i32
}

/// `floor((x + (r >> (32 - s))) / 2^s)` for `s` in 1..=31: rounding with the uniform dither `r`.
///
/// The edges are those of [`rshn`]. Any input: the low `s` bits and the dither are added apart from
/// the high ones, so that nothing wraps.
pub fn rsr(x: i32, s: i32, r: u32) -> i32 {
    match s {
        ..=0 => shift_left(x, s),
        1..=31 => {
            let low = x as u32 & ((1 << s) - 1);
            let carry = (low + (r >> (32 - s))) >> s;
            (x >> s) + carry as i32
        }
        32.. => 0,
    }
}

/// The permuted congruential generator PCG-RXS-M-XS-32, one word from one word. Any input.
pub fn pcg(x: u32) -> u32 {
    let s = x.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let w = ((s >> ((s >> 28) + 4)) ^ s).wrapping_mul(277_803_737);
    (w >> 22) ^ w
}

/// Dither key of one tensor: `pcg(pcg(pcg(seed) ^ step) ^ (site * 0x85EBCA6B))`. Any input.
///
/// `site` numbers the stochastic roundings of a step in their order, from 1.
pub fn key(seed: u32, step: u32, site: u32) -> u32 {
    pcg(pcg(pcg(seed) ^ step) ^ site.wrapping_mul(0x85EB_CA6B))
}

/// Dither of element `i`: `pcg(floor(i / 256) + key) + (i mod 256) * 0x9E3779B9 mod 2^32`. Any input.
///
/// One hash for 256 elements, a golden-ratio Weyl sequence between. `i` is the row-major index in
/// the whole, unpadded batch, so that splitting a batch changes nothing.
pub fn dither(key: u32, i: u32) -> u32 {
    pcg((i / 256).wrapping_add(key)).wrapping_add((i % 256).wrapping_mul(0x9E37_79B9))
}

/// What a tensor with largest magnitude `max_abs` asks its exponent to grow by, to fit a byte:
/// `max(0, bit_length(max_abs) - 7)`. Any input.
pub fn byte_shift(max_abs: u32) -> i32 {
    (bit_length(max_abs) - 7).max(0)
}

/// A byte from a sum: `clamp(rshn(acc, shift), -127, 127)`. Any input.
pub fn requantize(acc: i32, shift: i32) -> i32 {
    rshn(acc, shift).clamp(-BYTE_MAX, BYTE_MAX)
}

/// A byte from a sum with the dither `r`: `clamp(rsr(acc, shift, r), -127, 127)`. Any input.
pub fn requantize_stochastic(acc: i32, shift: i32, r: u32) -> i32 {
    rsr(acc, shift, r).clamp(-BYTE_MAX, BYTE_MAX)
}

/// Logit of a sum with exponent `e`: `clamp(rshn(acc, -8 - e), -2^22, 2^22)`, units of `2^-8` nat.
/// `e` in -2^30..=2^30.
pub fn logit(acc: i32, e: i32) -> i32 {
    rshn(acc, LOGIT_EXPONENT - e).clamp(-LOGIT_MAX, LOGIT_MAX)
}

/// Softmax, cross entropy and its error over the logits of one row.
///
/// With `d_c = max(z) - z_c`, `x_c = EXP[d_c]` (0 from 4096 on) and `S = sum x`:
/// `p_c = floor(x_c * 2^15 / S)`; `errors_c = p_c`, the target's less `sum p`, so that the row sums
/// to 0 exactly (exponent -15). Returns the loss in Q16 nats,
/// `(d_target << 8) + (k - 16) * 45426 + LN[(S >> (k - 10)) - 1024]` with `k = bit_length(S) - 1`.
///
/// `logits` holds 1..=65535 values in -2^22..=2^22, `errors` as many; `target` is one of the indices.
pub fn softmax_row(logits: &[i32], target: usize, errors: &mut [i32]) -> u32 {
    let max = logits.iter().copied().max().unwrap_or(0);
    let sum: u32 = logits.iter().map(|z| exp(max - z)).sum();
    let mut total = 0;
    for (error, z) in errors.iter_mut().zip(logits) {
        *error = ((exp(max - z) << 15) / sum) as i32;
        total += *error;
    }
    errors[target] -= total;
    ((max - logits[target]) as u32) * 256 + ln(sum)
}

/// A gradient with exponent `e` at exponent -32: `clamp(rshn(g, -32 - e), -(2^30-1), 2^30-1)`.
/// `e` in -2^30..=2^30.
pub fn align_gradient(g: i32, e: i32) -> i32 {
    rshn(g, GRADIENT_EXPONENT - e).clamp(-GRADIENT_MAX, GRADIENT_MAX)
}

/// The next momentum: `m + rshn(ga - m, 3)`.
///
/// `m` in `[-2^30, 2^30)`, `ga` in `[-(2^30-1), 2^30-1]`; the result lies in the range of `m`.
pub fn momentum(m: i32, ga: i32) -> i32 {
    m + rshn(ga - m, MOMENTUM_SHIFT)
}

/// The size of the gradient of one leaf: the sum of `|ga| >> 6`.
///
/// At most 64 values in `[-(2^30-1), 2^30-1]`; the result lies in `[0, 2^30)`.
pub fn leaf_gradient_sum(gradient: &[i32]) -> i32 {
    gradient.iter().map(|ga| ga.abs() >> 6).sum()
}

/// The running gradient scale of a leaf: `a` on the first step of a task, else
/// `v + rshn(a - v, 5)`. Both in `[0, 2^30)`, as is the result.
pub fn scale_average(v: Option<i32>, a: i32) -> i32 {
    match v {
        None => a,
        Some(v) => v + rshn(a - v, SCALE_SHIFT),
    }
}

/// Shift from momentum to code for the (new) scale `v` of the leaf: `max(4, bit_length(v) - 3)`.
/// `v` in `[0, 2^30)` gives 4..=27.
pub fn code_shift(v: i32) -> i32 {
    (bit_length(v as u32) - 3).max(CODE_SHIFT_MIN)
}

/// The 4-bit update of a weight from its (new) momentum: `clamp(rshn(momentum, shift), -7, 7)`, or 0
/// where [`update`] would take the weight out of `[-2^30, 2^30)`.
///
/// `shift` from [`code_shift`], `weight` in that range, `learning_rate` in `1..2^26`.
pub fn code(momentum: i32, shift: i32, weight: i32, learning_rate: u32) -> i32 {
    let code = rshn(momentum, shift).clamp(-CODE_MAX, CODE_MAX);
    let updated = update(weight, code, learning_rate);
    if (WORD_MIN..=WORD_MAX).contains(&updated) { code } else { 0 }
}

/// The next weight: `weight - code * learning_rate`.
///
/// `weight` in `[-2^30, 2^30)`, `code` in `-7..=7`, `learning_rate` in `1..2^26`: no wrap.
pub fn update(weight: i32, code: i32, learning_rate: u32) -> i32 {
    weight - code * learning_rate as i32
}

/// Exponent of a tensor's 4-bit weights: the smallest `s >= 1` with `max_abs <= 126 * 2^s`.
/// `max_abs` up to 2^30 gives 1..=24.
pub fn block_exponent(max_abs: u32) -> u32 {
    (1..24).find(|&s| max_abs <= 126 << s).unwrap_or(24)
}

/// Scale of a block of 4-bit weights: `clamp(ceil(max_abs / (7 * 2^st)), 1, 18)`, the smallest that
/// holds `max_abs` of the block. `max_abs` up to 2^30, `st` from [`block_exponent`].
pub fn block_scale(max_abs: u32, st: u32) -> i32 {
    max_abs.div_ceil(7 << st).clamp(1, BLOCK_SCALE_MAX as u32) as i32
}

/// The 4-bit weight: `clamp(floor((w + d/2) / d), -7, 7)` with `d = scale * 2^st`; it stands for the
/// byte `code * scale` at exponent `st - 24`.
///
/// `w` in `[-2^30, 2^30)`, `scale` in 1..=18, `st` in 1..=24. The clamp only binds where `scale` or
/// `st` are not those of the block.
pub fn quantize(w: i32, scale: i32, st: u32) -> i32 {
    let d = scale << st;
    floor_div(w + d / 2, d).clamp(-CODE_MAX, CODE_MAX)
}

/// `x * 2^-s` for `s <= 0`, saturating at +-2^30 unless `s` is 0. Every shift by 30 bits or more
/// takes anything but 0 to a limit.
fn shift_left(x: i32, s: i32) -> i32 {
    if s == 0 {
        return x;
    }
    let bits = s.unsigned_abs().min(30);
    let limit = SHIFT_MAX >> bits;
    x.clamp(-limit, limit) << bits
}

/// `2^16 * exp(-d / 256)`, 0 from 16 nats on.
fn exp(d: i32) -> u32 {
    EXP.get(d as usize).copied().unwrap_or(0)
}

/// `2^16 * ln(s / 2^16)` for `s >= 2^16`.
fn ln(s: u32) -> u32 {
    let k = s.ilog2();
    (k - 16) * 45_426 + LN[(s >> (k - 10)) as usize - 1024]
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// `floor(x / 2^s)` in wide integers.
    fn floor_shift(x: i128, s: i32) -> i128 {
        x.div_euclid(1 << s)
    }

    fn word() -> impl Strategy<Value = i32> {
        prop_oneof![WORD_MIN..=WORD_MAX, Just(WORD_MIN), Just(WORD_MAX), -300..300]
    }

    fn gradient() -> impl Strategy<Value = i32> {
        prop_oneof![-GRADIENT_MAX..=GRADIENT_MAX, Just(GRADIENT_MAX), Just(-GRADIENT_MAX), -90..90]
    }

    fn any_i32() -> impl Strategy<Value = i32> {
        prop_oneof![any::<i32>(), Just(i32::MIN), Just(i32::MAX), -300..300]
    }

    #[test]
    fn rounding_shift_takes_halves_up_and_has_no_wrap_at_its_edges() {
        assert_eq!([3, 2, 1, 0, -1, -2, -3].map(|x| rshn(x, 1)), [2, 1, 1, 0, 0, -1, -1]);
        assert_eq!([i32::MIN, i32::MAX].map(|x| rshn(x, 31)), [-1, 1]);
        assert_eq!([i32::MIN, i32::MAX].map(|x| rshn(x, 1)), [-(1 << 30), 1 << 30]);
        assert_eq!([i32::MIN, i32::MAX].map(|x| rshn(x, 32)), [0, 0]);
        assert_eq!([i32::MIN, i32::MAX].map(|x| rshn(x, i32::MAX)), [0, 0]);
        assert_eq!([i32::MIN, i32::MAX].map(|x| rshn(x, 0)), [i32::MIN, i32::MAX]);
    }

    #[test]
    fn left_shift_saturates_at_two_to_the_30() {
        assert_eq!([1, -1, 3, 0].map(|x| rshn(x, -29)), [1 << 29, -(1 << 29), 1 << 30, 0]);
        assert_eq!([1, -1, 0].map(|x| rshn(x, -30)), [1 << 30, -(1 << 30), 0]);
        assert_eq!([1, -1, 0].map(|x| rsr(x, -1000, 9)), [1 << 30, -(1 << 30), 0]);
        assert_eq!([i32::MIN, i32::MAX, 0].map(|x| rshn(x, i32::MIN)), [-(1 << 30), 1 << 30, 0]);
        assert_eq!(rshn(i32::MAX, -1), 1 << 30);
    }

    #[test]
    fn dithered_shift_has_no_wrap_at_its_edges() {
        for r in [0, 1, u32::MAX] {
            assert_eq!(rsr(i32::MAX, 0, r), i32::MAX);
            assert_eq!(rsr(i32::MIN, 32, r), 0);
        }
        assert_eq!(rsr(i32::MAX, 31, u32::MAX), 1);
        assert_eq!(rsr(i32::MIN, 31, 0), -1);
        assert_eq!(rsr(-1, 1, u32::MAX), 0);
        assert_eq!(rsr(-1, 1, 0), -1);
    }

    #[test]
    fn dither_is_unbiased_over_a_block() {
        // floor((x + r) / 2^s) over uniform r has mean x / 2^s.
        let (x, s) = (37, 6);
        let key = key(1, 2, 3);
        let sum: i32 = (0..1 << 16).map(|i| rsr(x, s, dither(key, i))).sum();
        let mean = f64::from(sum) / f64::from(1 << 16);
        assert!((mean - 37.0 / 64.0).abs() < 1e-3, "{mean}");
    }

    #[test]
    fn dither_hashes_once_in_256_elements() {
        assert_eq!(dither(5, 255).wrapping_sub(dither(5, 0)), 0x9E37_79B9u32.wrapping_mul(255));
        assert_eq!(dither(5, 256), pcg(6));
        assert_eq!(dither(u32::MAX, u32::MAX), pcg(0xFF_FFFE).wrapping_add(0x9E37_79B9u32.wrapping_mul(255)));
    }

    #[test]
    fn generator_gives_the_published_values() {
        // PCG hash, Jarzynski and Olano 2020, in its 32-bit form.
        assert_eq!(pcg(0), 129_708_002);
        assert_eq!(key(0, 0, 0), pcg(pcg(pcg(0))));
    }

    #[test]
    fn bit_length_counts_bits() {
        let lengths = [0, 1, 2, 127, 128, 1 << 31, u32::MAX].map(bit_length);
        assert_eq!(lengths, [0, 1, 2, 7, 8, 32, 32]);
        assert_eq!([0, 127, 128, 255, 256].map(byte_shift), [0, 0, 1, 1, 2]);
    }

    #[test]
    fn floor_division_rounds_down() {
        assert_eq!([7, -7, 8, -8].map(|x| floor_div(x, 4)), [1, -2, 2, -2]);
        assert_eq!(floor_div(i32::MIN, 1), i32::MIN);
    }

    #[test]
    fn requantized_values_are_bytes() {
        assert_eq!([i32::MIN, i32::MAX].map(|x| requantize(x, -3)), [-127, 127]);
        assert_eq!([-255, -254, 254, 255].map(|x| requantize(x, 1)), [-127, -127, 127, 127]);
        assert_eq!(requantize_stochastic(255, 1, u32::MAX), 127);
    }

    #[test]
    fn logit_saturates() {
        assert_eq!([i32::MIN, i32::MAX].map(|x| logit(x, -8)), [-LOGIT_MAX, LOGIT_MAX]);
        assert_eq!(logit(5, -7), 10);
        assert_eq!(logit(5, -9), 3);
        assert_eq!(logit(1 << 20, 1000), LOGIT_MAX);
        assert_eq!(logit(1 << 20, -1000), 0);
    }

    #[test]
    fn aligned_gradient_saturates_below_two_to_the_30() {
        assert_eq!([1, -1, 0].map(|g| align_gradient(g, 100)), [GRADIENT_MAX, -GRADIENT_MAX, 0]);
        assert_eq!(align_gradient(3, -33), 2);
        assert_eq!(align_gradient(3, -32), 3);
        assert_eq!(align_gradient(3, -31), 6);
        assert_eq!(align_gradient(i32::MIN, -32), -GRADIENT_MAX);
    }

    #[test]
    fn largest_leaf_gradient_fits_the_scale() {
        assert_eq!(leaf_gradient_sum(&[GRADIENT_MAX; LEAF]), 64 * ((1 << 24) - 1));
        assert_eq!(leaf_gradient_sum(&[-64, 63, -63, 128]), 3);
        assert_eq!(leaf_gradient_sum(&[]), 0);
    }

    #[test]
    fn scale_starts_at_its_first_value() {
        assert_eq!(scale_average(None, 1000), 1000);
        assert_eq!(scale_average(Some(1000), 1000), 1000);
        assert_eq!(scale_average(Some(0), 1000), 31);
        assert_eq!(scale_average(Some(0), WORD_MAX), 1 << 25);
    }

    #[test]
    fn code_shift_runs_from_4_to_27() {
        assert_eq!([0, 127, 128, WORD_MAX].map(code_shift), [4, 4, 5, 27]);
    }

    #[test]
    fn momentum_stalls_where_its_step_rounds_to_zero() {
        assert_eq!([3, 4, 5, -3, -4].map(|m| momentum(m, 0)), [3, 4, 4, -3, -3]);
        assert_eq!(momentum(WORD_MIN, GRADIENT_MAX), WORD_MIN + (1 << 28));
        assert_eq!(momentum(WORD_MAX, -GRADIENT_MAX), WORD_MAX - (1 << 28));
    }

    #[test]
    fn code_that_would_leave_the_range_is_zero() {
        let rate = LEARNING_RATE_BOUND - 1;
        assert_eq!(code(1000, 4, WORD_MIN, rate), 0);
        assert_eq!(code(1000, 4, WORD_MIN + 7 * rate as i32, rate), 7);
        assert_eq!(code(1000, 4, WORD_MIN + 7 * rate as i32 - 1, rate), 0);
        assert_eq!(code(-1000, 4, WORD_MAX - 7 * rate as i32, rate), -7);
        assert_eq!(code(-1000, 4, WORD_MAX - 7 * rate as i32 + 1, rate), 0);
        assert_eq!(code(8, 4, 0, 1), 1);
        assert_eq!(code(-8, 4, 0, 1), 0);
    }

    #[test]
    fn block_exponent_is_1_to_24() {
        assert_eq!([0, 252, 253, 504, 505].map(block_exponent), [1, 1, 2, 2, 3]);
        assert_eq!(block_exponent(126 << 23), 23);
        assert_eq!(block_exponent((126 << 23) + 1), 24);
        assert_eq!(block_exponent(WORD_BIAS as u32), 24);
    }

    #[test]
    fn softmax_of_equal_logits_is_uniform() {
        let mut errors = [0; 4];
        let loss = softmax_row(&[9; 4], 2, &mut errors);
        assert_eq!(errors, [8192, 8192, -24576, 8192]);
        // ln 4 in Q16 is 90852.2; the tables allow 0.0033 * 2^16 for one row.
        assert!(loss.abs_diff(90_852) < 216, "{loss}");
    }

    #[test]
    fn softmax_at_its_extremes_does_not_wrap() {
        let mut errors = [0; 2];
        let loss = softmax_row(&[LOGIT_MAX, -LOGIT_MAX], 1, &mut errors);
        assert_eq!(errors, [1 << 15, -(1 << 15)]);
        assert_eq!(loss, (1 << 31) + LN[0]);
        let logits = alloc::vec![0; 65_535];
        let mut errors = alloc::vec![0; 65_535];
        softmax_row(&logits, 0, &mut errors);
        assert_eq!(errors.iter().sum::<i32>(), 0);
        assert_eq!(softmax_row(&[-5], 0, &mut [0]), LN[0]);
    }

    #[test]
    fn tables_start_and_end_where_they_should() {
        assert_eq!((EXP[0], EXP[256], EXP[4095]), (65_536, 24_109, 0));
        assert_eq!((LN[0], LN[1023]), (32, 45_410));
        assert!(EXP.is_sorted_by(|a, b| a >= b) && LN.is_sorted());
    }

    proptest! {
        #[test]
        fn rshn_is_the_rounded_quotient(x in any_i32(), s in 1i32..=40) {
            let expected = floor_shift(i128::from(x) + (1 << (s - 1)), s);
            prop_assert_eq!(i128::from(rshn(x, s)), expected);
        }

        #[test]
        fn rsr_is_the_dithered_quotient(x in any_i32(), s in 1i32..=31, r in any::<u32>()) {
            let expected = floor_shift(i128::from(x) + i128::from(r >> (32 - s)), s);
            prop_assert_eq!(i128::from(rsr(x, s, r)), expected);
        }

        #[test]
        fn left_shift_is_the_saturated_product(x in any_i32(), s in 1i32..=80) {
            let expected = (i128::from(x) << s).clamp(-(1 << 30), 1 << 30);
            prop_assert_eq!(i128::from(rshn(x, -s)), expected);
        }

        #[test]
        fn momentum_moves_towards_the_gradient_and_stays_a_word(m in word(), ga in gradient()) {
            let next = momentum(m, ga);
            prop_assert!((m.min(ga)..=m.max(ga)).contains(&next));
        }

        #[test]
        fn scale_stays_in_its_range(v in 0..=WORD_MAX, a in 0..=WORD_MAX) {
            let next = scale_average(Some(v), a);
            prop_assert!((v.min(a)..=v.max(a)).contains(&next));
        }

        #[test]
        fn update_by_a_code_stays_a_word(
            m in word(), shift in 4i32..=27, w in word(), rate in 1..LEARNING_RATE_BOUND,
        ) {
            let code = code(m, shift, w, rate);
            prop_assert!((-CODE_MAX..=CODE_MAX).contains(&code));
            prop_assert!((WORD_MIN..=WORD_MAX).contains(&update(w, code, rate)));
        }

        #[test]
        fn softmax_errors_sum_to_zero_and_the_loss_is_near_the_real_one(
            logits in prop::collection::vec(-3000i32..3000, 1..40), pick in any::<prop::sample::Index>(),
        ) {
            let target = pick.index(logits.len());
            let mut errors = alloc::vec![0; logits.len()];
            let loss = softmax_row(&logits, target, &mut errors);
            prop_assert_eq!(errors.iter().sum::<i32>(), 0);
            prop_assert!(errors.iter().all(|e| e.abs() <= 1 << 15));
            let real: Vec<f64> = logits.iter().map(|&z| f64::from(z) / 256.0).collect();
            let max = real.iter().copied().fold(f64::MIN, f64::max);
            let sum: f64 = real.iter().map(|z| (z - max).exp()).sum();
            let expected = max - real[target] + sum.ln();
            prop_assert!((f64::from(loss) / 65536.0 - expected).abs() < 0.0034);
        }

        #[test]
        fn quantized_block_is_within_half_a_step(
            block in prop::collection::vec(word(), BLOCK), tensor_max in 0u32..=1 << 30,
        ) {
            let max = block.iter().map(|w| w.unsigned_abs()).max().unwrap();
            let st = block_exponent(max.max(tensor_max));
            let scale = block_scale(max, st);
            let minimal = scale == 1 || u64::from(max) > (7 * (scale as u64 - 1)) << st;
            prop_assert!(minimal, "scale {scale} is not the smallest for {max}");
            for w in block {
                let code = quantize(w, scale, st);
                let error = i64::from(w) - (i64::from(code * scale) << st);
                prop_assert!(error.abs() <= i64::from(scale) << (st - 1));
            }
        }
    }
}
