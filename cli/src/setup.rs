//! What a round is: `setup.bin`, the first file of a work directory and the first that is published.
//!
//! ```text
//! "pogo/set" | version u16 | spec blob | chain id u64 | contract 20 | task 32 | round u64 | miner 20
//! | records u32 | samples u32 | srs u8 (0 development, 1 ceremony)
//! | start u8 (0 seed, 1 the final state of a round, 2 its weights only), for 1 and 2 its commitment hash 32
//! | source u8 (0 digits, 1 MNIST, 2 CSV) | path blob | label u8 (0 first, 1 last) | classes u32 | test u32
//! ```
//!
//! The source tells later commands where the data is on the miner's machine. Who audits elsewhere names
//! a copy (`pogo audit --data`), which the data root in the spec says to be the same.

use std::path::{Path, PathBuf};

use pogo_circuits::round::Shape;
use pogo_protocol::cell::input::DATA_DEPTH;
use pogo_protocol::codec::{CodecError, Reader, Writer};
use pogo_protocol::model::Spec;
use pogo_protocol::statement::Context;
use pogo_prover::data::{self, DataError, LabelField, Split};
use pogo_prover::error::{Error, hex};
use pogo_prover::round::Round;
use pogo_verifier::Setup as SrsKind;

/// First bytes of `setup.bin`.
pub(crate) const MAGIC: &[u8; 8] = b"pogo/set";

/// Most samples of each kind: a stranger's setup must not ask for endless work.
pub(crate) const SAMPLES_MAX: u32 = 4096;

/// A round before its first step.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// What the task fixes.
    pub(crate) spec: Spec,
    /// Where and by whom.
    pub(crate) context: Context,
    /// Records of the training data.
    pub(crate) records: u32,
    /// Samples of each kind that are asked for.
    pub(crate) samples: u32,
    /// The SRS that its proofs rest on.
    pub(crate) srs: SrsKind,
    /// What it starts from.
    pub(crate) start: Start,
    /// Where the data is.
    pub(crate) source: Source,
}

/// The state that a round starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// The weights of the seed: round 0 of a task.
    Seed,
    /// The whole final state of the round before it, by the hash of that round's commitment.
    Parent([u8; 32]),
    /// The weights of a round of another task, by the hash of that round's commitment: round 0 of a
    /// task that fine-tunes. Momenta, scales and exponents start anew.
    FineTune([u8; 32]),
}

/// Where a data set is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The embedded digits.
    Digits,
    /// MNIST's IDX files.
    Mnist {
        /// Their folder.
        directory: PathBuf,
    },
    /// Comma-separated integers.
    Csv {
        /// The file.
        file: PathBuf,
        /// Where the label stands.
        label: LabelField,
        /// Number of labels.
        classes: u16,
        /// Records held back.
        test: u32,
    },
}

impl Source {
    /// Reads the data.
    ///
    /// # Errors
    /// [`DataError`].
    pub(crate) fn load(&self) -> Result<Split, DataError> {
        match self {
            Self::Digits => Ok(data::digits()),
            Self::Mnist { directory } => data::mnist(directory),
            Self::Csv { file, label, classes, test } => data::csv(file, *label, *classes, *test as usize),
        }
    }

    /// The source in words.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Digits => "digits (embedded)".to_owned(),
            Self::Mnist { directory } => format!("MNIST in {}", directory.display()),
            Self::Csv { file, classes, test, .. } => {
                format!("{} ({classes} classes, last {test} records held back)", file.display())
            }
        }
    }

    fn write(&self, writer: Writer) -> Writer {
        let none = Path::new("");
        let (kind, path, label, classes, test) = match self {
            Self::Digits => (0, none, LabelField::First, 0, 0),
            Self::Mnist { directory } => (1, directory.as_path(), LabelField::First, 0, 0),
            Self::Csv { file, label, classes, test } => (2, file.as_path(), *label, *classes, *test),
        };
        let label = u8::from(label == LabelField::Last);
        let path = path.to_string_lossy();
        writer.bytes(&[kind]).blob(path.as_bytes()).bytes(&[label]).u32(classes.into()).u32(test)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let [kind] = reader.array("source")?;
        let path = std::str::from_utf8(reader.blob("source path")?);
        let path = PathBuf::from(path.map_err(|_| CodecError::Value { field: "source path" })?);
        let [label] = reader.array("label")?;
        let (classes, test) = (reader.u32("classes")?, reader.u32("test")?);
        let plain = path.as_os_str().is_empty();
        match (kind, label, classes, test) {
            (0, 0, 0, 0) if plain => Ok(Self::Digits),
            (1, 0, 0, 0) if !plain => Ok(Self::Mnist { directory: path }),
            (2, 0 | 1, _, _) if !plain => {
                let label = if label == 0 { LabelField::First } else { LabelField::Last };
                let classes = classes.try_into().map_err(|_| CodecError::Value { field: "classes" })?;
                Ok(Self::Csv { file: path, label, classes, test })
            }
            _ => Err(CodecError::Value { field: "source" }),
        }
    }
}

impl Start {
    /// The start in words.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Seed => "the seed".to_owned(),
            Self::Parent(commitment) => format!("the final state of {}", hex(&commitment)),
            Self::FineTune(commitment) => format!("the weights of {}", hex(&commitment)),
        }
    }

    fn write(self, writer: Writer) -> Writer {
        match self {
            Self::Seed => writer.bytes(&[0]),
            Self::Parent(commitment) => writer.bytes(&[1]).bytes(&commitment),
            Self::FineTune(commitment) => writer.bytes(&[2]).bytes(&commitment),
        }
    }

    /// Only later rounds have a parent, and all of them have.
    fn read(reader: &mut Reader<'_>, round: u64) -> Result<Self, CodecError> {
        let start = match (reader.array("start")?, round) {
            ([0], 0) => Self::Seed,
            ([1], 1..) => Self::Parent(reader.array("start")?),
            ([2], 0) => Self::FineTune(reader.array("start")?),
            _ => return Err(CodecError::Value { field: "start" }),
        };
        Ok(start)
    }
}

impl Setup {
    /// Canonical bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Context { chain_id, contract, task, round, miner } = &self.context;
        let writer = Writer::new(MAGIC).blob(&self.spec.encode());
        let writer = writer.u64(*chain_id).bytes(contract).bytes(task).u64(*round).bytes(miner);
        let writer = writer.u32(self.records).u32(self.samples).bytes(&[u8::from(self.srs == SrsKind::Ceremony)]);
        self.source.write(self.start.write(writer)).finish()
    }

    /// Reads what [`Setup::encode`] wrote, and nothing else.
    ///
    /// # Errors
    /// The field that is not as it should be.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let text = |error: CodecError| error.to_string();
        let mut reader = Reader::new(bytes, MAGIC, "setup").map_err(text)?;
        let spec = reader.blob("spec").map_err(text)?;
        let spec = Spec::decode(spec).map_err(|error| format!("spec: {error}"))?;
        Self::read_rest(spec, reader).map_err(text)
    }

    fn read_rest(spec: Spec, mut reader: Reader<'_>) -> Result<Self, CodecError> {
        let context = Context {
            chain_id: reader.u64("chain id")?,
            contract: reader.array("contract")?,
            task: reader.array("task")?,
            round: reader.u64("round")?,
            miner: reader.array("miner")?,
        };
        let records = reader.u32("records")?;
        if !(1..=1 << DATA_DEPTH).contains(&records) {
            return Err(CodecError::Value { field: "records" });
        }
        let samples = reader.u32("samples")?;
        if !(1..=SAMPLES_MAX).contains(&samples) {
            return Err(CodecError::Value { field: "samples" });
        }
        let srs = match reader.array("srs")? {
            [0] => SrsKind::Development,
            [1] => SrsKind::Ceremony,
            _ => return Err(CodecError::Value { field: "srs" }),
        };
        let start = Start::read(&mut reader, context.round)?;
        let source = Source::read(&mut reader)?;
        reader.finish()?;
        Ok(Self { spec, context, records, samples, srs, start, source })
    }

    /// Its round.
    ///
    /// # Errors
    /// As [`Round::new`].
    pub(crate) fn round(&self) -> Result<Round, Error> {
        let round = Round::new(self.spec.clone(), self.context, Shape::MINIMAL)?;
        Ok(Round { seeded: self.is_seeded(), ..round })
    }

    /// Whether it starts from the weights of its seed.
    pub(crate) fn is_seeded(&self) -> bool {
        self.start == Start::Seed
    }

    /// The first field in which `asked` is another round: its name, what is here, what was asked for.
    pub(crate) fn difference(&self, asked: &Self) -> Option<String> {
        let fields = self.fields().into_iter().zip(asked.fields());
        let mut differing = fields.filter(|((_, here), (_, asked))| here != asked);
        differing.next().map(|((name, here), (_, asked))| format!("{name}: expected {here}, got {asked}"))
    }

    /// Every field in words.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        let (spec, context) = (&self.spec, &self.context);
        vec![
            ("name", spec.name.clone()),
            ("data.source", self.source.describe()),
            ("model.layers", format!("{:?}", spec.layers)),
            ("train.batch", spec.batch.to_string()),
            ("train.steps", spec.steps.to_string()),
            ("train.learning_rate", spec.learning_rate.to_string()),
            ("train.schedule", format!("{:?}", spec.schedule).to_lowercase()),
            ("train.warmup", spec.warmup.to_string()),
            ("train.seed", spec.seed.to_string()),
            ("round.checkpoint_every", spec.checkpoint_every.to_string()),
            ("round.number", context.round.to_string()),
            ("round.start", self.start.describe()),
            ("round.miner", hex(&context.miner)),
            ("data root", hex(&spec.data_root)),
            ("training records", self.records.to_string()),
            ("chain id", context.chain_id.to_string()),
            ("contract", hex(&context.contract)),
            ("task", hex(&context.task)),
            ("samples", self.samples.to_string()),
            ("srs", srs_name(self.srs).to_owned()),
        ]
    }
}

/// The kind of an SRS in words.
pub(crate) fn srs_name(srs: SrsKind) -> &'static str {
    match srs {
        SrsKind::Development => "development (secret is public: proofs can be forged)",
        SrsKind::Ceremony => "ceremony",
    }
}
