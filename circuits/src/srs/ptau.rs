//! Import of a `.ptau` file, the format in which snarkjs publishes ceremonies.
//!
//! ```text
//! "ptau" | version 1 | section count | sections: (type u32, length u64, content)
//! section 1: coordinate size 32 | prime, 32 | power u32 | the ceremony's power u32
//! section 2: tau^i G1, 2^(power + 1) - 1 raw points      section 3: tau^i G2, 2^power raw points
//! ```
//!
//! Numbers are little-endian. The first three sections come first and in order; the others are
//! read for the digest only. The file is read once, in order, and may be far larger than memory.

use std::io::Read;
use std::path::Path;

use halo2_proofs::halo2curves::bn256::{G1Affine, G2Affine};
use sha2::Sha256;

use super::file::in_range;
use super::reader::{self, G1_BYTES, G2_BYTES, Reader};
use super::{Cause, Error, K_RANGE, Source, Srs, check};

/// First bytes of the file.
const MAGIC: &str = "ptau";
/// Bytes of section 1.
const HEADER: u64 = 4 + 32 + 4 + 4;
/// The base field's modulus, little-endian.
const PRIME: [u8; 32] = [
    0x47, 0xfd, 0x7c, 0xd8, 0x16, 0x8c, 0x20, 0x3c, 0x8d, 0xca, 0x71, 0x68, 0x91, 0x6a, 0x81, 0x97, //
    0x5d, 0x58, 0x81, 0x81, 0xb6, 0x45, 0x50, 0xb8, 0x29, 0xa0, 0x31, 0xe1, 0x72, 0x4e, 0x64, 0x30,
];

/// Imports the first `2^k` powers of a file whose SHA-256 is `expected`, when that is known.
///
/// # Errors
/// When the file is not in the format or not the expected one, or its points fail a check.
pub fn import(path: &Path, k: u32, expected: Option<[u8; 32]>) -> Result<Srs, Error> {
    let read = || {
        let (file, length) = reader::open(path)?;
        decode(file, length, k, expected)
    };
    read().map_err(|cause| cause.of(path))
}

/// [`import`] from `length` bytes.
///
/// # Errors
/// Those of [`import`].
pub fn decode(from: impl Read, length: u64, k: u32, expected: Option<[u8; 32]>) -> Result<Srs, Cause> {
    let mut reader = Reader::<_, Sha256>::new(from, length);
    in_range("k", k, *K_RANGE.end())?;
    let others = preamble(&mut reader)?;
    let power = header(&mut reader)?;
    in_range("k", k, power)?;
    let g = first_section(&mut reader, power, k)?;
    let s_g2 = second_power(&mut reader, power)?;
    for _ in 0..others {
        reader.u32_le("section type")?;
        let length = reader.u64_le("section length")?;
        reader.skip("section", length)?;
    }
    let digest = reader.digest();
    reader.end()?;
    same_digest(expected, digest)?;
    Srs::from_ceremony(g, s_g2, Source { g1: digest, g2: digest })
}

/// The file is the one asked for.
pub(super) fn same_digest(expected: Option<[u8; 32]>, got: [u8; 32]) -> Result<(), Cause> {
    match expected {
        Some(expected) if expected != got => Err(Cause::Digest { expected, got }),
        _ => Ok(()),
    }
}

/// Reads up to the first section; gives the number of sections after the third.
fn preamble(reader: &mut Reader<impl Read, Sha256>) -> Result<u32, Cause> {
    let magic: [u8; MAGIC.len()] = reader.bytes("magic")?;
    if magic != MAGIC.as_bytes() {
        return Err(Cause::Magic { expected: MAGIC, got: magic.to_vec() });
    }
    equal("version", 1, reader.u32_le("version")?.into())?;
    let sections = reader.u32_le("section count")?;
    let few = Cause::Range { field: "section count", least: 3, most: u32::MAX.into(), got: sections.into() };
    sections.checked_sub(3).ok_or(few)
}

/// Reads section 1; gives the power.
fn header(reader: &mut Reader<impl Read, Sha256>) -> Result<u32, Cause> {
    section(reader, 1, "section 1", HEADER)?;
    equal("coordinate size", 32, reader.u32_le("coordinate size")?.into())?;
    let prime = reader.bytes("prime")?;
    if prime != PRIME {
        return Err(Cause::Prime { expected: PRIME, got: prime });
    }
    let power = in_range("power", reader.u32_le("power")?, *K_RANGE.end())?;
    reader.u32_le("power of the ceremony")?;
    Ok(power)
}

/// Reads section 2; gives its first `2^k` points.
fn first_section(reader: &mut Reader<impl Read, Sha256>, power: u32, k: u32) -> Result<Vec<G1Affine>, Cause> {
    let (field, count) = ("section 2", (2 << power) - 1);
    let size = G1_BYTES as u64;
    section(reader, 2, field, count * size)?;
    let g = reader.items(field, 1 << k, G1_BYTES, |bytes, at| reader::raw_g1(field, bytes, at))?;
    reader.skip(field, (count - (1 << k)) * size)?;
    check::generator(field, g.first(), &G1Affine::generator())?;
    Ok(g)
}

/// Reads section 3; gives its second point, tau G2.
fn second_power(reader: &mut Reader<impl Read, Sha256>, power: u32) -> Result<G2Affine, Cause> {
    let (field, length) = ("section 3", (1 << power) * G2_BYTES as u64);
    section(reader, 3, field, length)?;
    let points = reader.items(field, 2, G2_BYTES, |bytes, at| reader::raw_g2(field, bytes, at))?;
    reader.skip(field, length - 2 * G2_BYTES as u64)?;
    check::generator(field, points.first(), &G2Affine::generator())?;
    Ok(points[1])
}

/// Reads the head of a section, which must be of this type and length and fit the file.
fn section(reader: &mut Reader<impl Read, Sha256>, kind: u64, field: &'static str, length: u64) -> Result<(), Cause> {
    equal("section type", kind, reader.u32_le("section type")?.into())?;
    let got = reader.u64_le("section length")?;
    if got != length {
        return Err(Cause::Length { field, expected: length, got });
    }
    if reader.left() < length {
        return Err(Cause::Length { field, expected: length, got: reader.left() });
    }
    Ok(())
}

fn equal(field: &'static str, expected: u64, got: u64) -> Result<(), Cause> {
    if expected == got { Ok(()) } else { Err(Cause::Number { field, expected, got }) }
}
