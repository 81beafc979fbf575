//! Attacks on the rules of the settlement: D4, D11, D12, D13, D14.

use std::collections::BTreeSet;

use pogo_protocol::attest::{Attestation, Sign, evaluation_indices};
use pogo_protocol::cell::{Cell, Kind};
use pogo_protocol::model::{Spec, State};
use pogo_protocol::settle::{Event, Lapse, Reason, SettleError};

use super::court::{BONDED, Court, EVALUATED, STRANGER};
use super::mine::Mined;
use super::momenta::measure;
use super::rates::{DRAWS, Rate, beacon, detection};
use super::{Failed, Ground, Seen};

/// A settlement that knows the first state refuses it as the start. One that was opened with the miner's
/// own has the init cells, each of which a dispute can name.
pub(super) fn chosen_start(ground: &Ground) -> Result<Seen, Failed> {
    let spec = &ground.traced.spec;
    let chosen = State::initial(&Spec { seed: 99, ..spec.clone() });
    let mined = Mined::new(ground.job_of(&ground.traced), chosen, |_, _| {})?;
    let refusal = Court::with_digests(&mined).err().and_then(|error| error.downcast::<SettleError>().ok());
    let Some(refusal) = refusal else { return Ok(Seen::unseen("the settlement takes the commitment")) };

    let bad: Vec<Cell> = mined.bad_cells()?.into_iter().map(|(cell, _)| cell).collect();
    let Some(&cell) = bad.first() else { return Ok(Seen::unseen("no cell is bad")) };
    if bad.iter().any(|cell| cell.kind != Kind::Init) {
        return Err("the chain from the chosen weights is not consistent".into());
    }
    let why = format!("{refusal}; under the miner's own head {} init cells are bad", bad.len());
    let rate = Some(detection(&mined, &bad));
    Ok(match Court::with_head(&mined, mined.commitment.start())?.ends_unanswered(cell)? {
        true => Seen { rate, ..Seen::stopped(why) },
        false => Seen::unseen(format!("the dispute of {cell} does not end the candidate")),
    })
}

pub(super) fn false_attestations(ground: &Ground) -> Result<Seen, Failed> {
    let mut court = Court::with_digests(&Mined::honest(ground.job())?)?;
    court.prove_by_digests(beacon(0))?;
    let (losses, cell) = ([2, 1], Cell::update(0, 0));
    let said = court.attestation(0, Sign::Positive, losses);
    let sound = court.sign(0, said)?;
    let (mut unsigned, mut copied, mut altered) = (sound, sound, sound);
    unsigned.signature = [0; 65];
    copied.attestation.attester = court.keys[1].address();
    altered.attestation.loss_after = 0;
    let elsewhere = court.sign(0, Attestation { candidate: [1; 32], ..said })?;
    let earlier = court.sign(0, Attestation { beacon: [1; 32], ..said })?;
    let fewer = court.sign(0, Attestation { evaluated: 1, ..said })?;
    let unbonded = court.sign(BONDED, court.attestation(BONDED, Sign::Positive, losses))?;
    let second = court.sign(0, Attestation { sign: Sign::Negative(cell), ..said })?;

    let Court { chain, now, id, .. } = &mut court;
    let mut attest = |signed| chain.attest(*now, *id, signed);
    let mut attempts = vec![
        ("an unsigned attestation is counted", matches!(attest(&unsigned), Err(SettleError::Attestation(_)))),
        ("an attestation is counted for who copied it", matches!(attest(&copied), Err(SettleError::Attestation(_)))),
        ("a changed number is counted", matches!(attest(&altered), Err(SettleError::Attestation(_)))),
        ("one about another candidate is counted", attest(&elsewhere) == Err(SettleError::OtherCandidate)),
        ("one under another beacon is counted", attest(&earlier) == Err(SettleError::OtherBeacon)),
        ("one on fewer records is counted", matches!(attest(&fewer), Err(SettleError::Evaluated { .. }))),
        ("one without stake is counted", attest(&unbonded) == Err(SettleError::Unbonded)),
        ("a sound one is not counted", attest(&sound).is_ok()),
        ("one is counted twice", attest(&sound) == Err(SettleError::DuplicateVote)),
    ];
    let free = chain.dispute(*now, *id, STRANGER, cell, 0);
    attempts.push(("a dispute needs no bond", matches!(free, Err(SettleError::Bond { .. }))));
    let report = chain.report_equivocation(*now, STRANGER, *id, [&sound, &second]);
    attempts.push(("two signatures cost nothing", matches!(report, Ok(Event::AttesterSlashed(..)))));
    Ok(Seen::all_held(&attempts))
}

/// All stake is for the candidate, and its miner shows nobody the leaf of a cell.
pub(super) fn withheld(ground: &Ground) -> Result<Seen, Failed> {
    let mut court = Court::with_digests(&Mined::honest(ground.job())?)?;
    court.prove_by_digests(beacon(0))?;
    (0..BONDED).try_for_each(|attester| court.approve(attester, [2, 1]))?;
    let cell = Cell::update(3, 5);
    court.dispute(cell)?;
    Ok(match court.end()? {
        Event::Rejected(_, Reason::Unanswered(named), slash) if named == cell => Seen::stopped(format!(
            "{cell} is not answered: {} to the disputer, {} burned",
            slash.rewarded, slash.burned
        )),
        event => Seen::unseen(format!("settled as {event:?}")),
    })
}

/// The miner prepares for the records `0..n / 3`. That many of the drawn ones it knows, and no more.
pub(super) fn prepared_records(ground: &Ground) -> Result<Seen, Failed> {
    let honest = Mined::honest(ground.job())?;
    let court = Court::with_digests(&honest)?;
    let [a, b] = [0, 1].map(|number: usize| court.keys[number].address());
    let records = ground.data.test.len() as u32;
    let prepared = records / 3;
    let draws = DRAWS / 40;
    let mut unprepared = 0;
    for index in 0..draws {
        let [first, second] = [a, b].map(|attester| evaluation_indices(beacon(index), attester, records, EVALUATED));
        unprepared += first.iter().filter(|&&record| record >= prepared).count() as u32;
        if first.iter().collect::<BTreeSet<_>>() == second.iter().collect() {
            return Ok(Seen::unseen("two attesters measure on the same records"));
        }
    }
    let expected = 1.0 - f64::from(prepared) / f64::from(records);
    let rate = Rate { drawn: "a record of the draw", caught: unprepared, trials: draws * EVALUATED, expected };
    let why = "the draw meets unprepared records at the rate of chance";
    Ok(match rate.is_plausible() {
        true => Seen { rate: Some(rate), ..Seen::stopped(why) },
        false => Seen { rate: Some(rate), ..Seen::unseen("the draw favors prepared records") },
    })
}

pub(super) fn zero_updates(ground: &Ground) -> Result<Seen, Failed> {
    let mined = Mined::new(ground.job(), State::initial(&ground.round.spec), |_, draft| {
        draft.after.momenta.iter_mut().for_each(|momenta| momenta.fill(0));
        draft.obey();
    })?;
    if !mined.bad_cells()?.is_empty() || mined.state().weights != mined.states[0].weights {
        return Err("the zero updates are not consistent".into());
    }
    let mut court = Court::with_digests(&mined)?;
    court.prove_by_digests(beacon(0))?;
    for attester in 0..BONDED {
        court.approve(attester, measure(ground, &court, attester, beacon(0), mined.state()))?;
    }
    Ok(match court.settle()? {
        Event::Lapsed(_, Lapse::NoImprovement) => Seen::stopped("lapsed: no attester measured a lower loss"),
        event => Seen::unseen(format!("settled as {event:?}")),
    })
}
