//! Pins of the circuits: constraint systems and sizes, of the round circuit also its keys under the
//! development SRS, and a proof of the smallest shape that today's verifier must accept. `UPDATE_PINS=1 cargo test
//! -p pogo-circuits --test pins` makes `circuits/pinned/` anew; a changed pin means other keys and
//! is explained in the commit.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::{env, fs};

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Circuit, ConstraintSystem};
use pogo_circuits::circuit::{Gridded, Sheet, instances};
use pogo_circuits::grid::{ADVICE, FIXED};
use pogo_circuits::keys::Keys;
use pogo_circuits::proof::prove;
use pogo_circuits::round::{RoundCircuit, Shape};
use pogo_circuits::srs::Srs;
use pogo_circuits::step::{StepCircuit, StepShape};
use pogo_circuits::testing::reading::ark;
use pogo_circuits::testing::{Checker, round};
use pogo_protocol::statement::CircuitKind;
use pogo_protocol::stream::keccak;
use pogo_verifier::Setup;
use pogo_verifier::description::Description;
use pogo_verifier::plonk::{self, verify};

const SHAPE: Shape = Shape::SMALLEST;
/// Seed of the round that the pinned proof is of.
const SEED: u64 = 1;

static SRS: LazyLock<Srs> = LazyLock::new(|| Srs::development(SHAPE.k));
static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::generate(SHAPE, &SRS).expect("the SRS fits"));

fn pinned(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("pinned").join(file)
}

fn updating() -> bool {
    env::var_os("UPDATE_PINS").is_some()
}

/// Holds `text` to its pin, or makes the pin.
fn hold(file: &str, text: &str) {
    if updating() {
        fs::create_dir_all(pinned("")).and_then(|()| fs::write(pinned(file), text)).expect("the pin is written");
    }
    let expected = fs::read_to_string(pinned(file)).expect("a pin");
    assert_eq!(text, expected, "{file} changed: UPDATE_PINS=1 makes it anew, the commit says why");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The constraint system as halo2 pins it, by digest, with what it costs.
#[test]
fn the_constraint_system_is_the_pinned_one() {
    hold("constraints.txt", &described::<RoundCircuit>());
    hold("step-constraints.txt", &described::<StepCircuit>());
}

fn described<C: Gridded>() -> String {
    let mut system = ConstraintSystem::<Fr>::default();
    Sheet::<C>::configure(&mut system);
    let polynomials: usize = system.gates().iter().map(|gate| gate.polynomials().len()).sum();
    format!(
        "digest {}\nadvice columns {}\nfixed columns {}\ninstance columns {}\nadvice queries {}\ngates {}\n\
         polynomials {polynomials}\nlookups {}\npermutation columns {}\ndegree {}\nblinding factors {}\n",
        hex(&keccak(&[format!("{:?}", system.pinned()).as_bytes()])),
        ADVICE.len(),
        FIXED.len(),
        system.num_instance_columns(),
        system.advice_queries().len(),
        system.gates().len(),
        system.lookups().len(),
        system.permutation().get_columns().len(),
        system.degree(),
        system.blinding_factors(),
    )
}

/// Rows of each shape, and what stands in them.
#[test]
fn the_cost_is_the_pinned_one() {
    let lines = [("smallest", Shape::SMALLEST), ("minimal", Shape::MINIMAL), ("mainnet", Shape::MAINNET)].map(
        |(name, shape)| {
            let grid = RoundCircuit::blank(shape).grid();
            let (rows, all) = (grid.rows(), 1 << shape.k);
            let (cells, copies, publics) = (grid.assignments.len(), grid.copies.len(), grid.publics.len());
            format!("{name}: {rows} rows of {all}, {cells} cells, {copies} copies, {publics} public inputs\n")
        },
    );
    hold("cost.txt", &lines.concat());
    let lines = CircuitKind::ALL[1..].iter().map(|&circuit| {
        let shape = StepShape::minimal(circuit);
        let grid = StepCircuit::blank(shape).grid();
        let (cells, copies, publics) = (grid.assignments.len(), grid.copies.len(), grid.publics.len());
        let (name, rows, all, capacity) = (circuit.name(), grid.rows(), 1 << shape.k, shape.cells);
        assert!(rows + 16 < all, "{name} takes {rows} rows");
        format!("{name} x {capacity}: {rows} rows of {all}, {cells} cells, {copies} copies, {publics} public inputs\n")
    });
    hold("step-cost.txt", &lines.collect::<String>());
}

/// Circuit ids under the development SRS, and the length of a proof.
#[test]
fn the_keys_are_the_pinned_ones() {
    let smallest = ("smallest", KEYS.description.as_slice());
    let embedded = CircuitKind::ALL.map(|circuit| {
        let name = if circuit == CircuitKind::Round { "minimal" } else { circuit.name() };
        (name, Setup::Development.description_bytes(circuit))
    });
    let lines = [smallest].into_iter().chain(embedded).map(|(name, bytes)| {
        let description = Description::parse(bytes).expect("our own description");
        assert_eq!(description.id(), keccak(&[bytes]));
        format!(
            "{name}: {} description {} bytes, proof {} bytes\n",
            hex(&keccak(&[bytes])),
            bytes.len(),
            description.proof_length()
        )
    });
    hold("keys.txt", &lines.collect::<String>());
}

#[test]
fn the_pinned_proof_is_accepted_and_only_for_its_own_statement() {
    let (claim, openings) = round(&SHAPE, SEED);
    let circuit = RoundCircuit::new(SHAPE, claim, openings);
    let grid = circuit.grid();
    let instances = instances(&grid);
    assert!(Checker::default().broken(&grid, &instances).is_empty());
    if updating() {
        let proof = prove(&SRS, &KEYS, circuit).expect("the keys are of this circuit");
        fs::write(pinned("smallest.proof"), proof).expect("the pin is written");
    }
    let proof = fs::read(pinned("smallest.proof")).expect("a pinned proof");
    let description = Description::parse(&KEYS.description).expect("our own description");
    let instances: Vec<_> = instances.into_iter().map(ark).collect();
    assert_eq!(verify(&description, &instances, &proof), Ok(()));
    // The statement digest, which no cell reads, among them.
    for row in 0..instances.len() {
        let mut altered = instances.clone();
        altered[row] += ark_bn254::Fr::from(1u64);
        assert_eq!(verify(&description, &altered, &proof), Err(plonk::Error::Rejected), "public input {row}");
    }
}
