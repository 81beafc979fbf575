//! Segments: replay in the way of Proof-of-Learning (Jia et al., IEEE S&P 2021).
//!
//! A segment is the steps between two neighboring states on disk. It is replayed from the published
//! state at its start to the one at its end, and accepted only when codes, records and end state are
//! *equal* to the recomputed ones. How far apart states are is told beside it and decides nothing.

use std::ops::Range;
use std::str::FromStr;

use pogo_protocol::challenge::draw_distinct;
use pogo_protocol::commitment::Commitment;
use pogo_protocol::record::StepRecord;
use pogo_protocol::stream::keccak;

use crate::distance::Distance;
use crate::error::Error;
use crate::replay::{Difference, Replayer, compare_states};
use crate::store::Store;
use crate::train::{Job, is_recorded, state_on_disk, steps_on_disk};

const DOMAIN: &[u8] = b"pogo/replay/segments/v1";

/// Which segments are replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All.
    All,
    /// So many, drawn uniformly without replacement.
    Drawn(usize),
    /// Those whose two states are the farthest apart. An extra only: who knows the rule is false elsewhere.
    Top(usize),
}

/// A replayed segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Its steps.
    pub steps: Range<u32>,
    /// All that is not equal; it is accepted when there is nothing.
    pub differences: Vec<Difference>,
    /// From the published state at its start to the published one at its end.
    pub moved: Distance,
    /// From the recomputed state at its end to the published one; none where the state at its start
    /// is not the recorded one, so that there was nothing to recompute from.
    pub error: Option<Distance>,
}

/// The segments of a finished round.
pub struct Segments<'a> {
    replayer: Replayer<'a>,
    /// Steps before which a state is on disk, the first and the last of the round included.
    bounds: Vec<u32>,
}

impl FromStr for Selection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let count = |text: &str| text.parse().ok().filter(|&count: &usize| count > 0);
        let selection = match text.strip_prefix("top:") {
            Some(text) => count(text).map(Self::Top),
            None if text == "all" => Some(Self::All),
            None => count(text).map(Self::Drawn),
        };
        selection.ok_or_else(|| format!("expected all, N or top:Q with numbers from 1, got {text:?}"))
    }
}

impl<'a> Segments<'a> {
    /// Finds the states on disk.
    ///
    /// # Errors
    /// [`Error`] of the store, or of the data.
    pub fn open(
        store: &'a Store,
        job: &'a Job<'a>,
        records: &'a [StepRecord],
        commitment: &'a Commitment,
    ) -> Result<Self, Error> {
        let steps = job.round.spec.steps;
        let bounds = steps_on_disk(store, steps)?;
        if bounds.last() != Some(&steps) {
            return Err(store.content("checkpoints", format!("the state after {steps} steps is missing")))?;
        }
        Ok(Self { replayer: Replayer::new(store, job, records, commitment)?, bounds })
    }

    /// Number of segments, at least 1.
    pub fn count(&self) -> usize {
        self.bounds.len() - 1
    }

    /// What the commitment, the records and the first state say otherwise than each other.
    ///
    /// # Errors
    /// [`Error::Leaf`] for a word outside its range.
    pub fn compare_start(&self) -> Result<Vec<Difference>, Error> {
        self.replayer.compare_start()
    }

    /// Numbers of the selected segments, rising. A draw is a function of `seed` and the commitment:
    /// a seed nobody knew before the commitment cannot be trained for.
    ///
    /// # Errors
    /// [`Error`] of the store.
    pub fn select(&self, selection: Selection, seed: [u8; 32]) -> Result<Vec<usize>, Error> {
        let mut selected: Vec<usize> = match selection {
            Selection::All => (0..self.count()).collect(),
            Selection::Drawn(count) => {
                let key = keccak(&[DOMAIN, &seed, &self.replayer.commitment.hash()]);
                draw_distinct(DOMAIN, key, self.count() as u64, count).into_iter().map(|i| i as usize).collect()
            }
            Selection::Top(count) => self.farthest(count)?,
        };
        selected.sort_unstable();
        Ok(selected)
    }

    /// Replays a segment; `progress` is told of every group of steps.
    ///
    /// # Errors
    /// [`Error`] of the store or of the device.
    pub fn replay(&mut self, segment: usize, progress: impl FnMut(u32)) -> Result<Replayed, Error> {
        let steps = self.steps(segment);
        let Replayer { store, job, records, .. } = self.replayer;
        let state = |t| state_on_disk(store, &job.round.spec, t);
        let (start, published) = (state(steps.start)?, state(steps.end)?);
        let moved = Distance::between(&start, &published);
        if !is_recorded(&job.round.layout, &start, &records[steps.start as usize])? {
            let differences = vec![Difference::Checkpoint { step: steps.start, field: "state" }];
            return Ok(Replayed { steps, differences, moved, error: None });
        }
        self.replayer.stepper.load(&start)?;
        let mut differences = self.replayer.compare_steps(steps.clone(), progress)?;
        let recomputed = self.replayer.stepper.state()?;
        differences.extend(compare_states(job, steps.end, &recomputed, &published));
        if steps.end == job.round.spec.steps {
            differences.extend(self.replayer.compare_end()?);
        }
        Ok(Replayed { steps, differences, moved, error: Some(Distance::between(&recomputed, &published)) })
    }

    /// Steps of a segment.
    pub fn steps(&self, segment: usize) -> Range<u32> {
        self.bounds[segment]..self.bounds[segment + 1]
    }

    /// The `count` segments whose two states are the farthest apart, of equals the first.
    fn farthest(&self, count: usize) -> Result<Vec<usize>, Error> {
        let state = |t| state_on_disk(self.replayer.store, &self.replayer.job.round.spec, t);
        let mut ranked = Vec::with_capacity(self.count());
        let mut start = state(0)?;
        for (segment, &end) in self.bounds[1..].iter().enumerate() {
            let end = state(end)?;
            ranked.push((Distance::between(&start, &end).square(), segment));
            start = end;
        }
        ranked.sort_by_key(|&(square, segment)| (std::cmp::Reverse(square), segment));
        Ok(ranked.into_iter().map(|(_, segment)| segment).take(count).collect())
    }
}
