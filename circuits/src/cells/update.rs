//! The update cell: one step moved the 64 weights of one leaf by their codes, and the codes are
//! the rounded momenta.
//!
//! With `M` and `V` the momenta and the scale after the step, `2^s` the rounding step of `V`, `L`
//! the public learning rate:
//!
//! ```text
//! SCALE  2^s = 2^max(4, bit_length(V) - 3)
//! ROUND  u   = clamp(floor((M + 2^(s-1)) / 2^s), -7, 7)
//! MOVE   c   = u, or 0 where W - u L leaves [-2^30, 2^30);   W' = W - c L
//! ```
//!
//! Leaves before, after and of the codes are opened under the records `t` and `t + 1`. Padding is
//! zero.
//!
//! How the rounding is bound: with `R = M + 2^(s-1) - u 2^s`, the word
//! `X = R 2^(31-s)` is below `2^31` exactly when `0 <= R < 2^s`. A saturated code is shown by
//! `high` (`u = 7`, `X = R >= 0`) or `low` (`u = -7`, `X = 2^s - 1 - R >= 0`) instead. A zeroed
//! code is shown by how far `W - u L` is out of range, the word `excess`.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::plonk::{ConstraintSystem, Expression};
use pogo_protocol::fixed::{self, LEAF, WORD_BIAS, WORD_BITS};
use pogo_protocol::leaf::tag;
use pogo_protocol::opening::UpdateOpening;
use pogo_protocol::statement::{STEP_BITS, WORD_FIELD_BITS};

use super::{Builder, Packed, packed};
use crate::chips::poseidon::{Operand, convert};
use crate::chips::values::{Bits, Padding, Range, Source};
use crate::chips::{Columns, constant, kind, power_of_two};
use crate::grid::{Advice, Cell, Fixed, Grid, field};

const ROUND: u64 = 1;
const MOVE: u64 = 2;
/// Kind of the rule that the quantize cell adds.
pub(crate) const BLOCK: u64 = 3;
const SCALE: u64 = 4;
pub(crate) const RULE_KINDS: u64 = 4;

const BIAS: i128 = WORD_BIAS as i128;

/// Creates the rules of the update cell.
pub(crate) fn configure(meta: &mut ConstraintSystem<Fr>, columns: &Columns) {
    let half = Expression::Constant(Fr::from(2).invert().expect("2 is not 0"));
    let quarter = half.clone() * half.clone();
    let bias = power_of_two(30);
    {
        let bias = bias.clone();
        meta.create_gate("scale: rounding step of the gradient scale", |cells| {
            let active = kind(columns.fixed(cells, Fixed::Rule), SCALE, RULE_KINDS);
            let [[smallest, scale, _], [step, excess, inverse], _] = columns.rule(cells);
            let larger = constant(1) - smallest.clone();
            let floor = larger.clone() * constant(4) * step.clone();
            let factor = larger * inverse.clone() * quarter + smallest.clone() * power_of_two(24);
            vec![
                ("the smallest step is 16", active.clone() * smallest * (step.clone() - constant(16))),
                ("inverse = 2^31 / step", active.clone() * (step * inverse - power_of_two(31))),
                ("scale is of this step", active * (excess - (scale - bias - floor) * factor)),
            ]
        });
    }
    {
        let bias = bias.clone();
        meta.create_gate("round: code = momentum rounded to the step", |cells| {
            let active = kind(columns.fixed(cells, Fixed::Rule), ROUND, RULE_KINDS);
            let [[digit, momentum, step], [high, remainder, inverse], [low, padding, _]] = columns.rule(cells);
            let momentum = momentum - bias;
            let code = digit.clone() - constant(7);
            let rest = momentum.clone() + step.clone() * half - code * step.clone();
            let inside = (constant(1) - high.clone() - low.clone()) * rest.clone() * inverse;
            let shown = inside + high.clone() * rest.clone() + low.clone() * (step - constant(1) - rest);
            vec![
                ("high only for 7", active.clone() * high * (digit.clone() - constant(14))),
                ("low only for -7", active.clone() * low * digit),
                ("remainder is shown", active.clone() * (remainder - shown)),
                ("padding momentum is 0", active * padding * momentum),
            ]
        });
    }
    meta.create_gate("move: after = before - code * learning rate", |cells| {
        let active = kind(columns.fixed(cells, Fixed::Rule), MOVE, RULE_KINDS);
        let [[zeroed, before, rate], [above, after, rounded], [code, excess, padding]] = columns.rule(cells);
        let (rounded, code) = (rounded - constant(7), code - constant(7));
        let target = before.clone() - rounded.clone() * rate.clone();
        let over = above.clone() * (target.clone() - power_of_two(31)) - (constant(1) - above) * (target + constant(1));
        vec![
            ("code = rounded, or zeroed", active.clone() * (code.clone() - rounded * (constant(1) - zeroed.clone()))),
            ("after = before - code * rate", active.clone() * (after.clone() - before.clone() + code * rate)),
            ("zeroed only out of range", active.clone() * (excess - zeroed * over)),
            // With momentum and weight before 0, so are the code and the weight after.
            ("padding weight before is 0", active * padding * (before - bias)),
        ]
    });
}

/// The rounding step of a leaf and its inverse.
#[derive(Clone, Copy, Debug)]
struct Step {
    step: Cell,
    inverse: Cell,
}

/// Cells of one weight.
#[derive(Clone, Copy, Debug)]
struct Weight {
    before: Cell,
    after: Cell,
    momentum: Cell,
    code: Cell,
}

/// Assigns one update cell and returns its packed public fields.
pub(crate) fn assign(builder: &mut Builder, opening: &UpdateOpening, tree_depth: usize, steps_depth: usize) -> Packed {
    let Builder { grid, lines, .. } = builder;
    let rate = lines.word(grid, i128::from(opening.learning_rate), Source::Input, "learning rate");
    let position = lines.bits(grid, opening.slot.position as i128, tree_depth, Source::Input, "position bit");
    let step = lines.bits(grid, i128::from(opening.step), steps_depth, Source::Input, "step bit");
    let next = lines.increment(grid, step.value);
    let next = next_bits(builder, next, steps_depth);
    let Builder { grid, lines, .. } = builder;
    let padding = lines.padding(grid, opening.slot.padding);
    let scale = lines.word(grid, i128::from(opening.scale_after) + BIAS, Source::Input, "gradient scale");
    let rounding = rounding_step(builder, scale);
    let mut weights: Vec<Weight> =
        (0..LEAF).rev().map(|i| weight(builder, opening, i, &rounding, rate, &padding)).collect();
    weights.reverse();
    open(builder, opening, &weights, scale, &position, &step, &next);
    packed(position.value, &[(step.value, STEP_BITS), (rate, WORD_FIELD_BITS)], padding.count)
}

fn next_bits(builder: &mut Builder, next: Cell, depth: usize) -> Bits {
    let Builder { grid, lines, .. } = builder;
    let bits = lines.bits(grid, grid.integer(next), depth, Source::Derived, "next step bit");
    grid.equal(bits.value, next);
    bits
}

fn rounding_step(builder: &mut Builder, scale: Cell) -> Step {
    let Builder { grid, lines, .. } = builder;
    let value = grid.integer(scale) - BIAS;
    let shift = fixed::code_shift(i32::try_from(value).unwrap_or(0).max(0));
    let smallest = value < 1 << 7;
    let excess = match smallest {
        true => value << 24,
        false => (value - (4 << shift)) << (29 - shift),
    };
    let excess = lines.word(grid, excess, Source::Derived, "scale above its step");
    let row = lines.take(3);
    rule(grid, row, SCALE, [Range::Bit, Range::Power, Range::Free]);
    let [[smallest_cell, scale_cell, _], [step, excess_cell, inverse], _] = rule_cells(row);
    grid.derive(smallest_cell, Fr::from(u64::from(smallest)), "smallest step");
    grid.copy(scale_cell, scale, "gradient scale");
    grid.derive(step, field(1 << shift), "rounding step");
    grid.copy(excess_cell, excess, "scale above its step");
    let value = grid.value(step).invert().unwrap_or(Fr::ZERO) * super::power(WORD_BITS);
    grid.derive(inverse, value, "inverse of the rounding step");
    Step { step, inverse }
}

fn weight(
    builder: &mut Builder,
    opening: &UpdateOpening,
    i: usize,
    rounding: &Step,
    rate: Cell,
    padding: &Padding,
) -> Weight {
    let Builder { grid, lines, .. } = builder;
    let before = lines.word(grid, i128::from(opening.weights_before[i]) + BIAS, Source::Input, "weight before");
    let momentum = lines.word(grid, i128::from(opening.momenta_after[i]) + BIAS, Source::Input, "momentum");
    let digit = round(builder, momentum, rounding, padding.marks[i]);
    let (after, code) = move_weight(builder, before, digit, rate, padding.marks[i]);
    Weight { before, after, momentum, code }
}

/// The digit `u + 7` of the rounded momentum.
fn round(builder: &mut Builder, momentum: Cell, rounding: &Step, padding: Cell) -> Cell {
    let Builder { grid, lines, .. } = builder;
    let (m, step) = (grid.integer(momentum) - BIAS, grid.integer(rounding.step).max(1));
    let rounded = (m + step / 2).div_euclid(step);
    let code = rounded.clamp(-7, 7);
    let (high, low) = (rounded > 7, rounded < -7);
    let rest = m + step / 2 - code * step;
    let remainder = match (high, low) {
        (true, _) => rest,
        (_, true) => step - 1 - rest,
        _ => rest * ((1 << WORD_BITS) / step),
    };
    let remainder = lines.word(grid, remainder, Source::Derived, "remainder");
    let row = lines.take(3);
    rule(grid, row, ROUND, [Range::Code, Range::Bit, Range::Bit]);
    let [[digit, momentum_cell, step_cell], [high_cell, remainder_cell, inverse_cell], [low_cell, padding_cell, _]] =
        rule_cells(row);
    grid.derive(digit, field(code + 7), "rounded momentum");
    grid.copy(momentum_cell, momentum, "momentum");
    grid.copy(step_cell, rounding.step, "rounding step");
    grid.derive(high_cell, Fr::from(u64::from(high)), "saturated high");
    grid.copy(remainder_cell, remainder, "remainder");
    grid.copy(inverse_cell, rounding.inverse, "inverse of the rounding step");
    grid.derive(low_cell, Fr::from(u64::from(low)), "saturated low");
    grid.copy(padding_cell, padding, "padding mark");
    digit
}

/// The weight after the step and the digit `c + 7` of its code.
fn move_weight(builder: &mut Builder, before: Cell, digit: Cell, rate: Cell, padding: Cell) -> (Cell, Cell) {
    let Builder { grid, lines, .. } = builder;
    let (w, u, l) = (grid.integer(before), grid.integer(digit) - 7, grid.integer(rate));
    let target = w - u * l;
    let (above, zeroed) = (target >= 1 << WORD_BITS, !(0..1 << WORD_BITS).contains(&target));
    let excess = match (zeroed, above) {
        (false, _) => 0,
        (true, true) => target - (1 << WORD_BITS),
        (true, false) => -1 - target,
    };
    let code = if zeroed { 0 } else { u };
    let after = lines.word(grid, w - code * l, Source::Derived, "weight after");
    let excess = lines.word(grid, excess, Source::Derived, "excess");
    let row = lines.take(3);
    rule(grid, row, MOVE, [Range::Bit, Range::Bit, Range::Free]);
    let [
        [zeroed_cell, before_cell, rate_cell],
        [above_cell, after_cell, rounded],
        [code_cell, excess_cell, padding_cell],
    ] = rule_cells(row);
    grid.derive(zeroed_cell, Fr::from(u64::from(zeroed)), "zeroed");
    grid.copy(before_cell, before, "weight before");
    grid.copy(rate_cell, rate, "learning rate");
    grid.derive(above_cell, Fr::from(u64::from(above)), "above the range");
    grid.copy(after_cell, after, "weight after");
    grid.copy(rounded, digit, "rounded momentum");
    grid.derive(code_cell, field(code + 7), "code");
    grid.copy(excess_cell, excess, "excess");
    grid.copy(padding_cell, padding, "padding mark");
    (after, code_cell)
}

/// Hashes the leaves and opens them under the two records.
fn open(
    builder: &mut Builder,
    opening: &UpdateOpening,
    weights: &[Weight],
    scale: Cell,
    position: &Bits,
    step: &Bits,
    next: &Bits,
) {
    let column = |get: fn(&Weight) -> Cell| weights.iter().map(get).collect::<Vec<_>>();
    let before = builder.pack_words(&column(|w| w.before));
    let after = builder.pack_words(&column(|w| w.after));
    let mut momenta = builder.pack_words(&column(|w| w.momentum));
    momenta.push(scale);
    let codes = builder.pack_codes(&column(|w| w.code));
    let zero = builder.zero;

    let Builder { grid, lane, .. } = builder;
    let update = lane.hash(grid, tag::UPDATE, Operand::Copy(codes), Operand::Copy(zero));
    let update = builder.model_root(tag::UPDATE_ROOT, update, position, &opening.path_update);

    let Builder { grid, lane, .. } = builder;
    let momenta = lane.sponge(grid, tag::MOMENTA, &momenta, zero);
    let half = lane.sponge(grid, tag::WEIGHTS, &after, zero);
    let leaf = lane.hash(grid, tag::STATE, Operand::Copy(half), Operand::Copy(momenta));
    let state = builder.model_root(tag::STATE_ROOT, leaf, position, &opening.path_after);
    builder.record(state, Operand::Copy(update), next, &opening.record_after);

    let Builder { grid, lane, .. } = builder;
    let half = lane.sponge(grid, tag::WEIGHTS, &before, zero);
    let momenta = Operand::Input(convert(opening.momenta_hash_before), "momenta hash before");
    let leaf = lane.hash(grid, tag::STATE, Operand::Copy(half), momenta);
    let state = builder.model_root(tag::STATE_ROOT, leaf, position, &opening.path_before);
    let update = Operand::Input(convert(opening.record_before.update_root), "update root before");
    builder.record(state, update, step, &opening.record_before);
}

/// Marks three rows as a rule whose digits have these ranges.
pub(crate) fn rule(grid: &mut Grid, row: usize, rule: u64, ranges: [Range; 3]) {
    grid.fix(Fixed::Rule, row + 1, Fr::from(rule));
    for (offset, range) in ranges.into_iter().enumerate() {
        grid.fix(Fixed::Range, row + offset, Fr::from(range as u64));
    }
}

/// Digit, value and parameter cells of the three rows of a rule.
pub(crate) fn rule_cells(row: usize) -> [[Cell; 3]; 3] {
    let columns = [Advice::Digit, Advice::Value, Advice::Parameter];
    [row, row + 1, row + 2].map(|row| columns.map(|column| Cell { column, row }))
}
