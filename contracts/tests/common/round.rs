//! A small honest round that commits to its traces, and a proof of each of its circuits.

use std::sync::{LazyLock, OnceLock};

use pogo_circuits::round::Shape;
use pogo_circuits::srs::Srs;
use pogo_contracts::{CHAIN_ID, contract_address};
use pogo_protocol::attest::{Attestation, Sign};
use pogo_protocol::cell::{Cell, CellOpening, Kind};
use pogo_protocol::codec::scalar_bytes;
use pogo_protocol::data::DataSet;
use pogo_protocol::evaluation::PublicEvaluation;
use pogo_protocol::fixed::pcg;
use pogo_protocol::model::{Schedule, Spec, TraceMode};
use pogo_protocol::record::{StepRecord, steps_root};
use pogo_protocol::statement::{CircuitKind, Context, PublicRound, STEP_ELEMENTS, Statement, cell_part};
use pogo_prover::attack::mine::Mined;
use pogo_prover::commit::{data_root, records_tree};
use pogo_prover::device::Device;
use pogo_prover::disclosure;
use pogo_prover::evaluation::Evaluation;
use pogo_prover::open::Opened;
use pogo_prover::prove::Prover;
use pogo_prover::round::Round;
use pogo_prover::train::Job;
use pogo_verifier::{Setup, container};

/// The step whose cells are proven.
const STEP: u32 = 0;

static PROVER: LazyLock<Prover> = LazyLock::new(|| Prover::new(Srs::development(Shape::MINIMAL.k)));
static PROVEN: [OnceLock<(Statement, Vec<u8>)>; CircuitKind::ALL.len()] = [const { OnceLock::new() }; _];

/// A true statement of a circuit and its proof, which the native verifier accepts.
pub(crate) fn proven(circuit: CircuitKind) -> (&'static Statement, &'static [u8]) {
    let place = CircuitKind::ALL.into_iter().position(|kind| kind == circuit).expect("one of all");
    let (statement, proof) = PROVEN[place].get_or_init(|| prove(circuit));
    (statement, proof)
}

fn prove(circuit: CircuitKind) -> (Statement, Vec<u8>) {
    let data = data();
    let context = Context { chain_id: CHAIN_ID, contract: contract_address(), task: [1; 32], round: 0, miner: [2; 20] };
    let round = Round::new(spec(&data), context, Shape::MINIMAL).expect("it fits the preset");
    let mined = Mined::honest(Job { round: &round, data: &data, device: &Device::Cpu }).expect("an honest round");
    let circuits = Setup::Development.circuits();
    let public = round.public(&mined.commitment, data.len() as u32, [5; 32], &circuits, PROVER.srs.id());
    let (statement, opened) = match circuit {
        CircuitKind::Round => round_part(&mined, &public),
        CircuitKind::Disclosure => disclosure(&mined, &public),
        CircuitKind::Dequantize => evaluated(&mined, public),
        _ => cells(&mined, &public, circuit),
    };
    let file = PROVER.prove(&statement, opened).expect("a true statement");
    pogo_verifier::verify(Setup::Development, &statement.encode(), &file).expect("the native verifier accepts");
    (statement, file[container::HEADER..].to_vec())
}

/// The first statement of the round circuit.
fn round_part(mined: &Mined<'_>, public: &PublicRound<'_>) -> (Statement, Opened) {
    let openings = mined.openings(&public.parts(1)[0]).expect("openings");
    (public.statements(1).expect("a small round").remove(0), Opened::Round(openings))
}

/// All records of the round, of which the first one was committed to.
fn disclosure(mined: &Mined<'_>, public: &PublicRound<'_>) -> (Statement, Opened) {
    let (records, depth) = (&mined.trace.records, mined.job.round.shape.steps_depth);
    let bare = |record: &StepRecord| StepRecord { state_root: 0u64.into(), ..record.clone() };
    let mut before: Vec<StepRecord> = records.iter().map(bare).collect();
    before[0].clone_from(&records[0]);
    let (mut openings, _) = disclosure::open(depth, &before, records);
    let opening = openings.remove(0);
    let mut samples = opening.sample.elements().expect("every field fits");
    samples.resize(STEP_ELEMENTS, 0u64.into());
    let circuit = public.circuits.id(CircuitKind::Disclosure);
    let steps_root = steps_root(records_tree(depth, &before).root(), records.len() as u32);
    let of_round = public.statements(1).expect("a small round").remove(0);
    let statement = Statement { circuit, steps_root, samples, ..of_round };
    (statement, Opened::Cells(vec![CellOpening::Disclosure(opening)]))
}

/// The first dequantize cell of an evaluation of the round's model on four of its records.
fn evaluated(mined: &Mined<'_>, public: PublicRound<'_>) -> (Statement, Opened) {
    let (round, data) = (mined.job.round, mined.job.data.choose(&[3, 1, 4, 15]));
    let model = mined.state().quantize();
    let evaluation = Evaluation::new(round, &mined.commitment, model, data).expect("an evaluation");
    let attestation = Attestation {
        candidate: mined.commitment.hash(),
        beacon: public.beacon,
        attester: [6; 20],
        sign: Sign::Positive,
        evaluated: 4,
        loss_before: 0,
        loss_after: evaluation.loss(),
        evaluation: evaluation.roots(),
    };
    let signed = PublicEvaluation::new(public, round.depths(), &attestation).expect("cells");
    let cell = Cell::new(Kind::Dequantize, 0, 0);
    let opening = evaluation.open(&signed, &[cell]).expect("a cell of the evaluation").remove(0);
    let statement = signed.statement(cell).expect("a cell of the evaluation");
    (statement, Opened::Cells(vec![opening; CircuitKind::Dequantize.capacity()]))
}

/// As many cells of the step as one proof of a circuit carries.
fn cells(mined: &Mined<'_>, public: &PublicRound<'_>, circuit: CircuitKind) -> (Statement, Opened) {
    let space = public.space().expect("traces are committed to");
    let kinds = Kind::ALL.into_iter().filter(|kind| kind.is_traced());
    let of_circuit = |cell: &Cell| public.sample(*cell).is_some_and(|sample| sample.circuit() == circuit);
    let cells: Vec<Cell> = kinds.flat_map(|kind| space.of_step(kind, STEP)).filter(of_circuit).collect();
    let part = cell_part(circuit, &cells);
    let (opener, step) = (mined.opener().expect("traces are committed to"), mined.traced_step(STEP).expect("a step"));
    let opened = part.cells.iter().map(|&cell| opener.open(&step, cell).expect("a cell of the round")).collect();
    (public.cell_statement(&part, 0, 1).expect("cells of the circuit"), Opened::Cells(opened))
}

fn spec(data: &DataSet) -> Spec {
    Spec {
        name: "contracts".into(),
        layers: vec![70, 66, 5],
        batch: 64,
        steps: 2,
        checkpoint_every: 1,
        learning_rate: 1 << 18,
        schedule: Schedule::Constant,
        warmup: 0,
        seed: 3,
        trace: TraceMode::Every,
        data_root: scalar_bytes(&data_root(data)),
    }
}

fn data() -> DataSet {
    let (width, classes, count) = (70, 5, 64);
    let noise = |i: u32| (pcg(i) % 255) as i32 - 127;
    DataSet {
        width: width as usize,
        classes,
        features: (0..count * width).map(|i| noise(i) as i8).collect(),
        labels: (0..count).map(|i| (pcg(i + 7) % classes as u32) as u16).collect(),
    }
}
