//! Attacks on where the momenta come from: D3, D7, D17. Every update and quantize cell holds, so
//! today's proof accepts them. A cell that binds the gradient to the batch changes what is seen here,
//! and with it the fate that the registry declares.

use pogo_protocol::attest::evaluation_indices;
use pogo_protocol::fixed::{CODE_MAX, CODE_SHIFT_MIN};
use pogo_protocol::model::State;
use pogo_protocol::settle::Event;
use pogo_protocol::statement::Context;

use super::court::{BONDED, Court, EVALUATED};
use super::mine::{Draft, Mined};
use super::rates::beacon;
use super::states::judge;
use super::{Failed, Ground, Seen};
use crate::round::Round;

/// Orders that the miner of D3 tries.
const ORDERS: u8 = 4;

/// The round of somebody else: the same task, in another order.
fn of_miner(ground: &Ground, number: u8) -> Round {
    let context = Context { miner: [number; 20], ..ground.round.context };
    Round { context, ..ground.round.clone() }
}

pub(super) fn picked_batches(ground: &Ground) -> Result<Seen, Failed> {
    let rounds: Vec<Round> = (0..ORDERS).map(|number| of_miner(ground, 100 + number)).collect();
    let mined: Vec<Mined<'_>> =
        rounds.iter().map(|round| Mined::honest(ground.job_of(round))).collect::<Result<_, _>>()?;
    let last_loss = |mined: &&Mined<'_>| mined.trace.records.last().map(|record| record.loss);
    let best = mined.iter().min_by_key(last_loss).ok_or("no order was tried")?;
    // What was trained in the best order is handed in as the miner's own round.
    let claimed = Mined { job: ground.job(), ..best.clone() };
    judge(&claimed, &ground.store("d3")?)
}

/// The thief has the final model of an honest miner and walks there: each code is the step towards
/// the stolen weight, each momentum one that rounds to that code.
pub(super) fn fabricated(ground: &Ground) -> Result<Seen, Failed> {
    let rival = of_miner(ground, 200);
    let stolen = Mined::honest(ground.job_of(&rival))?;
    let walk = |_: u32, draft: &mut Draft<'_>| {
        for tensor in 0..draft.codes.len() {
            draft.after.scales[tensor].fill(0);
            let here = draft.before.weights[tensor].iter().zip(&stolen.state().weights[tensor]);
            for (momentum, (from, to)) in draft.after.momenta[tensor].iter_mut().zip(here) {
                let code = ((from - to) / draft.learning_rate as i32).clamp(-CODE_MAX, CODE_MAX);
                *momentum = code << CODE_SHIFT_MIN;
            }
        }
        draft.obey();
    };
    let mined = Mined::new(ground.job(), State::initial(&ground.round.spec), walk)?;
    let seen = judge(&mined, &ground.store("d7")?)?;

    // The whole way: a real proof of the drawn cells, and the votes of attesters who measure.
    let mut court = Court::with_proofs(ground, &mined.commitment)?;
    let beacon = beacon(0);
    court.seed(beacon)?;
    let prover = ground.prover()?;
    let public = ground.round.public(&mined.commitment, beacon, prover.keys.circuit(), prover.srs.id());
    let statement = &court.chain.statements(court.id)?[0];
    let proof = match prover.prove(statement, mined.openings(&public.parts(1)[0])?) {
        Ok(proof) => proof,
        Err(error) => return Ok(Seen::stopped(error.to_string())),
    };
    court.chain.prove(court.now, court.id, &[&proof])?;
    for attester in 0..BONDED {
        court.approve(attester, measure(ground, &court, attester, beacon, mined.state()))?;
    }
    match court.settle()? {
        Event::Finalized(..) => Ok(Seen { why: format!("proven and finalized; {}", seen.why), ..seen }),
        event => Ok(Seen::stopped(format!("settled as {event:?}"))),
    }
}

/// Losses that an attester measures before and after a round.
pub(super) fn measure(ground: &Ground, court: &Court, attester: usize, beacon: [u8; 32], state: &State) -> [u64; 2] {
    let test = &ground.data.test;
    let drawn = evaluation_indices(beacon, court.keys[attester].address(), test.len() as u32, EVALUATED);
    let batch = test.batch(&drawn);
    [&State::initial(&ground.round.spec), state].map(|state| ground.loss(state, &batch))
}

pub(super) fn another_batch(ground: &Ground) -> Result<Seen, Failed> {
    let honest = Mined::honest(ground.job())?;
    let (from, to) = (4, 8);
    let loss = honest.trace.records[from].loss;
    let mined = Mined::new(ground.job(), State::initial(&ground.round.spec), |_, draft| {
        if draft.record.index as usize == to {
            draft.record.loss = loss;
        }
    })?;
    if mined.codes != honest.codes {
        return Err("the codes are not the same".into());
    }
    judge(&mined, &ground.store("d17")?)
}
