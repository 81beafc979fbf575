//! A circuit of a few operations on cells, whose inputs and results are public.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::ConstraintSystem;

use crate::chips::Columns;
use crate::chips::arithmetic::{self, Arithmetic};
use crate::chips::values::{Lines, Range};
use crate::circuit::Gridded;
use crate::grid::{Cell, Grid};

/// Name of the inputs in the grid.
pub const INPUT: &str = "input";

/// From the cells of the inputs to those of the results.
pub type Operation = fn(&mut Arithmetic, &mut Grid, &[Cell]) -> Vec<Cell>;

/// One operation on its inputs. Public are the inputs, then the results.
#[derive(Clone, Debug)]
pub struct Gadget {
    /// What is computed.
    pub operation: Operation,
    /// On which values.
    pub inputs: Vec<Fr>,
}

impl Gridded for Gadget {
    fn gates(meta: &mut ConstraintSystem<Fr>, columns: &Columns) {
        arithmetic::configure(meta, columns);
    }

    fn fill(&self, mut grid: Grid) -> Grid {
        Lines::table(&mut grid, &Range::ARITHMETIC);
        let mut arithmetic = Arithmetic::new(&mut grid);
        let lines = &mut arithmetic.lines;
        let inputs: Vec<Cell> =
            (0..).zip(&self.inputs).map(|(row, &value)| lines.public(&mut grid, value, row, INPUT)).collect();
        let results = (self.operation)(&mut arithmetic, &mut grid, &inputs);
        for (i, result) in results.into_iter().enumerate() {
            grid.public(result, inputs.len() + i);
        }
        grid
    }
}
