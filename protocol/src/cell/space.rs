//! How many cells of each kind a round has, and where each stands.

use alloc::vec::Vec;

use ark_bn254::Fr;

use super::input::DATA_DEPTH;
use super::peak::Scaled;
use super::{Cell, Kind};
use crate::disclosure::Segments;
use crate::fixed::LEAF;
use crate::merkle::{Layout, LeafPlace};
use crate::model::{Spec, TraceMode};
use crate::product::{Orientation, ProductCell};
use crate::statement::STEP_BITS;
use crate::trace::{Pass, Placed, TensorId, TraceLayout};

/// All cells of the rounds of a spec, those of the disclosed segments of one round, or those of an
/// evaluation.
#[derive(Clone, Debug)]
pub struct CellSpace<'a> {
    spec: &'a Spec,
    layout: &'a Layout,
    trace: &'a TraceLayout,
    segments: Option<&'a Segments>,
    seeded: bool,
}

/// A task with cells that no statement can claim, so that its rounds cannot be proven whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unprovable {
    /// A row of logits that no leaf holds.
    #[error("layers: expected at most {LEAF} classes in the last entry where steps are traced, got {0}")]
    Classes(usize),
    /// Steps whose records no statement numbers.
    #[error("steps: expected less than 2^{STEP_BITS} where steps are traced, got {0}")]
    Steps(u32),
    /// A batch with padding rows, whose bytes would be one term of every gradient.
    #[error("batch: expected at least {LEAF} where steps are traced, got {0}")]
    Batch(u32),
    /// Training data that do not fill a batch, or not their tree.
    #[error("training records: expected {least} to {} where steps are traced, got {got}", 1 << DATA_DEPTH)]
    Records {
        /// Records of a batch.
        least: u32,
        /// Records of the data.
        got: u32,
    },
}

/// Whether every cell of the rounds of `spec` on so many training records has a statement. Who computes
/// statements asks first: [`crate::statement::PublicRound`] has none for cells of other tasks.
///
/// # Errors
/// [`Unprovable`], never where no traces are committed to.
pub fn provable(spec: &Spec, records: u32) -> Result<(), Unprovable> {
    match spec.trace {
        TraceMode::None => Ok(()),
        _ if spec.classes() > LEAF => Err(Unprovable::Classes(spec.classes())),
        _ if spec.steps >> STEP_BITS != 0 => Err(Unprovable::Steps(spec.steps)),
        _ if (spec.batch as usize) < LEAF => Err(Unprovable::Batch(spec.batch)),
        _ if !(spec.batch..=1 << DATA_DEPTH).contains(&records) => {
            Err(Unprovable::Records { least: spec.batch, got: records })
        }
        _ => Ok(()),
    }
}

/// Where a cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A leaf of the model.
    Leaf(LeafPlace),
    /// A row of a tensor of the trace: the tensor, the row, the column of tiles, the slab.
    Row(TensorId, usize, usize, usize),
    /// A tile of a product.
    Tile(ProductCell),
    /// A row of the batch.
    Batch(usize),
    /// The step.
    Step,
    /// An exponent of a tensor.
    Exponent(Scaled, usize),
    /// A tensor of the model.
    Tensor(usize),
}

impl<'a> CellSpace<'a> {
    /// The cells of a round of `spec`, whose leaves and tensors are placed so, and which is `seeded`:
    /// starts from the weights of the seed, so that it has init cells.
    pub fn new(spec: &'a Spec, layout: &'a Layout, trace: &'a TraceLayout, seeded: bool) -> Self {
        Self { spec, layout, trace, seeded, segments: None }
    }

    /// Of the kinds that are of a step, the cells of these segments only.
    pub fn of_segments(self, segments: &'a Segments) -> Self {
        Self { segments: Some(segments), ..self }
    }

    /// Where every sample is drawn from a stratum of its own: strata, and cells of a kind in each; none where
    /// all are drawn from all.
    ///
    /// Strata are the disclosed segments. For update and momentum cells they are the disclosed steps, where
    /// a segment has several: states between two checkpoints are chosen after the segments are known, so
    /// that one false step a segment leads from any state to any other, and its cells must be met.
    pub fn strata(&self, kind: Kind) -> Option<(u64, u64)> {
        let segments = self.segments.filter(|_| kind.is_of_step())?;
        let (drawn, count) = (segments.drawn.len() as u64, self.count(kind));
        match kind {
            Kind::Update | Kind::Momentum if segments.length > 1 => Some((drawn * u64::from(segments.length), count)),
            _ if segments.all => None,
            _ => Some((drawn, count * u64::from(segments.length))),
        }
    }

    /// Root of what was disclosed of the round.
    pub fn disclosed_root(&self) -> Option<Fr> {
        self.segments.map(|segments| segments.steps_root)
    }

    /// Cells of a kind in one step, or in the round where the kind is not of a step. Disclosures are
    /// not counted: which records are disclosed is no part of a round.
    pub fn count(&self, kind: Kind) -> u64 {
        let has = match self.trace.pass() {
            Pass::Training => kind != Kind::Dequantize,
            Pass::Evaluation => kind.is_evaluated(),
        };
        if !has {
            return 0;
        }
        let rows = |id: TensorId| self.trace.tensor(id).map_or(0, |placed| placed.rows * placed.tile_cols());
        let count: usize = match kind {
            Kind::Init if !self.seeded => 0,
            Kind::Update | Kind::Quantize | Kind::Init | Kind::Weights | Kind::Momentum | Kind::Dequantize => {
                self.layout.leaf_count()
            }
            Kind::Link => 1,
            Kind::Input => rows(TensorId::Inputs(0)),
            Kind::Loss => self.spec.batch as usize,
            Kind::Activation => self.hidden().map(|l| rows(TensorId::Inputs(l + 1))).sum(),
            Kind::Errors => self.hidden().map(|l| rows(TensorId::Errors(l))).sum(),
            Kind::Product => self.products().map(|(_, placed)| tiles(placed)).sum(),
            Kind::Blank => self.padded().map(blanks).sum(),
            Kind::Peak => self.exponents().count(),
            Kind::Scale | Kind::Vacant => self.tensors(),
            Kind::Disclosure => 0,
        };
        count as u64
    }

    /// Cells of a kind that a draw may pick.
    pub fn total(&self, kind: Kind) -> u64 {
        let steps = self.segments.map_or(self.spec.steps, |segments| segments.drawn.len() as u32 * segments.length);
        self.count(kind) * if kind.is_of_step() { u64::from(steps) } else { 1 }
    }

    /// Cell number `number` of a kind, below [`CellSpace::total`], counted step by step; drawn segments
    /// in the order drawn.
    pub fn cell(&self, kind: Kind, number: u64) -> Cell {
        let count = self.count(kind).max(1);
        let (at, index) = ((number / count) as u32, (number % count) as u32);
        let step = match self.segments {
            Some(segments) if kind.is_of_step() => {
                let segment = segments.drawn.get((at / segments.length) as usize).copied().unwrap_or_default();
                segment * segments.length + at % segments.length
            }
            _ => at,
        };
        Cell::new(kind, step, index)
    }

    /// Where a cell stands; none when the round has no such cell. Within a kind cells are counted
    /// tensor by tensor in model order (products: forward, gradient, backward), then row by row or
    /// tile row by tile row, then column by column, then slab by slab.
    pub fn place(&self, cell: Cell) -> Option<Place> {
        let steps = if cell.kind.is_of_step() { self.spec.steps } else { 1 };
        let disclosed = !cell.kind.is_of_step() || self.segments.is_none_or(|segments| segments.hold(cell.step));
        if cell.step >= steps || u64::from(cell.index) >= self.count(cell.kind) || !disclosed {
            return None;
        }
        let index = cell.index as usize;
        match cell.kind {
            Kind::Update | Kind::Quantize | Kind::Init | Kind::Weights | Kind::Momentum | Kind::Dequantize => {
                Some(Place::Leaf(self.layout.place(index)))
            }
            Kind::Link => Some(Place::Step),
            Kind::Loss => Some(Place::Batch(index)),
            Kind::Input => self.row(index, core::iter::once(TensorId::Inputs(0))),
            Kind::Activation => self.row(index, self.hidden().map(|l| TensorId::Inputs(l + 1))),
            Kind::Errors => self.row(index, self.hidden().map(TensorId::Errors)),
            Kind::Product => self.tile(index),
            Kind::Blank => self.blank(index),
            Kind::Peak => self.exponents().nth(index).map(|(scaled, tensor)| Place::Exponent(scaled, tensor)),
            Kind::Scale | Kind::Vacant => Some(Place::Tensor(index)),
            Kind::Disclosure => None,
        }
    }

    /// All cells of a kind in one step; those of a kind that is not of a step are taken as of step 0.
    pub fn of_step(&self, kind: Kind, step: u32) -> Vec<Cell> {
        let count = if kind.is_of_step() || step == 0 { self.count(kind) } else { 0 };
        (0..count as u32).map(|index| Cell::new(kind, step, index)).collect()
    }

    fn tensors(&self) -> usize {
        self.spec.layers.len().saturating_sub(1)
    }

    /// Exponents of a step: of all weights, of the activations of all tensors but the first, of all
    /// errors.
    fn exponents(&self) -> impl Iterator<Item = (Scaled, usize)> {
        let tensors = self.tensors();
        let of = |scaled, range: core::ops::Range<usize>| range.map(move |l| (scaled, l));
        let errors = of(Scaled::Errors, 0..tensors.saturating_sub(1));
        let last = of(Scaled::Losses, tensors.saturating_sub(1)..tensors);
        of(Scaled::Weights, 0..tensors).chain(of(Scaled::Activations, 1..tensors)).chain(errors).chain(last)
    }

    /// Tensors but the last.
    fn hidden(&self) -> impl Iterator<Item = usize> {
        0..self.tensors().saturating_sub(1)
    }

    /// Products in their order, each with the tensor of its results.
    fn products(&self) -> impl Iterator<Item = ((Orientation, usize), &Placed)> {
        let tensors = self.tensors();
        let all = Orientation::ALL.into_iter().flat_map(move |orientation| (0..tensors).map(move |l| (orientation, l)));
        all.filter_map(|(orientation, l)| {
            Some(((orientation, l), self.trace.tensor(ProductCell::result(orientation, l))?))
        })
    }

    /// Tensors that have padding rows.
    fn padded(&self) -> impl Iterator<Item = &Placed> {
        self.trace.tensors().iter().filter(|placed| placed.id != TensorId::Losses)
    }

    fn row(&self, mut index: usize, tensors: impl Iterator<Item = TensorId>) -> Option<Place> {
        for id in tensors {
            let placed = self.trace.tensor(id)?;
            let rows = placed.rows * placed.tile_cols();
            if index < rows {
                return Some(Place::Row(id, index / placed.tile_cols(), index % placed.tile_cols(), 0));
            }
            index -= rows;
        }
        None
    }

    fn tile(&self, mut index: usize) -> Option<Place> {
        for ((orientation, tensor), placed) in self.products() {
            if index < tiles(placed) {
                let (tile, slab) = (index / placed.slabs, index % placed.slabs);
                let (row, column) = (tile / placed.tile_cols(), tile % placed.tile_cols());
                return Some(Place::Tile(ProductCell { orientation, tensor, row, column, slab }));
            }
            index -= tiles(placed);
        }
        None
    }

    fn blank(&self, mut index: usize) -> Option<Place> {
        for placed in self.padded() {
            if index < blanks(placed) {
                let (leaf, slab) = (index / placed.slabs, index % placed.slabs);
                let (row, column) = (leaf / placed.tile_cols(), leaf % placed.tile_cols());
                return Some(Place::Row(placed.id, placed.rows + row, column, slab));
            }
            index -= blanks(placed);
        }
        None
    }
}

fn tiles(placed: &Placed) -> usize {
    placed.tile_rows() * placed.tile_cols() * placed.slabs
}

/// Leaves of the padding rows of a tensor.
fn blanks(placed: &Placed) -> usize {
    (placed.tile_rows() * LEAF - placed.rows) * placed.tile_cols() * placed.slabs
}
