//! Public randomness: a keccak counter stream, and draws from it without bias.
//!
//! `block_i = keccak256(domain || key || i as u64, big-endian)`, i from 0.

use alloc::vec::Vec;
use sha3::{Digest, Keccak256};

/// A stream of 32-byte blocks, a pure function of its domain and key.
#[derive(Clone, Debug)]
pub struct Stream {
    prefix: Vec<u8>,
    counter: u64,
}

impl Stream {
    /// The stream of `key` in `domain`, at its first block.
    pub fn new(domain: &[u8], key: [u8; 32]) -> Self {
        Self { prefix: [domain, &key].concat(), counter: 0 }
    }

    /// Block `index` of the stream; does not move it.
    pub fn block(&self, index: u64) -> [u8; 32] {
        let hash = Keccak256::new().chain_update(&self.prefix).chain_update(index.to_be_bytes());
        hash.finalize().into()
    }

    /// The next block.
    pub fn next_block(&mut self) -> [u8; 32] {
        let block = self.block(self.counter);
        self.counter += 1;
        block
    }

    /// A uniform draw from `0..n`; `n = 0` is taken as 1.
    ///
    /// The next block is a 256-bit big-endian number `x`. It is passed over when
    /// `x >= 2^256 - (2^256 mod n)`; the draw is `x mod n`.
    pub fn below(&mut self, n: u64) -> u64 {
        let n = n.max(1);
        loop {
            let x = limbs(self.next_block());
            if !is_rejected(x, n) {
                return modulo(x, n);
            }
        }
    }
}

/// keccak256 of the concatenated parts.
pub fn keccak(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Keccak256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// The number's 64-bit limbs, most significant first.
fn limbs(block: [u8; 32]) -> [u64; 4] {
    core::array::from_fn(|i| (0..8).fold(0, |limb, j| limb << 8 | u64::from(block[8 * i + j])))
}

/// `x mod n`.
fn modulo(x: [u64; 4], n: u64) -> u64 {
    let n = u128::from(n);
    x.iter().fold(0u128, |r, &limb| (r << 64 | u128::from(limb)) % n) as u64
}

/// Whether `x >= 2^256 - (2^256 mod n)`, that is `2^256 - 1 - x < 2^256 mod n`.
fn is_rejected(x: [u64; 4], n: u64) -> bool {
    // 2^256 mod n = ((2^256 - 1) mod n + 1) mod n, and it is below 2^64.
    let excess = (modulo([u64::MAX; 4], n) + 1) % n;
    x[..3].iter().all(|&limb| limb == u64::MAX) && !x[3] < excess
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_is_keccak_of_domain_key_and_counter() {
        let mut stream = Stream::new(b"domain", [7; 32]);
        let expected = keccak(&[b"domain", &[7; 32], &[0, 0, 0, 0, 0, 0, 0, 1]]);
        stream.next_block();
        assert_eq!(stream.next_block(), expected);
        assert_eq!(stream.block(1), expected);
    }

    #[test]
    fn keccak_of_nothing_is_the_ethereum_constant() {
        let empty = keccak(&[]);
        assert_eq!(empty[..4], [0xc5, 0xd2, 0x46, 0x01]);
    }

    #[test]
    fn draw_is_the_whole_block_modulo_n() {
        // 2^192 + 5 mod 7: 2^192 = (2^3)^64 = 1 mod 7.
        assert_eq!(modulo([1, 0, 0, 5], 7), 6);
        assert_eq!(modulo([u64::MAX; 4], u64::MAX), 0);
    }

    #[test]
    fn only_the_incomplete_last_interval_is_rejected() {
        // 2^256 mod 3 = 1: only 2^256 - 1 is passed over.
        assert!(is_rejected([u64::MAX; 4], 3));
        assert!(!is_rejected([u64::MAX, u64::MAX, u64::MAX, u64::MAX - 1], 3));
        // 2^256 mod (2^64 - 1) = 1 as well, and a power of two rejects nothing.
        assert!(is_rejected([u64::MAX; 4], u64::MAX));
        assert!(!is_rejected([u64::MAX; 4], 1 << 40));
        assert!(!is_rejected([u64::MAX; 4], 1));
    }

    #[test]
    fn draws_stay_below_n_and_reach_every_value() {
        let mut stream = Stream::new(b"test", [0; 32]);
        let mut seen = [false; 10];
        (0..300).for_each(|_| seen[stream.below(10) as usize] = true);
        assert_eq!(seen, [true; 10]);
        assert_eq!(stream.below(1), 0);
        assert_eq!(stream.below(0), 0);
    }
}
