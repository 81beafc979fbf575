//! `pogo provenance --challenge`: proves cells of a round that a fresh number draws.
//!
//! The answer is what `pogo publish` writes, with the number as its beacon, so `pogo verify OUT
//! --beacon HEX` checks it. It takes states and momenta from the middle of the round, which no
//! published file holds.

use std::fs;
use std::path::Path;

use pogo_protocol::disclosure::Disclosure;
use pogo_protocol::statement::CircuitKind;
use pogo_prover::error::{Error, hex};
use pogo_prover::open::{self, Opened};
use pogo_prover::store::write_atomic;
use pogo_prover::train::{RECORDS, UPDATES, checkpoint_name};

use super::Arguments;
use crate::commands::challenge::{bytes_32, public};
use crate::commands::{Done, commit, disclose, prove, verify};
use crate::failure::Failure;
use crate::output::{Console, Table};
use crate::setup::Setup;
use crate::workspace::{BEACON, Beacon, COMMITMENT, DISCLOSURE, Published, SETUP, parse, part_file, read};

/// Opens and proves the cells that `nonce` draws, into `out`.
pub(super) fn answer(arguments: &Arguments, nonce: &str, out: &Path, console: Console) -> Result<Done, Failure> {
    let beacon = Beacon { value: bytes_32("--challenge", nonce)?, given: true };
    refuse_thief(&arguments.at.work.work)?;
    if out.join(SETUP).exists() {
        return Err(Failure::Usage(format!("{}: holds a round; name another folder", out.display())));
    }
    let dir = &arguments.at.work.work;
    let mut workspace = arguments.at.open(console)?;
    let commitment = workspace.commitment()?;
    // Cells are drawn of the segments that the round disclosed, which its own samples drew.
    let segments = disclose::segments(&workspace, &commitment)?;
    if segments.is_some() && arguments.samples.is_some_and(|samples| samples != workspace.setup.samples) {
        let samples = workspace.setup.samples;
        return Err(Failure::Usage(format!("--samples: expected {samples} or none in trace mode `challenged`")));
    }
    workspace.setup.samples = arguments.samples.unwrap_or(workspace.setup.samples);
    let data = workspace.data()?;
    let mut trace = workspace.trace(&data)?;
    commit::hold(&workspace, &trace)?;
    disclose::fill_in(&workspace, &mut trace.records, segments.as_ref())?;

    let public = public(&workspace, &commitment, beacon, segments.as_ref())?;
    let samples = workspace.setup.samples as usize;
    let spinner = console.spinner("opening the drawn cells");
    let openings = open::open(&workspace.store, &workspace.job(&data), &trace, &public, &public.parts(samples))?;
    spinner.finish_and_clear();
    let cells = prove::open_cells(&workspace, &public, &public.cell_parts(samples), console)?;
    let opened: Vec<Opened> =
        openings.into_iter().map(Opened::Round).chain(cells.into_iter().map(Opened::Cells)).collect();
    let kinds: Vec<CircuitKind> = opened.iter().filter_map(Opened::circuit).collect();
    let prover = prove::prover(&workspace, arguments.srs.as_deref(), &kinds, console)?;
    let bar = console.bar("prove", opened.len() as u64);
    let mut published = Published {
        setup: workspace.setup.clone(),
        commitment: commitment.clone(),
        beacon,
        disclosure: workspace
            .store
            .has(DISCLOSURE)
            .then(|| parse(&dir.join(DISCLOSURE), Disclosure::decode))
            .transpose()?,
        statements: Vec::new(),
        proofs: Vec::new(),
    };
    for part in 0..published.disclosure.as_ref().map_or(0, |disclosure| disclosure.roots.len()) {
        published.statements.push(read(&dir.join(part_file("statements", part)))?);
        published.proofs.push(read(&dir.join(part_file("proofs", part)))?);
    }
    for (statement, opened) in public.statements(samples).map_err(Error::from)?.iter().zip(opened) {
        published.statements.push(statement.encode());
        published.proofs.push(prover.prove(statement, opened)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    verify::verify(&published)?;
    write(&published, out)?;
    Ok(Table::new(format!("answered in {}", out.display()))
        .row("challenge", "challenge", hex(&beacon.value))
        .row("commitment", "commitment", hex(&commitment.hash()))
        .row("miner", "miner", hex(&workspace.setup.context.miner))
        .row("proofs", "proofs", published.proofs.len() as u64)
        .then(verify::soundness(workspace.setup.samples))
        .into())
}

/// Refuses a folder of a committed round that lacks what happened between its first and its last state.
fn refuse_thief(dir: &Path) -> Result<(), Failure> {
    if !dir.join(COMMITMENT).exists() || !dir.join(SETUP).exists() {
        return Ok(()); // nothing was committed to: opening the directory says what is missing
    }
    let last = checkpoint_name(parse(&dir.join(SETUP), Setup::decode)?.spec.steps);
    match [RECORDS, UPDATES, &last].into_iter().find(|name| !dir.join(name).exists()) {
        None => Ok(()),
        Some(name) => {
            let why = "a challenge draws cells of its middle, which published files and the model do not hold";
            Err(Failure::in_file(&dir.join(name), format!("not there: the round was not trained here, and {why}")))
        }
    }
}

fn write(published: &Published, out: &Path) -> Result<(), Failure> {
    for folder in Published::FOLDERS {
        let folder = out.join(folder);
        fs::create_dir_all(&folder).map_err(|error| Failure::io(&folder, &error))?;
    }
    write_atomic(&out.join(COMMITMENT), &published.commitment.encode())?;
    write_atomic(&out.join(BEACON), &published.beacon.encode())?;
    if let Some(disclosure) = &published.disclosure {
        write_atomic(&out.join(DISCLOSURE), &disclosure.encode())?;
    }
    for (part, (statement, proof)) in published.statements.iter().zip(&published.proofs).enumerate() {
        write_atomic(&out.join(part_file("statements", part)), statement)?;
        write_atomic(&out.join(part_file("proofs", part)), proof)?;
    }
    Ok(write_atomic(&out.join(SETUP), &published.setup.encode())?)
}
