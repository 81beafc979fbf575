//! The reference: how far apart two independent runs of the same spec end, the unit in which
//! distances of segments are told.
//!
//! Both runs have the round's spec, data, miner and number of steps, but seeds of their own:
//! `seed_i = first 8 bytes of keccak256("pogo/reference/v1" || spec hash || i u8)`, i = 0, 1. It costs
//! two trainings without hashing. The file that keeps it:
//!
//! ```text
//! "pogo/ref" | version u16 | inputs 32 | sum of |a - b| u64 | largest u32 | sums of a b, a^2, b^2, 16 each
//! inputs = keccak256("pogo/reference/v1" || spec hash || round u64 || miner 20)
//! ```

use pogo_protocol::codec::{CodecError, Reader, Writer};
use pogo_protocol::model::{Spec, State};
use pogo_protocol::stream::keccak;

use crate::distance::Distance;
use crate::error::Error;
use crate::round::Round;
use crate::train::{Job, Stepper, state_root};

const DOMAIN: &[u8] = b"pogo/reference/v1";

/// Distance of two independent runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Hash of everything that it depends on, see [`inputs`].
    pub inputs: [u8; 32],
    /// Between both final states.
    pub distance: Distance,
}

/// Hash of what a reference of this round depends on.
pub fn inputs(round: &Round) -> [u8; 32] {
    keccak(&[DOMAIN, &round.spec.hash(), &round.context.round.to_be_bytes(), &round.context.miner])
}

impl Reference {
    /// First bytes of its file.
    pub const MAGIC: &'static [u8; 8] = b"pogo/ref";

    /// Trains both runs in memory; `progress` is told of the steps done, of twice those of the round.
    ///
    /// # Errors
    /// [`Error`] of the device.
    pub fn compute(job: &Job<'_>, mut progress: impl FnMut(u32)) -> Result<Self, Error> {
        let first = run(job, 0, &mut progress)?;
        let second = run(job, 1, |done| progress(job.round.spec.steps + done))?;
        Ok(Self { inputs: inputs(job.round), distance: Distance::between(&first, &second) })
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.distance.write(Writer::new(Self::MAGIC).bytes(&self.inputs)).finish()
    }

    /// Reads what [`Reference::encode`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`CodecError`] naming the field.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes, Self::MAGIC, "reference")?;
        let reference = Self { inputs: reader.array("inputs")?, distance: Distance::read(&mut reader)? };
        reader.finish()?;
        Ok(reference)
    }
}

/// Final state of run `number`.
fn run(job: &Job<'_>, number: u8, mut progress: impl FnMut(u32)) -> Result<State, Error> {
    let Round { spec, context, shape, .. } = job.round;
    let hash = keccak(&[DOMAIN, &spec.hash(), &[number]]);
    let seed = hash.iter().take(8).fold(0, |seed, &byte| seed << 8 | u64::from(byte));
    let round = Round::new(Spec { seed, ..spec.clone() }, *context, *shape)?;
    let job = Job { round: &round, ..*job };
    let initial = State::initial(&round.spec);
    let mut stepper = Stepper::new(&job, state_root(&round.layout, &initial)?)?;
    stepper.load(&initial)?;
    for first in (0..spec.steps).step_by(stepper.group() as usize) {
        let end = spec.steps.min(first + stepper.group());
        stepper.run(first..end)?;
        progress(end);
    }
    stepper.state()
}
