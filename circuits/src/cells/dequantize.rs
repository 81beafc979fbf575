//! The dequantize cell: 64 bytes of weights of an evaluation are 64 4-bit codes times the scales of their
//! blocks.
//!
//! Codes stand as digits `code + 7`, looked up where they are packed, so a byte is `digit * scale - 7 scale`.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use pogo_protocol::cell::dequantize::DequantizeOpening;
use pogo_protocol::fixed::{BLOCK, CODE_MAX, LEAF};
use pogo_protocol::leaf::{CODE_BASE, tag};
use pogo_protocol::statement::{POSITION_BITS, STEP_BITS, TRACE_BITS};

use super::opened::{Fields, Opener};
use crate::chips::poseidon::Operand;
use crate::chips::values::Range;
use crate::grid::{Advice, Cell, Grid, field};

/// Factor of the second scale where both are packed.
const SCALE_RADIX: u64 = 32;

/// Assigns one dequantize cell and returns its public fields.
pub(crate) fn assign(opener: &mut Opener, opening: &DequantizeOpening) -> Vec<Fields> {
    let sample = &opening.sample;
    let (step, index) = opener.step(sample.step);
    let model = opener.state_position(sample.model);
    let trace = opener.trace_position(sample.trace);
    let after = opener.record(&opening.after, &index);

    let codes: Vec<i128> = opening.codes.iter().map(|&code| i128::from(code) + i128::from(CODE_MAX)).collect();
    let scales: Vec<i128> = opening.scales.iter().map(|&scale| scale.into()).collect();
    let (packed_codes, codes) = digits(opener, &codes, Range::Code, CODE_BASE, "4-bit code");
    let (packed_scales, scales) = digits(opener, &scales, Range::Scale, SCALE_RADIX, "block scale");
    let (codes_operand, scales_operand) = (Operand::Copy(packed_codes), Operand::Copy(packed_scales));
    let leaf = opener.lane.hash(&mut opener.grid, tag::QUANTIZED, codes_operand, scales_operand);
    let root = opener.path(leaf, &model, &opening.path);
    opener.under(tag::QUANTIZED_ROOT, root, opener.publics.quantized_root);

    let mut bytes = Vec::with_capacity(LEAF);
    for (codes, &scale) in codes.chunks(BLOCK).zip(&scales) {
        let (grid, arithmetic) = (&mut opener.grid, &mut opener.arithmetic);
        let lowest = arithmetic.linear(grid, &[(scale, -Fr::from(CODE_MAX as u64))], "lowest byte of a block");
        bytes.extend(codes.iter().map(|&code| arithmetic.dot(grid, lowest, &[(code, scale)])));
    }
    let leaf = opener.hash_bytes(&bytes);
    opener.traces(leaf, &trace, &opening.expanded.path, &after);
    vec![vec![(step.value, STEP_BITS), (model.value, POSITION_BITS), (trace.value, TRACE_BITS)]]
}

/// Numbers of the witness in a range, low first: packed with this radix, and each by itself.
fn digits(opener: &mut Opener, values: &[i128], range: Range, radix: u64, name: &'static str) -> (Cell, Vec<Cell>) {
    let (mut packed, mut cells, mut factor) = (opener.arithmetic.zero, Vec::new(), Fr::ZERO);
    for &value in values.iter().rev() {
        let digit = |grid: &mut Grid, cell| grid.input(cell, field(value), name);
        packed = opener.arithmetic.lines.horner_by(&mut opener.grid, range, factor, digit);
        cells.push(Cell { column: Advice::Digit, ..packed });
        factor = Fr::from(radix);
    }
    cells.reverse();
    (packed, cells)
}
