//! False openings are refused by the plain relation and by the circuit, and the two agree on any
//! opening.
//!
//! The circuit's witness is made from the inputs of an opening, so a false code or weight shows as
//! a root that does not fit; `removal.rs` has the adversary who writes false cells instead, one for
//! each constraint.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use pogo_circuits::circuit::instances;
use pogo_circuits::grid::Advice::Digit;
use pogo_circuits::grid::Origin::{Copied, Derived, Input};
use pogo_circuits::round::{Claim, Shape};
use pogo_circuits::testing::forging::Forgery;
use pogo_circuits::testing::reading::{Reading, read};
use pogo_circuits::testing::rounds::TestRound;
use pogo_circuits::testing::{Checker, Constraint, round};
use pogo_protocol::fixed::{self, BLOCK, LEAF, WORD_MAX, WORD_MIN};
use pogo_protocol::opening::{Openings, Violation};
use proptest::prelude::*;

const SHAPE: Shape = Shape::SMALLEST;
/// The step and the leaf whose update is shown.
const UPDATE: (usize, usize) = (1, 0);
const RATE: u32 = 1000;

type Round = (Claim, Openings);

/// A true round whose leaf 0 has, at step 1, codes of every kind: 0 has -3, 7 is saturated, 8 is
/// saturated low, 9 is zeroed. Blocks of the 4-bit leaf 0 have scales 10 and 1.
fn plain(alter: impl FnOnce(&mut TestRound)) -> TestRound {
    let mut round = TestRound::new(&SHAPE, 3, 1);
    round.rates[1] = RATE;
    for state in &mut round.states {
        (state.momenta[0], state.scales[0]) = ([0; LEAF], 100);
        (state.momenta[1], state.scales[1]) = ([0; LEAF], 100);
    }
    round.states[0].weights[0] = core::array::from_fn(|i| if i < BLOCK { (i as i32) << 20 } else { 3 << 24 });
    round.states[0].weights[0][0] = 127 << 23;
    round.states[0].weights[0][9] = WORD_MIN + 10;
    round.states[2].momenta[0] = core::array::from_fn(|i| 16 * (i as i32 % 7 - 3) + 3);
    round.states[2].momenta[0][7..10].copy_from_slice(&[1000, -1000, 1000]);
    alter(&mut round);
    round.settle();
    round
}

/// A round that is committed to as `alter` leaves it.
fn lie(alter: impl FnOnce(&mut TestRound)) -> Round {
    lie_at(UPDATE, 0, alter)
}

fn lie_at(update: (usize, usize), quantize: usize, alter: impl FnOnce(&mut TestRound)) -> Round {
    let mut round = plain(|_| {});
    alter(&mut round);
    round.open(&[update], &[quantize])
}

/// A true round with altered openings or roots.
fn altered(alter: impl FnOnce(&mut Claim, &mut Openings)) -> Round {
    let (mut claim, mut openings) = plain(|_| {}).open(&[UPDATE], &[0]);
    alter(&mut claim, &mut openings);
    (claim, openings)
}

/// What the plain relation says, and what the circuit breaks.
fn refusal((claim, openings): &Round) -> (Violation, Vec<String>) {
    let violation = openings.check(&claim.roots).expect_err("the openings are false");
    let forgery = Forgery::new(SHAPE, *claim, openings.clone());
    let broken = broken(&forgery);
    assert!(!broken.is_empty(), "{violation}, but the circuit is satisfied");
    (violation, broken)
}

fn broken(forgery: &Forgery) -> Vec<String> {
    let broken = Checker::default().broken(forgery.grid(), &instances(forgery.grid()));
    broken.iter().map(Constraint::to_string).collect()
}

const STEPS: &str = "copy digest <- steps root";
const STATE: &str = "copy digest <- state root";
const QUANTIZED: &str = "copy digest <- quantized root";

/// Sets a code and moves its weight by it.
fn apply(round: &mut TestRound, index: usize, code: i8) {
    round.codes[1][0][index] = code;
    let before = round.states[1].weights[0][index];
    round.states[2].weights[0][index] = fixed::update(before, code.into(), RATE);
}

#[test]
fn the_test_round_is_true() {
    let round = plain(|_| {});
    assert_eq!([0, 7, 8, 9].map(|i| round.codes[1][0][i]), [-3, 7, -7, 0]);
    assert_eq!(round.quantized[0].1, [10, 1]);
    let (claim, openings) = round.open(&[UPDATE], &[0]);
    assert_eq!(openings.check(&claim.roots), Ok(()));
    assert_eq!(broken(&Forgery::new(SHAPE, claim, openings)), [""; 0]);
}

#[test]
fn codes_that_are_not_the_rounded_momenta_are_rejected() {
    for (index, expected, got) in [(0, -3, -2), (0, -3, -4), (7, 7, 6), (8, -7, -6), (0, -3, 0)] {
        let (violation, broken) = refusal(&lie(|round| apply(round, index, got as i8)));
        assert_eq!(violation, Violation::Code { index, expected, got });
        assert_eq!(broken, [STEPS]);
    }
}

#[test]
fn a_code_that_should_be_zeroed_is_rejected() {
    // The weight cannot leave its range, so it stays or wraps.
    for after in [WORD_MIN + 10, WORD_MAX] {
        let (violation, broken) = refusal(&lie(|round| {
            round.codes[1][0][9] = 7;
            round.states[2].weights[0][9] = after;
        }));
        assert_eq!(violation, Violation::Code { index: 9, expected: 0, got: 7 });
        assert_eq!(broken, [STEPS]);
    }
}

#[test]
fn weights_off_by_one_are_rejected() {
    for change in [1, -1] {
        let (violation, broken) = refusal(&lie(|round| round.states[2].weights[0][5] += change));
        assert!(matches!(violation, Violation::Weight { index: 5, expected, got } if got - expected == change));
        assert_eq!(broken, [STEPS]);
    }
}

#[test]
fn another_learning_rate_is_rejected() {
    for rate in [RATE - 1, RATE + 1, 1] {
        let (violation, broken) = refusal(&altered(|_, openings| openings.updates[0].learning_rate = rate));
        assert!(matches!(violation, Violation::Weight { index: 0, .. }), "{violation}");
        assert_eq!(broken, [STEPS]);
    }
}

#[test]
fn codes_rounded_by_another_step_are_rejected() {
    for shift in [5, 6] {
        let (violation, broken) = refusal(&lie(|round| {
            for i in 0..LEAF {
                let (momentum, before) = (round.states[2].momenta[0][i], round.states[1].weights[0][i]);
                apply(round, i, fixed::code(momentum, shift, before, RATE) as i8);
            }
        }));
        assert!(matches!(violation, Violation::Code { .. }), "{violation}");
        assert_eq!(broken, [STEPS]);
    }
    // Scales of another step, 32 and (negative) none.
    let (violation, broken) = refusal(&lie(|round| round.states[2].scales[0] = 200));
    assert!(matches!(violation, Violation::Code { .. }), "{violation}");
    assert_eq!(broken, [STEPS]);
    let (violation, broken) = refusal(&lie(|round| round.states[2].scales[0] = -1));
    assert_eq!(violation, Violation::Scale { got: -1 });
    assert!(broken.contains(&"lookup 9 bits".into()), "{broken:?}");
}

#[test]
fn padding_that_is_not_zero_is_rejected() {
    let of_momentum = lie_at((1, 1), 0, |round| round.states[2].momenta[1][63] = 1);
    let of_weight = lie_at((1, 1), 0, |round| {
        (1..3).for_each(|state| round.states[state].weights[1][6] = 5);
    });
    let of_quantized = lie_at(UPDATE, 1, |round| round.states[3].weights[1][63] = -1);
    let (violation, broken) = refusal(&of_momentum);
    assert_eq!(violation, Violation::Padding { index: 63 });
    assert_eq!(broken, ["gate round: code = momentum rounded to the step / padding momentum is 0"]);
    let (violation, broken) = refusal(&of_weight);
    assert_eq!(violation, Violation::Padding { index: 6 });
    assert_eq!(broken, ["gate move: after = before - code * learning rate / padding weight before is 0"]);
    let (violation, broken) = refusal(&of_quantized);
    assert_eq!(violation, Violation::Padding { index: 63 });
    assert_eq!(broken, ["gate quantize: code = weight rounded to the block's step / padding weight is 0"]);
}

#[test]
fn more_padding_than_there_is_is_rejected() {
    let (violation, broken) = refusal(&altered(|_, openings| openings.updates[0].slot.padding = 1));
    assert_eq!(violation, Violation::Padding { index: 63 });
    assert!(broken.iter().all(|constraint| constraint.contains("padding")), "{broken:?}");
    let (violation, broken) = refusal(&altered(|_, openings| openings.quantizes[0].slot.padding = 63));
    assert_eq!(violation, Violation::Padding { index: 1 });
    assert_eq!(broken, ["gate quantize: code = weight rounded to the block's step / padding weight is 0"]);
}

/// 4-bit codes of a block under another scale.
fn requantize(round: &mut TestRound, block: usize, scale: u8, exponent: u32) {
    let (codes, scales) = &mut round.quantized[0];
    scales[block] = scale;
    let weights = &round.states[3].weights[0];
    for (code, &weight) in codes.iter_mut().zip(weights).skip(block * BLOCK).take(BLOCK) {
        *code = fixed::quantize(weight, scale.into(), exponent) as i8;
    }
}

#[test]
fn block_scales_that_are_not_the_smallest_that_hold_are_rejected() {
    for (block, expected, got) in [(0, 10, 11), (0, 10, 9), (1, 1, 2)] {
        let (violation, broken) = refusal(&lie(|round| requantize(round, block, got, 24)));
        assert_eq!(violation, Violation::BlockScale { block, expected, got: got.into() });
        assert_eq!(broken, [QUANTIZED]);
    }
}

#[test]
fn codes_of_4_bits_off_by_one_are_rejected() {
    for change in [1, -1] {
        let (violation, broken) = refusal(&lie(|round| round.quantized[0].0[40] += change));
        assert_eq!(violation, Violation::Code { index: 40, expected: 3, got: 3 + i32::from(change) });
        assert_eq!(broken, [QUANTIZED]);
    }
}

#[test]
fn another_exponent_than_that_of_the_codes_is_rejected() {
    let (violation, broken) = refusal(&lie(|round| round.half_steps[0] /= 2));
    assert_eq!(violation, Violation::BlockScale { block: 0, expected: 18, got: 10 });
    assert!(broken.contains(&QUANTIZED.to_string()));
}

#[test]
fn too_small_an_exponent_is_rejected_with_its_own_codes() {
    let (violation, broken) = refusal(&lie(|round| {
        round.half_steps[0] = 1 << 22;
        requantize(round, 0, 18, 23);
        requantize(round, 1, fixed::block_scale(3 << 24, 23) as u8, 23);
    }));
    assert_eq!(violation, Violation::Exponent { index: 0 });
    assert!(broken.iter().any(|constraint| constraint.starts_with("lookup")), "{broken:?}");
}

/// A leaf cannot show that its tensor's exponent is the smallest: a larger one with its own codes
/// is true of the leaf. The exponent is public, and replay compares it.
#[test]
fn too_large_an_exponent_is_true_of_a_leaf() {
    let mut round = plain(|round| {
        round.states[0].weights.iter_mut().flatten().for_each(|weight| *weight >>= 10);
    });
    for state in &mut round.states {
        state.momenta.iter_mut().for_each(|momenta| *momenta = [0; LEAF]);
    }
    round.settle();
    let exponent = round.half_steps[0].ilog2() + 2;
    round.half_steps[0] *= 2;
    for block in 0..2 {
        let weights = &round.states[3].weights[0][block * BLOCK..(block + 1) * BLOCK];
        let max = weights.iter().map(|weight| weight.unsigned_abs()).max().expect("weights");
        requantize(&mut round, block, fixed::block_scale(max, exponent) as u8, exponent);
    }
    let (claim, openings) = round.open(&[UPDATE], &[0]);
    assert_eq!(openings.check(&claim.roots), Ok(()));
    assert_eq!(broken(&Forgery::new(SHAPE, claim, openings)), [""; 0]);
}

#[test]
fn wrong_siblings_are_rejected() {
    let one = ark_bn254::Fr::from(1u64);
    type Sibling = fn(&mut Openings) -> &mut ark_bn254::Fr;
    let siblings: [(Sibling, &str); 9] = [
        (|o| &mut o.first.path[0], STEPS),
        (|o| &mut o.last.path[1], STEPS),
        (|o| &mut o.updates[0].path_before[1], STEPS),
        (|o| &mut o.updates[0].path_after[0], STEPS),
        (|o| &mut o.updates[0].path_update[1], STEPS),
        (|o| &mut o.updates[0].record_before.path[0], STEPS),
        (|o| &mut o.updates[0].record_after.path[1], STEPS),
        (|o| &mut o.quantizes[0].path[0], STATE),
        (|o| &mut o.quantizes[0].path_quantized[1], QUANTIZED),
    ];
    for (sibling, constraint) in siblings {
        let (violation, broken) = refusal(&altered(|_, openings| *sibling(openings) += one));
        assert!(matches!(violation, Violation::Path { .. }), "{violation}");
        assert_eq!(broken, [constraint]);
    }
}

#[test]
fn other_hashes_beside_the_openings_are_rejected() {
    let one = ark_bn254::Fr::from(1u64);
    type Hash = fn(&mut Openings) -> &mut ark_bn254::Fr;
    let hashes: [(Hash, &str); 8] = [
        (|o| &mut o.first.rest, STEPS),
        (|o| &mut o.last.rest, STEPS),
        (|o| &mut o.last.update_root, STEPS),
        (|o| &mut o.updates[0].momenta_hash_before, STEPS),
        (|o| &mut o.updates[0].record_before.update_root, STEPS),
        (|o| &mut o.updates[0].record_before.rest, STEPS),
        (|o| &mut o.updates[0].record_after.rest, STEPS),
        (|o| &mut o.quantizes[0].momenta_hash, STATE),
    ];
    for (hash, constraint) in hashes {
        let (violation, broken) = refusal(&altered(|_, openings| *hash(openings) += one));
        assert!(matches!(violation, Violation::Path { .. }), "{violation}");
        assert_eq!(broken, [constraint]);
    }
}

#[test]
fn leaves_at_other_positions_are_rejected() {
    for position in 1..4 {
        let (violation, broken) = refusal(&altered(|_, openings| openings.updates[0].slot.position = position));
        assert!(matches!(violation, Violation::Path { .. }), "{violation}");
        assert_eq!(broken, [STEPS]);
        let (violation, broken) = refusal(&altered(|_, openings| openings.quantizes[0].slot.position = position));
        assert!(matches!(violation, Violation::Path { .. }), "{violation}");
        assert_eq!(broken, [QUANTIZED, STATE]);
    }
}

#[test]
fn a_step_opened_as_another_is_rejected() {
    for step in [0, 2] {
        let (violation, broken) = refusal(&altered(|_, openings| openings.updates[0].step = step));
        assert_eq!(violation, Violation::Path { what: "the leaf before the step", root: "steps" });
        assert_eq!(broken, [STEPS]);
    }
    // With the records of that step, but the leaves of this one.
    let other = plain(|_| {}).open(&[(0, 0)], &[0]).1.updates.remove(0);
    let (violation, broken) = refusal(&altered(|_, openings| {
        let update = &mut openings.updates[0];
        (update.step, update.record_before, update.record_after) = (0, other.record_before, other.record_after);
    }));
    assert!(matches!(violation, Violation::Path { .. }), "{violation}");
    assert_eq!(broken, [STEPS]);
}

#[test]
fn the_codes_of_another_step_are_rejected() {
    let (violation, broken) = refusal(&altered(|_, openings| {
        let other = plain(|_| {}).open(&[(2, 0)], &[0]).1.updates.remove(0);
        (openings.updates[0].codes, openings.updates[0].path_update) = (other.codes, other.path_update);
    }));
    assert_eq!(violation, Violation::Path { what: "the leaf after the step with its codes", root: "steps" });
    assert_eq!(broken, [STEPS]);
}

#[test]
fn another_number_of_records_is_rejected() {
    for count in [1, 2, 3, 5] {
        let (violation, broken) = refusal(&altered(|claim, _| claim.roots.record_count = count));
        assert!(matches!(violation, Violation::Path { root: "steps", .. }), "{violation}");
        assert!(broken.contains(&STEPS.to_string()));
    }
}

#[test]
fn a_final_state_that_is_not_the_last_records_is_rejected() {
    // The state of record 2, in which the quantize cell is then opened.
    let other = plain(|_| {});
    let (_, openings) = other.open(&[UPDATE], &[0]);
    let (violation, broken) = refusal(&altered(|claim, _| claim.roots.state += ark_bn254::Fr::from(1u64)));
    assert_eq!(violation, Violation::Path { what: "the last record with the final state root", root: "steps" });
    assert_eq!(broken, [STATE, STEPS]);
    let (violation, broken) = refusal(&altered(|_, altered| altered.last = openings.updates[0].record_after.clone()));
    assert_eq!(violation, Violation::Path { what: "the last record with the final state root", root: "steps" });
    assert_eq!(broken, [STEPS]);
}

#[test]
fn a_parent_that_is_not_record_0_is_rejected() {
    let (violation, broken) = refusal(&altered(|claim, _| claim.roots.parent = claim.roots.state));
    assert_eq!(violation, Violation::Path { what: "record 0 with the parent root", root: "steps" });
    assert_eq!(broken, [STEPS]);
}

#[test]
fn other_roots_are_rejected() {
    let one = ark_bn254::Fr::from(1u64);
    let (_, broken) = refusal(&altered(|claim, _| claim.roots.layout += one));
    assert_eq!(broken, [QUANTIZED, STATE, STEPS]);
    let (_, broken) = refusal(&altered(|claim, _| claim.roots.steps += one));
    assert_eq!(broken, [STEPS]);
    let (_, broken) = refusal(&altered(|claim, _| claim.roots.quantized += one));
    assert_eq!(broken, [QUANTIZED]);
}

#[test]
fn words_out_of_range_are_rejected() {
    let words = [(Input, "weight before"), (Input, "momentum"), (Input, "gradient scale"), (Input, "weight")];
    for (origin, name) in words {
        for limb in 0..3 {
            // Beyond the limb's bits, or negative.
            for change in [1 << if limb == 0 { 9 } else { 11 }, -(1 << 11)] {
                let (claim, openings) = plain(|_| {}).open(&[UPDATE], &[0]);
                let mut forgery = Forgery::new(SHAPE, claim, openings);
                forgery.add((origin, name, Digit), limb, change);
                forgery.commit();
                let expected = if limb == 0 { "lookup 9 bits" } else { "lookup 11 bits" };
                assert!(broken(&forgery).contains(&expected.into()), "limb {limb} of {name} + {change}");
            }
        }
    }
}

/// The value stays, its digits are others.
#[test]
fn other_decompositions_are_rejected() {
    let forge = |high, low, forge: fn(&mut Forgery, usize, i128)| {
        let (claim, openings) = plain(|_| {}).open(&[UPDATE], &[0]);
        let mut forgery = Forgery::new(SHAPE, claim, openings);
        forge(&mut forgery, high, -1);
        forge(&mut forgery, high + 1, low);
        broken(&forgery)
    };
    let limbs = forge(0, 1 << 11, |f, nth, change| f.add((Input, "momentum", Digit), nth, change));
    assert_eq!(limbs, ["lookup 11 bits"]);
    let bits = forge(0, 2, |f, nth, change| f.add((Input, "step bit", Digit), nth, change));
    assert!(bits.contains(&"lookup bit".into()), "{bits:?}");
    let codes = forge(0, 15, |f, nth, change| f.add((Copied, "packed codes", Digit), nth, change));
    assert_eq!(codes, ["lookup code", "copy packed codes <- code"]);
    let words = forge(0, 0, |f, nth, change| {
        // One more in the next slot of the element, and 2^31 less in this one.
        let change = if change == -1 { -1 } else { 1 << 31 };
        f.add((Copied, "packed words", Digit), nth, change);
    });
    assert_eq!(words, ["copy packed words <- weight before"]);
}

#[test]
fn bits_that_are_no_bits_are_rejected() {
    let places = [
        (Input, "padding mark"),
        (Input, "position bit"),
        (Input, "step bit"),
        (Input, "last record bit"),
        (Input, "select bit"),
        (Derived, "next step bit"),
        (Derived, "saturated high"),
        (Derived, "saturated low"),
        (Derived, "smallest step"),
        (Derived, "zeroed"),
        (Derived, "above the range"),
        (Derived, "scale is 1"),
        (Derived, "chosen weight is positive"),
    ];
    for (origin, name) in places {
        for value in [Fr::from(2), -Fr::ONE, Fr::from(2).invert().expect("2 is not 0")] {
            let (claim, openings) = plain(|_| {}).open(&[UPDATE], &[0]);
            let mut forgery = Forgery::new(SHAPE, claim, openings);
            forgery.set((origin, name, Digit), 0, value);
            assert!(broken(&forgery).contains(&"lookup bit".into()), "{name} = {value:?}");
        }
    }
}

/// One alteration of a round before or after it is committed to.
#[derive(Clone, Copy, Debug)]
struct Alteration {
    what: u8,
    index: usize,
    change: i32,
}

fn alterations() -> impl Strategy<Value = Vec<Alteration>> {
    let change = prop_oneof![Just(1), Just(-1), -20..20i32, any::<i32>()];
    let alteration = (any::<u8>(), 0..LEAF, change);
    prop::collection::vec(alteration.prop_map(|(what, index, change)| Alteration { what, index, change }), 0..3)
}

fn word(word: i32, change: i32) -> i32 {
    word.wrapping_add(change).clamp(WORD_MIN, WORD_MAX)
}

impl Alteration {
    /// Of what is committed to.
    fn of_round(self, round: &mut TestRound, (step, leaf): (usize, usize), quantize: usize) {
        let Self { what, index, change } = self;
        let (states, codes) = (&mut round.states, &mut round.codes[step][leaf]);
        let code = |code: i8| (i32::from(code).wrapping_add(change)).clamp(-7, 7) as i8;
        let after = &mut states[step + 1];
        match what % 10 {
            0 => codes[index] = code(codes[index]),
            1 => after.weights[leaf][index] = word(after.weights[leaf][index], change),
            2 => after.momenta[leaf][index] = word(after.momenta[leaf][index], change),
            3 => after.scales[leaf] = word(after.scales[leaf], change),
            4 => states[step].weights[leaf][index] = word(states[step].weights[leaf][index], change),
            5 => states[step].momenta[leaf][index] = word(states[step].momenta[leaf][index], change),
            6 => round.quantized[quantize].0[index] = code(round.quantized[quantize].0[index]),
            7 => round.quantized[quantize].1[index % 2] = (change.unsigned_abs() % 18 + 1) as u8,
            8 => round.half_steps[0] = 1 << (change.unsigned_abs() % 24),
            _ => round.states[3].weights[quantize][index] = word(round.states[3].weights[quantize][index], change),
        }
    }

    /// Of what the circuit reads from the openings, within what statements can say.
    fn of_openings(self, claim: &mut Claim, openings: &mut Openings) {
        let Self { what, index, change } = self;
        let element = ark_bn254::Fr::from(i64::from(change));
        let (update, quantize) = (&mut openings.updates[0], &mut openings.quantizes[0]);
        match what % 16 {
            0 => update.slot.position = index % 4,
            1 => update.slot.padding = index,
            2 => update.step = (index % 3) as u32,
            3 => update.learning_rate = (update.learning_rate.wrapping_add_signed(change) % (1 << 26)).max(1),
            4 => update.weights_before[index] = word(update.weights_before[index], change),
            5 => update.momenta_after[index] = word(update.momenta_after[index], change),
            6 => update.scale_after = word(update.scale_after, change),
            7 => update.momenta_hash_before += element,
            8 => update.record_before.update_root += element,
            9 => update.path_after[index % 2] += element,
            10 => quantize.slot.position = index % 4,
            11 => quantize.slot.padding = index,
            12 => quantize.weights[index] = word(quantize.weights[index], change),
            13 => quantize.path_quantized[index % 2] += element,
            14 => claim.roots.record_count = 1 + change.unsigned_abs() % 4,
            _ => openings.last.rest += element,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    /// Satisfied if and only if true, for openings under roots that hold whatever was altered.
    #[test]
    fn the_circuit_is_satisfied_exactly_by_what_the_plain_relation_accepts(
        seed in 0u64..1 << 20, before in alterations(), settle: bool, after in alterations(), honest: bool,
    ) {
        let mut round = TestRound::new(&SHAPE, 3, seed);
        let (update, quantize) = ((seed as usize % 3, seed as usize / 3 % 4), seed as usize / 12 % 4);
        before.iter().for_each(|alteration| alteration.of_round(&mut round, update, quantize));
        if settle {
            round.settle();
        }
        let (mut claim, mut openings) = round.open(&[update], &[quantize]);
        if !honest {
            after.iter().for_each(|alteration| alteration.of_openings(&mut claim, &mut openings));
        }
        let forgery = Forgery::new(SHAPE, claim, openings.clone());
        let satisfied = broken(&forgery).is_empty();
        prop_assert_eq!(satisfied, openings.check(&claim.roots).is_ok(), "{:?}", broken(&forgery));
        // What the grid says is what was opened.
        if satisfied {
            let Reading::Claim(read) = read(&SHAPE, forgery.grid(), &instances(forgery.grid())) else {
                return Err(TestCaseError::fail("a satisfied grid makes no claim"));
            };
            let mut opened = openings;
            opened.first.update_root = ark_bn254::Fr::from(0u64);
            opened.updates[0].record_after.update_root = ark_bn254::Fr::from(0u64);
            prop_assert_eq!(*read, (claim.roots, opened));
        }
    }
}

#[test]
fn openings_of_many_samples_agree() {
    let shape = Shape { k: 15, updates: 8, quantizes: 8, tree_depth: 5, steps_depth: 3, trace_depth: 8 };
    let (claim, openings) = round(&shape, 5);
    let forgery = Forgery::new(shape, claim, openings.clone());
    assert_eq!(openings.check(&claim.roots), Ok(()));
    assert_eq!(broken(&forgery), [""; 0]);
    let reading = read(&shape, forgery.grid(), &instances(forgery.grid()));
    assert!(matches!(&reading, Reading::Claim(read) if read.0 == claim.roots));
    assert!(reading.is_right());
}
