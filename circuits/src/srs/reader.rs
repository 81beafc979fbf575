//! Strict reading of a file of points: what a part takes is compared with what is left of the
//! file before memory is taken for it, and every byte goes through the file's digest.
//!
//! Raw points are x, y, little-endian in Montgomery form, 32 bytes a coordinate, the real part
//! first in the quadratic extension.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use halo2_proofs::halo2curves::CurveAffine;
use halo2_proofs::halo2curves::bn256::{Fq, Fq2, G1Affine, G2Affine};
use halo2_proofs::halo2curves::group::cofactor::CofactorGroup;
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::serde::SerdeObject;
use rayon::prelude::*;
use sha2::Digest;

use super::Cause;

/// Bytes of a raw point of G1.
pub(super) const G1_BYTES: usize = 64;
/// Bytes of a raw point of G2.
pub(super) const G2_BYTES: usize = 128;
/// Bytes read in one piece.
const PIECE: usize = 1 << 20;

/// What is left of a file, and the digest of what was read.
pub(super) struct Reader<R, D> {
    inner: R,
    left: u64,
    digest: D,
}

/// Opens a file to be read whole; gives its length.
pub(super) fn open(path: &Path) -> Result<(File, u64), Cause> {
    let file = File::open(path).map_err(Cause::io("open"))?;
    let length = file.metadata().map_err(Cause::io("read the length"))?.len();
    Ok((file, length))
}

impl<R: Read, D: Digest> Reader<R, D> {
    /// Reads `length` bytes from `inner`.
    pub(super) fn new(inner: R, length: u64) -> Self {
        Self { inner, left: length, digest: D::new() }
    }

    /// Bytes not yet read.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// The next `N` bytes.
    pub(super) fn bytes<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Cause> {
        self.expect(field, N as u64)?;
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// A little-endian number of 4 bytes.
    pub(super) fn u32_le(&mut self, field: &'static str) -> Result<u32, Cause> {
        Ok(u32::from_le_bytes(self.bytes(field)?))
    }

    /// A little-endian number of 8 bytes.
    pub(super) fn u64_le(&mut self, field: &'static str) -> Result<u64, Cause> {
        Ok(u64::from_le_bytes(self.bytes(field)?))
    }

    /// Reads `count` items of `size` bytes and decodes each, which is told its place.
    pub(super) fn items<T: Send>(
        &mut self,
        field: &'static str,
        count: u64,
        size: usize,
        decode: impl Fn(&[u8], u64) -> Result<T, Cause> + Sync,
    ) -> Result<Vec<T>, Cause> {
        self.expect(field, count.saturating_mul(size as u64))?;
        let count = usize::try_from(count).map_err(|_| self.too_short(field, u64::MAX))?;
        let mut items = Vec::with_capacity(count);
        while items.len() < count {
            let done = items.len();
            let mut piece = vec![0; (count - done).min(PIECE / size) * size];
            self.fill(&mut piece)?;
            let decoded = piece.par_chunks_exact(size).enumerate();
            let decoded = decoded.map(|(at, bytes)| decode(bytes, (done + at) as u64)).collect::<Vec<_>>();
            for item in decoded {
                items.push(item?);
            }
        }
        Ok(items)
    }

    /// Reads over the next `count` bytes.
    pub(super) fn skip(&mut self, field: &'static str, count: u64) -> Result<(), Cause> {
        self.expect(field, count)?;
        let end = self.left - count;
        let mut piece = vec![0; PIECE.min(usize::try_from(count).unwrap_or(PIECE))];
        while self.left > end {
            let length = piece.len().min(usize::try_from(self.left - end).unwrap_or(PIECE));
            self.fill(&mut piece[..length])?;
        }
        Ok(())
    }

    /// Digest of all bytes read until now.
    pub(super) fn digest(&self) -> [u8; 32]
    where
        D: Clone + Digest<OutputSize = sha2::digest::consts::U32>,
    {
        self.digest.clone().finalize().into()
    }

    /// The file ends here.
    pub(super) fn end(mut self) -> Result<(), Cause> {
        if self.left > 0 {
            return Err(Cause::Length { field: "after the end", expected: 0, got: self.left });
        }
        match self.inner.read(&mut [0]).map_err(Cause::io("read"))? {
            0 => Ok(()),
            _ => Err(Cause::io("read")(io::Error::other("the file grew while it was read"))),
        }
    }

    fn expect(&self, field: &'static str, length: u64) -> Result<(), Cause> {
        if length > self.left { Err(self.too_short(field, length)) } else { Ok(()) }
    }

    fn too_short(&self, field: &'static str, expected: u64) -> Cause {
        Cause::Length { field, expected, got: self.left }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Cause> {
        self.inner.read_exact(bytes).map_err(Cause::io("read"))?;
        self.left -= bytes.len() as u64;
        self.digest.update(bytes);
        Ok(())
    }
}

/// A raw point of G1 other than infinity. The cofactor is 1: on the curve is in the group.
pub(super) fn raw_g1(field: &'static str, bytes: &[u8], index: u64) -> Result<G1Affine, Cause> {
    let coordinate = || Cause::Coordinate { field, index };
    let (x, y) = bytes.split_at(G1_BYTES / 2);
    let x = Fq::from_raw_bytes(x).ok_or_else(coordinate)?;
    let y = Fq::from_raw_bytes(y).ok_or_else(coordinate)?;
    on_curve(field, index, G1Affine { x, y })
}

/// A raw point of G2 other than infinity.
pub(super) fn raw_g2(field: &'static str, bytes: &[u8], index: u64) -> Result<G2Affine, Cause> {
    let part = |at: usize| {
        let part = bytes.get(32 * at..32 * (at + 1)).and_then(Fq::from_raw_bytes);
        part.ok_or(Cause::Coordinate { field, index })
    };
    let (x, y) = (Fq2 { c0: part(0)?, c1: part(1)? }, Fq2 { c0: part(2)?, c1: part(3)? });
    in_subgroup(field, index, on_curve(field, index, G2Affine { x, y })?)
}

/// The point, when it lies on the curve of G2 and in G2.
pub(super) fn in_subgroup(field: &'static str, index: u64, point: G2Affine) -> Result<G2Affine, Cause> {
    let inside = bool::from(point.to_curve().is_torsion_free());
    if inside { Ok(point) } else { Err(Cause::OutsideSubgroup { field, index }) }
}

fn on_curve<C: CurveAffine>(field: &'static str, index: u64, point: C) -> Result<C, Cause> {
    if bool::from(point.is_identity()) {
        return Err(Cause::Infinity { field, index });
    }
    if bool::from(point.is_on_curve()) { Ok(point) } else { Err(Cause::OffCurve { field, index }) }
}
