//! The proof file: `"pogo/prf" | version u16 | circuit id 32 | proof`, nothing after it.
//!
//! The length of the proof is fixed by the circuit, so the file's length is as well.

use alloc::vec::Vec;

use pogo_protocol::codec::{CodecError, Reader, Writer};

const MAGIC: &[u8; 8] = b"pogo/prf";
/// Bytes before the proof.
pub const HEADER: usize = 8 + 2 + 32;

/// A proof file.
pub fn encode(circuit: &[u8; 32], proof: &[u8]) -> Vec<u8> {
    Writer::new(MAGIC).bytes(circuit).bytes(proof).finish()
}

/// Circuit id and proof of a proof file whose proof has `length` bytes.
///
/// # Errors
/// [`CodecError`] for other magic, version or length.
pub fn decode(bytes: &[u8], length: usize) -> Result<([u8; 32], &[u8]), CodecError> {
    let mut reader = Reader::new(bytes, MAGIC, "proof file")?;
    let circuit = reader.array("circuit")?;
    let proof = reader.bytes("proof", length)?;
    reader.finish()?;
    Ok((circuit, proof))
}
