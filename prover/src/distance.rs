//! How far apart the weights of two states are: figures for people, never a criterion.
//!
//! The sums are exact integers, so they have one value on every machine; only what is printed of
//! them is a float.

use pogo_protocol::codec::{CodecError, Reader, Writer};
use pogo_protocol::fixed::WEIGHT_FRACTION;
use pogo_protocol::model::State;

/// Names of [`Distance::values`].
pub const NAMES: [&str; 4] = ["l1", "l2", "linf", "cosine"];

/// Sums over the 32-bit weights of two states `a` and `b`, units of `2^-24` weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Distance {
    /// Sum of `|a - b|`.
    pub absolute: u64,
    /// Largest `|a - b|`.
    pub largest: u32,
    /// Sum of `a b`.
    pub product: i128,
    /// Sums of `a^2` and of `b^2`.
    pub squares: [u128; 2],
}

impl Distance {
    /// Distance of the weights of two states of one spec.
    pub fn between(a: &State, b: &State) -> Self {
        let pairs = a.weights.iter().flatten().zip(b.weights.iter().flatten());
        pairs.fold(Self::default(), |sum, (&a, &b)| {
            let (apart, [a, b]) = (a.abs_diff(b), [a, b].map(i64::from));
            Self {
                absolute: sum.absolute + u64::from(apart),
                largest: sum.largest.max(apart),
                product: sum.product + i128::from(a * b),
                squares: [sum.squares[0] + (a * a) as u128, sum.squares[1] + (b * b) as u128],
            }
        })
    }

    /// Sum of `(a - b)^2`: what to order distances by.
    pub fn square(&self) -> u128 {
        (self.squares[0] + self.squares[1]).saturating_add_signed(-2 * self.product)
    }

    /// l1, l2 and linf in units of one weight, and the cosine distance `1 - cos` in `0 ..= 2`; that
    /// one is no number where all weights of one state are 0.
    pub fn values(&self) -> [f64; 4] {
        let unit = f64::from(1u32 << WEIGHT_FRACTION);
        let lengths = (self.squares[0] as f64).sqrt() * (self.squares[1] as f64).sqrt();
        let cosine = if self.absolute == 0 { 0.0 } else { 1.0 - self.product as f64 / lengths };
        [self.absolute as f64 / unit, (self.square() as f64).sqrt() / unit, f64::from(self.largest) / unit, cosine]
    }

    /// [`Distance::values`] divided by those of a `reference`.
    pub fn normalized(&self, reference: &Self) -> [f64; 4] {
        let (values, by) = (self.values(), reference.values());
        std::array::from_fn(|i| values[i] / by[i])
    }

    /// Appends the five sums.
    pub(crate) fn write(&self, writer: Writer) -> Writer {
        let writer = writer.u64(self.absolute).u32(self.largest).bytes(&self.product.to_be_bytes());
        self.squares.iter().fold(writer, |writer, square| writer.bytes(&square.to_be_bytes()))
    }

    /// Reads what [`Distance::write`] wrote.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let distance = Self {
            absolute: reader.u64("l1")?,
            largest: reader.u32("linf")?,
            product: i128::from_be_bytes(reader.array("product")?),
            squares: [
                u128::from_be_bytes(reader.array("first square")?),
                u128::from_be_bytes(reader.array("second square")?),
            ],
        };
        // Sums of fewer than 2^40 products of two words.
        let bounded = |sum: u128| sum < 1 << 100;
        let legal = distance.squares.iter().all(|&square| bounded(square)) && bounded(distance.product.unsigned_abs());
        if legal { Ok(distance) } else { Err(CodecError::Value { field: "sums of squares" }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(weights: Vec<i32>) -> State {
        State { weights: vec![weights], momenta: vec![], scales: vec![], exponents: None }
    }

    #[test]
    fn distances_are_those_of_the_real_weights() {
        let one = 1 << WEIGHT_FRACTION;
        let distance = Distance::between(&state(vec![3 * one, 0, 0]), &state(vec![0, -4 * one, 0]));
        assert_eq!(distance.values(), [7.0, 5.0, 4.0, 1.0]);
        assert_eq!(distance.square(), 25 << (2 * WEIGHT_FRACTION));
        let opposite = Distance::between(&state(vec![one, one]), &state(vec![-one, -one]));
        assert!((opposite.values()[3] - 2.0).abs() < 1e-12);
        assert_eq!(opposite.normalized(&opposite), [1.0; 4]);
    }

    #[test]
    fn equal_states_are_no_distance_apart() {
        let weights = state(vec![i32::MAX >> 1, -(1 << 30), 12345]);
        assert_eq!(Distance::between(&weights, &weights).values(), [0.0; 4]);
    }
}
