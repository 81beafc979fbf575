//! Trains on digits or MNIST and prints the loss and accuracy that the book quotes.
//!
//! ```text
//! cargo run --release -p pogo-prover --example accuracy -- DATA LAYERS BATCH STEPS RATE WARMUP SCHEDULE SEED
//! cargo run --release -p pogo-prover --example accuracy -- digits 64,64,10 64 600 16384 20 linear 1
//! ```
//! DATA is `digits` or a directory of MNIST's IDX files; RATE is the peak learning rate in units of
//! `2^-24` weight. The round is number 0 of miner 0 with parent root 0 and data root 0.

use std::path::Path;
use std::time::Instant;

use pogo_protocol::data::{Order, Round};
use pogo_protocol::model::{Schedule, Spec, State, TraceMode};
use pogo_protocol::step::{Evaluation, byte_weights, calibrate};
use pogo_prover::data;
use pogo_prover::device::cpu;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, layers, batch, steps, rate, warmup, schedule, seed] = &arguments[..] else {
        panic!("expected DATA LAYERS BATCH STEPS RATE WARMUP SCHEDULE SEED");
    };
    let split = match source.as_str() {
        "digits" => data::digits(),
        directory => data::mnist(Path::new(directory)).expect("the data set reads"),
    };
    let number = |text: &str| text.parse::<u32>().expect("a number");
    let spec = Spec {
        name: "accuracy".to_owned(),
        layers: layers.split(',').map(number).collect(),
        batch: number(batch),
        steps: number(steps),
        checkpoint_every: 1,
        learning_rate: number(rate),
        schedule: if schedule == "linear" { Schedule::Linear } else { Schedule::Constant },
        warmup: number(warmup),
        seed: number(seed).into(),
        trace: TraceMode::None,
        data_root: [0; 32],
    };
    spec.validate().expect("the spec is valid");
    let round = Round { task: spec.hash(), round: 0, parent_root: [0; 32], miner: [0; 20] };
    train(&spec, &split, round);
}

fn train(spec: &Spec, split: &data::Split, round: Round) {
    let order = Order::new(round, split.train.len() as u32, spec.batch).expect("a full batch");
    let mut state = State::initial(spec);
    let test = split.test.all();
    let first = byte_weights(&state);
    let untrained = cpu::evaluate(spec, &first, &calibrate(spec, &first, &test), &test);
    println!("task {}", round.task.iter().map(|b| format!("{b:02x}")).collect::<String>());
    print_evaluation("untrained", untrained);
    let (start, mut last) = (Instant::now(), 0);
    for t in 0..spec.steps {
        let batch = split.train.batch(&order.batch_indices(t));
        let result = cpu::step(spec, &mut state, &batch, t, round.dither_seed());
        last = result.loss;
        if t < 3 || (t + 1) % (spec.steps / 5).max(1) == 0 {
            println!("step {t}: loss {} = {:.4}", last, nats(last, u64::from(spec.batch)));
        }
    }
    println!("{:.2} s, last step's loss {last}", start.elapsed().as_secs_f64());
    let exponents = state.exponents.clone().expect("it made a step");
    for (name, model) in [("8-bit", byte_weights(&state)), ("4-bit", state.quantize().expand())] {
        for (set, batch) in [("train", split.train.all()), ("test", test.clone())] {
            let evaluation = cpu::evaluate(spec, &model, &exponents.activations, &batch);
            print_evaluation(&format!("{name} {set}"), evaluation);
        }
    }
}

fn print_evaluation(name: &str, e: Evaluation) {
    let accuracy = 100.0 * e.correct as f64 / e.records as f64;
    println!(
        "{name}: loss {} = {:.4}, {} of {} = {accuracy:.2} %",
        e.loss,
        nats(e.loss, e.records),
        e.correct,
        e.records
    );
}

fn nats(loss: u64, records: u64) -> f64 {
    loss as f64 / 65536.0 / records as f64
}
