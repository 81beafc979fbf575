//! Attacks on where the momenta come from: D3, D7, D17, in a round that commits to traces. Every update
//! and quantize cell holds; input, loss, momentum and link cells do not.

use pogo_protocol::attest::evaluation_indices;
use pogo_protocol::fixed::{CODE_MAX, CODE_SHIFT_MIN};
use pogo_protocol::model::State;
use pogo_protocol::statement::Context;

use super::court::{Court, EVALUATED};
use super::mine::{Draft, Mined};
use super::states::judge;
use super::{Failed, Ground, Seen};
use crate::round::Round;

/// Orders that the miner of D3 tries.
const ORDERS: u8 = 4;

/// The traced round of somebody else: the same task, in another order.
fn of_miner(ground: &Ground, number: u8) -> Round {
    let context = Context { miner: [number; 20], ..ground.traced.context };
    Round { context, ..ground.traced.clone() }
}

pub(super) fn picked_batches(ground: &Ground) -> Result<Seen, Failed> {
    let rounds: Vec<Round> = (0..ORDERS).map(|number| of_miner(ground, 100 + number)).collect();
    let mined: Vec<Mined<'_>> =
        rounds.iter().map(|round| Mined::honest(ground.job_of(round))).collect::<Result<_, _>>()?;
    let last_loss = |mined: &&Mined<'_>| mined.trace.records.last().map(|record| record.loss);
    let best = mined.iter().min_by_key(last_loss).ok_or("no order was tried")?;
    // What was trained in the best order is handed in as the miner's own round.
    let claimed = Mined { job: ground.job_of(&ground.traced), ..best.clone() };
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
    let mined = Mined::new(ground.job_of(&ground.traced), State::initial(&ground.traced.spec), walk)?;
    judge(&mined, &ground.store("d7")?)
}

/// Losses that an attester measures before and after a round.
pub(super) fn measure(ground: &Ground, court: &Court, attester: usize, beacon: [u8; 32], state: &State) -> [u64; 2] {
    let test = &ground.data.test;
    let drawn = evaluation_indices(beacon, court.keys[attester].address(), test.len() as u32, EVALUATED);
    let batch = test.batch(&drawn);
    [&State::initial(&ground.round.spec), state].map(|state| ground.loss(state, &batch))
}

pub(super) fn another_batch(ground: &Ground) -> Result<Seen, Failed> {
    let honest = Mined::honest(ground.job_of(&ground.traced))?;
    let (from, to) = (4, 8);
    let loss = honest.trace.records[from].loss;
    let mined = Mined::new(ground.job_of(&ground.traced), State::initial(&ground.traced.spec), |_, draft| {
        if draft.record.index as usize == to {
            draft.record.loss = loss;
        }
    })?;
    if mined.codes != honest.codes {
        return Err("the codes are not the same".into());
    }
    judge(&mined, &ground.store("d17")?)
}
