//! Prove: keys and one proof of the minimal preset, by leaf, and the leaf-1024 statement.
//! `cargo bench -p pogo-benches --bench prove`

use halo2_proofs::halo2curves::bn256::Bn256;
use halo2_proofs::plonk::{create_proof, keygen_pk, keygen_vk};
use halo2_proofs::poly::commitment::Params;
use halo2_proofs::poly::kzg::commitment::KZGCommitmentScheme;
use halo2_proofs::poly::kzg::multiopen::ProverSHPLONK;
use pogo_benches::{cpu_seconds, head, peak_megabytes, row};
use pogo_circuits::circuit::{Gridded, Sheet, instances};
use pogo_circuits::keys::Keys;
use pogo_circuits::product::{ProductCircuit, ProductShape};
use pogo_circuits::proof::prove;
use pogo_circuits::round::{RoundCircuit, Shape};
use pogo_circuits::srs::Srs;
use pogo_circuits::testing::leaf1024::{self, Leaf1024};
use pogo_circuits::testing::{products, round};
use pogo_circuits::transcript::ProofWriter;
use pogo_protocol::product::{Orientation, ProductCell};
use rand_core::OsRng;

fn main() {
    head("prove");
    let shape = Shape::MINIMAL;
    let mut srs = None;
    row("development SRS, k = 15", cpu_seconds(1, || srs = Some(Srs::development(shape.k))), "CPU s");
    let srs = srs.expect("made above");
    let mut keys = None;
    row("keys, k = 15", cpu_seconds(1, || keys = Some(Keys::generate(shape, &srs))), "CPU s");
    let keys = keys.expect("made above").expect("the SRS fits");
    let (claim, openings) = round(&shape, 1);
    let circuit = RoundCircuit::new(shape, claim, openings);
    row("rows", circuit.grid().rows() as f64, "of 32768");
    let mut length = 0;
    let seconds = cpu_seconds(2, || length = prove(&srs, &keys, circuit.clone()).expect("of this circuit").len());
    row("proof of 8 update and 8 quantize cells", seconds, "CPU s");
    row("proof, a cell", seconds / 16.0, "CPU s");
    row("proof", length as f64, "bytes");
    product(&srs);
    leaf_1024(&srs);
    row("peak memory", peak_megabytes().unwrap_or(0) as f64, "MB");
}

/// A product cell of every orientation, the whole trees of the preset.
fn product(srs: &Srs) {
    for orientation in Orientation::ALL {
        let shape = ProductShape::minimal(orientation);
        let step = products::step(shape.depths);
        let keys = Keys::of(&ProductCircuit::blank(shape), srs).expect("the SRS fits");
        let cell = ProductCell { orientation, tensor: 1, row: 0, column: 0, slab: 0 };
        let circuit = ProductCircuit::new(shape, &step.statement(cell), step.open(cell));
        row(&format!("rows, product, {orientation:?}"), circuit.grid().rows() as f64, "of 32768");
        let mut length = 0;
        let seconds = cpu_seconds(2, || length = prove(srs, &keys, circuit.clone()).expect("of this circuit").len());
        row(&format!("proof of a product, {orientation:?}"), seconds, "CPU s");
        row(&format!("proof of a product, {orientation:?}"), length as f64, "bytes");
    }
}

/// The statement that other systems were measured on, one leaf.
fn leaf_1024(srs: &Srs) {
    let mut params = srs.params.clone();
    params.downsize(leaf1024::K);
    let circuit = Leaf1024 { index: 123_456 };
    let sheet = Sheet::new(&circuit);
    let verifying = keygen_vk(&params, &sheet).expect("the circuit fits");
    let proving = keygen_pk(&params, verifying, &sheet).expect("the circuit fits");
    let inputs = instances(&circuit.grid());
    let seconds = cpu_seconds(2, || {
        let mut transcript = ProofWriter::new();
        create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, _, _, _, _>(
            &params,
            &proving,
            &[Sheet::new(&circuit)],
            &[&[&inputs]],
            OsRng,
            &mut transcript,
        )
        .expect("keys of this circuit");
        transcript.into_proof()
    });
    row("leaf-1024, one leaf, k = 14", seconds, "CPU s");
}
