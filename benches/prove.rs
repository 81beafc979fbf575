//! Prove: keys and one proof of the minimal preset, by leaf, and the leaf-1024 statement.
//! `cargo bench -p pogo-benches --bench prove`; with names of step circuits after `--`, those alone.

use halo2_proofs::halo2curves::bn256::Bn256;
use halo2_proofs::plonk::{create_proof, keygen_pk, keygen_vk};
use halo2_proofs::poly::commitment::Params;
use halo2_proofs::poly::kzg::commitment::KZGCommitmentScheme;
use halo2_proofs::poly::kzg::multiopen::ProverSHPLONK;
use pogo_benches::{cpu_seconds, head, peak_megabytes, row};
use pogo_circuits::circuit::{Gridded, Sheet, instances};
use pogo_circuits::keys::Keys;
use pogo_circuits::proof::prove;
use pogo_circuits::round::{Claim, RoundCircuit, Shape};
use pogo_circuits::srs::Srs;
use pogo_circuits::step::{StepCircuit, StepShape};
use pogo_circuits::testing::leaf1024::{self, Leaf1024};
use pogo_circuits::testing::round;
use pogo_circuits::transcript::ProofWriter;
use pogo_protocol::cell::Kind;
use pogo_protocol::codec::scalar_bytes;
use pogo_protocol::model::{Spec, TraceMode};
use pogo_protocol::statement::{CircuitKind, Context};
use pogo_prover::attack::mine::Mined;
use pogo_prover::commit::data_root;
use pogo_prover::data::digits;
use pogo_prover::device::Device;
use pogo_prover::round::Round;
use pogo_prover::train::Job;
use rand_core::OsRng;

fn main() {
    head("prove");
    let shape = Shape::MINIMAL;
    let mut srs = None;
    row("development SRS, k = 15", cpu_seconds(1, || srs = Some(Srs::development(shape.k))), "CPU s");
    let srs = srs.expect("made above");
    // Cargo adds options of its own.
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if !asked.is_empty() {
        return cells(&srs, |kind| asked.iter().any(|name| name == kind.name()));
    }
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
    cells(&srs, |kind| kind != CircuitKind::Round);
    leaf_1024(&srs);
    row("peak memory", peak_megabytes().unwrap_or(0) as f64, "MB");
}

/// A full proof of each of some circuits of a step, from an honest round in the whole trees of the preset.
fn cells(srs: &Srs, some: impl Fn(CircuitKind) -> bool) {
    let data = digits().train;
    let spec = Spec { steps: 2, trace: TraceMode::Every, ..pogo_benches::spec(&[64, 80, 10], 96) };
    let spec = Spec { data_root: scalar_bytes(&data_root(&data)), ..spec };
    let context = Context { chain_id: 31_337, contract: [9; 20], task: [8; 32], round: 0, miner: [7; 20] };
    let round = Round::new(spec, context, Shape::MINIMAL).expect("it fits the preset");
    let job = Job { round: &round, data: &data, device: &Device::Cpu };
    let mined = Mined::honest(job).expect("an honest round");
    let (opener, step) = (mined.opener().expect("traces"), mined.traced_step(1).expect("a step"));
    let (public, space) = (mined.public(), mined.public().space().expect("traces"));
    for kind in CircuitKind::ALL.into_iter().filter(|&kind| some(kind)) {
        let shape = StepShape::minimal(kind);
        let cells = Kind::ALL.into_iter().filter(|kind| kind.is_traced()).flat_map(|kind| space.of_step(kind, 1));
        let opened = cells.filter(|&cell| public.sample(cell).is_some_and(|sample| sample.circuit() == kind));
        let mut openings: Vec<_> =
            opened.take(shape.cells).map(|cell| opener.open(&step, cell).expect("a cell of the step")).collect();
        let circuit = match openings.is_empty() {
            true => StepCircuit::blank(shape), // of no cell of a step; costs the same
            false => {
                openings = openings.iter().cycle().take(shape.cells).cloned().collect();
                StepCircuit::new(shape, Claim { digest: [1.into(), 2.into()], roots: public.roots() }, openings)
            }
        };
        let keys = Keys::of(&circuit, srs).expect("the SRS fits");
        let name = kind.name();
        row(&format!("{name}: cells of a proof"), shape.cells as f64, "");
        row(&format!("{name}: rows"), circuit.grid().rows() as f64, "of 32768");
        let mut length = 0;
        let seconds = cpu_seconds(2, || length = prove(srs, &keys, circuit.clone()).expect("of this circuit").len());
        row(&format!("{name}: proof"), seconds, "CPU s");
        row(&format!("{name}: proof, a cell"), seconds / shape.cells as f64, "CPU s");
        row(&format!("{name}: proof"), length as f64, "bytes");
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
