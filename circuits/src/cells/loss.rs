//! The loss cell: a row of logits gives its loss and its 8-bit errors.
//!
//! ```text
//! d_c = max z - z_c                        natural, 0 for a chosen class
//! x_c = EXP[d_c], or 0 where d_c >= 4096   looked up as d 2^31 + x
//! x_c 2^15 = p_c S + rest_c                S = sum x, 0 <= rest_c < S
//! error_c  = p_c - [c = label] sum p
//! S = m 2^(k - 10) + rest                  LN[m - 1024] looked up as m 2^31 + ln, 0 <= rest < 2^(k - 10)
//! loss = 256 d_label + (k - 16) 45426 + ln
//! ```
//!
//! Padding classes have `x = 0`, and so errors of 0.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use pogo_protocol::cell::input::{DATA_DEPTH, RECORDS_BITS};
use pogo_protocol::cell::loss::LossOpening;
use pogo_protocol::fixed::{LEAF, LOGIT_EXPONENT, LOGIT_MAX, WORD_BIAS, WORD_BITS};
use pogo_protocol::leaf::tag;
use pogo_protocol::statement::{STEP_BITS, TENSOR_BITS, TRACE_BITS};
use pogo_protocol::tables::{EXP, LN};

use super::errors::Weyl;
use super::opened::{ExponentCells, Fields, Opener, RecordCells};
use crate::chips::poseidon::Operand;
use crate::chips::values::{Bits, Range, Source};
use crate::grid::{Cell, field};

/// Fraction bits of a probability.
const PROBABILITY_BITS: u32 = 15;
/// `2^16 ln 2`.
const LN_2: u64 = 45_426;

/// Assigns one loss cell and returns its public fields.
pub(crate) fn assign(opener: &mut Opener, opening: &LossOpening) -> Vec<Fields> {
    let sample = &opening.sample;
    let (step, index) = opener.step(sample.step);
    let [sums, errors, before, losses] = [sample.sums, sample.errors, sample.before.unwrap_or(0), sample.losses]
        .map(|position| opener.trace_position(position));
    let (tensor, tensors) = opener.tensor(sample.tensor);
    let tensors = tensors.value;
    let padding = opener.arithmetic.lines.padding(&mut opener.grid, sample.padding as usize);
    opener.grid.equal(padding.marks[0], opener.arithmetic.zero);
    let weyl = Weyl::new(opener, &sample.dither);
    let exponent = i128::from(sample.exponent) + i128::from(WORD_BIAS);
    let exponent_slot = opener.arithmetic.lines.word(&mut opener.grid, exponent, Source::Input, "exponent of errors");
    let data = opener.bits(sample.record.into(), DATA_DEPTH, "data record bit");
    let records = opener.bits(sample.records.into(), RECORDS_BITS as usize, "record count bit").value;
    let first = opener.arithmetic.bit(&mut opener.grid, sample.before.is_none(), "first row");
    let after = opener.record(&opening.after, &index);

    let slots = opener.traced_words(&opening.sums, &sums, &after);
    let used = opener.exponents(&opening.used, &tensor, tensors, after.used);
    let next = opener.exponents(&opening.next, &tensor, tensors, after.next);
    let logits = logits(opener, slots, &used);

    let is_label = chosen(opener, usize::from(opening.label), &padding.marks);
    let label = number_of(opener, &is_label);
    let features = opener.input(opening.features, "features hash");
    opener.data_record(label, features, &data, &opening.data_path, records);

    let (loss, row) = softmax(opener, &logits, &padding.marks, &is_label);
    running_losses(opener, opening, (first, &before, &losses), (loss, label), &after);
    let e = opener.signed(exponent_slot);
    let shift = opener.sum(&[used.errors], &[e]);
    let shift = opener.arithmetic.shift(&mut opener.grid, shift);
    let room = opener.room(next.errors, e);
    let rounded: Vec<_> = (row.into_iter().enumerate())
        .map(|(j, error)| {
            opener.spans(error, room);
            weyl.round(opener, j, error, &shift)
        })
        .collect();
    let leaf = opener.hash_bytes(&rounded);
    opener.traces(leaf, &errors, &opening.errors.path, &after);

    let fields = vec![
        (step.value, STEP_BITS),
        (sums.value, TRACE_BITS),
        (errors.value, TRACE_BITS),
        (before.value, TRACE_BITS),
        (losses.value, TRACE_BITS),
        (tensor.value, TENSOR_BITS),
        (padding.count, 6),
    ];
    let mut more = weyl.fields();
    more.extend([(exponent_slot, WORD_BITS), (data.value, DATA_DEPTH as u32), (records, RECORDS_BITS), (first, 1)]);
    vec![fields, more]
}

/// Logits of sums in slots.
pub(crate) fn logits(opener: &mut Opener, slots: Vec<Cell>, used: &ExponentCells) -> Vec<Cell> {
    let target = opener.arithmetic.constant(&mut opener.grid, field(LOGIT_EXPONENT.into()));
    let shift = opener.sum(&[target], &[used.input, used.weights]);
    let shift = opener.arithmetic.shift(&mut opener.grid, shift);
    let logit = |slot| {
        let sum = opener.signed(slot);
        opener.arithmetic.round(&mut opener.grid, sum, &shift, shift.half, LOGIT_MAX as u64)
    };
    slots.into_iter().map(logit).collect()
}

/// Number of the class whose bit is 1.
pub(crate) fn number_of(opener: &mut Opener, bits: &[Cell]) -> Cell {
    let numbered: Vec<_> = (1..LEAF).map(|c| (bits[c], Fr::from(c as u64))).collect();
    opener.arithmetic.linear(&mut opener.grid, &numbered, "number of a class")
}

/// One bit of 64 that is 1, and not at a padding class.
pub(crate) fn chosen(opener: &mut Opener, class: usize, padding: &[Cell]) -> Vec<Cell> {
    let (grid, arithmetic) = (&mut opener.grid, &mut opener.arithmetic);
    let bits: Vec<Cell> = (0..LEAF).map(|c| arithmetic.bit(grid, c == class, "chosen class")).collect();
    let sum = opener.sum(&bits, &[]);
    opener.grid.equal(sum, opener.arithmetic.one);
    let (grid, arithmetic) = (&mut opener.grid, &mut opener.arithmetic);
    let both: Vec<_> = bits.iter().copied().zip(padding.iter().copied()).collect();
    let padded = arithmetic.dot(grid, arithmetic.zero, &both);
    grid.equal(padded, arithmetic.zero);
    bits
}

/// Loss and errors of a row of logits.
pub(crate) fn softmax(opener: &mut Opener, logits: &[Cell], padding: &[Cell], is_label: &[Cell]) -> (Cell, Vec<Cell>) {
    let real = |opener: &Opener, c: usize| opener.grid.value(padding[c]) == Fr::ZERO;
    let largest = (0..LEAF).filter(|&c| real(opener, c)).max_by_key(|&c| opener.grid.integer(logits[c])).unwrap_or(0);
    let is_largest = chosen(opener, largest, padding);
    let pairs: Vec<_> = is_largest.into_iter().zip(logits.iter().copied()).collect();
    let (grid, arithmetic) = (&mut opener.grid, &mut opener.arithmetic);
    let max = arithmetic.dot(grid, arithmetic.zero, &pairs);

    let (mut distances, mut exps) = (Vec::with_capacity(LEAF), Vec::with_capacity(LEAF));
    for (&logit, &padding) in logits.iter().zip(padding) {
        let real = opener.sum(&[opener.arithmetic.one], &[padding]);
        let distance = opener.sum(&[max], &[logit]);
        // Padding classes may have any logit.
        let distance = opener.arithmetic.multiply(&mut opener.grid, real, distance);
        let distance = opener.arithmetic.natural_of(&mut opener.grid, distance, 3);
        exps.push(exp(opener, distance, real));
        distances.push(distance);
    }
    let sum = opener.sum(&exps, &[]);
    let below = opener.plus(sum, -1);
    let probabilities: Vec<Cell> = exps
        .into_iter()
        .map(|x| {
            let (grid, arithmetic) = (&mut opener.grid, &mut opener.arithmetic);
            let scaled = grid.integer(x) << PROBABILITY_BITS;
            let p = scaled / grid.integer(sum).max(1);
            let p = arithmetic.lines.word(grid, p, Source::Derived, "probability");
            let product = arithmetic.multiply(grid, p, sum);
            let terms = [(product, -Fr::ONE), (x, Fr::from(1 << PROBABILITY_BITS))];
            let rest = arithmetic.linear(grid, &terms, "remainder of a probability");
            let rest = arithmetic.natural_of(grid, rest, 3);
            let above = opener.sum(&[below], &[rest]);
            opener.arithmetic.natural_of(&mut opener.grid, above, 3);
            p
        })
        .collect();
    let total = opener.sum(&probabilities, &[]);
    let errors = (probabilities.iter().zip(is_label))
        .map(|(&p, &is_label)| {
            let part = opener.arithmetic.multiply(&mut opener.grid, is_label, total);
            opener.sum(&[p], &[part])
        })
        .collect();

    let pairs: Vec<_> = is_label.iter().copied().zip(distances).collect();
    let (grid, arithmetic) = (&mut opener.grid, &mut opener.arithmetic);
    let distance = arithmetic.dot(grid, arithmetic.zero, &pairs);
    let (extra, ln) = logarithm(opener, sum);
    let terms = [(distance, Fr::from(256)), (extra, Fr::from(LN_2)), (ln, Fr::ONE)];
    (opener.arithmetic.linear(&mut opener.grid, &terms, "loss of the row"), errors)
}

/// `EXP` of a natural number below `2^33`, 0 beyond the table and where `real` is 0.
///
/// A bit says whether the number is in the table; where it is, `d 2^31 + x` is looked up, with `x` a
/// word, so that both are what the table has. Where it is not, `d - 4096` is natural.
fn exp(opener: &mut Opener, distance: Cell, real: Cell) -> Cell {
    let (grid, arithmetic) = (&mut opener.grid, &mut opener.arithmetic);
    let d = grid.integer(distance);
    let near = d < EXP.len() as i128;
    let zero = arithmetic.zero;
    let (near_bit, near_distance) = arithmetic.flagged(grid, zero, near, distance, "in the table");
    let at = grid.integer(near_distance).clamp(0, EXP.len() as i128 - 1) as usize;
    let x = arithmetic.lines.word(grid, EXP[at].into(), Source::Derived, "exponential");
    arithmetic.look_up(grid, Range::Exp, near_distance, x);
    let beyond = opener.plus(distance, -(EXP.len() as i128));
    let near_beyond = opener.arithmetic.multiply(&mut opener.grid, near_bit, beyond);
    let far = opener.sum(&[beyond], &[near_beyond]);
    let (grid, arithmetic) = (&mut opener.grid, &mut opener.arithmetic);
    arithmetic.natural_of(grid, far, 3);
    let x = arithmetic.multiply(grid, near_bit, x);
    arithmetic.multiply(grid, real, x)
}

/// `k - 16` and the table part of `ln` of a sum of exponentials, `2^16 .. 2^22`.
fn logarithm(opener: &mut Opener, sum: Cell) -> (Cell, Cell) {
    let (grid, arithmetic) = (&mut opener.grid, &mut opener.arithmetic);
    let value = grid.integer(sum).max(1);
    let extra = (i128::from(value.ilog2()) - 16).clamp(0, 7);
    let extra = arithmetic.lines.bits(grid, extra, 3, Source::Derived, "logarithm bit");
    let power = arithmetic.power(grid, &extra.bits);
    let power = arithmetic.linear(grid, &[(power, Fr::from(64))], "unit of the mantissa");
    let mantissa = value / grid.integer(power).max(1);
    let mantissa = arithmetic.lines.word(grid, mantissa, Source::Derived, "mantissa");
    let product = arithmetic.multiply(grid, mantissa, power);
    let rest = opener.sum(&[sum], &[product]);
    let rest = opener.arithmetic.natural_of(&mut opener.grid, rest, 3);
    let above = opener.sum(&[power], &[rest, opener.arithmetic.one]);
    let (grid, arithmetic) = (&mut opener.grid, &mut opener.arithmetic);
    arithmetic.natural_of(grid, above, 3);
    let at = (grid.integer(mantissa) - LN.len() as i128).clamp(0, LN.len() as i128 - 1) as usize;
    let ln = arithmetic.lines.word(grid, LN[at].into(), Source::Derived, "logarithm");
    arithmetic.look_up(grid, Range::Ln, mantissa, ln);
    (extra.value, ln)
}

/// Opens the losses before the row, unless it is the first, and those up to it.
fn running_losses(
    opener: &mut Opener,
    opening: &LossOpening,
    (first, before, losses): (Cell, &Bits, &Bits),
    (loss, label): (Cell, Cell),
    after: &RecordCells,
) {
    let zero = opener.arithmetic.zero;
    let start = opener.input(opening.before.loss, "losses before");
    opener.arithmetic.equal_if(&mut opener.grid, first, start, zero);
    let label_before = Operand::Input(Fr::from(u64::from(opening.before.label)), "label before");
    let leaf = opener.lane.hash(&mut opener.grid, tag::LOSS, Operand::Copy(start), label_before);
    let root = opener.path(leaf, before, &opening.before.path);
    let layout = Operand::Copy(opener.publics.layout);
    let root = opener.lane.hash(&mut opener.grid, tag::TRACE_ROOT, Operand::Copy(root), layout);
    opener.arithmetic.equal_unless(&mut opener.grid, first, root, after.trace_root);
    let sum = opener.sum(&[start, loss], &[]);
    let leaf = opener.lane.hash(&mut opener.grid, tag::LOSS, Operand::Copy(sum), Operand::Copy(label));
    opener.traces(leaf, losses, &opening.losses.1, after);
}
