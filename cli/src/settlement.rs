//! The settlement of a round, played block by block on a local state machine.
//!
//! The local attesters hold all stake. Nothing is taken on trust from the files: the state machine
//! recomputes statements, verifies proofs and checks the signatures of votes. A dispute comes to it as
//! an address, a cell and a bond, as from a chain that knows who sends it; here a signature stands for
//! the sender, and [`play`] checks it first.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ark_bn254::Fr;
use pogo_circuits::round::Shape;
use pogo_protocol::attest::SignedAttestation;
use pogo_protocol::cell::{Cell, Kind};
use pogo_protocol::disclosure::{Disclosure, Segments};
use pogo_protocol::record::Head;
use pogo_protocol::settle::{
    self, CandidateId, Event, Reason, Refused, Rules, SettleError, Settlement, Task, Verify, candidate_id,
};
use pogo_protocol::statement::{PublicRound, Statement};

use crate::commands::attest::{ATTESTERS, development_key};
use crate::dispute::{Opened, SegmentAnswer, disclosed_later};
use crate::failure::Failure;
use crate::verdict::{Answer, Disputed, End, Verdict};
use crate::workspace::{Published, srs_id};

/// Stake of each local attester.
const STAKE: settle::Amount = 100;
/// Blocks of every window.
const WINDOW: u64 = 100;
/// Bond of a dispute.
pub(crate) const DISPUTE_BOND: u64 = 100;

struct Verifier(Mutex<pogo_verifier::Verifier>);

impl Verify for Verifier {
    fn verify(&self, statement: &Statement, proof: &[u8]) -> Result<(), Refused> {
        let mut verifier = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        verifier.verify(&statement.encode(), proof).map_err(|_| Refused)
    }
}

/// Checks who signed the disputes of the round in `dir`, plays commit, beacon, proofs, votes, disputes
/// and answers, and settles until the candidate is at its end.
///
/// # Errors
/// [`Failure::Check`] naming the dispute that is not its signer's, or `dir` when the state machine
/// refuses a file or asks for a second ballot.
pub(crate) fn play(
    dir: &Path,
    published: &Published,
    evaluated: u32,
    signed: &[SignedAttestation],
    disputes: &[Opened],
) -> Result<Verdict, Failure> {
    let Published { setup, commitment, beacon, .. } = published;
    let round = setup.round()?;
    let circuits = setup.srs.circuits();
    let committed = round.public(commitment, setup.records, beacon.value, &circuits, srs_id(setup.srs)?);
    let mut segments = disclosed(published, &committed);
    if let Some(segments) = &mut segments {
        disclosed_later(disputes, segments, |_, _, _| true);
    }
    let public = PublicRound { segments: segments.as_ref(), ..committed.clone() };
    for Opened { dispute, .. } in disputes {
        dispute.check(dir, &public)?;
    }
    to_its_end(published, evaluated, signed, disputes).map_err(|failure| failure.about(dir))
}

fn to_its_end(
    published: &Published,
    evaluated: u32,
    signed: &[SignedAttestation],
    disputes: &[Opened],
) -> Result<Verdict, Failure> {
    let Published { setup, commitment, beacon, disclosure, proofs, .. } = published;
    let rules = rules(published, evaluated);
    let mut chain = open_task(published, rules)?;
    for attester in 0..ATTESTERS {
        chain.stake(1, development_key(attester)?.address(), STAKE).map_err(refused)?;
    }
    let id = candidate_id(&setup.context, &commitment.hash());
    let mut proofs: Vec<&[u8]> = proofs.iter().map(Vec::as_slice).collect();
    chain.commit(2, setup.context.miner, commitment.clone(), rules.bond).map_err(refused)?;
    if let Some(Disclosure { beacon, roots }) = disclosure {
        let now = draw(&mut chain, id, *beacon)?;
        let cells = proofs.split_off(roots.len().min(proofs.len()));
        chain.disclose(now, id, setup.context.miner, roots, &proofs).map_err(refused)?;
        proofs = cells;
    }
    let now = draw(&mut chain, id, beacon.value)?;
    chain.prove(now, id, &proofs).map_err(refused)?;
    // Segments first: what was disclosed in answer to a dispute has cells that others doubt.
    let (segments, cells): (Vec<&Opened>, Vec<&Opened>) =
        disputes.iter().partition(|opened| opened.dispute.cell.kind == Kind::Disclosure);
    doubt(&mut chain, now, id, &segments)?;
    let mut answers = answer_segments(&mut chain, now, id, disputes)?;
    for signed in signed {
        chain.attest(now, id, signed).map_err(refused)?;
    }
    doubt(&mut chain, now, id, &cells)?;
    for opened in cells {
        answers.insert(opened.dispute.cell, answer(&mut chain, now, id, opened)?);
    }
    let disputed = |Opened { dispute, .. }: &Opened| {
        let answer = answers.get(&dispute.cell).copied().unwrap_or(Answer::None);
        Disputed { cell: dispute.cell, disputer: dispute.disputer(), bond: dispute.bond, answer }
    };
    let disputed = disputes.iter().map(disputed).collect();
    let over = chain.candidates()[&id].deadline + 1;
    let end = settle(&mut chain, over, id, published)?;
    let candidate = &chain.candidates()[&id];
    let tally = candidate.tally();
    Ok(Verdict {
        candidate: id,
        commitment: commitment.hash(),
        end,
        head: chain.head(),
        total: narrow(candidate.total),
        positive: narrow(tally.positive),
        negative: narrow(tally.negative),
        improved: narrow(tally.improved),
        disputes: disputed,
    })
}

/// Draws the beacon that the candidate waits for; returns a block after it.
fn draw(chain: &mut Settlement, id: CandidateId, value: [u8; 32]) -> Result<u64, Failure> {
    let block = chain.candidates()[&id].beacon_block;
    chain.draw_seed(block + 1, id, settle::Beacon { block, value }).map_err(refused)?;
    Ok(block + 2)
}

/// The segments that the proofs of a published round disclose; none in other trace modes.
fn disclosed(published: &Published, committed: &PublicRound<'_>) -> Option<Segments> {
    let samples = published.setup.samples as usize;
    committed.disclosed(published.disclosure.as_ref()?, samples).map(|(_, segments)| segments)
}

fn doubt(chain: &mut Settlement, now: u64, id: CandidateId, disputes: &[&Opened]) -> Result<(), Failure> {
    for Opened { dispute, .. } in disputes {
        chain.dispute(now, id, dispute.disputer(), dispute.cell, dispute.bond.into()).map_err(refused)?;
    }
    Ok(())
}

/// Hands in what discloses disputed segments, in the order in which one goes on from another.
fn answer_segments(
    chain: &mut Settlement,
    now: u64,
    id: CandidateId,
    disputes: &[Opened],
) -> Result<BTreeMap<Cell, Answer>, Failure> {
    let mut answers = BTreeMap::new();
    let answered = disputes.iter().filter(|opened| opened.answer.is_some());
    answers.extend(answered.map(|opened| (opened.dispute.cell, Answer::Refused)));
    let candidate = &chain.candidates()[&id];
    let miner = candidate.context.miner;
    let Some(mut segments) = candidate.segments.clone() else { return Ok(BTreeMap::new()) };
    disclosed_later(disputes, &mut segments, |_, segment, SegmentAnswer { roots, proofs, .. }| {
        let proofs: Vec<&[u8]> = proofs.iter().map(Vec::as_slice).collect();
        let proven = chain.answer_segment(now, id, miner, segment, roots, &proofs).is_ok();
        if proven {
            answers.insert(Cell::segment(segment), Answer::Proven);
        }
        proven
    });
    Ok(answers)
}

/// Hands in the answer to a dispute, where there is one. A refused answer changes nothing.
fn answer(chain: &mut Settlement, now: u64, id: CandidateId, opened: &Opened) -> Result<Answer, Failure> {
    let Opened { dispute, answer } = opened;
    match answer.as_ref().map(|proof| chain.answer(now, id, dispute.cell, proof)) {
        None => Ok(Answer::None),
        Some(Ok(_)) => Ok(Answer::Proven),
        Some(Err(SettleError::Proof { .. })) => Ok(Answer::Refused),
        Some(Err(error)) => Err(refused(error)),
    }
}

/// Settles after the window of votes, and after the first deadline of an open dispute.
fn settle(chain: &mut Settlement, mut now: u64, id: CandidateId, published: &Published) -> Result<End, Failure> {
    loop {
        return match chain.settle(now, id, published.setup.context.miner).map_err(refused)? {
            Event::Disputed(_) => {
                let awaited = chain.candidates()[&id].awaited(now);
                now = awaited.map(|(_, dispute)| dispute.deadline).min().map_or(now, |deadline| deadline + 1);
                continue;
            }
            Event::Finalized(..) => Ok(End::Finalized),
            Event::Lapsed(_, lapse) => Ok(End::Lapsed(lapse)),
            Event::Rejected(_, Reason::Unanswered(cell), slash) => Ok(End::Rejected {
                cell,
                reporter: slash.reporter,
                rewarded: narrow(slash.rewarded),
                burned: narrow(slash.burned),
            }),
            Event::Resampled(..) => Err(Failure::Check(
                "settlement: a third of the stake is against the candidate: four times the samples are to be \
                 proven from a later beacon, and this command plays one ballot"
                    .to_owned(),
            )),
            event => Err(Failure::Check(format!("settlement: the round is not at its end: {event:?}"))),
        };
    }
}

fn refused(error: SettleError) -> Failure {
    Failure::Check(format!("settlement: {error}"))
}

/// Amounts here are sums of a few small ones.
fn narrow(amount: settle::Amount) -> u64 {
    u64::try_from(amount).unwrap_or(u64::MAX)
}

fn open_task(published: &Published, rules: Rules) -> Result<Settlement, Failure> {
    let (setup, start) = (&published.setup, published.commitment.start());
    let task = Task {
        spec: setup.spec.clone(),
        tree_depth: Shape::MINIMAL.tree_depth,
        steps_depth: Shape::MINIMAL.steps_depth,
        trace_depth: Shape::MINIMAL.trace_depth,
        chain_id: setup.context.chain_id,
        contract: setup.context.contract,
        task: setup.context.task,
        records: setup.records,
        circuits: setup.srs.circuits(),
        srs: srs_id(setup.srs)?,
        head: if setup.context.round == 0 { Head { exponents: Fr::default(), ..start } } else { start },
        seeded: setup.is_seeded(),
        rules,
    };
    let verifier = Verifier(Mutex::new(pogo_verifier::Verifier::new(setup.srs)));
    let settlement = Settlement::new(task, Arc::new(verifier)).map_err(refused)?;
    Ok(settlement.at_round(setup.context.round))
}

fn rules(published: &Published, evaluated: u32) -> Rules {
    Rules {
        seed_delay: 4,
        seed_window: WINDOW,
        prove_window: WINDOW,
        attest_window: WINDOW,
        answer_window: WINDOW,
        exit_delay: 20 * WINDOW,
        bond: 1000,
        fee: 10,
        dispute_bond: DISPUTE_BOND.into(),
        reward: 0,
        samples: published.setup.samples as usize,
        evaluated,
    }
}
