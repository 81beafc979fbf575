//! The statement: the public claim of one proof, its words and its field vector.
//!
//! The words are those of Solidity's `abi.encode(Statement)`; the digest is their keccak256. The
//! circuit's public inputs are the digest in two 128-bit limbs, the roots, and the samples packed
//! several to a field element:
//!
//! ```text
//! update sample   = padding | learning_rate << 7 | step << 38 | position << 58      (82 bits, 3 an element)
//! quantize sample = padding | half_step << 7 | position << 38                       (62 bits, 4 an element)
//! element = sum sample_i << (bits * i)
//! ```
//!
//! `padding` is 64 less the leaf's real weights, `half_step` is `2^(st - 1)` of its tensor.
//!
//! That is the round circuit, which proves update and quantize cells. Every other kind has a circuit
//! of its own ([`CircuitKind`]); its statements have the same words up to the samples, which are the
//! elements that the file of the kind says (`pogo_protocol::cell`).

use alloc::vec;
use alloc::vec::Vec;

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, BigInt, PrimeField};

use crate::cell::activation::ActivationSample;
use crate::cell::blank::{BlankSample, zero_leaf};
use crate::cell::dequantize::DequantizeSample;
use crate::cell::disclosure::{Disclosed, DisclosureSample};
use crate::cell::errors::{Dither, ErrorsSample};
use crate::cell::init::{InitSample, first_leaf};
use crate::cell::input::InputSample;
use crate::cell::link::LinkSample;
use crate::cell::loss::LossSample;
use crate::cell::momentum::MomentumSample;
use crate::cell::peak::{PeakSample, Rows, Scaled};
use crate::cell::scale::ScaleSample;
use crate::cell::vacant::VacantSample;
use crate::cell::weights::WeightsSample;
use crate::cell::{Cell, CellSpace, Kind, Place, packed};
use crate::challenge::{Challenge, UpdateSample, draw_cells};
use crate::codec::{CodecError, Reader, Writer, scalar_bytes};
use crate::commitment::Commitment;
use crate::data::{Order, Round};
use crate::disclosure::{self, Disclosure, Segments};
use crate::fixed::{ERROR_EXPONENT, LEAF, key};
use crate::merkle::Layout;
use crate::model::{Spec, State, TraceMode};
use crate::opening::Roots;
use crate::product::{Orientation, ProductSample};
use crate::stream::keccak;
use crate::trace::{Pass, Placed, TensorId, TraceLayout};

/// Domain of the statement digest.
pub const DOMAIN: &[u8] = b"pogo/statement/v1";
/// Samples of each kind that one proof carries.
pub const SAMPLES_PER_PROOF: usize = 8;
/// Elements of packed update samples.
pub const UPDATE_ELEMENTS: usize = SAMPLES_PER_PROOF.div_ceil(UPDATES_PER_ELEMENT);
/// Elements of packed quantize samples.
pub const QUANTIZE_ELEMENTS: usize = SAMPLES_PER_PROOF.div_ceil(QUANTIZES_PER_ELEMENT);
/// Elements of the samples of a round circuit.
pub const ROUND_ELEMENTS: usize = UPDATE_ELEMENTS + QUANTIZE_ELEMENTS;
/// Public inputs before the samples: digest limbs, five roots, the number of records.
pub const HEAD: usize = 8;
/// Public inputs of a round circuit.
pub const INSTANCES: usize = HEAD + ROUND_ELEMENTS;
/// Words of the ABI encoding before the samples.
pub const HEAD_WORDS: usize = 20;
/// Words of the ABI encoding of a statement of the round circuit.
pub const WORDS: usize = HEAD_WORDS + ROUND_ELEMENTS;
/// Elements of the samples of every other circuit, zeros after those of its cells.
pub const STEP_ELEMENTS: usize = 16;

/// Bits of the padding count in a packed sample.
pub const PADDING_BITS: u32 = 7;
/// Bits of the learning rate, and of the half step, in a packed sample.
pub const WORD_FIELD_BITS: u32 = 31;
/// Bits of the step in a packed sample.
pub const STEP_BITS: u32 = 20;
/// Bits of the position of a leaf of the model in a packed sample.
pub const POSITION_BITS: u32 = 24;
/// Bits of the position of a leaf of a trace in a packed sample.
pub const TRACE_BITS: u32 = 30;
/// Bits of the number of a tensor, and of their count, in a packed sample.
pub const TENSOR_BITS: u32 = 6;
/// Update samples in one element.
pub const UPDATES_PER_ELEMENT: usize = 3;
/// Quantize samples in one element.
pub const QUANTIZES_PER_ELEMENT: usize = 4;

/// Where and by whom the round is run; what a proof must not be moved out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// EVM chain id.
    pub chain_id: u64,
    /// Settlement contract.
    pub contract: [u8; 20],
    /// Hash of the task's name.
    pub task: [u8; 32],
    /// Round of the task, from 0.
    pub round: u64,
    /// Address of the miner.
    pub miner: [u8; 20],
}

/// The public claim of one proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Id of the circuit: digest of its description, which names constraints, key and SRS.
    pub circuit: [u8; 32],
    /// Id of the SRS.
    pub srs: [u8; 32],
    /// Where and by whom.
    pub context: Context,
    /// Hash of the commitment.
    pub commitment: [u8; 32],
    /// Hash of the spec.
    pub spec: [u8; 32],
    /// Root of the training data.
    pub data_root: Fr,
    /// The beacon the samples were drawn from.
    pub beacon: [u8; 32],
    /// Number of this proof among those of the round.
    pub part: u32,
    /// Number of proofs of the round.
    pub parts: u32,
    /// Root of the state the round started from.
    pub parent_root: Fr,
    /// Root over the step records.
    pub steps_root: Fr,
    /// Root of the final state.
    pub state_root: Fr,
    /// Root of the 4-bit model.
    pub quantized_root: Fr,
    /// Layout element of the model.
    pub layout: Fr,
    /// Number of step records.
    pub record_count: u32,
    /// Packed samples.
    pub samples: Vec<Fr>,
}

/// A circuit: what proves cells of one kind, or of a few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CircuitKind {
    /// Update and quantize cells.
    Round,
    /// Link cells.
    Link,
    /// Input cells.
    Input,
    /// Weights cells.
    Weights,
    /// Product cells of one orientation.
    Product(Orientation),
    /// Activation cells.
    Activation,
    /// Loss cells.
    Loss,
    /// Errors cells.
    Errors,
    /// Momentum cells.
    Momentum,
    /// Blank cells.
    Blank,
    /// Init cells.
    Init,
    /// Peak cells of one kind of exponent.
    Peak(Scaled),
    /// Scale cells.
    Scale,
    /// Vacant cells.
    Vacant,
    /// Disclosures.
    Disclosure,
    /// Dequantize cells.
    Dequantize,
}

impl CircuitKind {
    /// All circuits, in the order in which a round proves them; the last two are of no round's draw.
    pub const ALL: [Self; 21] = [
        Self::Round,
        Self::Link,
        Self::Input,
        Self::Weights,
        Self::Product(Orientation::Forward),
        Self::Product(Orientation::Gradient),
        Self::Product(Orientation::Backward),
        Self::Activation,
        Self::Loss,
        Self::Errors,
        Self::Momentum,
        Self::Blank,
        Self::Peak(Scaled::Weights),
        Self::Peak(Scaled::Activations),
        Self::Peak(Scaled::Errors),
        Self::Peak(Scaled::Losses),
        Self::Scale,
        Self::Init,
        Self::Vacant,
        Self::Disclosure,
        Self::Dequantize,
    ];

    /// Name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Round => "round",
            Self::Link => "link",
            Self::Input => "input",
            Self::Weights => "weights",
            Self::Product(Orientation::Forward) => "forward",
            Self::Product(Orientation::Gradient) => "gradient",
            Self::Product(Orientation::Backward) => "backward",
            Self::Activation => "activation",
            Self::Loss => "loss",
            Self::Errors => "errors",
            Self::Momentum => "momentum",
            Self::Blank => "blank",
            Self::Init => "init",
            Self::Peak(Scaled::Weights) => "weights-peak",
            Self::Peak(Scaled::Activations) => "activation-peak",
            Self::Peak(Scaled::Errors) => "errors-peak",
            Self::Peak(Scaled::Losses) => "loss-peak",
            Self::Scale => "scale",
            Self::Vacant => "vacant",
            Self::Disclosure => "disclosure",
            Self::Dequantize => "dequantize",
        }
    }

    /// Cells that one proof carries, as many as fit its rows; of the round circuit this many of both kinds.
    pub fn capacity(self) -> usize {
        match self {
            Self::Product(_) | Self::Disclosure => 1,
            Self::Loss => 3,
            Self::Errors => 6,
            Self::Peak(Scaled::Losses) => 4,
            _ => SAMPLES_PER_PROOF,
        }
    }

    fn index(self) -> usize {
        Self::ALL.into_iter().position(|kind| kind == self).unwrap_or(0)
    }
}

/// Ids of all circuits under one SRS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circuits(pub [[u8; 32]; CircuitKind::ALL.len()]);

impl Circuits {
    /// Id of a circuit.
    pub fn id(&self, kind: CircuitKind) -> [u8; 32] {
        self.0[kind.index()]
    }

    /// The circuit with this id.
    pub fn kind(&self, id: &[u8; 32]) -> Option<CircuitKind> {
        CircuitKind::ALL.into_iter().find(|&kind| self.id(kind) == *id)
    }
}

/// Cells of one proof other than of the round circuit, filled up to its capacity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellPart {
    /// The circuit.
    pub circuit: CircuitKind,
    /// Its cells.
    pub cells: Vec<Cell>,
}

/// Samples of one proof of the round circuit, filled up to its capacity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// [`SAMPLES_PER_PROOF`] (step, leaf) pairs.
    pub updates: Vec<UpdateSample>,
    /// [`SAMPLES_PER_PROOF`] leaves.
    pub quantizes: Vec<usize>,
}

/// Cells of a kind that are drawn where at least `samples` are asked for: whole proofs, as a fuller one
/// costs nothing more. In disclosed segments there is one a [stratum](CellSpace::strata).
pub fn samples_drawn(kind: Kind, samples: usize) -> usize {
    let slots = match kind {
        Kind::Product | Kind::Peak => 1, // several circuits share them
        Kind::Loss => CircuitKind::Loss.capacity(),
        Kind::Errors => CircuitKind::Errors.capacity(),
        _ => SAMPLES_PER_PROOF,
    };
    samples.max(1).next_multiple_of(slots)
}

/// Splits a challenge into proofs. Where a kind has fewer cells than slots, its cells repeat from
/// the first.
pub fn parts(challenge: &Challenge) -> Vec<Part> {
    let most = challenge.updates.len().max(challenge.quantizes.len());
    (0..most.div_ceil(SAMPLES_PER_PROOF))
        .map(|part| {
            let slots = part * SAMPLES_PER_PROOF..(part + 1) * SAMPLES_PER_PROOF;
            Part {
                updates: slots.clone().map(|slot| challenge.updates[slot % challenge.updates.len()]).collect(),
                quantizes: slots.map(|slot| challenge.quantizes[slot % challenge.quantizes.len()]).collect(),
            }
        })
        .collect()
}

/// A part of a round without a statement: the round lacks one of its cells, or a position or step is
/// larger than a statement holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("part {part}: no statement claims its cells of the {} circuit", circuit.name())]
pub struct NoStatement {
    /// Number of the part.
    pub part: u32,
    /// The circuit that would prove it.
    pub circuit: CircuitKind,
}

/// A round as everybody who holds its published files can recompute it.
#[derive(Clone, Debug)]
pub struct PublicRound<'a> {
    /// What the task fixes.
    pub spec: &'a Spec,
    /// Placement of the leaves.
    pub layout: &'a Layout,
    /// Placement of the tensors of a step; none in trace mode `none`. That of an evaluation makes this
    /// round one, whose rows are the records of the data in their order.
    pub trace: Option<&'a TraceLayout>,
    /// What is disclosed of the round; none in other trace modes than `challenged`, and before.
    pub segments: Option<&'a Segments>,
    /// What the miner committed to.
    pub commitment: &'a Commitment,
    /// Where and by whom.
    pub context: Context,
    /// Records of the training data; a proof that opens the data root holds it to this number.
    pub records: u32,
    /// Whether it starts from the weights of the seed, which its init cells show; else from the end of a
    /// round before it or from weights of another task.
    pub seeded: bool,
    /// Public randomness of the round.
    pub beacon: [u8; 32],
    /// Ids of the circuits.
    pub circuits: &'a Circuits,
    /// Id of the SRS.
    pub srs: [u8; 32],
}

/// What is public of one cell other than update and quantize.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sample {
    /// Of a link cell.
    Link(LinkSample),
    /// Of an input cell.
    Input(InputSample),
    /// Of a weights cell.
    Weights(WeightsSample),
    /// Of a product cell.
    Product(Orientation, ProductSample),
    /// Of an activation cell.
    Activation(ActivationSample),
    /// Of a loss cell.
    Loss(LossSample),
    /// Of an errors cell.
    Errors(ErrorsSample),
    /// Of a momentum cell.
    Momentum(MomentumSample),
    /// Of a blank cell.
    Blank(BlankSample),
    /// Of an init cell.
    Init(InitSample),
    /// Of a peak cell.
    Peak(PeakSample),
    /// Of a scale cell.
    Scale(ScaleSample),
    /// Of a disclosure.
    Disclosure(DisclosureSample),
    /// Of a dequantize cell.
    Dequantize(DequantizeSample),
    /// Of a vacant cell.
    Vacant(VacantSample),
}

impl Sample {
    /// The circuit that proves the cell.
    pub fn circuit(&self) -> CircuitKind {
        match self {
            Self::Link(_) => CircuitKind::Link,
            Self::Input(_) => CircuitKind::Input,
            Self::Weights(_) => CircuitKind::Weights,
            Self::Product(orientation, _) => CircuitKind::Product(*orientation),
            Self::Activation(_) => CircuitKind::Activation,
            Self::Loss(_) => CircuitKind::Loss,
            Self::Errors(_) => CircuitKind::Errors,
            Self::Momentum(_) => CircuitKind::Momentum,
            Self::Blank(_) => CircuitKind::Blank,
            Self::Init(_) => CircuitKind::Init,
            Self::Peak(sample) => CircuitKind::Peak(sample.scaled),
            Self::Scale(_) => CircuitKind::Scale,
            Self::Disclosure(_) => CircuitKind::Disclosure,
            Self::Dequantize(_) => CircuitKind::Dequantize,
            Self::Vacant(_) => CircuitKind::Vacant,
        }
    }

    /// Its public inputs; none where a field does not fit its bits.
    pub fn elements(&self) -> Option<Vec<Fr>> {
        match self {
            Self::Link(sample) => sample.elements(),
            Self::Input(sample) => sample.elements(),
            Self::Weights(sample) => sample.elements(),
            Self::Product(_, sample) => sample.elements(),
            Self::Activation(sample) => sample.elements(),
            Self::Loss(sample) => sample.elements(),
            Self::Errors(sample) => sample.elements(),
            Self::Momentum(sample) => sample.elements(),
            Self::Blank(sample) => sample.elements(),
            Self::Init(sample) => sample.elements(),
            Self::Peak(sample) => sample.elements(),
            Self::Scale(sample) => sample.elements(),
            Self::Disclosure(sample) => sample.elements(),
            Self::Dequantize(sample) => sample.elements(),
            Self::Vacant(sample) => sample.elements(),
        }
    }
}

impl<'a> PublicRound<'a> {
    /// The samples of each proof of the round circuit when at least `samples` of each kind are asked
    /// for; none before a disclosure that they are drawn from.
    pub fn parts(&self, samples: usize) -> Vec<Part> {
        let hash = self.commitment.hash();
        let challenge = if self.spec.trace == TraceMode::Challenged {
            let Some(space) = self.space() else { return Vec::new() };
            let cells = |kind| draw_cells(self.beacon, hash, &space, kind, samples_drawn(kind, samples)).into_iter();
            let update = |cell: Cell| UpdateSample { step: cell.step, leaf: cell.index as usize };
            Challenge {
                updates: cells(Kind::Update).map(update).collect(),
                quantizes: cells(Kind::Quantize).map(|cell| cell.index as usize).collect(),
            }
        } else {
            let drawn = samples_drawn(Kind::Update, samples);
            crate::challenge::draw(self.beacon, hash, self.commitment.steps, self.layout.leaf_count(), drawn)
        };
        parts(&challenge)
    }

    /// The cells of each proof of the other circuits when at least `samples` of each kind are asked
    /// for; none where no traces are committed to, or before a disclosure that they are drawn from.
    pub fn cell_parts(&self, samples: usize) -> Vec<CellPart> {
        let Some(space) = self.space() else { return Vec::new() };
        let hash = self.commitment.hash();
        let drawn = |kind| draw_cells(self.beacon, hash, &space, kind, samples_drawn(kind, samples));
        let cells: Vec<Cell> = Kind::ALL.into_iter().filter(|kind| kind.is_traced()).flat_map(drawn).collect();
        let parts = |circuit: CircuitKind| {
            let of = |&&cell: &&Cell| circuit_of(&space, cell) == Some(circuit);
            let cells: Vec<Cell> = cells.iter().filter(of).copied().collect();
            let part = |cells: &[Cell]| cell_part(circuit, cells);
            cells.chunks(circuit.capacity()).map(part).collect::<Vec<_>>()
        };
        CircuitKind::ALL.into_iter().flat_map(parts).collect()
    }

    /// The statements of all proofs of the round, a pure function of what is public: those of
    /// [`PublicRound::parts`], then those of [`PublicRound::cell_parts`].
    ///
    /// # Errors
    /// [`NoStatement`] of the first part that has none; of part 0 before a disclosure that cells are drawn
    /// from.
    pub fn statements(&self, samples: usize) -> Result<Vec<Statement>, NoStatement> {
        if self.spec.trace == TraceMode::Challenged && self.segments.is_none() {
            return Err(NoStatement { part: 0, circuit: CircuitKind::Round });
        }
        let (parts, cell_parts) = (self.parts(samples), self.cell_parts(samples));
        let count = (parts.len() + cell_parts.len()) as u32;
        let first = parts.len() as u32;
        let round = parts.iter().zip(0..).map(|(part, number)| {
            let none = NoStatement { part: number, circuit: CircuitKind::Round };
            self.statement(part, number, count).ok_or(none)
        });
        let cells = cell_parts.iter().zip(first..).map(|(part, number)| {
            let none = NoStatement { part: number, circuit: part.circuit };
            self.cell_statement(part, number, count).ok_or(none)
        });
        round.chain(cells).collect()
    }

    /// The segments that this round's beacon draws when `samples` of each kind are asked for.
    pub fn drawn_segments(&self, samples: usize) -> Vec<u32> {
        disclosure::draw(self.spec, self.beacon, self.commitment.hash(), samples)
    }

    /// The statements of the proofs that disclose these segments one after another, and the root over
    /// the records after each, of `of` proofs in the statements' own words; none where there are fewer
    /// roots or more.
    pub fn disclosure_statements(&self, segments: &[u32], roots: &[Fr], of: u32) -> Option<Vec<Statement>> {
        let proofs = disclosure::proofs(self.spec, segments);
        let mut before = self.roots().steps;
        let statement = |((records, &to), part): ((Vec<Disclosed>, &Fr), u32)| {
            let sample = Sample::Disclosure(DisclosureSample { to, records });
            let samples = self.elements(CircuitKind::Disclosure, &[sample])?;
            let steps_root = core::mem::replace(&mut before, to);
            Some(Statement { steps_root, ..self.claim(CircuitKind::Disclosure, samples, part, of) })
        };
        let fits = proofs.len() == roots.len();
        fits.then(|| proofs.into_iter().zip(roots).zip(0..).map(statement).collect())?
    }

    /// The statements of the proofs that disclose the segments that the first beacon drew, and those
    /// segments; none where the disclosure has fewer roots than they take proofs, or more. This round's
    /// own beacon, the second, does not matter.
    pub fn disclosed(&self, disclosure: &Disclosure, samples: usize) -> Option<(Vec<Statement>, Segments)> {
        let first = Self { beacon: disclosure.beacon, segments: None, ..self.clone() };
        let drawn = first.drawn_segments(samples);
        let statements = first.disclosure_statements(&drawn, &disclosure.roots, disclosure.roots.len() as u32)?;
        let root = disclosure.roots.last().copied().unwrap_or(self.commitment.steps_root);
        Some((statements, Segments::new(self.spec, drawn, root)))
    }

    /// Roots that openings are checked against.
    pub fn roots(&self) -> Roots {
        let roots = self.commitment.roots(self.layout);
        let steps = self.segments.map_or(roots.steps, |segments| segments.steps_root);
        Roots { steps, ..roots }
    }

    /// The cells of the round; none where no traces are committed to, or before a disclosure.
    pub fn space(&self) -> Option<CellSpace<'a>> {
        let space = CellSpace::new(self.spec, self.layout, self.trace?, self.seeded);
        match self.spec.trace {
            TraceMode::None => None,
            TraceMode::Every => Some(space),
            TraceMode::Challenged => Some(space.of_segments(self.segments?)),
        }
    }

    /// What is public of a cell other than update and quantize; none where the round has no such cell.
    pub fn sample(&self, cell: Cell) -> Option<Sample> {
        let trace = self.trace?;
        let (place, step) = (self.space()?.place(cell)?, cell.step);
        let tensors = (self.spec.layers.len() - 1) as u32;
        let at = |id: TensorId, row: usize, column: usize| {
            let last = |placed: &Placed| placed.position(row, column, placed.slabs - 1);
            trace.tensor(id).map(last)
        };
        let row_record = |row: usize| match trace.pass() {
            Pass::Training => self.order().map(|order| order.batch_index(step, row as u32)),
            Pass::Evaluation => Some(row as u32),
        };
        Some(match (cell.kind, place) {
            (Kind::Link, Place::Step) => {
                let losses = at(TensorId::Losses, self.spec.batch as usize - 1, 0)?;
                let (first, last) = (step == 0, step + 1 == self.commitment.steps);
                let [start, end] = self.ends();
                Sample::Link(LinkSample { step, losses, first, last, start, end })
            }
            (Kind::Input, Place::Row(id, row, column, _)) => Sample::Input(InputSample {
                step,
                position: at(id, row, column)?,
                record: row_record(row)?,
                column,
                width: self.spec.width(),
                records: self.records,
            }),
            (Kind::Weights, Place::Leaf(leaf)) => Sample::Weights(WeightsSample {
                step,
                state: leaf.position,
                trace: at(TensorId::Weights(leaf.tensor), leaf.row, leaf.column)?,
                tensor: leaf.tensor as u32,
                tensors,
            }),
            (Kind::Dequantize, Place::Leaf(leaf)) => Sample::Dequantize(DequantizeSample {
                step,
                model: leaf.position,
                trace: at(TensorId::Weights(leaf.tensor), leaf.row, leaf.column)?,
            }),
            (Kind::Product, Place::Tile(cell)) => {
                let tiles = cell.tiles(trace)?;
                Sample::Product(cell.orientation, ProductSample { step, tiles })
            }
            (Kind::Activation, Place::Row(TensorId::Inputs(l), row, column, _)) => {
                Sample::Activation(ActivationSample {
                    step,
                    sums: at(TensorId::Sums(l - 1), row, column)?,
                    activations: at(TensorId::Inputs(l), row, column)?,
                    tensor: l as u32 - 1,
                    tensors,
                })
            }
            (Kind::Loss, Place::Batch(row)) => {
                let last = tensors as usize - 1;
                let classes = self.spec.classes();
                Sample::Loss(LossSample {
                    step,
                    sums: at(TensorId::Sums(last), row, 0)?,
                    errors: at(TensorId::Errors(last), row, 0)?,
                    before: row.checked_sub(1).and_then(|row| at(TensorId::Losses, row, 0)),
                    losses: at(TensorId::Losses, row, 0)?,
                    tensor: last as u32,
                    padding: LEAF.checked_sub(classes)? as u32,
                    dither: self.dither(step, last, row * classes),
                    exponent: ERROR_EXPONENT + self.spec.batch_exponent(),
                    record: row_record(row)?,
                    records: self.records,
                })
            }
            (Kind::Errors, Place::Row(TensorId::Errors(l), row, column, _)) => Sample::Errors(ErrorsSample {
                step,
                below: at(TensorId::Below(l + 1), row, column)?,
                activations: at(TensorId::Inputs(l + 1), row, column)?,
                errors: at(TensorId::Errors(l), row, column)?,
                tensor: l as u32,
                tensors,
                dither: self.dither(step, l, row * self.spec.layers[l + 1] as usize + column * LEAF),
            }),
            (Kind::Momentum, Place::Leaf(leaf)) => Sample::Momentum(MomentumSample {
                step,
                state: leaf.position,
                gradient: at(TensorId::Gradients(leaf.tensor), leaf.row, leaf.column)?,
                tensor: leaf.tensor as u32,
                tensors,
            }),
            (Kind::Blank, Place::Row(id, row, column, slab)) => Sample::Blank(BlankSample {
                step,
                position: trace.tensor(id)?.position(row, column, slab),
                leaf: zero_leaf(id),
            }),
            (Kind::Init, Place::Leaf(leaf)) => {
                let weights = State::initial_leaf(self.spec, leaf.tensor, leaf.row, leaf.column)?;
                Sample::Init(InitSample { position: leaf.position, leaf: first_leaf(&weights).ok()? })
            }
            (Kind::Peak, Place::Exponent(scaled, tensor)) => Sample::Peak(self.peak(trace, step, scaled, tensor)?),
            (Kind::Scale, Place::Tensor(tensor)) => {
                let (leaves, rows, columns) = self.layout.rows_of(tensor);
                let least = ScaleSample::least(*self.commitment.quantized_exponents.get(tensor)?);
                Sample::Scale(ScaleSample { leaves, rows: rows as u32, columns: columns as u32, least })
            }
            (Kind::Vacant, Place::Tensor(tensor)) => {
                let last = self.layout.leaves_of(tensor).end.checked_sub(1)?;
                let position = self.layout.place(last).position;
                let occupied = self.layout.occupied(position);
                let trace = at(TensorId::Losses, self.spec.batch as usize - 1, 0)?;
                Sample::Vacant(VacantSample { step, position, occupied, trace, tensors })
            }
            _ => return None,
        })
    }

    /// What is public of the peak cell of an exponent.
    fn peak(&self, trace: &TraceLayout, step: u32, scaled: Scaled, tensor: usize) -> Option<PeakSample> {
        let placed = |id: TensorId| trace.tensor(id);
        let of = |values: &Placed, beside: Rows| (values.rows_of_last_slab(), beside, values.rows, values.tile_cols());
        let (values, beside, rows, columns) = match scaled {
            Scaled::Weights => {
                let (leaves, rows, columns) = self.layout.rows_of(tensor);
                (leaves, Rows::default(), rows, columns)
            }
            Scaled::Activations => of(placed(TensorId::Sums(tensor - 1))?, Rows::default()),
            Scaled::Errors => {
                of(placed(TensorId::Below(tensor + 1))?, placed(TensorId::Inputs(tensor + 1))?.rows_of_last_slab())
            }
            Scaled::Losses => of(placed(TensorId::Sums(tensor))?, placed(TensorId::Losses)?.rows_of_last_slab()),
        };
        let last = scaled == Scaled::Losses;
        Some(PeakSample {
            scaled,
            step,
            values,
            beside,
            rows: rows as u32,
            columns: columns as u32,
            tensor: tensor as u32,
            tensors: (self.spec.layers.len() - 1) as u32,
            exponent: if last { ERROR_EXPONENT + self.spec.batch_exponent() } else { 0 },
            padding: if last { LEAF.checked_sub(self.spec.classes())? as u32 } else { 0 },
        })
    }

    /// The statement of cells of one circuit; none where the round lacks one of them, it is of another
    /// circuit, or a field of its sample does not fit.
    pub fn cell_statement(&self, part: &CellPart, number: u32, parts: u32) -> Option<Statement> {
        let samples = part.cells.iter().map(|&cell| self.sample(cell)).collect::<Option<Vec<_>>>()?;
        let one = samples.iter().all(|sample| sample.circuit() == part.circuit);
        let elements = self.elements(part.circuit, &samples)?;
        one.then(|| self.claim(part.circuit, elements, number, parts))
    }

    /// Elements of the samples of one proof of a circuit; none where a field does not fit its bits.
    fn elements(&self, circuit: CircuitKind, samples: &[Sample]) -> Option<Vec<Fr>> {
        let elements = samples.iter().map(Sample::elements).collect::<Option<Vec<_>>>()?.into_iter().flatten();
        let shared = match circuit {
            CircuitKind::Input | CircuitKind::Loss => vec![self.commitment.data_root],
            CircuitKind::Link => self.ends().to_vec(),
            _ => Vec::new(),
        };
        let zeros = core::iter::repeat(Fr::ZERO);
        Some(shared.into_iter().chain(elements).chain(zeros).take(STEP_ELEMENTS).collect())
    }

    /// Roots of the exponents that the first record and the last ask for.
    fn ends(&self) -> [Fr; 2] {
        [self.commitment.start(), self.commitment.head()].map(|head| head.exponents)
    }

    /// The statement of update and quantize cells; none where a position or step does not fit.
    pub(crate) fn statement(&self, part: &Part, number: u32, parts: u32) -> Option<Statement> {
        let updates = part.updates.iter().map(|&sample| packed(&self.update_fields(sample)));
        let quantizes = part.quantizes.iter().map(|&leaf| packed(&self.quantize_fields(leaf)));
        let mut samples = pack(&updates.collect::<Option<Vec<_>>>()?, UPDATES_PER_ELEMENT, update_bits());
        samples.extend(pack(&quantizes.collect::<Option<Vec<_>>>()?, QUANTIZES_PER_ELEMENT, quantize_bits()));
        Some(self.claim(CircuitKind::Round, samples, number, parts))
    }

    fn claim(&self, circuit: CircuitKind, samples: Vec<Fr>, number: u32, parts: u32) -> Statement {
        let commitment = self.commitment;
        Statement {
            circuit: self.circuits.id(circuit),
            srs: self.srs,
            context: self.context,
            commitment: commitment.hash(),
            spec: commitment.spec_hash,
            data_root: commitment.data_root,
            beacon: self.beacon,
            part: number,
            parts,
            parent_root: commitment.parent_root,
            steps_root: self.roots().steps,
            state_root: commitment.state_root,
            quantized_root: commitment.quantized_root,
            layout: self.layout.element(),
            record_count: commitment.steps + 1,
            samples,
        }
    }

    /// Who trains: what order and dither are drawn from.
    fn round(&self) -> Round {
        Round {
            task: self.spec.hash(),
            round: self.context.round,
            parent_root: scalar_bytes(&self.commitment.parent_root),
            miner: self.context.miner,
        }
    }

    /// Order of the batches; none where the data do not fill one.
    fn order(&self) -> Option<Order> {
        Order::new(self.round(), self.records, self.spec.batch).ok()
    }

    /// Dither of 64 errors of tensor `l`, the first of which has this index in the batch.
    fn dither(&self, step: u32, l: usize, first: usize) -> Dither {
        let site = (self.spec.layers.len() - 1 - l) as u32;
        Dither::new(key(self.round().dither_seed(), step, site), first as u32)
    }

    fn update_fields(&self, UpdateSample { step, leaf }: UpdateSample) -> [(u64, u32); 4] {
        let place = self.layout.place(leaf);
        [
            ((LEAF - place.valid) as u64, PADDING_BITS),
            (self.spec.learning_rate(step).into(), WORD_FIELD_BITS),
            (step.into(), STEP_BITS),
            (place.position as u64, POSITION_BITS),
        ]
    }

    fn quantize_fields(&self, leaf: usize) -> [(u64, u32); 3] {
        let place = self.layout.place(leaf);
        let exponent = self.commitment.quantized_exponents.get(place.tensor).copied().unwrap_or(0);
        [
            ((LEAF - place.valid) as u64, PADDING_BITS),
            (half_step(exponent), WORD_FIELD_BITS),
            (place.position as u64, POSITION_BITS),
        ]
    }
}

/// Circuit that proves a cell other than update and quantize.
fn circuit_of(space: &CellSpace<'_>, cell: Cell) -> Option<CircuitKind> {
    match (cell.kind, space.place(cell)?) {
        (Kind::Link, _) => Some(CircuitKind::Link),
        (Kind::Input, _) => Some(CircuitKind::Input),
        (Kind::Weights, _) => Some(CircuitKind::Weights),
        (Kind::Product, Place::Tile(cell)) => Some(CircuitKind::Product(cell.orientation)),
        (Kind::Activation, _) => Some(CircuitKind::Activation),
        (Kind::Loss, _) => Some(CircuitKind::Loss),
        (Kind::Errors, _) => Some(CircuitKind::Errors),
        (Kind::Momentum, _) => Some(CircuitKind::Momentum),
        (Kind::Blank, _) => Some(CircuitKind::Blank),
        (Kind::Init, _) => Some(CircuitKind::Init),
        (Kind::Peak, Place::Exponent(scaled, _)) => Some(CircuitKind::Peak(scaled)),
        (Kind::Scale, _) => Some(CircuitKind::Scale),
        (Kind::Vacant, _) => Some(CircuitKind::Vacant),
        (Kind::Dequantize, _) => Some(CircuitKind::Dequantize),
        _ => None,
    }
}

/// A part of these cells, which repeat from the first where there are fewer than the circuit takes.
pub fn cell_part(circuit: CircuitKind, cells: &[Cell]) -> CellPart {
    CellPart { circuit, cells: cells.iter().copied().cycle().take(circuit.capacity()).collect() }
}

/// Bits of a packed update sample.
pub const fn update_bits() -> u32 {
    PADDING_BITS + WORD_FIELD_BITS + STEP_BITS + POSITION_BITS
}

/// Bits of a packed quantize sample.
pub const fn quantize_bits() -> u32 {
    PADDING_BITS + WORD_FIELD_BITS + POSITION_BITS
}

/// `2^(st - 1)` for `st` in `1 ..= 24`; 0, which no proof satisfies, for another.
fn half_step(exponent: u8) -> u64 {
    if (1..=24).contains(&exponent) { 1 << (exponent - 1) } else { 0 }
}

fn pack(samples: &[Fr], per_element: usize, bits: u32) -> Vec<Fr> {
    let radix = Fr::from(BigInt([1, 0, 0, 0]) << bits);
    let element = |group: &[Fr]| group.iter().rev().fold(Fr::ZERO, |sum, sample| sum * radix + sample);
    samples.chunks(per_element).map(element).collect()
}

impl Statement {
    const MAGIC: &'static [u8; 8] = b"pogo/stm";

    /// The words of `abi.encode(Statement)`, in the order of the Solidity struct.
    pub fn words(&self) -> Vec<[u8; 32]> {
        let mut words = Vec::with_capacity(HEAD_WORDS + self.samples.len());
        words.extend([keccak(&[DOMAIN]), self.circuit, self.srs]);
        words.extend([word(&self.context.chain_id.to_be_bytes()), word(&self.context.contract), self.context.task]);
        words.extend([word(&self.context.round.to_be_bytes()), word(&self.context.miner)]);
        words.extend([self.commitment, self.spec, scalar_bytes(&self.data_root), self.beacon]);
        words.extend([word(&self.part.to_be_bytes()), word(&self.parts.to_be_bytes())]);
        words.extend(self.inputs().iter().map(scalar_bytes));
        words
    }

    /// `keccak256(abi.encode(statement))`.
    pub fn digest(&self) -> [u8; 32] {
        keccak(&self.words().iter().map(<[u8; 32]>::as_slice).collect::<Vec<_>>())
    }

    /// The circuit's public inputs: digest limbs (high, low), roots, counts, packed samples.
    pub fn instances(&self) -> Vec<Fr> {
        let digest = self.digest();
        let limb = |half: &[u8]| Fr::from_be_bytes_mod_order(half);
        let mut instances = Vec::with_capacity(HEAD + self.samples.len());
        instances.extend([limb(&digest[..16]), limb(&digest[16..])]);
        instances.extend(self.inputs());
        instances
    }

    fn inputs(&self) -> Vec<Fr> {
        let head = [self.parent_root, self.steps_root, self.state_root, self.quantized_root, self.layout];
        let mut inputs = head.to_vec();
        inputs.push(Fr::from(self.record_count));
        inputs.extend(&self.samples);
        inputs
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.words()[1..].iter().fold(Writer::new(Self::MAGIC), |writer, word| writer.bytes(word)).finish()
    }

    /// Reads what [`Statement::encode`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`CodecError`] naming the field.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes, Self::MAGIC, "statement")?;
        let statement = Self {
            circuit: reader.array("circuit")?,
            srs: reader.array("srs")?,
            context: Context {
                chain_id: number(&mut reader, "chain id")?,
                contract: low(reader.array("contract")?, "contract")?,
                task: reader.array("task")?,
                round: number(&mut reader, "round")?,
                miner: low(reader.array("miner")?, "miner")?,
            },
            commitment: reader.array("commitment")?,
            spec: reader.array("spec")?,
            data_root: reader.scalar("data root")?,
            beacon: reader.array("beacon")?,
            part: small(&mut reader, "part")?,
            parts: small(&mut reader, "parts")?,
            parent_root: reader.scalar("parent root")?,
            steps_root: reader.scalar("steps root")?,
            state_root: reader.scalar("state root")?,
            quantized_root: reader.scalar("quantized root")?,
            layout: reader.scalar("layout")?,
            record_count: small(&mut reader, "record count")?,
            samples: scalars(&mut reader, "samples")?,
        };
        reader.finish()?;
        Ok(statement)
    }
}

/// A number or an address as a word: zeros before it.
pub(crate) fn word(bytes: &[u8]) -> [u8; 32] {
    let mut word = [0; 32];
    word[32 - bytes.len()..].copy_from_slice(bytes);
    word
}

fn low<const N: usize>(word: [u8; 32], field: &'static str) -> Result<[u8; N], CodecError> {
    let (zeros, value) = word.split_at(32 - N);
    if zeros.iter().any(|&byte| byte != 0) {
        return Err(CodecError::Value { field });
    }
    let mut array = [0; N];
    array.copy_from_slice(value);
    Ok(array)
}

fn number(reader: &mut Reader<'_>, field: &'static str) -> Result<u64, CodecError> {
    low(reader.array(field)?, field).map(u64::from_be_bytes)
}

fn small(reader: &mut Reader<'_>, field: &'static str) -> Result<u32, CodecError> {
    low(reader.array(field)?, field).map(u32::from_be_bytes)
}

/// All elements up to the end.
fn scalars(reader: &mut Reader<'_>, field: &'static str) -> Result<Vec<Fr>, CodecError> {
    let count = reader.left() / 32;
    if count > STEP_ELEMENTS {
        return Err(CodecError::Value { field });
    }
    (0..count).map(|_| reader.scalar(field)).collect()
}
