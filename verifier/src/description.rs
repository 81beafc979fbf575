//! What a verifier must know of one circuit, as one strict byte string whose Keccak-256 digest is
//! the circuit's id: its constraints, its committed columns, and the SRS they were committed with.
//!
//! ```text
//! "pogo/vk\0" | version u16 | development u8 | SRS id 32 | k u8 | degree u8
//! | advice columns u16 | instance rows: list of u32
//! | advice, fixed, instance queries: three lists of (column u16, rotation i32)
//! | constants: list of scalars | gates: list of programs
//! | lookups: list of (inputs: list of programs, table: list of programs)
//! | permutation: list of (kind u8, query u16, point) | fixed columns: list of (point or zeros)
//! | transcript scalar 32 | g1 64 | g2 128 | s g2 128
//! list = count u16, items; program = count u32, instructions; all integers big-endian
//! ```
//!
//! A [`Parts`] is plain data and proves nothing; a [`Description`] comes from [`Description::parse`]
//! alone, so holding one means that every index in it is in range.

use crate::encoding::{
    G1_BYTES, G2_BYTES, SCALAR_BYTES, read_g1, read_g2, read_scalar, write_g1, write_g2, write_scalar,
};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use ark_bn254::{Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ec::bn::G2Prepared;
use ark_ff::{FftField, Field, PrimeField};
use sha3::{Digest, Keccak256};

/// First bytes of every description.
pub const MAGIC: [u8; 8] = *b"pogo/vk\0";
/// Version of the layout above.
pub const VERSION: u16 = 1;
/// Most values a program may hold on its stack.
pub const MAX_STACK: usize = 256;
/// Largest `k`: the scalar field has roots of unity of order `2^28`.
pub const MAX_K: u8 = 28;
/// Largest degree of a constraint.
pub const MAX_DEGREE: u8 = 64;

/// Generator of the scalar field's multiplicative group from which roots of unity and coset
/// shifts are made.
const GENERATOR: u64 = 7;

/// Why bytes are not a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes end inside a field or before a list's promised items.
    #[error("description too short: {needed} more bytes needed, {left} left")]
    TooShort {
        /// Bytes that the next field needs at least.
        needed: usize,
        /// Bytes left.
        left: usize,
    },
    /// Bytes follow the last field.
    #[error("{0} bytes after the end of the description")]
    TooLong(usize),
    /// The first bytes are not [`MAGIC`].
    #[error("not a circuit description")]
    Magic,
    /// Another version of the layout.
    #[error("description version: expected {VERSION}, got {0}")]
    Version(u16),
    /// A tag or flag byte with no meaning.
    #[error("no meaning for byte {got} as {what}")]
    Tag {
        /// What the byte stands for.
        what: &'static str,
        /// The byte.
        got: u8,
    },
    /// A scalar or point that is not canonical, not on its curve, or zero where it must not be.
    #[error("invalid encoding of {0}")]
    Encoding(&'static str),
    /// A number outside its range.
    #[error("{what}: expected {least} to {most}, got {got}")]
    Range {
        /// What the number is.
        what: &'static str,
        /// Smallest legal value.
        least: u32,
        /// Largest legal value.
        most: u32,
        /// The number.
        got: u32,
    },
    /// A rotation too large for the domain.
    #[error("rotation {0} is outside the domain")]
    Rotation(i32),
    /// An index past the end of what it points into.
    #[error("{what} {got} does not exist: there are {count}")]
    Index {
        /// What is pointed at.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// The index.
        got: usize,
    },
    /// The same cell is queried twice.
    #[error("a cell of column {0} is queried twice")]
    DuplicateQuery(u16),
    /// A column takes part in the permutation with a cell of another row.
    #[error("permutation cells must have rotation 0")]
    PermutationRotation,
    /// A program that takes from an empty stack, leaves more than one value, or needs more than
    /// [`MAX_STACK`].
    #[error("malformed constraint program")]
    Program,
    /// A lookup with no columns, or with more on one side than on the other.
    #[error("malformed lookup: {inputs} inputs, {table} table columns")]
    Lookup {
        /// Input expressions.
        inputs: usize,
        /// Table expressions.
        table: usize,
    },
}

/// A cell of `column`, `rotation` rows further on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Query {
    /// Index of the column among those of its kind.
    pub column: u16,
    /// Rows from the current one.
    pub rotation: i32,
}

/// A queried cell: the kind of its column, and the index in that kind's list of queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// An advice query.
    Advice(u16),
    /// A fixed query.
    Fixed(u16),
    /// An instance query.
    Instance(u16),
}

/// One instruction of a program in postfix order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// Push a constant, by index.
    Constant(u16),
    /// Push a cell's value.
    Cell(Cell),
    /// Replace the top by its negative.
    Negate,
    /// Replace the top two by their sum.
    Add,
    /// Replace the top two by their product.
    Multiply,
}

/// An expression as a stack program that leaves one value.
pub type Program = Vec<Instruction>;

/// A lookup: the row of inputs must be a row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// One program a table column.
    pub inputs: Vec<Program>,
    /// The table's columns.
    pub table: Vec<Program>,
}

/// A column that takes part in copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PermutationColumn {
    /// The column, by a query at rotation 0.
    pub cell: Cell,
    /// Commitment to its permutation polynomial.
    pub commitment: G1Affine,
}

/// The contents of a description, unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Whether the SRS is one whose secret may be known.
    pub development: bool,
    /// Which SRS the commitments are made with.
    pub srs_id: [u8; 32],
    /// There are `2^k` rows.
    pub k: u8,
    /// Degree of the constraint system.
    pub degree: u8,
    /// Number of advice columns, all of the first phase.
    pub advice_columns: u16,
    /// Number of public inputs in each instance column.
    pub instance_rows: Vec<u32>,
    /// Advice cells that constraints use.
    pub advice_queries: Vec<Query>,
    /// Fixed cells that constraints use.
    pub fixed_queries: Vec<Query>,
    /// Instance cells that constraints use.
    pub instance_queries: Vec<Query>,
    /// Constants that programs use.
    pub constants: Vec<Fr>,
    /// Expressions that are zero on every row.
    pub gates: Vec<Program>,
    /// Lookup arguments.
    pub lookups: Vec<Lookup>,
    /// Columns under the permutation argument.
    pub permutation: Vec<PermutationColumn>,
    /// Commitments to the fixed columns; infinity for a column of zeros.
    pub fixed_commitments: Vec<G1Affine>,
    /// What a transcript starts with.
    pub transcript_repr: Fr,
    /// First power of the SRS in G1.
    pub g1: G1Affine,
    /// First power of the SRS in G2.
    pub g2: G2Affine,
    /// Second power of the SRS in G2.
    pub s_g2: G2Affine,
}

/// A checked description, with what verification needs computed once.
#[derive(Clone)]
pub struct Description {
    parts: Parts,
    id: [u8; 32],
    omega: Fr,
    rows_inverse: Fr,
    coset_shift: Fr,
    prepared_g2: G2Prepared<ark_bn254::Config>,
    prepared_s_g2: G2Prepared<ark_bn254::Config>,
}

impl core::fmt::Debug for Description {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Description").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Description {
    /// Reads and checks a description.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let parts = read_parts(bytes)?;
        check(&parts)?;
        Ok(Self {
            id: Keccak256::digest(bytes).into(),
            omega: root_of_unity(parts.k),
            rows_inverse: Fr::from(1u64 << parts.k).inverse().ok_or(Error::Encoding("k"))?,
            coset_shift: Fr::from(GENERATOR).pow([1u64 << Fr::TWO_ADICITY]),
            prepared_g2: parts.g2.into(),
            prepared_s_g2: parts.s_g2.into(),
            parts,
        })
    }

    /// Writes parts in the layout that [`Description::parse`] reads.
    pub fn encode(parts: &Parts) -> Vec<u8> {
        let mut out = Vec::new();
        write_parts(&mut out, parts);
        out
    }

    /// The circuit id: Keccak-256 of the bytes.
    pub fn id(&self) -> [u8; 32] {
        self.id
    }

    /// The contents, checked.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Number of public inputs of a proof.
    pub fn instance_count(&self) -> usize {
        self.parts.instance_rows.iter().fold(0, |sum: usize, &rows| sum.saturating_add(rows as usize))
    }

    /// Length of a proof in bytes.
    pub fn proof_length(&self) -> usize {
        let parts = &self.parts;
        let (lookups, products) = (parts.lookups.len(), self.permutation_products());
        let opening = 2;
        let points = usize::from(parts.advice_columns) + 3 * lookups + products + 1 + self.quotient_pieces() + opening;
        let scalars = parts.advice_queries.len()
            + parts.fixed_queries.len()
            + 1
            + parts.permutation.len()
            + (3 * products).saturating_sub(1)
            + 5 * lookups;
        G1_BYTES * points + SCALAR_BYTES * scalars
    }

    /// Rows at the end of every column that hold randomness.
    ///
    /// A column is opened at each of its queries (a permutation product at 3 points), once more
    /// in the multi-opening, and one is added for safety.
    pub fn blinding_factors(&self) -> u16 {
        blinding_factors(&self.parts)
    }

    /// Columns that one permutation product covers.
    pub(crate) fn permutation_chunk(&self) -> usize {
        usize::from(self.parts.degree).saturating_sub(2).max(1)
    }

    /// Number of permutation products.
    pub(crate) fn permutation_products(&self) -> usize {
        self.parts.permutation.len().div_ceil(self.permutation_chunk())
    }

    /// Number of pieces of the quotient polynomial.
    pub(crate) fn quotient_pieces(&self) -> usize {
        usize::from(self.parts.degree).saturating_sub(1)
    }

    /// `omega^row`, where row may be negative.
    pub(crate) fn root(&self, row: i32) -> Fr {
        let row = i64::from(row).rem_euclid(1i64 << self.parts.k);
        self.omega.pow([row.unsigned_abs()])
    }

    /// `1 / 2^k`.
    pub(crate) fn rows_inverse(&self) -> Fr {
        self.rows_inverse
    }

    /// The shift between the cosets that number the columns of a permutation.
    pub(crate) fn coset_shift(&self) -> Fr {
        self.coset_shift
    }

    /// The points of G2 that a pairing check needs: `g2` and `s g2`.
    pub(crate) fn prepared(&self) -> [G2Prepared<ark_bn254::Config>; 2] {
        [self.prepared_g2.clone(), self.prepared_s_g2.clone()]
    }
}

/// The root of unity of order `2^k`: `7^((r - 1) / 2^k)`.
fn root_of_unity(k: u8) -> Fr {
    let mut root = Fr::from(GENERATOR).pow(Fr::TRACE);
    for _ in u32::from(k)..Fr::TWO_ADICITY {
        root.square_in_place();
    }
    root
}

fn blinding_factors(parts: &Parts) -> u16 {
    let mut queries = alloc::vec![0u16; usize::from(parts.advice_columns)];
    for query in &parts.advice_queries {
        if let Some(count) = queries.get_mut(usize::from(query.column)) {
            *count = count.saturating_add(1);
        }
    }
    queries.into_iter().max().unwrap_or(1).max(3).saturating_add(2)
}

// Checks.

fn check(parts: &Parts) -> Result<(), Error> {
    range("k", parts.k, 1, MAX_K)?;
    range("degree", parts.degree, 3, MAX_DEGREE)?;
    let rows = 1u32 << parts.k;
    let unusable = u32::from(blinding_factors(parts)) + 1;
    // Rotations within half the domain name distinct points.
    range("unusable rows", unusable, 0, rows / 2 - 1)?;
    for &count in &parts.instance_rows {
        range("public inputs of a column", count, 0, rows - unusable)?;
    }
    check_queries(&parts.advice_queries, usize::from(parts.advice_columns), rows)?;
    check_queries(&parts.fixed_queries, parts.fixed_commitments.len(), rows)?;
    check_queries(&parts.instance_queries, parts.instance_rows.len(), rows)?;
    check_programs(parts)?;
    parts.permutation.iter().try_for_each(|column| check_permutation_cell(parts, column.cell))
}

fn check_queries(queries: &[Query], columns: usize, rows: u32) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for query in queries {
        index("column", usize::from(query.column), columns)?;
        if query.rotation.unsigned_abs() >= rows / 2 {
            return Err(Error::Rotation(query.rotation));
        }
        if !seen.insert(query) {
            return Err(Error::DuplicateQuery(query.column));
        }
    }
    Ok(())
}

fn check_programs(parts: &Parts) -> Result<(), Error> {
    for lookup in &parts.lookups {
        let (inputs, table) = (lookup.inputs.len(), lookup.table.len());
        if inputs == 0 || inputs != table {
            return Err(Error::Lookup { inputs, table });
        }
    }
    let of_lookups = parts.lookups.iter().flat_map(|lookup| lookup.inputs.iter().chain(&lookup.table));
    parts.gates.iter().chain(of_lookups).try_for_each(|program| check_program(parts, program))
}

/// Follows the height of the stack, so that evaluation can never run out of it.
fn check_program(parts: &Parts, program: &Program) -> Result<(), Error> {
    let mut height = 0usize;
    for instruction in program {
        let taken = match *instruction {
            Instruction::Constant(got) => {
                index("constant", usize::from(got), parts.constants.len())?;
                0
            }
            Instruction::Cell(cell) => {
                query_of(parts, cell)?;
                0
            }
            Instruction::Negate => 1,
            Instruction::Add | Instruction::Multiply => 2,
        };
        height = height.checked_sub(taken).ok_or(Error::Program)? + 1;
        if height > MAX_STACK {
            return Err(Error::Program);
        }
    }
    if height == 1 { Ok(()) } else { Err(Error::Program) }
}

fn check_permutation_cell(parts: &Parts, cell: Cell) -> Result<(), Error> {
    if query_of(parts, cell)?.rotation == 0 { Ok(()) } else { Err(Error::PermutationRotation) }
}

fn query_of(parts: &Parts, cell: Cell) -> Result<Query, Error> {
    let (what, queries, got) = match cell {
        Cell::Advice(got) => ("advice query", &parts.advice_queries, got),
        Cell::Fixed(got) => ("fixed query", &parts.fixed_queries, got),
        Cell::Instance(got) => ("instance query", &parts.instance_queries, got),
    };
    let got = usize::from(got);
    queries.get(got).copied().ok_or(Error::Index { what, count: queries.len(), got })
}

fn index(what: &'static str, got: usize, count: usize) -> Result<(), Error> {
    if got < count { Ok(()) } else { Err(Error::Index { what, count, got }) }
}

fn range<T: Into<u32>>(what: &'static str, got: T, least: T, most: T) -> Result<(), Error> {
    let (got, least, most) = (got.into(), least.into(), most.into());
    if (least..=most).contains(&got) { Ok(()) } else { Err(Error::Range { what, least, most, got }) }
}

// The layout, once as a writer and once as a reader, in the same order.

fn write_parts(out: &mut Vec<u8>, parts: &Parts) {
    out.extend(MAGIC);
    out.extend(VERSION.to_be_bytes());
    out.push(u8::from(parts.development));
    out.extend(parts.srs_id);
    out.extend([parts.k, parts.degree]);
    out.extend(parts.advice_columns.to_be_bytes());
    write_list(out, &parts.instance_rows, |out, rows| out.extend(rows.to_be_bytes()));
    for queries in [&parts.advice_queries, &parts.fixed_queries, &parts.instance_queries] {
        write_list(out, queries, write_query);
    }
    write_list(out, &parts.constants, |out, scalar| out.extend(write_scalar(scalar)));
    write_list(out, &parts.gates, write_program);
    write_list(out, &parts.lookups, |out, lookup| {
        write_list(out, &lookup.inputs, write_program);
        write_list(out, &lookup.table, write_program);
    });
    write_list(out, &parts.permutation, |out, column| {
        write_cell(out, column.cell);
        out.extend(write_g1(&column.commitment));
    });
    write_list(out, &parts.fixed_commitments, |out, point| out.extend(write_g1(point)));
    out.extend(write_scalar(&parts.transcript_repr));
    out.extend(write_g1(&parts.g1));
    out.extend(write_g2(&parts.g2));
    out.extend(write_g2(&parts.s_g2));
}

fn read_parts(bytes: &[u8]) -> Result<Parts, Error> {
    let mut reader = Reader { bytes };
    reader.header()?;
    let parts = Parts {
        development: reader.flag()?,
        srs_id: reader.array()?,
        k: reader.u8()?,
        degree: reader.u8()?,
        advice_columns: reader.u16()?,
        instance_rows: reader.list(4, Reader::u32)?,
        advice_queries: reader.list(QUERY_BYTES, Reader::query)?,
        fixed_queries: reader.list(QUERY_BYTES, Reader::query)?,
        instance_queries: reader.list(QUERY_BYTES, Reader::query)?,
        constants: reader.list(SCALAR_BYTES, Reader::scalar)?,
        gates: reader.list(PROGRAM_BYTES, Reader::program)?,
        lookups: reader.list(4, Reader::lookup)?,
        permutation: reader.list(3 + G1_BYTES, Reader::permutation_column)?,
        fixed_commitments: reader.list(G1_BYTES, Reader::g1_or_infinity)?,
        transcript_repr: reader.scalar()?,
        g1: reader.g1()?,
        g2: reader.g2()?,
        s_g2: reader.g2()?,
    };
    if reader.bytes.is_empty() { Ok(parts) } else { Err(Error::TooLong(reader.bytes.len())) }
}

const QUERY_BYTES: usize = 6;
/// The least that a program can take: its count.
const PROGRAM_BYTES: usize = 4;

const ADVICE: u8 = 0;
const FIXED: u8 = 1;
const INSTANCE: u8 = 2;
const CONSTANT: u8 = 3;
const NEGATE: u8 = 4;
const ADD: u8 = 5;
const MULTIPLY: u8 = 6;

/// A list longer than 65,535 is cut by its count and then refused by the parser: a circuit that
/// large cannot be described.
fn write_list<T>(out: &mut Vec<u8>, items: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    out.extend((items.len() as u16).to_be_bytes());
    items.iter().for_each(|item| write(out, item));
}

fn write_query(out: &mut Vec<u8>, query: &Query) {
    out.extend(query.column.to_be_bytes());
    out.extend(query.rotation.to_be_bytes());
}

fn write_program(out: &mut Vec<u8>, program: &Program) {
    out.extend((program.len() as u32).to_be_bytes());
    for instruction in program {
        match *instruction {
            Instruction::Constant(index) => write_indexed(out, CONSTANT, index),
            Instruction::Cell(cell) => write_cell(out, cell),
            Instruction::Negate => out.push(NEGATE),
            Instruction::Add => out.push(ADD),
            Instruction::Multiply => out.push(MULTIPLY),
        }
    }
}

fn write_cell(out: &mut Vec<u8>, cell: Cell) {
    match cell {
        Cell::Advice(index) => write_indexed(out, ADVICE, index),
        Cell::Fixed(index) => write_indexed(out, FIXED, index),
        Cell::Instance(index) => write_indexed(out, INSTANCE, index),
    }
}

fn write_indexed(out: &mut Vec<u8>, tag: u8, index: u16) {
    out.push(tag);
    out.extend(index.to_be_bytes());
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn header(&mut self) -> Result<(), Error> {
        if self.array()? != MAGIC {
            return Err(Error::Magic);
        }
        match self.u16()? {
            VERSION => Ok(()),
            other => Err(Error::Version(other)),
        }
    }

    fn take(&mut self, needed: usize) -> Result<&'a [u8], Error> {
        let short = Error::TooShort { needed, left: self.bytes.len() };
        let (bytes, rest) = self.bytes.split_at_checked(needed).ok_or(short)?;
        self.bytes = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }

    fn flag(&mut self) -> Result<bool, Error> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            got => Err(Error::Tag { what: "flag", got }),
        }
    }

    /// Reads a list whose items take at least `least` bytes each.
    fn list<T>(&mut self, least: usize, item: impl FnMut(&mut Self) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        let count = usize::from(self.u16()?);
        self.items(count, least, item)
    }

    /// Allocates only for items that the bytes left could hold.
    fn items<T>(
        &mut self,
        count: usize,
        least: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let (needed, left) = (count.saturating_mul(least), self.bytes.len());
        if needed > left {
            return Err(Error::TooShort { needed, left });
        }
        (0..count).map(|_| item(self)).collect()
    }

    fn query(&mut self) -> Result<Query, Error> {
        Ok(Query { column: self.u16()?, rotation: self.array().map(i32::from_be_bytes)? })
    }

    fn program(&mut self) -> Result<Program, Error> {
        let count = usize::try_from(self.u32()?).map_err(|_| Error::Program)?;
        self.items(count, 1, Self::instruction)
    }

    fn instruction(&mut self) -> Result<Instruction, Error> {
        match self.u8()? {
            CONSTANT => Ok(Instruction::Constant(self.u16()?)),
            NEGATE => Ok(Instruction::Negate),
            ADD => Ok(Instruction::Add),
            MULTIPLY => Ok(Instruction::Multiply),
            tag => self.cell_after(tag).map(Instruction::Cell),
        }
    }

    fn cell_after(&mut self, tag: u8) -> Result<Cell, Error> {
        match tag {
            ADVICE => Ok(Cell::Advice(self.u16()?)),
            FIXED => Ok(Cell::Fixed(self.u16()?)),
            INSTANCE => Ok(Cell::Instance(self.u16()?)),
            got => Err(Error::Tag { what: "instruction", got }),
        }
    }

    fn lookup(&mut self) -> Result<Lookup, Error> {
        let inputs = self.list(PROGRAM_BYTES, Self::program)?;
        let table = self.list(PROGRAM_BYTES, Self::program)?;
        Ok(Lookup { inputs, table })
    }

    fn permutation_column(&mut self) -> Result<PermutationColumn, Error> {
        let tag = self.u8()?;
        Ok(PermutationColumn { cell: self.cell_after(tag)?, commitment: self.g1()? })
    }

    fn scalar(&mut self) -> Result<Fr, Error> {
        read_scalar(self.take(SCALAR_BYTES)?).ok_or(Error::Encoding("a scalar"))
    }

    fn g1(&mut self) -> Result<G1Affine, Error> {
        read_g1(self.take(G1_BYTES)?).ok_or(Error::Encoding("a point of G1"))
    }

    fn g1_or_infinity(&mut self) -> Result<G1Affine, Error> {
        let bytes = self.take(G1_BYTES)?;
        if bytes.iter().all(|&byte| byte == 0) {
            return Ok(G1Affine::zero());
        }
        read_g1(bytes).ok_or(Error::Encoding("a fixed column's commitment"))
    }

    fn g2(&mut self) -> Result<G2Affine, Error> {
        read_g2(self.take(G2_BYTES)?).ok_or(Error::Encoding("a point of G2"))
    }
}
