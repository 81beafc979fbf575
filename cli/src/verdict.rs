//! How a round ended: `verdict.bin`.
//!
//! ```text
//! "pogo/vrd" | version u16 | candidate 32 | commitment 32 | end u8 | head: state 32, exponents 32
//! | total u64 | positive u64 | negative u64 | improved u64
//! | for end 5: cell, reporter 20, rewarded u64, burned u64
//! | disputes: count u32, each: cell, disputer 20, bond u64, answer u8 (0 none, 1 refused, 2 proven)
//! end:  1 finalized, 2 lapsed (round over), 3 lapsed (no quorum), 4 lapsed (loss did not fall),
//!       5 rejected (a dispute was not answered)
//! cell: kind u8 | step u32 | leaf u32
//! ```

use pogo_protocol::attest::Address;
use pogo_protocol::cell::Cell;
use pogo_protocol::codec::{CodecError, Reader, Writer};
use pogo_protocol::record::Head;
use pogo_protocol::settle::Lapse;

/// The end of a candidate, and the votes and disputes that led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Id of the candidate.
    pub(crate) candidate: [u8; 32],
    /// Hash of its commitment.
    pub(crate) commitment: [u8; 32],
    /// How it ended.
    pub(crate) end: End,
    /// What the next round starts from.
    pub(crate) head: Head,
    /// All stake that may vote.
    pub(crate) total: u64,
    /// Stake with a positive sign.
    pub(crate) positive: u64,
    /// Stake with a negative sign.
    pub(crate) negative: u64,
    /// Stake that measured a fall of the loss.
    pub(crate) improved: u64,
    /// All disputes.
    pub(crate) disputes: Vec<Disputed>,
}

/// How a candidate ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It is the head of its round.
    Finalized,
    /// Without fault.
    Lapsed(Lapse),
    /// By evidence: this cell was disputed and not proven; the miner's bond is slashed.
    Rejected {
        /// The cell.
        cell: Cell,
        /// Who disputed it, and gets half of the bond.
        reporter: Address,
        /// That half.
        rewarded: u64,
        /// The other half.
        burned: u64,
    },
}

/// A dispute at the end of its candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Disputed {
    /// The disputed cell.
    pub(crate) cell: Cell,
    /// Who disputed it.
    pub(crate) disputer: Address,
    /// The bond: the miner's when the cell was proven, else back with the disputer.
    pub(crate) bond: u64,
    /// What the miner answered.
    pub(crate) answer: Answer,
}

/// The answer to a dispute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// There was none.
    None,
    /// It was no proof of that very cell.
    Refused,
    /// It was.
    Proven,
}

const LAPSES: [Lapse; 3] = [Lapse::RoundOver, Lapse::NoQuorum, Lapse::NoImprovement];
const REJECTED: u8 = 5;
const ANSWERS: [Answer; 3] = [Answer::None, Answer::Refused, Answer::Proven];

impl Verdict {
    /// First bytes of the file.
    pub(crate) const MAGIC: &[u8; 8] = b"pogo/vrd";

    /// Canonical bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let writer = Writer::new(Self::MAGIC).bytes(&self.candidate).bytes(&self.commitment);
        let writer = writer.bytes(&[self.end.number()]).scalar(&self.head.state).scalar(&self.head.exponents);
        let writer = writer.u64(self.total).u64(self.positive).u64(self.negative).u64(self.improved);
        let writer = match &self.end {
            End::Rejected { cell, reporter, rewarded, burned } => {
                cell.write(writer).bytes(reporter).u64(*rewarded).u64(*burned)
            }
            End::Finalized | End::Lapsed(_) => writer,
        };
        let writer = writer.u32(self.disputes.len() as u32);
        self.disputes.iter().fold(writer, |writer, dispute| dispute.write(writer)).finish()
    }

    /// Reads what [`Verdict::encode`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`CodecError`] naming the field.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes, Self::MAGIC, "verdict")?;
        let (candidate, commitment) = (reader.array("candidate")?, reader.array("commitment")?);
        let [end] = reader.array("end")?;
        let head = Head { state: reader.scalar("head")?, exponents: reader.scalar("exponents of the head")? };
        let verdict = Self {
            candidate,
            commitment,
            head,
            total: reader.u64("total")?,
            positive: reader.u64("positive")?,
            negative: reader.u64("negative")?,
            improved: reader.u64("improved")?,
            end: End::read(end, &mut reader)?,
            disputes: (0..reader.u32("disputes")?).map(|_| Disputed::read(&mut reader)).collect::<Result<_, _>>()?,
        };
        reader.finish()?;
        Ok(verdict)
    }
}

impl End {
    fn number(&self) -> u8 {
        match self {
            Self::Finalized => 1,
            Self::Lapsed(lapse) => LAPSES.iter().position(|known| known == lapse).map_or(0, |at| at as u8 + 2),
            Self::Rejected { .. } => REJECTED,
        }
    }

    fn read(number: u8, reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        match number {
            1 => Ok(Self::Finalized),
            REJECTED => Ok(Self::Rejected {
                cell: Cell::read(reader)?,
                reporter: reader.array("reporter")?,
                rewarded: reader.u64("rewarded")?,
                burned: reader.u64("burned")?,
            }),
            other => {
                let lapse = usize::from(other).checked_sub(2).and_then(|at| LAPSES.get(at));
                lapse.copied().map(Self::Lapsed).ok_or(CodecError::Value { field: "end" })
            }
        }
    }

    /// The end in words.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Finalized => "finalized".to_owned(),
            Self::Lapsed(Lapse::RoundOver) => "lapsed: another candidate became the head".to_owned(),
            Self::Lapsed(Lapse::NoQuorum) => "lapsed: not more than two thirds of the stake were positive".to_owned(),
            Self::Lapsed(Lapse::NoImprovement) => {
                "lapsed: the measured loss of the 4-bit model did not fall".to_owned()
            }
            Self::Rejected { cell, .. } => format!("rejected: the disputed cell {cell} was not proven"),
        }
    }
}

impl Disputed {
    fn write(&self, writer: Writer) -> Writer {
        let answer = ANSWERS.iter().position(|known| *known == self.answer).map_or(0, |at| at as u8);
        self.cell.write(writer).bytes(&self.disputer).u64(self.bond).bytes(&[answer])
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            cell: Cell::read(reader)?,
            disputer: reader.array("disputer")?,
            bond: reader.u64("bond")?,
            answer: {
                let [answer] = reader.array("answer")?;
                *ANSWERS.get(usize::from(answer)).ok_or(CodecError::Value { field: "answer" })?
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_reads_back_and_nothing_else_does() {
        let cell = Cell::update(5, 9);
        let rejected = End::Rejected { cell, reporter: [3; 20], rewarded: 500, burned: 501 };
        let lapsed = LAPSES.map(End::Lapsed);
        let disputes = ANSWERS.map(|answer| Disputed { cell, disputer: [4; 20], bond: 100, answer });
        for (number, end) in [End::Finalized, lapsed[0], lapsed[1], lapsed[2], rejected].into_iter().enumerate() {
            let verdict = Verdict {
                candidate: [1; 32],
                commitment: [2; 32],
                end,
                head: Head { state: 7.into(), exponents: 8.into() },
                total: 4,
                positive: 3,
                negative: 1,
                improved: 2,
                disputes: disputes.to_vec(),
            };
            let bytes = verdict.encode();
            assert_eq!(usize::from(bytes[10 + 64]), number + 1);
            assert_eq!(Verdict::decode(&bytes), Ok(verdict));
            assert!((0..bytes.len()).all(|end| Verdict::decode(&bytes[..end]).is_err()));
            assert!(Verdict::decode(&[&bytes[..], &[0]].concat()).is_err());
        }
    }
}
