//! Attacks on a round, each by the id of the book's security chapter: what the attacker does, and
//! what stops it.

use std::path::PathBuf;

use ark_bn254::Fr;
use pogo_circuits::round::Shape;
use pogo_protocol::challenge::{self, UpdateSample};
use pogo_protocol::codec::{scalar, scalar_bytes};
use pogo_protocol::commitment::Commitment;
use pogo_protocol::fixed::LEAF;
use pogo_protocol::leaf::{self, tag};
use pogo_protocol::merkle::{Tree, hash_pairs, node, root_of};
use pogo_protocol::model::{Schedule, Spec, State, TraceMode};
use pogo_protocol::opening::{Openings, Violation};
use pogo_protocol::record::StepRecord;
use pogo_protocol::statement::{Context, Part, Statement};
use pogo_prover::checkpoint::{decode_state, encode_codes};
use pogo_prover::device::Device;
use pogo_prover::error::Error;
use pogo_prover::replay::{Difference, replay};
use pogo_prover::round::Round;
use pogo_prover::store::{Log, Store};
use pogo_prover::train::{Job, Stepper, Trace, initial_record, train};
use pogo_prover::{commit, data, open};
use proptest::prelude::*;

const STEPS: u32 = 12;

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pogo-attack-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn round(digits: &data::Split) -> Round {
    let root = commit::data_root(&digits.train);
    let spec = Spec {
        name: "attack".into(),
        layers: vec![64, 16, 10],
        batch: 32,
        steps: STEPS,
        checkpoint_every: 1,
        learning_rate: 3 << 12,
        schedule: Schedule::Linear,
        warmup: 0,
        seed: 7,
        trace: TraceMode::Challenged,
        data_root: scalar_bytes(&root),
    };
    let context = Context { chain_id: 31_337, contract: [9; 20], task: [8; 32], round: 0, miner: [7; 20] };
    Round::new(spec, context, Shape::MINIMAL).expect("the model fits")
}

/// A miner that may do `edit` to the state after each step, and commits to all of it.
fn mine(store: &Store, job: &Job<'_>, mut edit: impl FnMut(u32, &mut State)) -> (Trace, Commitment) {
    let mut state = State::initial(&job.round.spec);
    let mut records = vec![initial_record(&job.round.layout, &state).unwrap()];
    let mut stepper = Stepper::new(job, records[0].state_root).unwrap();
    let mut updates = Log::open(&store.path("updates.log"), None).unwrap();
    for t in 0..job.round.spec.steps {
        stepper.load(&state).unwrap();
        let (mut record, result) = stepper.record(t..t + 1).unwrap().remove(0);
        state = stepper.state().unwrap();
        edit(t, &mut state);
        let tree = commit::state_tree(&job.round.layout, &state).unwrap();
        record.state_root = job.round.layout.root(tag::STATE_ROOT, tree.root());
        updates.append(&encode_codes(&result.codes)).unwrap();
        records.push(record);
    }
    let commitment = commit::commit(job.round, &records, &state, &Device::Cpu).unwrap();
    (Trace { records, state }, commitment)
}

fn all_steps(store: &Store, job: &Job<'_>, trace: &Trace, commitment: &Commitment) -> Vec<Difference> {
    replay(store, job, &trace.records, commitment, 0..STEPS, |_| {}).unwrap()
}

/// Openings of one sample by a miner that keeps every state it committed to.
fn open_sample(
    job: &Job<'_>,
    states: &[State],
    codes: &[Vec<Vec<i8>>],
    trace: &Trace,
    sample: UpdateSample,
) -> pogo_protocol::opening::UpdateOpening {
    let layout = &job.round.layout;
    let place = layout.place(sample.leaf);
    let t = sample.step as usize;
    let records = commit::records_tree(job.round.shape.steps_depth, &trace.records);
    let record = |index: usize| pogo_protocol::opening::RecordOpening {
        update_root: trace.records[index].update_root,
        rest: trace.records[index].rest(),
        path: records.path(index),
    };
    let of = |tensors: &[Vec<i32>]| *commit::leaf_of(&tensors[place.tensor], place.index_in_tensor);
    let path = |tree: Tree| tree.path(place.position);
    pogo_protocol::opening::UpdateOpening {
        slot: pogo_protocol::opening::Slot { position: place.position, padding: LEAF - place.valid },
        step: sample.step,
        learning_rate: job.round.spec.learning_rate(sample.step),
        weights_before: of(&states[t].weights),
        momenta_hash_before: commit::momenta_hash(layout, &states[t], sample.leaf).unwrap(),
        path_before: path(commit::state_tree(layout, &states[t]).unwrap()),
        record_before: record(t),
        weights_after: of(&states[t + 1].weights),
        momenta_after: of(&states[t + 1].momenta),
        scale_after: states[t + 1].scales[place.tensor][place.index_in_tensor],
        path_after: path(commit::state_tree(layout, &states[t + 1]).unwrap()),
        codes: *commit::leaf_of(&codes[t][place.tensor], place.index_in_tensor),
        path_update: path(commit::update_tree(layout, &codes[t]).unwrap()),
        record_after: record(t + 1),
    }
}

#[test]
fn d1_states_interpolated_to_a_stolen_model_break_the_update_relation_in_every_leaf() {
    let digits = data::digits();
    let round = round(&digits);
    let job = Job { round: &round, data: &digits.train, device: &Device::Cpu };
    let folder = Folder::new("d1");
    let store = Store::open(&folder.0).unwrap();
    let stolen = State::initial(&Spec { seed: 99, ..round.spec.clone() });
    let start = State::initial(&round.spec);
    let mut states = vec![start.clone()];
    let mut stepper = Stepper::new(&job, initial_record(&round.layout, &start).unwrap().state_root).unwrap();
    let codes: Vec<_> = stepper.run(0..STEPS).unwrap().into_iter().map(|result| result.codes).collect();
    let (trace, commitment) = mine(&store, &job, |t, state| {
        for (tensor, (from, to)) in state.weights.iter_mut().zip(start.weights.iter().zip(&stolen.weights)) {
            for (w, (from, to)) in tensor.iter_mut().zip(from.iter().zip(to)) {
                *w = from + ((i64::from(to - from) * i64::from(t + 1)) / i64::from(STEPS)) as i32;
            }
        }
        states.push(state.clone());
    });
    let roots = open::roots(&round.layout, &commitment);
    for leaf in 0..round.layout.leaf_count() {
        let opening = open_sample(&job, &states, &codes, &trace, UpdateSample { step: 3, leaf });
        // Codes of the honest run are not those of this one, or they do not move the weights there.
        assert!(opening.check(&roots).is_err(), "leaf {leaf}");
    }
    assert!(!all_steps(&store, &job, &trace, &commitment).is_empty());
    // The learning rate is no way out: it is the spec's, at least 1 and never the miner's.
    assert!((0..STEPS).all(|t| round.spec.learning_rate(t) >= 1));
    let idle = Spec { learning_rate: 0, ..round.spec.clone() };
    assert!(idle.validate().is_err());
}

#[test]
fn d6_states_made_after_the_challenge_are_not_in_the_committed_roots() {
    let digits = data::digits();
    let round = round(&digits);
    let job = Job { round: &round, data: &digits.train, device: &Device::Cpu };
    let folder = Folder::new("d6");
    let store = Store::open(&folder.0).unwrap();
    let trace = train(&store, &job, |_| {}).unwrap();
    // The miner committed to records whose states it never had, and now that it knows the samples
    // it has honest ones for them.
    let mut made_up = trace.clone();
    made_up.records[5].state_root += Fr::from(1u64);
    made_up.records[6].update_root += Fr::from(1u64);
    let commitment = commit::commit(&round, &made_up.records, &made_up.state, &Device::Cpu).unwrap();
    for step in [4, 5] {
        let updates = vec![UpdateSample { step, leaf: 2 }; 8];
        let parts = [Part { updates, quantizes: (0..8).collect() }];
        let error = open::open(&store, &job, &made_up, &commitment, &parts).unwrap_err();
        let outside = matches!(error, Error::Diverged { .. })
            || matches!(error, Error::Opening { violation: Violation::Path { root: "steps", .. }, .. });
        assert!(outside, "{error}");
    }
}

#[test]
fn d8_one_edited_leaf_escapes_sampling_and_not_replay() {
    let digits = data::digits();
    let round = round(&digits);
    let job = Job { round: &round, data: &digits.train, device: &Device::Cpu };
    let folder = Folder::new("d8");
    let store = Store::open(&folder.0).unwrap();
    let (bad_step, bad_leaf) = (6, 11);
    let place = round.layout.place(bad_leaf);
    let (trace, commitment) = mine(&store, &job, |t, state| {
        if t == bad_step {
            state.weights[place.tensor][place.index_in_tensor * LEAF] += 1;
        }
    });

    // Sampling: the rate at which the one bad cell is drawn is the formula's, and small.
    let cells = u64::from(STEPS) * round.layout.leaf_count() as u64;
    let (rounds, samples) = (4000u32, 8);
    let hits = (0..rounds)
        .filter(|beacon| {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&beacon.to_be_bytes());
            let drawn = challenge::draw(bytes, commitment.hash(), STEPS, round.layout.leaf_count(), samples);
            drawn.updates.contains(&UpdateSample { step: bad_step, leaf: bad_leaf })
        })
        .count();
    // Without replacement: S / N. Six standard deviations of the binomial count.
    let expected = f64::from(rounds) * samples as f64 / cells as f64;
    let deviation = (hits as f64 - expected).abs();
    assert!(deviation < 6.0 * expected.sqrt(), "{hits} hits, {expected} expected");
    assert!(hits < rounds as usize / 10, "sampling hardly sees one bad cell");

    // Replay names the record; the edit leaves all later records consistent with each other.
    let differences = all_steps(&store, &job, &trace, &commitment);
    let first = differences.first().expect("replay finds it");
    let expected = Difference::Record { record: bad_step + 1, field: "state root" };
    assert_eq!(*first, expected);
}

#[test]
fn d8_an_edited_code_is_named_by_step_and_leaf() {
    let digits = data::digits();
    let round = round(&digits);
    let job = Job { round: &round, data: &digits.train, device: &Device::Cpu };
    let folder = Folder::new("d8-code");
    let store = Store::open(&folder.0).unwrap();
    let trace = train(&store, &job, |_| {}).unwrap();
    let commitment = commit::commit(&round, &trace.records, &trace.state, &Device::Cpu).unwrap();
    assert_eq!(all_steps(&store, &job, &trace, &commitment), []);

    let path = store.path("updates.log");
    let mut bytes = std::fs::read(&path).unwrap();
    let entry = bytes.len() / STEPS as usize;
    let (step, leaf, index) = (9, 20, 33);
    let byte = step * entry + 4 + leaf * LEAF / 2 + index / 2;
    bytes[byte] = (bytes[byte] & 15) | (((bytes[byte] >> 4) + 1) % 15) << 4;
    std::fs::write(&path, bytes).unwrap();
    let differences = all_steps(&store, &job, &trace, &commitment);
    let found = |difference: &Difference| matches!(difference, Difference::Code { step: 9, leaf: 20, index: 33, .. });
    assert_eq!(differences.len(), 1);
    assert!(found(&differences[0]), "{}", differences[0]);
}

#[test]
fn replay_names_a_commitment_of_another_4_bit_model() {
    let digits = data::digits();
    let round = round(&digits);
    let job = Job { round: &round, data: &digits.train, device: &Device::Cpu };
    let folder = Folder::new("quantized");
    let store = Store::open(&folder.0).unwrap();
    let trace = train(&store, &job, |_| {}).unwrap();
    let mut commitment = commit::commit(&round, &trace.records, &trace.state, &Device::Cpu).unwrap();
    commitment.quantized_exponents[1] += 1;
    let expected = Difference::Commitment { field: "quantized exponents" };
    assert_eq!(all_steps(&store, &job, &trace, &commitment), [expected]);
}

#[test]
fn d10_a_commitment_has_no_free_byte() {
    let digits = data::digits();
    let round = round(&digits);
    let job = Job { round: &round, data: &digits.train, device: &Device::Cpu };
    let mut encodings = Vec::new();
    for name in ["d10-a", "d10-b"] {
        let folder = Folder::new(name);
        let store = Store::open(&folder.0).unwrap();
        let trace = train(&store, &job, |_| {}).unwrap();
        encodings.push(commit::commit(&round, &trace.records, &trace.state, &Device::Cpu).unwrap().encode());
    }
    // No time stamp, no salt: the same work gives the same bytes.
    assert_eq!(encodings[0], encodings[1]);
    let bytes = &encodings[0];
    let commitment = Commitment::decode(bytes).unwrap();
    // One encoding only, and every byte of it is bound by the hash.
    for (i, bit) in (0..bytes.len()).flat_map(|i| [0, 7].map(|bit| (i, bit))) {
        let mut other = bytes.clone();
        other[i] ^= 1 << bit;
        if let Ok(other) = Commitment::decode(&other) {
            assert_ne!(other.hash(), commitment.hash(), "byte {i}, bit {bit}");
        }
    }
    assert!(Commitment::decode(&[&bytes[..], &[0]].concat()).is_err());
    assert!(Commitment::decode(&bytes[..bytes.len() - 1]).is_err());
    // A field element has one encoding: value + modulus is refused.
    let modulus = -Fr::from(1u64);
    let mut above = scalar_bytes(&modulus);
    above[31] += 1;
    assert_eq!(scalar(&above), None);
}

#[test]
fn d16_no_node_passes_for_a_leaf_no_leaf_is_doubled_and_no_index_has_an_alias() {
    let words = [1; LEAF];
    let half = leaf::weights_hash(&words).unwrap();
    let state = leaf::state_leaf(half, half);
    // A node, a pair, a record, a state leaf over the same two elements are all different.
    let tags = [tag::NODE, tag::STATE, tag::UPDATE, tag::QUANTIZED, tag::PAIR, tag::RECORD, tag::STATE_ROOT];
    let hashes = tags.map(|tag| pogo_protocol::poseidon::hash(Fr::from(tag), half, half));
    for (i, a) in hashes.iter().enumerate() {
        assert!(hashes[i + 1..].iter().all(|b| a != b));
    }
    // Three leaves are not four with the last one doubled, nor with a zero leaf added as a leaf count.
    let tree = |leaves: &[Fr]| Tree::new(3, leaves.to_vec(), hash_pairs);
    let (a, b) = (state, half);
    assert_ne!(tree(&[a, b, b]).root(), tree(&[a, b, b, b]).root());
    // The same tree under another count or layout has another root.
    let steps = pogo_protocol::record::steps_root;
    assert_ne!(steps(tree(&[a, b]).root(), 2), steps(tree(&[a, b]).root(), 3));
    let layouts = [vec![(3, 64), (2, 64)], vec![(5, 64)], vec![(3, 63), (2, 64)]];
    let layouts = layouts.map(|shapes| pogo_protocol::merkle::Layout::new(4, shapes).unwrap().element());
    assert!(layouts[0] != layouts[1] && layouts[0] != layouts[2] && layouts[1] != layouts[2]);
    // Inner nodes as leaves of a shallower tree give a path of another length.
    let deep = tree(&[a, b, a, b]);
    let inner = node(a, b);
    assert_eq!(root_of(inner, 0, &deep.path(0)[1..]), deep.root());
    assert_ne!(root_of(inner, 0, &deep.path(0)), deep.root());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn d18_hostile_bytes_are_errors(magic in 0usize..7, bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let magics: [&[u8]; 7] = [b"", b"pogo/cmt\0\x01", b"pogo/stm\0\x01", b"pogo/rec\0\x01", b"pogo/opn\0\x01", b"pogo/sta\0\x01", b"pogo/prf\0\x01"];
        let bytes = [magics[magic], &bytes].concat();
        let digits_spec = Spec {
            name: "hostile".into(), layers: vec![3, 2], batch: 1, steps: 1, checkpoint_every: 1,
            learning_rate: 1, schedule: Schedule::Constant, warmup: 0, seed: 0, trace: TraceMode::Challenged,
            data_root: [0; 32],
        };
        // Whatever is read is read to the last byte and writes back to the same bytes.
        if let Ok(commitment) = Commitment::decode(&bytes) { prop_assert_eq!(commitment.encode(), bytes.clone()); }
        if let Ok(statement) = Statement::decode(&bytes) { prop_assert_eq!(statement.encode(), bytes.clone()); }
        if let Ok(record) = StepRecord::decode(&bytes) { prop_assert_eq!(record.encode(), bytes.clone()); }
        if let Ok(openings) = Openings::decode(&bytes) { prop_assert_eq!(openings.encode(), bytes.clone()); }
        if let Ok(spec) = Spec::decode(&bytes) { prop_assert_eq!(spec.encode(), bytes.clone()); }
        let _ = decode_state(&digits_spec, &bytes);
        let _ = pogo_verifier::verify(pogo_verifier::Setup::Development, &bytes, &bytes);
    }
}

#[test]
fn d18_a_length_bomb_is_refused_before_it_allocates() {
    // Counts of 2^32 - 1 in every place that has one.
    let mut commitment = b"pogo/cmt\0\x01".to_vec();
    commitment.extend([0; 32 * 6 + 4]);
    commitment.extend([255; 4]);
    assert!(Commitment::decode(&commitment).is_err());
    let mut record = b"pogo/rec\0\x01".to_vec();
    record.extend([0; 4 + 32 * 3 + 8]);
    record.extend([255; 4]);
    assert!(StepRecord::decode(&record).is_err());
    let mut openings = b"pogo/opn\0\x01".to_vec();
    openings.extend([0; 64]);
    openings.extend([255; 4]);
    assert!(Openings::decode(&openings).is_err());
    let folder = Folder::new("d18");
    std::fs::create_dir_all(&folder.0).unwrap();
    let path = folder.0.join("updates.log");
    std::fs::write(&path, [255; 64]).unwrap();
    assert!(Log::open(&path, None).unwrap().is_empty());
}
