//! How a round ended: `verdict.bin`.
//!
//! ```text
//! "pogo/vrd" | version u16 | candidate 32 | commitment 32 | end u8 | head 32 | total u64
//! | positive u64 | negative u64 | improved u64
//! end: 1 finalized, 2 lapsed (round over), 3 lapsed (no quorum), 4 lapsed (loss did not fall)
//! ```

use ark_bn254::Fr;
use pogo_protocol::codec::{CodecError, Reader, Writer};
use pogo_protocol::settle::Lapse;

/// The end of a candidate and the votes that led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Id of the candidate.
    pub(crate) candidate: [u8; 32],
    /// Hash of its commitment.
    pub(crate) commitment: [u8; 32],
    /// Why it did not become the head; none for a finalized one.
    pub(crate) lapse: Option<Lapse>,
    /// State root that the next round starts from.
    pub(crate) head: Fr,
    /// All stake that may vote.
    pub(crate) total: u64,
    /// Stake with a positive sign.
    pub(crate) positive: u64,
    /// Stake with a negative sign.
    pub(crate) negative: u64,
    /// Stake that measured a fall of the loss.
    pub(crate) improved: u64,
}

const ENDS: [Option<Lapse>; 4] = [None, Some(Lapse::RoundOver), Some(Lapse::NoQuorum), Some(Lapse::NoImprovement)];

impl Verdict {
    /// First bytes of the file.
    pub(crate) const MAGIC: &[u8; 8] = b"pogo/vrd";

    /// Canonical bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let end = ENDS.iter().position(|end| *end == self.lapse).map_or(0, |index| index as u8 + 1);
        let writer = Writer::new(Self::MAGIC).bytes(&self.candidate).bytes(&self.commitment);
        let writer = writer.bytes(&[end]).scalar(&self.head);
        writer.u64(self.total).u64(self.positive).u64(self.negative).u64(self.improved).finish()
    }

    /// Reads what [`Verdict::encode`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`CodecError`] naming the field.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes, Self::MAGIC, "verdict")?;
        let candidate = reader.array("candidate")?;
        let commitment = reader.array("commitment")?;
        let [end] = reader.array("end")?;
        let lapse = usize::from(end).checked_sub(1).and_then(|index| ENDS.get(index));
        let verdict = Self {
            candidate,
            commitment,
            lapse: *lapse.ok_or(CodecError::Value { field: "end" })?,
            head: reader.scalar("head")?,
            total: reader.u64("total")?,
            positive: reader.u64("positive")?,
            negative: reader.u64("negative")?,
            improved: reader.u64("improved")?,
        };
        reader.finish()?;
        Ok(verdict)
    }

    /// The end in words.
    pub(crate) fn end(&self) -> &'static str {
        match self.lapse {
            None => "finalized",
            Some(Lapse::RoundOver) => "lapsed: another candidate became the head",
            Some(Lapse::NoQuorum) => "lapsed: not more than two thirds of the stake were positive",
            Some(Lapse::NoImprovement) => "lapsed: the measured loss of the 4-bit model did not fall",
        }
    }
}
