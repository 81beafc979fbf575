//! The grid: all cells of one circuit at absolute rows, with the copies between them.
//!
//! Chips write here and [`Sheet`](crate::circuit::Sheet) hands the finished grid to Halo2 as one region. Every
//! derived cell is computed from cells that already stand in the grid, never from a value beside
//! it, so a test can change any one cell and let all later ones follow (see [`crate::testing`]).

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, PrimeField};

/// An advice column: three of Poseidon state, one beside it, three for values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Advice {
    /// Poseidon state, element 0.
    State0,
    /// Poseidon state, element 1.
    State1,
    /// Poseidon state, element 2.
    State2,
    /// Digests, absorbed elements and path bits.
    Link,
    /// Looked-up limbs, bits and digits.
    Digit,
    /// Values composed of digits.
    Value,
    /// Parameters of the rules and running sums.
    Parameter,
}

/// Advice columns, in the order of [`Advice`].
pub const ADVICE: [Advice; 7] =
    [Advice::State0, Advice::State1, Advice::State2, Advice::Link, Advice::Digit, Advice::Value, Advice::Parameter];

/// The Poseidon state columns.
pub const STATE: [Advice; 3] = [Advice::State0, Advice::State1, Advice::State2];

/// A fixed column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fixed {
    /// Round constants of Poseidon, element 0.
    Constant0,
    /// Round constants of Poseidon, element 1.
    Constant1,
    /// Round constants of Poseidon, element 2.
    Constant2,
    /// Kind of Poseidon row.
    Round,
    /// Kind of connection between permutations.
    Connection,
    /// Kind of value line.
    Line,
    /// Kind of rule over three value rows.
    Rule,
    /// Factor of the running value in a line.
    Factor,
    /// Range that the digit is looked up in.
    Range,
    /// Lookup table: range.
    TableRange,
    /// Lookup table: range times value.
    TableValue,
}

/// Fixed columns, in the order of [`Fixed`].
pub const FIXED: [Fixed; 11] = [
    Fixed::Constant0,
    Fixed::Constant1,
    Fixed::Constant2,
    Fixed::Round,
    Fixed::Connection,
    Fixed::Line,
    Fixed::Rule,
    Fixed::Factor,
    Fixed::Range,
    Fixed::TableRange,
    Fixed::TableValue,
];

/// An advice cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell {
    /// Column.
    pub column: Advice,
    /// Row.
    pub row: usize,
}

/// Where the value of a cell comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// The witness: any value that satisfies the constraints makes another true claim.
    Input,
    /// Computed from cells; another value makes a false claim unless a constraint refuses it.
    Derived,
    /// Copied from a cell under a copy constraint.
    Copied,
}

/// An assignment, in the order made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The cell.
    pub cell: Cell,
    /// Where its value comes from.
    pub origin: Origin,
    /// What the cell stands for.
    pub name: &'static str,
}

/// All cells of one circuit.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    advice: [Vec<Fr>; ADVICE.len()],
    fixed: [Vec<Fr>; FIXED.len()],
    /// Equalities between cells.
    pub copies: Vec<(Cell, Cell)>,
    /// Cells equal to public inputs: (cell, row of the instance column).
    pub publics: Vec<(Cell, usize)>,
    /// All assignments in order.
    pub assignments: Vec<Assignment>,
    changes: Vec<(usize, Fr)>,
}

impl Grid {
    /// A grid that adds to the values of some assignments, given by their numbers, when they are
    /// made.
    pub fn tampered(changes: &[(usize, Fr)]) -> Self {
        Self { changes: changes.to_vec(), ..Self::default() }
    }

    /// Assigns a witness value.
    pub fn input(&mut self, cell: Cell, value: Fr, name: &'static str) -> Cell {
        self.assign(cell, value, Origin::Input, name)
    }

    /// Assigns a value computed from other cells; the caller names the gate that binds it.
    pub fn derive(&mut self, cell: Cell, value: Fr, name: &'static str) -> Cell {
        self.assign(cell, value, Origin::Derived, name)
    }

    /// Assigns the value of `from` and constrains the two to be equal.
    pub fn copy(&mut self, cell: Cell, from: Cell, name: &'static str) -> Cell {
        self.equal(cell, from);
        self.assign(cell, self.value(from), Origin::Copied, name)
    }

    /// Constrains two cells to be equal.
    pub fn equal(&mut self, left: Cell, right: Cell) {
        self.copies.push((left, right));
    }

    /// Constrains a cell to be the public input at `row`.
    pub fn public(&mut self, cell: Cell, row: usize) {
        self.publics.push((cell, row));
    }

    /// Sets a fixed cell.
    pub fn fix(&mut self, column: Fixed, row: usize, value: Fr) {
        put(&mut self.fixed[column as usize], row, value);
    }

    /// Value of an advice cell, zero where nothing was assigned.
    pub fn value(&self, cell: Cell) -> Fr {
        self.advice[cell.column as usize].get(cell.row).copied().unwrap_or(Fr::ZERO)
    }

    /// Value of a cell as a signed integer; 0 when it is not within `+-2^100`, which no honest
    /// grid holds where this is asked.
    pub fn integer(&self, cell: Cell) -> i128 {
        integer(self.value(cell))
    }

    /// Value of a fixed cell, zero where nothing was set.
    pub fn fixed_value(&self, column: Fixed, row: usize) -> Fr {
        self.fixed[column as usize].get(row).copied().unwrap_or(Fr::ZERO)
    }

    /// Rows up to the last cell of any column.
    pub fn rows(&self) -> usize {
        self.advice.iter().chain(&self.fixed).map(Vec::len).max().unwrap_or(0)
    }

    /// Rows used in the column.
    pub fn height(&self, column: Advice) -> usize {
        self.advice[column as usize].len()
    }

    fn assign(&mut self, cell: Cell, mut value: Fr, origin: Origin, name: &'static str) -> Cell {
        let number = self.assignments.len();
        value += self.changes.iter().filter(|&&(at, _)| at == number).map(|&(_, change)| change).sum::<Fr>();
        put(&mut self.advice[cell.column as usize], cell.row, value);
        self.assignments.push(Assignment { cell, origin, name });
        cell
    }
}

fn put(column: &mut Vec<Fr>, row: usize, value: Fr) {
    if column.len() <= row {
        column.resize(row + 1, Fr::ZERO);
    }
    column[row] = value;
}

/// A field element for a signed integer.
pub fn field(value: i128) -> Fr {
    let magnitude = Fr::from_u128(value.unsigned_abs());
    if value < 0 { -magnitude } else { magnitude }
}

fn integer(value: Fr) -> i128 {
    let small = |value: Fr| {
        let bytes = value.to_repr();
        let (low, high) = bytes.as_ref().split_at(16);
        let low = u128::from_le_bytes(low.try_into().expect("16 of 32 bytes"));
        (high.iter().all(|&byte| byte == 0) && low < 1 << 100).then_some(low as i128)
    };
    small(value).or_else(|| small(-value).map(|magnitude| -magnitude)).unwrap_or(0)
}
