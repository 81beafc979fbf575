//! Proving one statement.

use halo2_proofs::halo2curves::bn256::Bn256;
use halo2_proofs::plonk::{self, create_proof};
use halo2_proofs::poly::kzg::commitment::KZGCommitmentScheme;
use halo2_proofs::poly::kzg::multiopen::ProverSHPLONK;
use rand_core::OsRng;

use crate::circuit::{Gridded, Sheet, instances};
use crate::keys::Keys;
use crate::srs::Srs;
use crate::transcript::ProofWriter;

/// Proves that the openings in `circuit` obey its claim; returns the proof bytes.
///
/// The prover does not check the witness: a false one yields a proof that no verifier accepts, so
/// callers check the openings first.
///
/// # Errors
/// Halo2's, when the keys are not of this circuit.
pub fn prove<C: Gridded>(srs: &Srs, keys: &Keys, circuit: C) -> Result<Vec<u8>, plonk::Error> {
    let grid = circuit.grid();
    let instances = instances(&grid);
    let mut transcript = ProofWriter::new();
    create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, _, _, _, _>(
        &srs.params,
        &keys.proving,
        &[Sheet::<C>::of(grid)],
        &[&[&instances]],
        OsRng,
        &mut transcript,
    )?;
    Ok(transcript.into_proof())
}
