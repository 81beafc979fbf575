//! Cells: the relations of a training step, by kind, by number and by name.
//!
//! A cell is one place of one relation: the update of a leaf in a step, a row of errors, a tile of a
//! product. All cells of all kinds together are the round, so a lie about a round is a lie about a
//! cell. Challenges draw cells, attestations and disputes name them, statements say what the proof of
//! one claims ([`crate::statement`]), and [`CellSpace`] counts and places them.
//!
//! The plain relation of each kind stands in a file of its own, beside what a prover opens for it:
//! [`input`], [`weights`], [`crate::product`], [`activation`], [`loss`], [`errors`], [`momentum`],
//! [`link`], [`init`], [`blank`], [`peak`], [`scale`], [`vacant`]; update and quantize are in
//! [`crate::opening`]. Circuits are held to them. What is disclosed of a round after its commitment is proven by [`disclosure`], and an
//! [evaluation](crate::evaluation) of the 4-bit model is made of some of these kinds and of
//! [`dequantize`].

use core::fmt;
use core::str::FromStr;

use crate::codec::{CodecError, Reader, Writer};
use crate::opening::{Roots, Violation};
use crate::product::ProductOpening;
use crate::statement::Sample;

pub mod activation;
pub mod blank;
pub mod dequantize;
pub mod disclosure;
pub mod errors;
pub mod init;
pub mod input;
pub mod link;
pub mod loss;
pub mod momentum;
mod opened;
pub mod peak;
pub mod scale;
mod space;
pub mod vacant;
pub mod weights;

use activation::ActivationOpening;
use blank::BlankOpening;
use dequantize::DequantizeOpening;
use disclosure::DisclosureOpening;
use errors::ErrorsOpening;
use init::InitOpening;
use input::InputOpening;
use link::LinkOpening;
use loss::LossOpening;
use momentum::MomentumOpening;
use peak::PeakOpening;
use scale::ScaleOpening;
use vacant::VacantOpening;
use weights::WeightsOpening;

pub(crate) use opened::packed;
pub use opened::{ByteLeaf, Depths, ExponentsLeaf, Record, WordLeaf};
pub use space::{CellSpace, Place, Unprovable, provable};

/// A kind of cell. The numbers are part of signed attestations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A leaf of weights moved by its codes, which are its rounded momenta.
    Update = 1,
    /// A 4-bit leaf of the final state.
    Quantize = 2,
    /// A leaf of the first state, from the seed.
    Init = 3,
    /// A record and the next: exponents and loss.
    Link = 4,
    /// 64 features of a row of the batch, from the data.
    Input = 5,
    /// 64 8-bit weights of a row, from the state.
    Weights = 6,
    /// A tile of one slab of a product: sums, gradients or errors below.
    Product = 7,
    /// 64 activations of a row, from its sums.
    Activation = 8,
    /// A row of logits: loss and errors of the last layer.
    Loss = 9,
    /// 64 errors of a row of a hidden layer.
    Errors = 10,
    /// A leaf of momenta and its scale, from its gradient.
    Momentum = 11,
    /// A padding row of a trace tensor, which is zero.
    Blank = 12,
    /// A value that needs the exponent asked for the next step.
    Peak = 13,
    /// A weight that needs the exponent of a 4-bit tensor.
    Scale = 14,
    /// Records that get the roots of their traces after the commitment.
    Disclosure = 15,
    /// 64 bytes of weights of an evaluation, from the 4-bit model.
    Dequantize = 16,
    /// The positions after a last leaf, which hold nothing.
    Vacant = 17,
}

impl Kind {
    /// All kinds, by number.
    pub const ALL: [Self; 17] = [
        Self::Update,
        Self::Quantize,
        Self::Init,
        Self::Link,
        Self::Input,
        Self::Weights,
        Self::Product,
        Self::Activation,
        Self::Loss,
        Self::Errors,
        Self::Momentum,
        Self::Blank,
        Self::Peak,
        Self::Scale,
        Self::Disclosure,
        Self::Dequantize,
        Self::Vacant,
    ];

    /// Name in text and in the domain of its draw.
    pub fn name(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Quantize => "quantize",
            Self::Init => "init",
            Self::Link => "link",
            Self::Input => "input",
            Self::Weights => "weights",
            Self::Product => "product",
            Self::Activation => "activation",
            Self::Loss => "loss",
            Self::Errors => "errors",
            Self::Momentum => "momentum",
            Self::Blank => "blank",
            Self::Peak => "peak",
            Self::Scale => "scale",
            Self::Disclosure => "disclosure",
            Self::Dequantize => "dequantize",
            Self::Vacant => "vacant",
        }
    }

    /// Whether every step has cells of this kind; else the round as a whole has.
    pub fn is_of_step(self) -> bool {
        !matches!(self, Self::Quantize | Self::Init | Self::Scale | Self::Disclosure)
    }

    /// Whether rounds that commit to traces draw its cells beside those of update and quantize.
    pub fn is_traced(self) -> bool {
        !matches!(self, Self::Update | Self::Quantize | Self::Disclosure | Self::Dequantize)
    }

    /// Whether an [evaluation](crate::evaluation) has cells of this kind; dequantize cells are its alone.
    pub fn is_evaluated(self) -> bool {
        use Kind::{Activation, Blank, Dequantize, Input, Link, Loss, Product};
        matches!(self, Link | Input | Dequantize | Product | Activation | Loss | Blank)
    }

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|&kind| kind as u8 == number)
    }
}

/// One cell of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell {
    /// Its kind.
    pub kind: Kind,
    /// Step, from 0; 0 of a kind that is not of a step.
    pub step: u32,
    /// Number among the cells of its kind in the step: the leaf of `update`, `quantize`, `init`,
    /// `weights` and `momentum`, else as [`CellSpace::place`] counts them.
    pub index: u32,
}

/// Text that names no cell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected KIND:STEP:INDEX as in update:3:17, or quantize:INDEX, init:INDEX")]
pub struct NoCell;

impl Cell {
    /// A cell of a step.
    pub const fn new(kind: Kind, step: u32, index: u32) -> Self {
        Self { kind, step, index }
    }

    /// The update of a leaf in a step.
    pub const fn update(step: u32, leaf: u32) -> Self {
        Self::new(Kind::Update, step, leaf)
    }

    /// The 4-bit leaf of the final state.
    pub const fn quantize(leaf: u32) -> Self {
        Self::new(Kind::Quantize, 0, leaf)
    }

    /// The records of a segment, disclosed.
    pub const fn segment(index: u32) -> Self {
        Self::new(Kind::Disclosure, 0, index)
    }

    /// Number of the kind (from 1), step and index.
    pub(crate) fn fields(self) -> (u8, u32, u32) {
        (self.kind as u8, self.step, self.index)
    }

    /// The cell that [`Cell::fields`] gives so.
    pub(crate) fn from_fields((kind, step, index): (u8, u32, u32)) -> Option<Self> {
        let cell = Self { kind: Kind::from_number(kind)?, step, index };
        (cell.kind.is_of_step() || step == 0).then_some(cell)
    }

    /// Appends the cell to an artifact: `kind u8 | step u32 | index u32`.
    pub fn write(self, writer: Writer) -> Writer {
        let (kind, step, index) = self.fields();
        writer.bytes(&[kind]).u32(step).u32(index)
    }

    /// Reads what [`Cell::write`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`CodecError::Value`] with field `cell` for a kind that does not exist, or the step of a kind
    /// that has none.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let [kind] = reader.array("cell")?;
        let fields = (kind, reader.u32("step")?, reader.u32("index")?);
        Self::from_fields(fields).ok_or(CodecError::Value { field: "cell" })
    }
}

/// `update:STEP:LEAF`, `quantize:LEAF`.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, step, index } = self;
        if kind.is_of_step() {
            write!(f, "{}:{step}:{index}", kind.name())
        } else {
            write!(f, "{}:{index}", kind.name())
        }
    }
}

impl FromStr for Cell {
    type Err = NoCell;

    fn from_str(text: &str) -> Result<Self, NoCell> {
        let number = |text: &str| text.parse::<u32>().map_err(|_| NoCell);
        let (name, place) = text.split_once(':').ok_or(NoCell)?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or(NoCell)?;
        match (kind.is_of_step(), place.split_once(':')) {
            (true, Some((step, index))) => Ok(Self::new(kind, number(step)?, number(index)?)),
            (false, None) => Ok(Self::new(kind, 0, number(place)?)),
            _ => Err(NoCell),
        }
    }
}

/// Everything that one cell other than update and quantize opens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a proof opens a handful, each of some 100 kB of witness")]
pub enum CellOpening {
    /// Of a link cell.
    Link(LinkOpening),
    /// Of an input cell.
    Input(InputOpening),
    /// Of a weights cell.
    Weights(WeightsOpening),
    /// Of a product cell.
    Product(ProductOpening),
    /// Of an activation cell.
    Activation(ActivationOpening),
    /// Of a loss cell.
    Loss(LossOpening),
    /// Of an errors cell.
    Errors(ErrorsOpening),
    /// Of a momentum cell.
    Momentum(MomentumOpening),
    /// Of a blank cell.
    Blank(BlankOpening),
    /// Of an init cell.
    Init(InitOpening),
    /// Of a peak cell.
    Peak(PeakOpening),
    /// Of a scale cell.
    Scale(ScaleOpening),
    /// Of a disclosure.
    Disclosure(DisclosureOpening),
    /// Of a dequantize cell.
    Dequantize(DequantizeOpening),
    /// Of a vacant cell.
    Vacant(VacantOpening),
}

impl CellOpening {
    /// What is public of it.
    pub fn sample(&self) -> Sample {
        match self {
            Self::Link(opening) => Sample::Link(opening.sample),
            Self::Input(opening) => Sample::Input(opening.sample),
            Self::Weights(opening) => Sample::Weights(opening.sample),
            Self::Product(opening) => Sample::Product(opening.orientation, opening.sample()),
            Self::Activation(opening) => Sample::Activation(opening.sample),
            Self::Loss(opening) => Sample::Loss(opening.sample),
            Self::Errors(opening) => Sample::Errors(opening.sample),
            Self::Momentum(opening) => Sample::Momentum(opening.sample),
            Self::Blank(opening) => Sample::Blank(opening.sample),
            Self::Init(opening) => Sample::Init(opening.sample),
            Self::Peak(opening) => Sample::Peak(opening.sample),
            Self::Scale(opening) => Sample::Scale(opening.sample),
            Self::Disclosure(opening) => Sample::Disclosure(opening.sample.clone()),
            Self::Dequantize(opening) => Sample::Dequantize(opening.sample),
            Self::Vacant(opening) => Sample::Vacant(opening.sample),
        }
    }

    /// Whether the cell holds, under these roots and in trees of these depths.
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn check(&self, roots: &Roots, depths: Depths) -> Result<(), Violation> {
        match self {
            Self::Link(opening) => opening.check(roots),
            Self::Input(opening) => opening.check(roots),
            Self::Weights(opening) => opening.check(roots),
            Self::Product(opening) => opening.check(roots, depths),
            Self::Activation(opening) => opening.check(roots),
            Self::Loss(opening) => opening.check(roots),
            Self::Errors(opening) => opening.check(roots),
            Self::Momentum(opening) => opening.check(roots),
            Self::Blank(opening) => opening.check(roots),
            Self::Init(opening) => opening.check(roots),
            Self::Peak(opening) => opening.check(roots),
            Self::Scale(opening) => opening.check(roots),
            Self::Disclosure(opening) => opening.check(roots),
            Self::Dequantize(opening) => opening.check(roots),
            Self::Vacant(opening) => opening.check(roots),
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
        fn every_cell_reads_back_from_bytes_and_text(kind in 1u8..=255, step: u32, index: u32) {
            for step in [0, step] {
                let bytes = Writer::new(MAGIC).bytes(&[kind]).u32(step).u32(index).finish();
                let read = Cell::read(&mut Reader::new(&bytes, MAGIC, "test").unwrap());
                match Cell::from_fields((kind, step, index)) {
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
    fn kinds_are_numbered_from_one_in_their_order() {
        let numbers = Kind::ALL.map(|kind| kind as u8);
        assert_eq!(numbers[0], 1);
        assert!(numbers.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn text_that_names_no_cell_is_refused() {
        for text in ["", "update", "update:1", "update:1:2:3", "update:a:2", "update:1:-2", "quantize", "quantize:1:2"]
        {
            assert_eq!(text.parse::<Cell>(), Err(NoCell), "{text}");
        }
        assert_eq!("update:5:9".parse(), Ok(Cell::update(5, 9)));
        assert_eq!("quantize:9".parse(), Ok(Cell::quantize(9)));
        assert_eq!("loss:2:3".parse(), Ok(Cell::new(Kind::Loss, 2, 3)));
    }
}
