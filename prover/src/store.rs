//! The work directory of one round: every artifact, written so that a crash loses nothing.
//!
//! ```text
//! lock                      held while a command runs
//! setup.bin                 spec and context; what the round is
//! records.log updates.log   one entry a step, appended, checked entry by entry
//! checkpoints/T.state       whole state before step T, every SNAPSHOT steps; before step 0 where the
//!                           round does not start from the seed
//! traces.log                root over the tensors of each step, in rounds that commit to all of them
//! commitment.bin beacon.bin openings/ traces/ statements/ proofs/ attestations/ disputes/ verdict.bin
//! ```
//!
//! Files appear whole: temporary name, fsync, rename, fsync of the folder. A log entry carries its
//! checksum; an incomplete tail is cut off when the log is opened.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use pogo_protocol::stream::keccak;

/// Why an artifact cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system's answer.
    #[error("{path}: {source}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// Another process works in the directory.
    #[error("{path}: another pogo process is working in this directory")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The file's content is not what it should be.
    #[error("{path}: {what}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// A work directory, locked for this process.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    _lock: File,
}

impl Store {
    /// Opens `root`, making it when there is none, and locks it.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process holds it.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        const FOLDERS: [&str; 9] = [
            "",
            "checkpoints",
            "openings",
            "traces",
            "statements",
            "proofs",
            "attestations",
            "evaluations",
            "disputes",
        ];
        for folder in FOLDERS {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(at(&path))?;
        }
        let path = root.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => StoreError::Locked { path: path.clone() },
            fs::TryLockError::Error(source) => StoreError::Io { path: path.clone(), source },
        })?;
        Ok(Self { root: root.to_path_buf(), _lock: lock })
    }

    /// Path of an artifact.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Whether an artifact exists.
    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Reads an artifact.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn read(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let path = self.path(name);
        fs::read(&path).map_err(at(&path))
    }

    /// Reads an artifact when it exists.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn find(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if self.has(name) { self.read(name).map(Some) } else { Ok(None) }
    }

    /// Reads an artifact and parses it; the error of `parse` is told with the file's name.
    ///
    /// # Errors
    /// [`StoreError::Io`] or [`StoreError::Content`].
    pub fn parse<T, E: std::fmt::Display>(
        &self,
        name: &str,
        parse: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        parse(&self.read(name)?).map_err(|error| self.content(name, error))
    }

    /// Writes an artifact: whole or not at all.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        write_atomic(&self.path(name), bytes)
    }

    /// Names of the files in a folder, in order, without temporary ones.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let path = self.path(folder);
        let mut names = Vec::new();
        for entry in fs::read_dir(&path).map_err(at(&path))? {
            let name = entry.map_err(at(&path))?.file_name().to_string_lossy().into_owned();
            if !name.ends_with(TEMPORARY) {
                names.push(format!("{folder}/{name}"));
            }
        }
        names.sort();
        Ok(names)
    }

    /// An error about the content of an artifact.
    pub fn content(&self, name: &str, what: impl std::fmt::Display) -> StoreError {
        StoreError::Content { path: self.path(name), what: what.to_string() }
    }
}

const TEMPORARY: &str = ".tmp";

/// Writes a file whole or not at all: temporary name, fsync, rename, fsync of the folder.
///
/// # Errors
/// [`StoreError::Io`].
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temporary =
        path.with_extension(format!("{}{TEMPORARY}", path.extension().unwrap_or_default().to_string_lossy()));
    let write = || -> io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
            _ => File::open(".")?.sync_all(),
        }
    };
    write().map_err(at(path))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_path_buf();
    move |source| StoreError::Io { path, source }
}

/// Entries of a log that is at hand as a whole.
///
/// # Errors
/// The number of the first entry that is incomplete or damaged.
pub fn entries(log: &[u8]) -> Result<Vec<&[u8]>, usize> {
    let (mut entries, mut rest) = (Vec::new(), log);
    while !rest.is_empty() {
        let (entry, tail) = split_entry(rest).ok_or(entries.len())?;
        entries.push(entry);
        rest = tail;
    }
    Ok(entries)
}

fn split_entry(log: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, tail) = log.split_first_chunk::<HEAD>()?;
    let (entry, tail) = tail.split_at_checked(u32::from_be_bytes(*head) as usize)?;
    let (check, tail) = tail.split_at_checked(CHECK)?;
    (keccak(&[entry])[..CHECK] == *check).then_some((entry, tail))
}

/// A file of entries, one appended after another: `length u32 | entry | keccak256(entry)[..8]`.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
    /// Offset of each entry, then the end.
    offsets: Vec<u64>,
}

/// Longest entry of a log: 1 GiB of codes is a model of 2 G weights.
const ENTRY_MAX: u32 = 1 << 30;
const HEAD: usize = 4;
const CHECK: usize = 8;

impl Log {
    /// Opens a log and cuts it to its first `count` entries; all that are whole for `None`.
    ///
    /// # Errors
    /// [`StoreError::Content`] when it has fewer than `count` whole entries.
    pub fn open(path: &Path, count: Option<usize>) -> Result<Self, StoreError> {
        let file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path).map_err(at(path))?;
        let mut log = Self { path: path.to_path_buf(), file, offsets: vec![0] };
        let length = log.file.metadata().map_err(at(path))?.len();
        while count.is_none_or(|count| log.len() < count) {
            match log.frame(log.end(), length)? {
                Some(end) => log.offsets.push(end),
                None => break,
            }
        }
        if let Some(count) = count
            && log.len() < count
        {
            let what = format!("expected {count} entries, only {} are whole", log.len());
            return Err(StoreError::Content { path: log.path, what });
        }
        Ok(log)
    }

    /// Opens a log up to its first entry that is damaged or that `reads` refuses: an interrupted machine may
    /// leave anything at its end.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn open_while(path: &Path, reads: impl Fn(&[u8]) -> bool) -> Result<Self, StoreError> {
        let mut log = Self::open(path, None)?;
        let kept = (0..log.len()).take_while(|&index| log.read(index).is_ok_and(|entry| reads(&entry))).count();
        log.offsets.truncate(kept + 1);
        Ok(log)
    }

    /// Removes what follows the entries that [`Log::open`] or [`Log::open_while`] kept.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn cut(&mut self) -> Result<(), StoreError> {
        self.file.set_len(self.end()).map_err(at(&self.path))
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends an entry.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn append(&mut self, entry: &[u8]) -> Result<(), StoreError> {
        let mut bytes = (entry.len() as u32).to_be_bytes().to_vec();
        bytes.extend_from_slice(entry);
        bytes.extend_from_slice(&keccak(&[entry])[..CHECK]);
        let end = self.end();
        self.file.seek(SeekFrom::Start(end)).and_then(|_| self.file.write_all(&bytes)).map_err(at(&self.path))?;
        self.offsets.push(end + bytes.len() as u64);
        Ok(())
    }

    /// Makes what was appended durable.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_all().map_err(at(&self.path))
    }

    /// Reads entry `index`.
    ///
    /// # Errors
    /// [`StoreError::Content`] when there is none or its checksum is wrong.
    pub fn read(&mut self, index: usize) -> Result<Vec<u8>, StoreError> {
        let (entry, sound) = self.read_any(index)?;
        let damaged = || StoreError::Content { path: self.path.clone(), what: format!("entry {index} is damaged") };
        sound.then_some(entry).ok_or_else(damaged)
    }

    /// Reads entry `index` and tells whether its checksum is right: for a reader who compares the
    /// content with something stronger.
    ///
    /// # Errors
    /// [`StoreError::Content`] when there is none.
    pub fn read_any(&mut self, index: usize) -> Result<(Vec<u8>, bool), StoreError> {
        if index >= self.len() {
            return Err(StoreError::Content { path: self.path.clone(), what: format!("entry {index} is missing") });
        }
        let (start, end) = (self.offsets[index], self.offsets[index + 1]);
        let mut entry = vec![0; (end - start) as usize - HEAD];
        self.file
            .seek(SeekFrom::Start(start + HEAD as u64))
            .and_then(|_| self.file.read_exact(&mut entry))
            .map_err(at(&self.path))?;
        let check = entry.split_off(entry.len() - CHECK);
        let sound = keccak(&[&entry])[..CHECK] == check;
        Ok((entry, sound))
    }

    /// End of the whole entry at `offset`, if the file, of `length` bytes, holds one.
    fn frame(&mut self, offset: u64, length: u64) -> Result<Option<u64>, StoreError> {
        let left = length.saturating_sub(offset);
        let mut head = [0; HEAD];
        if left < HEAD as u64 {
            return Ok(None);
        }
        self.file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| self.file.read_exact(&mut head))
            .map_err(at(&self.path))?;
        let (size, extra) = (u32::from_be_bytes(head), (HEAD + CHECK) as u64);
        let whole = size <= ENTRY_MAX && left >= u64::from(size) + extra;
        Ok(whole.then_some(offset + u64::from(size) + extra))
    }

    fn end(&self) -> u64 {
        self.offsets.last().copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_goes_on_after_its_last_entry_that_reads() {
        let path = std::env::temp_dir().join(format!("pogo-log-{}", std::process::id()));
        let is_entry = |entry: &[u8]| entry.starts_with(b"entry");
        // A torn entry, one of zeros as a lost page leaves it, one that is of something else.
        for tail in
            [&b"\0\0\0\x09entry"[..], &[0; 64], &[&[0, 0, 0, 5][..], b"other", &keccak(&[b"other"])[..8]].concat()]
        {
            fs::write(&path, []).unwrap();
            let mut log = Log::open(&path, None).unwrap();
            log.append(b"entry 0").unwrap();
            fs::write(&path, [&fs::read(&path).unwrap(), tail].concat()).unwrap();
            let mut log = Log::open_while(&path, is_entry).unwrap();
            assert_eq!(log.len(), 1, "{tail:?}");
            log.cut().unwrap();
            log.append(b"entry 1").unwrap();
            let mut log = Log::open(&path, Some(2)).unwrap();
            assert_eq!([log.read(0).unwrap(), log.read(1).unwrap()], [b"entry 0", b"entry 1"]);
        }
        fs::remove_file(&path).unwrap();
    }
}
