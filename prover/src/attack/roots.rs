//! Attacks on encodings, ranges and trees: D10, D15, D16.

use ark_bn254::Fr;
use pogo_protocol::cell::{Cell, Kind};
use pogo_protocol::challenge::UpdateSample;
use pogo_protocol::codec::{scalar, scalar_bytes};
use pogo_protocol::commitment::Commitment;
use pogo_protocol::fixed::{self, CODE_MAX, LEAF, LEARNING_RATE_BOUND, WORD_MAX, WORD_MIN};
use pogo_protocol::leaf::{self, tag};
use pogo_protocol::merkle::{Layout, Tree, hash_pairs, node, root_of};
use pogo_protocol::model::State;
use pogo_protocol::opening::{UpdateOpening, Violation};
use pogo_protocol::poseidon;
use pogo_protocol::record::{StepRecord, steps_root};
use pogo_protocol::statement::Part;

use super::court::Court;
use super::ground::STEPS;
use super::mine::Mined;
use super::states::judge;
use super::{Failed, Fate, Ground, Seen};

/// The miner of D10 wants many commitments for the same work.
pub(super) fn grinding(ground: &Ground) -> Result<Seen, Failed> {
    let commitment = Mined::honest(ground.job())?.commitment;
    let (bytes, hash) = (commitment.encode(), commitment.hash());
    let again = Mined::honest(ground.job())?.commitment;
    let flipped = (0..bytes.len() * 8).all(|bit| {
        let mut other = bytes.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        Commitment::decode(&other).map_or(true, |other| other.hash() != hash)
    });
    // A field element is a number below the modulus: 0 has no second encoding.
    let mut modulus = scalar_bytes(&-Fr::from(1u64));
    modulus[31] += 1;
    let encoded = Seen::all_held(&[
        ("the same work gives another commitment", again.encode() == bytes),
        ("a bit of the commitment is free", flipped),
        ("a commitment may be longer", Commitment::decode(&[&bytes[..], &[0]].concat()).is_err()),
        ("a commitment may be shorter", Commitment::decode(&bytes[..bytes.len() - 1]).is_err()),
        ("an element has two encodings", scalar(&modulus).is_none()),
    ]);
    if encoded.fate != Fate::Stopped {
        return Ok(encoded);
    }
    // A salt after the last leaf of the final state breaks a vacant cell, which a dispute names.
    let salted = Mined::honest(ground.job_of(&ground.traced))?;
    let salted = salted.salt(ground.traced.layout.position_count(), Fr::from(77u64))?;
    let mut worst = judge(&salted, &ground.store("d10-vacant")?)?;
    if !Court::with_digests(&salted)?.ends_unanswered(Cell::new(Kind::Vacant, STEPS - 1, 1))? {
        return Ok(Seen::unseen("the dispute of a vacant cell does not end the candidate"));
    }
    // A salt in any other field of a record breaks the cells that read it; one in the exponents that the
    // last step asks for, which nobody uses in this round, a peak cell.
    let salts: [Salt; 5] = [
        ("d10-loss", 4, |record| record.loss += 1),
        ("d10-trace", 4, |record| record.trace_root = Fr::from(77u64)),
        ("d10-used", 4, |record| record.exponents.iter_mut().for_each(|used| used.errors[0] += 1)),
        ("d10-next", 4, raise),
        ("d10-last", STEPS - 1, raise),
    ];
    for (store, step, salt) in salts {
        let mined = Mined::new(ground.job_of(&ground.traced), State::initial(&ground.traced.spec), |t, draft| {
            if t == step {
                salt(&mut draft.record);
            }
        })?;
        let seen = judge(&mined, &ground.store(store)?)?;
        if seen.fate >= worst.fate {
            worst = seen;
        }
    }
    Ok(worst)
}

/// Where a salted round is written, which step's record has the salt, and the salt.
type Salt = (&'static str, u32, fn(&mut StepRecord));

/// Asks for more room than is needed.
fn raise(record: &mut StepRecord) {
    record.next_exponents.iter_mut().for_each(|next| next.errors[0] += 1);
}

pub(super) fn edges(ground: &Ground) -> Result<Seen, Failed> {
    let mined = Mined::honest(ground.job())?;
    let roots = mined.commitment.roots(&ground.round.layout);
    let part = Part { updates: vec![UpdateSample { step: 2, leaf: 3 }], quantizes: Vec::new() };
    let honest = mined.openings(&part)?.updates.remove(0);
    honest.check(&roots).map_err(|violation| format!("an honest opening is refused: {violation}"))?;
    let refused = |change: fn(&mut UpdateOpening)| {
        let mut opening = honest.clone();
        change(&mut opening);
        opening.check(&roots).is_err()
    };
    let out_of_leaf = |change: fn(&mut UpdateOpening)| {
        let mut opening = honest.clone();
        change(&mut opening);
        matches!(opening.check(&roots), Err(Violation::Leaf(_)))
    };
    Ok(Seen::all_held(&[
        ("a word above 2^30 - 1 has a place", out_of_leaf(|opening| opening.weights_after[0] = WORD_MAX + 1)),
        ("a word below -2^30 has a place", out_of_leaf(|opening| opening.weights_before[0] = WORD_MIN - 1)),
        ("a momentum of 2^31 - 1 has a place", out_of_leaf(|opening| opening.momenta_after[0] = i32::MAX)),
        ("a code of 8 has a place", out_of_leaf(|opening| opening.codes[0] = 8)),
        ("a negative scale is taken", refused(|opening| opening.scale_after = -1)),
        ("a learning rate of 2^31 is taken", refused(|opening| opening.learning_rate = u32::MAX)),
        ("an update leaves the range of a word", updates_stay_in_range()),
    ]))
}

/// The code and the update at every edge, against the same in wide integers.
fn updates_stay_in_range() -> bool {
    let words = [WORD_MIN, WORD_MIN + 1, -1, 0, 1, WORD_MAX - 1, WORD_MAX];
    let rates = [1, 2, LEARNING_RATE_BOUND / 2, LEARNING_RATE_BOUND - 1];
    let scales = [0, 1, 127, 128, WORD_MAX];
    let places = words.iter().flat_map(|&weight| words.map(|momentum| (weight, momentum)));
    places.flat_map(|place| rates.map(|rate| (place, rate))).all(|((weight, momentum), rate)| {
        scales.iter().all(|&scale| {
            let shift = fixed::code_shift(scale);
            let wide = |code: i128| i128::from(weight) - code * i128::from(rate);
            let in_range = |updated: i128| (WORD_MIN.into()..=WORD_MAX.into()).contains(&updated);
            // Rounded to the nearest, halves upwards, then clamped; 0 where the weight would leave.
            let rounded = (i128::from(momentum) + (1 << (shift - 1))) >> shift;
            let clamped = rounded.clamp((-CODE_MAX).into(), CODE_MAX.into());
            let expected = if in_range(wide(clamped)) { clamped } else { 0 };
            let code = fixed::code(momentum, shift, weight, rate);
            i128::from(code) == expected && i128::from(fixed::update(weight, code, rate)) == wide(expected)
        })
    })
}

pub(super) fn second_preimages(_: &Ground) -> Result<Seen, Failed> {
    let half = leaf::weights_hash(&[1; LEAF])?;
    let (a, b) = (leaf::state_leaf(half, half), half);
    let tree = |leaves: &[Fr]| Tree::new(3, leaves.to_vec(), hash_pairs);
    // One pair of elements under every tag: a node is no leaf, no record, no root.
    let tags = [tag::NODE, tag::STATE, tag::UPDATE, tag::QUANTIZED, tag::PAIR, tag::RECORD, tag::STATE_ROOT];
    let hashes = tags.map(|tag| poseidon::hash(Fr::from(tag), half, half));
    let layouts = [vec![(3, 64), (2, 64)], vec![(5, 64)], vec![(3, 63), (2, 64)]];
    let layouts: Vec<Fr> =
        layouts.into_iter().map(|shapes| Ok(Layout::new(4, shapes)?.element())).collect::<Result<_, Failed>>()?;
    let (deep, inner) = (tree(&[a, b, b, a]), node(a, b));
    Ok(Seen::all_held(&[
        ("two tags give one hash", are_distinct(&hashes)),
        ("the last leaf may be doubled", tree(&[a, b, b]).root() != tree(&[a, b, b, b]).root()),
        ("the number of records is free", steps_root(tree(&[a, b]).root(), 2) != steps_root(tree(&[a, b]).root(), 3)),
        ("two shapes have one layout", are_distinct(&layouts)),
        ("an inner node is no node of its tree", root_of(inner, 0, &deep.path(0)[1..]) == deep.root()),
        ("an inner node passes for a leaf", root_of(inner, 0, &deep.path(0)) != deep.root()),
        ("a leaf has two positions", (1..8).all(|index| root_of(a, index, &deep.path(0)) != deep.root())),
    ]))
}

fn are_distinct(elements: &[Fr]) -> bool {
    elements.iter().enumerate().all(|(i, element)| !elements[i + 1..].contains(element))
}
