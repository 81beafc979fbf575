//! The adversary: a prover who alters cells, lets all cells that depend on them follow, and commits
//! to the outcome.
//!
//! The last part matters: under the roots of a true round an altered leaf is caught by its path
//! whatever the rules say, so a missing rule would go unseen. [`Forgery::commit`] rebuilds the tree
//! of records and the public roots over what the altered grid holds.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use pogo_protocol::merkle::{Tree, hash_pairs};
use pogo_protocol::opening::{Openings, RecordOpening};

use super::reading::{ark, number};
use crate::circuit::Gridded;
use crate::grid::{Advice, Assignment, Cell, Grid, Origin, field};
use crate::round::{Claim, RoundCircuit, Shape};

/// Assignments of one kind: where their values come from, what they stand for, and their column.
pub type Place = (Origin, &'static str, Advice);

/// A round with alterations to its grid.
#[derive(Clone, Debug)]
pub struct Forgery {
    shape: Shape,
    claim: Claim,
    openings: Openings,
    changes: Vec<(usize, Fr)>,
    grid: Grid,
}

impl Forgery {
    /// No alteration yet.
    pub fn new(shape: Shape, claim: Claim, openings: Openings) -> Self {
        let grid = RoundCircuit::new(shape, claim, openings.clone()).grid();
        Self { shape, claim, openings, changes: Vec::new(), grid }
    }

    /// The grid with all alterations.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Adds to assignment number `at`.
    pub fn change(&mut self, at: usize, change: Fr) {
        self.changes.push((at, change));
        self.rebuild();
    }

    /// Adds to the `nth` assignment at a place.
    pub fn add(&mut self, place: Place, nth: usize, change: i128) {
        self.change(self.find(place, nth), field(change));
    }

    /// Sets the `nth` assignment at a place.
    pub fn set(&mut self, place: Place, nth: usize, value: Fr) {
        let at = self.find(place, nth);
        self.change(at, value - self.grid.value(self.grid.assignments[at].cell));
    }

    /// Adds to the `nth` of the computed numbers called `name`, and sets its three limbs.
    pub fn add_number(&mut self, name: &'static str, nth: usize, change: i128) {
        let row = self.grid.assignments[self.find((Origin::Derived, name, Advice::Digit), 3 * nth + 2)].cell.row;
        let number = self.grid.integer(Cell { column: Advice::Value, row });
        self.set_number(name, nth, number + change);
    }

    /// Sets the three limbs of the `nth` of the computed numbers called `name`.
    pub fn set_number(&mut self, name: &'static str, nth: usize, value: i128) {
        let limbs = [value >> 22, value >> 11 & 0x7FF, value & 0x7FF];
        for (i, limb) in limbs.into_iter().enumerate() {
            let at = self.find((Origin::Derived, name, Advice::Digit), 3 * nth + i);
            self.changes.push((at, field(limb) - self.grid.value(self.grid.assignments[at].cell)));
        }
        self.rebuild();
    }

    /// Number of the `nth` assignment at a place.
    ///
    /// # Panics
    /// When there is none.
    pub fn find(&self, (origin, name, column): Place, nth: usize) -> usize {
        let here = |a: &Assignment| (a.origin, a.name, a.cell.column) == (origin, name, column);
        let mut numbers = self.grid.assignments.iter().enumerate().filter(|(_, assignment)| here(assignment));
        numbers.nth(nth).unwrap_or_else(|| panic!("assignment {nth} of {origin:?} {name} in {column:?}")).0
    }

    /// Rebuilds the tree of records and the public roots over what the grid holds, until nothing
    /// changes any more. Path bits that are no bits leave all as it is.
    pub fn commit(&mut self) {
        for _ in 0..6 {
            if !self.commit_once().unwrap_or(false) {
                return;
            }
            self.rebuild();
        }
    }

    fn rebuild(&mut self) {
        let circuit = RoundCircuit::new(self.shape, self.claim, self.openings.clone());
        self.grid = circuit.tampered_grid(&self.changes);
    }

    /// Whether anything had to change.
    fn commit_once(&mut self) -> Option<bool> {
        let Shape { tree_depth, steps_depth, .. } = self.shape;
        let mut walk = Walk::new(&self.grid);
        let mut opened = vec![walk.record(steps_depth)?, walk.record(steps_depth)?];
        for _ in 0..self.shape.updates {
            walk.model(1, tree_depth)?;
            walk.model(3, tree_depth)?;
            opened.push(walk.record(steps_depth)?);
            walk.model(2, tree_depth)?;
            opened.push(walk.record(steps_depth)?);
        }
        let (mut state, mut quantized) = (None, None);
        for _ in 0..self.shape.quantizes {
            state = state.or(Some(walk.model(2, tree_depth)?));
            quantized = quantized.or(Some(walk.model(1, tree_depth)?));
        }
        let mut records = vec![ark_bn254::Fr::from(0u64); 1 << steps_depth];
        for record in &opened {
            records[record.index] = record.hash;
        }
        let records = Tree::new(steps_depth, records, hash_pairs);
        let roots = &mut self.claim.roots;
        let mut moved = shift(&mut roots.steps, opened[0].root, walk.named("steps root"));
        moved |= shift(&mut roots.state, state?, walk.named("state root"));
        moved |= shift(&mut roots.quantized, quantized?, walk.named("quantized root"));
        let Openings { first, last, updates, .. } = &mut self.openings;
        let updates = updates.iter_mut().flat_map(|update| [&mut update.record_after, &mut update.record_before]);
        for (RecordOpening { path, .. }, opened) in [first, last].into_iter().chain(updates).zip(&opened) {
            for ((sibling, want), &have) in path.iter_mut().zip(records.path(opened.index)).zip(&opened.siblings) {
                moved |= shift(sibling, want, have);
            }
        }
        Some(moved)
    }
}

/// Moves what a cell is made from by as much as the cell is off.
fn shift(source: &mut ark_bn254::Fr, want: ark_bn254::Fr, have: Fr) -> bool {
    let difference = want - ark(have);
    *source += difference;
    difference != ark_bn254::Fr::from(0u64)
}

/// A record as a grid opens it.
struct Opened {
    hash: ark_bn254::Fr,
    root: ark_bn254::Fr,
    index: usize,
    siblings: Vec<Fr>,
}

/// Reads digests, path bits and siblings in the order in which the cells assign them.
struct Walk<'a> {
    grid: &'a Grid,
    digests: std::vec::IntoIter<Fr>,
    bits: std::vec::IntoIter<Fr>,
    siblings: std::vec::IntoIter<Fr>,
}

impl<'a> Walk<'a> {
    fn new(grid: &'a Grid) -> Self {
        let named = |name: &str| {
            let cells = grid.assignments.iter().filter(|assignment| assignment.name == name);
            cells.map(|assignment| grid.value(assignment.cell)).collect::<Vec<_>>().into_iter()
        };
        Self { grid, digests: named("digest"), bits: named("path bit"), siblings: named("sibling") }
    }

    /// A pair, a record, its path and the steps root.
    fn record(&mut self, depth: usize) -> Option<Opened> {
        let hash = ark(self.digests.nth(1)?);
        let root = ark(self.digests.nth(depth)?);
        let bits: Vec<_> = self.bits.by_ref().take(depth).map(|bit| number(bit).filter(|&bit| bit < 2)).collect();
        let index = bits.into_iter().rev().try_fold(0, |index, bit| Some(2 * index + bit? as usize))?;
        Some(Opened { hash, root, index, siblings: self.siblings.by_ref().take(depth).collect() })
    }

    /// Hashes up to a leaf, its path and the root with the layout.
    fn model(&mut self, hashes: usize, depth: usize) -> Option<ark_bn254::Fr> {
        self.bits.nth(depth - 1)?;
        self.siblings.nth(depth - 1)?;
        self.digests.nth(hashes + depth).map(ark)
    }

    fn named(&self, name: &str) -> Fr {
        let assignment = self.grid.assignments.iter().find(|assignment| assignment.name == name);
        // A public input is a line of one free digit; the claim is its value cell.
        assignment.map_or(Fr::ZERO, |a| self.grid.value(Cell { column: Advice::Value, row: a.cell.row }))
    }
}
