//! What a grid claims: its public inputs as a plain claim, its cells as plain openings.

use std::collections::HashMap;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::PrimeField;
use pogo_protocol::fixed::{LEAF, LEARNING_RATE_BOUND, WORD_BIAS};
use pogo_protocol::leaf::BLOCKS_PER_LEAF;
use pogo_protocol::opening::{Openings, QuantizeOpening, RecordOpening, Roots, Slot, UpdateOpening};
use pogo_protocol::statement::{
    PADDING_BITS, POSITION_BITS, QUANTIZES_PER_ELEMENT, STEP_BITS, UPDATES_PER_ELEMENT, WORD_FIELD_BITS, quantize_bits,
    update_bits,
};

use crate::grid::{Advice, Cell, Grid, Origin};
use crate::round::Shape;
use crate::transcript::scalar_bytes;

/// What a grid claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Openings under roots; they may be false.
    Claim(Box<(Roots, Openings)>),
    /// No statement has these public inputs: it names what is out of range.
    NoStatement(&'static str),
    /// The cells hold no openings: it names what is out of range.
    NoOpenings(&'static str),
}

impl Reading {
    /// Whether the plain relation holds for what is claimed. What no statement claims cannot be
    /// wrong.
    pub fn is_right(&self) -> bool {
        match self {
            Reading::Claim(claim) => claim.1.check(&claim.0).is_ok(),
            Reading::NoStatement(_) => true,
            Reading::NoOpenings(_) => false,
        }
    }
}

/// Reads a grid of a circuit of this shape under these public inputs.
pub fn read(shape: &Shape, grid: &Grid, instances: &[Fr]) -> Reading {
    let statement = match Samples::read(shape, instances) {
        Ok(statement) => statement,
        Err(what) => return Reading::NoStatement(what),
    };
    match Cells::new(grid).openings(shape, &statement) {
        Ok(openings) => Reading::Claim(Box::new((statement.roots, openings))),
        Err(what) => Reading::NoOpenings(what),
    }
}

/// Public inputs, unpacked.
struct Samples {
    roots: Roots,
    /// Position, step, learning rate, padding.
    updates: Vec<[u64; 4]>,
    /// Position, half step, padding.
    quantizes: Vec<[u64; 3]>,
}

impl Samples {
    fn read(shape: &Shape, instances: &[Fr]) -> Result<Self, &'static str> {
        let count = number(instances[7]).filter(|&count| count >> 32 == 0).ok_or("record count")?;
        let [parent, steps, state, quantized, layout] = [2, 3, 4, 5, 6].map(|row| ark(instances[row]));
        let data = ark_bn254::Fr::from(0u64); // no public input
        let roots = Roots { parent, steps, state, quantized, data, layout, record_count: count as u32 };
        let split = 8 + shape.updates.div_ceil(UPDATES_PER_ELEMENT);
        let widths = [POSITION_BITS, STEP_BITS, WORD_FIELD_BITS, PADDING_BITS];
        let updates = unpack(&instances[8..split], shape.updates, UPDATES_PER_ELEMENT, widths, update_bits())?;
        let widths = [POSITION_BITS, WORD_FIELD_BITS, PADDING_BITS];
        let quantizes = unpack(&instances[split..], shape.quantizes, QUANTIZES_PER_ELEMENT, widths, quantize_bits())?;
        let depth = shape.tree_depth;
        for &[position, step, rate, padding] in &updates {
            ensure(position >> depth == 0, "position")?;
            ensure(step + 1 < count, "step")?;
            ensure(padding < LEAF as u64, "padding")?;
            ensure((1..u64::from(LEARNING_RATE_BOUND)).contains(&rate), "learning rate")?;
        }
        for &[position, half_step, padding] in &quantizes {
            ensure(position >> depth == 0, "position")?;
            ensure(padding < LEAF as u64, "padding")?;
            ensure(half_step.is_power_of_two() && half_step <= 1 << 23, "half step")?;
        }
        Ok(Self { roots, updates, quantizes })
    }
}

fn ensure(holds: bool, what: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(what) }
}

/// Fields of `count` samples, the highest first.
fn unpack<const N: usize>(
    elements: &[Fr],
    count: usize,
    per_element: usize,
    widths: [u32; N],
    bits: u32,
) -> Result<Vec<[u64; N]>, &'static str> {
    let mut samples = Vec::new();
    for (i, &element) in elements.iter().enumerate() {
        let held = per_element.min(count - i * per_element);
        let bytes = element.to_repr();
        let bit = |at: u32| bytes.as_ref()[at as usize / 8] >> (at % 8) & 1;
        ensure((held as u32 * bits..256).all(|at| bit(at) == 0), "packed sample")?;
        for sample in 0..held as u32 {
            let mut at = (sample + 1) * bits;
            samples.push(widths.map(|width| {
                at -= width;
                (0..width).rev().fold(0, |value, i| value << 1 | u64::from(bit(at + i)))
            }));
        }
    }
    Ok(samples)
}

/// Cells that are not copies, by what they stand for, in the order assigned.
struct Cells<'a> {
    grid: &'a Grid,
    named: HashMap<&'static str, std::vec::IntoIter<Cell>>,
}

type Read<T> = Result<T, &'static str>;

impl<'a> Cells<'a> {
    fn new(grid: &'a Grid) -> Self {
        let mut named: HashMap<_, Vec<_>> = HashMap::new();
        for assignment in grid.assignments.iter().filter(|assignment| assignment.origin != Origin::Copied) {
            named.entry(assignment.name).or_default().push(assignment.cell);
        }
        Self { grid, named: named.into_iter().map(|(name, cells)| (name, cells.into_iter())).collect() }
    }

    fn next(&mut self, name: &'static str) -> Read<Cell> {
        self.named.get_mut(name).and_then(Iterator::next).ok_or(name)
    }

    fn element(&mut self, name: &'static str) -> Read<ark_bn254::Fr> {
        self.next(name).map(|cell| ark(self.grid.value(cell)))
    }

    fn small(&mut self, name: &'static str, bound: u64) -> Read<u64> {
        let cell = self.next(name)?;
        number(self.grid.value(cell)).filter(|&value| value < bound).ok_or(name)
    }

    /// A word: the value that its third limb completes.
    fn word(&mut self, name: &'static str) -> Read<i32> {
        self.next(name)?;
        self.next(name)?;
        let Cell { row, .. } = self.next(name)?;
        let slot = number(self.grid.value(Cell { column: Advice::Value, row }));
        let slot = slot.filter(|&slot| slot < 1 << 31).ok_or(name)?;
        Ok((slot as i64 - i64::from(WORD_BIAS)) as i32)
    }

    /// Words of a leaf, which stand last first.
    fn words(&mut self, name: &'static str) -> Read<[i32; LEAF]> {
        let mut words = [0; LEAF];
        for word in words.iter_mut().rev() {
            *word = self.word(name)?;
        }
        Ok(words)
    }

    fn code(&mut self, name: &'static str) -> Read<i8> {
        Ok(self.small(name, 15)? as i8 - 7)
    }

    fn path(&mut self, depth: usize) -> Read<Vec<ark_bn254::Fr>> {
        (0..depth).map(|_| self.element("sibling")).collect()
    }

    fn openings(&mut self, shape: &Shape, samples: &Samples) -> Read<Openings> {
        let zero = ark_bn254::Fr::from(0u64);
        let first = self.record(shape, Some(zero), "")?;
        let last = self.record(shape, None, "update root of the last record")?;
        let updates = samples.updates.iter().map(|sample| self.update(shape, sample)).collect::<Read<_>>()?;
        let quantizes = samples.quantizes.iter().map(|sample| self.quantize(shape, sample)).collect::<Read<_>>()?;
        Ok(Openings { first, last, updates, quantizes })
    }

    fn record(&mut self, shape: &Shape, update: Option<ark_bn254::Fr>, name: &'static str) -> Read<RecordOpening> {
        let update_root = update.map_or_else(|| self.element(name), Ok)?;
        let rest = self.element("rest of a record")?;
        Ok(RecordOpening { update_root, rest, path: self.path(shape.steps_depth)? })
    }

    fn update(&mut self, shape: &Shape, &[position, step, rate, padding]: &[u64; 4]) -> Read<UpdateOpening> {
        let scale_after = self.word("gradient scale")?;
        let (weights_before, weights_after) = (self.words("weight before")?, self.words("weight after")?);
        let momenta_after = self.words("momentum")?;
        let mut codes = [0; LEAF];
        for code in codes.iter_mut().rev() {
            *code = self.code("code")?;
        }
        let (path_update, path_after) = (self.path(shape.tree_depth)?, self.path(shape.tree_depth)?);
        // The record's update root is computed, not read.
        let record_after = self.record(shape, Some(ark_bn254::Fr::from(0u64)), "")?;
        let (momenta_hash_before, path_before) = (self.element("momenta hash before")?, self.path(shape.tree_depth)?);
        let record_before = self.record(shape, None, "update root before")?;
        Ok(UpdateOpening {
            slot: Slot { position: position as usize, padding: padding as usize },
            step: step as u32,
            learning_rate: rate as u32,
            weights_before,
            momenta_hash_before,
            path_before,
            record_before,
            weights_after,
            momenta_after,
            scale_after,
            path_after,
            codes,
            path_update,
            record_after,
        })
    }

    fn quantize(&mut self, shape: &Shape, &[position, half_step, padding]: &[u64; 3]) -> Read<QuantizeOpening> {
        let weights = self.words("weight")?;
        let (mut codes, mut scales) = ([0; LEAF], [0; BLOCKS_PER_LEAF]);
        for code in &mut codes {
            *code = self.code("4-bit code")?;
        }
        for scale in &mut scales {
            *scale = self.small("block scale", 32)? as u8;
        }
        let (momenta_hash, path) = (self.element("momenta hash")?, self.path(shape.tree_depth)?);
        Ok(QuantizeOpening {
            slot: Slot { position: position as usize, padding: padding as usize },
            half_step: half_step as u32,
            weights,
            momenta_hash,
            path,
            codes,
            scales,
            path_quantized: self.path(shape.tree_depth)?,
        })
    }
}

/// A field element below 2^64.
pub fn number(value: Fr) -> Option<u64> {
    let bytes = value.to_repr();
    let (low, high) = bytes.as_ref().split_first_chunk::<8>()?;
    high.iter().all(|&byte| byte == 0).then_some(u64::from_le_bytes(*low))
}

/// The protocol's element for one of Halo2.
pub fn ark(value: Fr) -> ark_bn254::Fr {
    pogo_protocol::codec::scalar(&scalar_bytes(value)).expect("both fields have one modulus")
}
