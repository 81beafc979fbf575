//! Attacks on the states: D1, D2, D5, D6, D8, D9. Each leaves cells that break the update relation.

use ark_bn254::Fr;
use pogo_protocol::cell::{Cell, Kind};
use pogo_protocol::challenge::UpdateSample;
use pogo_protocol::fixed::LEAF;
use pogo_protocol::model::{Spec, State};
use pogo_protocol::settle::{Answer, Event, Reason, SettleError, answer};
use pogo_protocol::statement::Part;

use super::court::{BONDED, Court};
use super::ground::STEPS;
use super::mine::{Draft, Mined};
use super::rates::{DRAWS, beacon, detection, total};
use super::{Failed, Fate, Ground, Seen};
use crate::open::Opened;
use crate::store::Store;

/// What a round of lies comes to: cells that do not hold cannot be proven, so whoever finds one
/// disputes it, and the rate says how often the draw alone finds one. Without such a cell it is up
/// to replay.
pub(super) fn judge(mined: &Mined<'_>, store: &Store) -> Result<Seen, Failed> {
    let bad = mined.bad_cells()?;
    if let Some((cell, violation)) = bad.first() {
        let cells: Vec<Cell> = bad.iter().map(|(cell, _)| *cell).collect();
        let all: u64 = Kind::ALL.into_iter().map(|kind| total(mined, kind)).sum();
        let why = format!("{} of {all} cells bad; {cell}: {violation}", bad.len());
        return Ok(Seen { rate: Some(detection(mined, &cells)), ..Seen::stopped(why) });
    }
    Ok(match mined.replay(store)?.first() {
        Some(difference) => Seen { fate: Fate::Shown, why: format!("replay: {difference}"), rate: None },
        None => Seen::unseen("no cell is bad and replay is exact"),
    })
}

pub(super) fn interpolated(ground: &Ground) -> Result<Seen, Failed> {
    let spec = &ground.round.spec;
    // A learning rate near 0 would let any state follow any other; 0 is no spec.
    if (Spec { learning_rate: 0, ..spec.clone() }).validate().is_ok() || (0..STEPS).any(|t| spec.learning_rate(t) < 1) {
        return Ok(Seen::unseen("the learning rate may be 0"));
    }
    let (start, stolen) = (State::initial(spec), State::initial(&Spec { seed: 99, ..spec.clone() }));
    let between =
        |from: i32, to: i32, t: u32| from + (i64::from(to - from) * i64::from(t + 1) / i64::from(STEPS)) as i32;
    let mined = Mined::new(ground.job(), start.clone(), |t, draft| {
        for (tensor, weights) in draft.after.weights.iter_mut().enumerate() {
            let line = start.weights[tensor].iter().zip(&stolen.weights[tensor]);
            weights.iter_mut().zip(line).for_each(|(weight, (&from, &to))| *weight = between(from, to, t));
        }
    })?;
    judge(&mined, &ground.store("d1")?)
}

pub(super) fn skipped(ground: &Ground) -> Result<Seen, Failed> {
    let mined = Mined::new(ground.job(), State::initial(&ground.round.spec), |t, draft| {
        if t % 4 == 3 {
            draft.after = draft.before.clone();
            draft.codes.iter_mut().for_each(|codes| codes.fill(0));
        }
    })?;
    judge(&mined, &ground.store("d2")?)
}

pub(super) fn spliced(ground: &Ground) -> Result<Seen, Failed> {
    let stranger = State::initial(&Spec { seed: 99, ..ground.round.spec.clone() });
    let other = Mined::new(ground.job(), stranger, |_, _| {})?;
    let middle = STEPS / 2;
    let splice = |t: u32, draft: &mut Draft<'_>| {
        if t == middle {
            draft.after = other.states[t as usize + 1].clone();
        }
    };
    let mined = Mined::new(ground.job(), State::initial(&ground.round.spec), splice)?;
    // Either end exchanged in the commitment alone: no proof of any sample can be made.
    let honest = Mined::honest(ground.job())?;
    let part = Part { updates: vec![UpdateSample { step: 0, leaf: 0 }], quantizes: Vec::new() };
    let openings = honest.openings(&part)?;
    let layout = &ground.round.layout;
    let (mut first, mut last) = (honest.commitment.clone(), honest.commitment.clone());
    first.parent_root = other.commitment.parent_root;
    last.state_root = other.commitment.state_root;
    if openings.check(&honest.commitment.roots(layout)).is_err() {
        return Err("the openings of an honest round are refused".into());
    }
    if [first, last].iter().any(|ends| openings.check(&ends.roots(layout)).is_ok()) {
        return Ok(Seen::unseen("an end of another chain is taken"));
    }
    judge(&mined, &ground.store("d5")?)
}

pub(super) fn made_up_later(ground: &Ground) -> Result<Seen, Failed> {
    let Mined { job, states, codes, trace, .. } = Mined::honest(ground.job())?;
    let mut records = trace.records;
    for record in &mut records[5..7] {
        record.state_root += Fr::from(1u64);
        record.update_root += Fr::from(1u64);
    }
    judge(&Mined::committed(job, states, codes, records)?, &ground.store("d6")?)
}

pub(super) fn smallest_edits(ground: &Ground) -> Result<Seen, Failed> {
    let mined = Mined::new(ground.job(), State::initial(&ground.round.spec), |t, draft| {
        if t == 5 {
            draft.after.weights.iter_mut().for_each(|weights| weights.iter_mut().step_by(LEAF).for_each(|w| *w += 1));
        }
    })?;
    judge(&mined, &ground.store("d9")?)
}

/// One bad cell: the draw hardly ever meets it. The proof of a draw that missed it is accepted, all
/// stake is for the candidate, and still the one honest attester who replays and disputes gets it
/// slashed, because a proof of the bad cell is refused.
pub(super) fn one_leaf(ground: &Ground) -> Result<Seen, Failed> {
    let (step, leaf) = (6, 11);
    let place = ground.round.layout.place(leaf);
    let mined = Mined::new(ground.job(), State::initial(&ground.round.spec), |t, draft| {
        if t == step {
            draft.after.weights[place.tensor][place.index_in_tensor * LEAF] += 1;
        }
    })?;
    let seen = judge(&mined, &ground.store("d8")?)?;
    if mined.replay(&ground.store("d8-replay")?)?.is_empty() {
        return Ok(Seen::unseen("replay does not see it, so nobody disputes it"));
    }

    let mut court = Court::with_proofs(&mined)?;
    let public = |beacon| ground.public(&mined.commitment, beacon);
    let bad = UpdateSample { step, leaf };
    let misses = |beacon: &[u8; 32]| public(*beacon).parts(1).iter().all(|part| !part.updates.contains(&bad));
    let beacon = (0..DRAWS).map(beacon).find(misses).ok_or("every draw meets the cell")?;
    court.seed(beacon)?;
    let part = &public(beacon).parts(1)[0];
    let statement = &court.chain.statements(court.id)?[0];
    let proof = ground.prover().prove(statement, Opened::Round(mined.openings(part)?))?;
    court.chain.prove(court.now, court.id, &[&proof])?;
    (0..BONDED).try_for_each(|attester| court.approve(attester, [2, 1]))?;

    let cell = Cell::update(step, leaf as u32);
    court.dispute(cell)?;
    let Some(Answer::Round(part)) = answer(&public(beacon), cell) else { return Err("there is no such cell".into()) };
    let statement = court.chain.answer_statement(court.id, cell)?;
    // What a miner hands in that skips its own check.
    let forged = ground.prover().prove_unchecked(&statement, Opened::Round(mined.openings(&part)?))?;
    let answered = court.chain.answer(court.now, court.id, cell, &forged);
    let refused = answered == Err(SettleError::Proof { part: 0 });
    let end = court.end()?;
    let slashed = matches!(end, Event::Rejected(_, Reason::Unanswered(named), _) if named == cell);
    if !(refused && slashed) {
        return Ok(Seen::unseen(format!("the dispute ends with {end:?}")));
    }
    Ok(Seen { why: format!("the forged answer is refused and the bond slashed; {}", seen.why), ..seen })
}
