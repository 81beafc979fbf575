//! Every cell of an honest evaluation holds, and a lie of the attester breaks the cells that read it and no
//! others, in plain code and in circuits.

use std::collections::BTreeSet;

use pogo_circuits::circuit::{Gridded, instances};
use pogo_circuits::grid::field;
use pogo_circuits::step::StepCircuit;
use pogo_circuits::testing::Checker;
use pogo_protocol::attest::{Attestation, Sign};
use pogo_protocol::cell::{Cell, CellOpening, Kind};
use pogo_protocol::data::DataSet;
use pogo_protocol::evaluation::{EvaluationError, PublicEvaluation};
use pogo_protocol::fixed::pcg;
use pogo_protocol::model::{Quantized, State};
use pogo_protocol::step;
use pogo_protocol::trace::{TensorId, Trace};
use pogo_prover::attack::mine::Mined;
use pogo_prover::device::Device;
use pogo_prover::evaluation::Evaluation;
use rayon::prelude::*;

use super::circuits::{circuit_of, refuses_altered_cells};
use super::ground::Ground;
use super::names;

const ATTESTER: [u8; 20] = [4; 20];

/// Some records, which an attester drew.
fn drawn(ground: &Ground, count: u32) -> DataSet {
    let records = ground.data.len() as u32;
    ground.data.choose(&(0..count).map(|i| pcg(i) % records).collect::<Vec<_>>())
}

fn evaluation(mined: &Mined<'_>, data: DataSet, lie: impl FnOnce(&mut Trace)) -> Evaluation {
    let model = mined.state().quantize();
    Evaluation::edited(mined.job.round, &mined.commitment, model, data, lie).expect("an evaluation")
}

/// What the attester signs.
fn attestation(mined: &Mined<'_>, evaluation: &Evaluation, evaluated: u32) -> Attestation {
    Attestation {
        candidate: mined.commitment.hash(),
        beacon: mined.public().beacon,
        attester: ATTESTER,
        sign: Sign::Positive,
        evaluated,
        loss_before: u64::MAX,
        loss_after: evaluation.loss(),
        evaluation: evaluation.roots(),
    }
}

fn public<'a>(mined: &'a Mined<'_>, attestation: &Attestation) -> PublicEvaluation<'a> {
    PublicEvaluation::new(mined.public(), mined.job.round.depths(), attestation).expect("cells")
}

/// All cells that a round of one step may have, and an evaluation has.
fn cells(public: &PublicEvaluation<'_>) -> Vec<Cell> {
    let (round, kinds) = (public.round(), Kind::ALL.into_iter());
    let space = round.space().expect("an evaluation has a trace");
    kinds.flat_map(|kind| space.of_step(kind, 0)).collect()
}

fn bad_cells(mined: &Mined<'_>, public: &PublicEvaluation<'_>, evaluation: &Evaluation) -> Vec<Cell> {
    let (roots, cells) = (public.round().roots(), cells(public));
    let opened = evaluation.open(public, &cells).expect("every cell is opened");
    let bad = |(_, opening): &(&Cell, &CellOpening)| opening.check(&roots, mined.job.round.depths()).is_err();
    cells.iter().zip(&opened).filter(bad).map(|(&cell, _)| cell).collect()
}

#[test]
fn every_cell_of_an_honest_evaluation_holds_and_its_loss_is_that_of_the_device() {
    for (layers, batch, records) in [(&[70, 66, 5][..], 64, 32), (&[128, 64, 64], 64, 128), (&[3, 66, 65, 2], 64, 1)] {
        let ground = Ground::new(layers, batch);
        let (mined, data) = (ground.honest(), drawn(&ground, records));
        let evaluation = evaluation(&mined, data.clone(), |_| {});
        let public = public(&mined, &attestation(&mined, &evaluation, records));
        assert_eq!(bad_cells(&mined, &public, &evaluation), [], "{layers:?}");

        let activations = &mined.state().exponents.as_ref().expect("of the last step").activations;
        let model = mined.state().quantize().expand();
        let expected = step::evaluate(&ground.round.spec, &model, activations, &data.all());
        assert_eq!(evaluation.loss(), expected.loss, "{layers:?}");
        let mut trainer = Device::Cpu.trainer(&ground.round, 0).expect("the CPU");
        trainer.load(mined.state()).expect("the CPU");
        assert_eq!(trainer.evaluate(activations, &data.all()).expect("the CPU"), expected);
    }
}

#[test]
fn an_evaluation_has_cells_of_its_kinds_and_of_no_others() {
    let ground = Ground::small();
    let mined = ground.honest();
    let evaluation = evaluation(&mined, drawn(&ground, 32), |_| {});
    let public = public(&mined, &attestation(&mined, &evaluation, 32));
    let (round, all) = (public.round(), cells(&public));
    let space = round.space().expect("an evaluation has a trace");
    let count = |kind| (kind, all.iter().filter(|cell| cell.kind == kind).count());
    // 66 rows of two leaves and 5 of two; padding rows: 62 * 2 + 59 * 2 of weights, 32 * 2 + 32 * 2 of
    // inputs, 32 * 2 * 2 + 32 * 2 of sums in two slabs, 32 of the errors.
    let expected = [
        (Kind::Link, 1),
        (Kind::Input, 64),
        (Kind::Product, 6),
        (Kind::Activation, 64),
        (Kind::Loss, 32),
        (Kind::Blank, 242 + 128 + 192 + 32),
        (Kind::Dequantize, 142),
    ];
    assert_eq!(Kind::ALL.map(count).into_iter().filter(|&(_, count)| count > 0).collect::<Vec<_>>(), expected);
    assert!(all.iter().all(|&cell| public.statement(cell).is_some() == space.place(cell).is_some()));
    for kind in Kind::ALL.into_iter().filter(|kind| !kind.is_evaluated()) {
        assert!(public.statement(Cell::new(kind, 0, 0)).is_none(), "{kind:?}");
    }
    assert!(mined.public().sample(Cell::new(Kind::Dequantize, 0, 0)).is_none(), "a round has no such cell");
}

#[test]
fn a_changed_element_of_an_evaluation_breaks_the_cells_that_read_it_and_no_others() {
    // The first element of each tensor, of its last slab, as in the test of a round.
    let expected: [(TensorId, &[&str]); 8] = [
        (TensorId::Weights(0), &["product:0:0", "dequantize:0:0"]),
        (TensorId::Inputs(0), &["input:0:0", "product:0:0", "product:0:2"]),
        (TensorId::Sums(0), &["product:0:1"]),
        (TensorId::Weights(1), &["product:0:4", "dequantize:0:132"]),
        (TensorId::Inputs(1), &["product:0:4", "activation:0:0"]),
        (TensorId::Sums(1), &["product:0:5"]),
        (TensorId::Errors(1), &["loss:0:0"]),
        (TensorId::Losses, &["loss:0:0", "loss:0:1"]),
    ];
    let ground = Ground::small();
    let mined = ground.honest();
    let found = expected.map(|(id, _)| {
        let evaluation = evaluation(&mined, drawn(&ground, 32), |trace| trace.tamper(id));
        let public = public(&mined, &attestation(&mined, &evaluation, 32));
        assert!(public.trace().tensors().iter().map(|placed| placed.id).eq(expected.iter().map(|(id, _)| *id)));
        (id, names(&bad_cells(&mined, &public, &evaluation)))
    });
    assert_eq!(found, expected.map(|(id, cells)| (id, cells.iter().map(|&cell| cell.to_owned()).collect())));
}

#[test]
fn a_loss_that_is_off_by_one_breaks_the_link() {
    let ground = Ground::small();
    let mined = ground.honest();
    let evaluation = evaluation(&mined, drawn(&ground, 32), |_| {});
    let mut signed = attestation(&mined, &evaluation, 32);
    signed.loss_after -= 1;
    assert_eq!(names(&bad_cells(&mined, &public(&mined, &signed), &evaluation)), ["link:0:0"]);
}

#[test]
fn records_that_were_not_signed_break_the_input_and_loss_cells_that_read_them() {
    let ground = Ground::small();
    let mined = ground.honest();
    let (mut data, honest) = (drawn(&ground, 32), evaluation(&mined, drawn(&ground, 32), |_| {}));
    data.features[0] ^= 1;
    let other = evaluation(&mined, data, |_| {});
    let mut signed = attestation(&mined, &other, 32);
    signed.evaluation.data = honest.roots().data;
    let bad = bad_cells(&mined, &public(&mined, &signed), &other);
    // Every cell opens the data root, which is another.
    assert!(bad.iter().all(|cell| matches!(cell.kind, Kind::Input | Kind::Loss)), "{:?}", names(&bad));
    assert_eq!(bad.len(), 64 + 32);
}

#[test]
fn another_model_than_the_committed_one_breaks_dequantize_cells_only() {
    let ground = Ground::small();
    let (mined, state) = (ground.honest(), State::initial(&ground.round.spec));
    let exponents = mined.commitment.quantized_exponents.iter().map(|&exponent| exponent.into()).collect();
    let model = Quantized { exponents, ..state.quantize() };
    let lie = Evaluation::new(&ground.round, &mined.commitment, model, drawn(&ground, 32)).expect("an evaluation");
    let bad = bad_cells(&mined, &public(&mined, &attestation(&mined, &lie, 32)), &lie);
    assert_eq!(bad.len(), ground.round.layout.leaf_count(), "all of them, as the root is another");
    assert!(bad.iter().all(|cell| cell.kind == Kind::Dequantize));
}

#[test]
fn a_statement_belongs_to_one_attester_beacon_and_candidate() {
    let ground = Ground::small();
    let mined = ground.honest();
    let evaluation = evaluation(&mined, drawn(&ground, 32), |_| {});
    let signed = attestation(&mined, &evaluation, 32);
    let cell = Cell::new(Kind::Dequantize, 0, 3);
    let statement = |signed: &Attestation| public(&mined, signed).statement(cell).expect("a cell of the evaluation");
    let changed = [
        Attestation { attester: [5; 20], ..signed },
        Attestation { loss_after: signed.loss_after + 1, ..signed },
        Attestation { evaluated: 64, ..signed },
    ];
    let digests: BTreeSet<[u8; 32]> =
        changed.iter().chain([&signed]).map(|signed| statement(signed).digest()).collect();
    assert_eq!(digests.len(), 4);
    let round_link = mined.public().sample(Cell::new(Kind::Link, 0, 0)).expect("a cell of the round");
    assert_ne!(public(&mined, &signed).round().sample(Cell::new(Kind::Link, 0, 0)), Some(round_link));

    let refused =
        |signed| PublicEvaluation::new(mined.public(), ground.round.depths(), &signed).map(|_| ()).unwrap_err();
    assert_eq!(refused(Attestation { candidate: [0; 32], ..signed }), EvaluationError::Candidate);
    assert_eq!(refused(Attestation { beacon: [1; 32], ..signed }), EvaluationError::Beacon);
    for records in [0, 3, 1 << 17] {
        assert_eq!(refused(Attestation { evaluated: records, ..signed }), EvaluationError::Records(records));
    }
    assert!(matches!(refused(Attestation { evaluated: 1 << 16, ..signed }), EvaluationError::Trace(_)));
}

#[test]
fn circuits_accept_what_the_plain_relations_accept_and_nothing_else() {
    let (ground, checker) = (Ground::small(), Checker::of::<StepCircuit>());
    let (mined, depths) = (ground.honest(), ground.round.depths());
    let lies = [None, Some(TensorId::Weights(0)), Some(TensorId::Weights(1)), Some(TensorId::Inputs(1))];
    for lie in lies {
        let evaluation =
            evaluation(&mined, drawn(&ground, 32), |trace| lie.into_iter().for_each(|id| trace.tamper(id)));
        let public = public(&mined, &attestation(&mined, &evaluation, 32));
        let roots = public.round().roots();
        let bad: BTreeSet<Cell> = bad_cells(&mined, &public, &evaluation).into_iter().collect();
        let few = |kind| cells(&public).into_iter().filter(move |cell| cell.kind == kind).step_by(50);
        let chosen: BTreeSet<Cell> = Kind::ALL.into_iter().flat_map(few).chain(bad.iter().copied()).collect();
        let chosen: Vec<Cell> = chosen.into_iter().collect();
        let opened = evaluation.open(&public, &chosen).expect("cells of the evaluation");
        chosen.into_par_iter().zip(opened).for_each(|(cell, opening)| {
            let grid = circuit_of(roots, depths, opening).grid();
            let broken = checker.broken(&grid, &instances(&grid));
            assert_eq!(broken.is_empty(), !bad.contains(&cell), "{lie:?} {cell}: {broken:?}");
        });
    }
}

/// The circuit of a leaf of weights of an honest evaluation.
pub(crate) fn dequantize(ground: &Ground, index: u32) -> StepCircuit {
    let mined = ground.honest();
    let evaluation = evaluation(&mined, drawn(ground, 32), |_| {});
    let public = public(&mined, &attestation(&mined, &evaluation, 32));
    let opening = evaluation.open(&public, &[Cell::new(Kind::Dequantize, 0, index)]).expect("a cell").remove(0);
    circuit_of(public.round().roots(), ground.round.depths(), opening)
}

/// The first code and the first scale moved to the ends of their ranges, and beyond.
#[test]
fn codes_and_scales_are_looked_up_in_their_ranges() {
    let (ground, checker) = (Ground::small(), Checker::of::<StepCircuit>());
    let circuit = dequantize(&ground, 0);
    let honest = circuit.grid();
    for (name, range) in [("4-bit code", 0..=14), ("block scale", 1..=18)] {
        let at = honest.assignments.iter().position(|assignment| assignment.name == name).expect("a digit");
        let now = honest.integer(honest.assignments[at].cell);
        for value in [range.start() - 1, *range.start(), *range.end(), range.end() + 1] {
            let grid = circuit.tampered_grid(&[(at, field(value - now))]);
            let broken = checker.broken(&grid, &instances(&honest));
            let looked_up = !broken.iter().any(|constraint| constraint.to_string().starts_with("lookup"));
            assert_eq!(looked_up, range.contains(&value), "{name} {value}: {broken:?}");
        }
    }
}

#[test]
fn no_derived_cell_of_a_dequantize_cell_changes_what_is_shown() {
    let ground = Ground::small();
    let cell = Cell::new(Kind::Dequantize, 0, 1);
    refuses_altered_cells(&Checker::of::<StepCircuit>(), cell, &dequantize(&ground, 1));
}
