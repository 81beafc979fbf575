//! The TOML file that describes a task; `specs/digits.toml` shows every field.

use std::path::{Path, PathBuf};

use pogo_contracts::{CHAIN_ID, contract_address};
use pogo_protocol::codec::scalar_bytes;
use pogo_protocol::model::{Schedule, Spec, TraceMode};
use pogo_protocol::statement::Context;
use pogo_protocol::stream::keccak;
use pogo_prover::commit;
use pogo_prover::data::LabelField;
use pogo_verifier::Setup as SrsKind;
use serde::Deserialize;

use crate::failure::Failure;
use crate::setup::{Setup, Source, Start};

/// The spec of `pogo run` without a file.
pub(crate) const DEFAULT: &str = include_str!("../specs/digits.toml");
/// Name of that spec in messages.
const DEFAULT_NAME: &str = "the embedded digits.toml";
/// Miner of a spec that names none: a development address ("pogo").
const DEFAULT_MINER: [u8; 20] = *b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0pogo";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    data: DataSection,
    model: ModelSection,
    train: TrainSection,
    #[serde(default)]
    round: RoundSection,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DataSection {
    source: toml::Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MnistSource {
    mnist: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CsvSource {
    csv: PathBuf,
    label: LabelName,
    classes: u16,
    test: u32,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LabelName {
    First,
    Last,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelSection {
    layers: Vec<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrainSection {
    batch: u32,
    steps: u32,
    learning_rate: u32,
    schedule: ScheduleName,
    #[serde(default)]
    warmup: u32,
    seed: u64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ScheduleName {
    Constant,
    Linear,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RoundSection {
    checkpoint_every: u32,
    number: u64,
    miner: Option<String>,
    preset: Preset,
    trace: TraceName,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TraceName {
    None,
    Every,
    Challenged,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Preset {
    Minimal,
}

impl Default for RoundSection {
    fn default() -> Self {
        Self { checkpoint_every: 1, number: 0, miner: None, preset: Preset::Minimal, trace: TraceName::Every }
    }
}

/// Reads a spec file, or the embedded one, and the data it names: the setup of a round from the seed.
///
/// # Errors
/// [`Failure::Environment`] for a file that cannot be read, [`Failure::Usage`] for one that is no spec.
pub(crate) fn read(file: Option<&Path>, samples: u32, srs: SrsKind) -> Result<Setup, Failure> {
    let (name, parsed) = parse(file)?;
    setup(parsed, folder(file), samples, srs, &|what| in_spec(&name, what))
}

/// Where a spec file says that the data is.
///
/// # Errors
/// [`Failure::Environment`] for a file that cannot be read, [`Failure::Usage`] for one that is no spec.
pub(crate) fn read_source(file: &Path) -> Result<Source, Failure> {
    let (name, parsed) = parse(Some(file))?;
    source(parsed.data.source, folder(Some(file))).map_err(|what| in_spec(&name, format!("data.source: {what}")))
}

/// Name and content of a spec file, or of the embedded one.
fn parse(file: Option<&Path>) -> Result<(String, File), Failure> {
    let (name, text) = match file {
        None => (DEFAULT_NAME.to_owned(), DEFAULT.to_owned()),
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|error| Failure::io(file, &error))?;
            (file.display().to_string(), text)
        }
    };
    let parsed = toml::from_str(&text).map_err(|error| in_spec(&name, error.to_string().trim_end().to_owned()))?;
    Ok((name, parsed))
}

/// What the paths in a spec file start from.
fn folder(file: Option<&Path>) -> &Path {
    file.and_then(Path::parent).unwrap_or(Path::new(""))
}

fn in_spec(name: &str, what: String) -> Failure {
    Failure::Usage(format!("{name}: {what}"))
}

fn setup(
    file: File,
    folder: &Path,
    samples: u32,
    srs: SrsKind,
    usage: &dyn Fn(String) -> Failure,
) -> Result<Setup, Failure> {
    let Preset::Minimal = file.round.preset;
    if file.round.number != 0 {
        let got = file.round.number;
        return Err(usage(format!("round.number: expected 0 (--parent numbers later rounds), got {got}")));
    }
    let miner = match &file.round.miner {
        None => DEFAULT_MINER,
        Some(text) => hex::<20>(text)
            .ok_or_else(|| usage(format!("round.miner: expected 40 hexadecimal digits after 0x, got {text:?}")))?,
    };
    let source = source(file.data.source, folder).map_err(|what| usage(format!("data.source: {what}")))?;
    let context = Context {
        chain_id: CHAIN_ID,
        contract: contract_address(),
        task: keccak(&[file.name.as_bytes()]),
        round: file.round.number,
        miner,
    };
    let mut spec = Spec {
        name: file.name,
        layers: file.model.layers,
        batch: file.train.batch,
        steps: file.train.steps,
        checkpoint_every: file.round.checkpoint_every,
        learning_rate: file.train.learning_rate,
        schedule: match file.train.schedule {
            ScheduleName::Constant => Schedule::Constant,
            ScheduleName::Linear => Schedule::Linear,
        },
        warmup: file.train.warmup,
        seed: file.train.seed,
        trace: match file.round.trace {
            TraceName::None => TraceMode::None,
            TraceName::Every => TraceMode::Every,
            TraceName::Challenged => TraceMode::Challenged,
        },
        data_root: [0; 32],
    };
    spec.validate().map_err(|error| usage(error.to_string()))?;
    let data = source.load()?;
    let (width, classes) = (data.train.width, data.train.classes);
    if (spec.width(), spec.classes()) != (width, classes) {
        let got = format!("[{}, .., {}]", spec.width(), spec.classes());
        return Err(usage(format!("model.layers: expected [{width}, .., {classes}] with this data, got {got}")));
    }
    spec.data_root = scalar_bytes(&commit::data_root(&data.train));
    let records = data.train.len() as u32;
    Ok(Setup { spec, context, records, samples, srs, start: Start::Seed, source })
}

fn source(value: toml::Value, folder: &Path) -> Result<Source, String> {
    let absolute = |path: PathBuf| std::path::absolute(folder.join(path)).map_err(|error| error.to_string());
    let has = |key| value.get(key).is_some();
    if value.as_str() == Some("digits") {
        Ok(Source::Digits)
    } else if has("mnist") {
        let MnistSource { mnist } = value.try_into().map_err(one_line)?;
        Ok(Source::Mnist { directory: absolute(mnist)? })
    } else if has("csv") {
        let CsvSource { csv, label, classes, test } = value.try_into().map_err(one_line)?;
        if test == 0 {
            return Err("test: expected at least 1 record to measure the model on, got 0".to_owned());
        }
        let label = match label {
            LabelName::First => LabelField::First,
            LabelName::Last => LabelField::Last,
        };
        Ok(Source::Csv { file: absolute(csv)?, label, classes, test })
    } else {
        let got = value.to_string();
        Err(format!("expected \"digits\", {{ mnist = .. }} or {{ csv = .. }}, got {}", got.trim()))
    }
}

fn one_line(error: toml::de::Error) -> String {
    error.message().to_owned()
}

/// `N` bytes from hexadecimal digits, with or without `0x`.
pub(crate) fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.len() != 2 * N || !digits.is_ascii() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let digit = |c: u8| char::from(c).to_digit(16);
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(bytes)
}
