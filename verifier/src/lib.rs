//! Verification of pogo proofs: bytes in, `Result<(), Error>` out.
//!
//! [`verify`] checks one proof of one statement under a key that this crate embeds, [`Verifier`] many
//! of them; [`round::verify`] recomputes the statements of a whole round first. A circuit is known by
//! its [`description::Description`]; [`plonk::verify`] checks a proof of its constraints. Nothing here
//! panics, allocates on a stranger's word, or needs `std`.

#![no_std]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

extern crate alloc;

pub mod container;
pub mod description;
pub mod encoding;
mod pinned;
pub mod plonk;
pub mod round;
mod shplonk;
pub mod transcript;

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;

use pogo_protocol::cell::Unprovable;
use pogo_protocol::codec::CodecError;
use pogo_protocol::statement::{CircuitKind, Circuits, NoStatement, Statement};
use pogo_protocol::stream::keccak;

use description::Description;

/// Whose SRS a proof may rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// The ceremony whose key is embedded: what production uses.
    Ceremony,
    /// The development SRS, whose secret is public: **anyone can forge proofs under it**. For tests
    /// and trials only.
    Development,
}

impl Setup {
    /// The embedded description of a circuit under this SRS.
    pub fn description_bytes(self, circuit: CircuitKind) -> &'static [u8] {
        pinned::description(self, circuit)
    }

    /// The embedded circuit, parsed.
    ///
    /// # Errors
    /// [`Error::Description`], which a test excludes for the embedded bytes.
    pub fn description(self, circuit: CircuitKind) -> Result<Description, Error> {
        Ok(Description::parse(self.description_bytes(circuit))?)
    }

    /// Ids of the embedded circuits: digests of their descriptions.
    pub fn circuits(self) -> Circuits {
        Circuits(CircuitKind::ALL.map(|circuit| keccak(&[self.description_bytes(circuit)])))
    }
}

/// Why a proof is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The statement file is malformed.
    #[error("statement: {0}")]
    Statement(CodecError),
    /// The proof file is malformed.
    #[error("proof: {0}")]
    Container(CodecError),
    /// The description of the circuit is malformed.
    #[error("circuit description: {0}")]
    Description(#[from] description::Error),
    /// Statement or proof are of another circuit, version or SRS.
    #[error("{artifact} is of another circuit (preset, version or SRS) than this verifier's")]
    Circuit {
        /// Which file.
        artifact: &'static str,
    },
    /// The statement names another SRS than its circuit.
    #[error("the statement names another SRS than its circuit")]
    Srs,
    /// The proof does not show the statement.
    #[error(transparent)]
    Proof(#[from] plonk::Error),
    /// The statements are not those of the round.
    #[error("statement {part} is not the one that commitment, spec and beacon give")]
    Claim {
        /// Number of the statement.
        part: usize,
    },
    /// Statements or proofs are missing or too many.
    #[error("{artifact}s: expected {expected}, got {got}")]
    Count {
        /// Which files.
        artifact: &'static str,
        /// As many as the round has proofs.
        expected: usize,
        /// As many as there are.
        got: usize,
    },
    /// The round has cells that no statement claims.
    #[error(transparent)]
    Unprovable(#[from] Unprovable),
    /// The draw has cells that no statement claims.
    #[error(transparent)]
    NoStatement(#[from] NoStatement),
    /// The commitment is not of this spec, or not of a provable size.
    #[error("commitment: {field} does not fit the spec")]
    Commitment {
        /// The field.
        field: &'static str,
    },
}

/// Checks that `proof` shows `statement`, both as the files that the prover wrote.
///
/// That the statement is the right one, of this round and beacon, is for the caller to know, or for
/// [`round::verify`] to find out.
///
/// # Errors
/// [`Error`]: malformed bytes, another circuit or SRS, or a proof that does not hold.
pub fn verify(setup: Setup, statement: &[u8], proof: &[u8]) -> Result<(), Error> {
    Verifier::new(setup).verify(statement, proof)
}

/// Checks proofs of all circuits under one SRS; parses the description of each once, when a statement
/// first names it.
#[derive(Clone, Debug)]
pub struct Verifier {
    setup: Setup,
    circuits: Circuits,
    parsed: BTreeMap<CircuitKind, Description>,
}

impl Verifier {
    /// A verifier that has parsed nothing yet.
    pub fn new(setup: Setup) -> Self {
        Self { setup, circuits: setup.circuits(), parsed: BTreeMap::new() }
    }

    /// Ids of its circuits.
    pub fn circuits(&self) -> &Circuits {
        &self.circuits
    }

    /// Id of its SRS.
    ///
    /// # Errors
    /// [`Error::Description`], which a test excludes.
    pub fn srs(&mut self) -> Result<[u8; 32], Error> {
        Ok(self.description(CircuitKind::Round)?.parts().srs_id)
    }

    /// A circuit.
    ///
    /// # Errors
    /// [`Error::Description`], which a test excludes.
    pub fn description(&mut self, circuit: CircuitKind) -> Result<&Description, Error> {
        Ok(match self.parsed.entry(circuit) {
            Entry::Occupied(parsed) => parsed.into_mut(),
            Entry::Vacant(place) => place.insert(self.setup.description(circuit)?),
        })
    }

    /// As [`verify`].
    ///
    /// # Errors
    /// As [`verify`].
    pub fn verify(&mut self, statement: &[u8], proof: &[u8]) -> Result<(), Error> {
        let claim = Statement::decode(statement).map_err(Error::Statement)?;
        let circuit = self.circuits.kind(&claim.circuit).ok_or(Error::Circuit { artifact: "statement" })?;
        verify_with(self.description(circuit)?, statement, proof)
    }
}

/// [`verify`] under a circuit that the caller trusts.
///
/// # Errors
/// As [`verify`].
pub fn verify_with(description: &Description, statement: &[u8], proof: &[u8]) -> Result<(), Error> {
    let statement = Statement::decode(statement).map_err(Error::Statement)?;
    let (circuit, proof) = container::decode(proof, description.proof_length()).map_err(Error::Container)?;
    let id = description.id();
    if circuit != id {
        return Err(Error::Circuit { artifact: "proof" });
    }
    if statement.circuit != id {
        return Err(Error::Circuit { artifact: "statement" });
    }
    if statement.srs != description.parts().srs_id {
        return Err(Error::Srs);
    }
    Ok(plonk::verify(description, &statement.instances(), proof)?)
}
