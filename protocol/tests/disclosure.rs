//! Trace mode `challenged`: which segments a beacon draws, which cells another draws of them, and the chain
//! of roots that discloses them.

use std::collections::{BTreeMap, BTreeSet};

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};
use pogo_protocol::cell::disclosure::{Disclosed, DisclosureOpening, DisclosureSample};
use pogo_protocol::cell::{Cell, CellSpace, Kind, Record};
use pogo_protocol::challenge::draw_cells;
use pogo_protocol::codec::CodecError;
use pogo_protocol::commitment::Commitment;
use pogo_protocol::disclosure::{self, Disclosure, Segments};
use pogo_protocol::merkle::{Layout, Tree, hash_pairs};
use pogo_protocol::model::{Exponents, Schedule, Spec, TraceMode};
use pogo_protocol::opening::{Roots, Violation};
use pogo_protocol::record::{StepRecord, steps_root};
use pogo_protocol::statement::{CircuitKind, Circuits, Context, NoStatement, PublicRound};
use pogo_protocol::stream::keccak;
use pogo_protocol::trace::TraceLayout;

const COMMITMENT: [u8; 32] = [7; 32];
const SAMPLES: usize = 8;

/// A net of 8 leaves; segments of 2 steps.
fn spec(segments: u32) -> Spec {
    Spec {
        name: "disclosure".into(),
        layers: vec![100, 3, 2],
        batch: 64,
        steps: 2 * segments,
        checkpoint_every: 2,
        learning_rate: 1,
        schedule: Schedule::Constant,
        warmup: 0,
        seed: 0,
        trace: TraceMode::Challenged,
        data_root: [0; 32],
    }
}

struct Places(Layout, TraceLayout);

fn places(spec: &Spec) -> Places {
    let shapes = spec.tensors().into_iter().map(|tensor| (tensor.rows, tensor.cols));
    Places(Layout::new(6, shapes).unwrap(), TraceLayout::new(14, spec).unwrap())
}

impl Places {
    fn space<'a>(&'a self, spec: &'a Spec) -> CellSpace<'a> {
        CellSpace::new(spec, &self.0, &self.1, true)
    }
}

fn beacon(number: u32) -> [u8; 32] {
    keccak(&[&number.to_be_bytes()])
}

/// Whether a count is what so many draws of this chance give, up to six standard deviations.
fn is_fair(count: u32, draws: u32, chance: f64) -> bool {
    let (mean, variance) = (f64::from(draws) * chance, f64::from(draws) * chance * (1.0 - chance));
    (f64::from(count) - mean).abs() < 6.0 * variance.sqrt()
}

#[test]
fn a_disclosure_reads_back_from_its_bytes_and_from_no_others() {
    let disclosure = Disclosure { beacon: [3; 32], roots: vec![Fr::from(5), Fr::from(6)] };
    let bytes = disclosure.encode();
    assert_eq!(Disclosure::decode(&bytes), Ok(disclosure));
    for len in 0..bytes.len() {
        assert!(Disclosure::decode(&bytes[..len]).is_err(), "{len} bytes");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(Disclosure::decode(&longer), Err(CodecError::TooLong { left: 1 }));
    // The count stands after magic, version and beacon.
    let mut many = bytes.clone();
    many[42..46].copy_from_slice(&[0xff; 4]);
    assert_eq!(Disclosure::decode(&many), Err(CodecError::TooShort { field: "roots", needed: 32, left: 0 }));
    let mut beyond = bytes;
    beyond[46..78].copy_from_slice(&[0xff; 32]);
    assert_eq!(Disclosure::decode(&beyond), Err(CodecError::Value { field: "roots" }));
}

#[test]
fn a_beacon_draws_distinct_segments_each_as_often_as_another_and_all_where_there_are_few() {
    let (spec, draws) = (spec(20), 2000);
    let mut counts = BTreeMap::new();
    for number in 0..draws {
        let drawn = disclosure::draw(&spec, beacon(number), COMMITMENT, SAMPLES);
        assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), SAMPLES);
        drawn.into_iter().for_each(|segment| *counts.entry(segment).or_insert(0) += 1);
    }
    assert!(counts.keys().copied().eq(0..20));
    assert!(counts.values().all(|&count| is_fair(count, draws, 8.0 / 20.0)), "{counts:?}");
    for samples in [20, 24] {
        assert!(disclosure::draw(&spec, beacon(0), COMMITMENT, samples).into_iter().eq(0..20));
    }
    assert_ne!(
        disclosure::draw(&spec, beacon(0), [8; 32], SAMPLES),
        disclosure::draw(&spec, beacon(0), COMMITMENT, SAMPLES)
    );
}

#[test]
fn segments_share_out_the_records_and_eight_of_them_are_one_proof() {
    for every in [1, 2, 3, 4, 12] {
        let spec = Spec { steps: 12, checkpoint_every: every, ..spec(1) };
        let segments: Vec<u32> = (0..disclosure::count(&spec)).collect();
        let records = segments.iter().flat_map(|&segment| disclosure::records(&spec, segment));
        assert!(records.eq(1..=12), "each record but that of the first state is of one segment");
        let proofs = disclosure::proofs(&spec, &segments);
        assert_eq!(proofs.iter().map(Vec::len).collect::<Vec<_>>(), [8, 4]);
        for (record, number) in proofs.iter().flatten().zip(1..) {
            assert_eq!(*record, Disclosed { index: number, committed: number % every == 0 });
        }
    }
    let order = disclosure::proofs(&spec(20), &[5, 2]);
    let index = |proof: &Vec<Disclosed>| proof.iter().map(|record| record.index).collect::<Vec<_>>();
    assert_eq!(order.iter().map(index).collect::<Vec<_>>(), [[11, 12, 5, 6]]);
}

#[test]
fn one_cell_of_each_kind_is_drawn_in_every_stratum_of_the_drawn_segments_and_none_elsewhere() {
    let spec = spec(20);
    let places = places(&spec);
    for number in 0..20 {
        let drawn = disclosure::draw(&spec, beacon(number), COMMITMENT, SAMPLES);
        let mut segments = Segments::new(&spec, drawn.clone(), Fr::ZERO);
        let other = (0..20).find(|segment| !drawn.contains(segment)).unwrap();
        let before = draw_all(&places.space(&spec).of_segments(&segments), number);
        for (kind, cells) in &before {
            let space = places.space(&spec).of_segments(&segments);
            assert!(cells.iter().all(|&cell| space.place(cell).is_some()), "{kind:?}");
            if kind.is_of_step() && space.count(*kind) > 0 {
                assert!(is_one_of_each(*kind, cells, &drawn), "{kind:?}");
            }
            assert_eq!(space.place(Cell::new(*kind, 2 * other, 0)).is_some(), !kind.is_of_step() && other == 0);
        }
        // What a dispute asks for can be named, and is not drawn.
        segments.later.push(other);
        let space = places.space(&spec).of_segments(&segments);
        assert_eq!(draw_all(&space, number), before);
        assert!(space.place(Cell::new(Kind::Link, 2 * other + 1, 0)).is_some());
    }
}

/// Whether there is one cell of each of these segments of two steps; of each of their steps where a false
/// step could lead anywhere.
fn is_one_of_each(kind: Kind, cells: &[Cell], drawn: &[u32]) -> bool {
    let steps = cells.iter().map(|cell| cell.step);
    match kind {
        Kind::Update | Kind::Momentum => steps.eq(drawn.iter().flat_map(|segment| [2 * segment, 2 * segment + 1])),
        _ => steps.map(|step| step / 2).eq(drawn.iter().copied()),
    }
}

/// The cells of all kinds that a beacon draws.
fn draw_all(space: &CellSpace<'_>, number: u32) -> Vec<(Kind, Vec<Cell>)> {
    let kinds = Kind::ALL.into_iter().filter(|&kind| kind.is_traced() || kind == Kind::Update);
    kinds.map(|kind| (kind, draw_cells(beacon(!number), COMMITMENT, space, kind, SAMPLES))).collect()
}

#[test]
fn each_cell_of_the_round_is_drawn_as_often_as_another() {
    let (spec, draws) = (spec(12), 6000);
    let places = places(&spec);
    for kind in [Kind::Link, Kind::Momentum] {
        let mut counts = BTreeMap::new();
        for number in 0..draws {
            let drawn = disclosure::draw(&spec, beacon(number), COMMITMENT, SAMPLES);
            let segments = Segments::new(&spec, drawn, Fr::ZERO);
            let space = places.space(&spec).of_segments(&segments);
            let cells = draw_cells(beacon(!number), COMMITMENT, &space, kind, SAMPLES);
            cells.into_iter().for_each(|cell| *counts.entry(cell).or_insert(0) += 1);
        }
        let all = places.space(&spec).total(kind) as usize;
        assert_eq!(counts.len(), all);
        let strata = if kind == Kind::Momentum { 2 * SAMPLES } else { SAMPLES };
        let chance = strata as f64 / all as f64;
        assert!(counts.values().all(|&count| is_fair(count, draws, chance)), "{counts:?}");
    }
}

#[test]
fn where_all_segments_are_drawn_distinct_cells_are_drawn_of_the_whole_round() {
    let spec = spec(8);
    let places = places(&spec);
    let drawn = disclosure::draw(&spec, beacon(0), COMMITMENT, SAMPLES);
    let segments = Segments::new(&spec, drawn, Fr::ZERO);
    assert!(segments.all);
    let space = places.space(&spec).of_segments(&segments);
    for number in 0..50 {
        for (kind, cells) in draw_all(&space, number) {
            assert_eq!(cells.iter().collect::<BTreeSet<_>>().len(), cells.len(), "{kind:?}");
            if let Kind::Update | Kind::Momentum = kind {
                assert!(is_one_of_each(kind, &cells, &segments.drawn), "{kind:?}");
                continue;
            }
            assert_eq!(cells.len() as u64, space.total(kind).min(SAMPLES as u64), "{kind:?}");
        }
    }
    let mut links = (0..50).map(|number| draw_cells(beacon(number), COMMITMENT, &space, Kind::Link, SAMPLES));
    let crowded = |cells: Vec<Cell>| cells.iter().map(|cell| cell.step / 2).collect::<BTreeSet<_>>().len() < SAMPLES;
    assert!(links.any(crowded), "two cells of one segment are drawn, too");
}

/// Calls `test` with a round of 20 segments whose steps root is 1.
fn with_round(segments: Option<&Segments>, test: impl FnOnce(&PublicRound<'_>)) {
    let spec = spec(20);
    let places = places(&spec);
    let commitment = Commitment {
        parent_root: Fr::from(9),
        parent_exponents: Fr::ZERO,
        steps_root: Fr::ONE,
        state_root: Fr::from(8),
        exponents: Exponents { weights: vec![20; 2], activations: vec![-20], errors: vec![-30; 2] },
        quantized_root: Fr::from(7),
        data_root: Fr::ZERO,
        spec_hash: spec.hash(),
        steps: spec.steps,
        quantized_exponents: vec![3, 4],
    };
    test(&PublicRound {
        spec: &spec,
        layout: &places.0,
        trace: Some(&places.1),
        segments,
        commitment: &commitment,
        context: Context { chain_id: 1, contract: [0; 20], task: [0; 32], round: 0, miner: [1; 20] },
        records: 100,
        seeded: true,
        beacon: beacon(1),
        circuits: &Circuits(std::array::from_fn(|index| [index as u8; 32])),
        srs: [0; 32],
    });
}

#[test]
fn every_proof_of_a_disclosure_starts_from_the_root_that_the_one_before_it_leaves() {
    let roots = [2, 3, 4].map(Fr::from);
    with_round(None, |round| {
        let statements = round.disclosure_statements(&[9, 0, 4, 7, 1, 2, 11, 19, 5], &roots, 3).unwrap();
        assert_eq!(
            statements.iter().map(|statement| statement.steps_root).collect::<Vec<_>>(),
            [1, 2, 3].map(Fr::from)
        );
        for ((statement, to), part) in statements.iter().zip(roots).zip(0..) {
            assert_eq!((statement.samples[0], statement.part, statement.parts), (to, part, 3));
            assert_eq!(round.circuits.kind(&statement.circuit), Some(CircuitKind::Disclosure));
        }
        assert_ne!(statements[0].samples[1], statements[1].samples[1], "other records");
        // 8 segments are 16 records: two proofs.
        for few_or_many in [&roots[..0], &roots[..1], &roots[..3]] {
            assert_eq!(round.disclosure_statements(&[9, 0, 4, 7, 1, 2, 11, 19], few_or_many, 2), None);
        }
        assert_eq!(round.disclosure_statements(&[], &roots[..1], 1), None);
        assert_eq!(round.disclosure_statements(&[], &[], 0), Some(Vec::new()));
    });
    // After a disclosure the next one starts from its root.
    let known = Segments::new(&spec(20), vec![3], Fr::from(5));
    with_round(Some(&known), |round| {
        let statements = round.disclosure_statements(&[9], &roots[..1], 0).unwrap();
        assert_eq!((statements[0].steps_root, statements[0].part, statements[0].parts), (Fr::from(5), 0, 0));
    });
}

#[test]
fn a_disclosure_names_the_segments_of_the_first_beacon_and_its_last_root() {
    let disclosure = Disclosure { beacon: beacon(2), roots: vec![Fr::from(2), Fr::from(3)] };
    with_round(None, |round| {
        let first = PublicRound { beacon: disclosure.beacon, ..round.clone() };
        let (statements, segments) = round.disclosed(&disclosure, SAMPLES).unwrap();
        assert_eq!((segments.drawn, segments.steps_root), (first.drawn_segments(SAMPLES), Fr::from(3)));
        assert!(statements.iter().all(|statement| statement.beacon == disclosure.beacon));
        assert_ne!(first.drawn_segments(SAMPLES), round.drawn_segments(SAMPLES));
        // The second ballot draws all segments: five proofs.
        assert!(round.disclosed(&disclosure, 4 * SAMPLES).is_none());
    });
}

#[test]
fn a_round_has_no_samples_before_its_disclosure_and_all_under_one_root_after_it() {
    with_round(None, |round| {
        assert!(round.parts(SAMPLES).is_empty() && round.cell_parts(SAMPLES).is_empty());
        assert_eq!(round.statements(SAMPLES), Err(NoStatement { part: 0, circuit: CircuitKind::Round }));
        assert_eq!(round.sample(Cell::new(Kind::Link, 0, 0)), None);
    });
    let drawn = disclosure::draw(&spec(20), beacon(3), COMMITMENT, SAMPLES);
    let segments = Segments::new(&spec(20), drawn.clone(), Fr::from(5));
    with_round(Some(&segments), |round| {
        let parts = round.parts(SAMPLES);
        assert_eq!(parts.len(), 2, "an update of each of two steps a segment");
        let updates = parts.iter().flat_map(|part| &part.updates).map(|sample| Cell::update(sample.step, 0));
        assert!(is_one_of_each(Kind::Update, &updates.collect::<Vec<_>>(), &drawn));
        let statements = round.statements(SAMPLES).unwrap();
        assert!(statements.len() > 10);
        assert!(statements.iter().all(|statement| statement.steps_root == Fr::from(5)));
    });
}

const DEPTH: usize = 4;

/// Record number `index` of a made-up round.
fn record(index: u32, trace_root: Fr) -> StepRecord {
    let root = |salt: u32| Fr::from(1000 * salt + index);
    StepRecord {
        index,
        state_root: root(1),
        update_root: root(2),
        loss: u64::from(index),
        exponents: None,
        next_exponents: None,
        trace_root,
    }
}

fn traced(index: u32) -> StepRecord {
    record(index, Fr::from(5000 + index))
}

/// A round of 6 steps in segments of 2, its tree of records, and the opening that discloses records 3 and 4.
fn opening() -> (Roots, Tree, DisclosureOpening) {
    let leaf = |index: u32| if index.is_multiple_of(2) { record(index, Fr::ZERO).hash() } else { Fr::ZERO };
    let tree = Tree::new(DEPTH, (0..=6).map(leaf).collect(), hash_pairs);
    let zero = Fr::ZERO;
    let steps = steps_root(tree.root(), 7);
    let roots = Roots { parent: zero, steps, state: zero, quantized: zero, data: zero, layout: zero, record_count: 7 };
    let opening = disclose(&tree, &[traced(3), traced(4)]);
    (roots, tree, opening)
}

fn disclose(tree: &Tree, records: &[StepRecord]) -> DisclosureOpening {
    let mut tree = tree.clone();
    let mut opened = |record: &StepRecord| {
        let index = record.index as usize;
        let path = tree.path(index);
        tree.replace(index, record.hash());
        Record::new(record, path)
    };
    let opened: Vec<Record> = records.iter().map(&mut opened).collect();
    let named = |record: &StepRecord| Disclosed { index: record.index, committed: record.index.is_multiple_of(2) };
    let sample = DisclosureSample { to: steps_root(tree.root(), 7), records: records.iter().map(named).collect() };
    DisclosureOpening { sample, records: opened }
}

#[test]
fn a_disclosure_leads_from_one_root_to_the_other_and_nowhere_else() {
    let (roots, tree, honest) = opening();
    assert_eq!(honest.check(&roots), Ok(()));
    assert_eq!(disclose(&tree, &[traced(4), traced(3)]).check(&roots), Ok(()), "in any order");
    let before = Err(Violation::Path { what: "record before its disclosure", root: "steps" });
    let after = Err(Violation::Path { what: "disclosed record", root: "new steps" });
    let check = |change: &dyn Fn(&mut DisclosureOpening, &mut Roots)| {
        let (mut opening, mut roots) = (honest.clone(), roots);
        change(&mut opening, &mut roots);
        opening.check(&roots)
    };
    assert_eq!(check(&|_, roots| roots.steps += Fr::ONE), before);
    assert_eq!(check(&|_, roots| roots.record_count += 1), before);
    assert_eq!(check(&|opening, _| opening.sample.to += Fr::ONE), after);
    assert_eq!(check(&|opening, _| opening.sample.records[0].index += 2), before);
    assert_eq!(check(&|opening, _| opening.sample.records[0].index += 1 << DEPTH), before);
    assert_eq!(check(&|opening, _| opening.sample.records[0].committed = true), before);
    assert_eq!(check(&|opening, _| opening.sample.records[1].committed = false), before);
    // What was not committed to may be anything; then the root is another.
    assert_eq!(check(&|opening, _| opening.records[0].loss += Fr::ONE), before, "the path of the next record");
    assert_eq!(check(&|opening, _| opening.records[1].trace_root += Fr::ONE), after);
    // What was committed to changes in its trace root only.
    assert_eq!(check(&|opening, _| opening.records[1].state_root += Fr::ONE), before);
    assert_eq!(check(&|opening, _| opening.records[1].next += Fr::ONE), before);
    assert_eq!(check(&|opening, _| drop(opening.records.pop())), Err(Violation::Disclosed { named: 2, opened: 1 }));
    let none = DisclosureOpening { sample: DisclosureSample { to: roots.steps, records: vec![] }, records: vec![] };
    assert_eq!(none.check(&roots), Err(Violation::Disclosed { named: 0, opened: 0 }));
}

#[test]
fn a_record_with_a_trace_root_is_not_disclosed_again() {
    let (roots, tree, _) = opening();
    let before = Err(Violation::Path { what: "record before its disclosure", root: "steps" });
    assert_eq!(disclose(&tree, &[traced(4), record(4, Fr::ONE)]).check(&roots), before);
    assert_eq!(disclose(&tree, &[traced(3), record(3, Fr::ONE)]).check(&roots), before);
    assert_eq!(disclose(&tree, &[record(4, Fr::ZERO), traced(4)]).check(&roots), Ok(()));
}
