//! Peak and scale cells let the miner choose a row of a tensor. At other positions of the tree stands
//! something else or, as vacant cells show, nothing, so a row that is made up there must not be chosen.

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use pogo_circuits::circuit::{Gridded, instances};
use pogo_circuits::round::Claim;
use pogo_circuits::step::{StepCircuit, StepShape};
use pogo_circuits::testing::Checker;
use pogo_protocol::cell::loss::LossLeaf;
use pogo_protocol::cell::peak::{Choice, PeakOpening, PeakSample, PeakValues, Scaled};
use pogo_protocol::cell::scale::{ScaleOpening, ScaleSample};
use pogo_protocol::cell::{Cell, CellOpening, CellSpace, Depths, ExponentsLeaf, Kind, Place, Record, WordLeaf};
use pogo_protocol::codec::scalar_bytes;
use pogo_protocol::commitment::Commitment;
use pogo_protocol::fixed::{ERROR_EXPONENT, FEATURE_EXPONENT, LEAF, WORD_MIN};
use pogo_protocol::leaf::{loss_leaf, state_leaf, tag, weights_hash, words_leaf};
use pogo_protocol::merkle::{Layout, Tree, hash_pairs};
use pogo_protocol::model::{Exponents, Schedule, Spec, TraceMode};
use pogo_protocol::opening::Roots;
use pogo_protocol::poseidon;
use pogo_protocol::record::{exponents_root, pair, steps_root};
use pogo_protocol::statement::{CircuitKind, Circuits, Context, PublicRound, Sample};
use pogo_protocol::trace::{TensorId, TraceLayout};

const DEPTHS: Depths = Depths { tree: 12, steps: 2, trace: 14 };
const STEP: u32 = 0;

/// Nothing of its size is a power of two.
fn spec() -> Spec {
    Spec {
        name: "unused".into(),
        layers: vec![70, 130, 5],
        batch: 32,
        steps: 1,
        checkpoint_every: 1,
        learning_rate: 1,
        schedule: Schedule::Constant,
        warmup: 0,
        seed: 0,
        trace: TraceMode::Every,
        data_root: scalar_bytes(&Fr::ZERO),
    }
}

fn layouts(spec: &Spec) -> (Layout, TraceLayout) {
    let shapes = spec.tensors().into_iter().map(|tensor| (tensor.rows, tensor.cols));
    (Layout::new(DEPTHS.tree, shapes).unwrap(), TraceLayout::new(DEPTHS.trace, spec).unwrap())
}

/// What the verifier knows of a cell.
fn sample(spec: &Spec, layout: &Layout, trace: &TraceLayout, cell: Cell) -> Sample {
    let commitment = Commitment {
        parent_root: Fr::ZERO,
        parent_exponents: Fr::ZERO,
        steps_root: Fr::ZERO,
        state_root: Fr::ZERO,
        exponents: exponents(|_| ()),
        quantized_root: Fr::ZERO,
        data_root: Fr::ZERO,
        spec_hash: spec.hash(),
        steps: spec.steps,
        quantized_exponents: vec![24; spec.tensors().len()],
    };
    let circuits = Circuits([[0; 32]; CircuitKind::ALL.len()]);
    let context = Context { chain_id: 1, contract: [0; 20], task: [0; 32], round: 0, miner: [0; 20] };
    let round = PublicRound {
        spec,
        layout,
        trace: Some(trace),
        segments: None,
        commitment: &commitment,
        context,
        records: 100,
        seeded: true,
        beacon: [0; 32],
        circuits: &circuits,
        srs: [0; 32],
    };
    round.sample(cell).expect("a cell of the round")
}

fn peak(spec: &Spec, layout: &Layout, trace: &TraceLayout, scaled: Scaled, tensor: usize) -> PeakSample {
    let space = CellSpace::new(spec, layout, trace, true);
    let mut cells = space.of_step(Kind::Peak, STEP).into_iter();
    let cell = cells.find(|&cell| space.place(cell) == Some(Place::Exponent(scaled, tensor))).unwrap();
    match sample(spec, layout, trace, cell) {
        Sample::Peak(sample) => sample,
        other => panic!("{other:?}"),
    }
}

/// The root with the layout of a tree with these leaves and no others, and the path of the last.
fn tree(depth: usize, root_tag: u64, layout: &Layout, leaves: &[(usize, Fr)]) -> (Fr, Vec<Fr>) {
    let mut all = vec![Fr::ZERO; leaves.iter().map(|&(at, _)| at + 1).max().unwrap()];
    leaves.iter().for_each(|&(at, leaf)| all[at] = leaf);
    let tree = Tree::new(depth, all, hash_pairs);
    (poseidon::hash(Fr::from(root_tag), tree.root(), layout.element()), tree.path(leaves[leaves.len() - 1].0))
}

/// Exponents of both tensors, all of which the next step is asked to take as they are but for one.
fn exponents(change: impl FnOnce(&mut Exponents)) -> Exponents {
    let mut exponents =
        Exponents { weights: vec![0; 2], activations: vec![FEATURE_EXPONENT - 24], errors: vec![-20; 2] };
    change(&mut exponents);
    exponents
}

/// Records 0 and 1 with these roots, and the roots of their round.
fn records(layout: &Layout, state: Fr, trace: Fr, used: &Exponents, next: &Exponents) -> ([Record; 2], Roots) {
    let [used, next] = [used, next].map(|exponents| exponents_root(Some(exponents)));
    let (zero, update_root) = (Fr::ZERO, Fr::from(5));
    let record = |state_root, trace_root| Record {
        state_root,
        update_root,
        trace_root,
        loss: zero,
        used,
        next,
        path: Vec::new(),
    };
    let mut records = [record(state, zero), record(Fr::from(6), trace)];
    let hash = |record: &Record| {
        let rest = [record.trace_root, record.loss, record.used, record.next];
        let rest = poseidon::sponge(Fr::from(tag::REST), &rest);
        poseidon::hash(Fr::from(tag::RECORD), pair(record.state_root, record.update_root), rest)
    };
    let tree = Tree::new(DEPTHS.steps, records.iter().map(hash).collect(), hash_pairs);
    records.iter_mut().enumerate().for_each(|(index, record)| record.path = tree.path(index));
    let (layout, steps) = (layout.element(), steps_root(tree.root(), 2));
    (records, Roots { parent: zero, steps, state, quantized: zero, data: zero, layout, record_count: 2 })
}

/// Refused by the plain relation, and by the circuit.
fn refused(roots: Roots, opening: CellOpening) -> [bool; 2] {
    let shape = StepShape { k: 15, circuit: opening.sample().circuit(), cells: 1, depths: DEPTHS };
    let plain = opening.check(&roots, DEPTHS).is_err();
    let claim = Claim { digest: [Fr::from(3), Fr::from(5)], roots };
    let grid = StepCircuit::new(shape, claim, vec![opening]).grid();
    [plain, !Checker::of::<StepCircuit>().broken(&grid, &instances(&grid)).is_empty()]
}

#[test]
fn made_up_leaf_of_weights_needs_no_shift() {
    let spec = spec();
    let (layout, trace) = layouts(&spec);
    let sample = peak(&spec, &layout, &trace, Scaled::Weights, 1);
    let used: Vec<usize> = (0..layout.leaf_count()).map(|leaf| layout.place(leaf).position).collect();
    let choice = Choice { row: 0, column: sample.columns };
    assert!(!used.contains(&sample.values.position(choice)), "the row after the last");
    let (weights, momenta) = ([WORD_MIN; LEAF], Fr::from(9));
    let leaf = state_leaf(weights_hash(&weights).unwrap(), momenta);
    let small = state_leaf(weights_hash(&[1; LEAF]).unwrap(), momenta);
    let mut leaves: Vec<_> = used.iter().map(|&at| (at, small)).collect();
    leaves.push((sample.values.position(choice), leaf));
    let (state, path) = tree(DEPTHS.tree, tag::STATE_ROOT, &layout, &leaves);
    let next = exponents(|next| next.weights[1] = 24);
    let ([before, after], roots) = records(&layout, state, Fr::ZERO, &next, &next);
    let (next, used) = (ExponentsLeaf::new(&next, 1), ExponentsLeaf::new(&next, 1));
    let values = PeakValues::Weights(weights, momenta, path.clone());
    let opening = PeakOpening { sample, choice, before, after, next, used, values };
    assert_eq!(refused(roots, CellOpening::Peak(opening)), [true; 2]);
}

#[test]
fn made_up_leaf_of_weights_needs_no_4_bit_exponent() {
    let spec = spec();
    let (layout, trace) = layouts(&spec);
    let Sample::Scale(sample) = sample(&spec, &layout, &trace, Cell::new(Kind::Scale, 0, 1)) else { panic!("a scale") };
    assert_eq!(sample.least, ScaleSample::least(24));
    let used: Vec<usize> = (0..layout.leaf_count()).map(|leaf| layout.place(leaf).position).collect();
    let choice = Choice { row: 0, column: sample.columns };
    assert!(!used.contains(&sample.leaves.position(choice)), "the row after the last");
    let (weights, momenta_hash) = ([WORD_MIN; LEAF], Fr::from(9));
    let leaf = state_leaf(weights_hash(&weights).unwrap(), momenta_hash);
    let (state, path) = tree(DEPTHS.tree, tag::STATE_ROOT, &layout, &[(sample.leaves.position(choice), leaf)]);
    let (_, roots) = records(&layout, state, Fr::ZERO, &exponents(|_| ()), &exponents(|_| ()));
    let opening = ScaleOpening { sample, choice, weights, momenta_hash, path };
    assert_eq!(refused(roots, CellOpening::Scale(opening)), [true; 2]);
}

#[test]
fn made_up_row_of_sums_needs_no_exponent() {
    let spec = spec();
    let (layout, trace) = layouts(&spec);
    let sample = peak(&spec, &layout, &trace, Scaled::Activations, 1);
    let sums = *trace.tensor(TensorId::Sums(0)).unwrap();
    let tiles =
        |at: usize| (0..sums.tile_cols()).any(|c| (0..LEAF).any(|row| sums.position(row, c, sums.slabs - 1) == at));
    let choice = Choice { row: 0, column: sample.columns };
    assert!(!tiles(sample.values.position(choice)), "the column of tiles after the last");
    let words = [1 << 29; LEAF];
    let leaf = words_leaf(&words).unwrap();
    let (root, path) = tree(DEPTHS.trace, tag::TRACE_ROOT, &layout, &[(sample.values.position(choice), leaf)]);
    let used = exponents(|_| ());
    // Exponent of the sums: -7 and -24. 2^29 has 30 bits, so it asks for 23 more.
    let next = exponents(|next| next.activations[0] = FEATURE_EXPONENT - 24 + 23);
    let ([before, after], roots) = records(&layout, Fr::from(4), root, &used, &next);
    let values = PeakValues::Activations(WordLeaf { words, path });
    let (next, used) = (ExponentsLeaf::new(&next, 1), ExponentsLeaf::new(&used, 0));
    let opening = PeakOpening { sample, choice, before, after, next, used, values };
    assert_eq!(refused(roots, CellOpening::Peak(opening)), [true; 2]);
}

/// Padding rows of the sums are zero, as blank cells show; the leaf of losses beside them is free.
#[test]
fn made_up_label_of_a_padding_row_needs_no_exponent() {
    let spec = spec();
    let (layout, trace) = layouts(&spec);
    let sample = peak(&spec, &layout, &trace, Scaled::Losses, 1);
    let choice = Choice { row: spec.batch, column: 0 };
    let words = [0; LEAF];
    let (at, beside) = (sample.values.position(choice), sample.beside.position(choice));
    let leaves = [(at, words_leaf(&words).unwrap()), (beside, loss_leaf(Fr::ZERO, 3))];
    let (root, path) = tree(DEPTHS.trace, tag::TRACE_ROOT, &layout, &leaves);
    let values_path = tree(DEPTHS.trace, tag::TRACE_ROOT, &layout, &[leaves[1], leaves[0]]).1;
    let used = exponents(|_| ());
    let next = exponents(|next| next.errors[1] = ERROR_EXPONENT + spec.batch_exponent() + 8);
    let ([before, after], roots) = records(&layout, Fr::from(4), root, &used, &next);
    let label = LossLeaf { loss: Fr::ZERO, label: 3, path };
    let values = PeakValues::Losses(WordLeaf { words, path: values_path }, label);
    let (next, used) = (ExponentsLeaf::new(&next, 1), ExponentsLeaf::new(&used, 1));
    let opening = PeakOpening { sample, choice, before, after, next, used, values };
    assert_eq!(refused(roots, CellOpening::Peak(opening)), [true; 2]);
}
