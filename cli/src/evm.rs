//! The proofs of a round in an EVM inside this process.

use pogo_contracts::{Evm, Gas};
use pogo_protocol::statement::Statement;
use pogo_verifier::Setup as SrsKind;
use pogo_verifier::container;

use crate::failure::Failure;
use crate::workspace::{Published, description};

/// Gas of every proof of a round whose proofs rest on the development SRS; none for a ceremony's,
/// whose contract this build does not hold.
///
/// # Errors
/// [`Failure::Check`] when the contract refuses.
pub(crate) fn verify(published: &Published) -> Result<Option<Vec<Gas>>, Failure> {
    if published.setup.srs != SrsKind::Development {
        return Ok(None);
    }
    let length = description(published.setup.srs)?.proof_length();
    let check = |error: &dyn std::fmt::Display| Failure::Check(format!("EVM: {error}"));
    let mut evm = Evm::new().map_err(|error| check(&error))?;
    let files = published.statements.iter().zip(&published.proofs);
    let verify = |(statement, proof): (&Vec<u8>, &Vec<u8>)| {
        let statement = Statement::decode(statement).map_err(|error| check(&error))?;
        let (_, proof) = container::decode(proof, length).map_err(|error| check(&error))?;
        evm.verify(&statement, proof).map_err(|error| check(&error))
    };
    files.map(verify).collect::<Result<_, _>>().map(Some)
}
