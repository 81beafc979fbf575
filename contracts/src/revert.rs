//! Why a contract refused: its custom errors, by name.

use std::fmt;

use pogo_protocol::stream::keccak;

use crate::artifact::ROUND_VERIFIER;

/// The custom error that a contract reverted with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revert {
    /// Name of the error; empty when the contract gave none that is known.
    pub name: String,
    /// Its arguments, a word each.
    pub words: Vec<[u8; 32]>,
}

impl Revert {
    /// Reads what a reverted call returned.
    pub fn new(output: &[u8]) -> Self {
        let (selector, arguments) = output.split_at_checked(4).unwrap_or_default();
        let signatures = ROUND_VERIFIER.signatures("error");
        let signature = signatures.iter().find(|signature| keccak(&[signature.as_bytes()])[..4] == *selector);
        let name = signature.and_then(|signature| signature.split('(').next()).unwrap_or_default();
        let (words, _) = arguments.as_chunks::<32>();
        Self { name: name.into(), words: words.to_vec() }
    }
}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            return write!(f, "no reason given");
        }
        let words: Vec<String> = self.words.iter().map(word).collect();
        write!(f, "{}({})", self.name, words.join(", "))
    }
}

/// A small number in decimal, all else in hexadecimal.
fn word(word: &[u8; 32]) -> String {
    let (high, low) = word.split_at(24);
    if high.iter().all(|&byte| byte == 0) {
        return low.iter().fold(0u64, |value, &byte| value << 8 | u64::from(byte)).to_string();
    }
    format!("0x{}", word.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}
