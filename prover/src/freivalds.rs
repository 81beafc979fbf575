//! Freivalds' check of integer matrix products modulo `p = 2^61 - 1`.
//!
//! `C = A B` holds if `C s = A (B s)` for a random vector `s`; a wrong row of `C` passes with
//! probability `1 / p`. Both sides cost one pass over each matrix. Numbers modulo `p` are held as two
//! halves of 31 and 30 bits, so that sums of products with bytes or half words fit an `i64` (as long
//! as there are at most 2^16 of them) and compilers can vectorize them.

/// `2^61 - 1`, a Mersenne prime.
pub const P: u64 = (1 << 61) - 1;
const LOW_BITS: u32 = 31;
const LOW: u64 = (1 << LOW_BITS) - 1;
/// Most terms of a sum: the width of a layer, the size of a batch.
const TERMS_MAX: usize = 1 << 16;

/// A vector modulo [`P`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vector {
    low: Vec<i64>,
    high: Vec<i64>,
}

impl Vector {
    /// From numbers below [`P`].
    pub fn new(values: impl IntoIterator<Item = u64>) -> Self {
        let (low, high) = values.into_iter().map(|x| ((x & LOW) as i64, (x >> LOW_BITS) as i64)).unzip();
        Self { low, high }
    }

    /// A random vector; `random` gives uniform numbers.
    pub fn random(length: usize, random: &mut impl FnMut() -> u64) -> Self {
        let mut below = || loop {
            let x = random() >> 3;
            if x < P {
                return x;
            }
        };
        Self::new((0..length).map(|_| below()))
    }

    /// Scalar product with a row of bytes, which may be shorter.
    pub fn dot_bytes(&self, row: &[i8]) -> u64 {
        let sum = |half: &[i64]| row.iter().zip(half).map(|(&a, &s)| i64::from(a) * s).sum::<i64>();
        reduce(i128::from(sum(&self.low)) + (i128::from(sum(&self.high)) << LOW_BITS))
    }

    /// Scalar product with a row of words.
    pub fn dot_words(&self, row: &[i32]) -> u64 {
        let sum = |half: &[i64], part: fn(i32) -> i64| row.iter().zip(half).map(|(&w, &s)| part(w) * s).sum::<i64>();
        let parts: [fn(i32) -> i64; 2] = [|w| i64::from(w & 0xffff), |w| i64::from(w >> 16)];
        let of = |half: &[i64]| i128::from(sum(half, parts[0])) + (i128::from(sum(half, parts[1])) << 16);
        reduce(of(&self.low) + (of(&self.high) << LOW_BITS))
    }

    /// `sum_i coefficient_i * row_i` over rows of bytes of `stride`, of which the first `length`
    /// columns count.
    pub fn combine(&self, rows: &[i8], stride: usize, length: usize) -> Self {
        let (mut low, mut high) = (vec![0i64; length], vec![0i64; length]);
        for (row, (&l, &h)) in rows.chunks(stride).zip(self.low.iter().zip(&self.high)) {
            low.iter_mut().zip(row).for_each(|(sum, &a)| *sum += i64::from(a) * l);
            high.iter_mut().zip(row).for_each(|(sum, &a)| *sum += i64::from(a) * h);
        }
        let value = |(&l, &h): (&i64, &i64)| reduce(i128::from(l) + (i128::from(h) << LOW_BITS));
        Self::new(low.iter().zip(&high).map(value))
    }

    /// Number `index`.
    pub fn at(&self, index: usize) -> u64 {
        self.low[index] as u64 | (self.high[index] as u64) << LOW_BITS
    }
}

// Bytes times halves: 2^7 * 2^31 * 2^16; half words times halves: less than 2^16 * 2^31 * 2^16.
const _: () = assert!(TERMS_MAX as i128 * (1 << 16) * (1 << LOW_BITS) <= 1 << 63);

fn reduce(x: i128) -> u64 {
    x.rem_euclid(i128::from(P)) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(row: &[i64], vector: &[u64]) -> u64 {
        let p = i128::from(P);
        row.iter().zip(vector).fold(0i128, |sum, (&a, &s)| (sum + i128::from(a) * i128::from(s)).rem_euclid(p)) as u64
    }

    proptest! {
        #[test]
        fn products_are_those_of_the_integers_modulo_p(
            values in prop::collection::vec(0..P, 1..40),
            bytes in prop::collection::vec(any::<i8>(), 40),
            words in prop::collection::vec(any::<i32>(), 40),
        ) {
            let vector = Vector::new(values.iter().copied());
            let row = |length: usize| bytes[..length].iter().map(|&a| i64::from(a)).collect::<Vec<_>>();
            prop_assert_eq!(vector.dot_bytes(&bytes[..values.len()]), plain(&row(values.len()), &values));
            let wide: Vec<i64> = words[..values.len()].iter().map(|&w| i64::from(w)).collect();
            prop_assert_eq!(vector.dot_words(&words[..values.len()]), plain(&wide, &values));
            (0..values.len()).for_each(|i| assert_eq!(vector.at(i), values[i]));
            // Two rows of 20 combined by the first two numbers, 19 columns of them.
            let pair: Vec<u64> = values.iter().copied().cycle().take(2).collect();
            let combined = Vector::new(pair.iter().copied()).combine(&bytes, 20, 19);
            for column in 0..19 {
                prop_assert_eq!(combined.at(column), plain(&[bytes[column].into(), bytes[20 + column].into()], &pair));
            }
        }
    }

    #[test]
    fn the_longest_sums_do_not_wrap() {
        let vector = Vector::new(vec![P - 1; TERMS_MAX]);
        let p = i128::from(P);
        for word in [i32::MIN, i32::MAX, -1] {
            let expected = (i128::from(word) * (p - 1) * TERMS_MAX as i128).rem_euclid(p) as u64;
            assert_eq!(vector.dot_words(&vec![word; TERMS_MAX]), expected);
        }
        let expected = (-128 * (p - 1) * TERMS_MAX as i128).rem_euclid(p) as u64;
        assert_eq!(vector.dot_bytes(&vec![-128; TERMS_MAX]), expected);
        assert_eq!(vector.combine(&vec![-128; TERMS_MAX], 1, 1).at(0), expected);
    }
}
