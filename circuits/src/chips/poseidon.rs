//! Poseidon in 27 rows of three cells a permutation, and the chains of permutations that hash
//! leaves, paths and records.
//!
//! With `S(a) = a^5`, `y_r` the state before the constants `c_r` of round `r`, and `u_r` what
//! enters the S-box of partial round `r`:
//!
//! ```text
//! row  0..3   y_0 .. y_3      FULL     next = M S(y + c)
//! row  3      y_3             ENTRY    next = u_4, u_5, u_6
//! row  4..22  u_r, u_r+1, ..  PARTIAL  next = the following three
//! row 22      u_58 .. u_60    EXIT     next = y_61
//! row 23..26  y_61 .. y_63    FULL
//! row 26      y_64            DIGEST   link = (M S(y + c))_0, or ABSORB into the next permutation
//! ```
//!
//! The two elements that no S-box touches in a partial round never get a cell: `u_r+3` is an
//! affine function of `S(u_r), S(u_r+1), S(u_r+2), u_r+1, u_r+2` with constant coefficients. The
//! capacity tag of a permutation is folded into its first round constant, its first cell is zero.

use ark_ff::PrimeField as _;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::plonk::{ConstraintSystem, Expression};
use pogo_protocol::poseidon::{MDS, ROUND_CONSTANTS, rounds};

use super::{Columns, kind};
use crate::grid::{Advice, Cell, Fixed, Grid, STATE};

/// Rows of one permutation.
pub const ROWS: usize = 27;
const FULL: u64 = 1;
const PARTIAL: u64 = 2;
const ENTRY: u64 = 3;
const EXIT: u64 = 4;
const ROUND_KINDS: u64 = 4;
const ABSORB: u64 = 1;
const DIGEST: u64 = 2;
const START: u64 = 3;
const MERKLE: u64 = 4;
const CONNECTION_KINDS: u64 = 4;
const ENTRY_ROW: usize = 3;
const EXIT_ROW: usize = 22;
const LAST_ROW: usize = 26;

/// Converts a field element of the protocol into one of Halo2; the two are the same field.
pub fn convert(value: ark_bn254::Fr) -> Fr {
    let mut bytes = [0; 32];
    for (chunk, limb) in bytes.chunks_exact_mut(8).zip(value.into_bigint().0) {
        chunk.copy_from_slice(&limb.to_le_bytes());
    }
    Option::from(Fr::from_repr(bytes)).expect("both fields have one modulus")
}

/// Coefficients of the rows.
#[derive(Clone, Debug)]
struct Coefficients {
    mds: [[Fr; 3]; 3],
    constants: [[Fr; 3]; 65],
    /// u_r+3 and, in the last partial round, the state after it, from
    /// S(u_r), S(u_r+1), S(u_r+2), u_r+1, u_r+2.
    partial: [[Fr; 5]; 3],
    /// Constant of u_r, for r in 7..61.
    partial_constants: [Fr; 61],
    /// u_4, u_5, u_6 from S of the three elements of row 3, then S(u_4), S(u_5).
    entry: [[Fr; 5]; 3],
    entry_constants: [Fr; 3],
    exit_constants: [Fr; 3],
}

impl Coefficients {
    fn new() -> Self {
        let mds = MDS.map(|row| row.map(convert));
        let constants = ROUND_CONSTANTS.map(|row| row.map(convert));
        let partial = columns_to_rows(|basis| continue_partial(&mds, basis));
        let entry = columns_to_rows(|basis| enter_partial(&mds, basis));

        // The constants are what the linear parts leave of one run of the definition.
        let y = rounds([ark_bn254::Fr::from(0u64); 3]).map(|row| row.map(convert));
        let u: Vec<Fr> = (0..61).map(|r| y[r][0] + constants[r][0]).collect();
        let after = |r: usize| [power5(u[r]), power5(u[r + 1]), power5(u[r + 2]), u[r + 1], u[r + 2]];
        let mut partial_constants = [Fr::ZERO; 61];
        for r in 7..61 {
            partial_constants[r] = u[r] - dot(&partial[0], &after(r - 3));
        }
        let boxes: [Fr; 3] = [0, 1, 2].map(|i| power5(y[ENTRY_ROW][i] + constants[ENTRY_ROW][i]));
        let entered = [boxes[0], boxes[1], boxes[2], power5(u[4]), power5(u[5])];
        let entry_constants = [0, 1, 2].map(|i| u[4 + i] - dot(&entry[i], &entered));
        let exit_constants = [0, 1, 2].map(|i| y[61][i] - dot(&partial[i], &after(58)));
        Self { mds, constants, partial, partial_constants, entry, entry_constants, exit_constants }
    }
}

fn columns_to_rows(map: impl Fn([Fr; 5]) -> [Fr; 3]) -> [[Fr; 5]; 3] {
    let mut rows = [[Fr::ZERO; 5]; 3];
    for column in 0..5 {
        let mut basis = [Fr::ZERO; 5];
        basis[column] = Fr::ONE;
        for (row, value) in rows.iter_mut().zip(map(basis)) {
            row[column] = value;
        }
    }
    rows
}

fn apply(mds: &[[Fr; 3]; 3], state: [Fr; 3]) -> [Fr; 3] {
    mds.map(|row| row[0] * state[0] + row[1] * state[1] + row[2] * state[2])
}

/// Linear part of three partial rounds: from x0, x1, x2 (S-box outputs) and u1, u2 to the state
/// after the third. Elements 1 and 2 of the first state, `h`, solve the two equations
/// `u1 = (M (x0, h))_0` and `u2 = (M (x1, M (x0, h)))_0`.
fn continue_partial(mds: &[[Fr; 3]; 3], [x0, x1, x2, u1, u2]: [Fr; 5]) -> [Fr; 3] {
    let second_u = |h: [Fr; 2]| {
        let [_, a, b] = apply(mds, [x0, h[0], h[1]]);
        [apply(mds, [x0, h[0], h[1]])[0], apply(mds, [x1, a, b])[0]]
    };
    let base = second_u([Fr::ZERO; 2]);
    let difference = |h| {
        let [a, b] = second_u(h);
        [a - base[0], b - base[1]]
    };
    let (p, q) = (difference([Fr::ONE, Fr::ZERO]), difference([Fr::ZERO, Fr::ONE]));
    let (r0, r1) = (u1 - base[0], u2 - base[1]);
    let determinant = (p[0] * q[1] - q[0] * p[1]).invert().expect("the MDS matrix mixes both elements");
    let h = [(r0 * q[1] - q[0] * r1) * determinant, (p[0] * r1 - r0 * p[1]) * determinant];
    let [_, a, b] = apply(mds, [x0, h[0], h[1]]);
    let [_, a, b] = apply(mds, [x1, a, b]);
    apply(mds, [x2, a, b])
}

/// Linear part from the S-boxes of the last full round and x4, x5 to u4, u5, u6.
fn enter_partial(mds: &[[Fr; 3]; 3], [s0, s1, s2, x4, x5]: [Fr; 5]) -> [Fr; 3] {
    let [u4, a, b] = apply(mds, [s0, s1, s2]);
    let [u5, a, b] = apply(mds, [x4, a, b]);
    let [u6, _, _] = apply(mds, [x5, a, b]);
    [u4, u5, u6]
}

fn power5(x: Fr) -> Fr {
    x.square().square() * x
}

fn dot(coefficients: &[Fr; 5], terms: &[Fr; 5]) -> Fr {
    coefficients.iter().zip(terms).map(|(c, t)| *c * t).sum()
}

fn power5_expression(x: Expression<Fr>) -> Expression<Fr> {
    let square = x.clone() * x.clone();
    square.clone() * square * x
}

fn dot_expression(coefficients: &[Fr], terms: &[Expression<Fr>]) -> Expression<Fr> {
    let zero = Expression::Constant(Fr::ZERO);
    coefficients.iter().zip(terms).filter(|(c, _)| **c != Fr::ZERO).fold(zero, |sum, (c, t)| sum + t.clone() * *c)
}

/// Creates the gates of the permutation and of the connections between permutations.
pub(crate) fn configure(meta: &mut ConstraintSystem<Fr>, columns: &Columns) {
    let coefficients = Coefficients::new();
    configure_rounds(meta, columns, &coefficients);
    configure_connections(meta, columns, &coefficients);
}

fn configure_rounds(meta: &mut ConstraintSystem<Fr>, columns: &Columns, coefficients: &Coefficients) {
    let Coefficients { mds, partial, entry, entry_constants, exit_constants, .. } = coefficients.clone();
    meta.create_gate("full round: next = M (state + constants)^5", |cells| {
        let active = kind(columns.fixed(cells, Fixed::Round), FULL, ROUND_KINDS);
        let boxes = columns.constant_boxes(cells);
        let next = STATE.map(|column| columns.next(cells, column));
        (0..3).map(move |i| active.clone() * (next[i].clone() - dot_expression(&mds[i], &boxes))).collect::<Vec<_>>()
    });
    meta.create_gate("partial rounds: next three S-box inputs", |cells| {
        let active = kind(columns.fixed(cells, Fixed::Round), PARTIAL, ROUND_KINDS);
        let constants = columns.constants(cells);
        let mut u: Vec<_> = STATE.map(|column| columns.cur(cells, column)).to_vec();
        u.extend(STATE.map(|column| columns.next(cells, column)));
        let x: Vec<_> = u.iter().cloned().map(power5_expression).collect();
        (0..3)
            .map(move |i| {
                let terms = [x[i].clone(), x[i + 1].clone(), x[i + 2].clone(), u[i + 1].clone(), u[i + 2].clone()];
                active.clone() * (u[i + 3].clone() - dot_expression(&partial[0], &terms) - constants[i].clone())
            })
            .collect::<Vec<_>>()
    });
    meta.create_gate("entry into the partial rounds", |cells| {
        let active = kind(columns.fixed(cells, Fixed::Round), ENTRY, ROUND_KINDS);
        let next = STATE.map(|column| columns.next(cells, column));
        let mut terms = columns.constant_boxes(cells);
        terms.extend([power5_expression(next[0].clone()), power5_expression(next[1].clone())]);
        (0..3)
            .map(move |i| {
                let value = dot_expression(&entry[i], &terms) + Expression::Constant(entry_constants[i]);
                active.clone() * (next[i].clone() - value)
            })
            .collect::<Vec<_>>()
    });
    meta.create_gate("exit from the partial rounds", |cells| {
        let active = kind(columns.fixed(cells, Fixed::Round), EXIT, ROUND_KINDS);
        let u = STATE.map(|column| columns.cur(cells, column));
        let next = STATE.map(|column| columns.next(cells, column));
        let mut terms = u.clone().map(power5_expression).to_vec();
        terms.extend([u[1].clone(), u[2].clone()]);
        (0..3)
            .map(move |i| {
                let value = dot_expression(&partial[i], &terms) + Expression::Constant(exit_constants[i]);
                active.clone() * (next[i].clone() - value)
            })
            .collect::<Vec<_>>()
    });
}

fn configure_connections(meta: &mut ConstraintSystem<Fr>, columns: &Columns, coefficients: &Coefficients) {
    let mds = coefficients.mds;
    meta.create_gate("absorb: next = last round + (0, link, next link)", |cells| {
        let active = kind(columns.fixed(cells, Fixed::Connection), ABSORB, CONNECTION_KINDS);
        let boxes = columns.constant_boxes(cells);
        let next = STATE.map(|column| columns.next(cells, column));
        let message =
            [Expression::Constant(Fr::ZERO), columns.cur(cells, Advice::Link), columns.next(cells, Advice::Link)];
        (0..3)
            .map(move |i| active.clone() * (next[i].clone() - dot_expression(&mds[i], &boxes) - message[i].clone()))
            .collect::<Vec<_>>()
    });
    meta.create_gate("digest: link = first element of the last round", |cells| {
        let active = kind(columns.fixed(cells, Fixed::Connection), DIGEST, CONNECTION_KINDS);
        let boxes = columns.constant_boxes(cells);
        vec![active * (columns.cur(cells, Advice::Link) - dot_expression(&mds[0], &boxes))]
    });
    meta.create_gate("start: capacity cell = 0", |cells| {
        let active = kind(columns.fixed(cells, Fixed::Connection), START, CONNECTION_KINDS);
        vec![active * columns.cur(cells, Advice::State0)]
    });
    meta.create_gate("merkle: the digest goes left (bit 0) or right (bit 1)", |cells| {
        let active = kind(columns.fixed(cells, Fixed::Connection), MERKLE, CONNECTION_KINDS);
        let [capacity, left, right] = STATE.map(|column| columns.cur(cells, column));
        let digest = columns.prev(cells, Advice::Link);
        let bit = columns.cur(cells, Advice::Link);
        let not_bit = Expression::Constant(Fr::ONE) - bit.clone();
        vec![active.clone() * capacity, active * (not_bit * (left - digest.clone()) + bit * (right - digest))]
    });
}

impl Columns {
    fn constants(&self, cells: &mut halo2_proofs::plonk::VirtualCells<'_, Fr>) -> [Expression<Fr>; 3] {
        [Fixed::Constant0, Fixed::Constant1, Fixed::Constant2].map(|column| self.fixed(cells, column))
    }

    /// S-boxes of this row's state with its constants added.
    fn constant_boxes(&self, cells: &mut halo2_proofs::plonk::VirtualCells<'_, Fr>) -> Vec<Expression<Fr>> {
        let constants = self.constants(cells);
        let state = STATE.map(|column| self.cur(cells, column));
        state.into_iter().zip(constants).map(|(s, c)| power5_expression(s + c)).collect()
    }
}

/// An operand of a hash: a cell that exists, or a witness value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operand {
    /// Copied from a cell.
    Copy(Cell),
    /// A witness: the hash binds it.
    Input(Fr, &'static str),
}

/// Permutations one below the other in the state columns.
#[derive(Debug)]
pub(crate) struct Lane {
    coefficients: Coefficients,
    next: usize,
}

impl Lane {
    pub(crate) fn new() -> Self {
        Self { coefficients: Coefficients::new(), next: 0 }
    }

    /// `H(tag, left, right)`.
    pub(crate) fn hash(&mut self, grid: &mut Grid, tag: u64, left: Operand, right: Operand) -> Cell {
        self.start(grid, tag, [left, right]);
        self.digest(grid)
    }

    /// `sponge(tag, message)`; an odd message is padded with `zero`.
    pub(crate) fn sponge(&mut self, grid: &mut Grid, tag: u64, message: &[Cell], zero: Cell) -> Cell {
        let blocks = message.chunks(2).map(|block| [block[0], block.get(1).copied().unwrap_or(zero)]);
        let blocks: Vec<_> = blocks.map(|block| block.map(Operand::Copy)).collect();
        self.sponge_of(grid, tag, &blocks)
    }

    /// `sponge(tag, message)` of at least one block.
    pub(crate) fn sponge_of(&mut self, grid: &mut Grid, tag: u64, blocks: &[[Operand; 2]]) -> Cell {
        self.start(grid, tag, blocks[0]);
        for &block in &blocks[1..] {
            self.absorb(grid, block);
        }
        self.digest(grid)
    }

    /// Root of a path from the digest just made: `bits` and `siblings` from the leaf up.
    pub(crate) fn path(&mut self, grid: &mut Grid, tag: u64, leaf: Cell, bits: &[Cell], siblings: &[Fr]) -> Cell {
        bits.iter().zip(siblings).fold(leaf, |digest, (&bit, &sibling)| {
            self.merkle(grid, tag, digest, bit, sibling);
            self.digest(grid)
        })
    }

    fn start(&mut self, grid: &mut Grid, tag: u64, operands: [Operand; 2]) {
        let row = self.next;
        grid.fix(Fixed::Connection, row, Fr::from(START));
        grid.derive(Cell { column: Advice::State0, row }, Fr::ZERO, "capacity");
        for (column, operand) in [Advice::State1, Advice::State2].into_iter().zip(operands) {
            self::operand(grid, Cell { column, row }, operand, "hash operand");
        }
        self.permutation(grid, tag);
    }

    /// The digest stands in the link cell of the row before: [`Lane::digest`] was called last.
    fn merkle(&mut self, grid: &mut Grid, tag: u64, digest: Cell, bit: Cell, sibling: Fr) {
        let row = self.next;
        debug_assert_eq!(digest, Cell { column: Advice::Link, row: row - 1 });
        grid.fix(Fixed::Connection, row, Fr::from(MERKLE));
        grid.derive(Cell { column: Advice::State0, row }, Fr::ZERO, "capacity");
        let bit = grid.copy(Cell { column: Advice::Link, row }, bit, "path bit");
        let (bit, digest) = (grid.value(bit), grid.value(digest));
        let (left, right) = (Cell { column: Advice::State1, row }, Cell { column: Advice::State2, row });
        if bit == Fr::ZERO {
            grid.derive(left, digest, "path digest");
            grid.input(right, sibling, "sibling");
        } else {
            grid.input(left, sibling, "sibling");
            grid.derive(right, digest, "path digest");
        }
        self.permutation(grid, tag);
    }

    fn absorb(&mut self, grid: &mut Grid, block: [Operand; 2]) {
        let (last, row) = (self.next - 1, self.next);
        grid.fix(Fixed::Connection, last, Fr::from(ABSORB));
        let state = self.output(grid);
        let rows = [last, row];
        let message = [0, 1].map(|i| operand(grid, Cell { column: Advice::Link, row: rows[i] }, block[i], "absorbed"));
        grid.derive(Cell { column: Advice::State0, row }, state[0], "sponge state");
        grid.derive(Cell { column: Advice::State1, row }, state[1] + grid.value(message[0]), "sponge state");
        grid.derive(Cell { column: Advice::State2, row }, state[2] + grid.value(message[1]), "sponge state");
        self.permutation(grid, 0);
    }

    fn digest(&mut self, grid: &mut Grid) -> Cell {
        let row = self.next - 1;
        grid.fix(Fixed::Connection, row, Fr::from(DIGEST));
        let digest = self.output(grid)[0];
        grid.derive(Cell { column: Advice::Link, row }, digest, "digest")
    }

    /// State after the permutation that ends in the row before.
    fn output(&self, grid: &Grid) -> [Fr; 3] {
        self.full_round(grid, self.next - 1, 64)
    }

    fn full_round(&self, grid: &Grid, row: usize, round: usize) -> [Fr; 3] {
        let constants = self.coefficients.constants[round];
        apply(&self.coefficients.mds, [0, 1, 2].map(|i| power5(state(grid, row, i) + constants[i])))
    }

    /// Fills the rows of a permutation whose first row stands; `tag` goes into its first constant.
    fn permutation(&mut self, grid: &mut Grid, tag: u64) {
        let base = self.next;
        for i in 0..ROWS {
            let row = base + i;
            let mut constants = self.row_constants(i);
            if i == 0 {
                constants[0] += Fr::from(tag);
            }
            for (column, constant) in [Fixed::Constant0, Fixed::Constant1, Fixed::Constant2].into_iter().zip(constants)
            {
                grid.fix(column, row, constant);
            }
            match i {
                ENTRY_ROW => self.entry(grid, row),
                4..EXIT_ROW => self.partial(grid, row, constants),
                EXIT_ROW => self.exit(grid, row),
                LAST_ROW => {}
                _ => self.full(grid, row, constants),
            }
        }
        self.next = base + ROWS;
    }

    fn row_constants(&self, i: usize) -> [Fr; 3] {
        let k = &self.coefficients;
        match i {
            0..=ENTRY_ROW => k.constants[i],
            EXIT_ROW => [Fr::ZERO; 3],
            4..EXIT_ROW => [0, 1, 2].map(|j| k.partial_constants[7 + 3 * (i - 4) + j]),
            _ => k.constants[61 + i - 23],
        }
    }

    fn full(&self, grid: &mut Grid, row: usize, constants: [Fr; 3]) {
        grid.fix(Fixed::Round, row, Fr::from(FULL));
        let boxes = [0, 1, 2].map(|i| power5(state(grid, row, i) + constants[i]));
        for (column, value) in STATE.into_iter().zip(apply(&self.coefficients.mds, boxes)) {
            grid.derive(Cell { column, row: row + 1 }, value, "full round");
        }
    }

    fn entry(&self, grid: &mut Grid, row: usize) {
        grid.fix(Fixed::Round, row, Fr::from(ENTRY));
        let k = &self.coefficients;
        for (i, column) in STATE.into_iter().enumerate() {
            let boxes = [0, 1, 2].map(|j| power5(state(grid, row, j) + k.constants[ENTRY_ROW][j]));
            let later = |j: usize| if j < i { power5(state(grid, row + 1, j)) } else { Fr::ZERO };
            let terms = [boxes[0], boxes[1], boxes[2], later(0), later(1)];
            let value = dot(&k.entry[i], &terms) + k.entry_constants[i];
            grid.derive(Cell { column, row: row + 1 }, value, "entry");
        }
    }

    fn partial(&self, grid: &mut Grid, row: usize, constants: [Fr; 3]) {
        grid.fix(Fixed::Round, row, Fr::from(PARTIAL));
        for (i, column) in STATE.into_iter().enumerate() {
            let u = |j: usize| state(grid, row + j / 3, j % 3);
            let terms = [power5(u(i)), power5(u(i + 1)), power5(u(i + 2)), u(i + 1), u(i + 2)];
            let value = dot(&self.coefficients.partial[0], &terms) + constants[i];
            grid.derive(Cell { column, row: row + 1 }, value, "partial rounds");
        }
    }

    fn exit(&self, grid: &mut Grid, row: usize) {
        grid.fix(Fixed::Round, row, Fr::from(EXIT));
        let k = &self.coefficients;
        let u = [0, 1, 2].map(|i| state(grid, row, i));
        let terms = [power5(u[0]), power5(u[1]), power5(u[2]), u[1], u[2]];
        for (i, column) in STATE.into_iter().enumerate() {
            let value = dot(&k.partial[i], &terms) + k.exit_constants[i];
            grid.derive(Cell { column, row: row + 1 }, value, "exit");
        }
    }
}

fn operand(grid: &mut Grid, cell: Cell, operand: Operand, name: &'static str) -> Cell {
    match operand {
        Operand::Copy(from) => grid.copy(cell, from, name),
        Operand::Input(value, name) => grid.input(cell, value, name),
    }
}

fn state(grid: &Grid, row: usize, i: usize) -> Fr {
    grid.value(Cell { column: STATE[i], row })
}
