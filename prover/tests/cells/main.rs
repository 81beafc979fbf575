//! Every cell of an honest round holds, and a lie at one place breaks the cells that read it and no
//! others: in plain code here, in circuits in [`circuits`]. Disclosures are in [`disclosure`].

mod circuits;
mod disclosure;
mod evaluation;
mod ground;
mod needed;
mod removal;

use ark_bn254::Fr;
use pogo_protocol::cell::{Cell, Kind, Unprovable};
use pogo_protocol::trace::TensorId;
use pogo_prover::attack::mine::{Draft, Mined};
use pogo_prover::audit::{Traced, audit};
use pogo_prover::error::Error;
use pogo_prover::round::Round;
use pogo_prover::train::Stepper;

use ground::{Ground, LIE, STEPS};

fn bad_cells(mined: &Mined<'_>) -> Vec<Cell> {
    mined.bad_cells().expect("every cell is opened").into_iter().map(|(cell, _)| cell).collect()
}

fn names(cells: &[Cell]) -> Vec<String> {
    cells.iter().map(Cell::to_string).collect()
}

#[test]
fn every_cell_of_an_honest_round_holds() {
    for (layers, batch) in [(&[70, 66, 5][..], 64), (&[128, 64, 64], 64), (&[70, 5], 128), (&[3, 66, 65, 2], 128)] {
        let ground = Ground::new(layers, batch);
        let mined = ground.honest();
        assert_eq!(mined.bad_cells().expect("every cell is opened"), [], "{layers:?}");
    }
}

#[test]
fn every_opening_stands_where_the_public_sample_says() {
    let ground = Ground::small();
    let (mined, round) = (ground.honest(), &ground.round);
    let (public, opener) = (mined.public(), mined.opener().expect("traces are committed to"));
    let space = round.space().expect("traces are committed to");
    let mut count = 0;
    for step in 0..STEPS {
        let traced = mined.traced_step(step).expect("a step of the round");
        let kinds = Kind::ALL.into_iter().filter(|kind| kind.is_traced());
        for cell in kinds.flat_map(|kind| space.of_step(kind, step)) {
            let opening = opener.open(&traced, cell).expect("a cell of the round");
            assert_eq!(Some(opening.sample()), public.sample(cell), "{cell}");
            assert_eq!(opening.check(&public.roots(), round.depths()), Ok(()), "{cell}");
            count += 1;
        }
        assert!(opener.open(&traced, Cell::new(Kind::Loss, step ^ 1, 0)).is_err(), "a cell of another step");
        assert!(opener.open(&traced, Cell::update(step, 0)).is_err(), "a cell of a round proof");
    }
    let all: u64 = Kind::ALL.into_iter().filter(|kind| kind.is_traced()).map(|kind| space.total(kind)).sum();
    assert_eq!(count, all);
}

#[test]
fn a_changed_element_of_the_trace_breaks_the_cells_that_read_it_and_no_others() {
    // The first element of each tensor, of its last slab. Products of tensor 0 are cells 0 to 3, of
    // tensor 1 cells 4 and 5; gradients are 6 to 9, and 10, 11; errors below are 12 and 13. A sum or an
    // error below that moves by one rounds to the same byte here; the first activation is 0, and one that
    // is not lets its error pass.
    let expected: [(TensorId, &[&str]); 12] = [
        (TensorId::Weights(0), &["weights:1:0", "product:1:0"]),
        (TensorId::Inputs(0), &["input:1:0", "product:1:0", "product:1:2", "product:1:6", "product:1:8"]),
        (TensorId::Sums(0), &["product:1:1"]),
        (TensorId::Errors(0), &["product:1:6", "product:1:7", "errors:1:0"]),
        (TensorId::Gradients(0), &["product:1:6", "momentum:1:0"]),
        (TensorId::Weights(1), &["weights:1:132", "product:1:4", "product:1:12"]),
        (TensorId::Inputs(1), &["product:1:4", "product:1:10", "activation:1:0", "errors:1:0"]),
        (TensorId::Sums(1), &["product:1:5"]),
        (TensorId::Errors(1), &["product:1:10", "product:1:11", "product:1:12", "product:1:13", "loss:1:0"]),
        (TensorId::Gradients(1), &["product:1:10", "momentum:1:132"]),
        (TensorId::Below(1), &["product:1:12"]),
        (TensorId::Losses, &["loss:1:0", "loss:1:1"]),
    ];
    let ground = Ground::small();
    let tensors = ground.round.trace.as_ref().expect("traces are committed to").tensors();
    assert!(tensors.iter().map(|placed| placed.id).eq(expected.iter().map(|(id, _)| *id)));
    let found = expected.map(|(id, _)| {
        let mined = ground.lie(|draft| {
            draft.trace.as_mut().expect("traces are committed to").tamper(id);
            draft.hash_trace().expect("words of a leaf");
        });
        (id, names(&bad_cells(&mined)))
    });
    assert_eq!(found, expected.map(|(id, cells)| (id, cells.iter().map(|&cell| cell.to_owned()).collect())));
}

#[test]
fn a_value_where_no_leaf_stands_breaks_the_vacant_cells_that_see_it_and_no_others() {
    let ground = Ground::small();
    // Leaves 0..132 and 256..266 of 1,024 positions: what is between them, after them, and in the other half.
    for (position, tensors) in [(132, "0"), (255, "0"), (266, "1"), (1023, "01")] {
        let mined = ground.honest().salt(position, Fr::from(9u64)).expect("words of a leaf");
        let expected: Vec<String> = tensors.chars().map(|tensor| format!("vacant:2:{tensor}")).collect();
        assert_eq!(names(&bad_cells(&mined)), expected, "position {position}");
    }
}

#[test]
fn a_salt_in_a_record_breaks_a_link_or_every_traced_cell_of_the_step() {
    let ground = Ground::small();
    let salted = |salt: fn(&mut Draft<'_>)| bad_cells(&ground.lie(salt));
    let used = |draft: &mut Draft<'_>| draft.record.exponents.as_mut().expect("of a step").errors[0] += 1;
    let next = |draft: &mut Draft<'_>| draft.record.next_exponents.as_mut().expect("of a step").errors[0] += 1;
    assert_eq!(names(&salted(|draft| draft.record.loss += 1)), ["link:1:0"]);
    assert!(names(&salted(used)).contains(&"link:1:0".to_owned()));
    assert_eq!(names(&salted(next)), ["peak:1:3", "link:2:0"]);

    let space = ground.round.space().expect("traces are committed to");
    let traced = Kind::ALL.into_iter().filter(|kind| kind.is_traced());
    // The peaks of weights, the first of their kind, open the state and no trace.
    let opens_none = |cell: &Cell| cell.kind == Kind::Peak && (cell.index as usize) < ground.round.spec.tensors().len();
    let all: Vec<Cell> = traced.flat_map(|kind| space.of_step(kind, LIE)).filter(|cell| !opens_none(cell)).collect();
    assert_eq!(salted(|draft| draft.record.trace_root += Fr::from(1u64)), all);
}

#[test]
fn exponents_of_the_commitment_that_no_record_asks_for_break_the_link_of_that_end() {
    let ground = Ground::small();
    let mut start = ground.honest();
    start.commitment.parent_exponents = start.commitment.head().exponents;
    assert_eq!(names(&bad_cells(&start)), ["link:0:0"]);
    let mut end = ground.honest();
    end.commitment.exponents.errors[0] += 1;
    assert_eq!(names(&bad_cells(&end)), ["link:2:0"]);
}

#[test]
fn an_audit_names_a_cell_that_does_not_hold() {
    let ground = Ground::small();
    let lies: [fn(&mut Draft<'_>); 4] = [
        |draft| draft.record.loss += 1,
        |draft| draft.record.exponents.as_mut().expect("of a step").errors[0] += 1,
        |draft| {
            draft.after.momenta[0][..64].iter_mut().for_each(|momentum| *momentum = -*momentum);
            draft.obey();
        },
        |draft| {
            draft.trace.as_mut().expect("traces are committed to").tamper(TensorId::Gradients(0));
            draft.hash_trace().expect("words of a leaf");
        },
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let (mined, job, t) = (ground.lie(lie), ground.job(), LIE as usize);
        let (records, bad) = (&mined.trace.records, bad_cells(&mined));
        let stepper = Stepper::new(&job, records[0].state_root).expect("the data of the round");
        let published = Traced::new(LIE, mined.states[t].clone(), &mined.traces[t]);
        let found = audit(&job, &stepper, records, &mined.codes[t], &published, [5; 32]).expect("a step of the round");
        let named: Vec<Cell> = found.iter().flat_map(|finding| finding.cells(&ground.round)).collect();
        assert!(named.iter().any(|cell| bad.contains(cell)), "lie {number}: {found:?} names {:?}", names(&named));
    }
}

#[test]
fn a_traced_task_whose_batch_has_padding_rows_is_refused() {
    let Round { mut spec, context, shape, .. } = Ground::small().round;
    spec.batch = 32;
    let refused = Round::new(spec, context, shape).expect_err("a padding row may hold bytes");
    assert!(matches!(refused, Error::Unprovable(Unprovable::Batch(32))), "{refused}");
}

#[test]
fn a_traced_task_of_more_classes_than_a_leaf_holds_is_refused() {
    let Round { mut spec, context, shape, .. } = Ground::small().round;
    spec.layers[2] = 65;
    let refused = Round::new(spec, context, shape).expect_err("no cell holds its losses");
    assert!(matches!(refused, Error::Unprovable(Unprovable::Classes(65))), "{refused}");
}
