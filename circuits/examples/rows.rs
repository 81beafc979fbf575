//! Rows of every step circuit of the minimal preset.
use pogo_circuits::circuit::Gridded;
use pogo_circuits::grid::{ADVICE, Advice};
use pogo_circuits::step::{StepCircuit, StepShape};
use pogo_protocol::statement::CircuitKind;

fn main() {
    for kind in CircuitKind::ALL.into_iter().skip(1) {
        let grid = StepCircuit::blank(StepShape::minimal(kind)).grid();
        let heights = ADVICE.map(|c| grid.height(c));
        println!(
            "{:>10} cells {} rows {:>6} state {:>6} values {:>6} publics {}",
            kind.name(),
            kind.capacity(),
            grid.rows(),
            heights[Advice::State0 as usize],
            heights[Advice::Value as usize],
            grid.publics.len()
        );
    }
}
