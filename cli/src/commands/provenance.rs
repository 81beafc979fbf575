//! `pogo provenance`: the finalized rounds from the seed to a model, and what only its owner can open.

mod challenge;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ark_bn254::Fr;
use pogo_protocol::codec::scalar_bytes;
use pogo_protocol::model::{Quantized, Spec, State};
use pogo_prover::checkpoint::{MAGIC, MODEL_MAGIC, decode_checkpoint, decode_model};
use pogo_prover::commit::quantized_root;
use pogo_prover::error::{Error, hex};
use pogo_prover::train::state_root;
use pogo_verifier::Setup as SrsKind;
use serde_json::{Value, json};

use super::{Done, WorkOnDevice, verify};
use crate::failure::Failure;
use crate::lineage::Link;
use crate::output::{Console, Table};
use crate::setup::{SAMPLES_MAX, Start};
use crate::verdict::Verdict;
use crate::workspace::read;

/// Arguments of the command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A state (checkpoints/T.state) or a 4-bit model (model.bin).
    #[arg(value_name = "MODEL", required_unless_present = "challenge", conflicts_with = "challenge")]
    model: Option<PathBuf>,
    /// Folders of finalized rounds, in any order: work directories or what `pogo publish` copied.
    #[arg(long, value_name = "DIR", num_args = 1.., requires = "model")]
    rounds: Vec<PathBuf>,
    /// Refuse proofs under the development SRS.
    #[arg(long, requires = "model")]
    ceremony: bool,
    /// Answer a fresh number of 32 bytes from who doubts that the round of --work is yours: prove the
    /// cells that it draws.
    #[arg(long, value_name = "HEX", requires = "out")]
    challenge: Option<String>,
    /// Folder for the answer, which `pogo verify` checks; made when there is none.
    #[arg(long, value_name = "OUT", requires = "challenge")]
    out: Option<PathBuf>,
    /// Samples of each kind in the answer [default: those of the round].
    #[arg(long, value_name = "N", requires = "challenge", value_parser = clap::value_parser!(u32).range(1..=i64::from(SAMPLES_MAX)))]
    samples: Option<u32>,
    /// Prepared ceremony SRS, for a round that rests on one.
    #[arg(long, value_name = "FILE", requires = "challenge")]
    srs: Option<PathBuf>,
    #[command(flatten)]
    at: WorkOnDevice,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments, console: Console) -> Result<Done, Failure> {
    let _span = tracing::info_span!("provenance").entered();
    match (&arguments.model, &arguments.challenge, &arguments.out) {
        (Some(file), _, _) => chain(file, arguments, console),
        (None, Some(nonce), Some(out)) => challenge::answer(arguments, nonce, out, console),
        _ => Err(Failure::Usage("expected MODEL, or --challenge with --out".to_owned())),
    }
}

/// A model, as its file gives it.
enum Model {
    State(State),
    FourBit(Quantized),
}

impl Model {
    /// Reads a model of this spec; the magic says which kind it is.
    fn decode(spec: &Spec, bytes: &[u8]) -> Result<Self, String> {
        match bytes.first_chunk::<8>() {
            Some(MAGIC) => decode_checkpoint(spec, bytes).map(Self::State),
            Some(MODEL_MAGIC) => decode_model(spec, bytes).map(Self::FourBit).map_err(|error| error.to_string()),
            _ => Err("expected a state or a 4-bit model, got neither".to_owned()),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::State(_) => "state",
            Self::FourBit(_) => "4-bit model",
        }
    }

    /// The root that the round has committed to, and that of this model.
    fn roots(&self, link: &Link) -> Result<[Fr; 2], Failure> {
        let (layout, commitment) = (&link.round.layout, &link.published.commitment);
        Ok(match self {
            Self::State(state) => [commitment.state_root, state_root(layout, state)?],
            Self::FourBit(model) => [commitment.quantized_root, quantized_root(layout, model).map_err(Error::from)?],
        })
    }

    /// The exponents that the round has committed to, and those of this model: they are in no root of it.
    fn exponents(&self, link: &Link) -> [String; 2] {
        let commitment = &link.published.commitment;
        match self {
            Self::State(state) => [format!("{:?}", Some(&commitment.exponents)), format!("{:?}", state.exponents)],
            Self::FourBit(model) => [format!("{:?}", commitment.quantized_exponents), format!("{:?}", model.exponents)],
        }
    }
}

/// A model that a round ends with.
struct Found<'a> {
    kind: &'static str,
    root: Fr,
    link: &'a Link,
}

/// A round of the chain that holds.
struct Held<'a> {
    link: &'a Link,
    verdict: Verdict,
}

/// Follows the rounds from the model back to a seed; what holds is shown up to the first link that
/// does not.
fn chain(file: &Path, arguments: &Arguments, console: Console) -> Result<Done, Failure> {
    let rounds = &arguments.rounds;
    if rounds.is_empty() {
        return Err(Failure::Usage("--rounds: expected the folder of at least one round, got none".to_owned()));
    }
    let links: Vec<Link> = rounds.iter().map(|dir| Link::read(dir)).collect::<Result<_, _>>()?;
    let found = find(file, &links)?;
    let srs = links.iter().map(|link| link.published.setup.srs);
    let weakest = srs.min_by_key(|&srs| srs == SrsKind::Ceremony).unwrap_or(SrsKind::Development);
    verify::refuse_development(weakest, arguments.ceremony, console)?;
    let mut held = Vec::new();
    let failure = follow(found.link, &links, &mut held).err();
    let table = Table::new(format!("provenance of {}", file.display())).row("kind", "kind", found.kind).row(
        "root",
        "root",
        hex(&scalar_bytes(&found.root)),
    );
    Ok(Done { table: rows(table, &held, failure.is_none()), failure })
}

/// The round that has committed to the model.
fn find<'a>(file: &Path, links: &'a [Link]) -> Result<Found<'a>, Failure> {
    let bytes = read(file)?;
    // The nearer a round comes to the model, the better its reason says what is wrong.
    let mut nearest = (0, String::new());
    let mut miss = |near: u8, reason: String| {
        if near > nearest.0 {
            nearest = (near, reason);
        }
    };
    for link in links {
        let model = match Model::decode(&link.round.spec, &bytes) {
            Ok(model) => model,
            Err(error) => {
                miss(1, error);
                continue;
            }
        };
        let [expected, root] = model.roots(link)?;
        if expected != root {
            miss(2, format!("no given round has committed to it: its root is {}", hex(&scalar_bytes(&root))));
            continue;
        }
        let [expected, got] = model.exponents(link);
        if expected == got {
            return Ok(Found { kind: model.kind(), root, link });
        }
        miss(3, format!("exponents: expected {expected} as in {}, got {got}", link.dir.display()));
    }
    Err(Failure::in_file(file, nearest.1))
}

/// Checks a round, then the one it starts from, and so on to a seed.
fn follow<'a>(last: &'a Link, links: &'a [Link], held: &mut Vec<Held<'a>>) -> Result<(), Failure> {
    let (mut link, mut seen) = (last, BTreeSet::new());
    while seen.insert(link.commitment()) {
        let verdict = link.check()?;
        let parent = match link.published.setup.start {
            Start::Seed => None,
            Start::Parent(commitment) | Start::FineTune(commitment) => {
                links.iter().find(|link| link.commitment() == commitment)
            }
        };
        link.check_start(parent)?;
        held.push(Held { link, verdict });
        match parent {
            Some(parent) => link = parent,
            None => return Ok(()),
        }
    }
    Err(Failure::in_file(&link.dir, "the rounds start from each other"))
}

/// Adds the rounds that hold, and whether they reach a seed.
fn rows(table: Table, held: &[Held<'_>], complete: bool) -> Table {
    let all: Vec<Value> = held.iter().map(value).collect();
    let table = table.hidden("rounds", all.clone().into()).section("rounds, the last first");
    let table = held.iter().fold(table, |table, round| {
        let setup = &round.link.published.setup;
        let label = format!("{}, round {}", setup.spec.name, setup.context.round);
        table.row_as("rounds", &label, all.clone(), line(round))
    });
    let end = if complete { "whole: every proof, verdict and link holds, back to the seed" } else { "broken" };
    table.row_as("complete", "chain", complete, end)
}

fn value(held: &Held<'_>) -> Value {
    let (setup, commitment) = (&held.link.published.setup, &held.link.published.commitment);
    let root = |root: &Fr| hex(&scalar_bytes(root));
    let (start, head) = (commitment.start(), commitment.head());
    json!({
        "dir": held.link.dir.display().to_string(),
        "name": setup.spec.name,
        "task": hex(&setup.context.task),
        "round": setup.context.round,
        "miner": hex(&setup.context.miner),
        "start": setup.start.describe(),
        "commitment": hex(&commitment.hash()),
        "parent_root": root(&start.state),
        "parent_exponents": root(&start.exponents),
        "state_root": root(&head.state),
        "exponents": root(&head.exponents),
        "quantized_root": root(&commitment.quantized_root),
        "beacon": hex(&held.link.published.beacon.value),
        "samples": setup.samples,
        "verdict": held.verdict.end.describe(),
    })
}

fn line(held: &Held<'_>) -> String {
    let (setup, commitment) = (&held.link.published.setup, &held.link.published.commitment);
    let from = match setup.start {
        Start::Seed => format!("from seed {}", setup.spec.seed),
        Start::Parent(_) => format!("from the round before, {}", hex(&scalar_bytes(&commitment.parent_root))),
        Start::FineTune(_) => {
            format!("fine-tuned, from the weights of the next row, {}", hex(&scalar_bytes(&commitment.parent_root)))
        }
    };
    let state = hex(&scalar_bytes(&commitment.state_root));
    format!(
        "{}, {from}, to {state}, by {} ({})",
        held.verdict.end.describe(),
        hex(&setup.context.miner),
        held.link.dir.display()
    )
}
