//! Why an SRS is refused.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::Origin;

/// An SRS file is refused, or cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", file.display())]
pub struct Error {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub cause: Cause,
}

/// What is wrong with an SRS.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The operating system refused.
    #[error("cannot {doing}: {error}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The system's answer.
        error: io::Error,
    },
    /// A part is longer or shorter than its content.
    #[error("{field}: expected {expected} bytes, got {got}")]
    Length {
        /// The part.
        field: &'static str,
        /// Bytes that its content takes.
        expected: u64,
        /// Bytes there.
        got: u64,
    },
    /// Not a file of this kind.
    #[error("magic: expected {:?}, got \"{}\"", expected, got.escape_ascii())]
    Magic {
        /// First bytes of such a file.
        expected: &'static str,
        /// First bytes of this file.
        got: Vec<u8>,
    },
    /// A number that has one legal value has another.
    #[error("{field}: expected {expected}, got {got}")]
    Number {
        /// The number.
        field: &'static str,
        /// The legal value.
        expected: u64,
        /// The value.
        got: u64,
    },
    /// A number is out of its range.
    #[error("{field}: expected {least} to {most}, got {got}")]
    Range {
        /// The number.
        field: &'static str,
        /// Smallest legal value.
        least: u64,
        /// Largest legal value.
        most: u64,
        /// The value.
        got: u64,
    },
    /// The ceremony is of another curve.
    #[error("prime: expected {}, got {}", Hex(expected), Hex(got))]
    Prime {
        /// The base field's modulus, little-endian.
        expected: [u8; 32],
        /// The file's.
        got: [u8; 32],
    },
    /// A coordinate is not below the modulus.
    #[error("{field} {index}: a coordinate is not below the modulus")]
    Coordinate {
        /// The list of points.
        field: &'static str,
        /// Place in the list.
        index: u64,
    },
    /// A compressed point has flags other than those of a finite point.
    #[error("{field} {index}: expected flags 0b10 or 0b11, got {got:#04b}")]
    Flags {
        /// The list of points.
        field: &'static str,
        /// Place in the list.
        index: u64,
        /// The flags.
        got: u8,
    },
    /// A point is the point at infinity.
    #[error("{field} {index}: the point at infinity")]
    Infinity {
        /// The list of points.
        field: &'static str,
        /// Place in the list.
        index: u64,
    },
    /// A point is not on its curve.
    #[error("{field} {index}: not on the curve")]
    OffCurve {
        /// The list of points.
        field: &'static str,
        /// Place in the list.
        index: u64,
    },
    /// A point of the curve of G2 is not in G2.
    #[error("{field} {index}: not in the subgroup")]
    OutsideSubgroup {
        /// The list of points.
        field: &'static str,
        /// Place in the list.
        index: u64,
    },
    /// A list of powers does not begin with the group's generator.
    #[error("{field}: the first point is not the generator")]
    Generator {
        /// The list of points.
        field: &'static str,
    },
    /// The points are not powers of one secret.
    #[error("e(sum r[i] g[i + 1], G2) is not e(sum r[i] g[i], s_g2): these are not powers of one secret")]
    Powers,
    /// The Lagrange points are not those of the powers.
    #[error("sum r[i] g_lagrange[i] is not the commitment to r: these are not the Lagrange points of g")]
    Lagrange,
    /// The secret is the public one where a ceremony is claimed, or the other way around.
    #[error("origin: the file says {claimed:?}, its secret is that of {found:?}")]
    Origin {
        /// What the file, or its kind, says.
        claimed: Origin,
        /// What the first power says.
        found: Origin,
    },
    /// The imported file is not the one that was asked for.
    #[error("sha256: expected {}, got {}", Hex(expected), Hex(got))]
    Digest {
        /// The known file's digest.
        expected: [u8; 32],
        /// This file's.
        got: [u8; 32],
    },
    /// A prepared file's content changed after it was written.
    #[error("checksum: expected {}, got {}", Hex(expected), Hex(got))]
    Checksum {
        /// Digest of the content.
        expected: [u8; 32],
        /// The checksum in the file.
        got: [u8; 32],
    },
}

impl Cause {
    pub(super) fn io(doing: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self::Io { doing, error }
    }

    pub(super) fn of(self, file: &Path) -> Error {
        Error { file: file.to_owned(), cause: self }
    }
}

struct Hex<'a>(&'a [u8; 32]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}
