//! Why a command ends without its result, and the exit code that says whose fault it is.

use std::path::Path;
use std::process::ExitCode;

use pogo_circuits::srs;
use pogo_prover::data::DataError;
use pogo_prover::error::Error;
use pogo_prover::store::StoreError;

/// A command that has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A claim, a file's content or a comparison is false: exit code 1.
    #[error("{0}")]
    Check(String),
    /// What was asked for makes no sense, or not yet: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// A file, lock or resource is missing: exit code 3.
    #[error("{0}")]
    Environment(String),
}

/// Differences that a message lists; the rest is counted.
const SHOWN: usize = 20;

impl Failure {
    /// What replay and audit end with: the differences they found, none for none.
    pub(crate) fn not_exact(differences: &[String]) -> Option<Self> {
        if differences.is_empty() {
            return None;
        }
        let mut text = format!("not exact: {}", differences[..differences.len().min(SHOWN)].join("\n"));
        if differences.len() > SHOWN {
            text += &format!("\nand {} more", differences.len() - SHOWN);
        }
        Some(Self::Check(text))
    }

    /// A check that failed in a file.
    pub(crate) fn in_file(file: &Path, what: impl std::fmt::Display) -> Self {
        Self::Check(format!("{}: {what}", file.display()))
    }

    /// The same failure; a check that failed is told with the file or folder that it was about.
    pub(crate) fn about(self, file: &Path) -> Self {
        match self {
            Self::Check(what) => Self::in_file(file, what),
            other => other,
        }
    }

    /// A file that cannot be read or written.
    pub(crate) fn io(file: &Path, error: &std::io::Error) -> Self {
        Self::Environment(format!("{}: {error}", file.display()))
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Check(_) => 1,
            Self::Usage(_) => 2,
            Self::Environment(_) => 3,
        }
    }

    /// The exit code as the process returns it.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Content { .. } => Self::Check(error.to_string()),
            StoreError::Io { .. } | StoreError::Locked { .. } => Self::Environment(error.to_string()),
        }
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        match error {
            DataError::File { .. } => Self::Environment(error.to_string()),
            _ => Self::Usage(error.to_string()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Store(error) => error.into(),
            Error::Data(error) => error.into(),
            Error::TooFewRecords(_)
            | Error::ModelTooLarge(_)
            | Error::TooManySteps { .. }
            | Error::Unprovable(_)
            | Error::NoStatement(_)
            | Error::Evaluation(_)
            | Error::Unfinished { .. } => Self::Usage(text),
            Error::Proving(_) | Error::Gpu(_) => Self::Environment(text),
            _ => Self::Check(text),
        }
    }
}

impl From<srs::Error> for Failure {
    fn from(error: srs::Error) -> Self {
        match error.cause {
            srs::Cause::Io { .. } => Self::Environment(error.to_string()),
            _ => Self::Check(error.to_string()),
        }
    }
}
