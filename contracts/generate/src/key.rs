//! The key of a circuit: all that differs between circuits of one constraint system.
//!
//! ```text
//! words = digest of the key, as the transcript starts with it | x, y of each commitment to a fixed column
//! ```
//!
//! To write one verifier for every key, snark-verifier is given marks in place of a key's words. A
//! [`Trace`](crate::trace::Trace) finds the marks again and reads the key there.

use std::collections::HashMap;

use anyhow::{Context, Result};
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use halo2_proofs::halo2curves::ff::{FromUniformBytes, PrimeField};
use pogo_protocol::stream::keccak;
use snark_verifier::verifier::plonk::PlonkProtocol;

use crate::read::Word;

/// The words of a protocol's key. The commitment to a column of zeros is (0, 0), as the precompiles
/// write it.
///
/// # Errors
/// When the protocol has no digest of its key.
pub(crate) fn words(protocol: &PlonkProtocol<G1Affine>) -> Result<Vec<Word>> {
    let digest = protocol.transcript_initial_state.context("a protocol without a digest of its key")?;
    let points = protocol.preprocessed.iter().flat_map(|point| [point.x, point.y].map(|x| word(&x)));
    Ok([word(&digest)].into_iter().chain(points).collect())
}

/// Puts marks in place of the key: numbers and points that nobody else uses, all different, and other
/// ones for another `seed`. Returns which word of the key each mark stands for.
///
/// # Errors
/// When the protocol has no digest of its key.
pub(crate) fn mark(protocol: &mut PlonkProtocol<G1Affine>, seed: &str) -> Result<HashMap<Word, usize>> {
    let number = |index: u32| {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&keccak(&[seed.as_bytes(), &index.to_be_bytes()]));
        Fr::from_uniform_bytes(&bytes)
    };
    protocol.transcript_initial_state = Some(number(0));
    for (point, index) in protocol.preprocessed.iter_mut().zip(1..) {
        *point = (G1Affine::generator() * number(index)).into();
    }
    Ok(words(protocol)?.into_iter().zip(0..).collect())
}

/// A field element, big-endian.
fn word<F: PrimeField<Repr = [u8; 32]>>(element: &F) -> Word {
    let mut word = element.to_repr();
    word.reverse();
    word
}
