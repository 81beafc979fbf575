//! The prover's side of the Keccak transcript: halo2 writes a proof into a [`ProofWriter`], and
//! the hash is the verifier's own [`Transcript`](pogo_verifier::transcript::Transcript).
//!
//! A proof is points as x, y and scalars, all 32 bytes big-endian, in the order written.

use halo2_proofs::halo2curves::CurveAffine;
use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1Affine};
use halo2_proofs::halo2curves::ff::PrimeField;
use halo2_proofs::transcript::{EncodedChallenge, Transcript, TranscriptWrite, TranscriptWriterBuffer};
use std::io;

/// Collects a proof and derives its challenges.
#[derive(Clone, Debug, Default)]
pub struct ProofWriter {
    transcript: pogo_verifier::transcript::Transcript,
    proof: Vec<u8>,
}

impl ProofWriter {
    /// An empty proof.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes of the finished proof.
    pub fn into_proof(self) -> Vec<u8> {
        self.proof
    }
}

impl Transcript<G1Affine, Challenge> for ProofWriter {
    fn squeeze_challenge(&mut self) -> Challenge {
        Challenge::new(&pogo_verifier::encoding::write_scalar(&self.transcript.challenge()))
    }

    fn common_point(&mut self, point: G1Affine) -> io::Result<()> {
        self.transcript.absorb(&point_bytes(point)?);
        Ok(())
    }

    fn common_scalar(&mut self, scalar: Fr) -> io::Result<()> {
        self.transcript.absorb(&scalar_bytes(scalar));
        Ok(())
    }
}

impl TranscriptWrite<G1Affine, Challenge> for ProofWriter {
    fn write_point(&mut self, point: G1Affine) -> io::Result<()> {
        self.common_point(point)?;
        self.proof.extend(point_bytes(point)?);
        Ok(())
    }

    fn write_scalar(&mut self, scalar: Fr) -> io::Result<()> {
        self.common_scalar(scalar)?;
        self.proof.extend(scalar_bytes(scalar));
        Ok(())
    }
}

/// For code that makes and finishes its transcript through halo2's traits.
impl TranscriptWriterBuffer<Vec<u8>, G1Affine, Challenge> for ProofWriter {
    fn init(proof: Vec<u8>) -> Self {
        Self { proof, ..Self::default() }
    }

    fn finalize(self) -> Vec<u8> {
        self.into_proof()
    }
}

/// A challenge, from its canonical big-endian bytes.
#[derive(Clone, Copy, Debug)]
pub struct Challenge(Fr);

impl EncodedChallenge<G1Affine> for Challenge {
    type Input = [u8; 32];

    fn new(bytes: &[u8; 32]) -> Self {
        let mut little_endian = *bytes;
        little_endian.reverse();
        Self(Fr::from_repr(little_endian).expect("the verifier's challenges are canonical"))
    }

    fn get_scalar(&self) -> Fr {
        self.0
    }
}

/// A scalar, big-endian.
pub fn scalar_bytes(scalar: Fr) -> [u8; 32] {
    let mut bytes = scalar.to_repr();
    bytes.reverse();
    bytes
}

/// A point's x and y, big-endian. The point at infinity has none: a proof that needs it (a column
/// of zeros without blinding, a constraint system of lower degree than it claims) cannot be
/// written.
pub fn point_bytes(point: G1Affine) -> io::Result<[u8; 64]> {
    let infinity = || io::Error::other("the point at infinity has no place in a proof");
    let coordinates = Option::from(point.coordinates()).filter(|_| point != G1Affine::default());
    let coordinates: halo2_proofs::halo2curves::Coordinates<G1Affine> = coordinates.ok_or_else(infinity)?;
    let mut bytes = [0; 64];
    for (chunk, coordinate) in bytes.chunks_exact_mut(32).zip([coordinates.x(), coordinates.y()]) {
        chunk.copy_from_slice(&coordinate_bytes(coordinate));
    }
    Ok(bytes)
}

/// A coordinate, big-endian.
pub(crate) fn coordinate_bytes(coordinate: &Fq) -> [u8; 32] {
    let mut bytes = coordinate.to_repr();
    bytes.reverse();
    bytes
}
