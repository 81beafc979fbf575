//! PLONK with lookups: the constraints hold on every row if one polynomial identity holds at a
//! random point `x`,
//!
//! ```text
//! constraint_0 y^(m-1) + ... + constraint_(m-1) = h(x) (x^n - 1)
//! ```
//!
//! where the constraints are the gates, the permutation argument and the lookups (plookup), and
//! all values at `x` are opened together ([SHPLONK](https://eprint.iacr.org/2020/081)).
//!
//! A proof is, in this order: commitments to advice columns; input and table of each lookup;
//! permutation products; lookup products; a random polynomial; pieces of `h`; values of advice
//! and fixed queries, of the random polynomial, of permutation polynomials, of permutation
//! products, of lookups; two points of the multi-opening. Points take 64 bytes, scalars 32.

use crate::description::{Cell, Description, Instruction, Lookup, Program, Query};
use crate::shplonk::{self, Claim};
use crate::transcript::ProofReader;
use alloc::vec::Vec;
use ark_bn254::{Fr, G1Affine};
use ark_ff::{AdditiveGroup, Field, One, Zero, batch_inversion};

/// Why a proof is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The statement has another number of public inputs than the circuit.
    #[error("public inputs: expected {expected}, got {got}")]
    InstanceCount {
        /// Public inputs of the circuit.
        expected: usize,
        /// Public inputs given.
        got: usize,
    },
    /// The proof has another length than every proof of this circuit.
    #[error("proof length: expected {expected} bytes, got {got}")]
    ProofLength {
        /// Bytes of a proof.
        expected: usize,
        /// Bytes given.
        got: usize,
    },
    /// Bytes that should be a point are not canonical coordinates of one.
    #[error("no point on the curve at byte {at} of the proof")]
    Point {
        /// Offset in the proof.
        at: usize,
    },
    /// Bytes that should be a scalar are not below the group order.
    #[error("no canonical scalar at byte {at} of the proof")]
    Scalar {
        /// Offset in the proof.
        at: usize,
    },
    /// A challenge hit a point where the check says nothing; honest proofs never see this.
    #[error("degenerate challenge")]
    DegenerateChallenge,
    /// The proof does not prove the statement.
    #[error("the proof does not prove the statement")]
    Rejected,
    /// The description points outside itself; no parsed description does.
    #[error("inconsistent circuit description")]
    Inconsistent,
}

/// Checks that `proof` proves the circuit's constraints for these public inputs, given column
/// after column.
pub fn verify(description: &Description, instances: &[Fr], proof: &[u8]) -> Result<(), Error> {
    check_lengths(description, instances, proof)?;
    let mut reader = ProofReader::new(proof);
    reader.absorb_scalar(&description.parts().transcript_repr);
    instances.iter().for_each(|instance| reader.absorb_scalar(instance));

    let proof = Proof::read(description, &mut reader)?;
    let x = proof.challenges.x;
    let x_to_n = (0..description.parts().k).fold(x, |power, _| power.square());
    let domain = Domain { description, x, x_to_n };
    let constraints = Constraints {
        description,
        proof: &proof,
        instance: domain.instance_values(instances)?,
        selectors: domain.selectors()?,
    };
    let vanishing = (x_to_n - Fr::ONE).inverse().ok_or(Error::DegenerateChallenge)?;
    let quotient = constraints.combined()? * vanishing;

    let claims = proof.claims(description, x_to_n, quotient)?;
    shplonk::verify(description, &claims, x, &mut reader)?;
    reader.finish()
}

fn check_lengths(description: &Description, instances: &[Fr], proof: &[u8]) -> Result<(), Error> {
    let (expected, got) = (description.instance_count(), instances.len());
    if expected != got {
        return Err(Error::InstanceCount { expected, got });
    }
    let (expected, got) = (description.proof_length(), proof.len());
    if expected == got { Ok(()) } else { Err(Error::ProofLength { expected, got }) }
}

/// What a proof holds before the multi-opening.
struct Proof {
    challenges: Challenges,
    advice: Vec<G1Affine>,
    advice_values: Vec<Fr>,
    fixed_values: Vec<Fr>,
    permutation_values: Vec<Fr>,
    products: Vec<Product>,
    lookups: Vec<LookupProof>,
    random: G1Affine,
    random_value: Fr,
    quotient: Vec<G1Affine>,
}

struct Challenges {
    theta: Fr,
    beta: Fr,
    gamma: Fr,
    y: Fr,
    x: Fr,
}

/// A running product `z` of the permutation argument.
struct Product {
    commitment: G1Affine,
    value: Fr,
    next: Fr,
    /// Value at the last usable row; absent for the last product.
    last: Option<Fr>,
}

/// A lookup's sorted input and table, and its running product.
struct LookupProof {
    input_commitment: G1Affine,
    table_commitment: G1Affine,
    product_commitment: G1Affine,
    product: Fr,
    product_next: Fr,
    input: Fr,
    input_previous: Fr,
    table: Fr,
}

impl Proof {
    fn read(description: &Description, reader: &mut ProofReader<'_>) -> Result<Self, Error> {
        let parts = description.parts();
        let advice = reader.points(usize::from(parts.advice_columns))?;
        let theta = reader.challenge();
        let sorted = reader.points(2 * parts.lookups.len())?;
        let beta = reader.challenge();
        let gamma = reader.challenge();
        let products = reader.points(description.permutation_products())?;
        let lookup_products = reader.points(parts.lookups.len())?;
        let random = reader.point()?;
        let y = reader.challenge();
        let quotient = reader.points(description.quotient_pieces())?;
        let x = reader.challenge();
        Ok(Self {
            challenges: Challenges { theta, beta, gamma, y, x },
            advice,
            advice_values: reader.scalars(parts.advice_queries.len())?,
            fixed_values: reader.scalars(parts.fixed_queries.len())?,
            random_value: reader.scalar()?,
            permutation_values: reader.scalars(parts.permutation.len())?,
            products: read_products(&products, reader)?,
            lookups: read_lookups(&sorted, &lookup_products, reader)?,
            random,
            quotient,
        })
    }

    /// Everything that the multi-opening has to show, in the prover's order.
    fn claims(&self, description: &Description, x_to_n: Fr, quotient_value: Fr) -> Result<Vec<Claim>, Error> {
        let parts = description.parts();
        let last_row = -i32::from(description.blinding_factors()) - 1;
        let mut claims = column_claims(&self.advice, &parts.advice_queries, &self.advice_values)?;
        claims.extend(self.products.iter().map(|product| product.claim(last_row)));
        claims.extend(self.lookups.iter().flat_map(LookupProof::claims));
        let (fixed, queries) = (&parts.fixed_commitments, &parts.fixed_queries);
        claims.extend(column_claims(fixed, queries, &self.fixed_values)?);
        let permutation = parts.permutation.iter().zip(&self.permutation_values);
        claims.extend(permutation.map(|(column, &value)| Claim::new(column.commitment, [(0, value)])));
        claims.push(Claim::sum(powers(x_to_n).zip(self.quotient.iter().copied()), quotient_value));
        claims.push(Claim::new(self.random, [(0, self.random_value)]));
        Ok(claims)
    }
}

fn read_products(commitments: &[G1Affine], reader: &mut ProofReader<'_>) -> Result<Vec<Product>, Error> {
    let read = |(i, &commitment)| {
        let (value, next) = (reader.scalar()?, reader.scalar()?);
        let is_last = i + 1 == commitments.len();
        let last = if is_last { None } else { Some(reader.scalar()?) };
        Ok(Product { commitment, value, next, last })
    };
    commitments.iter().enumerate().map(read).collect()
}

fn read_lookups(
    sorted: &[G1Affine],
    products: &[G1Affine],
    reader: &mut ProofReader<'_>,
) -> Result<Vec<LookupProof>, Error> {
    let read = |(pair, &product_commitment): (&[G1Affine], _)| {
        let &[input_commitment, table_commitment] = pair else { return Err(Error::Inconsistent) };
        Ok(LookupProof {
            input_commitment,
            table_commitment,
            product_commitment,
            product: reader.scalar()?,
            product_next: reader.scalar()?,
            input: reader.scalar()?,
            input_previous: reader.scalar()?,
            table: reader.scalar()?,
        })
    };
    sorted.chunks_exact(2).zip(products).map(read).collect()
}

impl Product {
    fn claim(&self, last_row: i32) -> Claim {
        let always = [(0, self.value), (1, self.next)];
        Claim::new(self.commitment, always.into_iter().chain(self.last.map(|value| (last_row, value))))
    }
}

impl LookupProof {
    fn claims(&self) -> [Claim; 3] {
        [
            Claim::new(self.product_commitment, [(0, self.product), (1, self.product_next)]),
            Claim::new(self.input_commitment, [(0, self.input), (-1, self.input_previous)]),
            Claim::new(self.table_commitment, [(0, self.table)]),
        ]
    }
}

/// One claim a queried column, columns in the order of their first query.
fn column_claims(commitments: &[G1Affine], queries: &[Query], values: &[Fr]) -> Result<Vec<Claim>, Error> {
    let mut columns = Vec::new();
    let mut claims = Vec::<Claim>::new();
    for (query, &value) in queries.iter().zip(values) {
        let opening = (query.rotation, value);
        let known = columns.iter().position(|&column| column == query.column);
        if let Some(claim) = known.and_then(|at| claims.get_mut(at)) {
            claim.open(opening);
        } else {
            let commitment = commitments.get(usize::from(query.column)).ok_or(Error::Inconsistent)?;
            columns.push(query.column);
            claims.push(Claim::new(*commitment, [opening]));
        }
    }
    Ok(claims)
}

/// The rows as roots of unity, seen from `x`.
struct Domain<'a> {
    description: &'a Description,
    x: Fr,
    x_to_n: Fr,
}

/// Lagrange polynomials at `x` that pick rows out.
struct Selectors {
    first: Fr,
    /// The row after the last usable one, where running products end.
    last: Fr,
    /// 1 on rows that may hold anything, 0 on the last row and the random ones.
    active: Fr,
}

impl Domain<'_> {
    /// Lagrange polynomials of these rows at `x`:
    /// `L_i(x) = omega^i (x^n - 1) / (n (x - omega^i))`.
    fn lagrange(&self, rows: impl Iterator<Item = i32>) -> Result<Vec<Fr>, Error> {
        let roots: Vec<Fr> = rows.map(|row| self.description.root(row)).collect();
        let mut inverses: Vec<Fr> = roots.iter().map(|root| self.x - root).collect();
        if inverses.iter().any(Zero::is_zero) {
            return Err(Error::DegenerateChallenge);
        }
        batch_inversion(&mut inverses);
        let scale = (self.x_to_n - Fr::ONE) * self.description.rows_inverse();
        Ok(roots.iter().zip(&inverses).map(|(root, inverse)| scale * root * inverse).collect())
    }

    fn selectors(&self) -> Result<Selectors, Error> {
        let blinding = i32::from(self.description.blinding_factors());
        let values = self.lagrange(-blinding - 1..=0)?;
        let [last, blind @ .., first] = values.as_slice() else { return Err(Error::Inconsistent) };
        let active = Fr::ONE - last - blind.iter().sum::<Fr>();
        Ok(Selectors { first: *first, last: *last, active })
    }

    /// Values of the instance queries: `sum_i instance_i L_(i - rotation)(x)`.
    fn instance_values(&self, instances: &[Fr]) -> Result<Vec<Fr>, Error> {
        let parts = self.description.parts();
        let mut rest = instances;
        let mut columns = Vec::new();
        for &rows in &parts.instance_rows {
            let (column, after) = rest.split_at_checked(rows as usize).ok_or(Error::Inconsistent)?;
            columns.push(column);
            rest = after;
        }
        let value = |query: &Query| {
            let column = columns.get(usize::from(query.column)).ok_or(Error::Inconsistent)?;
            let lagrange = self.lagrange((-query.rotation..).take(column.len()))?;
            Ok(column.iter().zip(lagrange).map(|(instance, row)| row * instance).sum())
        };
        parts.instance_queries.iter().map(value).collect()
    }
}

/// The constraints' values at `x`.
struct Constraints<'a> {
    description: &'a Description,
    proof: &'a Proof,
    instance: Vec<Fr>,
    selectors: Selectors,
}

impl Constraints<'_> {
    /// All constraints, combined by powers of `y`.
    fn combined(&self) -> Result<Fr, Error> {
        let mut values = Vec::new();
        for gate in &self.description.parts().gates {
            values.push(self.evaluate(gate)?);
        }
        self.permutation(&mut values)?;
        for (lookup, proof) in self.description.parts().lookups.iter().zip(&self.proof.lookups) {
            values.extend(self.lookup(lookup, proof)?);
        }
        Ok(horner(values, self.proof.challenges.y))
    }

    /// A program's value. The parser has followed its stack; a surprise is still no panic.
    fn evaluate(&self, program: &Program) -> Result<Fr, Error> {
        let mut stack = Vec::new();
        for instruction in program {
            let value = match *instruction {
                Instruction::Constant(index) => get(&self.description.parts().constants, index)?,
                Instruction::Cell(cell) => self.cell(cell)?,
                Instruction::Negate => -pop(&mut stack)?,
                Instruction::Add => pop(&mut stack)? + pop(&mut stack)?,
                Instruction::Multiply => pop(&mut stack)? * pop(&mut stack)?,
            };
            stack.push(value);
        }
        pop(&mut stack)
    }

    fn cell(&self, cell: Cell) -> Result<Fr, Error> {
        match cell {
            Cell::Advice(query) => get(&self.proof.advice_values, query),
            Cell::Fixed(query) => get(&self.proof.fixed_values, query),
            Cell::Instance(query) => get(&self.instance, query),
        }
    }

    /// The products start at 1, each goes on where the one before it ended, and the last ends at
    /// 1 (or 0, which completeness needs); then every step.
    fn permutation(&self, values: &mut Vec<Fr>) -> Result<(), Error> {
        let Selectors { first, last, .. } = self.selectors;
        let products = &self.proof.products;
        values.extend(products.first().map(|product| first * (Fr::ONE - product.value)));
        values.extend(products.last().map(|product| last * (product.value.square() - product.value)));
        for (before, product) in products.iter().zip(products.iter().skip(1)) {
            let end = before.last.ok_or(Error::Inconsistent)?;
            values.push(first * (product.value - end));
        }
        self.permutation_steps(values)
    }

    /// `active * (z(omega x) prod (v + beta sigma + gamma) - z(x) prod (v + beta shift x + gamma))`
    /// where `shift` runs through the cosets, one a column.
    fn permutation_steps(&self, values: &mut Vec<Fr>) -> Result<(), Error> {
        let Challenges { beta, gamma, x, .. } = self.proof.challenges;
        let chunk = self.description.permutation_chunk();
        let columns = self.description.parts().permutation.chunks(chunk);
        let sigmas = self.proof.permutation_values.chunks(chunk);
        let mut identity = beta * x;
        for (product, (columns, sigmas)) in self.proof.products.iter().zip(columns.zip(sigmas)) {
            let (mut left, mut right) = (product.next, product.value);
            for (column, sigma) in columns.iter().zip(sigmas) {
                let value = self.cell(column.cell)? + gamma;
                left *= value + beta * sigma;
                right *= value + identity;
                identity *= self.description.coset_shift();
            }
            values.push(self.selectors.active * (left - right));
        }
        Ok(())
    }

    /// The running product starts at 1, ends at 1 (or 0) and steps by
    /// `z(omega x) (input' + beta) (table' + gamma) = z(x) (input + beta) (table + gamma)`;
    /// and a sorted input equals the sorted table beside it or the input before it.
    fn lookup(&self, lookup: &Lookup, proof: &LookupProof) -> Result<[Fr; 5], Error> {
        let Challenges { beta, gamma, .. } = self.proof.challenges;
        let Selectors { first, last, active } = self.selectors;
        let left = proof.product_next * (proof.input + beta) * (proof.table + gamma);
        let right =
            proof.product * (self.compressed(&lookup.inputs)? + beta) * (self.compressed(&lookup.table)? + gamma);
        Ok([
            first * (Fr::ONE - proof.product),
            last * (proof.product.square() - proof.product),
            active * (left - right),
            first * (proof.input - proof.table),
            active * (proof.input - proof.table) * (proof.input - proof.input_previous),
        ])
    }

    /// A row of a lookup as one scalar, by powers of `theta`.
    fn compressed(&self, programs: &[Program]) -> Result<Fr, Error> {
        let values: Result<Vec<Fr>, Error> = programs.iter().map(|program| self.evaluate(program)).collect();
        Ok(horner(values?, self.proof.challenges.theta))
    }
}

/// `1, base, base^2, ...`
pub(crate) fn powers(base: Fr) -> impl Iterator<Item = Fr> {
    core::iter::successors(Some(Fr::one()), move |power| Some(base * power))
}

fn horner(values: Vec<Fr>, base: Fr) -> Fr {
    values.into_iter().fold(Fr::ZERO, |sum, value| sum * base + value)
}

fn get(values: &[Fr], index: u16) -> Result<Fr, Error> {
    values.get(usize::from(index)).copied().ok_or(Error::Inconsistent)
}

fn pop(stack: &mut Vec<Fr>) -> Result<Fr, Error> {
    stack.pop().ok_or(Error::Inconsistent)
}
