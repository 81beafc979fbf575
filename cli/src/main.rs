//! `pogo`: trains a model for one round in exact integers, commits to it, proves the sampled leaves,
//! verifies, attests and finalizes. One subcommand a verb; `pogo run` is all of them.
//!
//! Exit codes: 0 done, 1 a check failed, 2 wrong usage, 3 the environment (files, lock).

mod commands;
mod dispute;
mod estimate;
mod evaluate;
mod evaluation;
mod evm;
mod failure;
mod lineage;
mod output;
mod report;
mod settlement;
mod setup;
mod spec;
mod verdict;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use commands::{
    Done, Work, WorkOnDevice, attack, attest, audit, challenge, commit, completions, devices, disclose,
    dispute as disputes, finalize, inspect, open, prove, provenance, publish, replay, run, srs, trace, train, verify,
};
use failure::Failure;
use output::{Console, Table};

/// What every command's help ends with.
const AFTER_HELP: &str = "Exit codes: 0 done, 1 a check failed, 2 wrong usage, 3 the environment (files, lock).";

/// Verifiable training: one round, from data to a finalized model.
#[derive(Debug, Parser)]
#[command(name = "pogo", version, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    /// Print one JSON object on standard output.
    #[arg(long, global = true)]
    json: bool,
    /// Threads [default: one a core].
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print the spans of the verbs with their times on standard error; RUST_LOG says more.
    #[arg(long, short, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A whole round, resumed where an earlier start ended.
    #[command(after_long_help = concat!("An example of SPEC.toml, the default:\n\n", include_str!("../specs/digits.toml")))]
    Run(run::Arguments),
    /// Verb 1: train the model, one record a step.
    Train(train::Begin),
    /// Verb 2: bind steps and final model by their roots.
    Commit(WorkOnDevice),
    /// Verb 3: fix the beacon and draw the cells to be shown.
    Challenge(challenge::Arguments),
    /// Between two challenges, in trace mode `challenged`: show and prove the records of the drawn segments.
    Disclose(prove::Arguments),
    /// Verb 4: open the drawn cells.
    Open(WorkOnDevice),
    /// Verb 5: prove the opened cells.
    Prove(prove::Arguments),
    /// Verb 6: verify a round, or one proof, from files alone.
    Verify(verify::Arguments),
    /// Verb 7: measure the 4-bit model and sign.
    Attest(attest::Arguments),
    /// Verb 8: tally the attestations and end the round.
    Finalize(Work),
    /// Doubt a cell with a bond, or answer such a doubt with a proof.
    #[command(subcommand)]
    Dispute(disputes::Command),
    /// Run the attacks of the book on a small round, and see what stops each.
    Attack(attack::Arguments),
    /// Recompute steps exactly; names every step and leaf that differs.
    Replay(replay::Arguments),
    /// Publish the tensors of chosen steps, which an audit needs.
    Trace(trace::Arguments),
    /// Check published steps without computing their matrix products.
    Audit(audit::Arguments),
    /// Show what is in an artifact.
    Inspect(inspect::Arguments),
    /// Copy the files that another machine needs to verify.
    Publish(publish::Arguments),
    /// Show the finalized rounds from the seed to a model; or answer who doubts that a round is yours.
    Provenance(provenance::Arguments),
    /// List the devices that can train, with their limits and measured speed.
    Devices,
    /// Import or check an SRS.
    #[command(subcommand)]
    Srs(srs::Command),
    /// Print a completion script.
    Completions(completions::Arguments),
}

fn main() -> ExitCode {
    quiet_mesa();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    start_tracing(cli.verbose);
    let console = Console { json: cli.json };
    match start_threads(cli.threads).and_then(|()| dispatch(&cli.command, console)) {
        Ok(Done { table, failure: None }) => {
            print_table(&table, console);
            ExitCode::SUCCESS
        }
        Ok(Done { table, failure: Some(failure) }) => {
            print_table(&table, console);
            eprintln!("error: {failure}");
            failure.exit_code()
        }
        Err(failure) => {
            if console.json {
                println!("{}", serde_json::json!({ "error": failure.to_string(), "exit_code": failure.code() }));
            }
            eprintln!("error: {failure}");
            failure.exit_code()
        }
    }
}

/// Turns off the Vulkan layer of Mesa that asks a desktop which GPU it prefers, unless its user asks
/// for it. Where there is no desktop that layer writes errors between ours to standard error.
#[allow(unsafe_code)]
fn quiet_mesa() {
    let wanted = ["NODEVICE_SELECT", "MESA_VK_DEVICE_SELECT"].iter().any(|name| std::env::var_os(name).is_some());
    if !wanted && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: this is the first call of `main`; no other thread reads the environment yet.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}

fn dispatch(command: &Command, console: Console) -> Result<Done, Failure> {
    match command {
        Command::Run(arguments) => run::run(arguments, console),
        Command::Train(arguments) => train::run(arguments, console),
        Command::Commit(arguments) => commit::run(arguments, console),
        Command::Challenge(arguments) => challenge::run(arguments, console),
        Command::Disclose(arguments) => disclose::run(arguments, console),
        Command::Open(arguments) => open::run(arguments, console),
        Command::Prove(arguments) => prove::run(arguments, console),
        Command::Verify(arguments) => verify::run(arguments, console),
        Command::Attest(arguments) => attest::run(arguments, console),
        Command::Finalize(arguments) => finalize::run(arguments),
        Command::Dispute(command) => disputes::run(command, console),
        Command::Attack(arguments) => attack::run(arguments, console),
        Command::Replay(arguments) => replay::run(arguments, console),
        Command::Trace(arguments) => trace::run(arguments, console),
        Command::Audit(arguments) => audit::run(arguments, console),
        Command::Inspect(arguments) => inspect::run(arguments),
        Command::Publish(arguments) => publish::run(arguments),
        Command::Provenance(arguments) => provenance::run(arguments, console),
        Command::Devices => devices::run(console),
        Command::Srs(command) => srs::run(command, console),
        Command::Completions(arguments) => completions::run(arguments, console),
    }
}

fn print_table(table: &Table, console: Console) {
    if console.json {
        println!("{}", table.to_json());
    } else {
        print!("{}", table.to_text());
    }
}

fn start_threads(threads: Option<u16>) -> Result<(), Failure> {
    let Some(threads) = threads else { return Ok(()) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.into());
    pool.build_global().map_err(|error| Failure::Environment(format!("threads: {error}")))
}

fn start_tracing(verbose: bool) {
    let level = if verbose { "info" } else { "off" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_span_events(FmtSpan::CLOSE);
    subscriber.with_writer(std::io::stderr).init();
}
