//! The product circuit: one [product cell](crate::cells::product) under the roots of one commitment.
//!
//! ```text
//! public inputs: statement digest (high, low) | steps root | layout | record count | packed sample
//! ```
//!
//! All of them are those of a [`ProductStatement`], which a verifier computes: the numbers of the tiles
//! from the spec, and `first` where there is no slab before. **The digest must be its keccak**: a proof
//! for a point that was known before the tiles were made shows nothing.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::ConstraintSystem;
use pogo_protocol::leaf::{tag, words_leaf};
use pogo_protocol::merkle::node;
use pogo_protocol::product::{
    Depths, Orientation, ProductOpening, ProductStatement, TILE, TILE_BITS, TILE_HEIGHT, Tile, TracedRecord,
};
use pogo_protocol::statement::STEP_BITS;

use crate::cells::power;
use crate::cells::product::{self, Multiplier, elements};
use crate::chips::Columns;
use crate::chips::arithmetic::Arithmetic;
use crate::chips::poseidon::{Operand, convert};
use crate::chips::values::{Lines, Range, Source};
use crate::circuit::Gridded;
use crate::grid::Grid;

/// Size of a product circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductShape {
    /// Rows are `2^k`.
    pub k: u32,
    /// Which product.
    pub orientation: Orientation,
    /// Depths of the trees.
    pub depths: Depths,
}

impl ProductShape {
    /// For traces and rounds of the preset `minimal`.
    pub const fn minimal(orientation: Orientation) -> Self {
        Self { k: 15, orientation, depths: Depths { trace: 24, steps: 12 } }
    }
}

/// A product circuit with its witness.
#[derive(Clone, Debug)]
pub struct ProductCircuit {
    shape: ProductShape,
    instances: [ark_bn254::Fr; 6],
    opening: ProductOpening,
}

impl ProductCircuit {
    /// The circuit that shows that `opening` obeys the relation of `statement`.
    ///
    /// # Panics
    /// When the opening is of another orientation, or its paths are not as long as `shape` says.
    pub fn new(shape: ProductShape, statement: &ProductStatement, opening: ProductOpening) -> Self {
        Self::at_point(shape, statement.instances(), opening)
    }

    /// The circuit with any public inputs, for tests: with a digest that is not the statement's, a
    /// proof shows nothing.
    pub fn at_point(shape: ProductShape, instances: [ark_bn254::Fr; 6], opening: ProductOpening) -> Self {
        assert_eq!(opening.orientation, shape.orientation, "orientation of the opening");
        let Depths { trace, steps } = shape.depths;
        let fits = trace - TILE_HEIGHT <= TILE_BITS as usize && steps <= STEP_BITS as usize;
        assert!(fits, "depths {trace} and {steps} do not fit the packed sample");
        Self { shape, instances, opening }
    }

    /// The circuit with zeros for a witness, for keys.
    pub fn blank(shape: ProductShape) -> Self {
        let zero = ark_bn254::Fr::from(0u64);
        let path = vec![zero; shape.depths.trace - TILE_HEIGHT];
        let bytes = Tile { rows: vec![[0; TILE]; TILE], number: 0, path: path.clone() };
        let opening = ProductOpening {
            orientation: shape.orientation,
            step: 0,
            left: bytes.clone(),
            right: bytes,
            before: None,
            after: Tile { rows: vec![[0; TILE]; TILE], number: 0, path },
            record: TracedRecord { pair: zero, rest: [zero; 3], path: vec![zero; shape.depths.steps] },
        };
        Self::at_point(shape, [zero; 6], opening)
    }
}

impl Gridded for ProductCircuit {
    fn gates(meta: &mut ConstraintSystem<Fr>, columns: &Columns) {
        product::configure(meta, columns);
    }

    fn fill(&self, mut grid: Grid) -> Grid {
        Lines::table(&mut grid, &Range::ARITHMETIC);
        let mut arithmetic = Arithmetic::new(&mut grid);
        let lines = &mut arithmetic.lines;
        let mut row = 0;
        let mut public = |grid: &mut Grid, name| {
            row += 1;
            lines.public(grid, convert(self.instances[row - 1]), row - 1, name)
        };
        let digest = [public(&mut grid, "statement digest, high"), public(&mut grid, "statement digest, low")];
        let steps_root = public(&mut grid, "steps root");
        let layout = public(&mut grid, "layout");
        let count = public(&mut grid, "record count");

        let ProductOpening { step, left, right, before, after, record, .. } = &self.opening;
        let first = lines.bits(&mut grid, before.is_none().into(), 1, Source::Input, "first slab");
        let step = lines.bits(&mut grid, i128::from(*step), self.shape.depths.steps, Source::Input, "step bit");
        let next = lines.increment(&mut grid, step.value);
        let index = grid.integer(next);
        let index = lines.bits(&mut grid, index, self.shape.depths.steps, Source::Derived, "record bit");
        grid.equal(index.value, next);
        let depth = self.shape.depths.trace - TILE_HEIGHT;
        let blank = Tile { rows: vec![[0; TILE]; TILE], number: 0, path: vec![0u64.into(); depth] };
        let before = before.as_ref().unwrap_or(&blank);
        let [left_at, right_at, before_at, after_at] = [left.number, right.number, before.number, after.number]
            .map(|number| lines.bits(&mut grid, number as i128, depth, Source::Input, "tile bit"));
        let tiles = [&left_at, &right_at, &before_at, &after_at].map(|tile| (tile.value, power(TILE_BITS)));
        let sample = [&tiles[..], &[(step.value, power(STEP_BITS)), (first.value, power(1))]].concat();
        let sample = lines.compose(&mut grid, &sample, Range::Free, "packed sample");
        grid.public(sample, row);

        let mut builder = Multiplier::new(grid, arithmetic, digest);
        let [left_inner, right_inner] = self.shape.orientation.inner();
        let (left_sums, left) = builder.left(left, left_inner, &left_at);
        let (right_sums, right) = builder.right(right, right_inner, &right_at);
        let (after_sum, result) = builder.words(&elements(after), (&after_at, &after.path));
        let (before_sum, start) = builder.words(&elements(before), (&before_at, &before.path));
        let sums: Vec<_> = left_sums.into_iter().zip(right_sums).collect();
        let Multiplier { mut grid, mut lane, mut arithmetic, .. } = builder;
        let sum = arithmetic.dot(&mut grid, before_sum, &sums);
        grid.equal(sum, after_sum);

        // The tile before is the tile of zeros, or it is in the trace as all others are.
        let empty = arithmetic.constant(&mut grid, convert(zero_tile()));
        arithmetic.equal_if(&mut grid, first.value, start.digest, empty);
        arithmetic.equal_unless(&mut grid, first.value, start.root, result.root);
        grid.equal(left.root, result.root);
        grid.equal(right.root, result.root);

        let trace = lane.hash(&mut grid, tag::TRACE_ROOT, Operand::Copy(result.root), Operand::Copy(layout));
        let [loss, used, asked] = record.rest.map(convert);
        let rest = [
            [Operand::Copy(trace), Operand::Input(loss, "loss")],
            [Operand::Input(used, "exponents"), Operand::Input(asked, "next exponents")],
        ];
        let rest = lane.sponge_of(&mut grid, tag::REST, &rest);
        let pair = Operand::Input(convert(record.pair), "pair of roots");
        let hash = lane.hash(&mut grid, tag::RECORD, pair, Operand::Copy(rest));
        let siblings: Vec<Fr> = record.path.iter().copied().map(convert).collect();
        assert_eq!(index.bits.len(), siblings.len(), "path length of a record");
        let root = lane.path(&mut grid, tag::NODE, hash, &index.bits, &siblings);
        let root = lane.hash(&mut grid, tag::STEPS_ROOT, Operand::Copy(root), Operand::Copy(count));
        grid.equal(root, steps_root);
        grid
    }
}

/// Digest of a tile of words that are all zero.
fn zero_tile() -> ark_bn254::Fr {
    let leaf = words_leaf(&[0; TILE]).expect("zero is a word");
    (0..TILE_HEIGHT).fold(leaf, |digest, _| node(digest, digest))
}
