//! The cells of a round, as attestations and disputes name them.
//!
//! This file is the one place that knows the kinds of cells by number and by name. A further kind is
//! a variant of [`Cell`] and an arm in each match below; what its proof claims is
//! [`crate::settle::answer_part`].

use core::fmt;
use core::str::FromStr;

use crate::codec::{CodecError, Reader, Writer};

/// One relation of the training step, as a dispute names it. More kinds get further numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// The update of a leaf in a step.
    Update {
        /// Step, from 0.
        step: u32,
        /// Leaf number.
        leaf: u32,
    },
    /// The 4-bit leaf of the final state.
    Quantize {
        /// Leaf number.
        leaf: u32,
    },
}

/// Text that names no cell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected update:STEP:LEAF or quantize:LEAF")]
pub struct NoCell;

impl Cell {
    /// Number of the kind (from 1), step and leaf; the step of a kind that has none is 0.
    pub(super) fn fields(self) -> (u8, u32, u32) {
        match self {
            Self::Update { step, leaf } => (1, step, leaf),
            Self::Quantize { leaf } => (2, 0, leaf),
        }
    }

    /// The cell that [`Cell::fields`] gives so.
    pub(super) fn from_fields(fields: (u8, u32, u32)) -> Option<Self> {
        match fields {
            (1, step, leaf) => Some(Self::Update { step, leaf }),
            (2, 0, leaf) => Some(Self::Quantize { leaf }),
            _ => None,
        }
    }

    /// Appends the cell to an artifact: `kind u8 | step u32 | leaf u32`.
    pub fn write(self, writer: Writer) -> Writer {
        let (kind, step, leaf) = self.fields();
        writer.bytes(&[kind]).u32(step).u32(leaf)
    }

    /// Reads what [`Cell::write`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`CodecError::Value`] with field `cell` for a kind that does not exist, or the step of a kind
    /// that has none.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let [kind] = reader.array("cell")?;
        let fields = (kind, reader.u32("step")?, reader.u32("leaf")?);
        Self::from_fields(fields).ok_or(CodecError::Value { field: "cell" })
    }
}

/// `update:STEP:LEAF`, `quantize:LEAF`.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Update { step, leaf } => write!(f, "update:{step}:{leaf}"),
            Self::Quantize { leaf } => write!(f, "quantize:{leaf}"),
        }
    }
}

impl FromStr for Cell {
    type Err = NoCell;

    fn from_str(text: &str) -> Result<Self, NoCell> {
        let number = |text: &str| text.parse::<u32>().map_err(|_| NoCell);
        let (kind, place) = text.split_once(':').ok_or(NoCell)?;
        match (kind, place.split_once(':')) {
            ("update", Some((step, leaf))) => Ok(Self::Update { step: number(step)?, leaf: number(leaf)? }),
            ("quantize", None) => Ok(Self::Quantize { leaf: number(place)? }),
            _ => Err(NoCell),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use proptest::prelude::*;

    use super::*;

    const MAGIC: &[u8; 8] = b"pogo/tst";

    proptest! {
        #[test]
        fn every_cell_reads_back_from_bytes_and_text(kind in 1u8..=255, step: u32, leaf: u32) {
            for step in [0, step] {
                let bytes = Writer::new(MAGIC).bytes(&[kind]).u32(step).u32(leaf).finish();
                let read = Cell::read(&mut Reader::new(&bytes, MAGIC, "test").unwrap());
                match Cell::from_fields((kind, step, leaf)) {
                    Some(cell) => {
                        prop_assert_eq!(read, Ok(cell));
                        prop_assert_eq!(cell.write(Writer::new(MAGIC)).finish(), bytes);
                        prop_assert_eq!(cell.to_string().parse(), Ok(cell));
                    }
                    None => prop_assert_eq!(read, Err(CodecError::Value { field: "cell" })),
                }
            }
        }
    }

    #[test]
    fn text_that_names_no_cell_is_refused() {
        for text in ["", "update", "update:1", "update:1:2:3", "update:a:2", "update:1:-2", "quantize", "quantize:1:2"]
        {
            assert_eq!(text.parse::<Cell>(), Err(NoCell), "{text}");
        }
        assert_eq!("update:5:9".parse(), Ok(Cell::Update { step: 5, leaf: 9 }));
        assert_eq!("quantize:9".parse(), Ok(Cell::Quantize { leaf: 9 }));
    }
}
