//! The step circuits: cells of one kind other than update and quantize, under the roots of one
//! commitment.
//!
//! ```text
//! public inputs: statement digest (high, low) | parent, steps, state, quantized root | layout
//!                | record count | what the cells share | samples of each cell | zeros up to 24
//! ```
//!
//! All kinds have the same gates and as many public inputs, so one verifier serves them with as many
//! keys: they differ in fixed cells and copies only. What is public of a cell, `pogo_protocol::cell` says.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::ConstraintSystem;
use pogo_protocol::cell::activation::{ActivationOpening, ActivationSample};
use pogo_protocol::cell::blank::{BlankOpening, BlankSample};
use pogo_protocol::cell::dequantize::{DequantizeOpening, DequantizeSample};
use pogo_protocol::cell::disclosure::{Disclosed, DisclosureOpening, DisclosureSample};
use pogo_protocol::cell::errors::{Dither, ErrorsOpening, ErrorsSample};
use pogo_protocol::cell::init::{InitOpening, InitSample};
use pogo_protocol::cell::input::{DATA_DEPTH, InputOpening, InputSample};
use pogo_protocol::cell::link::{LinkOpening, LinkSample};
use pogo_protocol::cell::loss::{LossLeaf, LossOpening, LossSample};
use pogo_protocol::cell::momentum::{Momenta, MomentumOpening, MomentumSample};
use pogo_protocol::cell::peak::{Choice, PeakOpening, PeakSample, PeakValues, Rows, Scaled};
use pogo_protocol::cell::scale::{ScaleOpening, ScaleSample};
use pogo_protocol::cell::vacant::{LastLeaf, VacantOpening, VacantSample};
use pogo_protocol::cell::weights::{WeightsOpening, WeightsSample};
use pogo_protocol::cell::{ByteLeaf, CellOpening, Depths, ExponentsLeaf, WordLeaf};
use pogo_protocol::fixed::{FEATURE_EXPONENT, LEAF};
use pogo_protocol::leaf::{BLOCKS_PER_LEAF, FEATURES_DEPTH};
use pogo_protocol::product::{Orientation, ProductOpening, TILE, TILE_HEIGHT, Tile, TracedRecord};
use pogo_protocol::record::EXPONENTS_DEPTH;
use pogo_protocol::statement::{CircuitKind, HEAD, STEP_ELEMENTS};

use crate::cells::opened::{Fields, Opener, blank_record};
use crate::cells::{
    activation, blank, dequantize, disclosure, errors, init, input, link, loss, momentum, peak, product, scale, vacant,
    weights,
};
use crate::chips::Columns;
use crate::chips::arithmetic::Arithmetic;
use crate::chips::poseidon::{Lane, convert};
use crate::chips::values::{Lines, Range};
use crate::circuit::Gridded;
use crate::grid::Grid;
use crate::round::{Claim, Shape};

/// Size of a step circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepShape {
    /// Rows are `2^k`.
    pub k: u32,
    /// What it proves; not [`CircuitKind::Round`].
    pub circuit: CircuitKind,
    /// Cells.
    pub cells: usize,
    /// Depths of the trees.
    pub depths: Depths,
}

impl StepShape {
    /// For traces and rounds of the preset `minimal`.
    pub fn minimal(circuit: CircuitKind) -> Self {
        let Shape { k, tree_depth, steps_depth, trace_depth, .. } = Shape::MINIMAL;
        let depths = Depths { tree: tree_depth, steps: steps_depth, trace: trace_depth };
        Self { k, circuit, cells: circuit.capacity(), depths }
    }
}

/// A step circuit with its witness.
#[derive(Clone, Debug)]
pub struct StepCircuit {
    shape: StepShape,
    claim: Claim,
    openings: Vec<CellOpening>,
}

impl StepCircuit {
    /// The circuit that shows that `openings` hold under `claim`. **The digest of the claim must be the
    /// keccak of its statement**: a product that is compared at a point known before its tiles shows
    /// nothing.
    ///
    /// # Panics
    /// When the openings are not as many or of another kind, or the paths not as long, as `shape` says.
    pub fn new(shape: StepShape, claim: Claim, openings: Vec<CellOpening>) -> Self {
        assert_eq!(openings.len(), shape.cells, "openings");
        assert!(openings.iter().all(|o| o.sample().circuit() == shape.circuit), "kinds of the openings");
        Self { shape, claim, openings }
    }

    /// The circuit with zeros for a witness, for keys.
    ///
    /// # Panics
    /// When the shape is that of a round circuit.
    pub fn blank(shape: StepShape) -> Self {
        Self { shape, claim: Claim::blank(), openings: vec![blank_opening(&shape); shape.cells] }
    }
}

impl StepCircuit {
    /// Public inputs of all cells together: the data root where the kind reads data, for links the
    /// exponents of start and end, which are those of the first one.
    fn shared(&self) -> Vec<(ark_bn254::Fr, &'static str)> {
        match &self.openings[0] {
            CellOpening::Input(_) | CellOpening::Loss(_) => vec![(self.claim.roots.data, "data root")],
            CellOpening::Link(LinkOpening { sample, .. }) => {
                vec![(sample.start, "exponents of the start"), (sample.end, "exponents of the end")]
            }
            _ => Vec::new(),
        }
    }
}

impl Gridded for StepCircuit {
    fn gates(meta: &mut ConstraintSystem<Fr>, columns: &Columns) {
        product::configure(meta, columns);
    }

    fn fill(&self, mut grid: Grid) -> Grid {
        Lines::table(&mut grid, ranges(self.shape.circuit));
        let mut arithmetic = Arithmetic::new(&mut grid);
        let (publics, digest) = self.claim.publish(&mut grid, &mut arithmetic.lines);
        let shared = self.shared().into_iter().map(|(value, name)| {
            let row = grid.publics.len();
            arithmetic.lines.public(&mut grid, convert(value), row, name)
        });
        let shared = shared.collect();
        let (mut row, depths) = (grid.publics.len(), self.shape.depths);
        let mut opener = Opener { grid, lane: Lane::new(), arithmetic, publics, shared, depths };
        for opening in &self.openings {
            for fields in assign(&mut opener, digest, opening) {
                opener.publish(&fields, row);
                row += 1;
            }
        }
        for row in row..HEAD + STEP_ELEMENTS {
            opener.grid.public(opener.arithmetic.zero, row);
        }
        opener.grid
    }
}

fn assign(opener: &mut Opener, digest: [crate::grid::Cell; 2], opening: &CellOpening) -> Vec<Fields> {
    match opening {
        CellOpening::Link(opening) => link::assign(opener, opening),
        CellOpening::Input(opening) => input::assign(opener, opening),
        CellOpening::Weights(opening) => weights::assign(opener, opening),
        CellOpening::Product(opening) => product::assign(opener, digest, opening),
        CellOpening::Activation(opening) => activation::assign(opener, opening),
        CellOpening::Loss(opening) => loss::assign(opener, opening),
        CellOpening::Errors(opening) => errors::assign(opener, opening),
        CellOpening::Momentum(opening) => momentum::assign(opener, opening),
        CellOpening::Blank(opening) => blank::assign(opener, opening),
        CellOpening::Init(opening) => init::assign(opener, opening),
        CellOpening::Peak(opening) => peak::assign(opener, opening),
        CellOpening::Scale(opening) => scale::assign(opener, opening),
        CellOpening::Disclosure(opening) => disclosure::assign(opener, opening),
        CellOpening::Dequantize(opening) => dequantize::assign(opener, opening),
        CellOpening::Vacant(opening) => vacant::assign(opener, opening),
    }
}

/// What digits are looked up in.
fn ranges(circuit: CircuitKind) -> &'static [Range] {
    match circuit {
        CircuitKind::Loss | CircuitKind::Peak(Scaled::Losses) => &Range::SOFTMAX,
        CircuitKind::Momentum => &Range::AVERAGES,
        CircuitKind::Dequantize => &Range::CODES,
        _ => &Range::ARITHMETIC,
    }
}

/// An opening of zeros with paths of the right length.
fn blank_opening(shape: &StepShape) -> CellOpening {
    let zero = ark_bn254::Fr::from(0u64);
    let Depths { tree, steps, trace } = shape.depths;
    let record = || blank_record(steps);
    let path = || vec![zero; trace];
    let bytes = || ByteLeaf { bytes: [0; LEAF], path: path() };
    let words = || WordLeaf { words: [0; LEAF], path: path() };
    let exponents =
        || ExponentsLeaf { shift: 0, input: FEATURE_EXPONENT, errors: 0, path: vec![zero; EXPONENTS_DEPTH] };
    let momenta = || Momenta { weights_hash: zero, momenta: [0; LEAF], scale: 0, path: vec![zero; tree] };
    let dither = Dither { first: 0, second: 0, tail: 0 };
    let last = |depth| LastLeaf { hash: zero, path: vec![zero; depth] };
    match shape.circuit {
        CircuitKind::Round => panic!("the round circuit is none of a step"),
        CircuitKind::Link => CellOpening::Link(LinkOpening {
            sample: LinkSample { step: 0, losses: 0, first: true, last: false, start: zero, end: zero },
            before: record(),
            after: record(),
            label: 0,
            path: path(),
        }),
        CircuitKind::Input => CellOpening::Input(InputOpening {
            sample: InputSample { step: 0, position: 0, record: 0, column: 0, width: 0, records: 0 },
            leaf: zero,
            path: path(),
            after: record(),
            features_path: vec![zero; FEATURES_DEPTH],
            label: zero,
            data_path: vec![zero; DATA_DEPTH],
        }),
        CircuitKind::Weights => CellOpening::Weights(WeightsOpening {
            sample: WeightsSample { step: 0, state: 0, trace: 0, tensor: 0, tensors: 1 },
            before: record(),
            after: record(),
            weights: [0; LEAF],
            momenta_hash: zero,
            path: vec![zero; tree],
            rounded: bytes(),
            used: exponents(),
            next: exponents(),
        }),
        CircuitKind::Product(orientation) => CellOpening::Product(blank_product(orientation, shape.depths)),
        CircuitKind::Activation => CellOpening::Activation(ActivationOpening {
            sample: ActivationSample { step: 0, sums: 0, activations: 0, tensor: 0, tensors: 2 },
            after: record(),
            sums: words(),
            activations: bytes(),
            used_below: exponents(),
            used: exponents(),
            next: exponents(),
        }),
        CircuitKind::Loss => CellOpening::Loss(LossOpening {
            sample: LossSample {
                step: 0,
                sums: 0,
                errors: 0,
                before: None,
                losses: 0,
                tensor: 0,
                padding: 0,
                dither,
                exponent: 0,
                record: 0,
                records: 0,
            },
            after: record(),
            sums: words(),
            errors: bytes(),
            before: LossLeaf { loss: zero, label: 0, path: path() },
            losses: (zero, path()),
            used: exponents(),
            next: exponents(),
            label: 0,
            features: zero,
            data_path: vec![zero; DATA_DEPTH],
        }),
        CircuitKind::Errors => CellOpening::Errors(ErrorsOpening {
            sample: ErrorsSample { step: 0, below: 0, activations: 0, errors: 0, tensor: 0, tensors: 2, dither },
            after: record(),
            below: words(),
            activations: bytes(),
            errors: bytes(),
            used_above: exponents(),
            used: exponents(),
            next: exponents(),
        }),
        CircuitKind::Momentum => CellOpening::Momentum(MomentumOpening {
            sample: MomentumSample { step: 0, state: 0, gradient: 0, tensor: 0, tensors: 1 },
            before: record(),
            after: record(),
            momenta_before: momenta(),
            momenta_after: momenta(),
            gradient: words(),
            used: exponents(),
        }),
        CircuitKind::Blank => CellOpening::Blank(BlankOpening {
            sample: BlankSample { step: 0, position: 0, leaf: zero },
            path: path(),
            after: record(),
        }),
        CircuitKind::Init => {
            CellOpening::Init(InitOpening { sample: InitSample { position: 0, leaf: zero }, path: vec![zero; tree] })
        }
        CircuitKind::Peak(scaled) => CellOpening::Peak(PeakOpening {
            sample: PeakSample {
                scaled,
                step: 0,
                values: Rows::default(),
                beside: Rows::default(),
                rows: 1,
                columns: 1,
                tensor: 1,
                tensors: 3,
                exponent: 0,
                padding: 0,
            },
            choice: Choice::default(),
            before: record(),
            after: record(),
            next: exponents(),
            used: exponents(),
            values: match scaled {
                Scaled::Weights => PeakValues::Weights([0; LEAF], zero, vec![zero; tree]),
                Scaled::Activations => PeakValues::Activations(words()),
                Scaled::Errors => PeakValues::Errors(words(), bytes()),
                Scaled::Losses => PeakValues::Losses(words(), LossLeaf { loss: zero, label: 0, path: path() }),
            },
        }),
        CircuitKind::Scale => CellOpening::Scale(ScaleOpening {
            sample: ScaleSample { leaves: Rows::default(), rows: 1, columns: 1, least: 0 },
            choice: Choice::default(),
            weights: [0; LEAF],
            momenta_hash: zero,
            path: vec![zero; tree],
        }),
        CircuitKind::Vacant => CellOpening::Vacant(VacantOpening {
            sample: VacantSample { step: 0, position: 0, occupied: 0, trace: 0, tensors: 1 },
            after: record(),
            records: last(steps),
            parent: last(tree),
            state: last(tree),
            update: last(tree),
            quantized: last(tree),
            trace: last(trace),
            used: last(EXPONENTS_DEPTH),
            next: last(EXPONENTS_DEPTH),
        }),
        CircuitKind::Disclosure => CellOpening::Disclosure(DisclosureOpening {
            sample: DisclosureSample { to: zero, records: vec![Disclosed { index: 0, committed: false }] },
            records: vec![record()],
        }),
        CircuitKind::Dequantize => CellOpening::Dequantize(DequantizeOpening {
            sample: DequantizeSample { step: 0, model: 0, trace: 0 },
            after: record(),
            codes: [0; LEAF],
            scales: [1; BLOCKS_PER_LEAF],
            path: vec![zero; tree],
            expanded: bytes(),
        }),
    }
}

fn blank_product(orientation: Orientation, depths: Depths) -> ProductOpening {
    let zero = ark_bn254::Fr::from(0u64);
    let path = vec![zero; depths.trace - TILE_HEIGHT];
    let bytes = Tile { rows: vec![[0; TILE]; TILE], number: 0, path: path.clone() };
    ProductOpening {
        orientation,
        step: 0,
        left: bytes.clone(),
        right: bytes,
        before: None,
        after: Tile { rows: vec![[0; TILE]; TILE], number: 0, path },
        record: TracedRecord { pair: zero, rest: [zero; 3], path: vec![zero; depths.steps] },
    }
}
