//! `pogo finalize`: the settlement of the round, played block by block on a local state machine.
//!
//! The three local attesters hold all stake. Nothing is taken on trust from the files: statements
//! are recomputed, proofs are verified and signatures are checked by the state machine.

use std::path::Path;
use std::sync::Arc;

use pogo_circuits::round::Shape;
use pogo_protocol::attest::SignedAttestation;
use pogo_protocol::codec::scalar_bytes;
use pogo_protocol::settle::{self, Event, Refused, Rules, SettleError, Settlement, Task, Verify, candidate_id};
use pogo_protocol::statement::Statement;
use pogo_prover::error::hex;
use pogo_verifier::description::Description;
use pogo_verifier::verify_with;

use super::attest::{ATTESTERS, development_key, evaluated};
use super::{Done, Work};
use crate::failure::Failure;
use crate::output::Table;
use crate::verdict::Verdict;
use crate::workspace::{Published, VERDICT, Workspace, description, list_folder, parse, part_file};

const STAKE: settle::Amount = 100;
const WINDOW: u64 = 100;

/// Runs the command.
pub(crate) fn run(arguments: &Work) -> Result<Done, Failure> {
    let workspace = Workspace::open(&arguments.work)?;
    workspace.commitment()?;
    workspace.beacon()?;
    workspace.need(&part_file("proofs", 0), "prove")?;
    let published = Published::read(&arguments.work)?;
    let signed = read_attestations(&arguments.work)?;
    let records = workspace.data()?.test.len();
    let verdict = finalize(&workspace, &published, records, &signed)?;
    Ok(done(&verdict))
}

/// Settles the round and writes the verdict, or holds the one that is there to it.
pub(crate) fn finalize(
    workspace: &Workspace,
    published: &Published,
    test_records: usize,
    signed: &[SignedAttestation],
) -> Result<Verdict, Failure> {
    let _span = tracing::info_span!("finalize").entered();
    let verdict = settle(published, evaluated(test_records), signed)?;
    workspace.write_once(VERDICT, &verdict.encode())?;
    Ok(verdict)
}

/// The verdict; a failure unless the round was finalized.
pub(crate) fn done(verdict: &Verdict) -> Done {
    let failure = verdict.lapse.map(|_| Failure::Check(format!("the round is not finalized: {}", verdict.end())));
    Done { table: table(verdict), failure }
}

/// The verdict in rows.
pub(crate) fn table(verdict: &Verdict) -> Table {
    let Verdict { total, positive, negative, improved, .. } = verdict;
    let votes = format!("{positive} for, {negative} against, {improved} measured a fall, of {total}");
    Table::new("verdict")
        .row("verdict", "round", verdict.end())
        .row("head", "head", hex(&scalar_bytes(&verdict.head)))
        .row_as("votes", "stake", serde_json::json!([positive, negative, improved, total]), votes)
}

/// The attestations in a folder of a round.
pub(crate) fn read_attestations(dir: &Path) -> Result<Vec<SignedAttestation>, Failure> {
    let files = list_folder(&dir.join(Published::ATTESTATIONS))?;
    if files.is_empty() {
        let what = "attestations: none there: run `pogo attest` first";
        return Err(Failure::Usage(format!("{}: {what}", dir.display())));
    }
    files.iter().map(|file| parse(file, SignedAttestation::decode)).collect()
}

struct Verifier(Description);

impl Verify for Verifier {
    fn verify(&self, statement: &Statement, proof: &[u8]) -> Result<(), Refused> {
        verify_with(&self.0, &statement.encode(), proof).map_err(|_| Refused)
    }
}

/// Plays the settlement of a round whose attesters evaluate `evaluated` records each.
pub(crate) fn settle(published: &Published, evaluated: u32, signed: &[SignedAttestation]) -> Result<Verdict, Failure> {
    let refused = |error: SettleError| Failure::Check(format!("settlement: {error}"));
    let mut chain = open_task(published, evaluated)?;
    for attester in 0..ATTESTERS {
        chain.stake(1, development_key(attester)?.address(), STAKE).map_err(refused)?;
    }
    let Published { setup, commitment, beacon, proofs, .. } = published;
    let id = candidate_id(&setup.context, &commitment.hash());
    let rules = rules(published, evaluated);
    let beacon_block = 2 + rules.seed_delay;
    let drawn = settle::Beacon { block: beacon_block, value: beacon.value };
    let proofs: Vec<&[u8]> = proofs.iter().map(Vec::as_slice).collect();
    chain.commit(2, setup.context.miner, commitment.clone(), rules.bond).map_err(refused)?;
    chain.draw_seed(beacon_block + 1, id, drawn).map_err(refused)?;
    chain.prove(beacon_block + 2, id, &proofs).map_err(refused)?;
    for signed in signed {
        chain.attest(beacon_block + 3, id, signed).map_err(refused)?;
    }
    let end = beacon_block + 3 + WINDOW;
    let lapse = match chain.settle(end, id, setup.context.miner).map_err(refused)? {
        Event::Finalized(..) => None,
        Event::Lapsed(_, lapse) => Some(lapse),
        event => return Err(Failure::Check(format!("settlement: the round is not at its end: {event:?}"))),
    };
    let candidate = &chain.candidates()[&id];
    let (tally, narrow) = (candidate.tally(), |amount: settle::Amount| amount as u64);
    Ok(Verdict {
        candidate: id,
        commitment: commitment.hash(),
        lapse,
        head: chain.head(),
        total: narrow(candidate.total),
        positive: narrow(tally.positive),
        negative: narrow(tally.negative),
        improved: narrow(tally.improved),
    })
}

fn open_task(published: &Published, evaluated: u32) -> Result<Settlement, Failure> {
    let setup = &published.setup;
    let description = description(setup.srs)?;
    let task = Task {
        spec: setup.spec.clone(),
        tree_depth: Shape::MINIMAL.tree_depth,
        chain_id: setup.context.chain_id,
        contract: setup.context.contract,
        task: setup.context.task,
        circuit: description.id(),
        srs: description.parts().srs_id,
        head: published.commitment.parent_root,
        rules: rules(published, evaluated),
    };
    let settlement = Settlement::new(task, Arc::new(Verifier(description)))
        .map_err(|error| Failure::Check(format!("settlement: {error}")))?;
    Ok(settlement.at_round(setup.context.round))
}

fn rules(published: &Published, evaluated: u32) -> Rules {
    Rules {
        seed_delay: 4,
        seed_window: WINDOW,
        prove_window: WINDOW,
        attest_window: WINDOW,
        answer_window: WINDOW,
        exit_delay: 10 * WINDOW,
        bond: 1000,
        fee: 10,
        dispute_bond: 100,
        reward: 0,
        samples: published.setup.samples as usize,
        evaluated,
    }
}
