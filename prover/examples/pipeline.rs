//! The whole path of a round in one place: train, commit, challenge, open, prove, verify.
//!
//! `cargo run --release -p pogo-prover --example pipeline`

use pogo_circuits::round::Shape;
use pogo_circuits::srs::Srs;
use pogo_protocol::model::{Schedule, Spec, TraceMode};
use pogo_protocol::statement::Context;
use pogo_prover::device::Device;
use pogo_prover::open::{self, Opened};
use pogo_prover::prove::Prover;
use pogo_prover::round::Round;
use pogo_prover::store::Store;
use pogo_prover::train::Job;
use pogo_prover::{commit, data, train};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // What the task fixes: data, model, recipe.
    let digits = data::digits();
    let data_root = commit::data_root(&digits.train);
    let spec = Spec {
        name: "pipeline".into(),
        layers: vec![64, 32, 10],
        batch: 64,
        steps: 100,
        checkpoint_every: 1,
        learning_rate: 3 << 12,
        schedule: Schedule::Linear,
        warmup: 0,
        seed: 1,
        trace: TraceMode::None,
        data_root: pogo_protocol::codec::scalar_bytes(&data_root),
    };
    let context = Context { chain_id: 31_337, contract: [0; 20], task: [1; 32], round: 0, miner: [2; 20] };
    let round = Round::new(spec, context, Shape::MINIMAL)?;
    let job = Job { round: &round, data: &digits.train, device: &Device::Cpu };
    let folder = std::env::temp_dir().join(format!("pogo-pipeline-{}", std::process::id()));
    let store = Store::open(&folder)?;

    // train --Trace--> commit --Commitment--> challenge --Parts--> open --Openings--> prove
    let trace = train::train(&store, &job, |_| {})?;
    let commitment = commit::commit(&round, &trace.records, &trace.state, &Device::Cpu)?;
    println!("commitment {}", pogo_prover::error::hex(&commitment.hash()));

    let prover = Prover::new(Srs::development(Shape::MINIMAL.k));
    let circuits = prover.setup().circuits();
    let beacon = [7; 32]; // from a block that does not exist yet when the commitment is made
    let public = round.public(&commitment, digits.train.len() as u32, beacon, &circuits, prover.srs.id());
    let openings = open::open(&store, &job, &trace, &public, &public.parts(8))?;
    for (statement, openings) in public.statements(8)?.iter().zip(openings) {
        let proof = prover.prove(statement, Opened::Round(openings))?;
        println!("proof of part {}: {} bytes", statement.part, proof.len());

        // verify: bytes in, Result out.
        pogo_verifier::verify(prover.setup(), &statement.encode(), &proof)?;
        println!("verified");
    }
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
