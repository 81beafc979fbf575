//! The challenge: cells drawn from a beacon that nobody knew when the commitment was made.
//!
//! `seed = keccak256("pogo/challenge/v1" || beacon || commitment hash)`. Draws are unbiased (the
//! top of the 256-bit range is rejected) and without replacement. The miner cannot steer them: the
//! beacon is fixed by a rule at commit time and never drawn again.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::cell::{Cell, CellSpace, Kind};
use crate::codec::scalar_bytes;
use crate::stream::{Stream, keccak};

/// Cells of one step that the update cell covers: `step * leaf_count + leaf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpdateSample {
    /// Step, from 0.
    pub step: u32,
    /// Leaf number.
    pub leaf: usize,
}

/// What was drawn for one round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// (step, leaf) pairs for the update cell, in the order drawn.
    pub updates: Vec<UpdateSample>,
    /// Leaves of the final state for the quantize cell, in the order drawn.
    pub quantizes: Vec<usize>,
}

/// Draws `samples` cells of each kind, or all of them where there are fewer.
///
/// `steps` and `leaf_count` are those inside the committed roots.
pub fn draw(beacon: [u8; 32], commitment: [u8; 32], steps: u32, leaf_count: usize, samples: usize) -> Challenge {
    let seed = keccak(&[b"pogo/challenge/v1", &beacon, &commitment]);
    let leaves = leaf_count as u64;
    let updates = draw_distinct(b"pogo/challenge/update/v1", seed, u64::from(steps) * leaves, samples);
    let quantizes = draw_distinct(b"pogo/challenge/quantize/v1", seed, leaves, samples);
    Challenge {
        updates: updates
            .into_iter()
            .map(|cell| UpdateSample { step: (cell / leaves) as u32, leaf: (cell % leaves) as usize })
            .collect(),
        quantizes: quantizes.into_iter().map(|leaf| leaf as usize).collect(),
    }
}

/// Draws `samples` cells of one kind, or all of them where there are fewer, in the order drawn; of
/// disclosed segments one cell of each [stratum](CellSpace::strata). The root of what was disclosed is in
/// their seed.
pub fn draw_cells(
    beacon: [u8; 32],
    commitment: [u8; 32],
    space: &CellSpace<'_>,
    kind: Kind,
    samples: usize,
) -> Vec<Cell> {
    let disclosed = space.disclosed_root().map(|root| scalar_bytes(&root));
    let disclosed = disclosed.as_ref().map_or(&[][..], <[u8; 32]>::as_slice);
    let seed = keccak(&[b"pogo/challenge/v1", &beacon, &commitment, disclosed]);
    let domain = [b"pogo/challenge/", kind.name().as_bytes(), b"/v1"].concat();
    let drawn = match space.strata(kind) {
        Some((_, 0)) => Vec::new(),
        Some((strata, cells)) => {
            let mut stream = Stream::new(&domain, seed);
            (0..strata).map(|stratum| stratum * cells + stream.below(cells)).collect()
        }
        None => draw_distinct(&domain, seed, space.total(kind), samples),
    };
    drawn.into_iter().map(|number| space.cell(kind, number)).collect()
}

/// `count` distinct numbers below `universe` in the order drawn; all of `0..universe`, in order,
/// when there are no more than `count`.
pub fn draw_distinct(domain: &[u8], seed: [u8; 32], universe: u64, count: usize) -> Vec<u64> {
    if universe <= count as u64 {
        return (0..universe).collect();
    }
    let (mut stream, mut seen, mut drawn) = (Stream::new(domain, seed), BTreeSet::new(), Vec::new());
    while drawn.len() < count {
        let index = stream.below(universe);
        if seen.insert(index) {
            drawn.push(index);
        }
    }
    drawn
}

/// Bits of soundness of `samples` draws against a bad fraction of one in `1 / fraction`:
/// `-samples * log2(1 - f)`, in thousandths of a bit, `f` in thousandths.
///
/// Integer arithmetic (the logarithm by repeated squaring), so that every reader prints the same.
pub fn soundness_millibits(samples: usize, bad_per_mille: u32) -> u64 {
    // -log2(y) for y in (0, 1), y as a 32-bit fraction; one bit of the result per squaring.
    let mut y = (u64::from(1000 - bad_per_mille.min(999)) << 32) / 1000;
    let (mut bits, mut fraction) = (0u64, 0u64);
    while y < 1 << 31 {
        y <<= 1;
        bits += 1;
    }
    for i in 1..=24 {
        y = ((u128::from(y) * u128::from(y)) >> 32) as u64;
        if y < 1 << 31 {
            y <<= 1;
            fraction |= 1 << (24 - i);
        }
    }
    (samples as u64 * ((bits << 24 | fraction) * 1000)) >> 24
}
