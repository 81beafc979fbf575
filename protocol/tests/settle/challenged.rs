//! One fact a test of trace mode `challenged`: two beacons, a disclosure between them, and segments that
//! are disclosed when a dispute asks for them.

use std::collections::BTreeSet;
use std::sync::Arc;

use ark_bn254::Fr;
use pogo_protocol::attest::Sign;
use pogo_protocol::cell::{Cell, Kind};
use pogo_protocol::settle::{Beacon, CandidateId, Event, Lapse, Reason, Rules, SettleError, Settlement, Slash, Status};

use crate::world::{
    CHALLENGED_RULES, DigestVerifier, LEAVES, MINER, RIVAL, RULES, SEGMENTS, STRANGER, World, challenged_task, digests,
    segment_root, slices,
};

const DISCLOSURE_WINDOW: u64 = RULES.prove_window;

/// A candidate that takes votes, whose last segment was not drawn.
fn proven() -> (World, CandidateId) {
    let candidate = |salt| {
        let mut world = World::challenged();
        let id = world.proven(MINER, salt);
        (world, id)
    };
    (1..).map(candidate).find(|(world, id)| !world.drawn(*id).contains(&(SEGMENTS - 1))).unwrap()
}

/// The first segment that was not drawn; not the last one, as 8 of 20 are drawn.
fn undrawn(world: &World, id: CandidateId) -> u32 {
    let drawn = world.drawn(id);
    (0..SEGMENTS).find(|segment| !drawn.contains(segment)).unwrap()
}

/// One cell of each of these kinds in a step of the segment.
fn cells_of(segment: u32) -> [Cell; 4] {
    [Kind::Update, Kind::Link, Kind::Product, Kind::Loss].map(|kind| Cell::new(kind, 2 * segment + 1, 0))
}

/// A candidate that all stake is for, and one segment of it that a dispute of the last block asks for.
fn asked() -> (World, CandidateId, u32) {
    let (mut world, id) = proven();
    world.approve(id, &[0, 1, 2, 3]);
    let segment = undrawn(&world, id);
    world.now = world.candidate(id).deadline;
    world.dispute(id, Cell::segment(segment)).unwrap();
    (world, id, segment)
}

#[test]
fn the_first_beacon_draws_segments_and_the_second_cells_of_them() {
    let mut world = World::challenged();
    let id = world.commit(MINER, 1);
    assert_eq!(world.settlement.disclosure_statements(id, &[]), Ok(Vec::new()));
    let first = [world.candidate(id).beacon_block as u8; 32];
    assert_eq!(world.draw(id), Event::Drawn(id, first));
    let drawn: BTreeSet<u32> = world.drawn(id).into_iter().collect();
    assert_eq!((drawn.len(), drawn.last().is_some_and(|&segment| segment < SEGMENTS)), (8, true));
    assert_eq!(world.settlement.statements(id), Ok(Vec::new()));

    let block = world.now + RULES.seed_delay;
    assert_eq!(world.disclose(id), Ok(Event::Disclosed(id, block)));
    assert_eq!((world.settlement.statements(id), world.candidate(id).beacon), (Ok(Vec::new()), None));
    let of = |block| Beacon { block, value: [9; 32] };
    let early = SettleError::TooEarly { first: block + 1, now: block };
    assert_eq!(world.settlement.draw_seed(block, id, of(block)), Err(early));
    let old = world.candidate(id).committed_at + RULES.seed_delay;
    let other = SettleError::Beacon { expected: block, got: old };
    assert_eq!(world.settlement.draw_seed(block + 1, id, of(old)), Err(other));
    assert_eq!(world.draw(id), Event::Seeded(id, [block as u8; 32]));

    let (statements, roots) = (world.settlement.statements(id).unwrap(), world.roots(id));
    assert!(!statements.is_empty());
    for statement in &statements {
        assert_eq!((statement.beacon, Some(&statement.steps_root)), ([block as u8; 32], roots.last()));
    }
    let again = SettleError::Status { expected: "Committed or Disclosed", got: Status::Seeded };
    assert_eq!(world.settlement.draw_seed(block + 1, id, of(block)), Err(again));
}

#[test]
fn a_disclosure_follows_the_draw_and_comes_once() {
    let mut world = World::challenged();
    let id = world.commit(MINER, 1);
    let refused = |got| Err(SettleError::Status { expected: "Drawn", got });
    assert_eq!(world.disclose(id), refused(Status::Committed));
    world.draw(id);
    let again = SettleError::Status { expected: "Committed or Disclosed", got: Status::Drawn };
    let beacon = Beacon { block: world.candidate(id).beacon_block, value: [9; 32] };
    assert_eq!(world.settlement.draw_seed(world.now, id, beacon), Err(again));
    world.disclose(id).unwrap();
    assert_eq!(world.disclose(id), refused(Status::Disclosed));
    world.draw(id);
    assert_eq!(world.disclose(id), refused(Status::Seeded));
    world.prove(id);
    assert_eq!(world.disclose(id), refused(Status::Proven));
}

#[test]
fn a_disclosure_is_the_miners_and_has_a_root_and_a_proof_for_every_eight_records() {
    let mut world = World::challenged();
    let id = world.commit(MINER, 1);
    world.draw(id);
    let (now, roots) = (world.now, world.roots(id));
    let proofs = digests(&world.settlement.disclosure_statements(id, &roots).unwrap());
    let [first, second] = slices(&proofs)[..] else { panic!("{} proofs", proofs.len()) };
    let mut disclose =
        |sender, roots: &[Fr], proofs: &[&[u8]]| world.settlement.disclose(now, id, sender, roots, proofs);
    // Whoever replays the round can prove records of its own making at leaves that were empty.
    let sender = SettleError::Sender { expected: MINER, got: RIVAL };
    assert_eq!(disclose(RIVAL, &roots, &[first, second]), Err(sender));
    for few_or_many in [&[][..], &roots[..1], &[roots[0], roots[1], roots[1]]] {
        let error = SettleError::Roots { expected: 2, got: few_or_many.len() };
        assert_eq!(disclose(MINER, few_or_many, &[first, second]), Err(error));
    }
    let count = SettleError::ProofCount { expected: 2, got: 1 };
    assert_eq!(disclose(MINER, &roots, &[first]), Err(count));
    let refused = |part| Err(SettleError::Proof { part });
    assert_eq!(disclose(MINER, &roots, &[second, first]), refused(0));
    assert_eq!(disclose(MINER, &roots, &[first, b"no proof"]), refused(1));
    assert_eq!(disclose(MINER, &[roots[0], roots[0]], &[first, second]), refused(1));
    assert_eq!(disclose(MINER, &[roots[1], roots[1]], &[first, second]), refused(0));
    assert!(disclose(MINER, &roots, &[first, second]).is_ok());
}

#[test]
fn a_disclosure_of_another_candidate_is_none_of_this_one() {
    let mut world = World::challenged();
    let (id, other) = (world.commit(MINER, 1), world.commit(RIVAL, 1));
    world.draw(id);
    world.draw(other);
    assert_eq!(world.drawn(id), world.drawn(other));
    let roots = world.roots(id);
    let foreign = digests(&world.settlement.disclosure_statements(other, &roots).unwrap());
    let refused = world.settlement.disclose(world.now, id, MINER, &roots, &slices(&foreign));
    assert_eq!(refused, Err(SettleError::Proof { part: 0 }));
}

#[test]
fn segments_that_are_not_disclosed_in_time_cost_the_bond() {
    let mut world = World::challenged();
    let id = world.commit(MINER, 1);
    world.draw(id);
    let deadline = world.candidate(id).deadline;
    assert_eq!(deadline, world.now + DISCLOSURE_WINDOW);
    world.now = deadline;
    let early = SettleError::TooEarly { first: deadline + 1, now: deadline };
    assert_eq!(world.settlement.settle(deadline, id, STRANGER), Err(early));
    assert!(world.clone().disclose(id).is_ok());
    world.now += 1;
    assert_eq!(world.disclose(id), Err(SettleError::TooLate { last: deadline, now: deadline + 1 }));
    let slash = Slash { reporter: STRANGER, rewarded: 500, burned: 501 };
    assert_eq!(world.settle_after_window(id), Event::Rejected(id, Reason::NoDisclosure, slash));
}

#[test]
fn a_second_beacon_that_nobody_drew_costs_the_bond() {
    let mut world = World::challenged();
    let id = world.commit(MINER, 1);
    world.draw(id);
    world.disclose(id).unwrap();
    let last = world.now + RULES.seed_delay + RULES.seed_window;
    assert_eq!(world.candidate(id).deadline, last);
    assert!(matches!(world.settle_after_window(id), Event::Rejected(_, Reason::NoSeed, _)));
}

#[test]
fn cells_of_a_segment_can_be_named_when_it_is_disclosed_and_the_segment_before() {
    let (mut world, id) = proven();
    let (drawn, other) = (world.drawn(id)[0], undrawn(&world, id));
    let absent = [Cell::segment(drawn), Cell::segment(SEGMENTS), Cell::segment(u32::MAX)];
    // The same segment under a key that no answer finds, and the ends of the numbers.
    let strange =
        [Cell::new(Kind::Disclosure, 1, other), Cell::update(u32::MAX, 0), Cell::new(Kind::Link, u32::MAX, 0)];
    for cell in cells_of(other).into_iter().chain(absent).chain(strange) {
        assert_eq!(world.dispute(id, cell), Err(SettleError::NoSuchCell(cell)));
        assert_eq!(world.vote(id, 0, Sign::Negative(cell), 900), Err(SettleError::NoSuchCell(cell)));
    }
    for cell in cells_of(drawn) {
        world.dispute(id, cell).unwrap();
        world.answer(id, cell).unwrap();
    }
    world.vote(id, 0, Sign::Negative(Cell::segment(other)), 900).unwrap();
    world.dispute(id, Cell::segment(other)).unwrap();
    world.answer(id, Cell::segment(other)).unwrap();
    for cell in cells_of(other) {
        world.dispute(id, cell).unwrap();
        world.answer(id, cell).unwrap();
    }
}

#[test]
fn quantize_cells_are_disputed_whether_or_not_the_last_segment_is_disclosed() {
    let (mut world, id) = proven();
    for leaf in 0..LEAVES {
        world.dispute(id, Cell::quantize(leaf)).unwrap();
        world.answer(id, Cell::quantize(leaf)).unwrap();
    }
}

#[test]
fn a_vote_may_name_a_segment_that_was_disclosed_meanwhile() {
    let (mut world, id) = proven();
    let cell = Cell::segment(undrawn(&world, id));
    let signed = world.signed(id, 0, Sign::Negative(cell), 900);
    world.dispute(id, cell).unwrap();
    world.answer(id, cell).unwrap();
    assert!(world.settlement.attest(world.now, id, &signed).is_ok());
    assert_eq!(world.dispute(id, cell), Err(SettleError::DuplicateDispute(cell)));
}

#[test]
fn a_disputed_segment_keeps_the_round_open_until_its_cells_had_their_window() {
    let (mut world, id, segment) = asked();
    assert_eq!(world.settle_after_window(id), Event::Disputed(id));
    world.now += RULES.answer_window - 1;
    world.answer(id, Cell::segment(segment)).unwrap();
    let last = world.now + RULES.answer_window;
    // Of what was disclosed before, the window is over.
    let drawn = world.drawn(id)[0];
    let over = SettleError::Status { expected: "Proven", got: Status::Disputed };
    for cell in [Cell::update(2 * drawn, 0), Cell::quantize(0), Cell::segment(SEGMENTS - 1)] {
        assert_eq!(world.dispute(id, cell), Err(over.clone()));
    }
    world.now = last;
    let early = SettleError::TooEarly { first: last + 1, now: last };
    assert_eq!(world.settlement.settle(last, id, STRANGER), Err(early));
    let [update, link, ..] = cells_of(segment);
    world.dispute(id, update).unwrap();
    world.now += 1;
    assert_eq!(world.dispute(id, link), Err(over));
    // A cell that is answered asks for no further window.
    let early = SettleError::TooEarly { first: last + RULES.answer_window + 1, now: last + 1 };
    assert_eq!(world.settlement.settle(last + 1, id, STRANGER), Err(early));
    world.answer(id, update).unwrap();
    let head = world.candidate(id).commitment.head();
    assert_eq!(world.settle_after_window(id), Event::Finalized(id, head));
    assert_eq!(world.credit(MINER), RULES.bond + 2 * RULES.dispute_bond);
}

#[test]
fn a_window_of_cells_that_begins_before_the_votes_are_over_may_end_after_them() {
    let (mut world, id) = proven();
    let segment = undrawn(&world, id);
    world.dispute(id, Cell::segment(segment)).unwrap();
    world.now += RULES.answer_window;
    world.answer(id, Cell::segment(segment)).unwrap();
    let [update, link, product, _] = cells_of(segment);
    // Past its own window, inside that of the votes.
    world.now = world.candidate(id).deadline;
    world.dispute(id, update).unwrap();
    world.answer(id, update).unwrap();
    // Past both, before anybody settles.
    let late = SettleError::TooLate { last: world.now, now: world.now + 1 };
    world.now += 1;
    assert_eq!(world.dispute(id, link), Err(late.clone()));
    // Past that of the votes, inside its own.
    let (mut world, id) = proven();
    world.now = world.candidate(id).deadline - 1;
    world.dispute(id, Cell::segment(segment)).unwrap();
    world.answer(id, Cell::segment(segment)).unwrap();
    world.now += 2;
    world.dispute(id, product).unwrap();
    assert!(matches!(world.dispute(id, Cell::quantize(0)), Err(SettleError::TooLate { .. })));
}

#[test]
fn a_segment_that_is_not_disclosed_or_a_false_cell_of_it_is_rejected_whatever_the_votes() {
    let (mut world, id, segment) = asked();
    let cell = Cell::segment(segment);
    let deadline = world.candidate(id).disputes[&cell].deadline;
    let mut silent = world.clone();
    silent.now = deadline + 1;
    assert_eq!(silent.answer(id, cell), Err(SettleError::TooLate { last: deadline, now: deadline + 1 }));
    let event = silent.settlement.settle(silent.now, id, RIVAL).unwrap();
    let slash = Slash { reporter: STRANGER, rewarded: 500, burned: 501 };
    assert_eq!(event, Event::Rejected(id, Reason::Unanswered(cell), slash));

    world.now = deadline;
    world.answer(id, cell).unwrap();
    let [.., loss] = cells_of(segment);
    world.now += RULES.answer_window;
    world.dispute(id, loss).unwrap();
    world.now += RULES.answer_window + 1;
    let event = world.settlement.settle(world.now, id, RIVAL).unwrap();
    assert_eq!(event, Event::Rejected(id, Reason::Unanswered(loss), slash));
}

#[test]
fn an_answer_of_a_segment_is_the_miners_and_follows_what_is_disclosed() {
    let (mut world, id, segment) = asked();
    let (now, root) = (world.now, segment_root(segment));
    let statements = world.settlement.segment_statements(id, segment, &[root]).unwrap();
    assert_eq!((Some(&statements[0].steps_root), statements[0].parts), (world.roots(id).last(), 0));
    let proofs = digests(&statements);
    let drawn = digests(&world.settlement.disclosure_statements(id, &world.roots(id)).unwrap());
    let unasked = (segment + 1..SEGMENTS).find(|segment| !world.drawn(id).contains(segment)).unwrap();
    let other = digests(&world.settlement.segment_statements(id, unasked, &[root]).unwrap());
    let known = world.drawn(id)[0];
    let mut answer = |sender, segment, roots: &[Fr], proofs: &[&[u8]]| {
        world.settlement.answer_segment(now, id, sender, segment, roots, proofs)
    };
    let sender = SettleError::Sender { expected: MINER, got: STRANGER };
    assert_eq!(answer(STRANGER, segment, &[root], &slices(&proofs)), Err(sender));
    assert_eq!(answer(MINER, segment, &[], &[]), Err(SettleError::Roots { expected: 1, got: 0 }));
    let count = SettleError::ProofCount { expected: 1, got: 0 };
    assert_eq!(answer(MINER, segment, &[root], &[]), Err(count));
    for false_proof in [&other, &drawn[..1].to_vec()] {
        assert_eq!(answer(MINER, segment, &[root], &slices(false_proof)), Err(SettleError::Proof { part: 0 }));
    }
    let moved = answer(MINER, segment, &[Fr::from(1)], &slices(&proofs));
    assert_eq!(moved, Err(SettleError::Proof { part: 0 }));
    let not_asked = SettleError::NotDisputed(Cell::segment(unasked));
    assert_eq!(answer(MINER, unasked, &[root], &slices(&other)), Err(not_asked));
    for absent in [known, SEGMENTS, u32::MAX] {
        let error = SettleError::NoSuchCell(Cell::segment(absent));
        assert_eq!(answer(MINER, absent, &[root], &slices(&proofs)), Err(error));
    }
    assert!(answer(MINER, segment, &[root], &slices(&proofs)).is_ok());
    // Nobody discloses it a second time.
    let again = SettleError::NoSuchCell(Cell::segment(segment));
    assert_eq!(answer(MINER, segment, &[root], &slices(&proofs)), Err(again));
}

#[test]
fn what_is_proven_after_an_answer_is_proven_of_the_records_with_that_segment() {
    let (mut world, id) = proven();
    let [first, second] = [undrawn(&world, id), SEGMENTS - 1];
    let cell = Cell::update(2 * world.drawn(id)[0], 0);
    for cell in [cell, Cell::segment(first), Cell::segment(second)] {
        world.dispute(id, cell).unwrap();
    }
    let stale = world.settlement.answer_statement(id, cell).unwrap();
    let after = digests(&world.settlement.segment_statements(id, second, &[segment_root(second)]).unwrap());
    world.answer(id, Cell::segment(first)).unwrap();
    let refused = Err(SettleError::Proof { part: 0 });
    assert_eq!(world.settlement.answer(world.now, id, cell, &stale.digest()), refused);
    let root = [segment_root(second)];
    assert_eq!(world.settlement.answer_segment(world.now, id, MINER, second, &root, &slices(&after)), refused);
    world.answer(id, Cell::segment(second)).unwrap();
    assert_eq!(world.settlement.answer_statement(id, cell).unwrap().steps_root, segment_root(second));
    world.answer(id, cell).unwrap();
    // The samples of the ballot are those of the drawn segments still.
    let of_drawn = world.candidate(id).segments.as_ref().map(|segments| segments.drawn.clone());
    assert_eq!(of_drawn, Some(world.drawn(id)));
}

#[test]
fn disputes_of_every_segment_at_once_leave_time_to_answer_each() {
    let (mut world, id) = proven();
    world.approve(id, &[0, 1, 2, 3]);
    let drawn = world.drawn(id);
    let asked: Vec<u32> = (0..SEGMENTS).filter(|segment| !drawn.contains(segment)).collect();
    for &segment in &asked {
        world.dispute(id, Cell::segment(segment)).unwrap();
    }
    for &segment in &asked {
        world.now += RULES.answer_window;
        world.answer(id, Cell::segment(segment)).unwrap();
    }
    assert_eq!(world.settle_after_window(id), Event::Disputed(id));
    // The window of cells of the segment that was answered last.
    world.now += RULES.answer_window;
    let early = SettleError::TooEarly { first: world.now + 1, now: world.now };
    assert_eq!(world.settlement.settle(world.now, id, STRANGER), Err(early));
    world.now += 1;
    assert!(matches!(world.settlement.settle(world.now, id, STRANGER), Ok(Event::Finalized(..))));
}

#[test]
fn the_second_ballot_starts_from_what_was_committed_to() {
    let (mut world, id) = proven();
    let (cell, segment) = (Cell::update(2 * world.drawn(id)[0], 0), Cell::segment(undrawn(&world, id)));
    let (roots, first) = (world.roots(id), world.candidate(id).drawn.clone());
    let old = digests(&world.settlement.disclosure_statements(id, &roots).unwrap());
    for cell in [cell, segment] {
        world.dispute(id, cell).unwrap();
    }
    let answer = world.settlement.answer_statement(id, cell).unwrap().digest();
    world.answer(id, cell).unwrap();
    world.answer(id, segment).unwrap();
    world.doubt(id, &[0]);
    assert!(matches!(world.settle_after_window(id), Event::Resampled(..)));
    let candidate = world.candidate(id);
    assert_eq!((&candidate.drawn, &candidate.segments, candidate.disputes.len()), (&None, &None, 0));

    // Four times the samples are more than the segments: all of them.
    world.draw(id);
    assert_eq!(world.drawn(id), (0..SEGMENTS).collect::<Vec<_>>());
    assert_ne!(world.candidate(id).drawn.as_ref().map(|drawn| drawn.0), first.map(|drawn| drawn.0));
    let fewer = SettleError::Roots { expected: 5, got: 2 };
    assert_eq!(world.settlement.disclose(world.now, id, MINER, &roots, &slices(&old)), Err(fewer));
    let statements = world.settlement.disclosure_statements(id, &world.roots(id)).unwrap();
    assert_eq!(statements[0].steps_root, world.candidate(id).commitment.steps_root);
    world.disclose(id).unwrap();
    world.draw(id);
    world.prove(id);
    world.dispute(id, cell).unwrap();
    assert_eq!(world.settlement.answer(world.now, id, cell, &answer), Err(SettleError::Proof { part: 0 }));
    world.answer(id, cell).unwrap();
    assert_eq!(world.dispute(id, segment), Err(SettleError::NoSuchCell(segment)));
    world.approve(id, &[0, 1, 2, 3]);
    assert!(matches!(world.settle_after_window(id), Event::Finalized(..)));
    assert_eq!(world.credit(MINER), RULES.bond + 3 * RULES.dispute_bond);
}

#[test]
fn a_second_ballot_without_its_disclosure_is_rejected() {
    let (mut world, id) = proven();
    world.doubt(id, &[0]);
    world.settle_after_window(id);
    world.draw(id);
    assert!(matches!(world.settle_after_window(id), Event::Rejected(_, Reason::NoDisclosure, _)));
}

#[test]
fn silence_lapses_without_fault() {
    let (mut world, id) = proven();
    assert_eq!(world.settle_after_window(id), Event::Lapsed(id, Lapse::NoQuorum));
    assert_eq!(world.credit(MINER), RULES.bond - RULES.fee);
}

#[test]
fn the_exit_delay_covers_two_beacons_and_two_proofs_a_ballot() {
    let open = |rules| Settlement::new(challenged_task(rules), Arc::new(DigestVerifier)).map(|_| ());
    assert_eq!(open(CHALLENGED_RULES), Ok(()));
    let short = Rules { exit_delay: CHALLENGED_RULES.exit_delay - 1, ..CHALLENGED_RULES };
    assert!(matches!(open(short), Err(SettleError::Rules(_))));
}

#[test]
fn unknown_candidate_is_refused_by_the_calls_of_a_disclosure() {
    let mut settlement = World::challenged().settlement;
    let unknown = [0; 32];
    let calls =
        [settlement.disclose(2, unknown, MINER, &[], &[]), settlement.answer_segment(2, unknown, MINER, 0, &[], &[])];
    calls.into_iter().for_each(|call| assert_eq!(call, Err(SettleError::UnknownCandidate)));
    assert_eq!(settlement.disclosure_statements(unknown, &[]), Err(SettleError::UnknownCandidate));
    assert_eq!(settlement.segment_statements(unknown, 0, &[]), Err(SettleError::UnknownCandidate));
}
