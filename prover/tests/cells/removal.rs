//! Constraints of every step circuit are needed: for each, but for those that the table names as open, there is
//! a grid that breaks it alone and claims what is false. The round circuit and disclosures have tests of their
//! own in `circuits/tests`.

use std::collections::BTreeSet;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use pogo_circuits::step::StepCircuit;
use pogo_circuits::testing::{Checker, Constraint};
use pogo_protocol::cell::CellOpening;
use pogo_protocol::cell::peak::{Choice, PeakValues};
use pogo_protocol::fixed::LEAF;

use super::circuits::{circuit, open};
use super::evaluation::dequantize;
use super::ground::Ground;
use super::needed::{Lie, NOTHING, Needed};

/// Lies beside one altered cell, and constraints that none was found against, of each circuit. A line is the
/// circuit, the number of its witness among those of [`circuits`], and altered cells: name, number among those of
/// the name, change. Open constraints have `?` for a number. Against some there is no lie: nothing depends on an
/// exponent that a cell opens and does not use, on marks of padding where there is none, on the constant 1 of
/// circuits without a step. Most others are in peaks and softmax, where a lie has to be about two values.
/// `cargo test -p pogo-prover --test cells print_the_table -- --ignored --nocapture` prints it.
const TABLE: &str = include_str!("removal.txt");

/// Cells of each circuit, by its name; that of dequantize cells is one of an evaluation.
const CELLS: [(&str, &[&str]); 19] = [
    ("link", &["link:0:0", "link:2:0"]),
    ("input", &["input:1:1"]),
    ("weights", &["weights:1:1", "weights:1:132"]),
    ("forward", &["product:1:0"]),
    ("gradient", &["product:1:6"]),
    ("backward", &["product:1:12"]),
    ("activation", &["activation:1:1"]),
    ("loss", &["loss:1:1", "loss:1:0"]),
    ("errors", &["errors:1:1"]),
    ("momentum", &["momentum:1:1", "momentum:0:132"]),
    ("blank", &["blank:1:1", "blank:1:2"]),
    ("init", &["init:1"]),
    ("vacant", &["vacant:1:0", "vacant:1:1"]),
    ("weights-peak", &["peak:1:0", "peak:1:1"]),
    ("activation-peak", &["peak:1:2"]),
    ("errors-peak", &["peak:1:3"]),
    ("loss-peak", &["peak:1:4"]),
    ("scale", &["scale:1"]),
    ("dequantize", &[]),
];

/// Lies of more than one altered number, or about a certain one: what is altered, which of that name, and by
/// how much.
const LIES: &[&Lie] = &[
    // A number rounded up or down, its own remainder or as if it were saturated; a byte of 128.
    &[("below the limit", 0, -1)],
    &[("below the limit", 0, 1)],
    &[("below the limit", 2, -1)],
    &[("below the limit", 2, 1)],
    &[("below the limit", 0, 1), ("inside the limits", 0, -1)],
    &[("below the limit", 2, 1), ("inside the limits", 0, -1)],
    &[("below the limit", 0, 1), ("saturated low", 0, 1), ("inside the limits", 0, -1)],
    &[("below the limit", 2, 1), ("saturated low", 0, 1), ("inside the limits", 0, -1)],
    &[("below the limit", 0, -1), ("inside the limits", 0, 1)],
    &[("below the limit", 0, 132), ("saturated low", 0, 1), ("inside the limits", 0, -1)],
    &[("below the limit", 1, 1), ("inside the limits", 1, -1)],
    &[("below the limit", 5, 1), ("inside the limits", 1, -1)],
    // A number that the next exponent does not hold, and as if it did.
    &[("weight", 0, 200)],
    &[("word", 0, 200)],
    &[("weight", 0, 100), ("room bit", 0, 1)],
    &[("word", 0, 100), ("room bit", 0, 1)],
    // What stands above the lowest limb of an average and of a size, one more; an exponent out of range.
    &[("distance of an average", 2, 1), ("distance of an average", 3, -8)],
    &[("distance of an average", 258, 1), ("distance of an average", 259, -32)],
    &[("magnitude", 2, 100), ("magnitude", 3, -6400)],
    &[("exponent", 3, 512)],
    // An error that passes where the layer was not active.
    &[("is positive", 1, 1)],
    &[("is positive", 2, 1)],
    &[("is positive", 3, 1)],
    // Another exponent of the features, and as if the tensor were not the first.
    &[("exponent", 5, 1)],
    &[("exponent", 14, 1)],
    &[("exponent", 23, 1)],
    &[("exponent", 5, 1), ("is zero", 0, -1)],
    &[("exponent", 14, 1), ("is zero", 1, -1)],
    &[("exponent", 23, 1), ("is zero", 2, -1)],
    // Another shift.
    &[("right shift bit", 4, 1)],
    &[("right shift bit", 4, -1)],
    &[("right shift bit", 3, 1)],
    &[("left shift bit", 4, 1)],
    &[("left shift bit", 3, 1)],
    &[("right shift bit", 3, 2), ("right shift bit", 2, -1)],
    // Values that do not need the exponent, two of them as one, and as if it were one less.
    &[("weight", 2, -256), ("weight", 5, -256)],
    &[("word", 2, -256), ("word", 5, -256)],
    &[("weight", 2, -256), ("weight", 5, -256), ("chosen class", 1, 1)],
    &[("word", 2, -256), ("word", 5, -256), ("chosen class", 1, 1)],
    &[("weight", 2, -256), ("weight", 5, -256), ("room bit", 4, -1)],
    &[("word", 2, -256), ("word", 5, -256), ("room bit", 4, -1)],
    // A row beyond the last.
    &[("row bit", 0, 1)],
    &[("tile bit", 12, 1)],
    &[("column bit", 13, 1)],
    // Two bits of a number that compose to the same.
    &[("room bit", 4, 2), ("room bit", 3, -1)],
    &[("count bit", 0, 2)],
    &[("width bit", 0, 2), ("record count bit", 24, -1)],
    // A room of 25 bits.
    &[("exponent", 17, 19)],
    &[("exponent", 20, 19)],
    &[("exponent", 23, 19)],
    &[("exponent", 19, 1), ("exponent", 20, 19 - 2048)],
    &[("exponent", 22, 1), ("exponent", 23, 19 - 2048)],
    // Another tag in a path.
    &[("capacity", 3, 1)],
    // The last link as the first, three times.
    &[("first step", 0, 2), ("last step", 0, -1), ("exponents of the end", 0, 1)],
    // Exponents that are there as if there were none, and the other way round.
    &[("exponents of the start", 0, 1), ("exponents for the next step", 0, 1), ("is zero", 0, 1), ("inverse", 0, -1)],
    &[("exponents used", 0, NOTHING), ("is zero", 0, -1)],
    &[("exponents used", 1, NOTHING), ("is zero", 0, -1)],
    // A byte of -128; a tile before the first slab; a root of the tile before; the slab of another step as the first.
    &[("byte", 0, NOTHING)],
    &[("packed words", 1000, 1)],
    &[("sibling", 22, 1)],
    &[("first slab", 0, 2), ("step bit", 1, -1)],
    // Another last leaf of the state, the codes, or the exponents used.
    &[("last leaf", 2, -1)],
    &[("last leaf", 3, -1)],
    &[("last leaf", 6, -1)],
    // Record 0 that is no start.
    &[("update root", 0, 1)],
    &[("trace root", 0, 1)],
    &[("loss", 0, 1)],
    &[("exponents used", 0, 1)],
];

/// The opening with few numbers that are not 0, which stand under other roots: one that is rounded to `size`, or
/// two that need a room of 3 bits, in the last row.
fn quiet(mut opening: CellOpening, size: i32) -> Option<CellOpening> {
    const SHIFT: i32 = 5;
    const ROOM: i32 = 3;
    let row = |values: &[i32]| std::array::from_fn(|j| values.get(j).copied().unwrap_or(0));
    let one = row(&[size << SHIFT]);
    let two = row(&[64 << ROOM; 2]);
    match &mut opening {
        CellOpening::Weights(o) => {
            (o.weights, o.used.shift, o.next.shift) = (one, SHIFT, SHIFT + 1);
        }
        CellOpening::Activation(o) => {
            let e = o.used_below.sums() as i32;
            (o.sums.words, o.used.input, o.next.input) = (one, e + SHIFT, e + SHIFT + 1);
        }
        CellOpening::Errors(o) => {
            let e = o.used_above.below() as i32;
            (o.below.words, o.used.errors, o.next.errors) = (one, e + SHIFT, e + SHIFT + 1);
            o.activations.bytes = [1; LEAF];
        }
        CellOpening::Momentum(o) => o.gradient.words = one,
        CellOpening::Peak(o) => {
            o.choice = Choice { row: o.sample.rows - 1, column: o.sample.columns - 1 };
            match &mut o.values {
                PeakValues::Weights(weights, ..) => (*weights, o.next.shift) = (two, ROOM),
                PeakValues::Activations(sums) => (sums.words, o.next.input) = (two, o.used.sums() as i32 + ROOM),
                PeakValues::Errors(below, activations) => {
                    (below.words, o.next.errors) = (two, o.used.below() as i32 + ROOM);
                    activations.bytes = [1; LEAF];
                }
                PeakValues::Losses(..) => return None,
            }
        }
        CellOpening::Scale(o) => {
            o.weights = row(&[o.sample.least as i32; 2]);
            o.choice = Choice { row: o.sample.rows - 1, column: o.sample.columns - 1 };
        }
        _ => return None,
    }
    Some(opening)
}

/// Circuits of this name: of true cells, then of quiet ones.
fn circuits(name: &str, cells: &[&str], ground: &Ground) -> Vec<StepCircuit> {
    if name == "dequantize" {
        return vec![dequantize(ground, 1)];
    }
    let mined = ground.honest();
    let openings: Vec<_> = cells.iter().map(|cell| open(&mined, cell.parse().expect("a cell"))).collect();
    let quiet = [5, 128, -126].into_iter().filter_map(|size| quiet(openings[0].clone(), size));
    let mut circuits: Vec<_> = openings.iter().cloned().chain(quiet).map(|opening| circuit(&mined, opening)).collect();
    if name == "link" {
        let short = Ground::of_steps(&[70, 5], 64, 1);
        let mined = short.honest();
        circuits.push(circuit(&mined, open(&mined, "link:0:0".parse().expect("a cell"))));
    }
    circuits
}

/// Constraints that nothing stands against alone in the circuit of this name, and why.
fn bound_elsewhere(needed: &Needed<'_>, constraint: &Constraint) -> Option<&'static str> {
    match constraint {
        Constraint::Public(row) if needed.is_zero(*row) => Some("no statement has another public input than 0 there"),
        Constraint::Public(row) if !needed.is_read(*row) => Some("no cell reads it: the transcript absorbs it"),
        Constraint::Copy("factor", "distance to the limit") => {
            Some("where the bit beside it is 1, the product is held to the same distance; else it is 0")
        }
        Constraint::Lookup("zero") => Some("the constant 0 is a public input as well"),
        _ => None,
    }
}

/// Every constraint of every circuit refuses a false claim alone, but for those that the table leaves open.
#[test]
fn every_constraint_of_a_step_circuit_refuses_a_false_claim_alone() {
    let (ground, checker) = (Ground::small(), Checker::of::<StepCircuit>());
    let mut gates = [BTreeSet::new(), BTreeSet::new()];
    for (name, cells) in CELLS {
        let circuits = circuits(name, cells, &ground);
        let circuits: Vec<_> = circuits.iter().map(|circuit| Needed::new(&checker, circuit)).collect();
        let own = |line: &'static str| line.strip_prefix(name)?.strip_prefix(' ');
        let lines = TABLE.lines().filter_map(own).filter_map(|line| line.split_once(": "));
        let (open, lies): (Vec<_>, Vec<_>) = lines.partition(|(number, _)| *number == "?");
        let all = circuits[0].constraints(&checker);
        let mut wanted = all.clone();
        plain(&circuits[..cells.len().max(1)], &mut wanted);
        for (number, needed) in circuits.iter().enumerate() {
            let lies = lies.iter().filter(|(own, _)| *own == number.to_string());
            let lies: Option<_> = lies.map(|(_, line)| needed.parse(line)).collect();
            needed.take(lies.expect("assignments of the circuit"), &mut wanted);
        }
        gates[0].extend(all.into_iter().filter(is_gate).filter(|gate| !wanted.contains(gate)));
        gates[1].extend(wanted.iter().filter(|constraint| is_gate(constraint)).cloned());
        let left = wanted.iter().filter(|constraint| !is_gate(constraint));
        let left: BTreeSet<_> = left.filter(|constraint| bound_elsewhere(&circuits[0], constraint).is_none()).collect();
        let left: BTreeSet<String> = left.into_iter().map(Constraint::to_string).collect();
        assert_eq!(left, open.iter().map(|(_, constraint)| (*constraint).to_owned()).collect(), "{name}");
    }
    // All circuits have the same gates.
    let [needed, left] = gates;
    assert!(left.is_subset(&needed), "{:?}", left.difference(&needed));
}

fn is_gate(constraint: &Constraint) -> bool {
    matches!(constraint, Constraint::Gate(_))
}

/// Takes from the constraints of circuits those that a cell or public input stands against alone.
fn plain(circuits: &[Needed<'_>], wanted: &mut BTreeSet<Constraint>) {
    for needed in circuits {
        let point = Fr::from(3) * Fr::from(2).pow([128]) + Fr::from(5);
        needed.point(0, Fr::from(2).pow([128]), point, wanted);
        needed.point(1, Fr::ONE, point, wanted);
        needed.take_plain(wanted);
    }
}

#[test]
#[ignore = "minutes: searches for the lies, and prints the table"]
fn print_the_table() {
    let (ground, checker) = (Ground::small(), Checker::of::<StepCircuit>());
    for (name, cells) in CELLS {
        let circuits = circuits(name, cells, &ground);
        let circuits: Vec<_> = circuits.iter().map(|circuit| Needed::new(&checker, circuit)).collect();
        let mut wanted = circuits[0].constraints(&checker);
        plain(&circuits[..cells.len().max(1)], &mut wanted);
        for (number, needed) in circuits.iter().enumerate() {
            for lie in needed.search(LIES, &mut wanted) {
                println!("{name} {number}: {}", needed.line(&lie));
            }
        }
        let left = wanted.iter().filter(|constraint| !is_gate(constraint));
        for constraint in left.filter(|constraint| bound_elsewhere(&circuits[0], constraint).is_none()) {
            println!("{name} ?: {constraint}");
        }
    }
}
