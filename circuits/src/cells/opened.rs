//! What cells of a step open: records, leaves of states and traces, exponents of a tensor.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use pogo_protocol::cell::{Depths, ExponentsLeaf, Record, WordLeaf};
use pogo_protocol::fixed::{FEATURE_EXPONENT, LEAF, WEIGHT_FRACTION, WORD_BIAS, WORD_BITS};
use pogo_protocol::leaf::{WORDS_PER_ELEMENT, tag};
use pogo_protocol::product::TracedRecord;
use pogo_protocol::record::EXPONENTS_DEPTH;
use pogo_protocol::statement::{POSITION_BITS, STEP_BITS, TENSOR_BITS, TRACE_BITS};

use super::{Publics, power};
use crate::chips::arithmetic::Arithmetic;
use crate::chips::poseidon::{Lane, Operand, convert};
use crate::chips::values::{Bits, Range, Source};
use crate::grid::{Cell, Grid, field};

pub(crate) const BIAS: i128 = WORD_BIAS as i128;
/// Bytes that an element holds.
pub(crate) const BYTES_PER_ELEMENT: usize = 31;

/// Limbs of a number below `2^32`.
pub(crate) const WORD32: [Range; 4] = [Range::Bit, Range::Bits9, Range::Bits11, Range::Bits11];

/// Cells that stand in one packed public input, lowest field first, each with its bits.
pub(crate) type Fields = Vec<(Cell, u32)>;

/// What the cells of a step are built with: the grid, its two stacks of rows, and the public cells.
#[derive(Debug)]
pub(crate) struct Opener {
    pub(crate) grid: Grid,
    pub(crate) lane: Lane,
    pub(crate) arithmetic: Arithmetic,
    pub(crate) publics: Publics,
    pub(crate) data_root: Cell,
    pub(crate) depths: Depths,
}

/// Fields of an opened record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordCells {
    pub(crate) state_root: Cell,
    pub(crate) update_root: Cell,
    pub(crate) trace_root: Cell,
    pub(crate) loss: Cell,
    pub(crate) used: Cell,
    pub(crate) next: Cell,
}

/// Exponents of a tensor as signed integers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExponentCells {
    /// Of the 8-bit weights.
    pub(crate) weights: Cell,
    /// Shift of the weights.
    pub(crate) shift: Cell,
    pub(crate) input: Cell,
    pub(crate) errors: Cell,
}

/// Magnitudes that an exponent holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// The exponent less that of the values, `n`.
    pub(crate) bits: Cell,
    /// `2^n`.
    pub(crate) size: Cell,
    /// The largest magnitude, `2^(7 + n) - 1`.
    pub(crate) most: Cell,
}

/// A record of zeros.
pub(crate) fn blank_record(depth: usize) -> Record {
    let [state_root, update_root, trace_root, loss, used, next] = [ark_bn254::Fr::from(0u64); 6];
    Record { state_root, update_root, trace_root, loss, used, next, path: vec![state_root; depth] }
}

impl Opener {
    /// A witness value without a range.
    pub(crate) fn input(&mut self, value: ark_bn254::Fr, name: &'static str) -> Cell {
        let value = convert(value);
        self.arithmetic
            .lines
            .horner_by(&mut self.grid, Range::Free, Fr::ZERO, |grid, cell| grid.input(cell, value, name))
    }

    /// The step and, one more, the number of the record after it.
    pub(crate) fn step(&mut self, step: u32) -> (Bits, Bits) {
        let (depth, lines) = (self.record_depth(), &mut self.arithmetic.lines);
        let step = lines.bits(&mut self.grid, step.into(), depth, Source::Input, "step bit");
        let next = lines.increment(&mut self.grid, step.value);
        let index = self.grid.integer(next);
        let index = lines.bits(&mut self.grid, index, depth, Source::Derived, "record bit");
        self.grid.equal(index.value, next);
        (step, index)
    }

    /// The number of a record.
    pub(crate) fn record_index(&mut self, index: u32) -> Bits {
        let depth = self.record_depth();
        self.bits(index.into(), depth, "record bit")
    }

    fn record_depth(&self) -> usize {
        let depth = self.depths.steps;
        assert!(depth <= STEP_BITS as usize, "depth {depth} of the records does not fit the sample");
        depth
    }

    /// A position in a trace.
    pub(crate) fn trace_position(&mut self, position: usize) -> Bits {
        let depth = self.depths.trace;
        assert!(depth <= TRACE_BITS as usize, "depth {depth} of a trace does not fit the sample");
        self.bits(position as u64, depth, "trace position bit")
    }

    /// A position in a state.
    pub(crate) fn state_position(&mut self, position: usize) -> Bits {
        let depth = self.depths.tree;
        assert!(depth <= POSITION_BITS as usize, "depth {depth} of a state does not fit the sample");
        self.bits(position as u64, depth, "state position bit")
    }

    /// A number of so many bits.
    pub(crate) fn bits(&mut self, value: u64, count: usize, name: &'static str) -> Bits {
        self.arithmetic.lines.bits(&mut self.grid, value.into(), count, Source::Input, name)
    }

    /// A number below `2^32`.
    pub(crate) fn word32(&mut self, value: u32, name: &'static str) -> Cell {
        self.arithmetic.lines.limbs(&mut self.grid, &WORD32, value.into(), Source::Input, name)
    }

    /// A number of a tensor, and one more.
    pub(crate) fn tensor(&mut self, tensor: u32) -> (Bits, Bits) {
        let tensor = self.bits(tensor.into(), TENSOR_BITS as usize, "tensor bit");
        let above = self.arithmetic.lines.increment(&mut self.grid, tensor.value);
        let (lines, number) = (&mut self.arithmetic.lines, self.grid.integer(above));
        let bits = lines.bits(&mut self.grid, number, TENSOR_BITS as usize, Source::Derived, "tensor above bit");
        self.grid.equal(bits.value, above);
        (tensor, bits)
    }

    /// A record with all its fields, in the steps root at `index`.
    pub(crate) fn record(&mut self, record: &Record, index: &Bits) -> RecordCells {
        let cells = self.fields(record);
        let pair = self.pair(&cells);
        let hash = self.record_leaf(pair, cells.trace_root, &cells);
        self.in_steps(hash, index, &record.path);
        cells
    }

    /// All fields of a record.
    pub(crate) fn fields(&mut self, record: &Record) -> RecordCells {
        RecordCells {
            state_root: self.input(record.state_root, "state root"),
            update_root: self.input(record.update_root, "update root"),
            trace_root: self.input(record.trace_root, "trace root"),
            loss: self.input(record.loss, "loss"),
            used: self.input(record.used, "exponents used"),
            next: self.input(record.next, "exponents for the next step"),
        }
    }

    /// Both roots of a record as one element.
    pub(crate) fn pair(&mut self, record: &RecordCells) -> Cell {
        let [state, update] = [record.state_root, record.update_root].map(Operand::Copy);
        self.lane.hash(&mut self.grid, tag::PAIR, state, update)
    }

    /// Leaf of a record with this pair of roots and this root of the trace.
    pub(crate) fn record_leaf(&mut self, pair: Cell, trace_root: Cell, record: &RecordCells) -> Cell {
        let (grid, lane, zero) = (&mut self.grid, &mut self.lane, self.arithmetic.zero);
        let rest = lane.sponge(grid, tag::REST, &[trace_root, record.loss, record.used, record.next], zero);
        lane.hash(grid, tag::RECORD, Operand::Copy(pair), Operand::Copy(rest))
    }

    /// A record of which the root of the trace's tree is at hand, in the steps root at `index`.
    pub(crate) fn traced_record(&mut self, record: &TracedRecord, tree_root: Cell, index: &Bits) {
        let layout = Operand::Copy(self.publics.layout);
        let (grid, lane) = (&mut self.grid, &mut self.lane);
        let trace = lane.hash(grid, tag::TRACE_ROOT, Operand::Copy(tree_root), layout);
        let [loss, used, asked] = record.rest.map(convert);
        let rest = [
            [Operand::Copy(trace), Operand::Input(loss, "loss")],
            [Operand::Input(used, "exponents"), Operand::Input(asked, "next exponents")],
        ];
        let rest = lane.sponge_of(grid, tag::REST, &rest);
        let pair = Operand::Input(convert(record.pair), "pair of roots");
        let hash = lane.hash(grid, tag::RECORD, pair, Operand::Copy(rest));
        self.in_steps(hash, index, &record.path);
    }

    /// Constrains a record, hashed last, to be in the steps root at `index`.
    fn in_steps(&mut self, hash: Cell, index: &Bits, path: &[ark_bn254::Fr]) {
        let tree = self.path(hash, index, path);
        let root = self.steps_root(tree);
        self.grid.equal(root, self.publics.steps_root);
    }

    /// Root over the records whose tree has this root.
    pub(crate) fn steps_root(&mut self, tree: Cell) -> Cell {
        let count = Operand::Copy(self.publics.record_count);
        self.lane.hash(&mut self.grid, tag::STEPS_ROOT, Operand::Copy(tree), count)
    }

    /// Constrains the leaf, hashed last, to stand in the trace of a record.
    pub(crate) fn traces(&mut self, leaf: Cell, position: &Bits, path: &[ark_bn254::Fr], record: &RecordCells) {
        let root = self.path(leaf, position, path);
        self.under(tag::TRACE_ROOT, root, record.trace_root);
    }

    /// Constrains the leaf, hashed last, to stand in the state of a record.
    pub(crate) fn holds(&mut self, leaf: Cell, position: &Bits, path: &[ark_bn254::Fr], record: &RecordCells) {
        let root = self.path(leaf, position, path);
        self.under(tag::STATE_ROOT, root, record.state_root);
    }

    /// Constrains a tree's root, with the layout, to be `expected`.
    pub(crate) fn under(&mut self, tag: u64, root: Cell, expected: Cell) {
        let layout = Operand::Copy(self.publics.layout);
        let root = self.lane.hash(&mut self.grid, tag, Operand::Copy(root), layout);
        self.grid.equal(root, expected);
    }

    /// Root of a path from the leaf, which was hashed last.
    pub(crate) fn path(&mut self, leaf: Cell, position: &Bits, path: &[ark_bn254::Fr]) -> Cell {
        assert_eq!(position.bits.len(), path.len(), "path length of an opening");
        let siblings: Vec<Fr> = path.iter().copied().map(convert).collect();
        self.lane.path(&mut self.grid, tag::NODE, leaf, &position.bits, &siblings)
    }

    /// Root of a path from a leaf that stands anywhere.
    pub(crate) fn path_from(&mut self, leaf: Cell, position: &Bits, path: &[ark_bn254::Fr]) -> Cell {
        assert_eq!(position.bits.len(), path.len(), "path length of an opening");
        let sibling = self.input(path[0], "sibling of a leaf");
        let node = self.node(leaf, position.bits[0], sibling);
        let siblings: Vec<Fr> = path[1..].iter().copied().map(convert).collect();
        self.lane.path(&mut self.grid, tag::NODE, node, &position.bits[1..], &siblings)
    }

    /// Root of a path from a leaf that stands anywhere, with siblings that another path has as well.
    pub(crate) fn path_beside(&mut self, leaf: Cell, position: &Bits, siblings: &[Cell]) -> Cell {
        assert_eq!(position.bits.len(), siblings.len(), "path length of an opening");
        position.bits.iter().zip(siblings).fold(leaf, |child, (&bit, &sibling)| self.node(child, bit, sibling))
    }

    /// The node over a child, which stands left (bit 0) or right (bit 1), and its sibling.
    fn node(&mut self, child: Cell, bit: Cell, sibling: Cell) -> Cell {
        let grid = &mut self.grid;
        let left = self.arithmetic.choose(grid, bit, sibling, child);
        let right = self.arithmetic.choose(grid, bit, child, sibling);
        self.lane.hash(grid, tag::NODE, Operand::Copy(left), Operand::Copy(right))
    }

    /// Exponents of a tensor of `tensors` under a root.
    pub(crate) fn exponents(
        &mut self,
        exponents: &ExponentsLeaf,
        tensor: &Bits,
        tensors: Cell,
        root: Cell,
    ) -> ExponentCells {
        assert_eq!(exponents.path.len(), EXPONENTS_DEPTH, "path length of exponents");
        let ExponentsLeaf { shift, input, errors, path } = exponents;
        let grid = &mut self.grid;
        let slots = [errors, input, shift].map(|&exponent| {
            let slot = i128::from(exponent) + BIAS;
            self.arithmetic.lines.word(grid, slot, Source::Input, "exponent")
        });
        let radix = power(WORD_BITS);
        let leaf = self.arithmetic.lines.compose(grid, &slots.map(|s| (s, radix)), Range::Free, "packed exponents");
        let tree = self.path_from(leaf, tensor, path);
        let grid = &mut self.grid;
        let got = self.lane.hash(grid, tag::EXPONENTS, Operand::Copy(tree), Operand::Copy(tensors));
        grid.equal(got, root);
        let [errors, input, shift] = slots.map(|slot| self.signed(slot));
        // The input of tensor 0 are the features.
        let first = self.arithmetic.is_zero(&mut self.grid, tensor.value);
        let features = self.arithmetic.constant(&mut self.grid, field(FEATURE_EXPONENT.into()));
        self.arithmetic.equal_if(&mut self.grid, first, input, features);
        let weights = self.plus(shift, (-WEIGHT_FRACTION).into());
        ExponentCells { weights, shift, input, errors }
    }

    /// A signed integer from the slot of a word.
    pub(crate) fn signed(&mut self, slot: Cell) -> Cell {
        self.plus(slot, -BIAS)
    }

    /// `cell + constant`.
    pub(crate) fn plus(&mut self, cell: Cell, constant: i128) -> Cell {
        let one = self.arithmetic.one;
        self.arithmetic.linear(&mut self.grid, &[(one, field(constant)), (cell, Fr::ONE)], "sum with a constant")
    }

    /// `sum of left - sum of right`.
    pub(crate) fn sum(&mut self, left: &[Cell], right: &[Cell]) -> Cell {
        let minus = right.iter().map(|&cell| (cell, -Fr::ONE));
        let terms: Vec<_> = minus.chain(left.iter().map(|&cell| (cell, Fr::ONE))).collect();
        self.arithmetic.linear(&mut self.grid, &terms, "sum")
    }

    /// Slots of 64 words, range-checked.
    pub(crate) fn words(&mut self, words: &[i32; LEAF], name: &'static str) -> Vec<Cell> {
        let slot =
            |&word: &i32| self.arithmetic.lines.word(&mut self.grid, i128::from(word) + BIAS, Source::Input, name);
        words.iter().map(slot).collect()
    }

    /// Slots of 64 words of a row of the trace of a record.
    pub(crate) fn traced_words(&mut self, leaf: &WordLeaf, position: &Bits, record: &RecordCells) -> Vec<Cell> {
        let slots = self.words(&leaf.words, "word");
        let digest = self.hash_words(tag::WORDS, &slots);
        self.traces(digest, position, &leaf.path, record);
        slots
    }

    /// Eight slots to an element, low first.
    pub(crate) fn pack_words(&mut self, slots: &[Cell]) -> Vec<Cell> {
        let radix = power(WORD_BITS);
        let pack = |group: &[Cell]| {
            let high_first: Vec<_> = group.iter().rev().map(|&slot| (slot, radix)).collect();
            self.arithmetic.lines.compose(&mut self.grid, &high_first, Range::Free, "packed words")
        };
        slots.chunks(WORDS_PER_ELEMENT).map(pack).collect()
    }

    /// Hash of 64 words under `tag`.
    pub(crate) fn hash_words(&mut self, tag: u64, slots: &[Cell]) -> Cell {
        let elements = self.pack_words(slots);
        self.lane.sponge(&mut self.grid, tag, &elements, self.arithmetic.zero)
    }

    /// Hash of a leaf of 64 bytes, signed integers in range.
    pub(crate) fn hash_bytes(&mut self, bytes: &[Cell]) -> Cell {
        let elements: Vec<Cell> = bytes
            .chunks(BYTES_PER_ELEMENT)
            .map(|chunk| {
                let high_first: Vec<_> = chunk.iter().rev().map(|&byte| (byte, Fr::from(256))).collect();
                self.arithmetic.lines.compose(&mut self.grid, &high_first, Range::Free, "packed bytes");
                // Bytes stand as byte + 128.
                let bias = (0..chunk.len()).fold(Fr::ZERO, |sum, _| sum * Fr::from(256) + Fr::from(128));
                let (packed, one) = (self.arithmetic.lines.last(crate::grid::Advice::Value), self.arithmetic.one);
                self.arithmetic.linear(&mut self.grid, &[(packed, Fr::ONE), (one, bias)], "packed bytes")
            })
            .collect();
        self.lane.sponge(&mut self.grid, tag::BYTES, &elements, self.arithmetic.zero)
    }

    /// 64 bytes of the witness as signed integers, range-checked.
    pub(crate) fn bytes(&mut self, bytes: &[i8; LEAF], name: &'static str) -> Vec<Cell> {
        let byte = |&byte: &i8| {
            let slot = field(i128::from(byte) + 128);
            let digit = |grid: &mut Grid, cell| grid.input(cell, slot, name);
            let slot = self.arithmetic.lines.horner_by(&mut self.grid, Range::Byte, Fr::ZERO, digit);
            self.plus(slot, -128)
        };
        bytes.iter().map(byte).collect()
    }

    /// What the exponent `next` holds of values with exponent `e`; `next - e` is constrained to
    /// `0 ..= 24`.
    pub(crate) fn room(&mut self, next: Cell, e: Cell) -> Room {
        let bits = self.sum(&[next], &[e]);
        let lines = &mut self.arithmetic.lines;
        let value = self.grid.integer(bits).clamp(0, 31);
        let composed = lines.bits(&mut self.grid, value, 5, Source::Derived, "room bit");
        self.grid.equal(composed.value, bits);
        let most = self.arithmetic.constant(&mut self.grid, Fr::from(24));
        let spare = self.sum(&[most], &[bits]);
        self.arithmetic.natural_of(&mut self.grid, spare, 1);
        let size = self.arithmetic.power(&mut self.grid, &composed.bits);
        let one = self.arithmetic.one;
        let most = self.arithmetic.linear(&mut self.grid, &[(one, -Fr::ONE), (size, Fr::from(128))], "room");
        Room { bits, size, most }
    }

    /// Constrains a natural number to be at most `room`.
    pub(crate) fn fits(&mut self, value: Cell, room: Room) {
        let spare = self.sum(&[room.most], &[value]);
        self.arithmetic.natural_of(&mut self.grid, spare, 3);
    }

    /// Constrains a signed integer to be at most `room` in magnitude.
    pub(crate) fn spans(&mut self, value: Cell, room: Room) {
        for bound in [self.sum(&[room.most], &[value]), self.sum(&[room.most, value], &[])] {
            self.arithmetic.natural_of(&mut self.grid, bound, 3);
        }
    }

    /// `max(x, 0)`, and `|x|` composed of these limbs, of a signed integer that fits them.
    ///
    /// With a bit `p`, `|x| = 2 p x - x` is natural, so `p` is free only where `x` is 0.
    pub(crate) fn positive_part(&mut self, x: Cell, limbs: &[Range]) -> (Cell, Cell) {
        let (grid, arithmetic) = (&mut self.grid, &mut self.arithmetic);
        let (zero, positive) = (arithmetic.zero, grid.integer(x) > 0);
        let (_, part) = arithmetic.flagged(grid, zero, positive, x, "is positive");
        let magnitude = arithmetic.linear(grid, &[(x, -Fr::ONE), (part, Fr::from(2))], "magnitude");
        (part, arithmetic.same_limbs(grid, magnitude, limbs, "magnitude"))
    }

    /// Constrains a record of the data, of this label and hash of features, to be in the data root.
    pub(crate) fn data_record(
        &mut self,
        label: Cell,
        features: Cell,
        index: &Bits,
        path: &[ark_bn254::Fr],
        records: Cell,
    ) {
        let leaf = self.lane.hash(&mut self.grid, tag::DATA_RECORD, Operand::Copy(label), Operand::Copy(features));
        let root = self.path(leaf, index, path);
        let root = self.lane.hash(&mut self.grid, tag::DATA_ROOT, Operand::Copy(root), Operand::Copy(records));
        self.grid.equal(root, self.data_root);
    }

    /// A public input of packed fields.
    pub(crate) fn publish(&mut self, fields: &[(Cell, u32)], row: usize) {
        let mut terms = Vec::with_capacity(fields.len());
        for (i, &(cell, _)) in fields.iter().enumerate().rev() {
            terms.push((cell, power(fields[i].1)));
        }
        let element = self.arithmetic.lines.compose(&mut self.grid, &terms, Range::Free, "packed sample");
        self.grid.public(element, row);
    }
}
