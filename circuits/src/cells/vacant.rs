//! The vacant cell: beside the paths of last leaves, what has no leaf below it is empty.
//!
//! ```text
//! sibling at height h = E_h, or occupied_h = 1
//! root of the tree    = H(tag, root of the path, layout or number of leaves)
//! ```
//!
//! Which siblings of a model's tree are occupied is public. Of every other tree it is the bits of the position:
//! on the left of the last leaf there are leaves.

use pogo_protocol::cell::vacant::{LastLeaf, VacantOpening};
use pogo_protocol::leaf::tag;
use pogo_protocol::merkle::empty_subtrees;
use pogo_protocol::statement::{POSITION_BITS, STEP_BITS, TENSOR_BITS, TRACE_BITS};

use super::Publics;
use super::opened::{Fields, Opener};
use crate::chips::poseidon::{Operand, convert};
use crate::chips::values::{Bits, Source};
use crate::grid::Cell;

/// Assigns one vacant cell and returns its public fields.
pub(crate) fn assign(opener: &mut Opener, opening: &VacantOpening) -> Vec<Fields> {
    let sample = &opening.sample;
    let (step, index) = opener.step(sample.step);
    let position = opener.state_position(sample.position);
    let occupied = opener.bits(sample.occupied as u64, opener.depths.tree, "occupied sibling");
    let trace = opener.trace_position(sample.trace);
    let (last_tensor, tensors) = opener.tensor(sample.tensors.saturating_sub(1));
    let last_record = last_record(opener);
    let after = opener.record(&opening.after, &index);

    let Publics { parent_root, steps_root, quantized_root, layout, record_count, .. } = opener.publics;
    let model = (&position, &occupied, layout);
    let of_tensors = (&last_tensor, &last_tensor, tensors.value);
    for (tag, leaf, (position, occupied, with), expected) in [
        (tag::STEPS_ROOT, &opening.records, (&last_record, &last_record, record_count), steps_root),
        (tag::STATE_ROOT, &opening.parent, model, parent_root),
        (tag::STATE_ROOT, &opening.state, model, after.state_root),
        (tag::UPDATE_ROOT, &opening.update, model, after.update_root),
        (tag::QUANTIZED_ROOT, &opening.quantized, model, quantized_root),
        (tag::TRACE_ROOT, &opening.trace, (&trace, &trace, layout), after.trace_root),
        (tag::EXPONENTS, &opening.used, of_tensors, after.used),
        (tag::EXPONENTS, &opening.next, of_tensors, after.next),
    ] {
        let tree = tree(opener, leaf, position, occupied);
        let root = opener.lane.hash(&mut opener.grid, tag, Operand::Copy(tree), Operand::Copy(with));
        opener.grid.equal(root, expected);
    }
    vec![vec![
        (step.value, STEP_BITS),
        (position.value, POSITION_BITS),
        (occupied.value, POSITION_BITS),
        (trace.value, TRACE_BITS),
        (tensors.value, TENSOR_BITS),
    ]]
}

/// The number of the last record, one less than the public number of records.
fn last_record(opener: &mut Opener) -> Bits {
    let (lines, count) = (&mut opener.arithmetic.lines, opener.publics.record_count);
    let last = opener.grid.integer(count) - 1;
    let last = lines.bits(&mut opener.grid, last, opener.depths.steps, Source::Derived, "last record bit");
    let next = lines.increment(&mut opener.grid, last.value);
    opener.grid.equal(next, count);
    last
}

/// Root of the path of a last leaf, whose siblings are empty where they are not occupied.
fn tree(opener: &mut Opener, leaf: &LastLeaf, position: &Bits, occupied: &Bits) -> Cell {
    let hash = opener.input(leaf.hash, "last leaf");
    let siblings = leaf.path.iter().zip(&occupied.bits).zip(empty_subtrees(leaf.path.len()));
    let siblings: Vec<Cell> = siblings
        .map(|((&sibling, &occupied), empty)| {
            let sibling = opener.input(sibling, "sibling of a last leaf");
            let empty = opener.arithmetic.constant(&mut opener.grid, convert(empty));
            opener.arithmetic.equal_unless(&mut opener.grid, occupied, sibling, empty);
            sibling
        })
        .collect();
    opener.path_beside(hash, position, &siblings)
}
