//! One fact of the state machine a test.

use std::sync::Arc;

use pogo_protocol::attest::{AttestError, AttesterKey, Sign};
use pogo_protocol::cell::{Cell, Kind, Unprovable};
use pogo_protocol::commitment::Commitment;
use pogo_protocol::model::{EXPONENT_MAX, TraceMode};
use pogo_protocol::settle::{
    BALANCE_MAX, Beacon, CandidateId, Event, Lapse, Reason, Rules, SECOND_SAMPLE, SettleError, Settlement, Slash,
    Status, Task,
};
use pogo_protocol::statement::{CircuitKind, NoStatement, STEP_BITS};

use crate::world::{DigestVerifier, LEAVES, MINER, RIVAL, RULES, STAKES, STEPS, STRANGER, World, commitment, task};

const CELL: Cell = Cell::update(1, 2);

fn signer_error(error: SettleError) -> bool {
    matches!(error, SettleError::Attestation(AttestError::Signer { .. } | AttestError::Unrecoverable))
}

#[test]
fn two_thirds_and_a_fallen_loss_finalize() {
    let mut world = World::new();
    world.settlement.fund(800).unwrap();
    let id = world.proven(MINER, 1);
    world.approve(id, &[0, 1]);
    let head = world.candidate(id).commitment.head();
    assert_eq!(world.settle_after_window(id), Event::Finalized(id, head));
    assert_eq!((world.settlement.head(), world.settlement.round()), (head, 1));
    assert_eq!(world.credit(MINER), RULES.bond + RULES.reward);
    // The pool now holds less than a reward.
    let next = world.proven(MINER, 2);
    world.approve(next, &[0, 1]);
    world.settle_after_window(next);
    assert_eq!(world.credit(MINER), 2 * RULES.bond + 800);
}

#[test]
fn exactly_two_thirds_are_not_enough() {
    let mut world = World::new();
    world.settlement.stake(2, world.keys[4].address(), 50).unwrap();
    world.now = 3;
    let id = world.proven(MINER, 1);
    // 700 of 1050.
    world.approve(id, &[0, 1]);
    assert_eq!(world.settle_after_window(id), Event::Lapsed(id, Lapse::NoQuorum));
    assert_eq!(world.credit(MINER), RULES.bond - RULES.fee);
    assert_eq!(world.settlement.bank().pool, RULES.fee);
}

#[test]
fn silence_lapses_and_leaves_the_round_open() {
    let mut world = World::new();
    let id = world.proven(MINER, 1);
    assert_eq!(world.settle_after_window(id), Event::Lapsed(id, Lapse::NoQuorum));
    assert_eq!(world.settlement.round(), 0);
}

#[test]
fn task_without_stake_finalizes_nothing() {
    let mut world = World::new();
    world.settlement = Settlement::new(task(RULES), Arc::new(DigestVerifier)).unwrap();
    let id = world.proven(MINER, 1);
    assert_eq!(world.settle_after_window(id), Event::Lapsed(id, Lapse::NoQuorum));
}

#[test]
fn loss_must_fall_for_more_than_half_of_the_stake_that_voted() {
    let settle = |falls: &[usize]| {
        let mut world = World::new();
        let id = world.proven(MINER, 1);
        for attester in 0..4 {
            let loss = if falls.contains(&attester) { 999 } else { 1000 };
            world.vote(id, attester, Sign::Positive, loss).unwrap();
        }
        world.settle_after_window(id);
        world.status(id)
    };
    assert_eq!(settle(&[0, 3]), Status::Lapsed(Lapse::NoImprovement));
    assert_eq!(settle(&[0, 2]), Status::Finalized);
}

#[test]
fn second_candidate_of_a_round_lapses_when_the_round_is_over() {
    let mut world = World::new();
    let (first, second) = (world.commit(MINER, 1), world.commit(RIVAL, 2));
    for id in [first, second] {
        world.seed(id);
        world.prove(id);
        world.approve(id, &[0, 1, 2, 3]);
    }
    world.settle_after_window(first);
    assert_eq!(world.settle_after_window(second), Event::Lapsed(second, Lapse::RoundOver));
}

#[test]
fn third_of_negative_stake_asks_for_a_larger_sample_and_a_new_ballot() {
    let mut world = World::new();
    world.settlement.stake(2, world.keys[4].address(), 200).unwrap();
    world.now = 3;
    let id = world.proven(MINER, 1);
    let (samples, old) = (world.settlement.statements(id).unwrap().len(), world.signed(id, 1, Sign::Positive, 900));
    // Exactly 400 of 1200.
    world.approve(id, &[1, 2, 3, 4]);
    world.doubt(id, &[0]);
    assert!(matches!(world.settle_after_window(id), Event::Resampled(..)));
    assert_eq!(world.candidate(id).beacon, None);
    world.seed(id);
    assert_eq!(world.settlement.statements(id).unwrap().len(), SECOND_SAMPLE * samples);
    world.prove(id);
    assert_eq!(world.settlement.attest(world.now, id, &old), Err(SettleError::OtherBeacon));
    // The same attester may think again: another beacon is no equivocation.
    world.approve(id, &[0, 1, 2, 3]);
    let new = world.signed(id, 1, Sign::Negative(CELL), 900);
    let pair = world.settlement.report_equivocation(world.now, STRANGER, id, [&old, &new]);
    assert_eq!(pair, Err(SettleError::NotEquivocation));
    assert!(matches!(world.settle_after_window(id), Event::Finalized(..)));
}

#[test]
fn less_than_a_third_of_negative_stake_asks_for_nothing() {
    let mut world = World::new();
    let id = world.proven(MINER, 1);
    world.approve(id, &[0, 1]);
    world.doubt(id, &[2, 3]);
    assert!(matches!(world.settle_after_window(id), Event::Finalized(..)));
}

#[test]
fn negative_votes_of_all_stake_never_take_a_bond() {
    let mut world = World::new();
    let id = world.proven(MINER, 1);
    world.doubt(id, &[0, 1, 2, 3]);
    world.settle_after_window(id);
    world.seed(id);
    world.prove(id);
    world.doubt(id, &[0, 1, 2, 3]);
    assert_eq!(world.settle_after_window(id), Event::Lapsed(id, Lapse::NoQuorum));
    assert_eq!(world.credit(MINER), RULES.bond - RULES.fee);
}

#[test]
fn second_sample_without_a_proof_is_rejected() {
    let mut world = World::new();
    let id = world.proven(MINER, 1);
    world.doubt(id, &[0]);
    world.settle_after_window(id);
    world.seed(id);
    assert!(matches!(world.settle_after_window(id), Event::Rejected(_, Reason::NoProof, _)));
}

#[test]
fn duplicate_vote_is_refused_even_with_another_sign() {
    let mut world = World::new();
    let id = world.proven(MINER, 1);
    world.approve(id, &[0]);
    assert_eq!(world.vote(id, 0, Sign::Positive, 900), Err(SettleError::DuplicateVote));
    assert_eq!(world.vote(id, 0, Sign::Negative(CELL), 900), Err(SettleError::DuplicateVote));
    assert_eq!(world.candidate(id).tally().positive, STAKES[0]);
}

#[test]
fn unsigned_and_copied_attestations_are_refused() {
    let mut world = World::new();
    let id = world.proven(MINER, 1);
    let mut unsigned = world.signed(id, 0, Sign::Positive, 900);
    unsigned.signature = [0; 65];
    let error = world.settlement.attest(world.now, id, &unsigned).unwrap_err();
    assert_eq!(error, SettleError::Attestation(AttestError::Scalar));
    let mut copied = world.signed(id, 0, Sign::Positive, 900);
    copied.attestation.attester = world.keys[1].address();
    assert!(signer_error(world.settlement.attest(world.now, id, &copied).unwrap_err()));
    let mut other_number = world.signed(id, 0, Sign::Positive, 900);
    other_number.attestation.loss_after = 1;
    assert!(signer_error(world.settlement.attest(world.now, id, &other_number).unwrap_err()));
}

#[test]
fn attestation_moved_to_another_candidate_is_refused() {
    let mut world = World::new();
    let (first, copy, other) = (world.commit(MINER, 1), world.commit(RIVAL, 1), world.commit(RIVAL, 2));
    assert_ne!(first, copy);
    for id in [first, copy, other] {
        world.seed(id);
        world.prove(id);
    }
    let signed = world.signed(first, 0, Sign::Positive, 900);
    assert_eq!(world.settlement.attest(world.now, other, &signed), Err(SettleError::OtherCandidate));
    // The same commitment by another miner: the signature binds the miner.
    assert!(signer_error(world.settlement.attest(world.now, copy, &signed).unwrap_err()));
}

#[test]
fn attestation_of_a_guessed_beacon_or_a_smaller_batch_is_refused() {
    let mut world = World::new();
    let id = world.proven(MINER, 1);
    let (context, mut attestation) = (world.candidate(id).context, world.attestation(id, 0, Sign::Positive, 900));
    attestation.evaluated = 1;
    let signed = world.keys[0].sign(&context, attestation).unwrap();
    let error = SettleError::Evaluated { expected: RULES.evaluated, got: 1 };
    assert_eq!(world.settlement.attest(world.now, id, &signed), Err(error));
    attestation.beacon = [9; 32];
    let signed = world.keys[0].sign(&context, attestation).unwrap();
    assert_eq!(world.settlement.attest(world.now, id, &signed), Err(SettleError::OtherBeacon));
}

#[test]
fn unbonded_late_and_withdrawn_stake_has_no_vote() {
    let mut world = World::new();
    let early = world.keys[4].address();
    world.settlement.exit(2, world.keys[0].address()).unwrap();
    let id = world.commit(MINER, 1);
    // In the block of the commit, and later.
    world.settlement.stake(2, early, 10).unwrap();
    world.settlement.stake(3, early, 1_000_000).unwrap();
    world.seed(id);
    world.prove(id);
    assert_eq!(world.vote(id, 4, Sign::Positive, 900), Err(SettleError::Unbonded));
    // Exited in the block of the commit: still votes, as it is still slashable.
    world.approve(id, &[0]);
    assert_eq!(world.candidate(id).tally().positive, STAKES[0]);
    // Exited before a commit: no vote.
    let next = world.proven(RIVAL, 2);
    assert_eq!(world.vote(next, 0, Sign::Positive, 900), Err(SettleError::Unbonded));
    assert_eq!(world.candidate(next).total, 600 + 1_000_010);
}

#[test]
fn stake_comes_back_only_after_the_exit_delay() {
    let mut world = World::new();
    let attester = world.keys[0].address();
    assert_eq!(world.settlement.unstake(2, attester), Err(SettleError::Nothing("exiting stake")));
    let unlock = 2 + RULES.exit_delay;
    assert_eq!(world.settlement.exit(2, attester), Ok(Event::Exiting(attester, unlock)));
    assert_eq!(world.settlement.exit(2, attester), Err(SettleError::Nothing("active stake")));
    let early = SettleError::TooEarly { first: unlock, now: unlock - 1 };
    assert_eq!(world.settlement.unstake(unlock - 1, attester), Err(early));
    assert_eq!(world.settlement.unstake(unlock, attester), Ok(Event::Unstaked(attester, STAKES[0])));
    assert_eq!(world.settlement.withdraw(attester), Ok(Event::Withdrawn(attester, STAKES[0])));
    assert_eq!(world.settlement.withdraw(attester), Err(SettleError::Nothing("credit")));
}

#[test]
fn second_exit_adds_to_the_first_and_waits_again() {
    let mut world = World::new();
    let attester = world.keys[0].address();
    world.settlement.exit(2, attester).unwrap();
    world.settlement.stake(3, attester, 5).unwrap();
    world.settlement.exit(4, attester).unwrap();
    let unlock = 4 + RULES.exit_delay;
    assert!(world.settlement.unstake(unlock - 1, attester).is_err());
    assert_eq!(world.settlement.unstake(unlock, attester), Ok(Event::Unstaked(attester, STAKES[0] + 5)));
}

#[test]
fn slashed_attester_votes_with_what_it_staked_again_at_most() {
    let mut world = World::new();
    let id = world.proven(MINER, 1);
    let (first, second) = (world.signed(id, 0, Sign::Positive, 900), world.signed(id, 0, Sign::Positive, 901));
    world.settlement.report_equivocation(world.now, STRANGER, id, [&first, &second]).unwrap();
    assert_eq!(world.vote(id, 0, Sign::Positive, 900), Err(SettleError::Unbonded));
    world.settlement.stake(world.now, world.keys[0].address(), 3).unwrap();
    world.approve(id, &[0]);
    assert_eq!(world.candidate(id).tally().positive, 3);
}

#[test]
fn votes_and_disputes_before_the_proof_are_refused() {
    let mut world = World::new();
    let id = world.commit(MINER, 1);
    for status in [Status::Committed, Status::Seeded] {
        let refused = SettleError::Status { expected: "Proven", got: status };
        assert_eq!(world.vote(id, 0, Sign::Positive, 900), Err(refused.clone()));
        assert_eq!(world.dispute(id, CELL), Err(refused));
        if status == Status::Committed {
            world.seed(id);
        }
    }
    assert_eq!(world.credit(MINER), 0);
}

#[test]
fn window_of_votes_ends_with_its_last_block() {
    let mut world = World::new();
    let id = world.proven(MINER, 1);
    world.now += RULES.attest_window;
    world.approve(id, &[0]);
    world.dispute(id, CELL).unwrap();
    let early = SettleError::TooEarly { first: world.now + 1, now: world.now };
    assert_eq!(world.settlement.settle(world.now, id, STRANGER), Err(early));
    world.now += 1;
    let late = SettleError::TooLate { last: world.now - 1, now: world.now };
    assert_eq!(world.vote(id, 1, Sign::Positive, 900), Err(late.clone()));
    assert_eq!(world.dispute(id, Cell::quantize(0)), Err(late));
}

#[test]
fn seed_is_drawn_once_after_its_block_and_from_no_other() {
    let mut world = World::new();
    let id = world.commit(MINER, 1);
    let block = 2 + RULES.seed_delay;
    let beacon = Beacon { block, value: [1; 32] };
    let early = SettleError::TooEarly { first: block + 1, now: block };
    assert_eq!(world.settlement.draw_seed(block, id, beacon), Err(early));
    let other = Beacon { block: block + 1, value: [1; 32] };
    let error = SettleError::Beacon { expected: block, got: block + 1 };
    assert_eq!(world.settlement.draw_seed(block + 2, id, other), Err(error));
    world.settlement.draw_seed(block + RULES.seed_window, id, beacon).unwrap();
    let again = SettleError::Status { expected: "Committed or Disclosed", got: Status::Seeded };
    let value = Beacon { block, value: [2; 32] };
    assert_eq!(world.settlement.draw_seed(block + RULES.seed_window, id, value), Err(again));
}

#[test]
fn seed_that_nobody_drew_costs_the_bond() {
    let mut world = World::new();
    let id = world.commit(MINER, 1);
    let last = 2 + RULES.seed_delay + RULES.seed_window;
    let beacon = Beacon { block: 2 + RULES.seed_delay, value: [1; 32] };
    let late = SettleError::TooLate { last, now: last + 1 };
    assert_eq!(world.settlement.draw_seed(last + 1, id, beacon), Err(late));
    let slash = Slash { reporter: STRANGER, rewarded: 500, burned: 501 };
    assert_eq!(world.settle_after_window(id), Event::Rejected(id, Reason::NoSeed, slash));
    assert_eq!((world.credit(STRANGER), world.settlement.bank().burned), (500, 501));
}

#[test]
fn proof_that_does_not_come_costs_the_bond() {
    let mut world = World::new();
    let id = world.commit(MINER, 1);
    world.seed(id);
    let proof = world.proofs(id);
    let deadline = world.candidate(id).deadline;
    assert_eq!(deadline, world.now + RULES.prove_window);
    let late = SettleError::TooLate { last: deadline, now: deadline + 1 };
    assert_eq!(world.settlement.prove(deadline + 1, id, &[&proof[0]]), Err(late));
    assert!(matches!(world.settle_after_window(id), Event::Rejected(_, Reason::NoProof, _)));
}

#[test]
fn false_foreign_and_missing_proofs_are_refused_and_may_be_made_good() {
    let mut world = World::new();
    let (id, other) = (world.commit(MINER, 1), world.commit(RIVAL, 1));
    world.seed(id);
    world.seed(other);
    let foreign = world.proofs(other);
    let refused = Err(SettleError::Proof { part: 0 });
    assert_eq!(world.settlement.prove(world.now, id, &[b"no proof"]), refused);
    assert_eq!(world.settlement.prove(world.now, id, &[&foreign[0]]), refused);
    let count = SettleError::ProofCount { expected: 1, got: 0 };
    assert_eq!(world.settlement.prove(world.now, id, &[]), Err(count));
    world.prove(id);
    assert_eq!(world.status(id), Status::Proven);
}

#[test]
fn withheld_cell_is_rejected_and_half_of_the_bond_goes_to_the_disputer() {
    let mut world = World::new();
    let id = world.proven(MINER, 1);
    world.approve(id, &[0, 1, 2, 3]);
    let deadline = world.now + RULES.answer_window;
    assert_eq!(world.dispute(id, CELL), Ok(Event::DisputeOpened(id, CELL, deadline)));
    let early = SettleError::TooEarly { first: world.candidate(id).deadline + 1, now: deadline };
    assert_eq!(world.settlement.settle(deadline, id, RIVAL), Err(early));
    world.now = deadline + 1;
    let late = SettleError::TooLate { last: deadline, now: deadline + 1 };
    assert_eq!(world.answer(id, CELL), Err(late));
    // Whoever settles, the disputer is the reporter.
    let event = world.settlement.settle(world.now, id, RIVAL).unwrap();
    let slash = Slash { reporter: STRANGER, rewarded: 500, burned: 501 };
    assert_eq!(event, Event::Rejected(id, Reason::Unanswered(CELL), slash));
    assert_eq!(world.credit(STRANGER), 500 + RULES.dispute_bond);
    assert_eq!((world.credit(RIVAL), world.credit(MINER)), (0, 0));
}

#[test]
fn rejection_gives_every_open_dispute_its_bond_back() {
    let mut world = World::new();
    let id = world.proven(MINER, 1);
    let (late, answered) = (Cell::quantize(1), Cell::quantize(2));
    world.settlement.dispute(world.now, id, RIVAL, answered, RULES.dispute_bond).unwrap();
    world.answer(id, answered).unwrap();
    world.dispute(id, CELL).unwrap();
    world.settlement.dispute(world.now, id, RIVAL, late, RULES.dispute_bond).unwrap();
    world.now += 3 * RULES.answer_window;
    let event = world.settlement.settle(world.now, id, MINER).unwrap();
    assert!(matches!(event, Event::Rejected(_, Reason::Unanswered(CELL), Slash { reporter: STRANGER, .. })));
    assert_eq!(world.credit(STRANGER), 500 + RULES.dispute_bond);
    assert_eq!((world.credit(RIVAL), world.credit(MINER)), (RULES.dispute_bond, RULES.dispute_bond));
}

#[test]
fn dispute_holds_a_round_open_until_its_very_cell_is_proven() {
    let mut world = World::new();
    let id = world.proven(MINER, 1);
    world.approve(id, &[0, 1, 2, 3]);
    world.now = world.candidate(id).deadline;
    world.dispute(id, CELL).unwrap();
    assert_eq!(world.settle_after_window(id), Event::Disputed(id));
    let first = world.now + RULES.answer_window;
    let early = SettleError::TooEarly { first, now: world.now };
    assert_eq!(world.settlement.settle(world.now, id, STRANGER), Err(early));
    for other in [Cell::update(1, 3), Cell::update(2, 2), Cell::quantize(2)] {
        let proof = world.settlement.answer_statement(id, other).unwrap().digest();
        let refused = Err(SettleError::Proof { part: 0 });
        assert_eq!(world.settlement.answer(world.now, id, CELL, &proof), refused);
        assert_eq!(world.settlement.answer(world.now, id, other, &proof), Err(SettleError::NotDisputed(other)));
    }
    let sampled = world.proofs(id);
    assert_eq!(world.settlement.answer(world.now, id, CELL, &sampled[0]), Err(SettleError::Proof { part: 0 }));
    assert_eq!(world.answer(id, CELL), Ok(Event::DisputeAnswered(id, CELL)));
    assert_eq!(world.answer(id, CELL), Err(SettleError::NotDisputed(CELL)));
    assert!(matches!(world.settle_after_window(id), Event::Finalized(..)));
    assert_eq!(world.credit(MINER), RULES.bond + RULES.dispute_bond);
}

#[test]
fn cell_is_disputed_once_with_its_bond_and_inside_the_round() {
    let mut world = World::new();
    let id = world.proven(MINER, 1);
    for bond in [0, RULES.dispute_bond - 1, RULES.dispute_bond + 1] {
        let error = SettleError::Bond { expected: RULES.dispute_bond, got: bond };
        assert_eq!(world.settlement.dispute(world.now, id, STRANGER, CELL, bond), Err(error));
    }
    let outside = [Cell::update(STEPS, 0), Cell::update(0, LEAVES), Cell::quantize(LEAVES), Cell::quantize(u32::MAX)];
    let ends = [Cell::update(u32::MAX, 0), Cell::update(u32::MAX, u32::MAX), Cell::segment(0), Cell::segment(u32::MAX)];
    for cell in outside.into_iter().chain(ends) {
        assert_eq!(world.dispute(id, cell), Err(SettleError::NoSuchCell(cell)));
        assert_eq!(world.vote(id, 0, Sign::Negative(cell), 900), Err(SettleError::NoSuchCell(cell)));
    }
    world.dispute(id, CELL).unwrap();
    assert_eq!(world.dispute(id, CELL), Err(SettleError::DuplicateDispute(CELL)));
    world.answer(id, CELL).unwrap();
    assert_eq!(world.dispute(id, CELL), Err(SettleError::DuplicateDispute(CELL)));
}

#[test]
fn disputes_of_every_cell_at_once_leave_time_to_answer_each() {
    let mut world = World::new();
    let id = world.proven(MINER, 1);
    world.approve(id, &[0, 1, 2, 3]);
    let cells: Vec<Cell> = (0..STEPS * LEAVES).map(|i| Cell::update(i / LEAVES, i % LEAVES)).collect();
    for &cell in &cells {
        world.dispute(id, cell).unwrap();
    }
    for &cell in &cells {
        world.now += RULES.answer_window;
        world.answer(id, cell).unwrap();
    }
    assert!(matches!(world.settle_after_window(id), Event::Finalized(..)));
    assert_eq!(world.credit(MINER), RULES.bond + u128::from(STEPS * LEAVES) * RULES.dispute_bond);
}

#[test]
fn colluder_who_disputes_true_cells_closes_nothing_and_one_honest_dispute_slashes() {
    let mut world = World::new();
    let id = world.proven(MINER, 1);
    // All stake is for it, and a friend of the miner disputes cells that the miner can prove.
    world.approve(id, &[0, 1, 2, 3]);
    let truths = [Cell::update(0, 0), Cell::quantize(0)];
    for cell in truths {
        world.settlement.dispute(world.now, id, RIVAL, cell, RULES.dispute_bond).unwrap();
        world.answer(id, cell).unwrap();
    }
    world.now = world.candidate(id).deadline;
    world.dispute(id, CELL).unwrap();
    assert_eq!(world.settle_after_window(id), Event::Disputed(id));
    world.now = world.candidate(id).disputes[&CELL].deadline + 1;
    let event = world.settlement.settle(world.now, id, RIVAL).unwrap();
    assert!(matches!(event, Event::Rejected(_, Reason::Unanswered(CELL), Slash { reporter: STRANGER, .. })));
    assert_eq!(world.settlement.round(), 0);
}

#[test]
fn two_signatures_about_one_candidate_burn_the_stake_and_the_vote() {
    let mut world = World::new();
    let id = world.proven(MINER, 1);
    world.approve(id, &[0, 1, 2]);
    let attester = world.keys[0].address();
    world.settlement.exit(world.now, attester).unwrap();
    world.settlement.stake(world.now, attester, 5).unwrap();
    let (first, second) = (world.signed(id, 0, Sign::Positive, 900), world.signed(id, 0, Sign::Positive, 901));
    let slash = Slash { reporter: STRANGER, rewarded: 202, burned: 203 };
    let event = world.settlement.report_equivocation(world.now, STRANGER, id, [&first, &second]);
    assert_eq!(event, Ok(Event::AttesterSlashed(attester, slash)));
    let again = world.settlement.report_equivocation(world.now, STRANGER, id, [&first, &second]);
    assert_eq!(again, Err(SettleError::Nothing("stake")));
    assert_eq!(world.vote(id, 0, Sign::Positive, 900), Err(SettleError::DuplicateVote));
    assert_eq!(world.candidate(id).tally().positive, STAKES[1] + STAKES[2]);
}

#[test]
fn equivocation_needs_two_valid_contradictory_signatures() {
    let mut world = World::new();
    let (id, other) = (world.commit(MINER, 1), world.commit(MINER, 2));
    world.seed(id);
    world.seed(other);
    assert_eq!(world.candidate(id).beacon, world.candidate(other).beacon);
    let positive = world.signed(id, 0, Sign::Positive, 900);
    let by_another = world.signed(id, 1, Sign::Positive, 901);
    let of_another = world.signed(other, 0, Sign::Positive, 900);
    let mut forged = world.signed(id, 0, Sign::Positive, 900);
    forged.attestation.loss_after = 901;
    let now = world.now;
    let mut report = |pair| world.settlement.report_equivocation(now, STRANGER, id, pair);
    assert_eq!(report([&positive, &positive]), Err(SettleError::NotEquivocation));
    assert_eq!(report([&positive, &by_another]), Err(SettleError::NotEquivocation));
    assert_eq!(report([&positive, &of_another]), Err(SettleError::OtherCandidate));
    assert!(signer_error(report([&positive, &forged]).unwrap_err()));
    assert!(signer_error(report([&forged, &positive]).unwrap_err()));
}

/// The loss of the last row over the candidate's model.
const LINK: Cell = Cell::new(Kind::Link, 0, 0);

fn doubt(world: &mut World, id: CandidateId, attester: usize, cell: Cell) -> Result<Event, SettleError> {
    let about = (world.keys[attester].address(), cell);
    world.settlement.dispute_evaluation(world.now, id, STRANGER, about, RULES.dispute_bond)
}

#[test]
fn an_evaluation_that_is_not_proven_costs_the_vote_and_the_stake() {
    let mut world = World::new();
    let id = world.proven(MINER, 1);
    world.approve(id, &[0, 1, 2]);
    let attester = world.keys[0].address();
    let deadline = world.now + RULES.answer_window;
    assert_eq!(doubt(&mut world, id, 0, LINK), Ok(Event::EvaluationDisputed(id, attester, LINK, deadline)));
    let second = Cell::new(Kind::Loss, 0, 15);
    let queued = deadline + RULES.answer_window;
    assert_eq!(doubt(&mut world, id, 0, second), Ok(Event::EvaluationDisputed(id, attester, second, queued)));
    let early = world.settlement.expire_evaluation(deadline, id, (attester, LINK));
    assert_eq!(early, Err(SettleError::TooEarly { first: deadline + 1, now: deadline }));
    let slash = Slash { reporter: STRANGER, rewarded: STAKES[0] / 2, burned: STAKES[0] / 2 };
    assert_eq!(world.settle_after_window(id), Event::AttesterSlashed(attester, slash));
    assert_eq!(world.credit(STRANGER), STAKES[0] / 2 + 2 * RULES.dispute_bond);
    assert_eq!(world.candidate(id).tally().positive, STAKES[1] + STAKES[2]);
    assert_eq!(world.settle_after_window(id), Event::Lapsed(id, Lapse::NoQuorum));
}

#[test]
fn a_proven_cell_of_an_evaluation_wins_the_bond_and_holds_the_round_open_no_longer() {
    let mut world = World::new();
    let id = world.proven(MINER, 1);
    world.approve(id, &[0, 1, 2]);
    world.now = world.candidate(id).deadline;
    doubt(&mut world, id, 1, LINK).unwrap();
    let attester = world.keys[1].address();
    assert_eq!(world.settle_after_window(id), Event::Disputed(id));
    let waits = world.settlement.settle(world.now, id, STRANGER);
    assert!(matches!(waits, Err(SettleError::TooEarly { .. })), "{waits:?}");
    let mut answer = |of: usize, proof: [u8; 32]| {
        let about = (world.keys[of].address(), LINK);
        world.settlement.answer_evaluation(world.now, id, about, &proof)
    };
    assert_eq!(answer(1, [0; 32]), Err(SettleError::Proof { part: 0 }));
    assert_eq!(answer(0, [0; 32]), Err(SettleError::NotDisputed(LINK)));
    let proof = world.settlement.evaluation_statement(id, attester, LINK).unwrap().digest();
    let other = world.settlement.evaluation_statement(id, world.keys[0].address(), LINK).unwrap().digest();
    assert_ne!(proof, other, "the same evaluation of another attester");
    let done = world.settlement.answer_evaluation(world.now, id, (attester, LINK), &proof);
    assert_eq!(done, Ok(Event::EvaluationAnswered(id, attester, LINK)));
    assert_eq!(world.credit(attester), RULES.dispute_bond);
    assert!(matches!(world.settle_after_window(id), Event::Finalized(..)));
}

#[test]
fn an_evaluation_of_the_last_block_is_disputed_after_the_end_and_costs_the_stake_alone() {
    let mut world = World::new();
    let id = world.proven(MINER, 1);
    world.now = world.candidate(id).deadline;
    world.approve(id, &[0, 1, 2]);
    assert!(matches!(world.settle_after_window(id), Event::Finalized(..)));
    let attester = world.keys[0].address();
    world.settlement.exit(world.now, attester).unwrap();
    world.now = world.candidate(id).deadline + RULES.answer_window;
    doubt(&mut world, id, 0, LINK).unwrap();
    world.now += 1;
    let late = doubt(&mut world, id, 1, LINK).unwrap_err();
    assert!(matches!(late, SettleError::TooLate { .. }), "{late:?}");
    world.now += RULES.exit_delay;
    assert_eq!(world.settlement.unstake(world.now, attester), Err(SettleError::UnderDispute));
    let event = world.settlement.expire_evaluation(world.now, id, (attester, LINK)).unwrap();
    assert!(matches!(event, Event::AttesterSlashed(of, _) if of == attester), "{event:?}");
    assert!(world.status(id).is_end() && world.credit(STRANGER) == STAKES[0] / 2 + RULES.dispute_bond);
}

#[test]
fn an_attester_that_is_doubted_again_and_again_holds_no_candidate_open() {
    let mut world = World::new();
    let id = world.proven(MINER, 1);
    world.approve(id, &[0, 1, 2, 3]);
    // The one with the least stake has all of its losses doubted; each deadline is a window later.
    for row in 0..RULES.evaluated {
        doubt(&mut world, id, 3, Cell::new(Kind::Loss, 0, row)).unwrap();
    }
    let last = world.candidate(id).deadline + 2 * RULES.answer_window;
    let attester = world.keys[3].address();
    for row in 0..RULES.evaluated {
        let about = (attester, Cell::new(Kind::Loss, 0, row));
        let deadline = world.candidate(id).evaluations[&about].deadline;
        if deadline <= last {
            let proof = world.settlement.evaluation_statement(id, about.0, about.1).unwrap().digest();
            world.settlement.answer_evaluation(world.now, id, about, &proof).unwrap();
        }
    }
    assert_eq!(world.settle_after_window(id), Event::Disputed(id));
    assert!(world.candidate(id).open_evaluations().count() > 0);
    let waits = world.settlement.settle(last, id, STRANGER);
    assert_eq!(waits, Err(SettleError::TooEarly { first: last + 1, now: last }));
    // Its vote does not count, and the others decide.
    assert_eq!(world.candidate(id).tally().positive, STAKES[..3].iter().sum());
    assert!(matches!(world.settlement.settle(last + 1, id, STRANGER), Ok(Event::Finalized(..))));
    // A slashed vote is over.
    let about = *world.candidate(id).evaluations.iter().find(|(_, dispute)| !dispute.answered).unwrap().0;
    let now = world.candidate(id).evaluations[&about].deadline + 1;
    world.settlement.expire_evaluation(now, id, about).unwrap();
    world.now = now;
    assert_eq!(doubt(&mut world, id, 3, LINK), Err(SettleError::NoVote));
}

#[test]
fn stake_that_leaves_before_its_vote_can_be_doubted_has_none() {
    let mut world = World::new();
    let id = world.commit(MINER, 1);
    let late = |world: &mut World| {
        world.now = world.candidate(id).deadline;
        world.seed(id);
        world.now = world.candidate(id).deadline;
        world.prove(id);
    };
    let [first, second] = [0, 3].map(|attester| world.keys[attester].address());
    world.settlement.exit(2, first).unwrap();
    world.settlement.exit(3, second).unwrap();
    // Two ballots as late as they can be, and a dispute that puts the second off: the vote can be doubted
    // up to the block before the later stake comes back, and in one in which the earlier is gone.
    late(&mut world);
    world.doubt(id, &[1, 2]);
    world.now = world.candidate(id).deadline;
    world.dispute(id, CELL).unwrap();
    assert_eq!(world.settle_after_window(id), Event::Disputed(id));
    world.now = world.candidate(id).disputes[&CELL].deadline;
    world.answer(id, CELL).unwrap();
    assert!(matches!(world.settlement.settle(world.now, id, STRANGER), Ok(Event::Resampled(..))));
    late(&mut world);
    assert_eq!(world.candidate(id).deadline + RULES.answer_window, 3 + RULES.exit_delay - 1);
    assert_eq!(world.vote(id, 0, Sign::Positive, 900), Err(SettleError::Unbonded));
    assert!(world.vote(id, 3, Sign::Positive, 900).is_ok());
}

#[test]
fn only_cells_of_evaluations_behind_votes_are_disputed_once_with_their_bond() {
    let mut world = World::new();
    let id = world.proven(MINER, 1);
    assert_eq!(doubt(&mut world, id, 0, LINK), Err(SettleError::NoVote));
    world.approve(id, &[0]);
    for cell in [Cell::update(0, 0), Cell::quantize(0), Cell::new(Kind::Link, 1, 0), Cell::new(Kind::Loss, 0, 16)] {
        assert_eq!(doubt(&mut world, id, 0, cell), Err(SettleError::NoSuchCell(cell)));
    }
    let about = (world.keys[0].address(), LINK);
    let cheap = world.settlement.dispute_evaluation(world.now, id, STRANGER, about, RULES.dispute_bond - 1);
    assert!(matches!(cheap, Err(SettleError::Bond { .. })), "{cheap:?}");
    assert_eq!(doubt(&mut world, [0; 32], 0, LINK), Err(SettleError::UnknownCandidate));
    doubt(&mut world, id, 0, LINK).unwrap();
    assert_eq!(doubt(&mut world, id, 0, LINK), Err(SettleError::DuplicateDispute(LINK)));
}

type Change = fn(&mut Commitment);

#[test]
fn commitment_that_does_not_continue_the_task_is_refused() {
    let mut world = World::new();
    let right = world.commitment(1);
    let wrong: [(&str, Change); 11] = [
        ("parent root", |c| c.parent_root = 3.into()),
        ("parent exponents", |c| c.parent_exponents = 3.into()),
        ("exponents", |c| c.exponents.weights.push(1)),
        ("exponents", |c| c.exponents.activations.clear()),
        ("exponents", |c| c.exponents.errors[1] = EXPONENT_MAX + 1),
        ("spec hash", |c| c.spec_hash = [0; 32]),
        ("data root", |c| c.data_root = 3.into()),
        ("steps", |c| c.steps += 1),
        ("quantized exponents", |c| c.quantized_exponents.push(1)),
        ("quantized exponents", |c| c.quantized_exponents[0] = 0),
        ("quantized exponents", |c| c.quantized_exponents[1] = 25),
    ];
    for (field, change) in wrong {
        let mut commitment = right.clone();
        change(&mut commitment);
        let refused = world.settlement.commit(2, MINER, commitment, RULES.bond);
        assert_eq!(refused, Err(SettleError::Commitment { field }));
    }
    let bond = SettleError::Bond { expected: RULES.bond, got: RULES.bond - 1 };
    assert_eq!(world.settlement.commit(2, MINER, right.clone(), RULES.bond - 1), Err(bond));
    world.commit(MINER, 1);
    let again = world.settlement.commit(2, MINER, right, RULES.bond);
    assert_eq!(again, Err(SettleError::DuplicateCandidate));
}

#[test]
fn time_does_not_go_back_and_its_end_is_no_overflow() {
    let mut world = World::new();
    let id = world.proven(MINER, 1);
    let last = world.now;
    let error = SettleError::Time { last, now: last - 1 };
    assert_eq!(world.settlement.stake(last - 1, STRANGER, 1), Err(error));
    world.now = u64::MAX;
    world.settlement.stake(u64::MAX, STRANGER, 1).unwrap();
    world.settlement.exit(u64::MAX, STRANGER).unwrap();
    world.commit(MINER, 2);
    assert!(matches!(world.settle_after_window(id), Event::Lapsed(..)));
}

#[test]
fn amounts_beyond_the_balance_limit_are_refused() {
    let mut world = World::new();
    let left = BALANCE_MAX - world.settlement.bank().balance;
    let error = |got| Err(SettleError::TooMuch { most: left, got });
    assert_eq!(world.settlement.fund(left + 1), error(left + 1));
    assert_eq!(world.settlement.stake(2, STRANGER, u128::MAX), error(u128::MAX));
    world.settlement.fund(left).unwrap();
    assert_eq!(world.settlement.stake(2, STRANGER, 0), Err(SettleError::Nothing("stake")));
}

#[test]
fn unsound_rules_and_models_open_no_task() {
    let open = |rules| Settlement::new(task(rules), Arc::new(DigestVerifier)).map(|_| ());
    assert_eq!(open(RULES), Ok(()));
    let unsound = [
        Rules { seed_delay: 0, ..RULES },
        Rules { seed_window: 0, ..RULES },
        Rules { prove_window: 0, ..RULES },
        Rules { attest_window: 0, ..RULES },
        Rules { answer_window: 0, ..RULES },
        Rules { exit_delay: RULES.exit_delay - 1, ..RULES },
        Rules { fee: RULES.bond, ..RULES },
        Rules { dispute_bond: 0, ..RULES },
        Rules { samples: 0, ..RULES },
        Rules { evaluated: 0, ..RULES },
        Rules { evaluated: 12, ..RULES },
    ];
    unsound.into_iter().for_each(|rules| assert!(matches!(open(rules), Err(SettleError::Rules(_))), "{rules:?}"));
    let mut small = task(RULES);
    small.tree_depth = 2;
    assert!(matches!(Settlement::new(small, Arc::new(DigestVerifier)), Err(SettleError::Layout(_))));
    let mut empty = task(RULES);
    empty.spec.steps = 0;
    assert!(matches!(Settlement::new(empty, Arc::new(DigestVerifier)), Err(SettleError::Spec(_))));
}

#[test]
fn a_task_with_cells_that_no_statement_claims_is_not_opened() {
    let open = |change: fn(&mut Task)| {
        let mut task = task(RULES);
        (task.spec.trace, task.spec.batch, task.trace_depth) = (TraceMode::Every, 64, 24);
        task.records = 64;
        change(&mut task);
        Settlement::new(task, Arc::new(DigestVerifier)).map(|_| ())
    };
    assert_eq!(open(|_| {}), Ok(()));
    let refused = |reason| Err(SettleError::Unprovable(reason));
    assert_eq!(open(|task| task.records = 63), refused(Unprovable::Records { least: 64, got: 63 }));
    assert_eq!(open(|task| task.spec.batch = 32), refused(Unprovable::Batch(32)));
    assert_eq!(open(|task| task.spec.layers = vec![100, 65]), refused(Unprovable::Classes(65)));
    assert_eq!(open(|task| task.spec.steps = 1 << STEP_BITS), refused(Unprovable::Steps(1 << STEP_BITS)));
    assert_eq!(open(|task| task.spec.steps = (1 << STEP_BITS) - 1), Ok(()));
}

#[test]
fn a_draw_of_a_step_that_no_statement_holds_gives_none() {
    let mut task = task(RULES);
    task.spec.steps = 1 << (STEP_BITS + 4);
    let commitment = commitment(&task.spec, task.head, 1);
    let mut settlement = Settlement::new(task, Arc::new(DigestVerifier)).unwrap();
    let Ok(Event::Committed(id, block)) = settlement.commit(2, MINER, commitment, RULES.bond) else { panic!("taken") };
    settlement.draw_seed(block + 1, id, Beacon { block, value: [9; 32] }).unwrap();
    let none = SettleError::NoStatement(NoStatement { part: 0, circuit: CircuitKind::Round });
    assert_eq!(settlement.statements(id), Err(none.clone()));
    assert_eq!(settlement.prove(block + 2, id, &[]), Err(none));
    let beyond = Cell::update(1 << STEP_BITS, 0);
    assert_eq!(settlement.answer_statement(id, beyond), Err(SettleError::NoSuchCell(beyond)));
    assert!(settlement.answer_statement(id, Cell::update((1 << STEP_BITS) - 1, 0)).is_ok());
}

#[test]
fn unknown_candidate_is_refused_by_every_call() {
    let mut world = World::new();
    let id = world.proven(MINER, 1);
    let signed = world.signed(id, 0, Sign::Positive, 900);
    let (unknown, now, s) = ([0; 32], world.now, &mut world.settlement);
    let calls = [
        s.draw_seed(now, unknown, Beacon { block: 0, value: [0; 32] }),
        s.prove(now, unknown, &[]),
        s.attest(now, unknown, &signed),
        s.dispute(now, unknown, STRANGER, CELL, RULES.dispute_bond),
        s.answer(now, unknown, CELL, &[]),
        s.report_equivocation(now, STRANGER, unknown, [&signed, &signed]),
        s.settle(now, unknown, STRANGER),
    ];
    calls.into_iter().for_each(|call| assert_eq!(call, Err(SettleError::UnknownCandidate)));
    let unknown_attester = AttesterKey::from_secret(&[9; 32]).unwrap().address();
    assert_eq!(s.exit(now, unknown_attester), Err(SettleError::Nothing("active stake")));
}
