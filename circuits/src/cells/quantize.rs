//! The quantize cell: the 4-bit leaf is the exact quantization of the 32-bit leaf.
//!
//! With `half = 2^(st-1)` public, a block of 32 weights has scale `sc` and step `d = 2 sc half`:
//!
//! ```text
//! QUANTIZE  0 <= W + d/2 - code d < d  and  |W| <= 7 d           (four numbers in range)
//! BLOCK     sc = 1, or some |W| > 7 (sc - 1) 2^st                 (sc is the smallest)
//! ```
//!
//! The largest weight of the block is shown by a running sum of `bit (W + 2^40)`: its high part
//! counts the bits, so that exactly one weight is chosen.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::ConstraintSystem;
use pogo_protocol::fixed::{self, BLOCK as BLOCK_SIZE, LEAF, WORD_BIAS};
use pogo_protocol::leaf::tag;
use pogo_protocol::opening::QuantizeOpening;
use pogo_protocol::statement::WORD_FIELD_BITS;

use super::update::{BLOCK, RULE_KINDS, rule, rule_cells};
use super::{Builder, Packed, packed};
use crate::chips::poseidon::{Operand, convert};
use crate::chips::values::{LINE_KINDS, QUANTIZE, Range, SELECT_BITS, Source};
use crate::chips::{Columns, constant, kind, power_of_two};
use crate::grid::{Cell, Fixed, Grid, field};

const BIAS: i128 = WORD_BIAS as i128;

/// Creates the rules of the quantize cell.
pub(crate) fn configure(meta: &mut ConstraintSystem<Fr>, columns: &Columns) {
    meta.create_gate("quantize: code = weight rounded to the block's step", |cells| {
        let active = kind(columns.fixed(cells, Fixed::Line), QUANTIZE, LINE_KINDS);
        let [[code, weight, half], [rest, above, below_top], [over_bottom, padding, _]] = columns.rule(cells);
        let (code, weight) = (code - constant(7), weight - power_of_two(30));
        let step = half.clone() * constant(2);
        let limit = step.clone() * constant(7);
        vec![
            ("rest = weight + half - code * step", {
                active.clone() * (rest.clone() - weight.clone() - half + code * step.clone())
            }),
            ("rest is below the step", active.clone() * (above - step + constant(1) + rest)),
            ("weight is at most 7 steps", active.clone() * (below_top - limit.clone() + weight.clone())),
            ("weight is at least -7 steps", active.clone() * (over_bottom - limit - weight.clone())),
            ("padding weight is 0", active * padding * weight),
        ]
    });
    meta.create_gate("block: the scale is the smallest that holds the block", |cells| {
        let active = kind(columns.fixed(cells, Fixed::Rule), BLOCK, RULE_KINDS);
        let [[one, excess, sum], [positive, half, half_step], [scale, _, _]] = columns.rule(cells);
        let larger = constant(1) - one.clone();
        let weight = sum - power_of_two(SELECT_BITS);
        let magnitude = (positive * constant(2) - constant(1)) * weight;
        let smaller = (scale.clone() - constant(1)) * half.clone() * constant(14);
        vec![
            ("half step = scale * half", active.clone() * (half_step - scale.clone() * half)),
            ("one only for scale 1", active.clone() * one * (scale - constant(1))),
            ("a weight needs this scale", active * (excess - larger * (magnitude - smaller - constant(1)))),
        ]
    });
}

/// Assigns one quantize cell and returns its packed public fields.
pub(crate) fn assign(builder: &mut Builder, opening: &QuantizeOpening, tree_depth: usize) -> Packed {
    let Builder { grid, lines, .. } = builder;
    let half = lines.word(grid, i128::from(opening.half_step), Source::Input, "half of 2^st");
    let position = lines.bits(grid, opening.slot.position as i128, tree_depth, Source::Input, "position bit");
    let padding = lines.padding(grid, opening.slot.padding);
    let mut words: Vec<Cell> = (0..LEAF)
        .rev()
        .map(|i| lines.word(grid, i128::from(opening.weights[i]) + BIAS, Source::Input, "weight"))
        .collect();
    words.reverse();
    let mut codes = Vec::with_capacity(LEAF);
    let scales: Vec<Cell> = (words.chunks(BLOCK_SIZE).zip(padding.marks.chunks(BLOCK_SIZE)))
        .map(|(words, marks)| {
            let (scale, half_step) = block(builder, words, half);
            codes.extend(words.iter().zip(marks).map(|(&word, &mark)| quantize(builder, word, half_step, mark)));
            scale
        })
        .collect();
    open(builder, opening, &words, &codes, &scales, &position);
    packed(position.value, &[(half, WORD_FIELD_BITS)], padding.count)
}

/// The scale of a block and half its step.
fn block(builder: &mut Builder, words: &[Cell], half: Cell) -> (Cell, Cell) {
    let Builder { grid, lines, .. } = builder;
    let weights: Vec<i128> = words.iter().map(|&word| grid.integer(word) - BIAS).collect();
    let (largest, max) = (0..).zip(weights.iter().map(|w| w.abs())).max_by_key(|&(_, w)| w).unwrap_or((0, 0));
    let half_value = grid.integer(half).max(1);
    let exponent = half_value.ilog2() + 1;
    let scale = i128::from(fixed::block_scale(u32::try_from(max).unwrap_or(0), exponent.min(24)));
    let one = scale == 1;
    let sum = lines.select(grid, words, (!one).then_some(largest));
    let positive = weights[largest] >= 0;
    let excess = if one { 0 } else { max - 14 * (scale - 1) * half_value - 1 };
    let excess = lines.wide(grid, excess, "weight above the smaller scale");
    let row = lines.take(3);
    rule(grid, row, BLOCK, [Range::Bit, Range::Bit, Range::Scale]);
    let [[one_cell, excess_cell, sum_cell], [positive_cell, half_cell, half_step], [scale_cell, _, _]] =
        rule_cells(row);
    grid.derive(one_cell, Fr::from(u64::from(one)), "scale is 1");
    grid.copy(excess_cell, excess, "weight above the smaller scale");
    grid.copy(sum_cell, sum, "chosen weight");
    grid.derive(positive_cell, Fr::from(u64::from(positive)), "chosen weight is positive");
    grid.copy(half_cell, half, "half of 2^st");
    grid.derive(scale_cell, field(scale), "block scale");
    grid.derive(half_step, grid.value(scale_cell) * grid.value(half_cell), "half step");
    (scale_cell, half_step)
}

/// The digit `code + 7` of one weight.
fn quantize(builder: &mut Builder, word: Cell, half_step: Cell, padding: Cell) -> Cell {
    let Builder { grid, lines, .. } = builder;
    let (weight, half) = (grid.integer(word) - BIAS, grid.integer(half_step).max(1));
    let step = 2 * half;
    let code = (weight + half).div_euclid(step).clamp(-7, 7);
    let rest = weight + half - code * step;
    let rest_word = lines.word(grid, rest, Source::Derived, "rest");
    let rest = grid.integer(rest_word);
    let above = lines.word(grid, step - 1 - rest, Source::Derived, "step less rest");
    let below_top = lines.wide(grid, 7 * step - weight, "7 steps less weight");
    let over_bottom = lines.wide(grid, 7 * step + weight, "7 steps and weight");
    let row = lines.take(3);
    line(grid, row);
    let [[code_cell, weight_cell, half_cell], [rest_cell, above_cell, top_cell], [bottom_cell, padding_cell, _]] =
        rule_cells(row);
    grid.derive(code_cell, field(code + 7), "4-bit code");
    grid.copy(weight_cell, word, "weight");
    grid.copy(half_cell, half_step, "half step");
    grid.copy(rest_cell, rest_word, "rest");
    grid.copy(above_cell, above, "step less rest");
    grid.copy(top_cell, below_top, "7 steps less weight");
    grid.copy(bottom_cell, over_bottom, "7 steps and weight");
    grid.copy(padding_cell, padding, "padding mark");
    code_cell
}

fn line(grid: &mut Grid, row: usize) {
    grid.fix(Fixed::Line, row + 1, Fr::from(QUANTIZE));
}

/// Hashes both leaves and opens them under the final state root and the quantized root.
fn open(
    builder: &mut Builder,
    opening: &QuantizeOpening,
    words: &[Cell],
    codes: &[Cell],
    scales: &[Cell],
    position: &crate::chips::values::Bits,
) {
    let elements = builder.pack_words(words);
    let packed_codes = builder.pack_codes(codes);
    let high_first: Vec<_> = scales.iter().rev().map(|&scale| (scale, Fr::from(32))).collect();
    let Builder { grid, lines, lane, zero, .. } = builder;
    let packed_scales = lines.compose(grid, &high_first, Range::Free, "packed scales");
    let half = lane.sponge(grid, tag::WEIGHTS, &elements, *zero);
    let momenta = Operand::Input(convert(opening.momenta_hash), "momenta hash");
    let leaf = lane.hash(grid, tag::STATE, Operand::Copy(half), momenta);
    let root = builder.model_root(tag::STATE_ROOT, leaf, position, &opening.path);
    builder.grid.equal(root, builder.publics.state_root);

    let Builder { grid, lane, .. } = builder;
    let leaf = lane.hash(grid, tag::QUANTIZED, Operand::Copy(packed_codes), Operand::Copy(packed_scales));
    let root = builder.model_root(tag::QUANTIZED_ROOT, leaf, position, &opening.path_quantized);
    builder.grid.equal(root, builder.publics.quantized_root);
}
