//! Import of two files of compressed points, as gnark writes them.
//!
//! ```text
//! first file:  tau^i G1,       32 bytes each, i = 0, 1, 2, ...
//! second file: tau^(2^i) G2,   64 bytes each, i = 0, 1, 2, ...
//! ```
//!
//! A compressed point is x, big-endian, the imaginary part first. The two high bits tell which y:
//! 10 the smaller, 11 the larger root, the imaginary part deciding unless it is zero.

use std::io::Read;
use std::path::Path;

use halo2_proofs::halo2curves::CurveAffine;
use halo2_proofs::halo2curves::bn256::{Fq, Fq2, G1Affine, G2Affine};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use sha2::Sha256;

use super::file::in_range;
use super::ptau::same_digest;
use super::reader::{self, Reader};
use super::{Cause, Error, K_RANGE, Source, Srs, check};

/// Bytes of a compressed point of G1.
const G1_BYTES: usize = 32;
/// Bytes of a compressed point of G2.
const G2_BYTES: usize = 64;

/// Imports the first `2^k` powers from files whose SHA-256 are `expected`, when they are known.
///
/// # Errors
/// When a file is not in the format or not the expected one, or the points fail a check.
pub fn import(g1: &Path, g2: &Path, k: u32, expected: Option<Source>) -> Result<Srs, Error> {
    let read_g1 = || {
        let (file, length) = reader::open(g1)?;
        decode_g1(file, length, k, expected.map(|source| source.g1))
    };
    let read_g2 = || {
        let (file, length) = reader::open(g2)?;
        decode_g2(file, length, expected.map(|source| source.g2))
    };
    let (powers, g1_digest) = read_g1().map_err(|cause| cause.of(g1))?;
    let (s_g2, g2_digest) = read_g2().map_err(|cause| cause.of(g2))?;
    let source = Source { g1: g1_digest, g2: g2_digest };
    Srs::from_ceremony(powers, s_g2, source).map_err(|cause| cause.of(g1))
}

/// Reads the first `2^k` points of the first file, and its digest.
///
/// # Errors
/// When the file is not in the format or not the expected one.
pub fn decode_g1(
    from: impl Read,
    length: u64,
    k: u32,
    expected: Option<[u8; 32]>,
) -> Result<(Vec<G1Affine>, [u8; 32]), Cause> {
    in_range("k", k, *K_RANGE.end())?;
    let mut reader = Reader::<_, Sha256>::new(from, length);
    whole(length, G1_BYTES)?;
    let g = reader.items("G1", 1 << k, G1_BYTES, read_g1)?;
    let digest = rest(reader, expected)?;
    check::generator("G1", g.first(), &G1Affine::generator())?;
    Ok((g, digest))
}

/// Reads tau G2, the first point of the second file, and the file's digest.
///
/// # Errors
/// When the file is not in the format or not the expected one.
pub fn decode_g2(from: impl Read, length: u64, expected: Option<[u8; 32]>) -> Result<(G2Affine, [u8; 32]), Cause> {
    let mut reader = Reader::<_, Sha256>::new(from, length);
    whole(length, G2_BYTES)?;
    let s_g2 = read_g2(&reader.bytes::<G2_BYTES>("G2")?, 0)?;
    Ok((s_g2, rest(reader, expected)?))
}

/// The file is made of whole points.
fn whole(length: u64, size: usize) -> Result<(), Cause> {
    let expected = length.next_multiple_of(size as u64);
    if length == expected { Ok(()) } else { Err(Cause::Length { field: "file", expected, got: length }) }
}

/// Reads the points that are not needed; gives the digest of the whole file.
fn rest(mut reader: Reader<impl Read, Sha256>, expected: Option<[u8; 32]>) -> Result<[u8; 32], Cause> {
    let left = reader.left();
    reader.skip("file", left)?;
    let digest = reader.digest();
    reader.end()?;
    same_digest(expected, digest)?;
    Ok(digest)
}

fn read_g1(bytes: &[u8], index: u64) -> Result<G1Affine, Cause> {
    let field = "G1";
    let (x, larger) = compressed(field, bytes, index)?;
    let x = coordinate(field, &x, index)?;
    let y = root(field, index, (x.square() * x + G1Affine::b()).sqrt().into())?;
    let y = if is_larger(&y) == larger { y } else { -y };
    Ok(G1Affine { x, y })
}

fn read_g2(bytes: &[u8], index: u64) -> Result<G2Affine, Cause> {
    let field = "G2";
    let (x, larger) = compressed(field, bytes, index)?;
    let (imaginary, real) = x.split_at(G2_BYTES / 2);
    let x = Fq2 { c0: coordinate(field, real, index)?, c1: coordinate(field, imaginary, index)? };
    let y: Fq2 = root(field, index, (x.square() * x + G2Affine::b()).sqrt().into())?;
    let deciding = if bool::from(y.c1.is_zero()) { y.c0 } else { y.c1 };
    let y = if is_larger(&deciding) == larger { y } else { -y };
    reader::in_subgroup(field, index, G2Affine { x, y })
}

/// The bytes of x without the flags, and whether y is the larger root.
fn compressed(field: &'static str, bytes: &[u8], index: u64) -> Result<(Vec<u8>, bool), Cause> {
    let mut x = bytes.to_vec();
    let flags = x[0] >> 6;
    x[0] &= 0b0011_1111;
    match flags {
        0b10 => Ok((x, false)),
        0b11 => Ok((x, true)),
        0b01 => Err(Cause::Infinity { field, index }),
        got => Err(Cause::Flags { field, index, got }),
    }
}

fn coordinate(field: &'static str, big_endian: &[u8], index: u64) -> Result<Fq, Cause> {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(big_endian);
    bytes.reverse();
    Option::from(Fq::from_repr(bytes)).ok_or(Cause::Coordinate { field, index })
}

fn root<F>(field: &'static str, index: u64, root: Option<F>) -> Result<F, Cause> {
    root.ok_or(Cause::OffCurve { field, index })
}

/// Whether y is larger than -y.
fn is_larger(y: &Fq) -> bool {
    y.to_repr().iter().rev().gt((-y).to_repr().iter().rev())
}
