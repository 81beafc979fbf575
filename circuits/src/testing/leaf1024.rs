//! The leaf-1024 statement, which several proof systems have been measured on: 1,024 weights moved
//! by their 4-bit codes at one rate, three leaves hashed and opened at depth 20.
//!
//! Same relation in this project's formats: words of 31 bits (not 32), codes of -7 to 7, eight
//! words and 64 codes an element. Public are the three roots and the index.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::plonk::ConstraintSystem;
use pogo_protocol::fixed::{LEAF, WORD_BIAS};
use pogo_protocol::leaf::{WORDS_PER_ELEMENT, tag};

use crate::chips::Columns;
use crate::chips::poseidon::Lane;
use crate::chips::values::{Lines, Range, Source};
use crate::circuit::Gridded;
use crate::grid::{Cell, Grid};
use crate::round::RoundCircuit;

/// Rows are `2^k`.
pub const K: u32 = 14;
const WEIGHTS: usize = 1024;
const DEPTH: usize = 20;
const RATE_BITS: u32 = 10;

/// One leaf of 1,024 weights; every value follows from the index.
#[derive(Clone, Copy, Debug)]
pub struct Leaf1024 {
    /// Index of the leaf, below `2^20`.
    pub index: u32,
}

impl Gridded for Leaf1024 {
    fn gates(meta: &mut ConstraintSystem<Fr>, columns: &Columns) {
        RoundCircuit::gates(meta, columns);
    }

    fn fill(&self, mut grid: Grid) -> Grid {
        Lines::table(&mut grid, &Range::ROUND);
        let (mut lines, mut lane) = (Lines::default(), Lane::new());
        let (zero, one) = (lines.constant(&mut grid, false), lines.constant(&mut grid, true));
        let index = lines.bits(&mut grid, i128::from(self.index), DEPTH, Source::Input, "index bit");
        let moved: Vec<[Cell; 3]> = (0..WEIGHTS).map(|i| Self::weight(&mut grid, &mut lines, one, i)).collect();
        let mut root = |grid: &mut Grid, lines: &mut Lines, column: usize, group: usize, radix: Fr| {
            let elements: Vec<Cell> = (moved.chunks(group))
                .map(|group| {
                    let high_first: Vec<_> = group.iter().rev().map(|cells| (cells[column], radix)).collect();
                    lines.compose(grid, &high_first, Range::Free, "packed")
                })
                .collect();
            let leaf = lane.sponge(grid, tag::WEIGHTS, &elements, zero);
            lane.path(grid, tag::NODE, leaf, &index.bits, &[Fr::ONE; DEPTH])
        };
        let words = Fr::from(2).pow([31]);
        let roots = [(0, WORDS_PER_ELEMENT, words), (1, WORDS_PER_ELEMENT, words), (2, LEAF, Fr::from(15))];
        for (row, (column, group, radix)) in roots.into_iter().enumerate() {
            let root = root(&mut grid, &mut lines, column, group, radix);
            grid.public(root, row);
        }
        grid.public(index.value, 3);
        grid
    }
}

impl Leaf1024 {
    /// Before, after and code digit of weight `i`: `after = before - (digit - 7) * 2^10`.
    fn weight(grid: &mut Grid, lines: &mut Lines, one: Cell, i: usize) -> [Cell; 3] {
        let (digit, before) = ((i % 15) as i128, i128::from(WORD_BIAS) + (i * 7919) as i128);
        let code = lines.digit(grid, Range::Code, digit, "code");
        let after = lines.word(grid, before - ((digit - 7) << RATE_BITS), Source::Input, "weight after");
        // 2^10 digit + after = before + 7 * 2^10, and the weight before is in range.
        let rate = Fr::from(1 << RATE_BITS);
        let sum = lines.compose(grid, &[(code, Fr::ZERO), (after, rate)], Range::Free, "after and code");
        let before = lines.word(grid, grid.integer(sum) - (7 << RATE_BITS), Source::Derived, "weight before");
        let shifted = [(one, Fr::ZERO), (before, Fr::from(7 << RATE_BITS))];
        let same = lines.compose(grid, &shifted, Range::Free, "before and 7 steps");
        grid.equal(sum, same);
        [before, after, code]
    }
}
