//! A prepared SRS: everything that proving needs, with the Lagrange points already made.
//!
//! ```text
//! "pogo/srs" | version u32 | origin u8 (1 development, 2 ceremony) | k u8
//! | sha256 of the source in G1, 32 | of the source in G2, 32
//! | g, 2^k x 64 | g_lagrange, 2^k x 64 | g2, 128 | s_g2, 128
//! | keccak256 of all before, 32
//! ```
//!
//! Numbers are big-endian; points are raw: little-endian coordinates in Montgomery form.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use halo2_proofs::SerdeFormat;
use halo2_proofs::halo2curves::bn256::{G1Affine, G2Affine};
use sha3::{Digest, Keccak256};

use super::reader::{self, G1_BYTES, G2_BYTES, Reader};
use super::{Cause, Error, K_RANGE, Origin, Source, Srs, check, params};

/// First bytes of a prepared SRS.
pub const MAGIC: &str = "pogo/srs";
/// Version of the format.
pub const VERSION: u32 = 1;

/// Bytes before the points, and of the checksum after them.
const HEADER: u64 = 8 + 4 + 1 + 1 + 64;
const CHECKSUM: u64 = 32;

/// Bytes of a prepared SRS.
pub fn length(k: u32) -> u64 {
    HEADER + 2 * (G1_BYTES as u64) * (1 << k) + 2 * G2_BYTES as u64 + CHECKSUM
}

/// Writes an SRS.
///
/// # Errors
/// The writer's.
pub fn encode(srs: &Srs, out: &mut impl Write) -> std::io::Result<()> {
    let mut out = Summed { inner: out, digest: Keccak256::new(), drop: 0 };
    out.write_all(MAGIC.as_bytes())?;
    out.write_all(&VERSION.to_be_bytes())?;
    out.write_all(&[origin_byte(srs.origin), srs.k() as u8])?;
    out.write_all(&srs.source.g1)?;
    out.write_all(&srs.source.g2)?;
    // Halo2 writes k in 4 bytes, then all points in our order and form.
    out.drop = 4;
    srs.params.write_custom(&mut out, SerdeFormat::RawBytes)?;
    let Summed { inner, digest, .. } = out;
    inner.write_all(&digest.finalize())
}

/// Reads an SRS of `length` bytes: exact length, canonical points on their curves and in their
/// groups, generators where they belong, an origin that is true, the right checksum.
///
/// # Errors
/// The first of these that fails.
pub fn decode(from: impl Read, length: u64) -> Result<Srs, Cause> {
    let mut reader = Reader::<_, Keccak256>::new(from, length);
    let (origin, k) = header(&mut reader, length)?;
    let source = Source { g1: reader.bytes("source")?, g2: reader.bytes("source")? };
    let count = 1 << k;
    let g = reader.items("g", count, G1_BYTES, |bytes, at| reader::raw_g1("g", bytes, at))?;
    let g_lagrange =
        reader.items("g_lagrange", count, G1_BYTES, |bytes, at| reader::raw_g1("g_lagrange", bytes, at))?;
    let g2 = reader::raw_g2("g2", &reader.bytes::<G2_BYTES>("g2")?, 0)?;
    let s_g2 = reader::raw_g2("s_g2", &reader.bytes::<G2_BYTES>("s_g2")?, 0)?;
    let expected = reader.digest();
    let got = reader.bytes("checksum")?;
    reader.end()?;
    if expected != got {
        return Err(Cause::Checksum { expected, got });
    }
    check::generator("g", g.first(), &G1Affine::generator())?;
    check::generator("g2", Some(&g2), &G2Affine::generator())?;
    check::origin(origin, &g)?;
    Ok(Srs { params: params(g, g_lagrange, s_g2), origin, source })
}

/// Reads an SRS file.
///
/// # Errors
/// Those of [`decode`].
pub(super) fn load(path: &Path) -> Result<Srs, Error> {
    let read = || {
        let (file, length) = reader::open(path)?;
        decode(file, length)
    };
    read().map_err(|cause| cause.of(path))
}

/// Writes an SRS file under a temporary name, and renames it when it is on the disk.
///
/// # Errors
/// The file system's.
pub(super) fn save(srs: &Srs, path: &Path) -> Result<(), Error> {
    let temporary = temporary(path);
    let written = write(srs, &temporary).and_then(|()| {
        fs::rename(&temporary, path).map_err(Cause::io("rename the temporary file"))?;
        sync_folder(path)
    });
    written.map_err(|cause| {
        // There may be none to remove; the first error is the one to report.
        let _ = fs::remove_file(&temporary);
        cause.of(path)
    })
}

fn header(reader: &mut Reader<impl Read, Keccak256>, length: u64) -> Result<(Origin, u32), Cause> {
    let magic: [u8; MAGIC.len()] = reader.bytes("magic")?;
    if magic != MAGIC.as_bytes() {
        return Err(Cause::Magic { expected: MAGIC, got: magic.to_vec() });
    }
    let version = u32::from_be_bytes(reader.bytes("version")?);
    if version != VERSION {
        return Err(Cause::Number { field: "version", expected: VERSION.into(), got: version.into() });
    }
    let [origin, k] = reader.bytes("origin and k")?;
    let origin = match origin {
        1 => Origin::Development,
        2 => Origin::Ceremony,
        got => return Err(Cause::Range { field: "origin", least: 1, most: 2, got: got.into() }),
    };
    let k = in_range("k", k.into(), *K_RANGE.end())?;
    let expected = self::length(k);
    if length != expected {
        return Err(Cause::Length { field: "file", expected, got: length });
    }
    Ok((origin, k))
}

/// `k`, when it is legal and at most `most`.
pub(super) fn in_range(field: &'static str, k: u32, most: u32) -> Result<u32, Cause> {
    let least = *K_RANGE.start();
    let range = Cause::Range { field, least: least.into(), most: most.into(), got: k.into() };
    if (least..=most).contains(&k) { Ok(k) } else { Err(range) }
}

fn origin_byte(origin: Origin) -> u8 {
    match origin {
        Origin::Development => 1,
        Origin::Ceremony => 2,
    }
}

fn write(srs: &Srs, path: &Path) -> Result<(), Cause> {
    let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(Cause::io("create"))?;
    let mut out = BufWriter::new(file);
    encode(srs, &mut out).map_err(Cause::io("write"))?;
    let file = out.into_inner().map_err(|error| Cause::io("write")(error.into_error()))?;
    file.sync_all().map_err(Cause::io("sync"))
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    path.with_file_name(name)
}

fn sync_folder(path: &Path) -> Result<(), Cause> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Cause::io("sync the folder"))
}

/// Digests what it writes, and drops the next `drop` bytes.
struct Summed<'a, W> {
    inner: &'a mut W,
    digest: Keccak256,
    drop: usize,
}

impl<W: Write> Write for Summed<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.drop > 0 {
            let dropped = self.drop.min(bytes.len());
            self.drop -= dropped;
            return Ok(dropped);
        }
        let written = self.inner.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}
