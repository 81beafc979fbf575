//! Proving and verifying keys of a circuit under one SRS.

use halo2_proofs::halo2curves::bn256::G1Affine;
use halo2_proofs::plonk::{self, ProvingKey, keygen_pk, keygen_vk};
use pogo_protocol::stream::keccak;

use crate::circuit::{Gridded, Sheet};
use crate::describe::describe;
use crate::round::{RoundCircuit, Shape};
use crate::srs::{Origin, Srs};

/// Keys of one circuit under one SRS.
#[derive(Debug)]
pub struct Keys {
    /// Halo2's proving key, which holds the verifying key.
    pub proving: ProvingKey<G1Affine>,
    /// The verifier's description of the circuit.
    pub description: Vec<u8>,
}

impl Keys {
    /// Makes the keys.
    ///
    /// # Errors
    /// Halo2's, when `srs` is too small for the circuit.
    pub fn generate(shape: Shape, srs: &Srs) -> Result<Self, plonk::Error> {
        Self::of(&RoundCircuit::blank(shape), srs)
    }

    /// Makes the keys of any circuit of this crate, whatever its witness.
    ///
    /// # Errors
    /// Halo2's, when `srs` is too small for the circuit.
    pub fn of<C: Gridded>(circuit: &C, srs: &Srs) -> Result<Self, plonk::Error> {
        let grid = circuit.grid();
        let rows = grid.publics.len() as u32;
        let sheet = Sheet::<C>::of(grid);
        let verifying = keygen_vk(&srs.params, &sheet)?;
        let development = srs.origin == Origin::Development;
        let description = describe(&srs.params, &verifying, &[rows], srs.id(), development);
        let proving = keygen_pk(&srs.params, verifying, &sheet)?;
        Ok(Self { proving, description })
    }

    /// Circuit id: digest of the description.
    pub fn circuit(&self) -> [u8; 32] {
        keccak(&[&self.description])
    }
}
