//! The init cell: a public leaf, which the verifier made from the seed, stands under the parent root.

use pogo_protocol::cell::init::InitOpening;
use pogo_protocol::leaf::tag;
use pogo_protocol::statement::POSITION_BITS;

use super::blank::WHOLE;
use super::opened::{Fields, Opener};

/// Assigns one init cell and returns its public fields.
pub(crate) fn assign(opener: &mut Opener, opening: &InitOpening) -> Vec<Fields> {
    let position = opener.state_position(opening.sample.position);
    let leaf = opener.input(opening.sample.leaf, "first leaf");
    let root = opener.path_from(leaf, &position, &opening.path);
    opener.under(tag::STATE_ROOT, root, opener.publics.parent_root);
    vec![vec![(position.value, POSITION_BITS)], vec![(leaf, WHOLE)]]
}
