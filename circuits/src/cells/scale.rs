//! The scale cell: some weight of a tensor reaches the public magnitude that needs its 4-bit exponent.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use pogo_protocol::cell::peak::COUNT_BITS;
use pogo_protocol::cell::scale::ScaleOpening;
use pogo_protocol::leaf::tag;
use pogo_protocol::statement::{POSITION_BITS, WORD_FIELD_BITS};

use super::opened::{Fields, Opener};
use super::peak::{choose, chosen_magnitude, position, rows};
use crate::chips::poseidon::{Operand, convert};
use crate::chips::values::Source;

/// Assigns one scale cell and returns its public fields.
pub(crate) fn assign(opener: &mut Opener, opening: &ScaleOpening) -> Vec<Fields> {
    let sample = &opening.sample;
    let leaves = rows(opener, sample.leaves, POSITION_BITS);
    let least = opener.arithmetic.lines.word(&mut opener.grid, sample.least.into(), Source::Input, "least magnitude");
    let place = choose(opener, opening.choice, [sample.rows, sample.columns]);
    let at = position(opener, leaves, &place, opener.depths.tree);

    let slots = opener.words(&opening.weights, "weight");
    let half = opener.hash_words(tag::WEIGHTS, &slots);
    let momenta = Operand::Input(convert(opening.momenta_hash), "momenta hash");
    let leaf = opener.lane.hash(&mut opener.grid, tag::STATE, Operand::Copy(half), momenta);
    let root = opener.path(leaf, &at, &opening.path);
    opener.under(tag::STATE_ROOT, root, opener.publics.state_root);

    let weights: Vec<_> = slots.into_iter().map(|slot| opener.signed(slot)).collect();
    let largest = (0..weights.len()).max_by_key(|&j| opener.grid.integer(weights[j]).abs()).unwrap_or(0);
    let magnitude = chosen_magnitude(opener, &weights, largest);
    let terms = [(least, -Fr::ONE), (magnitude, Fr::ONE)];
    let above = opener.arithmetic.linear(&mut opener.grid, &terms, "above the least magnitude");
    opener.arithmetic.natural_of(&mut opener.grid, above, 3);
    let mut fields: Fields = leaves.map(|number| (number, POSITION_BITS)).to_vec();
    fields.extend([(place.rows, COUNT_BITS), (place.columns, COUNT_BITS), (least, WORD_FIELD_BITS)]);
    vec![fields]
}
