//! Records, and the public order in which a miner trains on them.

use alloc::vec::Vec;

use crate::stream::{Stream, keccak};

const ORDER_DOMAIN: &[u8] = b"pogo/order/v1";
const DITHER_DOMAIN: &[u8] = b"pogo/dither/v1";

/// A data set: records of `width` features (real value `feature * 2^-7`) and a label each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataSet {
    /// Features of a record.
    pub width: usize,
    /// Labels lie in `0..classes`.
    pub classes: usize,
    /// `(records, width)`.
    pub features: Vec<i8>,
    /// One a record.
    pub labels: Vec<u16>,
}

/// Some records of a data set, in the order in which they are used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// `(rows, width)`.
    pub features: Vec<i8>,
    /// One a row.
    pub labels: Vec<u16>,
}

/// Who trains which round of a task: what order and dither are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Hash of the spec of the task.
    pub task: [u8; 32],
    /// Number of the round.
    pub round: u64,
    /// Root that the round continues.
    pub parent_root: [u8; 32],
    /// Address of the miner.
    pub miner: [u8; 20],
}

/// The batches of a round, a pure function of its [`Round`].
///
/// In epoch `e` the records are shuffled (Fisher-Yates: for `i` from `records - 1` down to 1, swap
/// positions `i` and `below(i + 1)`) by the stream `pogo/order/v1` with key
/// `keccak(task || round u64 || parent_root || miner || e u64)`. A step takes the next `batch`
/// positions; a tail smaller than a batch is dropped.
#[derive(Clone, Debug)]
pub struct Order {
    round: Round,
    records: u32,
    batch: u32,
    epoch: Option<(u32, Vec<u32>)>,
}

/// A data set that does not fill a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the training set has {records} records, expected at least one batch of {batch}")]
pub struct TooFewRecords {
    /// Records of the training set.
    pub records: u32,
    /// Records of a batch.
    pub batch: u32,
}

impl DataSet {
    /// Number of records.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Features of a record.
    pub fn record(&self, index: usize) -> &[i8] {
        &self.features[index * self.width..(index + 1) * self.width]
    }

    /// The records of these indices.
    pub fn batch(&self, indices: &[u32]) -> Batch {
        let mut features = Vec::with_capacity(indices.len() * self.width);
        indices.iter().for_each(|&i| features.extend_from_slice(self.record(i as usize)));
        Batch { features, labels: indices.iter().map(|&i| self.labels[i as usize]).collect() }
    }

    /// All records as one batch.
    pub fn all(&self) -> Batch {
        Batch { features: self.features.clone(), labels: self.labels.clone() }
    }

    /// The first `self.len() - tail` records, and the last `tail`.
    pub fn split(mut self, tail: usize) -> (Self, Self) {
        let at = self.len().saturating_sub(tail);
        let features = self.features.split_off(at * self.width);
        let labels = self.labels.split_off(at);
        let (width, classes) = (self.width, self.classes);
        (self, Self { width, classes, features, labels })
    }
}

impl Batch {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }
}

impl Round {
    /// Seed of the dither: the first four bytes, big-endian, of
    /// `keccak("pogo/dither/v1" || task || round u64 || parent_root || miner)`.
    pub fn dither_seed(&self) -> u32 {
        let hash = self.hash(DITHER_DOMAIN, &[]);
        u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
    }

    fn hash(&self, domain: &[u8], tail: &[u8]) -> [u8; 32] {
        let round = self.round.to_be_bytes();
        keccak(&[domain, &self.task, &round, &self.parent_root, &self.miner, tail])
    }
}

impl Order {
    /// The order of a round over `records` training records.
    ///
    /// # Errors
    /// When the records do not fill one batch.
    pub fn new(round: Round, records: u32, batch: u32) -> Result<Self, TooFewRecords> {
        if batch == 0 || records < batch {
            return Err(TooFewRecords { records, batch });
        }
        Ok(Self { round, records, batch, epoch: None })
    }

    /// Steps that one pass over the data takes.
    pub fn steps_per_epoch(&self) -> u32 {
        self.records / self.batch
    }

    /// Record indices of step `t`. Keeps the permutation of the last epoch asked for.
    pub fn batch_indices(&mut self, t: u32) -> Vec<u32> {
        let (epoch, step) = (t / self.steps_per_epoch(), t % self.steps_per_epoch());
        let permutation = match self.epoch.take() {
            Some((e, permutation)) if e == epoch => permutation,
            _ => self.permutation(epoch),
        };
        let first = (step * self.batch) as usize;
        let indices = permutation[first..first + self.batch as usize].to_vec();
        self.epoch = Some((epoch, permutation));
        indices
    }

    /// All record indices in the order of an epoch.
    pub fn permutation(&self, epoch: u32) -> Vec<u32> {
        let key = self.round.hash(&[], &u64::from(epoch).to_be_bytes());
        let mut stream = Stream::new(ORDER_DOMAIN, key);
        let mut order: Vec<u32> = (0..self.records).collect();
        for i in (1..order.len()).rev() {
            let j = stream.below(i as u64 + 1) as usize;
            order.swap(i, j);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const ROUND: Round = Round { task: [1; 32], round: 2, parent_root: [3; 32], miner: [4; 20] };

    #[test]
    fn epoch_takes_every_record_at_most_once_and_drops_the_tail() {
        let mut order = Order::new(ROUND, 21, 4).unwrap();
        assert_eq!(order.steps_per_epoch(), 5);
        let mut seen: Vec<u32> = (0..5).flat_map(|t| order.batch_indices(t)).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 20);
        assert!(seen.iter().all(|&i| i < 21));
    }

    #[test]
    fn order_depends_on_every_part_of_the_round_and_on_the_epoch() {
        let order = |round| Order::new(round, 100, 10).unwrap().permutation(0);
        let first = order(ROUND);
        assert_ne!(first, order(Round { task: [0; 32], ..ROUND }));
        assert_ne!(first, order(Round { round: 0, ..ROUND }));
        assert_ne!(first, order(Round { parent_root: [0; 32], ..ROUND }));
        assert_ne!(first, order(Round { miner: [0; 20], ..ROUND }));
        assert_ne!(first, Order::new(ROUND, 100, 10).unwrap().permutation(1));
    }

    #[test]
    fn steps_may_be_asked_for_in_any_order() {
        let mut forward = Order::new(ROUND, 33, 8).unwrap();
        let mut backward = forward.clone();
        let expected: Vec<_> = (0..12).map(|t| forward.batch_indices(t)).collect();
        for t in (0..12).rev() {
            assert_eq!(backward.batch_indices(t), expected[t as usize]);
        }
    }

    #[test]
    fn data_set_smaller_than_a_batch_is_rejected() {
        let error = Order::new(ROUND, 7, 8).unwrap_err();
        assert_eq!(error, TooFewRecords { records: 7, batch: 8 });
    }

    #[test]
    fn split_keeps_every_record() {
        let set = DataSet { width: 2, classes: 3, features: vec![1, 2, 3, 4, 5, 6], labels: vec![0, 1, 2] };
        assert_eq!(set.batch(&[2, 0]), Batch { features: vec![5, 6, 1, 2], labels: vec![2, 0] });
        let (head, tail) = set.split(1);
        assert_eq!((head.features, head.labels), (vec![1, 2, 3, 4], vec![0, 1]));
        assert_eq!((tail.features, tail.labels), (vec![5, 6], vec![2]));
    }
}
