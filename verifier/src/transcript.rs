//! Fiat-Shamir with Keccak-256, as the generated contract does it, so that one proof serves both.
//!
//! Everything absorbed is concatenated; a challenge is
//! `hash = keccak(hash of the challenge before || absorbed since)`, read big-endian modulo the
//! group order. With nothing absorbed since, one byte `01` follows the earlier hash.

use crate::encoding::{G1_BYTES, SCALAR_BYTES, read_g1, read_scalar, write_scalar};
use crate::plonk::Error;
use alloc::vec::Vec;
use ark_bn254::{Fr, G1Affine};
use ark_ff::PrimeField;
use sha3::{Digest, Keccak256};

/// The running hash that prover and verifier share.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    hasher: Keccak256,
    absorbed: usize,
}

impl Transcript {
    /// Absorbs a scalar (32 bytes) or a point (64 bytes) in its encoding.
    pub fn absorb(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.absorbed = self.absorbed.saturating_add(bytes.len());
    }

    /// Draws the next challenge.
    pub fn challenge(&mut self) -> Fr {
        if self.absorbed == 32 {
            self.hasher.update([1]);
        }
        let hash = self.hasher.finalize_reset();
        self.absorbed = 0;
        self.absorb(&hash);
        Fr::from_be_bytes_mod_order(&hash)
    }
}

/// Reads a proof front to back, absorbing what it reads.
pub(crate) struct ProofReader<'a> {
    transcript: Transcript,
    proof: &'a [u8],
    length: usize,
}

impl<'a> ProofReader<'a> {
    pub(crate) fn new(proof: &'a [u8]) -> Self {
        Self { transcript: Transcript::default(), proof, length: proof.len() }
    }

    /// Absorbs a scalar that both sides know.
    pub(crate) fn absorb_scalar(&mut self, scalar: &Fr) {
        self.transcript.absorb(&write_scalar(scalar));
    }

    pub(crate) fn challenge(&mut self) -> Fr {
        self.transcript.challenge()
    }

    pub(crate) fn point(&mut self) -> Result<G1Affine, Error> {
        let at = self.position();
        read_g1(self.take(G1_BYTES)?).ok_or(Error::Point { at })
    }

    pub(crate) fn points(&mut self, count: usize) -> Result<Vec<G1Affine>, Error> {
        (0..count).map(|_| self.point()).collect()
    }

    pub(crate) fn scalar(&mut self) -> Result<Fr, Error> {
        let at = self.position();
        read_scalar(self.take(SCALAR_BYTES)?).ok_or(Error::Scalar { at })
    }

    pub(crate) fn scalars(&mut self, count: usize) -> Result<Vec<Fr>, Error> {
        (0..count).map(|_| self.scalar()).collect()
    }

    /// Ends the reading: no byte may be left.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        if self.proof.is_empty() { Ok(()) } else { Err(self.wrong_length(self.position())) }
    }

    fn position(&self) -> usize {
        self.length.saturating_sub(self.proof.len())
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let needed = self.position().saturating_add(count);
        let (bytes, rest) = self.proof.split_at_checked(count).ok_or(self.wrong_length(needed))?;
        self.transcript.absorb(bytes);
        self.proof = rest;
        Ok(bytes)
    }

    fn wrong_length(&self, expected: usize) -> Error {
        Error::ProofLength { expected, got: self.length }
    }
}
