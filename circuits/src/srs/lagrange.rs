//! The Lagrange points of an SRS: the inverse Fourier transform of the powers, in the group.
//!
//! ```text
//! g_lagrange[i] = 1/n sum_j w^(-ij) g[j],   n = 2^k,   w a primitive n-th root of one
//! ```
//!
//! About n k / 2 products of a point and a scalar. Each takes 127 doublings: the scalar is split
//! into two halves by the curve's endomorphism, and each half is a signed sum of odd multiples of
//! the point, which are made affine together for a batch of points.

use ark_bn254::g1::Config;
use ark_bn254::{Fq, Fr, G1Affine, G1Projective};
use ark_ec::scalar_mul::glv::GLVConfig;
use ark_ec::{AdditiveGroup, AffineRepr, CurveGroup};
use ark_ff::{BigInt, Field, One, PrimeField};
use halo2_proofs::halo2curves::bn256;
use halo2_proofs::halo2curves::ff::PrimeField as _;
use halo2_proofs::halo2curves::serde::SerdeObject;
use rayon::prelude::*;

/// Points whose multiples are made affine together.
const BATCH: usize = 128;
/// Width of the signed digits: odd, below 2^(WIDTH - 1) in size.
const WIDTH: u32 = 4;
/// Odd multiples kept of a point: 1, 3, 5, 7.
const MULTIPLES: usize = 1 << (WIDTH - 2);

/// The Lagrange points of `g`, whose length is a power of two.
pub(super) fn from_powers(g: &[bn256::G1Affine]) -> Vec<bn256::G1Affine> {
    let n = g.len();
    let mut points: Vec<G1Projective> = (0..n).into_par_iter().map(|at| import(&g[reversed(at, n)]).into()).collect();
    let root = inverse_root(n);
    let scale = Fr::from(n as u64).inverse().expect("n is below the order");
    let twiddles = scalars(Fr::one(), root, n / 2);
    for half in (0..n.ilog2()).map(|level| 1 << level).take_while(|half| 2 * half < n) {
        points.par_chunks_mut(2 * half).for_each(|block| butterflies(block, &twiddles, None));
    }
    butterflies(&mut points, &scalars(scale, root, n / 2), Some(Scalar::split(scale)));
    points.par_chunks(BATCH).flat_map_iter(G1Projective::normalize_batch).map(|point| export(&point)).collect()
}

/// The inverse of Halo2's n-th root of one, which is not that of every library.
pub(super) fn inverse_root(n: usize) -> Fr {
    let mut root = bn256::Fr::ROOT_OF_UNITY_INV;
    for _ in n.ilog2()..bn256::Fr::S {
        root *= root;
    }
    Fr::from_le_bytes_mod_order(root.to_repr().as_ref())
}

/// (a, b) becomes (a + w b, a - w b) for the two halves of a block; `scale` multiplies a first.
fn butterflies(block: &mut [G1Projective], twiddles: &[Scalar], scale: Option<Scalar>) {
    let half = block.len() / 2;
    let stride = twiddles.len() / half;
    let (left, right) = block.split_at_mut(half);
    let batches = left.par_chunks_mut(BATCH).zip(right.par_chunks_mut(BATCH));
    batches.enumerate().for_each(|(batch, (left, right))| {
        let twiddle = |at| twiddles[(batch * BATCH + at) * stride];
        multiply(right, twiddle);
        if let Some(scale) = scale {
            multiply(left, |_| scale);
        }
        for (left, right) in left.iter_mut().zip(right) {
            (*left, *right) = (*left + *right, *left - *right);
        }
    });
}

/// Multiplies each point by its scalar.
fn multiply(points: &mut [G1Projective], scalar: impl Fn(usize) -> Scalar) {
    let multiples: Vec<G1Projective> = points.iter().flat_map(odd_multiples).collect();
    let multiples = G1Projective::normalize_batch(&multiples);
    for (at, (point, multiples)) in points.iter_mut().zip(multiples.chunks_exact(MULTIPLES)).enumerate() {
        let scalar = scalar(at);
        if scalar != Scalar::ONE {
            *point = scalar.times(multiples);
        }
    }
}

fn odd_multiples(point: &G1Projective) -> [G1Projective; MULTIPLES] {
    let double = point.double();
    let mut multiples = [*point; MULTIPLES];
    for at in 1..MULTIPLES {
        multiples[at] = multiples[at - 1] + double;
    }
    multiples
}

/// A scalar as `low + lambda high`, both below 2^127 in size; lambda is the endomorphism's.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Scalar {
    low: i128,
    high: i128,
}

impl Scalar {
    const ONE: Self = Self { low: 1, high: 0 };

    fn split(scalar: Fr) -> Self {
        let (low, high) = Config::scalar_decomposition(scalar);
        Self { low: signed(low), high: signed(high) }
    }

    /// The product with the point whose odd multiples are given.
    fn times(self, multiples: &[G1Affine]) -> G1Projective {
        let (low, high) = (digits(self.low), digits(self.high));
        let mut sum = G1Projective::ZERO;
        for (&low, &high) in low.iter().zip(&high).rev().skip_while(|digits| *digits == (&0, &0)) {
            sum.double_in_place();
            if low != 0 {
                sum += multiple(multiples, low);
            }
            if high != 0 {
                sum += Config::endomorphism_affine(&multiple(multiples, high));
            }
        }
        sum
    }
}

fn multiple(multiples: &[G1Affine], digit: i8) -> G1Affine {
    let point = multiples[usize::from(digit.unsigned_abs() / 2)];
    if digit < 0 { -point } else { point }
}

/// Signed digits, lowest first: value = sum digit_i 2^i, each zero or odd and below 8 in size.
fn digits(mut value: i128) -> [i8; 129] {
    let mut digits = [0; 129];
    for digit in &mut digits {
        if value & 1 == 1 {
            let low = (value & ((1 << WIDTH) - 1)) as i8;
            *digit = if low < 1 << (WIDTH - 1) { low } else { low - (1 << WIDTH) };
            value -= i128::from(*digit);
        }
        value >>= 1;
    }
    digits
}

fn signed((positive, size): (bool, Fr)) -> i128 {
    let [low, high, ..] = size.into_bigint().0;
    let size = i128::from(high) << 64 | i128::from(low);
    if positive { size } else { -size }
}

/// first, first w, first w^2, ...
fn scalars(first: Fr, w: Fr, count: usize) -> Vec<Scalar> {
    let powers: Vec<Fr> = std::iter::successors(Some(first), |power| Some(*power * w)).take(count).collect();
    powers.into_par_iter().map(Scalar::split).collect()
}

fn reversed(at: usize, n: usize) -> usize {
    if n == 1 { at } else { at.reverse_bits() >> (usize::BITS - n.ilog2()) }
}

/// Both libraries keep a coordinate as four limbs in Montgomery form.
fn import(point: &bn256::G1Affine) -> G1Affine {
    let coordinate = |coordinate: bn256::Fq| {
        let mut limbs = [0; 4];
        for (limb, bytes) in limbs.iter_mut().zip(coordinate.to_raw_bytes().as_chunks::<8>().0) {
            *limb = u64::from_le_bytes(*bytes);
        }
        Fq::new_unchecked(BigInt::new(limbs))
    };
    G1Affine::new_unchecked(coordinate(point.x), coordinate(point.y))
}

pub(super) fn export(point: &G1Affine) -> bn256::G1Affine {
    let coordinate = |coordinate: Fq| {
        let bytes: Vec<u8> = coordinate.0.0.iter().flat_map(|limb| limb.to_le_bytes()).collect();
        bn256::Fq::from_raw_bytes(&bytes).expect("coordinates are below the modulus")
    };
    let finite = point.xy().map(|(x, y)| bn256::G1Affine { x: coordinate(x), y: coordinate(y) });
    finite.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::poly::commitment::ParamsProver;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_split_scalar_multiplies_as_the_scalar(bytes in any::<[u8; 32]>(), near in -9i64..9) {
            let random = Fr::from_le_bytes_mod_order(&bytes);
            for scalar in [random, Fr::from(near), random.inverse().unwrap_or_default()] {
                let mut points = [ark_bn254::G1Affine::generator() * random];
                let expected = points[0] * scalar;
                multiply(&mut points, |_| Scalar::split(scalar));
                prop_assert_eq!(points[0], expected);
            }
        }
    }

    #[test]
    fn lagrange_points_of_every_small_size_commit_as_the_powers() {
        for k in 1..=9 {
            let srs = crate::srs::Srs::development(k);
            let g = srs.params.get_g().to_vec();
            let lagrange = from_powers(&g);
            assert!(crate::srs::check::lagrange(&crate::srs::params(g, lagrange, srs.params.s_g2())).is_ok(), "k {k}");
        }
    }
}
