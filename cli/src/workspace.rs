//! The work directory as the commands see it, and the files of a round that anybody may check.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use cpu_time::ProcessTime;
use pogo_protocol::codec::{CodecError, Reader, Writer};
use pogo_protocol::commitment::Commitment;
use pogo_protocol::disclosure::Disclosure;
use pogo_protocol::model::State;
use pogo_protocol::statement::Circuits;
use pogo_prover::checkpoint::seal;
use pogo_prover::data::Split;
use pogo_prover::device::Device;
use pogo_prover::round::Round;
use pogo_prover::store::Store;
use pogo_prover::train::{Job, Trace, checkpoint_name, has_start, load, start_from, state_on_disk};
use pogo_verifier::{Setup as SrsKind, Verifier};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::setup::{Setup, Start};

/// The setup of the round.
pub(crate) const SETUP: &str = "setup.bin";
/// What the miner committed to.
pub(crate) const COMMITMENT: &str = "commitment.bin";
/// Public randomness that draws segments, in trace mode `challenged`.
pub(crate) const FIRST_BEACON: &str = "first-beacon.bin";
/// What the miner disclosed in answer to it.
pub(crate) const DISCLOSURE: &str = "disclosure.bin";
/// Public randomness that draws cells.
pub(crate) const BEACON: &str = "beacon.bin";
/// How the round ended.
pub(crate) const VERDICT: &str = "verdict.bin";
/// Seconds that the stages took on this machine; no artifact.
const TIMES: &str = "times.json";

/// Seconds of a stage.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Cost {
    /// By the clock.
    pub(crate) wall: f64,
    /// Of all cores together.
    pub(crate) cpu: f64,
}

/// A work directory, locked for this process.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// Its files.
    pub(crate) store: Store,
    /// What the round is.
    pub(crate) setup: Setup,
    /// The round of that setup.
    pub(crate) round: Round,
    /// Ids of the circuits that prove it.
    pub(crate) circuits: Circuits,
    /// Where its steps run: the CPU until another device is opened.
    pub(crate) device: Device,
}

/// A beacon and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beacon {
    /// Its value.
    pub(crate) value: [u8; 32],
    /// Whether it was given; else this machine drew it.
    pub(crate) given: bool,
}

impl Beacon {
    /// First bytes of `beacon.bin`: `"pogo/bcn" | version u16 | beacon 32 | given u8`.
    pub(crate) const MAGIC: &[u8; 8] = b"pogo/bcn";

    /// Canonical bytes.
    pub(crate) fn encode(self) -> Vec<u8> {
        Writer::new(Self::MAGIC).bytes(&self.value).bytes(&[u8::from(self.given)]).finish()
    }

    /// Reads what [`Beacon::encode`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`CodecError`] naming the field.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes, Self::MAGIC, "beacon")?;
        let value = reader.array("beacon")?;
        let given = match reader.array("given")? {
            [0] => false,
            [1] => true,
            _ => return Err(CodecError::Value { field: "given" }),
        };
        reader.finish()?;
        Ok(Self { value, given })
    }
}

impl Workspace {
    /// Opens `dir` for the round that was asked for, making the directory when there is none; `start`
    /// is the state that it starts from, none for that of the seed or the one that is there.
    ///
    /// # Errors
    /// [`Failure::Usage`] naming the field when the directory holds another round,
    /// [`Failure::Check`] when it starts from another state than `start`.
    pub(crate) fn create(dir: &Path, asked: Setup, start: Option<&State>) -> Result<Self, Failure> {
        // What cannot be proven leaves no directory behind.
        asked.round()?;
        let store = Store::open(dir)?;
        match store.find(SETUP)? {
            None => store.write(SETUP, &asked.encode())?,
            Some(bytes) => {
                let setup = Setup::decode(&bytes).map_err(|what| store.content(SETUP, what))?;
                if let Some(field) = setup.difference(&asked) {
                    return Err(Failure::Usage(format!(
                        "{}: this directory holds another round: {field}; use another --work directory",
                        dir.join(SETUP).display()
                    )));
                }
            }
        }
        let name = checkpoint_name(0);
        match (start, store.find(&name)?) {
            (Some(state), None) => start_from(&store, state)?,
            (Some(state), Some(found)) if found != seal(state) => {
                return Err(Failure::in_file(&store.path(&name), "is not the state that the round starts from"));
            }
            _ => {}
        }
        Self::in_store(store)?.with_start()
    }

    /// Opens `dir`, which must hold a round and the state that it starts from.
    ///
    /// # Errors
    /// [`Failure::Usage`] when it does not, [`Failure::Check`] for the start of a round that has none.
    pub(crate) fn open(dir: &Path) -> Result<Self, Failure> {
        Self::open_published(dir)?.with_start()
    }

    /// Opens `dir`, which must hold a round or what was published of one, with or without its start.
    ///
    /// # Errors
    /// [`Failure::Usage`] when it holds none.
    pub(crate) fn open_published(dir: &Path) -> Result<Self, Failure> {
        if !dir.join(SETUP).exists() {
            return Err(missing(&dir.join(SETUP), "train"));
        }
        Self::in_store(Store::open(dir)?)
    }

    fn in_store(store: Store) -> Result<Self, Failure> {
        let setup = store.parse(SETUP, Setup::decode)?;
        let round = setup.round()?;
        let circuits = setup.srs.circuits();
        Ok(Self { store, setup, round, circuits, device: Device::Cpu })
    }

    /// The round, whose state to start from must be there if the setup names one, and only then.
    fn with_start(self) -> Result<Self, Failure> {
        let file = self.store.path(&checkpoint_name(0));
        match (self.setup.start, has_start(&self.store)) {
            (Start::Seed, false) | (Start::Parent(_) | Start::FineTune(_), true) => Ok(self),
            (Start::Seed, true) => Err(Failure::in_file(&file, "is not part of a round that starts from the seed")),
            (start, false) => {
                let what = format!("not there, the round starts from {}: begin again", start.describe());
                Err(Failure::Usage(format!("{}: {what}", file.display())))
            }
        }
    }

    /// The state that the round starts from.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn start(&self) -> Result<State, Failure> {
        Ok(state_on_disk(&self.store, &self.setup.spec, 0)?)
    }

    /// The data of the round.
    ///
    /// # Errors
    /// When it cannot be read, [`Failure::Check`] for another number of records than the setup says.
    pub(crate) fn data(&self) -> Result<Split, Failure> {
        let data = self.setup.source.load()?;
        let (expected, got) = (self.setup.records, data.train.len());
        if got != expected as usize {
            let what =
                format!("training records: expected {got} as in {}, got {expected}", self.setup.source.describe());
            return Err(Failure::in_file(&self.store.path(SETUP), what));
        }
        Ok(data)
    }

    /// The round on this data and device.
    pub(crate) fn job<'a>(&'a self, data: &'a Split) -> Job<'a> {
        Job { round: &self.round, data: &data.train, device: &self.device }
    }

    /// The finished training.
    ///
    /// # Errors
    /// [`Failure::Usage`] when it is not finished.
    pub(crate) fn trace(&self, data: &Split) -> Result<Trace, Failure> {
        Ok(load(&self.store, &self.job(data))?)
    }

    /// The commitment.
    ///
    /// # Errors
    /// [`Failure::Usage`] when there is none yet.
    pub(crate) fn commitment(&self) -> Result<Commitment, Failure> {
        self.need(COMMITMENT, "commit")?;
        Ok(self.store.parse(COMMITMENT, Commitment::decode)?)
    }

    /// The beacon that draws segments.
    ///
    /// # Errors
    /// [`Failure::Usage`] when there is none yet.
    pub(crate) fn first_beacon(&self) -> Result<Beacon, Failure> {
        self.need(FIRST_BEACON, "challenge")?;
        Ok(self.store.parse(FIRST_BEACON, Beacon::decode)?)
    }

    /// The beacon that draws cells.
    ///
    /// # Errors
    /// [`Failure::Usage`] when there is none yet.
    pub(crate) fn beacon(&self) -> Result<Beacon, Failure> {
        self.need(BEACON, "challenge")?;
        Ok(self.store.parse(BEACON, Beacon::decode)?)
    }

    /// Refuses to go on without an artifact; `verb` is the command that makes it.
    ///
    /// # Errors
    /// [`Failure::Usage`].
    pub(crate) fn need(&self, name: &str, verb: &str) -> Result<(), Failure> {
        if self.store.has(name) { Ok(()) } else { Err(missing(&self.store.path(name), verb)) }
    }

    /// Writes an artifact that is a function of others, or holds the one that is there to it.
    ///
    /// # Errors
    /// [`Failure::Check`] when another one is there.
    pub(crate) fn write_once(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        match self.store.find(name)? {
            None => Ok(self.store.write(name, bytes)?),
            Some(found) if found == bytes => Ok(()),
            Some(_) => Err(Failure::in_file(&self.store.path(name), "is not the one that the files before it give")),
        }
    }

    /// Runs a stage and adds the time that it took to those of the directory.
    ///
    /// # Errors
    /// Those of the stage, or of the file of times.
    pub(crate) fn timed<T>(&self, stage: &str, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        let (wall, cpu) = (Instant::now(), ProcessTime::now());
        let result = work()?;
        let mut times = self.times();
        let cost = times.entry(stage.to_owned()).or_default();
        cost.wall += wall.elapsed().as_secs_f64();
        cost.cpu += cpu.elapsed().as_secs_f64();
        let text = serde_json::to_vec_pretty(&times).unwrap_or_default();
        self.store.write(TIMES, &text)?;
        Ok(result)
    }

    /// Times of the stages so far.
    pub(crate) fn times(&self) -> BTreeMap<String, Cost> {
        let bytes = self.store.find(TIMES).ok().flatten().unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }
}

/// Id of an SRS whose keys are embedded.
///
/// # Errors
/// [`Failure::Environment`] when this build holds none.
pub(crate) fn srs_id(srs: SrsKind) -> Result<[u8; 32], Failure> {
    let id = Verifier::new(srs).srs();
    id.map_err(|error| Failure::Environment(format!("the embedded verifying key: {error}")))
}

/// Files of a round that the miner publishes: enough to check it without data or checkpoints.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    /// What the round is.
    pub(crate) setup: Setup,
    /// What the miner committed to.
    pub(crate) commitment: Commitment,
    /// Public randomness that drew the cells.
    pub(crate) beacon: Beacon,
    /// What was disclosed before, in trace mode `challenged`.
    pub(crate) disclosure: Option<Disclosure>,
    /// Statement files in order.
    pub(crate) statements: Vec<Vec<u8>>,
    /// Proof files in order.
    pub(crate) proofs: Vec<Vec<u8>>,
}

impl Published {
    /// Names of the single files.
    pub(crate) const FILES: [&str; 3] = [SETUP, COMMITMENT, BEACON];
    /// Names of the folders.
    pub(crate) const FOLDERS: [&str; 2] = ["statements", "proofs"];
    /// Name of the folder of signed opinions, there once the round was attested.
    pub(crate) const ATTESTATIONS: &str = "attestations";

    /// Reads them from a folder, which is left as it is.
    ///
    /// # Errors
    /// [`Failure::Environment`] for a missing file, [`Failure::Check`] for a malformed one.
    pub(crate) fn read(dir: &Path) -> Result<Self, Failure> {
        Ok(Self {
            setup: parse(&dir.join(SETUP), Setup::decode)?,
            commitment: parse(&dir.join(COMMITMENT), Commitment::decode)?,
            beacon: parse(&dir.join(BEACON), Beacon::decode)?,
            disclosure: match dir.join(DISCLOSURE) {
                file if file.exists() => Some(parse(&file, Disclosure::decode)?),
                _ => None,
            },
            statements: read_folder(&dir.join("statements"))?,
            proofs: read_folder(&dir.join("proofs"))?,
        })
    }
}

/// Name of a file that belongs to one proof.
pub(crate) fn part_file(folder: &str, part: usize) -> String {
    let extension = folder.strip_suffix('s').filter(|_| folder != "openings").unwrap_or(folder);
    format!("{folder}/part-{part:03}.{extension}")
}

/// Folder of the tensors of steps that were published.
pub(crate) const TRACES: &str = "traces";

/// Name of the file with the tensors of a step.
pub(crate) fn trace_file(step: u32) -> String {
    format!("{TRACES}/{step:010}.trace")
}

/// 32 bytes of this machine's randomness.
///
/// # Errors
/// [`Failure::Environment`] when it gives none.
pub(crate) fn random() -> Result<[u8; 32], Failure> {
    let mut value = [0; 32];
    getrandom::fill(&mut value).map_err(|error| Failure::Environment(format!("system randomness: {error}")))?;
    Ok(value)
}

/// Reads a file.
///
/// # Errors
/// [`Failure::Environment`] naming it.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| Failure::io(file, &error))
}

/// Reads and parses a file.
///
/// # Errors
/// [`Failure`] naming it.
pub(crate) fn parse<T, E: std::fmt::Display>(
    file: &Path,
    parse: impl FnOnce(&[u8]) -> Result<T, E>,
) -> Result<T, Failure> {
    parse(&read(file)?).map_err(|error| Failure::in_file(file, error))
}

/// Paths of the files in a folder by name, without temporary ones.
///
/// # Errors
/// [`Failure::Environment`] naming it.
pub(crate) fn list_folder(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failure = |error: std::io::Error| Failure::io(folder, &error);
    let entries = std::fs::read_dir(folder).map_err(failure)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()).map_err(failure));
    let mut paths: Vec<PathBuf> = paths.collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension != "tmp"));
    paths.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    Ok(paths)
}

fn read_folder(folder: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    list_folder(folder)?.iter().map(|path| read(path)).collect()
}

fn missing(file: &Path, verb: &str) -> Failure {
    Failure::Usage(format!("{}: not there: run `pogo {verb}` first", file.display()))
}
