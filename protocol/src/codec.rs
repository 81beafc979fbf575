//! The strict byte codec of every artifact: magic, format version, fields, end.
//!
//! Integers and field elements are big-endian; a field element is below its modulus. A [`Reader`]
//! never allocates on the word of a length field: a count is checked against the bytes left first.

use alloc::vec::Vec;

use ark_bn254::Fr;
use ark_ff::{BigInt, PrimeField};

use crate::model::Exponents;

/// Version of every artifact format of this crate.
pub const VERSION: u16 = 1;

/// Why bytes are not the artifact they are read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The first eight bytes name another artifact.
    #[error("not a {expected}: wrong magic bytes")]
    Magic {
        /// What was to be read.
        expected: &'static str,
    },
    /// Another format version.
    #[error("format version: expected {VERSION}, got {got}")]
    Version {
        /// The version found.
        got: u16,
    },
    /// The bytes end inside a field.
    #[error("{field}: {needed} bytes expected, {left} left")]
    TooShort {
        /// The field.
        field: &'static str,
        /// Bytes the field takes.
        needed: usize,
        /// Bytes left.
        left: usize,
    },
    /// Bytes follow the last field.
    #[error("{left} bytes after the end")]
    TooLong {
        /// Bytes left.
        left: usize,
    },
    /// A value outside the field's legal range.
    #[error("{field}: illegal value")]
    Value {
        /// The field.
        field: &'static str,
    },
}

/// A field element as 32 canonical big-endian bytes.
pub fn scalar_bytes(scalar: &Fr) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (chunk, limb) in bytes.chunks_exact_mut(8).zip(scalar.into_bigint().0.iter().rev()) {
        chunk.copy_from_slice(&limb.to_be_bytes());
    }
    bytes
}

/// The field element that these canonical bytes are; `None` at or above the modulus.
pub fn scalar(bytes: &[u8; 32]) -> Option<Fr> {
    let mut limbs = [0u64; 4];
    for (limb, chunk) in limbs.iter_mut().rev().zip(bytes.chunks_exact(8)) {
        *limb = chunk.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
    }
    Fr::from_bigint(BigInt(limbs))
}

/// Writes an artifact.
#[derive(Clone, Debug)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Starts with `magic` and the format version.
    pub fn new(magic: &[u8; 8]) -> Self {
        let mut bytes = magic.to_vec();
        bytes.extend(VERSION.to_be_bytes());
        Self(bytes)
    }

    /// Appends raw bytes.
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Appends a `u32`.
    pub fn u32(self, value: u32) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Appends a `u64`.
    pub fn u64(self, value: u64) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Appends a field element.
    pub fn scalar(self, value: &Fr) -> Self {
        self.bytes(&scalar_bytes(value))
    }

    /// Appends a count and that many bytes.
    pub fn blob(self, bytes: &[u8]) -> Self {
        self.u32(bytes.len() as u32).bytes(bytes)
    }

    /// Appends a count and that many signed integers.
    pub fn integers(self, values: &[i32]) -> Self {
        values.iter().fold(self.u32(values.len() as u32), |writer, value| writer.u32(*value as u32))
    }

    /// Appends the list of some exponents, an empty one for none.
    pub fn exponents(self, exponents: Option<&Exponents>) -> Self {
        self.integers(&exponents.map_or(Vec::new(), Exponents::to_list))
    }

    /// The artifact.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads an artifact; every method names the field that it reads.
#[derive(Clone, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Checks `magic` and the format version; `expected` names the artifact in errors.
    ///
    /// # Errors
    /// [`CodecError::Magic`], [`CodecError::Version`] or [`CodecError::TooShort`].
    pub fn new(bytes: &'a [u8], magic: &[u8; 8], expected: &'static str) -> Result<Self, CodecError> {
        let mut reader = Self(bytes);
        if reader.array::<8>("magic")? != *magic {
            return Err(CodecError::Magic { expected });
        }
        match u16::from_be_bytes(reader.array("version")?) {
            VERSION => Ok(reader),
            got => Err(CodecError::Version { got }),
        }
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`CodecError::TooShort`].
    pub fn bytes(&mut self, field: &'static str, count: usize) -> Result<&'a [u8], CodecError> {
        let too_short = CodecError::TooShort { field, needed: count, left: self.0.len() };
        let (head, tail) = self.0.split_at_checked(count).ok_or(too_short)?;
        self.0 = tail;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`CodecError::TooShort`].
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], CodecError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(field, N)?);
        Ok(array)
    }

    /// A `u32`.
    ///
    /// # Errors
    /// [`CodecError::TooShort`].
    pub fn u32(&mut self, field: &'static str) -> Result<u32, CodecError> {
        self.array(field).map(u32::from_be_bytes)
    }

    /// A `u64`.
    ///
    /// # Errors
    /// [`CodecError::TooShort`].
    pub fn u64(&mut self, field: &'static str) -> Result<u64, CodecError> {
        self.array(field).map(u64::from_be_bytes)
    }

    /// A canonical field element.
    ///
    /// # Errors
    /// [`CodecError::TooShort`]; [`CodecError::Value`] at or above the modulus.
    pub fn scalar(&mut self, field: &'static str) -> Result<Fr, CodecError> {
        scalar(&self.array(field)?).ok_or(CodecError::Value { field })
    }

    /// A count and that many bytes.
    ///
    /// # Errors
    /// [`CodecError::TooShort`].
    pub fn blob(&mut self, field: &'static str) -> Result<&'a [u8], CodecError> {
        let count = self.u32(field)? as usize;
        self.bytes(field, count)
    }

    /// A count and that many signed integers.
    ///
    /// # Errors
    /// [`CodecError::TooShort`].
    pub fn integers(&mut self, field: &'static str) -> Result<Vec<i32>, CodecError> {
        let count = self.u32(field)? as usize;
        let bytes = self.bytes(field, count.saturating_mul(4))?;
        Ok(bytes.chunks_exact(4).map(|word| i32::from_be_bytes([word[0], word[1], word[2], word[3]])).collect())
    }

    /// Reads the list of some exponents, none for an empty one.
    ///
    /// # Errors
    /// [`CodecError::TooShort`], or [`CodecError::Value`] for what no model has.
    pub fn exponents(&mut self, field: &'static str) -> Result<Option<Exponents>, CodecError> {
        let list = self.integers(field)?;
        if list.is_empty() {
            return Ok(None);
        }
        Exponents::from_list(&list).map(Some).ok_or(CodecError::Value { field })
    }

    /// Bytes not read yet.
    pub fn left(&self) -> usize {
        self.0.len()
    }

    /// Ends the artifact.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] when bytes are left.
    pub fn finish(self) -> Result<(), CodecError> {
        if self.0.is_empty() { Ok(()) } else { Err(CodecError::TooLong { left: self.0.len() }) }
    }
}
