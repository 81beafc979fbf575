//! Cost of the round circuit: rows, keys, proof, verification.
//! `cargo run --release -p pogo-circuits --example cost`

use std::time::Instant;

use pogo_circuits::circuit::{Gridded, instances};
use pogo_circuits::keys::Keys;
use pogo_circuits::proof::prove;
use pogo_circuits::round::{RoundCircuit, Shape};
use pogo_circuits::srs::Srs;
use pogo_circuits::testing::round;
use pogo_protocol::codec::scalar;
use pogo_verifier::description::Description;
use pogo_verifier::plonk;

fn main() {
    let shape = Shape::MINIMAL;
    let start = Instant::now();
    let srs = Srs::development(shape.k);
    println!("development SRS {:?}", start.elapsed());
    let start = Instant::now();
    let keys = Keys::generate(shape, &srs).expect("the SRS fits");
    println!("keys {:?}, description {} bytes", start.elapsed(), keys.description.len());
    let (claim, openings) = round(&shape, 1);
    openings.check(&claim.roots).expect("a true round");
    let circuit = RoundCircuit::new(shape, claim, openings);
    let instances: Vec<_> = instances(&circuit.grid())
        .into_iter()
        .map(|value| scalar(&pogo_circuits::transcript::scalar_bytes(value)).expect("canonical"))
        .collect();
    let start = Instant::now();
    let proof = prove(&srs, &keys, circuit).expect("keys are of this circuit");
    println!("prove {:?}, {} bytes", start.elapsed(), proof.len());
    let description = Description::parse(&keys.description).expect("our own description");
    let start = Instant::now();
    plonk::verify(&description, &instances, &proof).expect("a true proof");
    println!("verify {:?}", start.elapsed());
}
