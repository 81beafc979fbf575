//! The shared vectors: every case of every `vectors/*.json` gives what the Python oracle gave.
//!
//! A case is `{name, input, output}`, `output: null` means that the input must be rejected. The
//! files are made by `python3 vectors/oracle/make.py`. A file or function that nothing here reads
//! fails the test.

use std::path::{Path, PathBuf};

use ark_bn254::Fr;
use pogo_protocol::data::{Batch, Order, Round};
use pogo_protocol::fixed::{self, BLOCK, LEAF};
use pogo_protocol::leaf::{BLOCKS_PER_LEAF, LeafError, tag};
use pogo_protocol::merkle::{self, Layout, LeafPlace, Tree};
use pogo_protocol::model::{Exponents, Quantized, Schedule, Spec, State, TraceMode};
use pogo_protocol::record::{self, StepRecord};
use pogo_protocol::trace::{Trace, TraceLayout};
use pogo_protocol::{challenge, codec, disclosure, leaf, poseidon, step, tables};
use serde_json::{Value, json};

#[test]
fn every_vector_agrees_with_the_oracle() {
    let mut count = 0;
    for path in vector_files() {
        for case in read(&path) {
            let (name, input) = (&case["name"], Input(&case["input"]));
            let output = match path.file_stem().and_then(|stem| stem.to_str()) {
                Some("fixed") => fixed_output(input),
                Some("task") => task_output(input),
                Some("poseidon") => poseidon_output(input),
                Some("leaf") => leaf_output(input),
                Some("merkle") => merkle_output(input),
                Some("challenge") => challenge_output(input),
                Some("steps") => steps_output(input),
                _ => panic!("{}: no test reads this file", path.display()),
            };
            assert_eq!(output, case["output"], "{}: {name}", path.display());
            count += 1;
        }
    }
    assert!(count > 1000, "only {count} vectors found");
}

#[test]
fn every_vector_has_a_name_an_input_and_an_output() {
    for path in vector_files() {
        for case in read(&path) {
            let keys: Vec<&String> = case.as_object().expect("a case").keys().collect();
            assert_eq!(keys, ["input", "name", "output"], "{}", path.display());
        }
    }
}

fn vector_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors");
    let entries = std::fs::read_dir(&folder).expect("vectors/");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

fn read(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("a vector file");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Arguments of a case; a missing or mistyped one is a panic with its name.
#[derive(Clone, Copy)]
struct Input<'a>(&'a Value);

impl<'a> Input<'a> {
    fn field<T>(self, name: &str, get: impl Fn(&'a Value) -> Option<T>) -> T {
        get(&self.0[name]).unwrap_or_else(|| panic!("field {name} of {}", self.0))
    }

    fn str(self, name: &str) -> &'a str {
        self.field(name, Value::as_str)
    }

    fn number<T: TryFrom<i128>>(self, name: &str) -> T {
        self.field(name, number)
    }

    fn list<T>(self, name: &str, get: impl Fn(&'a Value) -> Option<T>) -> Vec<T> {
        self.field(name, |value| value.as_array()?.iter().map(&get).collect())
    }

    fn numbers<T: TryFrom<i128>>(self, name: &str) -> Vec<T> {
        self.list(name, number)
    }

    fn array<T: TryFrom<i128>, const N: usize>(self, name: &str) -> [T; N] {
        let numbers = self.numbers(name);
        numbers.try_into().unwrap_or_else(|_| panic!("{name}: expected {N} numbers"))
    }

    fn bytes<const N: usize>(self, name: &str) -> [u8; N] {
        self.field(name, |value| hex(value.as_str()?))
    }

    fn element(self, name: &str) -> Fr {
        self.field(name, element)
    }
}

fn number<T: TryFrom<i128>>(value: &Value) -> Option<T> {
    let wide = value.as_i64().map(i128::from).or(value.as_u64().map(i128::from))?;
    wide.try_into().ok()
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |i: usize| u8::from_str_radix(text.get(i..i + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(digit).collect();
    bytes?.try_into().ok()
}

fn element(value: &Value) -> Option<Fr> {
    codec::scalar(&hex(value.as_str()?.strip_prefix("0x")?)?)
}

fn text(element: Fr) -> Value {
    let digits = codec::scalar_bytes(&element).map(|byte| format!("{byte:02x}")).concat();
    json!(format!("0x{digits}"))
}

/// null for a rejection.
fn accepted<E>(result: Result<Fr, E>) -> Value {
    result.map_or(Value::Null, text)
}

fn fixed_output(input: Input) -> Value {
    let (i, u) = (|name| input.number::<i32>(name), |name| input.number::<u32>(name));
    match input.str("function") {
        "rshn" => json!(fixed::rshn(i("x"), i("s"))),
        "rsr" => json!(fixed::rsr(i("x"), i("s"), u("r"))),
        "floor_div" => json!(fixed::floor_div(i("x"), i("d"))),
        "bit_length" => json!(fixed::bit_length(u("m"))),
        "byte_shift" => json!(fixed::byte_shift(u("max_abs"))),
        "pcg" => json!(fixed::pcg(u("x"))),
        "key" => json!(fixed::key(u("seed"), u("step"), u("site"))),
        "dither" => json!(fixed::dither(u("key"), u("i"))),
        "requantize" => json!(fixed::requantize(i("acc"), i("shift"))),
        "requantize_stochastic" => json!(fixed::requantize_stochastic(i("acc"), i("shift"), u("r"))),
        "logit" => json!(fixed::logit(i("acc"), i("e"))),
        "align_gradient" => json!(fixed::align_gradient(i("g"), i("e"))),
        "table" => table(input.str("table")),
        "softmax_row" => softmax(&input.numbers("logits"), input.number("target")),
        "momentum" => json!(fixed::momentum(i("m"), i("ga"))),
        "leaf_gradient_sum" => json!(fixed::leaf_gradient_sum(&input.numbers("gradient"))),
        "scale_average" => json!(fixed::scale_average(number(&input.0["v"]), i("a"))),
        "code_shift" => json!(fixed::code_shift(i("v"))),
        "code" => json!(fixed::code(i("m"), i("shift"), i("w"), u("learning_rate"))),
        "update" => json!(fixed::update(i("w"), i("u"), u("learning_rate"))),
        "block_exponent" => json!(fixed::block_exponent(u("max_abs"))),
        "quantize_block" => block(input.array("weights"), u("st")),
        other => panic!("fixed.json: no test reads {other}"),
    }
}

fn table(name: &str) -> Value {
    match name {
        "EXP" => json!(tables::EXP.to_vec()),
        "LN" => json!(tables::LN.to_vec()),
        other => panic!("fixed.json: no table {other}"),
    }
}

fn softmax(logits: &[i32], target: usize) -> Value {
    let mut errors = vec![0; logits.len()];
    let loss = fixed::softmax_row(logits, target, &mut errors);
    json!({ "errors": errors, "loss": loss })
}

fn block(weights: [i32; BLOCK], st: u32) -> Value {
    let max_abs = weights.iter().map(|w| w.unsigned_abs()).max().unwrap_or(0);
    let scale = fixed::block_scale(max_abs, st);
    let codes = weights.map(|w| fixed::quantize(w, scale, st));
    json!({ "scale": scale, "codes": codes })
}

fn task_output(input: Input) -> Value {
    match input.str("function") {
        "spec" => spec_output(input),
        "learning_rates" => learning_rates(input),
        "initial_weights" => initial_weights(input),
        "dither_seed" => json!(round(input).dither_seed()),
        "batch_indices" => Order::new(round(input), input.number("records"), input.number("batch"))
            .map_or(Value::Null, |order| json!(order.batch_indices(input.number("t")))),
        other => panic!("task.json: no test reads {other}"),
    }
}

fn spec() -> Spec {
    Spec {
        name: "vectors".into(),
        layers: vec![1, 1],
        batch: 1,
        steps: 1,
        checkpoint_every: 1,
        learning_rate: 1,
        schedule: Schedule::Constant,
        warmup: 0,
        seed: 0,
        trace: TraceMode::None,
        data_root: [0; 32],
    }
}

fn spec_output(input: Input) -> Value {
    let trace = match input.str("trace") {
        "none" => TraceMode::None,
        "every" => TraceMode::Every,
        "challenged" => TraceMode::Challenged,
        other => panic!("trace mode {other}"),
    };
    let spec = Spec {
        name: input.str("name").into(),
        layers: input.numbers("layers"),
        batch: input.number("batch"),
        steps: input.number("steps"),
        checkpoint_every: input.number("checkpoint_every"),
        learning_rate: input.number("learning_rate"),
        schedule: schedule(input),
        warmup: input.number("warmup"),
        seed: input.number("seed"),
        trace,
        data_root: input.bytes("data_root"),
    };
    let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let output = |()| json!({ "bytes": digits(&spec.encode()), "hash": digits(&spec.hash()) });
    spec.validate().map_or(Value::Null, output)
}

fn learning_rates(input: Input) -> Value {
    let schedule = schedule(input);
    let (steps, warmup) = (input.number("steps"), input.number("warmup"));
    let spec = Spec { learning_rate: input.number("peak"), schedule, steps, warmup, ..spec() };
    json!((0..steps).map(|t| spec.learning_rate(t)).collect::<Vec<_>>())
}

fn schedule(input: Input) -> Schedule {
    match input.str("schedule") {
        "constant" => Schedule::Constant,
        "linear" => Schedule::Linear,
        other => panic!("schedule {other}"),
    }
}

/// The weights without their padding.
fn initial_weights(input: Input) -> Value {
    let spec = Spec { layers: input.numbers("layers"), seed: input.number("seed"), ..spec() };
    let weights = State::initial(&spec).weights;
    let tensors = weights.iter().zip(spec.tensors()).map(|(weights, tensor)| {
        let rows = weights.chunks(tensor.padded_cols());
        rows.flat_map(|row| row[..tensor.cols].to_vec()).collect::<Vec<i32>>()
    });
    json!(tensors.collect::<Vec<_>>())
}

fn round(input: Input) -> Round {
    Round {
        task: input.bytes("task"),
        round: input.number("round"),
        parent_root: input.bytes("parent_root"),
        miner: input.bytes("miner"),
    }
}

fn poseidon_output(input: Input) -> Value {
    let get = |name| element(&input.0[name]);
    if input.0.get("message").is_some() {
        return text(poseidon::sponge(input.element("tag"), &input.list("message", element)));
    }
    match (get("tag"), get("a"), get("b")) {
        (Some(tag), Some(a), Some(b)) => text(poseidon::hash(tag, a, b)),
        _ => Value::Null,
    }
}

fn leaf_output(input: Input) -> Value {
    match input.str("kind") {
        "weights" => accepted(leaf::weights_hash(&input.array("weights"))),
        "momenta" => accepted(leaf::momenta_hash(&input.array("momenta"), input.number("scale"))),
        "state" => accepted(state_leaf(input)),
        "update" => accepted(leaf::update_leaf(&input.array("codes"))),
        "quantized" => accepted(leaf::quantized_leaf(&input.array("codes"), input.array("scales"))),
        "data" => {
            let empty = merkle::empty_subtrees(leaf::FEATURES_DEPTH);
            text(leaf::data_record(&input.numbers("features"), input.number("label"), &empty))
        }
        "bytes" => text(leaf::bytes_leaf(&input.array("bytes"))),
        "words" => accepted(leaf::words_leaf(&input.array("words"))),
        other => panic!("leaf.json: no test reads {other}"),
    }
}

fn state_leaf(input: Input) -> Result<Fr, LeafError> {
    let weights: [i32; LEAF] = input.array("weights");
    let momenta = leaf::momenta_hash(&input.array("momenta"), input.number("scale"))?;
    Ok(leaf::state_leaf(leaf::weights_hash(&weights)?, momenta))
}

fn merkle_output(input: Input) -> Value {
    match input.str("kind") {
        "root" => text(tree(input).root()),
        "path" => path(input),
        "layout" => layout(input),
        "record" => text(step_record(input).hash()),
        "steps" => text(record::steps_root(input.element("tree_root"), input.number("count"))),
        "data" => text(leaf::data_root(input.element("tree_root"), input.number("count"))),
        other => panic!("merkle.json: no test reads {other}"),
    }
}

fn tree(input: Input) -> Tree {
    let listed = input.list("leaves", |entry| Some((number(&entry["position"])?, element(&entry["hash"])?)));
    let len = listed.iter().map(|&(position, _): &(usize, Fr)| position + 1).max().unwrap_or(0);
    let mut leaves = vec![Fr::from(0u64); len];
    listed.into_iter().for_each(|(position, hash)| leaves[position] = hash);
    Tree::new(input.number("depth"), leaves, merkle::hash_pairs)
}

/// The siblings, which must also lead to the root.
fn path(input: Input) -> Value {
    let (tree, position) = (tree(input), input.number("position"));
    let path = tree.path(position);
    assert_eq!(merkle::root_of(tree.leaf(position), position, &path), tree.root());
    json!(path.into_iter().map(text).collect::<Vec<_>>())
}

fn layout(input: Input) -> Value {
    let shapes = input.list("shapes", |shape| Some((number(&shape[0])?, number(&shape[1])?)));
    let Ok(layout) = Layout::new(input.number("depth"), shapes) else {
        return Value::Null;
    };
    let places = input.numbers("sampled").into_iter().map(|leaf: usize| layout.place(leaf));
    let places: Vec<_> = places.map(|place| [place.position, place.valid]).collect();
    let tags = [tag::STATE_ROOT, tag::UPDATE_ROOT, tag::QUANTIZED_ROOT];
    json!({
        "leaf_count": layout.leaf_count(),
        "places": places,
        "element": text(layout.element()),
        "roots": tags.map(|tag| text(layout.root(tag, input.element("tree_root")))),
    })
}

fn exponents(list: &[i32]) -> Option<Exponents> {
    (!list.is_empty()).then(|| Exponents::from_list(list).expect("exponents of a model"))
}

fn step_record(input: Input) -> StepRecord {
    StepRecord {
        index: input.number("index"),
        state_root: input.element("state_root"),
        update_root: input.element("update_root"),
        loss: input.number("loss"),
        exponents: exponents(&input.numbers::<i32>("exponents")),
        next_exponents: exponents(&input.numbers::<i32>("next_exponents")),
        trace_root: input.element("trace_root"),
    }
}

/// Cells as numbers: `step * leaf_count + leaf`, or the leaf.
fn challenge_output(input: Input) -> Value {
    let (beacon, commitment) = (input.bytes("beacon"), input.bytes("commitment"));
    if input.str("kind") == "segment" {
        let (steps, checkpoint_every) = (input.number("steps"), input.number("checkpoint_every"));
        let spec = Spec { steps, checkpoint_every, ..spec() };
        return json!(disclosure::draw(&spec, beacon, commitment, input.number("s")));
    }
    let leaf_count: usize = input.number("leaf_count");
    let drawn = challenge::draw(beacon, commitment, input.number("steps"), leaf_count, input.number("s"));
    match input.str("kind") {
        "update" => {
            let cell = |cell: &challenge::UpdateSample| cell.step as usize * leaf_count + cell.leaf;
            json!(drawn.updates.iter().map(cell).collect::<Vec<_>>())
        }
        "quantize" => json!(drawn.quantizes),
        other => panic!("challenge.json: no test reads {other}"),
    }
}

/// The first steps of a round, and the 4-bit model after them on the last batch.
fn steps_output(input: Input) -> Value {
    let spec = steps_spec(input);
    let layout = Layout::new(input.number("depth"), spec.tensors().iter().map(|tensor| (tensor.rows, tensor.cols)))
        .expect("a model that fits");
    let batches = input.list("batches", |value| Some(batch(Input(value))));
    let mut state = State::initial(&spec);
    let trained = (0..).zip(&batches).map(|(t, batch)| {
        assert_eq!((batch.rows(), batch.features.len()), (spec.batch as usize, batch.rows() * spec.width()));
        let trace_root =
            trace_root(input.number("trace_depth"), &spec, &layout, &state, batch, t, input.number("dither_seed"));
        let result = step::step(&spec, &mut state, batch, t, input.number("dither_seed"));
        json!({
            "loss": result.loss,
            "trace_root": text(trace_root),
            "exponents": listed(&result.exponents_used),
            "next_exponents": listed(&result.exponents_next),
            "state_root": text(state_root(&layout, &state)),
            "update_root": text(update_root(&layout, &result.codes)),
        })
    });
    let trained: Vec<Value> = trained.collect();
    let model = state.quantize();
    let exponents = state.exponents.expect("a step was made");
    let last = batches.last().expect("a batch");
    let evaluation = step::evaluate(&spec, &model.expand(), &exponents.activations, last);
    json!({
        "steps": trained,
        "quantized_exponents": model.exponents,
        "quantized_root": text(quantized_root(&layout, &model)),
        "evaluation": { "loss": evaluation.loss, "correct": evaluation.correct },
    })
}

fn trace_root(
    depth: usize,
    spec: &Spec,
    layout: &Layout,
    state: &State,
    batch: &Batch,
    t: u32,
    dither_seed: u32,
) -> Fr {
    let trace = Trace::new(spec, state, batch, t, dither_seed);
    let traced = TraceLayout::new(depth, spec).expect("a step that fits");
    let mut leaves = vec![Fr::default(); traced.position_count()];
    for placed in traced.tensors() {
        let hashed = trace.leaves(placed).expect("words of a step");
        hashed.into_iter().for_each(|(position, leaf)| leaves[position] = leaf);
    }
    traced.root(Tree::new(depth, leaves, merkle::hash_pairs).root(), layout.element())
}

fn steps_spec(input: Input) -> Spec {
    let spec = Spec {
        layers: input.numbers("layers"),
        batch: input.number("batch"),
        steps: input.number("steps"),
        learning_rate: input.number("learning_rate"),
        schedule: schedule(input),
        warmup: input.number("warmup"),
        seed: input.number("seed"),
        ..spec()
    };
    spec.validate().expect("a valid spec");
    spec
}

fn batch(input: Input) -> Batch {
    Batch { features: input.numbers("features"), labels: input.numbers("labels") }
}

/// In the order of a step record.
fn listed(exponents: &Exponents) -> Vec<i32> {
    [&exponents.weights[..], &exponents.activations, &exponents.errors].concat()
}

fn state_root(layout: &Layout, state: &State) -> Fr {
    root(layout, tag::STATE_ROOT, |place| {
        let scale = state.scales[place.tensor][place.index_in_tensor];
        let momenta = leaf::momenta_hash(part(&state.momenta, place), scale)?;
        Ok(leaf::state_leaf(leaf::weights_hash(part(&state.weights, place))?, momenta))
    })
}

fn update_root(layout: &Layout, codes: &[Vec<i8>]) -> Fr {
    root(layout, tag::UPDATE_ROOT, |place| leaf::update_leaf(part(codes, place)))
}

fn quantized_root(layout: &Layout, model: &Quantized) -> Fr {
    root(layout, tag::QUANTIZED_ROOT, |place| {
        let scales: &[u8; BLOCKS_PER_LEAF] = part(&model.scales, place);
        leaf::quantized_leaf(part(&model.codes, place), *scales)
    })
}

/// Values of one leaf, `N` a leaf.
fn part<T, const N: usize>(tensors: &[Vec<T>], place: LeafPlace) -> &[T; N] {
    tensors[place.tensor].as_chunks().0.get(place.index_in_tensor).expect("a leaf of the tensor")
}

fn root(layout: &Layout, tag: u64, hash: impl Fn(LeafPlace) -> Result<Fr, LeafError>) -> Fr {
    let mut leaves = vec![Fr::from(0u64); layout.position_count()];
    for place in (0..layout.leaf_count()).map(|leaf| layout.place(leaf)) {
        leaves[place.position] = hash(place).expect("values in range");
    }
    layout.root(tag, Tree::new(layout.depth(), leaves, merkle::hash_pairs).root())
}
