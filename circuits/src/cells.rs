//! Cells: one file for each relation of the training step that a proof can show.

pub mod activation;
pub mod blank;
pub mod dequantize;
pub mod disclosure;
pub mod errors;
pub mod init;
pub mod input;
pub mod link;
pub mod loss;
pub mod momentum;
pub(crate) mod opened;
pub mod peak;
pub mod product;
pub mod quantize;
pub mod scale;
pub mod update;
pub mod vacant;
pub mod weights;

use halo2_proofs::halo2curves::bn256::Fr;
use pogo_protocol::leaf::{WORDS_PER_ELEMENT, tag};
use pogo_protocol::opening::RecordOpening;
use pogo_protocol::statement::{PADDING_BITS, POSITION_BITS};

use crate::chips::poseidon::{Lane, Operand, convert};
use crate::chips::values::{Bits, Lines, Range};
use crate::grid::{Cell, Grid};

/// What all cells of a circuit share: the grid, its two stacks of rows, and the public cells.
#[derive(Debug)]
pub(crate) struct Builder {
    pub(crate) grid: Grid,
    pub(crate) lane: Lane,
    pub(crate) lines: Lines,
    pub(crate) publics: Publics,
    pub(crate) zero: Cell,
}

/// Cells of the public inputs that the cells' relations read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Publics {
    pub(crate) parent_root: Cell,
    pub(crate) steps_root: Cell,
    pub(crate) state_root: Cell,
    pub(crate) quantized_root: Cell,
    pub(crate) layout: Cell,
    pub(crate) record_count: Cell,
}

impl Builder {
    /// Eight words to an element, low first.
    pub(crate) fn pack_words(&mut self, words: &[Cell]) -> Vec<Cell> {
        let radix = power(31);
        words
            .chunks(WORDS_PER_ELEMENT)
            .map(|group| {
                let high_first: Vec<_> = group.iter().rev().map(|&word| (word, radix)).collect();
                self.lines.compose(&mut self.grid, &high_first, Range::Free, "packed words")
            })
            .collect()
    }

    /// Sixty-four codes as base-15 digits, low first; looks every digit up.
    pub(crate) fn pack_codes(&mut self, codes: &[Cell]) -> Cell {
        let high_first: Vec<_> = codes.iter().rev().map(|&code| (code, Fr::from(15))).collect();
        self.lines.compose(&mut self.grid, &high_first, Range::Code, "packed codes")
    }

    /// Root over a tree of the model's leaves: path, then layout.
    pub(crate) fn model_root(&mut self, tag: u64, leaf: Cell, position: &Bits, path: &[ark_bn254::Fr]) -> Cell {
        let layout = self.publics.layout;
        let root = self.path(leaf, position, path);
        self.lane.hash(&mut self.grid, tag, Operand::Copy(root), Operand::Copy(layout))
    }

    /// Constrains the record at `index`, with this state root, to be in the steps root.
    pub(crate) fn record(&mut self, state_root: Cell, update_root: Operand, index: &Bits, opening: &RecordOpening) {
        let (steps_root, count) = (self.publics.steps_root, self.publics.record_count);
        let pair = self.lane.hash(&mut self.grid, tag::PAIR, Operand::Copy(state_root), update_root);
        let rest = Operand::Input(convert(opening.rest), "rest of a record");
        let record = self.lane.hash(&mut self.grid, tag::RECORD, Operand::Copy(pair), rest);
        let root = self.path(record, index, &opening.path);
        let root = self.lane.hash(&mut self.grid, tag::STEPS_ROOT, Operand::Copy(root), Operand::Copy(count));
        self.grid.equal(root, steps_root);
    }

    fn path(&mut self, leaf: Cell, position: &Bits, path: &[ark_bn254::Fr]) -> Cell {
        assert_eq!(position.bits.len(), path.len(), "path length of an opening");
        let siblings: Vec<Fr> = path.iter().copied().map(convert).collect();
        self.lane.path(&mut self.grid, tag::NODE, leaf, &position.bits, &siblings)
    }
}

/// Cells that stand in the packed public input of one sample, highest field first, each with the
/// factor that shifts what stands above it.
pub(crate) type Packed = Vec<(Cell, Fr)>;

/// Packed fields of a sample: position, the cell's own fields, padding.
pub(crate) fn packed(position: Cell, fields: &[(Cell, u32)], padding: Cell) -> Packed {
    let mut packed = vec![(position, power(POSITION_BITS))];
    packed.extend(fields.iter().map(|&(cell, bits)| (cell, power(bits))));
    packed.push((padding, power(PADDING_BITS)));
    packed
}

pub(crate) fn power(bits: u32) -> Fr {
    use halo2_proofs::halo2curves::ff::Field;
    Fr::from(2).pow([u64::from(bits)])
}
