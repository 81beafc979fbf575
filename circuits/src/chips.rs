//! Chips: the columns and what all cells of a training step are built from.
//!
//! [`poseidon`] hashes, [`values`] composes looked-up digits to integers, [`arithmetic`] multiplies and
//! adds them, [`rounding`] shifts and clamps.

pub mod arithmetic;
pub mod poseidon;
pub mod rounding;
pub mod values;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::plonk::{self, Column, ConstraintSystem, Expression, Instance, VirtualCells};
use halo2_proofs::poly::Rotation;

use crate::grid::{ADVICE, Advice, FIXED, Fixed};

/// The columns of a round circuit.
#[derive(Clone, Debug)]
pub struct Columns {
    advice: [Column<plonk::Advice>; ADVICE.len()],
    fixed: [Column<plonk::Fixed>; FIXED.len()],
    instance: Column<Instance>,
}

impl Columns {
    pub(crate) fn configure(meta: &mut ConstraintSystem<Fr>) -> Self {
        let columns = Self {
            advice: ADVICE.map(|_| meta.advice_column()),
            fixed: FIXED.map(|_| meta.fixed_column()),
            instance: meta.instance_column(),
        };
        // Element 0 of the state is never copied, so one permutation product covers the others.
        ADVICE.into_iter().filter(|&column| column != Advice::State0).for_each(|column| {
            meta.enable_equality(columns.advice(column));
        });
        meta.enable_equality(columns.instance);
        columns
    }

    /// The Halo2 column of an advice column.
    pub fn advice(&self, column: Advice) -> Column<plonk::Advice> {
        self.advice[column as usize]
    }

    /// The Halo2 column of a fixed column.
    pub fn fixed_column(&self, column: Fixed) -> Column<plonk::Fixed> {
        self.fixed[column as usize]
    }

    /// The column of public inputs.
    pub fn instance(&self) -> Column<Instance> {
        self.instance
    }

    pub(crate) fn fixed(&self, cells: &mut VirtualCells<'_, Fr>, column: Fixed) -> Expression<Fr> {
        cells.query_fixed(self.fixed[column as usize], Rotation::cur())
    }

    pub(crate) fn prev(&self, cells: &mut VirtualCells<'_, Fr>, column: Advice) -> Expression<Fr> {
        cells.query_advice(self.advice[column as usize], Rotation::prev())
    }

    pub(crate) fn cur(&self, cells: &mut VirtualCells<'_, Fr>, column: Advice) -> Expression<Fr> {
        cells.query_advice(self.advice[column as usize], Rotation::cur())
    }

    pub(crate) fn next(&self, cells: &mut VirtualCells<'_, Fr>, column: Advice) -> Expression<Fr> {
        cells.query_advice(self.advice[column as usize], Rotation::next())
    }

    /// Digit, value and parameter of the row before, this row and the next: the nine cells of a
    /// rule.
    pub(crate) fn rule(&self, cells: &mut VirtualCells<'_, Fr>) -> [[Expression<Fr>; 3]; 3] {
        let columns = [Advice::Digit, Advice::Value, Advice::Parameter];
        [
            columns.map(|column| self.prev(cells, column)),
            columns.map(|column| self.cur(cells, column)),
            columns.map(|column| self.next(cells, column)),
        ]
    }
}

/// Nonzero exactly where the kind column, which holds 0 to `kinds`, holds `value`.
pub(crate) fn kind(column: Expression<Fr>, value: u64, kinds: u64) -> Expression<Fr> {
    (1..=kinds)
        .filter(|&other| other != value)
        .fold(column.clone(), |product, other| product * (constant(other) - column.clone()))
}

/// An integer as an expression.
pub(crate) fn constant(value: u64) -> Expression<Fr> {
    Expression::Constant(Fr::from(value))
}

/// `2^bits` as an expression.
pub(crate) fn power_of_two(bits: u32) -> Expression<Fr> {
    Expression::Constant(Fr::from(2).pow([u64::from(bits)]))
}
