//! Every constraint is needed: for each there is a grid that breaks it alone and makes a false
//! claim, so that a circuit without it would accept a lie.
//!
//! `cargo test -p pogo-circuits --test removal -- --nocapture` prints the table.

use std::collections::BTreeMap;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use pogo_circuits::circuit::instances;
use pogo_circuits::grid::Advice::{self, Digit, Parameter, State0, State1, State2, Value};
use pogo_circuits::grid::Origin::{Copied, Derived, Input};
use pogo_circuits::grid::field;
use pogo_circuits::round::Shape;
use pogo_circuits::testing::forging::{Forgery, Place};
use pogo_circuits::testing::reading::read;
use pogo_circuits::testing::rounds::TestRound;
use pogo_circuits::testing::{Checker, Constraint, checker};
use pogo_protocol::fixed::LEAF;

const SHAPE: Shape = Shape::SMALLEST;

/// Constraints without an attack, and why.
const BOUND_ELSEWHERE: [(Constraint, &str); 2] = [
    (Constraint::Public(0), "no cell reads the statement digest: the proof's transcript absorbs it"),
    (Constraint::Public(1), "no cell reads the statement digest: the proof's transcript absorbs it"),
];

/// The weight that attacks on the update cell alter, and its place among the 64, last first. In
/// [`calm`] it has momentum 35, step 16, hence code 2 and a remainder of 11.
const WEIGHT: usize = 5;
const NTH: usize = LEAF - 1 - WEIGHT;
const STEP: i128 = 16;
const REST: i128 = 11;
const CODE: i128 = 2;
const RATE: i128 = 1000;
/// A remainder is shown as a multiple of this.
const INVERSE: i128 = 1 << 27;
/// The weight of the second block that attacks on the quantize cell alter: scale 1.
const SMALL: usize = 40;
/// Units of the weights of [`coarse`]: the step of a block of scale 1.
const UNIT: i128 = 1 << 24;
/// The largest weight of the first block of [`coarse`], whose scale is 10.
const LARGE: i128 = 127 * UNIT / 2;

/// A grid that breaks one constraint.
struct Attack {
    how: &'static str,
    forgery: Forgery,
}

impl Attack {
    /// Rebuilds the roots over what the grid holds.
    fn committed(how: &'static str, mut forgery: Forgery, forge: impl FnOnce(&mut Forgery)) -> Self {
        forge(&mut forgery);
        forgery.commit();
        Self { how, forgery }
    }

    /// Enters the constraint that the grid breaks, when it is one and the claim is false; says what
    /// is wrong otherwise.
    fn enter(self, checker: &Checker, table: &mut BTreeMap<Constraint, &'static str>) -> Option<String> {
        let Self { how, forgery } = self;
        let instances = instances(forgery.grid());
        let broken = checker.broken(forgery.grid(), &instances);
        let lie = !read(&SHAPE, forgery.grid(), &instances).is_right();
        let fault = format!("{how}: lie {lie}, broken {broken:?}");
        let alone = broken.len() == 1 && lie;
        table.extend(broken.into_iter().filter(|_| alone).map(|constraint| (constraint, how)));
        (!alone).then_some(fault)
    }
}

/// A round of three steps of which step 1 of leaf 0 is shown, with small values in that leaf.
fn calm(alter: impl FnOnce(&mut TestRound)) -> Forgery {
    calm_round(3, 1, alter)
}

fn calm_round(steps: usize, step: usize, alter: impl FnOnce(&mut TestRound)) -> Forgery {
    let mut round = TestRound::new(&SHAPE, steps, 1);
    round.rates[step] = RATE as u32;
    for state in &mut round.states {
        (state.momenta[0], state.scales[0]) = ([0; LEAF], 100);
        (state.momenta[1], state.scales[1]) = ([0; LEAF], 100);
    }
    round.states[0].weights[0] = core::array::from_fn(|i| i as i32 * 10_000);
    round.states[step + 1].momenta[0] = core::array::from_fn(|i| 16 * (i as i32 % 7 - 3) + 3);
    alter(&mut round);
    round.settle();
    open(&round, (step, 0), 0)
}

fn open(round: &TestRound, update: (usize, usize), quantize: usize) -> Forgery {
    let (claim, openings) = round.open(&[update], &[quantize]);
    Forgery::new(SHAPE, claim, openings)
}

/// A round whose 4-bit leaf 0 has blocks of scales 10 and 1; `sign` is that of the largest weight.
fn coarse(sign: i32) -> Forgery {
    coarse_round(sign, |_| {})
}

fn coarse_round(sign: i32, alter: impl FnOnce(&mut TestRound)) -> Forgery {
    let mut round = TestRound::new(&SHAPE, 3, 1);
    for state in &mut round.states {
        (state.momenta[0], state.scales[0]) = ([0; LEAF], 100);
    }
    round.states[0].weights[0] = core::array::from_fn(|i| match i {
        0 => sign * LARGE as i32,
        1..32 => (i as i32) << 20,
        _ => 3 * UNIT as i32 + i as i32,
    });
    round.settle();
    alter(&mut round);
    open(&round, (1, 2), 0)
}

/// Attacks on the permutation: one altered cell of each kind. In paths it is one of the codes: the
/// tree of records is opened four times, so a false node in one path fits none of the others.
fn poseidon_attacks() -> Vec<Attack> {
    const ALTERED: [(&str, Place, usize); 18] = [
        ("a full round", (Derived, "full round", State0), 0),
        ("a full round", (Derived, "full round", State1), 0),
        ("a full round", (Derived, "full round", State2), 0),
        ("the first partial rounds", (Derived, "entry", State0), 0),
        ("the first partial rounds", (Derived, "entry", State1), 0),
        ("the first partial rounds", (Derived, "entry", State2), 0),
        ("three partial rounds", (Derived, "partial rounds", State0), 0),
        ("three partial rounds", (Derived, "partial rounds", State1), 0),
        ("three partial rounds", (Derived, "partial rounds", State2), 0),
        ("the last partial rounds", (Derived, "exit", State0), 0),
        ("the last partial rounds", (Derived, "exit", State1), 0),
        ("the last partial rounds", (Derived, "exit", State2), 0),
        ("the state of a sponge", (Derived, "sponge state", State0), 0),
        ("the state of a sponge", (Derived, "sponge state", State1), 0),
        ("the state of a sponge", (Derived, "sponge state", State2), 0),
        ("another digest", (Derived, "digest", Advice::Link), 0),
        ("another tag", (Derived, "capacity", State0), 0),
        ("another tag in a path", (Derived, "capacity", State0), 11),
    ];
    let mut attacks: Vec<_> =
        ALTERED.map(|(how, place, nth)| Attack::committed(how, calm(|_| {}), |f| f.add(place, nth, 1))).into();
    attacks.push(Attack::committed("a path that starts elsewhere", calm(|_| {}), |f| {
        f.add((Derived, "path digest", State1), 2, 1);
    }));
    attacks
}

/// Attacks on the lines and on the digit lookup.
fn line_attacks() -> Vec<Attack> {
    let calm = || self::calm(|_| {});
    let two_steps = || calm_round(2, 0, |_| {});
    vec![
        Attack::committed("packed codes that are others", calm(), |f| {
            f.add((Derived, "packed codes", Value), 63, 1);
        }),
        Attack::committed("a padding count of 1 without a mark", calm(), |f| {
            f.add((Derived, "padding count", Value), 63, 1);
        }),
        Attack::committed(
            "padding at the start of the leaf",
            self::calm(|round| round.states[2].momenta[0][0] = 0),
            |f| f.add((Input, "padding mark", Digit), 63, 1),
        ),
        Attack::committed("a sum that is not that of the chosen weight, for too large a scale", coarse(1), |f| {
            f.add((Derived, "block scale", Digit), 0, 1);
            f.add((Derived, "select sum", Parameter), 31, 7 * UNIT);
        }),
        Attack::committed(
            "one mark that counts as two",
            self::calm(|round| {
                round.states[0].weights[0][63] = 0;
                round.states[2].momenta[0][63] = 0;
            }),
            |f| f.add((Input, "padding mark", Digit), 0, 2),
        ),
        Attack::committed("a momentum of 2^31, which is one more in the next slot", calm(), |f| {
            f.add((Input, "momentum", Digit), 3 * NTH, 1 << 9);
        }),
        Attack::committed("a negative remainder", calm(), |f| {
            f.add((Derived, "rounded momentum", Digit), NTH, 1);
            f.add((Derived, "remainder", Digit), 3 * NTH + 2, -(1 << 31));
        }),
        Attack::committed(
            "a code of 8, which leaves the range where 7 does not",
            self::calm(|round| {
                round.states[0].weights[0][WEIGHT] = -(1 << 30) + 7_500;
                round.states[2].momenta[0][WEIGHT] = 8 * 16;
            }),
            |f| {
                f.add((Derived, "rounded momentum", Digit), NTH, 1);
                f.add((Derived, "saturated high", Digit), NTH, -1);
                f.set_number("remainder", NTH, 8 * INVERSE);
            },
        ),
        Attack::committed(
            "a block scale of 19 under too small an exponent",
            coarse_round(1, |round| round.half_steps[0] = 1 << 22),
            |f| {
                f.add((Derived, "block scale", Digit), 0, 1);
                f.set_number("weight above the smaller scale", 0, LARGE - 18 * 7 * UNIT / 2 - 1);
            },
        ),
        Attack::committed(
            "a rounding step of 100",
            self::calm(|round| {
                round.states[2].scales[0] = 400;
                round.states[2].momenta[0] = core::array::from_fn(|i| 100 * (i as i32 % 15 - 7) - 50);
            }),
            |f| {
                f.add((Derived, "rounding step", Digit), 0, 100 - 64);
                f.set_number("scale above its step", 0, 0);
            },
        ),
        Attack::committed("a zero that is 1: padding of hashes and index of the first record", two_steps(), |f| {
            f.add((Derived, "constant", Digit), 0, 1);
        }),
        Attack::committed("the step after the next", two_steps(), |f| {
            f.add((Derived, "one", Digit), 1, 2);
        }),
    ]
}

/// Attacks on the rules of the update cell.
fn update_attacks() -> Vec<Attack> {
    let calm = || self::calm(|_| {});
    let scale_200 = || self::calm(|round| round.states[2].scales[0] = 200);
    let digit = (Derived, "rounded momentum", Digit);
    let padded = |alter: fn(&mut TestRound)| {
        let mut round = TestRound::new(&SHAPE, 3, 1);
        round.states.iter_mut().for_each(|state| (state.momenta[1], state.scales[1]) = ([0; LEAF], 100));
        alter(&mut round);
        round.settle();
        open(&round, (1, 1), 0)
    };
    let momentum_in_padding = || padded(|round| round.states[2].momenta[1][63] = 1);
    let weight_in_padding = || padded(|round| round.states[0].weights[1][63] = 5);
    vec![
        Attack::committed("step 32 for the smallest scales", calm(), |f| {
            f.add((Derived, "rounding step", Digit), 0, 16);
        }),
        Attack::committed("an inverse of 0: every remainder is in range", calm(), |f| {
            f.set((Derived, "inverse of the rounding step", Parameter), 0, Fr::ZERO);
            (0..LEAF).for_each(|nth| f.set_number("remainder", nth, 0));
            f.add(digit, NTH, 1);
        }),
        Attack::committed("step 64 for a scale of 200", scale_200(), |f| {
            f.add((Derived, "rounding step", Digit), 0, 32);
        }),
        Attack::committed("a lower code as if it were saturated", calm(), |f| {
            f.add(digit, NTH, -1);
            f.add((Derived, "saturated high", Digit), NTH, 1);
            f.set_number("remainder", NTH, REST + STEP);
        }),
        Attack::committed("a higher code as if it were saturated", calm(), |f| {
            f.add(digit, NTH, 1);
            f.add((Derived, "saturated low", Digit), NTH, 1);
            f.set_number("remainder", NTH, STEP - 1 - (REST - STEP));
        }),
        Attack::committed("a higher code with the old remainder", calm(), |f| f.add(digit, NTH, 1)),
        Attack::committed("a momentum in the padding", momentum_in_padding(), |_| {}),
        Attack::committed("a code that is not the rounded momentum", calm(), |f| {
            f.add((Derived, "code", Digit), NTH, 1);
            f.add_number("weight after", NTH, -RATE);
        }),
        Attack::committed("a weight one too large", calm(), |f| f.add_number("weight after", NTH, 1)),
        Attack::committed("a code zeroed without need", calm(), |f| {
            f.add((Derived, "zeroed", Digit), NTH, 1);
            f.add((Derived, "code", Digit), NTH, -CODE);
            f.add_number("weight after", NTH, CODE * RATE);
        }),
        Attack::committed("a weight in the padding", weight_in_padding(), |_| {}),
        // Copies into the rules.
        Attack::committed("the step of another scale", calm(), |f| {
            f.add((Copied, "gradient scale", Value), 0, 100);
            f.add((Derived, "smallest step", Digit), 0, -1);
            f.add((Derived, "rounding step", Digit), 0, 16);
            f.set_number("scale above its step", 0, (200 - 128) << 24);
        }),
        Attack::committed("step 64 for a scale of 200, which is negative above it", scale_200(), |f| {
            f.add((Derived, "rounding step", Digit), 0, 32);
            f.set((Copied, "scale above its step", Value), 0, field((200 - 256) << 23));
        }),
        Attack::committed("the code of another momentum", calm(), |f| {
            f.add((Copied, "momentum", Value), NTH, STEP);
            f.add(digit, NTH, 1);
        }),
        Attack::committed(
            "a step of 0 for one weight",
            self::calm(|round| round.states[2].momenta[0][WEIGHT] = REST as i32),
            |f| {
                f.set((Copied, "rounding step", Parameter), NTH, Fr::ZERO);
                f.add(digit, NTH, 1);
                f.set_number("remainder", NTH, REST * INVERSE);
            },
        ),
        Attack::committed("another remainder than the one in range", calm(), |f| {
            f.add(digit, NTH, 1);
            f.add((Copied, "remainder", Value), NTH, -(1 << 31));
        }),
        Attack::committed("an inverse that turns the remainder around", calm(), |f| {
            f.add(digit, NTH, 1);
            let inverse = field(REST * INVERSE) * field(REST - STEP).invert().expect("not 0");
            f.set((Copied, "inverse of the rounding step", Parameter), NTH, inverse);
        }),
        Attack::committed("no mark where the padding has a momentum", momentum_in_padding(), |f| {
            f.add((Copied, "padding mark", Value), 0, -1);
        }),
        Attack::committed("no mark where the padding has a weight", weight_in_padding(), |f| {
            f.add((Copied, "padding mark", Parameter), 0, -1);
        }),
        Attack::committed("another weight before", calm(), |f| {
            f.add((Copied, "weight before", Value), NTH, 1);
            f.add_number("weight after", NTH, 1);
        }),
        Attack::committed("another learning rate for one weight", calm(), |f| {
            f.add((Copied, "learning rate", Parameter), NTH, 1);
            f.add_number("weight after", NTH, -CODE);
        }),
        Attack::committed("another weight after", calm(), |f| {
            f.add_number("weight after", NTH, 1);
            f.add((Copied, "weight after", Value), NTH, -1);
        }),
        Attack::committed("a move by another code than the rounded momentum", calm(), |f| {
            f.add((Copied, "rounded momentum", Parameter), NTH, 1);
            f.add((Derived, "code", Digit), NTH, 1);
            f.add_number("weight after", NTH, -RATE);
        }),
        Attack::committed("a code zeroed as if the weight were out of range", calm(), |f| {
            let target = (1 << 30) + 10_000 * WEIGHT as i128 - CODE * RATE;
            f.add((Derived, "zeroed", Digit), NTH, 1);
            f.add((Derived, "code", Digit), NTH, -CODE);
            f.add_number("weight after", NTH, CODE * RATE);
            f.set((Copied, "excess", Value), NTH, field(-target - 1));
        }),
    ]
}

/// Attacks on the rules of the quantize cell.
fn quantize_attacks() -> Vec<Attack> {
    let (code, scale) = ((Derived, "4-bit code", Digit), (Derived, "block scale", Digit));
    let (half, rest) = (UNIT / 2, UNIT / 2 + SMALL as i128);
    let weight = 3 * UNIT + SMALL as i128;
    let padded = || {
        let mut round = TestRound::new(&SHAPE, 3, 1);
        round.states.iter_mut().for_each(|state| state.momenta[1] = [0; LEAF]);
        round.states[0].weights[1][63] = 5;
        round.settle();
        open(&round, (1, 0), 1)
    };
    let too_small = |f: &mut Forgery, word: &'static str| {
        f.add(scale, 0, -1);
        f.set_number("weight above the smaller scale", 0, LARGE - 8 * 7 * UNIT - 1);
        f.set_number(word, 0, 0);
    };
    let too_large = |f: &mut Forgery| f.add(scale, 0, 1);
    vec![
        Attack::committed("a code one too large", coarse(1), |f| f.add(code, SMALL, 1)),
        Attack::committed("a code one too small: the rest is more than a step", coarse(1), |f| {
            f.add(code, SMALL, -1);
            f.set_number("rest", SMALL, rest + UNIT);
            f.set_number("step less rest", SMALL, UNIT - 1 - rest);
        }),
        Attack::committed("too small a scale for a positive weight", coarse(1), |f| {
            too_small(f, "7 steps less weight");
        }),
        Attack::committed("too small a scale for a negative weight", coarse(-1), |f| {
            too_small(f, "7 steps and weight");
        }),
        Attack::committed("a weight in the padding of a 4-bit leaf", padded(), |_| {}),
        Attack::committed("twice the step of the block's scale", coarse(1), |f| {
            f.add((Derived, "half step", Parameter), 1, half);
        }),
        Attack::committed("scale 11 as if it were 1, the smallest", coarse(1), |f| {
            too_large(f);
            f.add((Derived, "scale is 1", Digit), 0, 1);
            f.add((Input, "select bit", Digit), 0, -1);
            f.set_number("weight above the smaller scale", 0, 0);
        }),
        Attack::committed("a scale that no weight needs", coarse(1), too_large),
        // Copies into the rules.
        Attack::committed("another sum, for too large a scale", coarse(1), |f| {
            too_large(f);
            f.add((Copied, "chosen weight", Parameter), 0, 7 * UNIT);
        }),
        Attack::committed("another weight, for too large a scale", coarse(1), |f| {
            too_large(f);
            f.add((Copied, "select word", Value), 0, 7 * UNIT);
        }),
        Attack::committed("a weight below the smaller scale", coarse(1), |f| {
            too_large(f);
            f.add((Copied, "weight above the smaller scale", Value), 0, -7 * UNIT);
        }),
        Attack::committed("another exponent for one block", coarse(1), |f| {
            f.add((Copied, "half of 2^st", Value), 1, half);
        }),
        Attack::committed("another step for one weight", coarse(1), |f| {
            f.add((Copied, "half step", Parameter), SMALL, half);
            f.add(code, SMALL, -1);
            f.set_number("rest", SMALL, SMALL as i128);
            f.set_number("step less rest", SMALL, 2 * UNIT - 1 - SMALL as i128);
            f.set_number("7 steps less weight", SMALL, 14 * UNIT - weight);
            f.set_number("7 steps and weight", SMALL, 14 * UNIT + weight);
        }),
        Attack::committed("the code of another weight", coarse(1), |f| {
            f.add((Copied, "weight", Value), SMALL, UNIT);
            f.add(code, SMALL, 1);
            f.add_number("7 steps less weight", SMALL, -UNIT);
            f.add_number("7 steps and weight", SMALL, UNIT);
        }),
        Attack::committed("a negative rest", coarse(1), |f| {
            f.add(code, SMALL, 1);
            f.add((Copied, "rest", Digit), SMALL, -UNIT);
            f.add_number("step less rest", SMALL, UNIT);
        }),
        Attack::committed("a rest that is above the step", coarse(1), |f| {
            f.add(code, SMALL, -1);
            f.set_number("rest", SMALL, rest + UNIT);
            f.set_number("step less rest", SMALL, UNIT - 1 - rest);
            f.add((Copied, "step less rest", Value), SMALL, -UNIT);
        }),
        Attack::committed("too small a scale for a positive weight, which is 7 steps less something", coarse(1), |f| {
            too_small(f, "7 steps less weight");
            f.set((Copied, "7 steps less weight", Parameter), 0, field(63 * UNIT - LARGE));
        }),
        Attack::committed("too small a scale for a negative weight, and 7 steps", coarse(-1), |f| {
            too_small(f, "7 steps and weight");
            f.set((Copied, "7 steps and weight", Digit), 0, field(63 * UNIT - LARGE));
        }),
        Attack::committed("no mark where the padding of a 4-bit leaf has a weight", padded(), |f| {
            f.add((Copied, "padding mark", Value), LEAF + 63, -1);
        }),
        Attack::committed("another exponent in the public input", coarse(1), |f| {
            // The fields of the quantize sample stand after those of the update sample.
            f.add((Copied, "packed sample", Digit), 5, -half / 2);
        }),
    ]
}

/// Attacks on indices, roots and the copies of them.
fn record_attacks() -> Vec<Attack> {
    let rounds = |steps| calm_round(steps, 0, |_| {});
    let bit = (Copied, "path bit", Advice::Link);
    // Path bits, lowest first: first record, last record, codes, leaf after, record after, leaf
    // before, record before.
    let mut attacks = vec![
        Attack::committed("a count that is not that of the last record", rounds(2), |f| {
            f.add((Input, "last record bit", Digit), 1, 1);
        }),
        Attack::committed("another next step", rounds(2), |f| f.add((Derived, "next step bit", Digit), 0, 1)),
        Attack::committed("record 2 as the first", rounds(1), |f| f.add(bit, 1, 1)),
        Attack::committed("record 3 as the last of 3", rounds(2), |f| f.add(bit, 2, 1)),
        Attack::committed("record 3 as the one after step 0", rounds(2), |f| f.add(bit, 9, 1)),
        Attack::committed("record 2 as the one before step 0", rounds(1), |f| f.add(bit, 13, 1)),
        Attack::committed("another count in the steps root", rounds(3), |f| {
            let count = Constraint::Copy("hash operand", "record count");
            copies(f, &count).into_iter().for_each(|at| f.change(at, Fr::ONE));
        }),
    ];
    // No new roots here: each path must lead to the public root.
    for (nth, how) in
        ["first record", "last record", "record after the step", "record before the step"].iter().enumerate()
    {
        let mut forgery = rounds(3);
        forgery.add((Input, "rest of a record", State2), nth, 1);
        attacks.push(Attack { how, forgery });
    }
    let mut forgery = rounds(3);
    forgery.add((Input, "momenta hash", State2), 0, 1);
    attacks.push(Attack { how: "a leaf that is not in the state root", forgery });
    let mut forgery = rounds(3);
    let last = forgery.grid().assignments.iter().rposition(|assignment| assignment.name == "sibling");
    forgery.change(last.expect("paths have siblings"), Fr::ONE);
    attacks.push(Attack { how: "a 4-bit leaf that is not in the quantized root", forgery });
    attacks
}

/// Numbers of the assignments that a copy constraint binds.
fn copies(forgery: &Forgery, constraint: &Constraint) -> Vec<usize> {
    let (grid, copies) = (forgery.grid(), checker::copies(forgery.grid()));
    let bound = |cell| copies.get(&cell) == Some(constraint);
    (0..grid.assignments.len()).filter(|&at| bound(grid.assignments[at].cell)).collect()
}

/// Attacks that alter one copy, which the adversary's own follow.
fn copy_attacks(open: &[Constraint]) -> Vec<Attack> {
    let attack = |constraint| {
        let forgery = calm(|_| {});
        let at = copies(&forgery, constraint)[0];
        Attack::committed("one altered copy", forgery, |f| f.change(at, Fr::ONE))
    };
    open.iter().filter(|constraint| matches!(constraint, Constraint::Copy(..))).map(attack).collect()
}

#[test]
fn every_constraint_refuses_a_false_claim_alone() {
    let checker = Checker::default();
    let all = checker.constraints(calm(|_| {}).grid());
    let mut table: BTreeMap<Constraint, &str> = BOUND_ELSEWHERE.into();
    let attacks = [poseidon_attacks(), line_attacks(), update_attacks(), quantize_attacks(), record_attacks()];
    let mut faults: Vec<_> =
        attacks.into_iter().flatten().filter_map(|attack| attack.enter(&checker, &mut table)).collect();
    let open: Vec<_> = all.iter().filter(|constraint| !table.contains_key(constraint)).cloned().collect();
    faults.extend(copy_attacks(&open).into_iter().filter_map(|attack| attack.enter(&checker, &mut table)));
    public_attacks(&checker, &mut table);
    table.iter().for_each(|(constraint, how)| println!("{constraint}: {how}"));
    assert!(faults.is_empty(), "{faults:#?}");
    let missing: Vec<_> = all.iter().filter(|constraint| !table.contains_key(constraint)).collect();
    assert!(missing.is_empty(), "no attack on {missing:#?}");
    let unknown: Vec<_> = table.keys().filter(|constraint| !all.contains(constraint)).collect();
    assert!(unknown.is_empty(), "no such constraint: {unknown:#?}");
}

/// A true grid under other public inputs.
fn public_attacks(checker: &Checker, table: &mut BTreeMap<Constraint, &'static str>) {
    let forgery = coarse(1);
    let honest = instances(forgery.grid());
    for row in 2..honest.len() {
        let mut altered = honest.clone();
        altered[row] += match row {
            8 => -Fr::from(1 << 7),       // the learning rate
            9 => -field((UNIT / 4) << 7), // the exponent
            _ => Fr::ONE,
        };
        assert_eq!(checker.broken(forgery.grid(), &altered), [Constraint::Public(row)].into(), "row {row}");
        assert!(!read(&SHAPE, forgery.grid(), &altered).is_right(), "row {row}: the claim is true");
        table.insert(Constraint::Public(row), "another public input");
    }
}
