//! Propagated tampering: one assignment is altered, all that is computed from it follows, the public
//! inputs follow, and the roots are committed to anew. A grid that then satisfies every constraint
//! must make a true claim.
//!
//! Continuous integration alters some cells of every class, where a class is (origin, name,
//! column). All cells: `cargo test -p pogo-circuits --release --test tamper -- --ignored`.

use std::collections::{BTreeMap, BTreeSet};

use halo2_proofs::dev::{MockProver, VerifyFailure};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use pogo_circuits::circuit::{Sheet, instances};
use pogo_circuits::grid::{Assignment, Grid, Origin};
use pogo_circuits::round::{RoundCircuit, Shape};
use pogo_circuits::testing::forging::Forgery;
use pogo_circuits::testing::reading::{Reading, read};
use pogo_circuits::testing::{Checker, Constraint, round};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;

const SHAPE: Shape = Shape::SMALLEST;
/// Rounds whose update cell is of step 1, so that the four opened records differ: with a whole
/// leaf in the update cell and a padded one in the quantize cell, and the other way round.
const SEEDS: [u64; 2] = [1, 4];
/// Members of a class that are altered in continuous integration.
const MEMBERS: usize = 3;

/// Derived cells with more than one right value, where the claim does not depend on it.
const FREE: [(&str, &str); 2] = [
    ("above the range", "says nothing about a code that is not zeroed"),
    ("chosen weight is positive", "no weight is chosen in a block of scale 1"),
];

struct Honest {
    checker: Checker,
    forgery: Forgery,
    reading: Reading,
}

/// What became of an alteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// A constraint is broken.
    Refused,
    /// Accepted, and what is claimed is true.
    True,
    /// Accepted, and no statement has these public inputs: verifiers compute them.
    NoStatement,
    /// Accepted, and it claims what the honest grid claims.
    Same,
    /// Accepted, and what is claimed is false; or a derived cell has two values with two claims.
    Wrong,
}

impl Honest {
    fn new(seed: u64) -> Self {
        let (claim, openings) = round(&SHAPE, seed);
        let forgery = Forgery::new(SHAPE, claim, openings.clone());
        let reading = read(&SHAPE, forgery.grid(), &instances(forgery.grid()));
        assert!(reading.is_right(), "the test round is true");
        Self { checker: Checker::default(), forgery, reading }
    }

    fn assignments(&self) -> &[Assignment] {
        &self.forgery.grid().assignments
    }

    fn outcome(&self, at: usize, change: Fr) -> Outcome {
        let mut forgery = self.forgery.clone();
        forgery.change(at, change);
        // A root that does not fit is no obstacle: the adversary chooses the roots.
        let root = |constraint: &Constraint| matches!(constraint, Constraint::Copy("digest", _));
        if self.refuses(forgery.grid(), root) {
            return Outcome::Refused;
        }
        forgery.commit();
        if self.refuses(forgery.grid(), |_| false) {
            return Outcome::Refused;
        }
        let reading = read(&SHAPE, forgery.grid(), &instances(forgery.grid()));
        match (reading, self.assignments()[at].origin) {
            (reading, _) if reading == self.reading => Outcome::Same,
            (Reading::NoStatement(_), Origin::Input) => Outcome::NoStatement,
            (reading, Origin::Input) if reading.is_right() => Outcome::True,
            _ => Outcome::Wrong,
        }
    }

    fn refuses(&self, grid: &Grid, excepted: impl Fn(&Constraint) -> bool) -> bool {
        self.checker.refuses(grid, &instances(grid), excepted)
    }

    /// Numbers of some members of every class: the first, the last, others in between.
    fn members(&self, random: &mut ChaCha20Rng) -> Vec<usize> {
        let mut classes: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (at, assignment) in self.assignments().iter().enumerate() {
            let Assignment { origin, name, cell } = *assignment;
            classes.entry((origin, name, cell.column)).or_default().push(at);
        }
        println!("{} cells of {} classes", self.assignments().len(), classes.len());
        let mut members = Vec::new();
        for class in classes.values_mut() {
            members.extend([class[0], class[class.len() - 1]]);
            members.extend((2..MEMBERS).map(|_| class[random.next_u32() as usize % class.len()]));
        }
        members.sort_unstable();
        members.dedup();
        members
    }

    /// Small steps, a slot of a packed element, a flipped bit, zero, and anything.
    fn changes(&self, at: usize, random: &mut ChaCha20Rng) -> Vec<Fr> {
        let value = self.forgery.grid().value(self.assignments()[at].cell);
        let bit = random.next_u32() % 253;
        let set = value.to_repr().as_ref()[bit as usize / 8] >> (bit % 8) & 1 == 1;
        let power = Fr::from(2).pow([u64::from(bit)]);
        let slot = Fr::from(1 << 31);
        let mut changes = vec![Fr::ONE, -Fr::ONE, Fr::from(2), slot, -slot, -value, Fr::random(&mut *random)];
        changes.push(if set { -power } else { power });
        changes.retain(|change| *change != Fr::ZERO);
        changes
    }

    fn alter(&self, members: &[usize], random: &mut ChaCha20Rng) {
        let grids = members.iter().flat_map(|&at| self.changes(at, random).into_iter().map(move |change| (at, change)));
        let grids: Vec<_> = grids.collect();
        let outcomes: Vec<_> = grids.par_iter().map(|&(at, change)| (at, change, self.outcome(at, change))).collect();
        let mut counts = BTreeMap::new();
        let (mut failures, mut same) = (BTreeSet::new(), BTreeSet::new());
        for (at, change, outcome) in outcomes {
            *counts.entry(outcome).or_insert(0) += 1;
            let Assignment { origin, name, .. } = self.assignments()[at];
            let free = origin == Origin::Input || FREE.iter().any(|(free, _)| *free == name);
            if outcome == Outcome::Wrong || outcome == Outcome::Same && !free {
                failures.insert((origin, name, format!("{at} + {change:?}: {outcome:?}")));
            }
            if outcome == Outcome::Same {
                same.insert((origin, name));
            }
        }
        println!("{} altered cells, {} grids: {counts:?}; the same claim: {same:?}", members.len(), grids.len());
        assert!(failures.is_empty(), "{failures:#?}");
        assert!(counts[&Outcome::True] > 0, "an alteration of the witness that makes another true claim is accepted");
    }
}

#[test]
fn no_altered_class_of_cells_makes_a_false_claim() {
    for seed in SEEDS {
        let (honest, mut random) = (Honest::new(seed), ChaCha20Rng::seed_from_u64(seed));
        let members = honest.members(&mut random);
        honest.alter(&members, &mut random);
    }
}

#[test]
#[ignore = "every cell: tens of minutes"]
fn no_altered_cell_makes_a_false_claim() {
    for seed in SEEDS {
        let (honest, mut random) = (Honest::new(seed), ChaCha20Rng::seed_from_u64(seed));
        let all: Vec<_> = (0..honest.assignments().len()).collect();
        honest.alter(&all, &mut random);
    }
}

#[test]
fn the_checker_finds_what_the_mock_prover_finds() {
    let honest = Honest::new(SEEDS[0]);
    let mut random = ChaCha20Rng::seed_from_u64(7);
    let members = honest.members(&mut random);
    let mut seen = BTreeSet::new();
    for &at in members.iter().step_by(7) {
        let mut forgery = honest.forgery.clone();
        let change = honest.changes(at, &mut random)[0];
        forgery.change(at, change);
        let instances = instances(forgery.grid());
        let broken = honest.checker.broken(forgery.grid(), &instances);
        let kinds = broken.iter().map(|constraint| match constraint {
            Constraint::Gate(name) => name.clone(),
            Constraint::Lookup(_) => "lookup".into(),
            Constraint::Copy(..) | Constraint::Public(_) => "copy".into(),
        });
        let kinds: BTreeSet<String> = kinds.collect();
        assert_eq!(kinds, mock_kinds(forgery.grid(), instances), "assignment {at} + {change:?}");
        seen.extend(kinds);
    }
    assert!(seen.contains("lookup") && seen.contains("copy") && seen.len() > 10, "{seen:?}");
}

/// Gates by name, lookup, copy.
fn mock_kinds(grid: &Grid, instances: Vec<Fr>) -> BTreeSet<String> {
    let mock =
        MockProver::run(SHAPE.k, &Sheet::<RoundCircuit>::of(grid.clone()), vec![instances]).expect("the grid fits");
    let failures = mock.verify().err().unwrap_or_default();
    let kinds = failures.into_iter().map(|failure| match failure {
        VerifyFailure::ConstraintNotSatisfied { constraint, .. } => gate_name(&constraint.to_string()),
        VerifyFailure::Lookup { .. } => "lookup".into(),
        VerifyFailure::Permutation { .. } => "copy".into(),
        other => panic!("unexpected {other:?}"),
    });
    kinds.collect()
}

/// "gate / constraint" from "Constraint 1 ('constraint') in gate 2 ('gate')".
fn gate_name(display: &str) -> String {
    let (constraint, gate) = display.split_once(" in gate ").expect("a constraint in a gate");
    let quoted = |text: &str| Some(text.split_once("('")?.1.strip_suffix("')")?.to_string());
    let number = constraint.split(' ').nth(1).expect("a number").to_string();
    format!("{} / {}", quoted(gate).expect("gates have names"), quoted(constraint).unwrap_or(number))
}
