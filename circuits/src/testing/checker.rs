//! Which constraints a grid breaks.
//!
//! The checker evaluates Halo2's own constraint system on all rows of a [`Grid`]; tests hold it to
//! `MockProver`. It exists because it names every broken constraint, so that a test can show that
//! each of them is needed, and because it is fast enough for thousands of altered grids.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::plonk::{Circuit, ConstraintSystem, Expression};

use crate::circuit::{Gridded, Sheet};
use crate::grid::{ADVICE, Advice, Cell, FIXED, Fixed, Grid};
use crate::round::RoundCircuit;

/// Names of the ranges of the digit lookup, by number.
const RANGES: [&str; 15] = [
    "free",
    "bit",
    "9 bits",
    "11 bits",
    "code",
    "scale",
    "power",
    "zero",
    "one",
    "byte",
    "exponential",
    "logarithm",
    "3 bits",
    "5 bits",
    "6 bits",
];

/// A constraint of a grid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Constraint {
    /// A polynomial of a gate: "gate / constraint".
    Gate(String),
    /// The digit lookup in a range.
    Lookup(&'static str),
    /// A copy: what it is for, and what it is of.
    Copy(&'static str, &'static str),
    /// A copy of the public inputs, by row.
    Public(usize),
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Constraint::Gate(name) => write!(f, "gate {name}"),
            Constraint::Lookup(range) => write!(f, "lookup {range}"),
            Constraint::Copy(cell, of) => write!(f, "copy {cell} <- {of}"),
            Constraint::Public(row) => write!(f, "public input {row}"),
        }
    }
}

/// Checks grids against the constraint system of a circuit, [`RoundCircuit`] by default.
#[derive(Debug)]
pub struct Checker {
    system: ConstraintSystem<Fr>,
    gates: Vec<(Constraint, Expression<Fr>)>,
}

impl Default for Checker {
    fn default() -> Self {
        Self::of::<RoundCircuit>()
    }
}

impl Checker {
    /// For grids of this circuit.
    pub fn of<C: Gridded>() -> Self {
        let mut system = ConstraintSystem::default();
        Sheet::<C>::configure(&mut system);
        let gates = system.gates().iter().flat_map(|gate| {
            let name = |i| gate_name(gate.name(), gate.constraint_name(i), i);
            gate.polynomials().iter().enumerate().map(move |(i, polynomial)| (name(i), polynomial.clone()))
        });
        let gates = gates.collect();
        Self { system, gates }
    }

    /// All constraints that a circuit with this grid has.
    pub fn constraints(&self, grid: &Grid) -> BTreeSet<Constraint> {
        let mut constraints: BTreeSet<_> = self.gates.iter().map(|(name, _)| name.clone()).collect();
        constraints.extend(
            (0..grid.rows()).map(|row| range(grid, row)).filter(|&range| range != RANGES[0]).map(Constraint::Lookup),
        );
        let names = Names::new(grid);
        constraints.extend(grid.copies.iter().map(|&(cell, of)| names.copy(cell, of)));
        constraints.extend(grid.publics.iter().map(|&(_, row)| Constraint::Public(row)));
        constraints
    }

    /// All constraints that `grid` breaks when the public inputs are `instances`.
    pub fn broken(&self, grid: &Grid, instances: &[Fr]) -> BTreeSet<Constraint> {
        let names = LazyCell::new(|| Names::new(grid));
        let mut broken: BTreeSet<_> = unequal(grid, instances, |cell, of| names.copy(cell, of)).collect();
        broken.extend(self.missing(grid).map(|row| Constraint::Lookup(range(grid, row))));
        broken.extend(self.nonzero(grid, &rows(grid)).cloned());
        broken
    }

    /// Whether `grid` breaks a constraint that is not `excepted`; stops at the first.
    pub fn refuses(&self, grid: &Grid, instances: &[Fr], excepted: impl Fn(&Constraint) -> bool) -> bool {
        let names = LazyCell::new(|| Names::new(grid));
        unequal(grid, instances, |cell, of| names.copy(cell, of)).any(|constraint| !excepted(&constraint))
            || self.missing(grid).any(|row| !excepted(&Constraint::Lookup(range(grid, row))))
            || self.nonzero(grid, &rows(grid)).any(|constraint| !excepted(constraint))
    }

    /// Rows whose digit is not in the table.
    fn missing<'a>(&'a self, grid: &'a Grid) -> impl Iterator<Item = usize> + 'a {
        let table = self.table(grid);
        rows(grid).into_iter().filter(move |&row| !table.contains(&self.looked_up(grid, row)))
    }

    /// Pairs of range and value.
    fn table(&self, grid: &Grid) -> HashSet<Pair> {
        let [lookup] = &self.system.lookups()[..] else { panic!("one lookup") };
        rows(grid).into_iter().map(|row| pair(lookup.table_expressions(), grid, row)).collect()
    }

    /// Range and value of the digit of a row.
    fn looked_up(&self, grid: &Grid, row: usize) -> Pair {
        let [lookup] = &self.system.lookups()[..] else { panic!("one lookup") };
        pair(lookup.input_expressions(), grid, row)
    }

    /// Gate constraints that are not zero on all of these rows.
    fn nonzero<'a>(&'a self, grid: &'a Grid, rows: &'a [usize]) -> impl Iterator<Item = &'a Constraint> {
        let broken = |gate| rows.iter().any(|&row| evaluate(gate, grid, row) != Fr::ZERO);
        self.gates.iter().filter(move |(_, gate)| broken(gate)).map(|(name, _)| name)
    }
}

/// A grid that breaks nothing, and what others of its circuit break: only rows where they differ are
/// looked at.
#[derive(Debug)]
pub struct Reference<'a> {
    checker: &'a Checker,
    grid: Grid,
    names: Names,
    table: HashSet<Pair>,
}

impl<'a> Reference<'a> {
    /// From a grid that breaks nothing.
    pub fn new(checker: &'a Checker, grid: Grid) -> Self {
        Self { checker, names: Names::new(&grid), table: checker.table(&grid), grid }
    }

    /// The grid.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The constraint of a copy.
    pub fn copy(&self, cell: Cell, of: Cell) -> Constraint {
        self.names.copy(cell, of)
    }

    /// All constraints that `grid`, of the same circuit, breaks when the public inputs are `instances`.
    pub fn broken(&self, grid: &Grid, instances: &[Fr]) -> BTreeSet<Constraint> {
        let changed = self.changed(grid);
        self.broken_in(grid, instances, &changed, &changed)
    }

    /// What [`Reference::broken`] finds, but for gates of cells that are not beside those altered: cells that
    /// follow from others obey most gates.
    pub fn broken_beside(&self, grid: &Grid, instances: &[Fr], altered: &[Cell]) -> BTreeSet<Constraint> {
        let altered: Vec<usize> = altered.iter().map(|cell| cell.row).collect();
        self.broken_in(grid, instances, &self.changed(grid), &altered)
    }

    /// What is broken of copies, of lookups in some rows, and of gates that read others.
    fn broken_in(&self, grid: &Grid, instances: &[Fr], looked_up: &[usize], read: &[usize]) -> BTreeSet<Constraint> {
        let mut broken: BTreeSet<_> = unequal(grid, instances, |cell, of| self.copy(cell, of)).collect();
        let missing = looked_up.iter().filter(|&&row| !self.table.contains(&self.checker.looked_up(grid, row)));
        broken.extend(missing.map(|&row| Constraint::Lookup(range(grid, row))));
        let queries = self.checker.system.advice_queries();
        let rotations: BTreeSet<isize> = queries.iter().map(|(_, rotation)| rotation.0 as isize).collect();
        let readers = |&row: &usize| rotations.iter().filter_map(move |&rotation| row.checked_add_signed(-rotation));
        let readers: BTreeSet<usize> = read.iter().flat_map(readers).collect();
        broken.extend(self.checker.nonzero(grid, &Vec::from_iter(readers)).cloned());
        broken
    }

    /// Rows in which a cell differs.
    fn changed(&self, grid: &Grid) -> Vec<usize> {
        let differs = |&row: &usize| {
            ADVICE.into_iter().map(|column| Cell { column, row }).any(|cell| grid.value(cell) != self.grid.value(cell))
        };
        rows(grid).into_iter().filter(differs).collect()
    }
}

/// Range and value of a digit, or of an entry of the table.
type Pair = [[u8; 32]; 2];

fn pair(expressions: &[Expression<Fr>], grid: &Grid, row: usize) -> Pair {
    let [range, value] = expressions else { panic!("a lookup of range and value") };
    [range, value].map(|expression| evaluate(expression, grid, row).to_repr())
}

/// All rows of a grid, and the empty one below.
fn rows(grid: &Grid) -> Vec<usize> {
    (0..=grid.rows()).collect()
}

/// Copies of unequal cells, and public inputs that are not those of the grid.
fn unequal<'a>(
    grid: &'a Grid,
    instances: &'a [Fr],
    copy: impl Fn(Cell, Cell) -> Constraint + 'a,
) -> impl Iterator<Item = Constraint> + 'a {
    let publics = grid.publics.iter().filter(|&&(cell, row)| grid.value(cell) != instances[row]);
    let copies = grid.copies.iter().filter(|&&(left, right)| grid.value(left) != grid.value(right));
    publics.map(|&(_, row)| Constraint::Public(row)).chain(copies.map(move |&(cell, of)| copy(cell, of)))
}

/// The copy constraint of each cell that is a copy.
pub fn copies(grid: &Grid) -> BTreeMap<Cell, Constraint> {
    let names = Names::new(grid);
    grid.copies.iter().map(|&(cell, of)| (cell, names.copy(cell, of))).collect()
}

/// What the cells of a grid stand for: the name of the first assignment, that of its digits for a
/// value composed of digits.
#[derive(Debug)]
struct Names(BTreeMap<Cell, &'static str>);

impl Names {
    fn new(grid: &Grid) -> Self {
        let mut names = BTreeMap::new();
        for assignment in &grid.assignments {
            names.entry(assignment.cell).or_insert(assignment.name);
        }
        Self(names)
    }

    fn copy(&self, cell: Cell, of: Cell) -> Constraint {
        Constraint::Copy(self.of(cell), self.of(of))
    }

    fn of(&self, cell: Cell) -> &'static str {
        match self.0[&cell] {
            "composed value" => self.0[&Cell { column: Advice::Digit, ..cell }],
            name => name,
        }
    }
}

fn gate_name(gate: &str, constraint: &str, index: usize) -> Constraint {
    Constraint::Gate(if constraint.is_empty() { format!("{gate} / {index}") } else { format!("{gate} / {constraint}") })
}

fn range(grid: &Grid, row: usize) -> &'static str {
    let tag = grid.fixed_value(Fixed::Range, row);
    let number = (0..RANGES.len()).find(|&number| Fr::from(number as u64) == tag);
    RANGES[number.expect("a range of the table")]
}

/// Value in a row. A product whose left factor is zero is not multiplied out: kinds stand left, and
/// most kinds are not those of the row.
fn evaluate(expression: &Expression<Fr>, grid: &Grid, row: usize) -> Fr {
    let value = |inner: &Expression<Fr>| evaluate(inner, grid, row);
    match expression {
        Expression::Constant(constant) => *constant,
        Expression::Fixed(query) => grid.fixed_value(FIXED[query.column_index()], row),
        Expression::Advice(query) => {
            let row = row.checked_add_signed(query.rotation().0 as isize);
            let column = ADVICE[query.column_index()];
            row.map_or(Fr::ZERO, |row| grid.value(Cell { column, row }))
        }
        Expression::Negated(inner) => -value(inner),
        Expression::Sum(left, right) => value(left) + value(right),
        Expression::Product(left, right) => match value(left) {
            left if left == Fr::ZERO => left,
            left => left * value(right),
        },
        Expression::Scaled(inner, factor) => value(inner) * factor,
        Expression::Selector(_) | Expression::Instance(_) | Expression::Challenge(_) => {
            unreachable!("the round circuit queries fixed and advice columns only")
        }
    }
}
