//! The audit of published steps: exact ones have no findings, every kind of lie is named.

use std::convert::Infallible;
use std::path::PathBuf;

use pogo_circuits::round::Shape;
use pogo_protocol::codec::{CodecError, scalar_bytes};
use pogo_protocol::data::Batch;
use pogo_protocol::model::{Bytes, Schedule, Spec, State, Tensor, TraceMode};
use pogo_protocol::record::StepRecord;
use pogo_protocol::statement::Context;
use pogo_protocol::step::{self, Products};
use pogo_prover::audit::{Finding, Traced, audit, traced};
use pogo_prover::device::Device;
use pogo_prover::replay::{Difference, replay};
use pogo_prover::round::Round;
use pogo_prover::store::{Log, Store};
use pogo_prover::train::{Job, Stepper, all_records, codes_at, train};
use pogo_prover::{commit, data};

const STEPS: u32 = 6;

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn round(digits: &data::Split, trace: TraceMode) -> Round {
    let spec = Spec {
        name: "audit".into(),
        layers: vec![64, 70, 10],
        batch: 128,
        steps: STEPS,
        checkpoint_every: 1,
        learning_rate: 3 << 12,
        schedule: Schedule::Linear,
        warmup: 0,
        seed: 7,
        trace,
        data_root: scalar_bytes(&commit::data_root(&digits.train)),
    };
    let context = Context { chain_id: 31_337, contract: [9; 20], task: [8; 32], round: 0, miner: [7; 20] };
    Round::new(spec, context, Shape::MINIMAL).expect("the model fits")
}

/// A trained round, its traced step 3 and what was published of it.
fn with_step(name: &str, run: impl FnOnce(&Job<'_>, &Stepper<'_>, &Store, Vec<StepRecord>, Vec<Vec<i8>>, Traced)) {
    let digits = data::digits();
    let round = round(&digits, TraceMode::None);
    let folder = Folder(std::env::temp_dir().join(format!("pogo-audit-{name}-{}", std::process::id())));
    let store = Store::open(&folder.0).unwrap();
    let job = Job { round: &round, data: &digits.train, device: &Device::Cpu };
    let trained = train(&store, &job, |_| {}).unwrap();
    let mut stepper = Stepper::new(&job, trained.records[0].state_root).unwrap();
    let traced = traced(&mut stepper, &store, &trained.records, 3).unwrap();
    let mut log = Log::open(&store.path("updates.log"), None).unwrap();
    let codes = codes_at(&store, &round.spec, &mut log, 3).unwrap();
    run(&job, &stepper, &store, trained.records, codes, traced);
}

#[test]
fn an_exact_step_has_no_findings_and_reads_back() {
    with_step("exact", |job, stepper, store, records, codes, traced| {
        assert_eq!(audit(job, stepper, &records, &codes, &traced, [1; 32]).unwrap(), []);
        let bytes = traced.encode();
        assert_eq!(Traced::decode(&job.round.spec, &bytes), Ok(traced));
        assert!(Traced::decode(&job.round.spec, &bytes[..bytes.len() - 1]).is_err());
        assert!(Traced::decode(&job.round.spec, &[&bytes[..], &[0]].concat()).is_err());
        let other = Spec { batch: 64, ..job.round.spec.clone() };
        assert_eq!(Traced::decode(&other, &bytes), Err(CodecError::Value { field: "sums" }));
        // The first step of a task has no exponents before it.
        let mut stepper = Stepper::new(job, records[0].state_root).unwrap();
        let first = pogo_prover::audit::traced(&mut stepper, store, &records, 0).unwrap();
        let mut log = Log::open(&store.path("updates.log"), None).unwrap();
        let codes = codes_at(store, &job.round.spec, &mut log, 0).unwrap();
        assert_eq!(audit(job, &stepper, &records, &codes, &first, [2; 32]).unwrap(), []);
    });
}

#[test]
fn a_false_element_of_every_product_is_named_with_its_tile() {
    with_step("product", |job, stepper, _, records, codes, traced| {
        type Edit = (&'static str, usize, fn(&mut Traced) -> &mut i32, usize, usize);
        let edits: [Edit; 4] = [
            ("sums", 0, |traced| &mut traced.sums[0][70 * 100 + 66], 100, 66),
            ("sums", 1, |traced| &mut traced.sums[1][10 * 5 + 9], 5, 9),
            ("gradient", 1, |traced| &mut traced.gradients[1][70 * 9 + 65], 9, 65),
            ("errors below", 1, |traced| &mut traced.below[0][70 * 127 + 1], 127, 1),
        ];
        for (name, at, edit, row, column) in edits {
            let mut lie = traced.clone();
            let word = edit(&mut lie);
            let right = *word;
            *word ^= 1;
            let got = *word;
            let finding = Finding::Product { step: 3, operation: name, tensor: at, row, column, expected: right, got };
            assert_eq!(audit(job, stepper, &records, &codes, &lie, [3; 32]).unwrap(), std::slice::from_ref(&finding));
            let tile = format!("tile ({}, {})", row / 64, column / 64);
            assert!(finding.to_string().contains(&tile), "{finding}");
        }
    });
}

#[test]
fn a_published_code_that_the_gradient_does_not_give_is_named() {
    with_step("codes", |job, stepper, _, records, mut codes, traced| {
        codes[0][64 * 3 + 5] = if codes[0][64 * 3 + 5] == 7 { 6 } else { 7 };
        let found = audit(job, stepper, &records, &codes, &traced, [4; 32]).unwrap();
        assert!(
            matches!(found[..], [Finding::Code { step: 3, tensor: 0, leaf: 3, index: 5, got: 6 | 7, .. }]),
            "{found:?}"
        );
    });
}

#[test]
fn every_field_of_a_record_and_the_state_before_are_held() {
    with_step("record", |job, stepper, _, records, codes, traced| {
        type Edit = (&'static str, fn(&mut StepRecord));
        let fields: [Edit; 7] = [
            ("index", |record| record.index += 1),
            ("trace root", |record| record.trace_root = ark_bn254::Fr::from(77u64)),
            ("loss", |record| record.loss += 1),
            ("exponents", |record| record.exponents.as_mut().unwrap().errors[0] += 1),
            ("next exponents", |record| record.next_exponents.as_mut().unwrap().weights[1] -= 1),
            ("update root", |record| record.update_root += ark_bn254::Fr::from(1u64)),
            ("state root", |record| record.state_root += ark_bn254::Fr::from(1u64)),
        ];
        for (name, edit) in fields {
            let mut lie = records.clone();
            edit(&mut lie[4]);
            let found = audit(job, stepper, &lie, &codes, &traced, [5; 32]).unwrap();
            assert!(matches!(&found[..], [Finding::Record { record: 4, field, .. }] if *field == name), "{found:?}");
        }
        let found = audit(job, stepper, &records[..4], &codes, &traced, [5; 32]);
        assert_eq!(found.unwrap_err().to_string(), "step: expected less than 6, got 3");
        let mut state = traced.clone();
        state.state.momenta[0][0] += 1 << 20;
        let found = audit(job, stepper, &records, &codes, &state, [6; 32]).unwrap();
        assert!(matches!(found[0], Finding::Record { record: 3, field: "state root", .. }), "{found:?}");
    });
}

#[test]
fn exponents_of_record_0_are_nobodys_choice() {
    with_step("record 0", |job, stepper, store, records, _, later| {
        let mut log = Log::open(&store.path("updates.log"), None).unwrap();
        let codes = codes_at(store, &job.round.spec, &mut log, 0).unwrap();
        // A miner that starts with exponents of its own makes all of the first step with them.
        let mut state = State::initial(&job.round.spec);
        state.exponents = later.state.exponents.clone();
        let trace = stepper.trace(&state, 0);
        let traced = Traced::new(0, state, &trace);
        let mut lie = records.clone();
        lie[0].next_exponents = traced.state.exponents.clone();
        let found = audit(job, stepper, &lie, &codes, &traced, [9; 32]).unwrap();
        assert!(matches!(found[0], Finding::Record { record: 0, field: "next exponents", .. }), "{found:?}");
    });
}

#[test]
fn traces_of_every_step_are_resumed_and_replayed() {
    let digits = data::digits();
    let round = round(&digits, TraceMode::Every);
    let folder = Folder(std::env::temp_dir().join(format!("pogo-audit-every-{}", std::process::id())));
    let store = Store::open(&folder.0).unwrap();
    let job = Job { round: &round, data: &digits.train, device: &Device::Cpu };
    let trained = train(&store, &job, |_| {}).unwrap();
    let roots: Vec<_> = trained.records.iter().map(|record| record.trace_root).collect();
    assert_eq!(roots[0], ark_bn254::Fr::default());
    assert!(roots[1..].iter().all(|root| *root != ark_bn254::Fr::default()));
    // Cut in the middle of an entry: the pass goes on and ends in the same roots.
    let log = store.path("traces.log");
    let whole = std::fs::read(&log).unwrap();
    std::fs::write(&log, &whole[..whole.len() / 2]).unwrap();
    assert!(all_records(&store, &job).is_err());
    assert_eq!(train(&store, &job, |_| {}).unwrap().records, trained.records);
    assert_eq!(std::fs::read(&log).unwrap(), whole);
    // A machine that lost its power may leave zeros behind.
    std::fs::write(&log, [&whole[..whole.len() / 3], &[0; 24]].concat()).unwrap();
    assert_eq!(train(&store, &job, |_| {}).unwrap().records, trained.records);
    assert_eq!(std::fs::read(&log).unwrap(), whole);

    let commitment = commit::commit(&round, &trained.records, &trained.state, &Device::Cpu).unwrap();
    let compare = |records: &[StepRecord]| replay(&store, &job, records, &commitment, 0..STEPS, |_| {}).unwrap();
    assert_eq!(compare(&trained.records), []);
    let mut lie = trained.records.clone();
    lie[2].trace_root = lie[3].trace_root;
    let found = compare(&lie);
    assert!(found.contains(&Difference::Record { record: 2, field: "trace root" }), "{found:?}");
}

/// Makes a step as it is written, but for one product, which it makes up.
struct Liar<'a> {
    traced: Traced,
    tensors: Vec<Tensor>,
    rows: usize,
    lie: &'a dyn Fn(&str, usize, &mut Vec<i32>),
}

impl Liar<'_> {
    fn told(&self, name: &str, l: usize, mut product: Vec<i32>) -> Vec<i32> {
        (self.lie)(name, l, &mut product);
        product
    }
}

fn product(rows: usize, cols: usize, inner: usize, term: impl Fn(usize, usize, usize) -> i32) -> Vec<i32> {
    let element = |i, j| (0..inner).map(|k| term(i, j, k)).sum();
    (0..rows).flat_map(|i| (0..cols).map(move |j| (i, j))).map(|(i, j)| element(i, j)).collect()
}

impl Products for Liar<'_> {
    type Error = Infallible;

    fn sums(&mut self, l: usize, inputs: &Bytes, weights: &Bytes) -> Result<Vec<i32>, Infallible> {
        let Tensor { rows: n, cols: k } = self.tensors[l];
        let stride = self.tensors[l].padded_cols();
        let term = |b, n, i| i32::from(inputs.values[b * k + i]) * i32::from(weights.values[n * stride + i]);
        self.traced.sums[l] = self.told("sums", l, product(self.rows, n, k, term));
        Ok(self.traced.sums[l].clone())
    }

    fn gradient(&mut self, l: usize, errors: &Bytes, inputs: &Bytes) -> Result<Vec<i32>, Infallible> {
        let Tensor { rows: n, cols: k } = self.tensors[l];
        let term = |row, column, b| i32::from(errors.values[b * n + row]) * i32::from(inputs.values[b * k + column]);
        self.traced.gradients[l] = self.told("gradient", l, product(n, k, self.rows, term));
        Ok(self.traced.gradients[l].clone())
    }

    fn below(&mut self, l: usize, errors: &Bytes, weights: &Bytes) -> Result<Vec<i32>, Infallible> {
        let Tensor { rows: n, cols: k } = self.tensors[l];
        let stride = self.tensors[l].padded_cols();
        let term = |b, column, i| i32::from(errors.values[b * n + i]) * i32::from(weights.values[i * stride + column]);
        self.traced.below[l - 1] = self.told("errors below", l, product(self.rows, k, n, term));
        Ok(self.traced.below[l - 1].clone())
    }
}

/// Step 3 by a miner who lies in one place and goes on from there consistently: what it publishes,
/// its codes, and the records with the step that it claims.
fn lied(
    job: &Job<'_>,
    stepper: &Stepper<'_>,
    records: &[StepRecord],
    traced: &Traced,
    batch: &Batch,
    lie: &dyn Fn(&str, usize, &mut Vec<i32>),
) -> (Traced, Vec<Vec<i8>>, Vec<StepRecord>) {
    let (spec, mut state) = (&job.round.spec, traced.state.clone());
    let mut liar = Liar { traced: traced.clone(), tensors: spec.tensors(), rows: batch.rows(), lie };
    let Ok(gradients) = step::gradients_by(&mut liar, spec, &state, batch, 0, 3, stepper.dither_seed());
    let result = step::apply(spec, &mut state, gradients, 3);
    let roots = commit::step_roots(&job.round.layout, &state, &result.codes).unwrap();
    let mut records = records.to_vec();
    let record = &mut records[4];
    (record.state_root, record.update_root, record.loss) = (roots.state, roots.update, result.loss);
    record.exponents = Some(result.exponents_used);
    record.next_exponents = Some(result.exponents_next);
    (liar.traced, result.codes, records)
}

#[test]
fn fabricated_activations_errors_and_gradients_are_found_however_consistent_the_rest_is() {
    with_step("lies", |job, stepper, _, records, codes, traced| {
        let batch = stepper.batch(3);
        // Without a lie the liar makes the step.
        let honest = lied(job, stepper, &records, &traced, &batch, &|_, _, _| {});
        assert_eq!(honest, (traced.clone(), codes.clone(), records.clone()));
        for (name, l) in [("sums", 0), ("sums", 1), ("errors below", 1), ("gradient", 0), ("gradient", 1)] {
            // One element and a whole product.
            for count in [1, usize::MAX] {
                let lie = |at: &str, tensor: usize, product: &mut Vec<i32>| {
                    if (at, tensor) == (name, l) {
                        product.iter_mut().take(count).for_each(|word| *word = *word / 2 + 1_000);
                    }
                };
                let (published, codes, records) = lied(job, stepper, &records, &traced, &batch, &lie);
                let found = audit(job, stepper, &records, &codes, &published, [7; 32]).unwrap();
                let named = |finding: &&Finding| matches!(finding, Finding::Product { operation, tensor, .. } if (*operation, *tensor) == (name, l));
                let products = found.iter().filter(named).count();
                assert!(products >= 1 && (count > 1 || products == 1), "{name} of {l}: {products}");
                // With the true products published instead, the record contradicts them.
                let found = audit(job, stepper, &records, &codes, &traced, [7; 32]).unwrap();
                assert_eq!(found.is_empty(), records == honest.2, "{name} of {l}");
            }
        }
    });
}

#[test]
fn another_batch_is_found() {
    with_step("batch", |job, stepper, _, records, _, traced| {
        let (published, codes, records) = lied(job, stepper, &records, &traced, &stepper.batch(5), &|_, _, _| {});
        let found = audit(job, stepper, &records, &codes, &published, [8; 32]).unwrap();
        let sums = |finding: &Finding| matches!(finding, Finding::Product { operation: "sums", tensor: 0, .. });
        assert!(found.iter().any(sums));
        assert!(found.iter().any(|finding| matches!(finding, Finding::Record { record: 4, field: "loss", .. })));
    });
}
