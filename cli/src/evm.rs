//! The proofs of a round in an EVM inside this process.

use pogo_contracts::{Evm, Gas};
use pogo_protocol::statement::Statement;
use pogo_verifier::Setup as SrsKind;
use pogo_verifier::container;

use crate::failure::Failure;
use crate::workspace::Published;

/// Gas of every proof where proofs rest on the development SRS; none for a ceremony's, whose contracts
/// this build does not hold.
///
/// # Errors
/// [`Failure::Check`] when the contract refuses.
pub(crate) fn verify(published: &Published) -> Result<Option<Vec<Gas>>, Failure> {
    if published.setup.srs != SrsKind::Development {
        return Ok(None);
    }
    let check = |error: &dyn std::fmt::Display| Failure::Check(format!("EVM: {error}"));
    let mut evm = Evm::new().map_err(|error| check(&error))?;
    let (circuits, files) = (published.setup.srs.circuits(), published.statements.iter().zip(&published.proofs));
    let mut gas = Vec::new();
    for (statement, proof) in files {
        let statement = Statement::decode(statement).map_err(|error| check(&error))?;
        let circuit = circuits.kind(&statement.circuit).ok_or_else(|| check(&"a proof of an unknown circuit"))?;
        let description = published.setup.srs.description(circuit);
        let description =
            description.map_err(|error| Failure::Environment(format!("the embedded verifying key: {error}")))?;
        let (_, proof) = container::decode(proof, description.proof_length()).map_err(|error| check(&error))?;
        gas.push(evm.verify(&statement, proof).map_err(|error| check(&error))?);
    }
    Ok(Some(gas))
}
