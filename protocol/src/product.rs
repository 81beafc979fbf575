//! The product cell: one tile of one slab of a product is the tile of the slab before and the product
//! of two tiles of bytes, all opened from the trace root of one step record. In plain code: circuits
//! are held to [`ProductOpening::check`].
//!
//! ```text
//! forward   sums (b, n)       left = inputs (b, k)    right = weights (n, k)    summed over k
//! gradient  gradients (n, k)  left = errors (b, n)    right = inputs (b, k)     summed over b
//! backward  below (b, k)      left = errors (b, n)    right = weights (n, k)    summed over n
//! ```

use alloc::vec::Vec;

use ark_bn254::Fr;

use crate::cell::Depths;
use crate::fixed::{BYTE_MAX, LEAF, WORD_BITS};
use crate::leaf::{LeafError, WORDS_PER_ELEMENT, bytes_leaf, pack_words, tag, words_leaf};
use crate::merkle::{Path, Tree, node, root_of};
use crate::opening::{Roots, Violation};
use crate::poseidon;
use crate::record::{StepRecord, exponents_root, pair, record_leaf, rest, steps_root};
use crate::statement::STEP_BITS;
use crate::trace::{TensorId, Trace, TraceLayout};

/// Rows of a tile, and numbers of a row.
pub const TILE: usize = LEAF;
/// Height of a tile in the tree of a trace.
pub const TILE_HEIGHT: usize = 6;

/// Which product of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Orientation {
    /// Sums from inputs and weights.
    Forward,
    /// Gradients from errors and inputs.
    Gradient,
    /// Errors below from errors and weights.
    Backward,
}

/// Which index of a tile of bytes runs over the rows of the result, or is summed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inner {
    /// The products are summed over the rows of the tile.
    Rows,
    /// The products are summed over the columns of the tile.
    Columns,
}

impl Orientation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Forward, Self::Gradient, Self::Backward];

    /// What the left and the right tile are summed over.
    pub fn inner(self) -> [Inner; 2] {
        match self {
            Self::Forward => [Inner::Columns, Inner::Columns],
            Self::Gradient => [Inner::Rows, Inner::Rows],
            Self::Backward => [Inner::Columns, Inner::Rows],
        }
    }
}

/// One product cell of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProductCell {
    /// Which product.
    pub orientation: Orientation,
    /// Of which tensor.
    pub tensor: usize,
    /// Row of tiles of the result.
    pub row: usize,
    /// Column of tiles of the result.
    pub column: usize,
    /// Slab of the result.
    pub slab: usize,
}

/// Numbers of the tiles of a product cell in the tree of its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Left factor.
    pub left: usize,
    /// Right factor.
    pub right: usize,
    /// The result before; none for the first slab.
    pub before: Option<usize>,
    /// The result.
    pub after: usize,
}

impl ProductCell {
    /// Tensor of the results of a product.
    pub fn result(orientation: Orientation, l: usize) -> TensorId {
        match orientation {
            Orientation::Forward => TensorId::Sums(l),
            Orientation::Gradient => TensorId::Gradients(l),
            Orientation::Backward => TensorId::Below(l),
        }
    }

    /// Left factor, right factor and result, each with its row and column of tiles.
    fn operands(&self) -> [(TensorId, usize, usize); 3] {
        let Self { tensor: l, row, column, slab, .. } = *self;
        let result = Self::result(self.orientation, l);
        match self.orientation {
            Orientation::Forward => {
                [(TensorId::Inputs(l), row, slab), (TensorId::Weights(l), column, slab), (result, row, column)]
            }
            Orientation::Gradient => {
                [(TensorId::Errors(l), slab, row), (TensorId::Inputs(l), slab, column), (result, row, column)]
            }
            Orientation::Backward => {
                [(TensorId::Errors(l), row, slab), (TensorId::Weights(l), slab, column), (result, row, column)]
            }
        }
    }

    /// Where its tiles stand; none when the step has no such cell.
    pub fn tiles(&self, layout: &TraceLayout) -> Option<Tiles> {
        let [left, right, (result, row, column)] = self.operands();
        let result = layout.tensor(result)?;
        if row >= result.tile_rows() || column >= result.tile_cols() || self.slab >= result.slabs {
            return None;
        }
        let factor = |(id, row, column)| Some(layout.tensor(id)?.tile(row, column, 0));
        Some(Tiles {
            left: factor(left)?,
            right: factor(right)?,
            before: self.slab.checked_sub(1).map(|slab| result.tile(row, column, slab)),
            after: result.tile(row, column, self.slab),
        })
    }

    /// Opens the cell of step `step` from its trace, the tree over it and the record after it; none
    /// when the step has no such cell.
    pub fn open(
        &self,
        layout: &TraceLayout,
        trace: &Trace,
        tree: &Tree,
        step: u32,
        record: TracedRecord,
    ) -> Option<ProductOpening> {
        let tiles = self.tiles(layout)?;
        let path = |number: usize| tree.path(number * TILE).split_off(TILE_HEIGHT);
        let [left, right, (result, row, column)] = self.operands();
        let factor = |(id, row, column), number| {
            let rows = trace.bytes_tile(layout.tensor(id)?, row, column)?;
            Some(Tile { rows, number, path: path(number) })
        };
        let words = |slab, number| {
            let rows = trace.words_tile(layout.tensor(result)?, row, column, slab)?;
            Some(Tile { rows, number, path: path(number) })
        };
        let before = match tiles.before {
            Some(number) => Some(words(self.slab - 1, number)?),
            None => None,
        };
        Some(ProductOpening {
            orientation: self.orientation,
            step,
            left: factor(left, tiles.left)?,
            right: factor(right, tiles.right)?,
            before,
            after: words(self.slab, tiles.after)?,
            record,
        })
    }
}

/// A tile and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile<T> {
    /// Its 64 rows.
    pub rows: Vec<[T; TILE]>,
    /// Its number in the tree: position of its first row over 64.
    pub number: usize,
    /// Siblings from the tile up.
    pub path: Path,
}

/// What a step record holds beside the trace root, and its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedRecord {
    /// State root and update root, see [`crate::record::pair`].
    pub pair: Fr,
    /// Loss and roots of exponents, as [`crate::record::StepRecord::rest`] hashes them.
    pub rest: [Fr; 3],
    /// Path to the tree root over the records.
    pub path: Path,
}

/// Everything that one product cell opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductOpening {
    /// Which product.
    pub orientation: Orientation,
    /// The step.
    pub step: u32,
    /// Left factor.
    pub left: Tile<i8>,
    /// Right factor.
    pub right: Tile<i8>,
    /// The result before: the slab before, or none for the first.
    pub before: Option<Tile<i32>>,
    /// The result.
    pub after: Tile<i32>,
    /// Record `step + 1`.
    pub record: TracedRecord,
}

/// What is public of a cell. The digest of its statement binds the tiles, and is the point at which
/// the circuit compares both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductSample {
    /// The step.
    pub step: u32,
    /// Where the tiles of the cell stand: [`ProductCell::tiles`].
    pub tiles: Tiles,
}

/// Bits of the number of a tile in the packed sample.
pub const TILE_BITS: u32 = 24;

impl ProductSample {
    /// The packed sample, low first: `first` (1 bit), step (20), tile after, tile before, right, left
    /// (24 each); the tile before is 0 in the first slab.
    pub fn elements(&self) -> Vec<Fr> {
        let Tiles { left, right, before, after } = self.tiles;
        let fields = [
            (left, TILE_BITS),
            (right, TILE_BITS),
            (before.unwrap_or(0), TILE_BITS),
            (after, TILE_BITS),
            (self.step as usize, STEP_BITS),
            (before.is_none().into(), 1),
        ];
        alloc::vec![Fr::from(fields.into_iter().fold(0u128, |sum, (field, bits)| sum << bits | field as u128))]
    }
}

impl ProductOpening {
    /// What is public of it.
    pub fn sample(&self) -> ProductSample {
        let tiles = Tiles {
            left: self.left.number,
            right: self.right.number,
            before: self.before.as_ref().map(|before| before.number),
            after: self.after.number,
        };
        ProductSample { step: self.step, tiles }
    }

    /// Whether the result is the product, with trees of these depths.
    ///
    /// Words are compared as they are packed, element by element of eight: what is added to them is
    /// the packed product, whatever the tile before holds. That it holds words, and that their sums
    /// fit, is by the cells of the slabs before it, down to the tile of zeros.
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn check(&self, roots: &Roots, depths: Depths) -> Result<(), Violation> {
        let missing = |what, root| Violation::Path { what, root };
        let bytes = |tile: &Tile<i8>| tile.root(depths, |row| Ok(bytes_leaf(row)));
        let words = |tile: &Tile<i32>| tile.root(depths, words_leaf);
        let tree = words(&self.after)?.ok_or(missing("tile of the result", "trace"))?;
        for (what, tile) in [("left tile", &self.left), ("right tile", &self.right)] {
            let legal = tile.rows.iter().flatten().all(|&byte| i32::from(byte) >= -BYTE_MAX);
            ensure(legal && bytes(tile)? == Some(tree), missing(what, "trace"))?;
        }
        if let Some(before) = &self.before {
            ensure(words(before)? == Some(tree), missing("tile of the slab before", "trace"))?;
        }
        let trace_root = poseidon::hash(Fr::from(tag::TRACE_ROOT), tree, roots.layout);
        let steps = self.record.root(trace_root, self.step, roots, depths);
        ensure(steps == Some(roots.steps), missing("record of the step", "steps"))?;
        let blank = [0; TILE];
        for (row, after) in self.after.rows.iter().enumerate() {
            let before = self.before.as_ref().map_or(&blank, |before| &before.rows[row]);
            for (element, (before, after)) in pack_words(before)?.into_iter().zip(pack_words(after)?).enumerate() {
                let columns = (element * WORDS_PER_ELEMENT..(element + 1) * WORDS_PER_ELEMENT).rev();
                let slot = Fr::from(1u64 << WORD_BITS);
                let packed =
                    columns.fold(Fr::from(0u64), |sum, column| sum * slot + Fr::from(self.product(row, column)));
                ensure(after == before + packed, Violation::Product { row, element })?;
            }
        }
        Ok(())
    }

    /// Element of the product of the two tiles.
    fn product(&self, row: usize, column: usize) -> i64 {
        let at = |tile: &Tile<i8>, inner: Inner, outer: usize, k: usize| match inner {
            Inner::Rows => i64::from(tile.rows[k][outer]),
            Inner::Columns => i64::from(tile.rows[outer][k]),
        };
        let [left, right] = self.orientation.inner();
        (0..TILE).map(|k| at(&self.left, left, row, k) * at(&self.right, right, column, k)).sum()
    }
}

impl<T> Tile<T> {
    /// Root of the tree that the tile stands in; none when it is no tile of a tree of this depth.
    fn root(
        &self,
        depths: Depths,
        leaf: impl Fn(&[T; TILE]) -> Result<Fr, LeafError>,
    ) -> Result<Option<Fr>, LeafError> {
        let height = depths.trace - TILE_HEIGHT;
        if self.rows.len() != TILE || self.path.len() != height || self.number >> height != 0 {
            return Ok(None);
        }
        let mut level: Vec<Fr> = self.rows.iter().map(leaf).collect::<Result<_, _>>()?;
        while level.len() > 1 {
            level = level.chunks(2).map(|pair| node(pair[0], pair[1])).collect();
        }
        Ok(Some(root_of(level[0], self.number, &self.path)))
    }
}

impl TracedRecord {
    /// From a record and its path.
    pub fn new(record: &StepRecord, path: Path) -> Self {
        let roots = [&record.exponents, &record.next_exponents].map(|exponents| exponents_root(exponents.as_ref()));
        let rest = [Fr::from(record.loss), roots[0], roots[1]];
        Self { pair: pair(record.state_root, record.update_root), rest, path }
    }

    /// Root over the records with this one, of this trace root, after the step; none where the tree
    /// has no such record.
    fn root(&self, trace_root: Fr, step: u32, roots: &Roots, depths: Depths) -> Option<Fr> {
        let index = step as usize + 1;
        if self.path.len() != depths.steps || index >> depths.steps != 0 {
            return None;
        }
        let [loss, used, next] = self.rest;
        let record = record_leaf(self.pair, rest(&[trace_root, loss, used, next]));
        Some(steps_root(root_of(record, index, &self.path), roots.record_count))
    }
}

fn ensure(holds: bool, violation: Violation) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(violation) }
}
