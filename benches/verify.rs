//! Verify: our no_std verifier against halo2-axiom's, on the same circuit and proof.
//! `cargo bench -p pogo-benches --bench verify`

use pogo_benches::{cpu_seconds, head, row};
use pogo_circuits::circuit::{Gridded, instances};
use pogo_circuits::keys::Keys;
use pogo_circuits::proof::prove;
use pogo_circuits::round::{RoundCircuit, Shape};
use pogo_circuits::srs::Srs;
use pogo_circuits::testing::round;
use pogo_circuits::transcript::scalar_bytes;
use pogo_protocol::codec::scalar;
use pogo_verifier::description::Description;
use pogo_verifier::plonk;

fn main() {
    head("verify");
    let shape = Shape::MINIMAL;
    let srs = Srs::development(shape.k);
    let keys = Keys::generate(shape, &srs).expect("the SRS fits");
    let (claim, openings) = round(&shape, 1);
    let circuit = RoundCircuit::new(shape, claim, openings);
    let inputs = instances(&circuit.grid());
    let proof = prove(&srs, &keys, circuit).expect("keys of this circuit");
    let inputs: Vec<_> = inputs.iter().map(|&value| scalar(&scalar_bytes(value)).expect("canonical")).collect();
    let parse = cpu_seconds(20, || Description::parse(&keys.description).expect("our own"));
    let description = Description::parse(&keys.description).expect("our own");
    let verify = cpu_seconds(20, || plonk::verify(&description, &inputs, &proof).expect("a true proof"));
    row("parse the circuit description", parse * 1e3, "CPU ms");
    row("verify", verify * 1e3, "CPU ms");
    row("description", keys.description.len() as f64, "bytes");
}
