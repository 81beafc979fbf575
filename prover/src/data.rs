//! Data sets: the embedded digits, MNIST's IDX files, CSV.
//!
//! A feature is a byte `q` in -127..=127 of real value `q / 128`; a label is a class number.

use std::path::{Path, PathBuf};

use pogo_protocol::data::DataSet;

/// Records of the embedded digits that are for tests.
pub const DIGITS_TEST: usize = 360;

const DIGITS: &str = include_str!("../data/digits.txt");

/// Records to train on, and records that training never sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// What batches are drawn from.
    pub train: DataSet,
    /// What the model is measured on.
    pub test: DataSet,
}

/// Where the label stands in a line of CSV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelField {
    /// Before the features.
    First,
    /// After the features.
    Last,
}

/// A data set that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file itself.
    #[error("{}: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A field of a line.
    #[error("{}, line {line}, field {field}: expected {expected}, got {got}", file.display())]
    Field {
        /// The file.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Field of the line, from 1.
        field: usize,
        /// What should stand there.
        expected: String,
        /// What stands there.
        got: String,
    },
    /// The number of fields of a line.
    #[error("{}, line {line}: expected {expected} fields, got {got}", file.display())]
    Fields {
        /// The file.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Fields of a line.
        expected: String,
        /// Fields of this line.
        got: usize,
    },
    /// A number in the header, or the length, of a binary file.
    #[error("{}: expected {what} {expected}, got {got}", file.display())]
    Format {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        what: &'static str,
        /// What it should be.
        expected: u64,
        /// What it is.
        got: u64,
    },
    /// A label beyond the classes.
    #[error("{}, record {record}: expected a label of 0 to 9, got {got}", file.display())]
    Label {
        /// The file.
        file: PathBuf,
        /// Record, from 0.
        record: usize,
        /// Its label.
        got: u8,
    },
    /// Too few records to hold some back.
    #[error("{}: expected more than {test} records (those held back for tests), got {got}", file.display())]
    TooFew {
        /// The file.
        file: PathBuf,
        /// Records held back.
        test: usize,
        /// Records of the file.
        got: usize,
    },
}

/// The embedded 8x8 digits, 1437 to train on and 360 for tests: `feature = min(8 * v, 127)` of the
/// gray value `v` in 0..=16.
pub fn digits() -> Split {
    let mut set = DataSet { width: 64, classes: 10, features: Vec::new(), labels: Vec::new() };
    for line in DIGITS.lines() {
        let (image, label) = line.as_bytes().split_at(set.width);
        set.features.extend(image.iter().map(|gray| ((gray - b'a') * 8).min(127) as i8));
        set.labels.push(u16::from(label[0] - b'0'));
    }
    let (train, test) = set.split(DIGITS_TEST);
    Split { train, test }
}

/// MNIST from its four unpacked IDX files in `directory`: `feature = v / 2`, rounded down.
///
/// # Errors
/// A file that is missing or is not exactly what its header says.
pub fn mnist(directory: &Path) -> Result<Split, DataError> {
    let pair = |name: &str| {
        let images = directory.join(format!("{name}-images-idx3-ubyte"));
        let labels = directory.join(format!("{name}-labels-idx1-ubyte"));
        parse_idx(&images, &read(&images)?, &labels, &read(&labels)?)
    };
    let (train, test) = (pair("train")?, pair("t10k")?);
    if train.width != test.width {
        let file = directory.join("t10k-images-idx3-ubyte");
        let (expected, got) = (train.width as u64, test.width as u64);
        return Err(DataError::Format { file, what: "pixels", expected, got });
    }
    Ok(Split { train, test })
}

/// Comma-separated integers, one record a line, no header: features in -127..=127 and a label in
/// `0..classes`. The last `test` records are held back.
///
/// # Errors
/// A file that cannot be read, or its first field that is not as said.
pub fn csv(file: &Path, label: LabelField, classes: u16, test: usize) -> Result<Split, DataError> {
    let bytes = read(file)?;
    let text = String::from_utf8(bytes).map_err(|error| DataError::File {
        file: file.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, error.utf8_error()),
    })?;
    let set = parse_csv(file, &text, label, classes)?;
    if set.len() <= test {
        return Err(DataError::TooFew { file: file.to_owned(), test, got: set.len() });
    }
    let (train, test) = set.split(test);
    Ok(Split { train, test })
}

fn read(file: &Path) -> Result<Vec<u8>, DataError> {
    std::fs::read(file).map_err(|source| DataError::File { file: file.to_owned(), source })
}

fn parse_csv(file: &Path, text: &str, label: LabelField, classes: u16) -> Result<DataSet, DataError> {
    let mut set = DataSet { classes: usize::from(classes), ..DataSet::default() };
    for (index, line) in text.lines().enumerate() {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        if index == 0 {
            set.width = fields.len() - 1;
        }
        if fields.len() != set.width + 1 || fields.len() < 2 {
            let expected = if index == 0 { "at least 2".into() } else { (set.width + 1).to_string() };
            let (line, got) = (index + 1, fields.len());
            return Err(DataError::Fields { file: file.to_owned(), line, expected, got });
        }
        let label_at = if label == LabelField::First { 0 } else { set.width };
        for (field, text) in fields.iter().enumerate() {
            let max = if field == label_at { i32::from(classes) - 1 } else { 127 };
            let min = if field == label_at { 0 } else { -127 };
            let value = text.parse().ok().filter(|v| (min..=max).contains(v));
            let value = value.ok_or_else(|| DataError::Field {
                file: file.to_owned(),
                line: index + 1,
                field: field + 1,
                expected: format!("an integer in {min}..={max}"),
                got: format!("{text:?}"),
            })?;
            match field == label_at {
                true => set.labels.push(value as u16),
                false => set.features.push(value as i8),
            }
        }
    }
    Ok(set)
}

/// One pair of IDX files: magic, dimensions (u32, big-endian), then bytes.
fn parse_idx(images_file: &Path, images: &[u8], labels_file: &Path, labels: &[u8]) -> Result<DataSet, DataError> {
    let ([count, height, width], pixels) = idx_header(images_file, images, 0x0803)?;
    let ([label_count], labels) = idx_header(labels_file, labels, 0x0801)?;
    expect(labels_file, "records", count, label_count)?;
    if let Some(record) = labels.iter().position(|&label| label > 9) {
        let file = labels_file.to_owned();
        return Err(DataError::Label { file, record, got: labels[record] });
    }
    Ok(DataSet {
        width: (height * width) as usize,
        classes: 10,
        features: pixels.iter().map(|gray| (gray / 2) as i8).collect(),
        labels: labels.iter().map(|&label| u16::from(label)).collect(),
    })
}

/// The `N` dimensions of an IDX file of bytes, and its content, which is exactly their product.
fn idx_header<'a, const N: usize>(file: &Path, bytes: &'a [u8], magic: u64) -> Result<([u64; N], &'a [u8]), DataError> {
    let start = 4 + 4 * N;
    if bytes.len() < start {
        let (expected, got) = (start as u64, bytes.len() as u64);
        return Err(DataError::Format { file: file.to_owned(), what: "header bytes", expected, got });
    }
    let number = |at: usize| bytes[at..at + 4].iter().fold(0, |n, &b| n << 8 | u64::from(b));
    expect(file, "magic number", magic, number(0))?;
    let dimensions: [u64; N] = std::array::from_fn(|i| number(4 + 4 * i));
    let product = dimensions.iter().fold(1u64, |product, &d| product.saturating_mul(d));
    expect(file, "content bytes", product, (bytes.len() - start) as u64)?;
    Ok((dimensions, &bytes[start..]))
}

fn expect(file: &Path, what: &'static str, expected: u64, got: u64) -> Result<(), DataError> {
    if expected == got {
        return Ok(());
    }
    Err(DataError::Format { file: file.to_owned(), what, expected, got })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_1797_records_of_64_bytes_with_all_classes() {
        let Split { train, test } = digits();
        assert_eq!((train.len(), test.len()), (1437, 360));
        assert_eq!(train.features.len(), 1437 * 64);
        assert!(train.features.iter().chain(&test.features).all(|&f| f >= 0));
        for set in [&train, &test] {
            assert!((0..10).all(|class| set.labels.contains(&class)));
            assert!(set.labels.iter().all(|&label| label < 10));
        }
        assert_eq!(train.labels[..2], [9, 2]);
        assert_eq!(train.record(0)[..4], [0, 8, 88, 127]);
    }

    fn csv_error(text: &str) -> String {
        parse_csv(Path::new("a.csv"), text, LabelField::Last, 3).unwrap_err().to_string()
    }

    #[test]
    fn csv_takes_the_label_from_either_end() {
        let last = parse_csv(Path::new("a"), "1,-127,2\n3, 4 ,0\n", LabelField::Last, 3).unwrap();
        assert_eq!((last.width, last.classes), (2, 3));
        assert_eq!((last.features, last.labels), (vec![1, -127, 3, 4], vec![2, 0]));
        let first = parse_csv(Path::new("a"), "2,1,-127\r\n0,3,4", LabelField::First, 3).unwrap();
        assert_eq!((first.features, first.labels), (vec![1, -127, 3, 4], vec![2, 0]));
    }

    #[test]
    fn csv_error_names_file_line_field_expected_and_got() {
        assert_eq!(
            csv_error("1,2,0\n1,128,0"),
            "a.csv, line 2, field 2: expected an integer in -127..=127, got \"128\""
        );
        assert_eq!(csv_error("1,2,3"), "a.csv, line 1, field 3: expected an integer in 0..=2, got \"3\"");
        assert_eq!(csv_error("1,0.5,0"), "a.csv, line 1, field 2: expected an integer in -127..=127, got \"0.5\"");
        assert_eq!(csv_error("1,2,0\n1,0"), "a.csv, line 2: expected 3 fields, got 2");
        assert_eq!(csv_error("1"), "a.csv, line 1: expected at least 2 fields, got 1");
        assert_eq!(csv_error("1,2,0\n\n1,2,0"), "a.csv, line 2: expected 3 fields, got 1");
    }

    fn idx(magic: u32, dimensions: &[u32], content: &[u8]) -> Vec<u8> {
        let numbers = std::iter::once(&magic).chain(dimensions);
        numbers.flat_map(|n| n.to_be_bytes()).chain(content.iter().copied()).collect()
    }

    fn idx_result(images: &[u8], labels: &[u8]) -> Result<DataSet, String> {
        let result = parse_idx(Path::new("images"), images, Path::new("labels"), labels);
        result.map_err(|error| error.to_string())
    }

    #[test]
    fn idx_pixels_are_halved() {
        let images = idx(0x803, &[2, 1, 2], &[0, 255, 1, 2]);
        let set = idx_result(&images, &idx(0x801, &[2], &[9, 0])).unwrap();
        assert_eq!((set.width, set.features, set.labels), (2, vec![0, 127, 0, 1], vec![9, 0]));
    }

    #[test]
    fn idx_that_is_not_what_its_header_says_is_rejected() {
        let images = idx(0x803, &[2, 1, 2], &[0, 255, 1, 2]);
        let labels = idx(0x801, &[2], &[9, 0]);
        let case = |images: &[u8], labels: &[u8], expected: &str| {
            assert_eq!(idx_result(images, labels).unwrap_err(), expected);
        };
        case(&images[..15], &labels, "images: expected header bytes 16, got 15");
        case(&labels, &labels, "images: expected header bytes 16, got 10");
        case(&images[..19], &labels, "images: expected content bytes 4, got 3");
        case(&[&images[..], &[0]].concat(), &labels, "images: expected content bytes 4, got 5");
        case(&images, &images, "labels: expected magic number 2049, got 2051");
        case(&images, &idx(0x801, &[1], &[9]), "labels: expected records 2, got 1");
        let label = idx(0x801, &[2], &[9, 10]);
        case(&images, &label, "labels, record 1: expected a label of 0 to 9, got 10");
    }

    #[test]
    fn missing_file_is_named() {
        let error = csv(Path::new("/nowhere/a.csv"), LabelField::Last, 2, 0).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/a.csv: "), "{error}");
    }
}
