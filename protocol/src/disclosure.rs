//! Disclosure: what a miner adds to its commitment once a first draw has picked segments.
//!
//! In trace mode `challenged` a commitment holds less than in mode `every`. Its records have no trace
//! roots, and of each *segment* of `checkpoint_every` steps it has the last record only; the leaves
//! between are empty. The first beacon draws segments. The miner publishes their records, whole, under
//! a steps root of its own, and proves that nothing else changed ([`crate::cell::disclosure`]). The
//! second beacon, of a later block, draws one cell of each kind in every drawn segment, of update and
//! momentum in every step of it, or among all cells where all segments were drawn. A segment that was
//! not drawn is disclosed when a dispute asks for it, and its cells can be disputed then.

use alloc::vec::Vec;
use core::ops::Range;

use ark_bn254::Fr;

use crate::cell::disclosure::{DISCLOSED, Disclosed};
use crate::challenge::draw_distinct;
use crate::codec::{CodecError, Reader, Writer};
use crate::model::Spec;
use crate::stream::keccak;

/// Domain of the draw of segments.
pub const DOMAIN: &[u8] = b"pogo/challenge/segment/v1";

/// What was disclosed of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    /// The beacon that drew segments.
    pub beacon: [u8; 32],
    /// Root over the records after each proof that disclosed the drawn segments, in the order drawn.
    pub roots: Vec<Fr>,
}

/// The segments of a round that are disclosed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segments {
    /// Steps of a segment.
    pub length: u32,
    /// Those that were drawn, in the order drawn.
    pub drawn: Vec<u32>,
    /// Whether these are all that the round has.
    pub all: bool,
    /// Those that disputes asked for.
    pub later: Vec<u32>,
    /// Root over the records with all of these.
    pub steps_root: Fr,
}

impl Segments {
    /// Drawn segments of a round of `spec`, whose records stand under this root.
    pub fn new(spec: &Spec, drawn: Vec<u32>, steps_root: Fr) -> Self {
        let all = drawn.len() as u32 == count(spec);
        Self { length: spec.checkpoint_every, drawn, all, later: Vec::new(), steps_root }
    }

    /// Whether the records of the segment of a step are disclosed.
    pub fn hold(&self, step: u32) -> bool {
        let segment = step / self.length.max(1);
        self.drawn.contains(&segment) || self.later.contains(&segment)
    }
}

/// Segments of a round.
pub fn count(spec: &Spec) -> u32 {
    spec.steps / spec.checkpoint_every.max(1)
}

/// The `samples` segments that a beacon draws, at least one, or all of them where there are no more.
pub fn draw(spec: &Spec, beacon: [u8; 32], commitment: [u8; 32], samples: usize) -> Vec<u32> {
    let seed = keccak(&[b"pogo/challenge/v1", &beacon, &commitment]);
    draw_distinct(DOMAIN, seed, count(spec).into(), samples.max(1)).into_iter().map(|segment| segment as u32).collect()
}

/// Numbers of the records of a segment: of those after its steps.
pub fn records(spec: &Spec, segment: u32) -> Range<u32> {
    let first = segment * spec.checkpoint_every;
    first + 1..first + spec.checkpoint_every + 1
}

/// Whether a commitment of this spec holds the record of this number; its trace root is another matter.
pub fn is_committed(spec: &Spec, record: u32) -> bool {
    record.is_multiple_of(spec.checkpoint_every.max(1))
}

/// Records of these segments in the order in which they are disclosed, those of one proof together.
pub fn proofs(spec: &Spec, segments: &[u32]) -> Vec<Vec<Disclosed>> {
    let disclosed = |index| Disclosed { index, committed: is_committed(spec, index) };
    let all: Vec<_> = segments.iter().flat_map(|&segment| records(spec, segment)).map(disclosed).collect();
    all.chunks(DISCLOSED).map(<[Disclosed]>::to_vec).collect()
}

impl Disclosure {
    /// First bytes of `disclosure.bin`: `"pogo/dis" | version u16 | beacon 32 | count u32 | roots`.
    pub const MAGIC: &'static [u8; 8] = b"pogo/dis";

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let writer = Writer::new(Self::MAGIC).bytes(&self.beacon).u32(self.roots.len() as u32);
        self.roots.iter().fold(writer, Writer::scalar).finish()
    }

    /// Reads what [`Disclosure::encode`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`CodecError`] naming the field.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes, Self::MAGIC, "disclosure")?;
        let (beacon, count) = (reader.array("beacon")?, reader.u32("roots")?);
        let roots = (0..count).map(|_| reader.scalar("roots")).collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self { beacon, roots })
    }
}
