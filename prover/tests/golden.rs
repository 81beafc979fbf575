//! Every device of this machine gives the losses, exponents and roots of `vectors/steps.json`, which an
//! independent implementation made.

use pogo_circuits::round::Shape;
use pogo_protocol::codec::scalar_bytes;
use pogo_protocol::data::Batch;
use pogo_protocol::model::{Schedule, Spec, State, TraceMode};
use pogo_protocol::statement::Context;
use pogo_protocol::trace::Trace;
use pogo_prover::device::gpu::{self, Gpu};
use pogo_prover::device::{Device, Step};
use pogo_prover::error::hex;
use pogo_prover::round::Round;
use serde_json::{Value, json};

fn number<T: TryFrom<u64>>(value: &Value) -> T {
    value.as_u64().and_then(|number| number.try_into().ok()).unwrap_or_else(|| panic!("a number: {value}"))
}

fn numbers<T: TryFrom<i64>>(value: &Value) -> Vec<T> {
    let number = |value: &Value| value.as_i64().and_then(|number| number.try_into().ok());
    let list = value.as_array().unwrap_or_else(|| panic!("a list: {value}"));
    list.iter().map(|value| number(value).unwrap_or_else(|| panic!("a number: {value}"))).collect()
}

fn round(input: &Value) -> Round {
    let spec = Spec {
        name: "golden".into(),
        layers: numbers(&input["layers"]),
        batch: number(&input["batch"]),
        steps: number(&input["steps"]),
        checkpoint_every: 1,
        learning_rate: number(&input["learning_rate"]),
        schedule: if input["schedule"] == "linear" { Schedule::Linear } else { Schedule::Constant },
        warmup: number(&input["warmup"]),
        seed: number(&input["seed"]),
        trace: TraceMode::None,
        data_root: [0; 32],
    };
    assert_eq!(input["depth"], Shape::MINIMAL.tree_depth);
    let context = Context { chain_id: 0, contract: [0; 20], task: [0; 32], round: 0, miner: [0; 20] };
    Round::new(spec, context, Shape::MINIMAL).expect("the model fits")
}

fn output(device: &Device, input: &Value) -> Value {
    let round = round(input);
    let batches = input["batches"].as_array().expect("batches");
    let batch = |value: &Value| Batch { features: numbers(&value["features"]), labels: numbers(&value["labels"]) };
    let steps: Vec<Step> = (0..).zip(batches).map(|(t, value)| Step { t, batch: batch(value) }).collect();
    let mut trainer = device.trainer(&round, number(&input["dither_seed"])).expect("the device takes the model");
    let mut done = Vec::new();
    for group in steps.chunks(trainer.group()) {
        done.extend(trainer.run(group, true).expect("the device trains"));
    }
    let element = |element| hex(&scalar_bytes(&element));
    let step = |done: &pogo_prover::device::Done| {
        let roots = done.roots.expect("roots were asked for");
        json!({
            "loss": done.result.loss,
            "exponents": done.result.exponents_used.to_list(),
            "next_exponents": done.result.exponents_next.to_list(),
            "state_root": element(roots.state),
            "update_root": element(roots.update),
        })
    };
    let roots = trainer.model_roots().expect("the device commits");
    let exponents = trainer.state().expect("the device gives its state").exponents.expect("a step was made");
    let last = &steps.last().expect("a step").batch;
    let evaluation = trainer.evaluate(&exponents.activations, last).expect("the device evaluates");
    json!({
        "steps": done.iter().map(step).collect::<Vec<_>>(),
        "quantized_exponents": roots.quantized_exponents,
        "quantized_root": element(roots.quantized),
        "evaluation": { "loss": evaluation.loss, "correct": evaluation.correct },
    })
}

/// What devices give: all but the trace roots, which the next test holds to their vectors.
fn untraced(output: &Value) -> Value {
    let mut output = output.clone();
    for step in output["steps"].as_array_mut().expect("steps") {
        step.as_object_mut().expect("a step").remove("trace_root").expect("a trace root");
    }
    output
}

#[test]
fn traces_hashed_on_all_cores_have_the_golden_roots() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../vectors/steps.json")).expect("vectors/steps.json is JSON");
    for case in &cases {
        let (input, round) = (&case["input"], round(&case["input"]));
        assert_eq!(input["trace_depth"], Shape::MINIMAL.trace_depth);
        let mut state = State::initial(&round.spec);
        let steps = input["batches"]
            .as_array()
            .expect("batches")
            .iter()
            .zip(case["output"]["steps"].as_array().expect("steps"));
        for (t, (value, expected)) in (0..).zip(steps) {
            let batch = Batch { features: numbers(&value["features"]), labels: numbers(&value["labels"]) };
            let trace = Trace::new(&round.spec, &state, &batch, t, number(&input["dither_seed"]));
            let root = pogo_prover::trace::root(&round, &trace).expect("words of a step");
            assert_eq!(json!(hex(&scalar_bytes(&root))), expected["trace_root"], "{}, step {t}", case["name"]);
            pogo_protocol::step::apply(&round.spec, &mut state, trace.gradients, t);
        }
    }
}

#[test]
fn every_device_gives_the_golden_steps() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../vectors/steps.json")).expect("vectors/steps.json is JSON");
    let mut devices = vec![Device::Cpu];
    let adapters = gpu::adapters();
    if adapters.is_empty() {
        assert!(std::env::var_os("POGO_REQUIRE_GPU").is_none(), "a GPU adapter is required here");
        eprintln!("skipped on GPUs: every_device_gives_the_golden_steps: this machine has no GPU adapter");
    }
    devices.extend(adapters.iter().map(|adapter| Device::Gpu(Gpu::open(adapter.index).expect("it opens"))));
    for device in &devices {
        for case in &cases {
            assert_eq!(
                output(device, &case["input"]),
                untraced(&case["output"]),
                "{}: {}",
                device.describe(),
                case["name"]
            );
        }
    }
}
