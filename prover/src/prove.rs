//! Prove: one Halo2 proof for each part of a challenge.

use pogo_circuits::keys::Keys;
use pogo_circuits::proof;
use pogo_circuits::round::{Claim, RoundCircuit, Shape};
use pogo_circuits::srs::Srs;
use pogo_protocol::opening::Openings;
use pogo_protocol::statement::Statement;
use pogo_verifier::container;

use crate::error::Error;

/// SRS and keys of one preset.
#[derive(Debug)]
pub struct Prover {
    /// The SRS.
    pub srs: Srs,
    /// Keys of the round circuit.
    pub keys: Keys,
    /// Size of the round circuit.
    pub shape: Shape,
}

impl Prover {
    /// Makes the keys of `shape` under `srs`.
    ///
    /// # Errors
    /// [`Error::Proving`] when the SRS is too small.
    pub fn new(shape: Shape, srs: Srs) -> Result<Self, Error> {
        let keys = Keys::generate(shape, &srs).map_err(|error| Error::Proving(error.to_string()))?;
        Ok(Self { srs, keys, shape })
    }

    /// Proves `statement` from its openings; returns the proof file.
    ///
    /// # Errors
    /// [`Error::Opening`] when the openings do not obey the statement.
    pub fn prove(&self, statement: &Statement, openings: Openings) -> Result<Vec<u8>, Error> {
        let claim = Claim::new(statement);
        let part = statement.part as usize;
        openings.check(&claim.roots).map_err(|violation| Error::Opening { part, violation })?;
        let circuit = RoundCircuit::new(self.shape, claim, openings);
        let proof = proof::prove(&self.srs, &self.keys, circuit).map_err(|error| Error::Proving(error.to_string()))?;
        Ok(container::encode(&self.keys.circuit(), &proof))
    }
}
