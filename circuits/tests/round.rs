//! The round circuit accepts what the plain relation accepts.

use halo2_proofs::dev::MockProver;
use pogo_circuits::circuit::{Gridded, Sheet, instances};
use pogo_circuits::round::{RoundCircuit, Shape};
use pogo_circuits::testing::leaf1024::{self, Leaf1024};
use pogo_circuits::testing::{Checker, round};

#[test]
fn a_true_round_satisfies_every_constraint() {
    let checker = Checker::default();
    for seed in 0..8 {
        let (claim, openings) = round(&Shape::SMALLEST, seed);
        openings.check(&claim.roots).expect("the test round is true");
        let circuit = RoundCircuit::new(Shape::SMALLEST, claim, openings);
        let grid = circuit.grid();
        let instances = instances(&grid);
        assert_eq!(checker.broken(&grid, &instances), Default::default(), "seed {seed}");
        let mock =
            MockProver::run(Shape::SMALLEST.k, &Sheet::new(&circuit), vec![instances]).expect("the circuit fits");
        mock.assert_satisfied();
    }
}

#[test]
fn the_presets_fit_their_rows() {
    for shape in [Shape::MINIMAL, Shape::MAINNET, Shape::SMALLEST] {
        let rows = RoundCircuit::blank(shape).grid().rows();
        println!("{shape:?}: {rows} rows");
        assert!(rows + 16 < 1 << shape.k, "{shape:?} takes {rows} rows");
    }
}

#[test]
fn the_leaf_1024_statement_is_satisfied() {
    let circuit = Leaf1024 { index: 123_456 };
    let instances = instances(&circuit.grid());
    MockProver::run(leaf1024::K, &Sheet::new(&circuit), vec![instances]).expect("the circuit fits").assert_satisfied();
}
