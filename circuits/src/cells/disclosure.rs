//! The disclosure: up to eight records get the roots of their traces, one after another.
//!
//! ```text
//! old leaf    committed * leaf of the record with trace root 0
//! new leaf    leaf of the record
//! old, new    roots of both leaves, with the same siblings
//! first       old is the tree of the public steps root;  tree = new
//! later       where active: old = tree, tree = new;  else tree stays
//! ```
//!
//! The public input after is the steps root of the last tree. Slots without a record are not active;
//! what they hold is public, and zero.

use pogo_protocol::cell::Record;
use pogo_protocol::cell::disclosure::{DISCLOSED, Disclosed, DisclosureOpening};
use pogo_protocol::statement::STEP_BITS;

use super::blank::WHOLE;
use super::opened::{Fields, Opener, blank_record};
use crate::grid::Cell;

/// Assigns one disclosure and returns its public fields.
///
/// # Panics
/// When it has no record, more than the circuit has slots, or not as many as its sample.
pub(crate) fn assign(opener: &mut Opener, opening: &DisclosureOpening) -> Vec<Fields> {
    let (disclosed, records) = (&opening.sample.records, &opening.records);
    let count = records.len();
    assert!((1..=DISCLOSED).contains(&count) && disclosed.len() == count, "{count} records, {} named", disclosed.len());

    let (mut fields, mut tree) = (Fields::new(), opener.arithmetic.zero);
    for slot in 0..DISCLOSED {
        let (named, record) = match slot < count {
            true => (disclosed[slot], records[slot].clone()),
            false => (Disclosed { index: 0, committed: false }, blank_record(opener.depths.steps)),
        };
        let (place, [old, new]) = replaced(opener, named, &record);
        fields.extend(place);
        if slot == 0 {
            let from = opener.steps_root(old);
            opener.grid.equal(from, opener.publics.steps_root);
            tree = new;
            fields.push((opener.arithmetic.one, 1));
        } else {
            let (grid, arithmetic) = (&mut opener.grid, &mut opener.arithmetic);
            let active = arithmetic.bit(grid, slot < count, "active slot");
            arithmetic.equal_if(grid, active, old, tree);
            tree = arithmetic.choose(grid, active, new, tree);
            fields.push((active, 1));
        }
    }
    let to = opener.steps_root(tree);
    vec![vec![(to, WHOLE)], fields]
}

/// The public fields of a record, and the roots of the tree before and after it is disclosed.
fn replaced(opener: &mut Opener, named: Disclosed, record: &Record) -> (Fields, [Cell; 2]) {
    let index = opener.record_index(named.index);
    let committed = opener.arithmetic.bit(&mut opener.grid, named.committed, "committed before");
    let cells = opener.fields(record);
    let pair = opener.pair(&cells);
    let untraced = opener.record_leaf(pair, opener.arithmetic.zero, &cells);
    let old = opener.arithmetic.multiply(&mut opener.grid, committed, untraced);
    let new = opener.record_leaf(pair, cells.trace_root, &cells);
    let siblings: Vec<Cell> = record.path.iter().map(|&sibling| opener.input(sibling, "shared sibling")).collect();
    let roots = [old, new].map(|leaf| opener.path_beside(leaf, &index, &siblings));
    (vec![(index.value, STEP_BITS), (committed, 1)], roots)
}
