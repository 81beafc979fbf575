//! Records, and the public order in which a miner trains on them.

use alloc::vec::Vec;

use crate::stream::keccak;

const ORDER_DOMAIN: &[u8] = b"pogo/order/v2";
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
/// Epoch `e` takes the records in an order of its own, a keyed permutation: whoever verifies one
/// slot of one batch computes one record, not a shuffle of all. With `key =
/// keccak(task || round u64 || parent_root || miner || e u64)` and `b` the bits of `records - 1`, at
/// least 2, position `x` is the pair of its upper `floor(b / 2)` and lower `ceil(b / 2)` bits. Each
/// of [`ORDER_ROUNDS`] rounds `i` adds to one of the two, the upper one for even `i`, the first four
/// bytes, big-endian, of `keccak("pogo/order/v2" || key || i u8 || the other u32)`, modulo its
/// size. The whole repeats until the number is below `records`: that is the record. A step takes the
/// next `batch` positions; a tail smaller than a batch is dropped.
#[derive(Clone, Debug)]
pub struct Order {
    round: Round,
    records: u32,
    batch: u32,
}

/// Rounds of the keyed permutation. Four already make a strong pseudorandom permutation of large
/// numbers (Luby and Rackoff); a dozen records need eight to be spread evenly.
const ORDER_ROUNDS: u8 = 8;

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

    /// The records of these indices, as a data set in their order.
    pub fn choose(&self, indices: &[u32]) -> Self {
        let Batch { features, labels } = self.batch(indices);
        Self { width: self.width, classes: self.classes, features, labels }
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
        Ok(Self { round, records, batch })
    }

    /// Steps that one pass over the data takes.
    pub fn steps_per_epoch(&self) -> u32 {
        self.records / self.batch
    }

    /// Record indices of step `t`.
    pub fn batch_indices(&self, t: u32) -> Vec<u32> {
        let (epoch, step) = (t / self.steps_per_epoch(), t % self.steps_per_epoch());
        let key = self.key(epoch);
        (0..self.batch).map(|slot| self.record(key, step * self.batch + slot)).collect()
    }

    /// Record index of one row of the batch of step `t`.
    pub fn batch_index(&self, t: u32, row: u32) -> u32 {
        let (epoch, step) = (t / self.steps_per_epoch(), t % self.steps_per_epoch());
        self.record(self.key(epoch), step * self.batch + row)
    }

    fn key(&self, epoch: u32) -> [u8; 32] {
        self.round.hash(&[], &u64::from(epoch).to_be_bytes())
    }

    /// Record at a position of the epoch with this key.
    fn record(&self, key: [u8; 32], position: u32) -> u32 {
        let bits = (u32::BITS - (self.records - 1).leading_zeros()).max(2);
        let low_bits = bits.div_ceil(2);
        let (high_mask, low_mask) = ((1 << (bits - low_bits)) - 1, (1 << low_bits) - 1);
        let mut record = position;
        loop {
            let (mut high, mut low) = (record >> low_bits, record & low_mask);
            for i in 0..ORDER_ROUNDS {
                let other = if i % 2 == 0 { low } else { high };
                let hash = keccak(&[ORDER_DOMAIN, &key, &[i], &other.to_be_bytes()]);
                let drawn = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
                match i % 2 {
                    0 => high = high.wrapping_add(drawn) & high_mask,
                    _ => low = low.wrapping_add(drawn) & low_mask,
                }
            }
            record = high << low_bits | low;
            if record < self.records {
                return record;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const ROUND: Round = Round { task: [1; 32], round: 2, parent_root: [3; 32], miner: [4; 20] };

    #[test]
    fn epoch_takes_every_record_at_most_once_and_drops_the_tail() {
        for (records, batch) in [(21, 4), (1, 1), (2, 2), (3, 1), (5, 1), (64, 64), (1000, 8)] {
            let order = Order::new(ROUND, records, batch).unwrap();
            let mut seen: Vec<u32> = (0..order.steps_per_epoch()).flat_map(|t| order.batch_indices(t)).collect();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len() as u32, records / batch * batch, "{records} records");
            assert!(seen.iter().all(|&i| i < records));
        }
    }

    #[test]
    fn order_depends_on_every_part_of_the_round_and_on_the_epoch() {
        let order = |round, t| Order::new(round, 100, 100).unwrap().batch_indices(t);
        let first = order(ROUND, 0);
        assert_ne!(first, order(Round { task: [0; 32], ..ROUND }, 0));
        assert_ne!(first, order(Round { round: 0, ..ROUND }, 0));
        assert_ne!(first, order(Round { parent_root: [0; 32], ..ROUND }, 0));
        assert_ne!(first, order(Round { miner: [0; 20], ..ROUND }, 0));
        assert_ne!(first, order(ROUND, 1));
    }

    #[test]
    fn orders_put_every_record_anywhere_alike() {
        let (records, orders) = (12u32, 12_000u32);
        let mut counts = [[0u32; 12]; 12];
        for number in 0..orders {
            let round = Round { round: u64::from(number), ..ROUND };
            let order = Order::new(round, records, 1).unwrap();
            (0..records).for_each(|t| counts[t as usize][order.batch_index(t, 0) as usize] += 1);
        }
        // Chi squared of 144 cells with 121 degrees of freedom: 200 is beyond 5 standard deviations.
        let expected = orders / records;
        let squares: u64 = counts.iter().flatten().map(|n| u64::from(n.abs_diff(expected)).pow(2)).sum();
        assert!(squares / u64::from(expected) < 200, "chi squared {}", squares / u64::from(expected));
    }

    #[test]
    fn one_row_of_a_batch_is_that_of_the_whole() {
        let order = Order::new(ROUND, 33, 8).unwrap();
        for t in 0..12 {
            let rows: Vec<u32> = (0..8).map(|row| order.batch_index(t, row)).collect();
            assert_eq!(order.batch_indices(t), rows);
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
