//! From a halo2 verifying key to the [`Description`] that the verifier parses: the same
//! constraints as stack programs, the same commitments, in the verifier's encoding.

use crate::transcript::{coordinate_bytes, point_bytes, scalar_bytes};
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine, G2Affine};
use halo2_proofs::plonk::{Any, Column, ColumnType, ConstraintSystem, Expression, VerifyingKey};
use halo2_proofs::poly::Rotation;
use halo2_proofs::poly::commitment::ParamsProver;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use pogo_verifier::description::{Cell, Description, Instruction, Lookup, Parts, PermutationColumn, Program, Query};
use pogo_verifier::encoding;

/// Describes a circuit with `instance_rows` public inputs in each instance column, committed with
/// the SRS `params` called `srs_id`; `development` tells that the SRS's secret may be known.
///
/// # Panics
///
/// On a circuit that the verifier does not cover: challenge phases, or more columns, queries or
/// constants than 65,535.
pub fn describe(
    params: &ParamsKZG<Bn256>,
    vk: &VerifyingKey<G1Affine>,
    instance_rows: &[u32],
    srs_id: [u8; 32],
    development: bool,
) -> Vec<u8> {
    let parts = parts(params, vk, instance_rows, srs_id, development);
    let bytes = Description::encode(&parts);
    let description = Description::parse(&bytes).expect("a described circuit parses");
    assert_eq!(description.parts(), &parts, "a description reads back as written");
    let blinding_factors = usize::from(description.blinding_factors());
    assert_eq!(blinding_factors, vk.cs().blinding_factors(), "blinding factors differ from halo2's");
    bytes
}

fn parts(
    params: &ParamsKZG<Bn256>,
    vk: &VerifyingKey<G1Affine>,
    instance_rows: &[u32],
    srs_id: [u8; 32],
    development: bool,
) -> Parts {
    let cs = vk.cs();
    assert_eq!(cs.num_challenges(), 0, "challenge phases are not described");
    assert_eq!(cs.num_instance_columns(), instance_rows.len(), "one count an instance column");
    let mut compiler = Compiler { cs, constants: Vec::new() };
    let gates = cs.gates().iter().flat_map(|gate| gate.polynomials());
    let gates = gates.map(|gate| compiler.program(gate)).collect();
    let lookups = cs.lookups().iter().map(|lookup| Lookup {
        inputs: compiler.programs(lookup.input_expressions()),
        table: compiler.programs(lookup.table_expressions()),
    });
    let lookups = lookups.collect();
    Parts {
        development,
        srs_id,
        k: u8::try_from(vk.get_domain().k()).expect("k is small"),
        degree: u8::try_from(cs.degree()).expect("the degree is small"),
        advice_columns: index(cs.num_advice_columns()),
        instance_rows: instance_rows.to_vec(),
        advice_queries: cs.advice_queries().iter().map(query).collect(),
        fixed_queries: cs.fixed_queries().iter().map(query).collect(),
        instance_queries: cs.instance_queries().iter().map(query).collect(),
        permutation: permutation(&compiler, vk),
        constants: compiler.constants.iter().map(|&constant| scalar(constant)).collect(),
        gates,
        lookups,
        fixed_commitments: vk.fixed_commitments().iter().map(|&column| g1(column)).collect(),
        transcript_repr: scalar(vk.transcript_repr()),
        g1: g1(params.get_g()[0]),
        g2: g2(params.g2()),
        s_g2: g2(params.s_g2()),
    }
}

fn permutation(compiler: &Compiler<'_>, vk: &VerifyingKey<G1Affine>) -> Vec<PermutationColumn> {
    let columns = vk.cs().permutation().get_columns();
    let commitments = vk.permutation().commitments();
    assert_eq!(columns.len(), commitments.len(), "one commitment a permutation column");
    let column = |(column, &commitment): (&Column<Any>, &G1Affine)| PermutationColumn {
        cell: compiler.cell(*column.column_type(), column.index(), Rotation::cur()),
        commitment: g1(commitment),
    };
    columns.iter().zip(commitments).map(column).collect()
}

/// Turns expressions into programs; equal constants are stored once.
struct Compiler<'a> {
    cs: &'a ConstraintSystem<Fr>,
    constants: Vec<Fr>,
}

impl Compiler<'_> {
    fn programs(&mut self, expressions: &[Expression<Fr>]) -> Vec<Program> {
        expressions.iter().map(|expression| self.program(expression)).collect()
    }

    fn program(&mut self, expression: &Expression<Fr>) -> Program {
        let mut program = Program::new();
        self.compile(expression, &mut program);
        program
    }

    fn compile(&mut self, expression: &Expression<Fr>, out: &mut Program) {
        match expression {
            Expression::Constant(value) => out.push(self.constant(*value)),
            Expression::Fixed(at) => {
                out.push(Instruction::Cell(self.cell(Any::Fixed, at.column_index(), at.rotation())));
            }
            Expression::Advice(at) => {
                let cell = self.cell(Any::advice(), at.column_index(), at.rotation());
                out.push(Instruction::Cell(cell));
            }
            Expression::Instance(at) => {
                let cell = self.cell(Any::Instance, at.column_index(), at.rotation());
                out.push(Instruction::Cell(cell));
            }
            Expression::Negated(inner) => {
                self.compile(inner, out);
                out.push(Instruction::Negate);
            }
            Expression::Sum(left, right) => self.binary(left, right, Instruction::Add, out),
            Expression::Product(left, right) => {
                self.binary(left, right, Instruction::Multiply, out);
            }
            Expression::Scaled(inner, factor) => {
                self.compile(inner, out);
                let factor = self.constant(*factor);
                out.extend([factor, Instruction::Multiply]);
            }
            Expression::Selector(_) => unreachable!("key generation replaces selectors"),
            Expression::Challenge(_) => unreachable!("challenge phases are not described"),
        }
    }

    fn binary(&mut self, left: &Expression<Fr>, right: &Expression<Fr>, operation: Instruction, out: &mut Program) {
        self.compile(left, out);
        self.compile(right, out);
        out.push(operation);
    }

    fn constant(&mut self, value: Fr) -> Instruction {
        let known = self.constants.iter().position(|&constant| constant == value);
        let at = known.unwrap_or_else(|| {
            self.constants.push(value);
            self.constants.len() - 1
        });
        Instruction::Constant(index(at))
    }

    fn cell(&self, kind: Any, column: usize, rotation: Rotation) -> Cell {
        match kind {
            Any::Advice(_) => Cell::Advice(position(self.cs.advice_queries(), column, rotation)),
            Any::Fixed => Cell::Fixed(position(self.cs.fixed_queries(), column, rotation)),
            Any::Instance => Cell::Instance(position(self.cs.instance_queries(), column, rotation)),
        }
    }
}

fn position<C: ColumnType>(queries: &[(Column<C>, Rotation)], column: usize, rotation: Rotation) -> u16 {
    let same = |(other, at): &(Column<C>, Rotation)| other.index() == column && *at == rotation;
    index(queries.iter().position(same).expect("halo2 lists every cell that it uses"))
}

fn query<C: ColumnType>((column, rotation): &(Column<C>, Rotation)) -> Query {
    Query { column: index(column.index()), rotation: rotation.0 }
}

fn index(index: usize) -> u16 {
    u16::try_from(index).expect("indices are below 65,536")
}

fn scalar(scalar: Fr) -> ark_bn254::Fr {
    encoding::read_scalar(&scalar_bytes(scalar)).expect("the fields are the same")
}

/// A commitment; infinity is that of a column of zeros.
pub(crate) fn g1(point: G1Affine) -> ark_bn254::G1Affine {
    let bytes = point_bytes(point).ok();
    let point = bytes.map(|bytes| encoding::read_g1(&bytes).expect("the curves are the same"));
    point.unwrap_or_default()
}

pub(crate) fn g2(point: G2Affine) -> ark_bn254::G2Affine {
    let parts = [point.x.c1, point.x.c0, point.y.c1, point.y.c0];
    let bytes = parts.map(|part| coordinate_bytes(&part)).concat();
    encoding::read_g2(&bytes).expect("an SRS holds points of the subgroup")
}
