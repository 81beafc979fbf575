//! The one way scalars and points are written: 32 bytes big-endian a field element, x then y for
//! a point, the imaginary part first in the quadratic extension (as the EVM's precompiles do).
//!
//! Every reader here accepts canonical bytes only: a field element is below its modulus, a point
//! is on its curve, in its subgroup, and is not the point at infinity.

use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInt, PrimeField};

/// Bytes of a scalar.
pub const SCALAR_BYTES: usize = 32;
/// Bytes of a point of G1.
pub const G1_BYTES: usize = 64;
/// Bytes of a point of G2.
pub const G2_BYTES: usize = 128;

/// Writes a scalar.
pub fn write_scalar(scalar: &Fr) -> [u8; SCALAR_BYTES] {
    write_limbs(scalar.into_bigint())
}

/// Reads a scalar below the group order.
pub fn read_scalar(bytes: &[u8]) -> Option<Fr> {
    Fr::from_bigint(read_limbs(bytes)?)
}

/// Writes a point of G1; the point at infinity is all zeros.
pub fn write_g1(point: &G1Affine) -> [u8; G1_BYTES] {
    let mut bytes = [0; G1_BYTES];
    if let Some((x, y)) = point.xy() {
        for (chunk, coordinate) in bytes.chunks_exact_mut(32).zip([x, y]) {
            chunk.copy_from_slice(&write_limbs(coordinate.into_bigint()));
        }
    }
    bytes
}

/// Reads a point of G1 other than infinity. The cofactor is 1: on the curve is in the group.
pub fn read_g1(bytes: &[u8]) -> Option<G1Affine> {
    let (x, y) = halves(bytes, G1_BYTES)?;
    let point = G1Affine::new_unchecked(read_coordinate(x)?, read_coordinate(y)?);
    // To the library the coordinates (0, 0) are infinity, which it counts as on the curve.
    (!point.is_zero() && point.is_on_curve()).then_some(point)
}

/// Writes a point of G2 other than infinity.
pub fn write_g2(point: &G2Affine) -> [u8; G2_BYTES] {
    let mut bytes = [0; G2_BYTES];
    let parts = [point.x.c1, point.x.c0, point.y.c1, point.y.c0];
    for (chunk, part) in bytes.chunks_exact_mut(32).zip(parts) {
        chunk.copy_from_slice(&write_limbs(part.into_bigint()));
    }
    bytes
}

/// Reads a point of G2 other than infinity.
pub fn read_g2(bytes: &[u8]) -> Option<G2Affine> {
    let (x, y) = halves(bytes, G2_BYTES)?;
    let point = G2Affine::new_unchecked(read_extension(x)?, read_extension(y)?);
    let on_curve = !point.is_zero() && point.is_on_curve();
    (on_curve && point.is_in_correct_subgroup_assuming_on_curve()).then_some(point)
}

fn read_extension(bytes: &[u8]) -> Option<Fq2> {
    let (imaginary, real) = halves(bytes, 64)?;
    Some(Fq2::new(read_coordinate(real)?, read_coordinate(imaginary)?))
}

fn read_coordinate(bytes: &[u8]) -> Option<Fq> {
    Fq::from_bigint(read_limbs(bytes)?)
}

fn halves(bytes: &[u8], length: usize) -> Option<(&[u8], &[u8])> {
    (bytes.len() == length).then(|| bytes.split_at(length / 2))
}

fn read_limbs(bytes: &[u8]) -> Option<BigInt<4>> {
    let bytes: &[u8; 32] = bytes.try_into().ok()?;
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().rev().zip(bytes.chunks_exact(8)) {
        *limb = u64::from_be_bytes(chunk.try_into().ok()?);
    }
    Some(BigInt::new(limbs))
}

fn write_limbs(value: BigInt<4>) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (chunk, limb) in bytes.chunks_exact_mut(8).zip(value.0.iter().rev()) {
        chunk.copy_from_slice(&limb.to_be_bytes());
    }
    bytes
}
