//! How often a random draw catches something, and how often it should.

use std::collections::BTreeSet;

use pogo_protocol::cell::{Cell, Kind};
use pogo_protocol::challenge::{self, UpdateSample};
use pogo_protocol::stream::keccak;

use super::mine::Mined;

/// A measured rate beside the exact one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// What was drawn to look at, for people.
    pub drawn: &'static str,
    /// Trials that caught it.
    pub caught: u32,
    /// Trials.
    pub trials: u32,
    /// Exact probability that one trial catches it, 0 to 1.
    pub expected: f64,
}

/// Samples of each kind of one proof.
pub(super) const SAMPLES: usize = 8;
/// Draws of a rate.
pub(super) const DRAWS: u32 = 4000;

impl Rate {
    /// The share that was caught, 0 to 1.
    pub fn measured(&self) -> f64 {
        f64::from(self.caught) / f64::from(self.trials)
    }

    /// Whether the count is within six standard deviations of the binomial one, and one more.
    pub fn is_plausible(&self) -> bool {
        let mean = f64::from(self.trials) * self.expected;
        let deviation = (mean * (1.0 - self.expected)).sqrt();
        (f64::from(self.caught) - mean).abs() <= 6.0 * deviation + 1.0
    }
}

/// The beacon of trial `index`.
pub(super) fn beacon(index: u32) -> [u8; 32] {
    keccak(&[b"pogo/attack/beacon/v1", &index.to_be_bytes()])
}

/// How often the real challenge draws one of the bad cells, and the exact probability: with `b` of `N`
/// cells of a kind bad, `S` samples without replacement all miss them with `C(N - b, S) / C(N, S)`.
pub fn detection(mined: &Mined<'_>, bad: &[Cell]) -> Rate {
    let bad: BTreeSet<Cell> = bad.iter().copied().collect();
    let of = |kind| bad.iter().filter(|cell| cell.kind == kind).count();
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|&kind| of(kind) > 0).collect();
    let catches =
        |&index: &u32| kinds.iter().any(|&kind| draw(mined, kind, beacon(index)).iter().any(|cell| bad.contains(cell)));
    let caught = (0..DRAWS).filter(catches).count() as u32;
    let missed: f64 = kinds.iter().map(|&kind| missed(total(mined, kind), of(kind))).product();
    Rate { drawn: "8 cells of each kind", caught, trials: DRAWS, expected: 1.0 - missed }
}

/// Cells of a kind that the real challenge draws.
fn draw(mined: &Mined<'_>, kind: Kind, beacon: [u8; 32]) -> Vec<Cell> {
    let (steps, leaves) = (mined.commitment.steps, mined.job.round.layout.leaf_count());
    let hash = mined.commitment.hash();
    let round = || challenge::draw(beacon, hash, steps, leaves, SAMPLES);
    let update = |sample: &UpdateSample| Cell::update(sample.step, sample.leaf as u32);
    match (kind, mined.job.round.space()) {
        (Kind::Update, _) => round().updates.iter().map(update).collect(),
        (Kind::Quantize, _) => round().quantizes.iter().map(|&leaf| Cell::quantize(leaf as u32)).collect(),
        (_, Some(space)) => challenge::draw_cells(beacon, hash, &space, kind, SAMPLES),
        (_, None) => Vec::new(),
    }
}

/// Cells of a kind in the round.
pub(super) fn total(mined: &Mined<'_>, kind: Kind) -> u64 {
    let leaves = mined.job.round.layout.leaf_count() as u64;
    match kind {
        Kind::Update => leaves * u64::from(mined.commitment.steps),
        Kind::Quantize => leaves,
        _ => mined.job.round.space().filter(|_| kind.is_traced()).map_or(0, |space| space.total(kind)),
    }
}

/// Probability that [`SAMPLES`] of `cells`, without replacement, are none of the `bad` ones:
/// `C(cells - bad, S) / C(cells, S)`.
fn missed(cells: u64, bad: usize) -> f64 {
    let (cells, bad) = (cells as f64, bad as f64);
    (0..SAMPLES).map(|k| k as f64).map(|k| ((cells - bad - k) / (cells - k)).max(0.0)).product()
}
