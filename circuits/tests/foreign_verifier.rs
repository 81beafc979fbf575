//! pogo-verifier against proofs that halo2 makes: what halo2 accepts passes, and whatever is
//! altered, down to one bit, is refused.

use ark_bn254::{Fr as ArkFr, G1Affine as ArkG1};
use halo2_proofs::circuit::{Cell, Layouter, Region, SimpleFloorPlanner, Value};
use halo2_proofs::halo2curves::CurveAffine;
use halo2_proofs::halo2curves::bn256::{Bn256, Fq, Fr, G1Affine};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::plonk::{
    Advice, Circuit, Column, ConstraintSystem, Error, Expression, Fixed, Instance, VerifyingKey, create_proof,
    keygen_pk, keygen_vk, verify_proof,
};
use halo2_proofs::poly::Rotation;
use halo2_proofs::poly::kzg::commitment::{KZGCommitmentScheme, ParamsKZG};
use halo2_proofs::poly::kzg::multiopen::{ProverSHPLONK, VerifierSHPLONK};
use halo2_proofs::poly::kzg::strategy::SingleStrategy;
use halo2_proofs::transcript::{EncodedChallenge, Transcript, TranscriptRead};
use pogo_circuits::describe::describe;
use pogo_circuits::transcript::{Challenge, ProofWriter, point_bytes, scalar_bytes};
use pogo_verifier::description::{self, Description, Parts};
use pogo_verifier::encoding::{read_g1, read_scalar, write_g1};
use pogo_verifier::plonk::{self, verify};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::io;
use std::sync::LazyLock;

const K: u32 = 6;
/// Rows of the sequence.
const STEPS: usize = 8;
/// Row that raises to the eighth power, out of the sequence's way.
const POWER_ROW: usize = STEPS + 2;
/// Row whose two neighboring public inputs are added up, and how far below it the sum stands.
const NEIGHBORS_ROW: usize = 1;
const SUM_ROTATION: i32 = 11;
/// Entries a table.
const TABLE: u64 = 16;

/// Which arguments the circuit has.
#[derive(Clone, Copy, Debug, Default)]
struct Shape {
    /// Advice columns under the permutation besides the first three; 7 fill one product.
    spare_columns: usize,
    lookup: bool,
    /// A gate on neighboring rows of the instance column, and one on a fixed column of zeros.
    extras: bool,
}

const PLAIN: Shape = Shape { spare_columns: 0, lookup: false, extras: false };
const LOOKUP: Shape = Shape { spare_columns: 0, lookup: true, extras: false };
const WIDE: Shape = Shape { spare_columns: 8, lookup: true, extras: true };

/// What a dishonest prover gets wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Fault {
    #[default]
    None,
    /// One gate does not hold.
    Product,
    /// Two copied cells differ.
    Copy,
    /// A cell differs from the public input that it is copied from.
    PublicInput,
    /// The sum of two public inputs is wrong.
    Neighbors,
}

/// `a` is a sequence `a_(i+1) = a_i + a_(i-1)` whose first two terms and last are public; `b`
/// copies it; `c = a b`; and in one row `c = b^8`, also public.
#[derive(Clone, Debug, Default)]
struct Sequence {
    shape: Shape,
    fault: Fault,
}

#[derive(Clone, Debug)]
struct Config {
    a: Column<Advice>,
    b: Column<Advice>,
    c: Column<Advice>,
    spare: Vec<Column<Advice>>,
    sum: Column<Fixed>,
    product: Column<Fixed>,
    power: Column<Fixed>,
    neighbors: Column<Fixed>,
    zeros: Column<Fixed>,
    tag: Column<Fixed>,
    table_tag: Column<Fixed>,
    table_value: Column<Fixed>,
    instance: Column<Instance>,
}

impl Sequence {
    fn new(shape: Shape) -> Self {
        Self { shape, fault: Fault::None }
    }

    fn terms() -> Vec<u64> {
        let mut terms = vec![1, 2];
        (2..STEPS).for_each(|i| terms.push(terms[i - 1] + terms[i - 2]));
        terms
    }

    fn instances() -> Vec<Fr> {
        let terms = Self::terms();
        [terms[0], terms[1], terms[STEPS - 1], 3u64.pow(8)].map(Fr::from).to_vec()
    }
}

impl Circuit<Fr> for Sequence {
    type Config = Config;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = Shape;

    fn params(&self) -> Shape {
        self.shape
    }

    fn without_witnesses(&self) -> Self {
        self.clone()
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) -> Config {
        Self::configure_with_params(meta, PLAIN)
    }

    fn configure_with_params(meta: &mut ConstraintSystem<Fr>, shape: Shape) -> Config {
        meta.set_minimum_degree(9);
        let config = Config {
            a: meta.advice_column(),
            b: meta.advice_column(),
            c: meta.advice_column(),
            spare: (0..shape.spare_columns).map(|_| meta.advice_column()).collect(),
            sum: meta.fixed_column(),
            product: meta.fixed_column(),
            power: meta.fixed_column(),
            neighbors: meta.fixed_column(),
            zeros: meta.fixed_column(),
            tag: meta.fixed_column(),
            table_tag: meta.fixed_column(),
            table_value: meta.fixed_column(),
            instance: meta.instance_column(),
        };
        config.gates(meta, shape);
        if shape.lookup {
            config.lookups(meta);
        }
        for column in [config.c, config.a, config.b].iter().chain(&config.spare) {
            meta.enable_equality(*column);
        }
        meta.enable_equality(config.instance);
        config
    }

    fn synthesize(&self, config: Config, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        let cells = layouter.assign_region(
            || "all rows",
            |mut region| {
                config.assign_table(&mut region);
                Ok(config.assign(&mut region, self))
            },
        )?;
        for (row, cell) in cells.into_iter().enumerate() {
            layouter.constrain_instance(cell, config.instance, row);
        }
        Ok(())
    }
}

impl Config {
    fn gates(&self, meta: &mut ConstraintSystem<Fr>, shape: Shape) {
        let constant = |value: u64| Expression::Constant(Fr::from(value));
        meta.create_gate("sum (a_next - a - a_previous) = 0, twice over", |meta| {
            let sum = meta.query_fixed(self.sum, Rotation::cur());
            let [previous, current, next] = [-1, 0, 1].map(|rotation| meta.query_advice(self.a, Rotation(rotation)));
            let difference = next - current - previous;
            [sum.clone() * difference.clone(), sum * constant(2) * (-difference * Fr::from(5))]
        });
        meta.create_gate("product (a b - c) = 0", |meta| {
            let product = meta.query_fixed(self.product, Rotation::cur());
            let [a, b, c] = [self.a, self.b, self.c].map(|column| meta.query_advice(column, Rotation::cur()));
            [product * (a * b - c)]
        });
        meta.create_gate("power (b^8 - c) = 0", |meta| {
            let power = meta.query_fixed(self.power, Rotation::cur());
            let [b, c] = [self.b, self.c].map(|column| meta.query_advice(column, Rotation::cur()));
            let eighth = (0..7).fold(b.clone(), |product, _| product * b.clone());
            [power * (eighth - c)]
        });
        if shape.extras {
            let sum = self.spare[0];
            meta.create_gate("neighbors (instance_previous + instance_next - sum) = 0", |meta| {
                let neighbors = meta.query_fixed(self.neighbors, Rotation::cur());
                let [previous, next] = [-1, 1].map(|rotation| meta.query_instance(self.instance, Rotation(rotation)));
                let sum = meta.query_advice(sum, Rotation(SUM_ROTATION));
                [neighbors * (previous + next - sum)]
            });
            meta.create_gate("zeros b = 0", |meta| {
                let zeros = meta.query_fixed(self.zeros, Rotation::cur());
                [zeros * meta.query_advice(self.b, Rotation::cur())]
            });
        }
    }

    /// Two tables in one: tag 1 holds numbers, tag 2 doubled squares, tag 0 only 0.
    fn lookups(&self, meta: &mut ConstraintSystem<Fr>) {
        meta.lookup_any("(tag, tag a) is in the table", |meta| {
            let tag = meta.query_fixed(self.tag, Rotation::cur());
            let a = meta.query_advice(self.a, Rotation::cur());
            let table_tag = meta.query_fixed(self.table_tag, Rotation::cur());
            let table_value = meta.query_fixed(self.table_value, Rotation::cur());
            vec![(tag.clone(), table_tag), (tag * a, table_value)]
        });
        meta.lookup_any("the next row's (tag, tag a) is in the table", |meta| {
            let tag = meta.query_fixed(self.tag, Rotation::next());
            let a = meta.query_advice(self.a, Rotation::next());
            let table_tag = meta.query_fixed(self.table_tag, Rotation::cur());
            let table_value = meta.query_fixed(self.table_value, Rotation::cur());
            vec![(tag.clone(), table_tag), (tag * a, table_value)]
        });
    }

    fn assign_table(&self, region: &mut Region<'_, Fr>) {
        for i in 0..TABLE {
            for (tag, value) in [(1, i), (2, 2 * i * i)] {
                let row = (TABLE * (tag - 1) + i) as usize + 1;
                region.assign_fixed(self.table_tag, row, Fr::from(tag));
                region.assign_fixed(self.table_value, row, Fr::from(value));
            }
        }
    }

    /// Returns the cells of the public inputs.
    fn assign(&self, region: &mut Region<'_, Fr>, circuit: &Sequence) -> [Cell; 4] {
        let mut set = |column, row, value: Fr| region.assign_advice(column, row, Value::known(value)).cell();
        let mut copies = Vec::new();
        let mut public = Vec::new();
        let wrong = |fault, wrong: bool| if circuit.fault == fault && wrong { Fr::ONE } else { Fr::ZERO };
        for (row, term) in Sequence::terms().into_iter().map(Fr::from).enumerate() {
            let a = term + wrong(Fault::PublicInput, row == STEPS - 1);
            let b = a + wrong(Fault::Copy, row == 3);
            public.push(set(self.a, row, a));
            copies.push((public[row], set(self.b, row, b)));
            set(self.c, row, a * b + wrong(Fault::Product, row == 2));
            for &spare in &self.spare {
                copies.push((public[row], set(spare, row, a)));
            }
        }
        set(self.a, POWER_ROW, Fr::ZERO);
        set(self.b, POWER_ROW, Fr::from(3));
        let power = set(self.c, POWER_ROW, Fr::from(3).pow([8]));
        if circuit.shape.extras {
            let instances = Sequence::instances();
            let sum = instances[NEIGHBORS_ROW - 1] + instances[NEIGHBORS_ROW + 1] + wrong(Fault::Neighbors, true);
            set(self.spare[0], NEIGHBORS_ROW + SUM_ROTATION as usize, sum);
        }
        copies.into_iter().for_each(|(left, right)| region.constrain_equal(left, right));
        self.assign_fixed(region, circuit);
        [public[0], public[1], public[STEPS - 1], power]
    }

    fn assign_fixed(&self, region: &mut Region<'_, Fr>, circuit: &Sequence) {
        for row in 0..STEPS {
            region.assign_fixed(self.product, row, Fr::ONE);
        }
        // The last step is left out so that its term can be wrong alone.
        for row in 1..STEPS - 2 {
            region.assign_fixed(self.sum, row, Fr::ONE);
        }
        region.assign_fixed(self.power, POWER_ROW, Fr::ONE);
        if circuit.shape.lookup {
            for (row, tag) in [2, 1, 1].into_iter().enumerate() {
                region.assign_fixed(self.tag, row, Fr::from(tag));
            }
        }
        if circuit.shape.extras {
            region.assign_fixed(self.neighbors, NEIGHBORS_ROW, Fr::ONE);
        }
    }
}

/// A circuit with its keys, its description, and an honest proof.
struct Case {
    params: ParamsKZG<Bn256>,
    vk: VerifyingKey<G1Affine>,
    bytes: Vec<u8>,
    description: Description,
    instances: Vec<ArkFr>,
    proof: Vec<u8>,
}

fn prove(circuit: Sequence) -> Case {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let params = ParamsKZG::<Bn256>::setup(K, &mut rng);
    let vk = keygen_vk(&params, &circuit).expect("the circuit fits");
    let pk = keygen_pk(&params, vk.clone(), &circuit).expect("the circuit fits");
    let instances = Sequence::instances();
    let mut writer = ProofWriter::new();
    create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, _, _, _, _>(
        &params,
        &pk,
        &[circuit],
        &[&[&instances]],
        &mut rng,
        &mut writer,
    )
    .expect("proving goes through, for wrong witnesses too");
    let bytes = describe(&params, &vk, &[instances.len() as u32], [7; 32], true);
    let description = Description::parse(&bytes).expect("a description parses");
    let instances = instances.iter().map(|&instance| to_ark(instance)).collect();
    Case { params, vk, bytes, description, instances, proof: writer.into_proof() }
}

static LOOKUP_CASE: LazyLock<Case> = LazyLock::new(|| prove(Sequence::new(LOOKUP)));

fn to_ark(scalar: Fr) -> ArkFr {
    read_scalar(&scalar_bytes(scalar)).expect("a scalar is canonical")
}

impl Case {
    fn check(&self, proof: &[u8]) -> Result<(), plonk::Error> {
        verify(&self.description, &self.instances, proof)
    }

    /// Offsets of the points: those before the values, and the last two.
    fn points(&self) -> Vec<usize> {
        let parts = self.description.parts();
        let products = parts.permutation.len().div_ceil(usize::from(parts.degree) - 2);
        let first = usize::from(parts.advice_columns) + 3 * parts.lookups.len() + products;
        let count = first + usize::from(parts.degree);
        let length = self.proof.len();
        (0..count).map(|i| 64 * i).chain([length - 128, length - 64]).collect()
    }

    /// Offsets of the values.
    fn scalars(&self) -> Vec<usize> {
        let points = self.points();
        let start = points[points.len() - 3] + 64;
        (start..self.proof.len() - 128).step_by(32).collect()
    }

    /// The description with its parts altered.
    fn altered(&self, alter: impl FnOnce(&mut Parts)) -> Description {
        let mut parts = self.description.parts().clone();
        alter(&mut parts);
        Description::parse(&Description::encode(&parts)).expect("the altered parts are well formed")
    }
}

/// Reads a proof for halo2's own verifier.
struct HaloReader<'a> {
    transcript: pogo_verifier::transcript::Transcript,
    proof: &'a [u8],
}

impl HaloReader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (bytes, rest) = self.proof.split_first_chunk().expect("the proof is long enough");
        self.proof = rest;
        self.transcript.absorb(bytes);
        *bytes
    }
}

impl Transcript<G1Affine, Challenge> for HaloReader<'_> {
    fn squeeze_challenge(&mut self) -> Challenge {
        Challenge::new(&pogo_verifier::encoding::write_scalar(&self.transcript.challenge()))
    }

    fn common_point(&mut self, point: G1Affine) -> io::Result<()> {
        self.transcript.absorb(&point_bytes(point)?);
        Ok(())
    }

    fn common_scalar(&mut self, scalar: Fr) -> io::Result<()> {
        self.transcript.absorb(&scalar_bytes(scalar));
        Ok(())
    }
}

impl TranscriptRead<G1Affine, Challenge> for HaloReader<'_> {
    fn read_point(&mut self) -> io::Result<G1Affine> {
        let bytes: [u8; 64] = self.take();
        let coordinate = |bytes: &[u8]| {
            let mut bytes: [u8; 32] = bytes.try_into().expect("half of a point");
            bytes.reverse();
            Fq::from_repr(bytes).expect("a coordinate is canonical")
        };
        Ok(G1Affine::from_xy(coordinate(&bytes[..32]), coordinate(&bytes[32..])).expect("a point"))
    }

    fn read_scalar(&mut self) -> io::Result<Fr> {
        let mut bytes: [u8; 32] = self.take();
        bytes.reverse();
        Ok(Fr::from_repr(bytes).expect("a scalar is canonical"))
    }
}

fn halo2_accepts(case: &Case) -> bool {
    let mut reader = HaloReader { transcript: Default::default(), proof: &case.proof };
    verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<'_, Bn256>, _, _, _>(
        &case.params,
        &case.vk,
        SingleStrategy::new(&case.params),
        &[&[&Sequence::instances()]],
        &mut reader,
    )
    .is_ok()
}

#[test]
fn proofs_that_halo2_accepts_pass() {
    for shape in [PLAIN, LOOKUP, WIDE] {
        let case = prove(Sequence::new(shape));
        assert!(halo2_accepts(&case), "{shape:?}");
        assert_eq!(case.proof.len(), case.description.proof_length(), "{shape:?}");
        assert_eq!(case.check(&case.proof), Ok(()), "{shape:?}");
    }
}

#[test]
fn the_wide_circuit_has_two_products_and_a_column_of_zeros() {
    let case = prove(Sequence::new(WIDE));
    let parts = case.description.parts();
    assert_eq!(parts.permutation.len().div_ceil(7), 2);
    assert_eq!(parts.instance_queries.len(), 3);
    assert!(parts.fixed_commitments.contains(&ArkG1::identity()));
}

#[test]
fn false_witnesses_are_rejected() {
    let faults = [Fault::Product, Fault::Copy, Fault::PublicInput];
    let everywhere = [PLAIN, LOOKUP, WIDE].into_iter().flat_map(|shape| faults.map(|fault| (shape, fault)));
    for (shape, fault) in everywhere.chain([(WIDE, Fault::Neighbors)]) {
        let case = prove(Sequence { shape, fault });
        assert!(!halo2_accepts(&case), "{shape:?} {fault:?}");
        assert_eq!(case.check(&case.proof), Err(plonk::Error::Rejected), "{shape:?} {fault:?}");
    }
}

#[test]
fn every_single_bit_flip_is_rejected() {
    let case = &*LOOKUP_CASE;
    let middle = case.proof.len() / 2;
    let survivors = |range: std::ops::Range<usize>| {
        let bits = range.flat_map(|byte| (0..8).map(move |bit| (byte, bit)));
        let accepted = bits.filter(|&(byte, bit)| {
            let mut proof = case.proof.clone();
            proof[byte] ^= 1 << bit;
            case.check(&proof).is_ok()
        });
        accepted.collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let half = scope.spawn(|| survivors(0..middle));
        assert_eq!(survivors(middle..case.proof.len()), []);
        assert_eq!(half.join().expect("no panic"), []);
    });
}

#[test]
fn other_lengths_are_rejected() {
    let case = &*LOOKUP_CASE;
    let expected = case.proof.len();
    for got in 0..expected {
        let error = plonk::Error::ProofLength { expected, got };
        assert_eq!(case.check(&case.proof[..got]), Err(error));
    }
    for extra in [1, 32, 64, expected] {
        let proof = [&case.proof[..], &vec![0; extra]].concat();
        let error = plonk::Error::ProofLength { expected, got: expected + extra };
        assert_eq!(case.check(&proof), Err(error));
    }
}

#[test]
fn each_changed_public_input_is_rejected() {
    let case = &*LOOKUP_CASE;
    for at in 0..case.instances.len() {
        for change in [1, 2].map(ArkFr::from) {
            let mut instances = case.instances.clone();
            instances[at] += change;
            let result = verify(&case.description, &instances, &case.proof);
            assert_eq!(result, Err(plonk::Error::Rejected));
        }
    }
}

#[test]
fn another_number_of_public_inputs_is_rejected() {
    let case = &*LOOKUP_CASE;
    let (expected, zero) = (case.instances.len(), ArkFr::from(0));
    for instances in [vec![], case.instances[1..].to_vec(), [&case.instances[..], &[zero]].concat()] {
        let error = plonk::Error::InstanceCount { expected, got: instances.len() };
        assert_eq!(verify(&case.description, &instances, &case.proof), Err(error));
    }
}

/// A public input plus the modulus has no representation: scalars are read below it.
#[test]
fn scalars_above_the_modulus_are_rejected() {
    let case = &*LOOKUP_CASE;
    for at in case.scalars() {
        let mut proof = case.proof.clone();
        add(&mut proof[at..at + 32], Fr::MODULUS);
        assert_eq!(case.check(&proof), Err(plonk::Error::Scalar { at }));
        assert_eq!(read_scalar(&proof[at..at + 32]), None);
    }
}

#[test]
fn points_in_other_encodings_are_rejected() {
    let case = &*LOOKUP_CASE;
    for at in case.points() {
        let error = Err(plonk::Error::Point { at });
        for coordinate in [at, at + 32] {
            let mut proof = case.proof.clone();
            add(&mut proof[coordinate..coordinate + 32], Fq::MODULUS);
            assert_eq!(case.check(&proof), error, "a coordinate above the modulus");
        }
        let mut proof = case.proof.clone();
        proof[at..at + 64].fill(0);
        assert_eq!(case.check(&proof), error, "infinity");
    }
}

#[test]
fn other_points_on_the_curve_are_rejected() {
    let case = &*LOOKUP_CASE;
    let points = case.points();
    for (i, &at) in points.iter().enumerate() {
        let point = read_g1(&case.proof[at..at + 64]).expect("the proof's points are valid");
        let other = points[(i + 1) % points.len()];
        for replacement in [write_g1(&-point), case.proof[other..other + 64].try_into().unwrap()] {
            let mut proof = case.proof.clone();
            proof[at..at + 64].copy_from_slice(&replacement);
            assert_eq!(case.check(&proof), Err(plonk::Error::Rejected), "point at {at}");
        }
    }
}

/// Adds a modulus, written in hexadecimal, to a big-endian number.
fn add(number: &mut [u8], modulus: &str) {
    let digits = modulus.trim_start_matches("0x");
    let mut carry = 0;
    for (i, byte) in number.iter_mut().rev().enumerate() {
        let end = digits.len() - 2 * i;
        let term = u32::from_str_radix(&digits[end - 2..end], 16).expect("hexadecimal");
        let sum = u32::from(*byte) + term + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert_eq!(carry, 0, "the sum fits 32 bytes");
}

#[test]
fn a_proof_is_of_one_circuit_only() {
    let [case, wide] = [&*LOOKUP_CASE, &prove(Sequence::new(WIDE))];
    assert_ne!(case.description.id(), wide.description.id());
    assert!(verify(&wide.description, &case.instances, &case.proof).is_err());
    let refused = |alter: fn(&mut Parts)| {
        let other = case.altered(alter);
        assert_ne!(other.id(), case.description.id());
        let result = verify(&other, &case.instances, &case.proof);
        assert_eq!(result, Err(plonk::Error::Rejected));
    };
    refused(|parts| drop(parts.gates.pop()));
    refused(|parts| parts.gates.swap(0, 2));
    refused(|parts| parts.lookups.swap(0, 1));
    refused(|parts| parts.permutation.swap(0, 1));
    refused(|parts| parts.fixed_commitments.swap(0, 1));
    refused(|parts| parts.transcript_repr += ArkFr::from(1));
    refused(|parts| parts.k += 1);
    refused(|parts| parts.s_g2 = parts.g2);
    refused(|parts| parts.constants.iter_mut().for_each(|constant| *constant += ArkFr::from(1)));
}

#[test]
fn a_description_is_cut_nowhere() {
    let bytes = &LOOKUP_CASE.bytes;
    for length in 0..bytes.len() {
        assert!(Description::parse(&bytes[..length]).is_err(), "{length} bytes");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(Description::parse(&longer), Err(description::Error::TooLong(1))));
}

/// A flip that still parses is another circuit with another id; none of them panics.
#[test]
fn every_bit_of_a_description_counts() {
    let case = &*LOOKUP_CASE;
    for bit in 0..8 * case.bytes.len() {
        let mut bytes = case.bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(description) = Description::parse(&bytes) {
            assert_ne!(description.id(), case.description.id());
            assert_eq!(Description::encode(description.parts()), bytes);
        }
    }
}

#[test]
fn malformed_descriptions_are_named() {
    use pogo_verifier::description::{Cell, Error, Instruction, Query};
    let error = |alter: fn(&mut Parts)| {
        let mut parts = LOOKUP_CASE.description.parts().clone();
        alter(&mut parts);
        Description::parse(&Description::encode(&parts)).expect_err("malformed")
    };
    let cell = Instruction::Cell;
    assert_eq!(error(|parts| parts.gates[0].clear()), Error::Program);
    assert_eq!(error(|parts| parts.gates[0].push(Instruction::Add)), Error::Program);
    assert_eq!(error(|parts| parts.gates[0] = vec![Instruction::Constant(0); 300]), Error::Program);
    assert_eq!(error(|parts| drop(parts.lookups[0].inputs.pop())), Error::Lookup { inputs: 1, table: 2 });
    assert_eq!(error(|parts| parts.permutation[0].cell = Cell::Advice(0)), Error::PermutationRotation);
    assert_eq!(error(|parts| parts.advice_queries.push(parts.advice_queries[0])), Error::DuplicateQuery(0));
    assert_eq!(error(|parts| parts.fixed_queries[0].rotation = 32), Error::Rotation(32));
    assert_eq!(error(|parts| parts.fixed_commitments.clear()), Error::Index { what: "column", count: 0, got: 0 });
    assert_eq!(
        error(|parts| parts.instance_queries.push(Query { column: 1, rotation: 0 })),
        Error::Index { what: "column", count: 1, got: 1 }
    );
    assert_eq!(error(|parts| parts.g1 = ArkG1::identity()), Error::Encoding("a point of G1"));
    assert!(matches!(error(|parts| parts.k = 29), Error::Range { what: "k", .. }));
    assert!(matches!(error(|parts| parts.degree = 2), Error::Range { what: "degree", .. }));
    assert!(matches!(error(|parts| parts.instance_rows[0] = 60), Error::Range { .. }));
    let out_of_range = cell(Cell::Instance(9));
    let mut parts = LOOKUP_CASE.description.parts().clone();
    parts.gates[0] = vec![out_of_range];
    let result = Description::parse(&Description::encode(&parts)).map(|_| ());
    assert_eq!(result, Err(Error::Index { what: "instance query", count: 1, got: 9 }));
}

proptest! {
    #[test]
    fn random_bytes_are_no_proof(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        prop_assert!(LOOKUP_CASE.check(&bytes).is_err());
    }

    /// Right length, valid points, random canonical values.
    #[test]
    fn random_values_are_no_proof(seed: u64) {
        let case = &*LOOKUP_CASE;
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut proof = case.proof.clone();
        for at in case.scalars() {
            proof[at..at + 32].copy_from_slice(&scalar_bytes(Fr::random(&mut rng)));
        }
        prop_assert_eq!(case.check(&proof), Err(plonk::Error::Rejected));
    }

    #[test]
    fn random_bytes_are_no_description(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(Description::parse(&bytes).is_err());
    }

    /// Hostile contents behind an honest header.
    #[test]
    fn random_parts_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512), keep in 0usize..600) {
        let start = keep.min(LOOKUP_CASE.bytes.len());
        let bytes = [&LOOKUP_CASE.bytes[..start], &bytes].concat();
        prop_assert!(Description::parse(&bytes).is_err());
    }
}
