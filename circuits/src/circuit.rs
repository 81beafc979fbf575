//! What every circuit of this crate is: a grid, and the gates that its rows obey.
//!
//! A circuit implements [`Gridded`]; [`Sheet`] is what Halo2 sees of it. Hashes and value lines are
//! the same for all, so a circuit adds only the gates of its own.

use std::marker::PhantomData;

use halo2_proofs::circuit::{Layouter, SimpleFloorPlanner, Value};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::plonk::{Circuit, ConstraintSystem, Error};

use crate::chips::{Columns, poseidon, values};
use crate::grid::{ADVICE, Cell, FIXED, Grid};

/// Degree of the constraint system: the fifth power under a choice of four row kinds.
const DEGREE: usize = 9;

/// A circuit that is one grid.
pub trait Gridded {
    /// Creates the gates that the circuit has beside hashes and value lines.
    fn gates(meta: &mut ConstraintSystem<Fr>, columns: &Columns);

    /// Writes all cells into an empty grid. Where they stand, the fixed cells and the copies are the
    /// same for every witness of one shape.
    fn fill(&self, grid: Grid) -> Grid;

    /// All cells.
    fn grid(&self) -> Grid {
        self.fill(Grid::default())
    }

    /// All cells, with something added to the assignments of these numbers and all that depends on
    /// them following.
    fn tampered_grid(&self, changes: &[(usize, Fr)]) -> Grid {
        self.fill(Grid::tampered(changes))
    }
}

/// Values of the public inputs that a grid claims, in order.
pub fn instances(grid: &Grid) -> Vec<Fr> {
    let mut instances = vec![Fr::ZERO; grid.publics.len()];
    for &(cell, row) in &grid.publics {
        instances[row] = grid.value(cell);
    }
    instances
}

/// A finished grid under the gates of `C`, as one Halo2 circuit.
#[derive(Clone, Debug)]
pub struct Sheet<C> {
    grid: Grid,
    gates: PhantomData<C>,
}

impl<C: Gridded> Sheet<C> {
    /// The grid of a circuit.
    pub fn new(circuit: &C) -> Self {
        Self::of(circuit.grid())
    }

    /// Any grid, such as one that tests altered.
    pub fn of(grid: Grid) -> Self {
        Self { grid, gates: PhantomData }
    }
}

impl<C: Gridded> Circuit<Fr> for Sheet<C> {
    type Config = Columns;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = ();

    /// The grid as it is: keys do not depend on the values in advice cells.
    fn without_witnesses(&self) -> Self {
        Self::of(self.grid.clone())
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) -> Columns {
        // Explicit, because Halo2 caps the degree by an environment variable otherwise.
        meta.set_minimum_degree(DEGREE);
        let columns = Columns::configure(meta);
        poseidon::configure(meta, &columns);
        values::configure(meta, &columns);
        C::gates(meta, &columns);
        columns
    }

    /// One region with absolute rows: the floor planner puts every region at row 0.
    fn synthesize(&self, columns: Columns, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        let grid = &self.grid;
        let publics = layouter.assign_region(
            || "grid",
            |mut region| {
                let mut cells = ADVICE.map(|column| Vec::with_capacity(grid.height(column)));
                for column in ADVICE {
                    for row in 0..grid.height(column) {
                        let value = Value::known(grid.value(Cell { column, row }));
                        cells[column as usize].push(region.assign_advice(columns.advice(column), row, value).cell());
                    }
                }
                for column in FIXED {
                    for row in 0..grid.rows() {
                        region.assign_fixed(columns.fixed_column(column), row, grid.fixed_value(column, row));
                    }
                }
                let at = |cell: Cell| cells[cell.column as usize][cell.row];
                for &(left, right) in &grid.copies {
                    region.constrain_equal(at(left), at(right));
                }
                Ok(grid.publics.iter().map(|&(cell, row)| (at(cell), row)).collect::<Vec<_>>())
            },
        )?;
        for (cell, row) in publics {
            layouter.constrain_instance(cell, columns.instance(), row);
        }
        Ok(())
    }
}
