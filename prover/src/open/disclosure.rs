//! Open disclosures: records that get the roots of their traces after the commitment, some to a proof.

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use pogo_protocol::cell::Record;
use pogo_protocol::cell::disclosure::{DISCLOSED, Disclosed, DisclosureOpening, DisclosureSample};
use pogo_protocol::merkle::{Tree, hash_pairs};
use pogo_protocol::record::{StepRecord, steps_root};

/// Discloses the records of these numbers in this order, [`DISCLOSED`] to an opening: the first starts
/// from the steps root of the commitment, each other from the one that the one before it leads to.
///
/// `records` are all of the round, with the roots of their traces; `committed` tells those that the
/// commitment holds, with trace root zero, and the tree over the records has this depth.
///
/// # Panics
/// When `order` has a number that no record has, or the tree has no place for all records.
pub fn disclose(
    depth: usize,
    records: &[StepRecord],
    committed: impl Fn(u32) -> bool,
    order: &[u32],
) -> Vec<DisclosureOpening> {
    let old = |record: &StepRecord| match committed(record.index) {
        true => StepRecord { trace_root: Fr::ZERO, ..record.clone() }.hash(),
        false => Fr::ZERO,
    };
    let mut tree = Tree::new(depth, records.iter().map(old).collect(), hash_pairs);
    let mut openings = Vec::new();
    for chunk in order.chunks(DISCLOSED) {
        let (mut named, mut opened) = (Vec::new(), Vec::new());
        for &index in chunk {
            let (record, position) = (&records[index as usize], index as usize);
            named.push(Disclosed { index, committed: committed(index) });
            opened.push(Record::new(record, tree.path(position)));
            tree.replace(position, record.hash());
        }
        let to = steps_root(tree.root(), records.len() as u32);
        openings.push(DisclosureOpening { sample: DisclosureSample { to, records: named }, records: opened });
    }
    openings
}
