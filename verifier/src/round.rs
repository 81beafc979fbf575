//! A whole round from its published files: spec, commitment, beacon, statements, proofs.

use alloc::vec::Vec;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use pogo_protocol::cell::provable;
use pogo_protocol::codec::scalar_bytes;
use pogo_protocol::commitment::Commitment;
use pogo_protocol::disclosure::Disclosure;
use pogo_protocol::merkle::Layout;
use pogo_protocol::model::{Spec, TraceMode};
use pogo_protocol::statement::{Context, PublicRound, Statement};
use pogo_protocol::trace::TraceLayout;

use crate::{Error, Setup, Verifier};

/// What a verifier of a round holds beside the proofs.
#[derive(Clone, Debug)]
pub struct Public {
    /// What the task fixes.
    pub spec: Spec,
    /// Where and by whom.
    pub context: Context,
    /// What the miner committed to.
    pub commitment: Commitment,
    /// Records of the training data; where traces are committed to, proofs hold the data root to it.
    pub records: u32,
    /// Whether it starts from the weights of the seed, and not from those of another task.
    pub seeded: bool,
    /// The beacon, from its source; not from the miner. In trace mode `challenged` of a block after the
    /// disclosure.
    pub beacon: [u8; 32],
    /// What the miner disclosed, in trace mode `challenged` and in no other. Its beacon is from its
    /// source.
    pub disclosure: Option<Disclosure>,
    /// Samples of each kind that are asked for.
    pub samples: usize,
    /// Depth of the model's trees in these circuits.
    pub tree_depth: usize,
    /// Depth of the tree of steps in these circuits.
    pub steps_depth: usize,
    /// Depth of the tree over the tensors of a step in these circuits.
    pub trace_depth: usize,
}

/// Checks every proof of a round against statements that are recomputed from `public`.
///
/// # Errors
/// The first [`Error`] found.
pub fn verify(setup: Setup, public: &Public, statements: &[Vec<u8>], proofs: &[Vec<u8>]) -> Result<(), Error> {
    check(public)?;
    let Public { spec, commitment, .. } = public;
    let shapes = spec.tensors().into_iter().map(|tensor| (tensor.rows, tensor.cols));
    let layout = Layout::new(public.tree_depth, shapes).map_err(|_| Error::Commitment { field: "layers" })?;
    let trace = TraceLayout::committed(public.trace_depth, spec).map_err(|_| Error::Commitment { field: "trace" })?;
    let mut verifier = Verifier::new(setup);
    let srs = verifier.srs()?;
    let committed = PublicRound {
        spec,
        layout: &layout,
        trace: trace.as_ref(),
        segments: None,
        commitment,
        context: public.context,
        records: public.records,
        seeded: public.seeded && public.context.round == 0,
        beacon: public.beacon,
        circuits: verifier.circuits(),
        srs,
    };
    let expected = expected(&committed, public.disclosure.as_ref(), public.samples)?;
    count("statement", expected.len(), statements.len())?;
    count("proof", expected.len(), proofs.len())?;
    for (part, (expected, (statement, proof))) in expected.iter().zip(statements.iter().zip(proofs)).enumerate() {
        if expected.encode() != *statement {
            return Err(Error::Claim { part });
        }
        verifier.verify(statement, proof)?;
    }
    Ok(())
}

/// The statements of all proofs of a round: of those that disclose segments, then of those that prove
/// cells.
fn expected(
    committed: &PublicRound<'_>,
    disclosure: Option<&Disclosure>,
    samples: usize,
) -> Result<Vec<Statement>, Error> {
    let Some(disclosure) = disclosure else { return Ok(committed.statements(samples)?) };
    let (disclosed, segments) =
        committed.disclosed(disclosure, samples).ok_or(Error::Commitment { field: "disclosure" })?;
    let cells = PublicRound { segments: Some(&segments), ..committed.clone() }.statements(samples)?;
    Ok(disclosed.into_iter().chain(cells).collect())
}

/// Whether commitment, spec and data are of one round that these circuits prove in full.
fn check(public: &Public) -> Result<(), Error> {
    let Public { spec, commitment, records, .. } = public;
    let field = |holds: bool, field| if holds { Ok(()) } else { Err(Error::Commitment { field }) };
    field(commitment.spec_hash == spec.hash(), "spec hash")?;
    field(scalar_bytes(&commitment.data_root) == spec.data_root, "data root")?;
    field(commitment.steps == spec.steps, "steps")?;
    field((commitment.steps as usize) < 1 << public.steps_depth, "steps")?;
    spec.validate().map_err(|_| Error::Commitment { field: "spec" })?;
    field(public.disclosure.is_some() == (spec.trace == TraceMode::Challenged), "disclosure")?;
    let first = public.disclosure.as_ref().map(|disclosure| disclosure.beacon);
    field(first != Some(public.beacon), "disclosure")?;
    field((public.context.round == 0) == (commitment.parent_exponents == Fr::ZERO), "parent exponents")?;
    field(commitment.exponents.fit(spec.tensors().len()), "exponents")?;
    field(commitment.quantized_exponents.len() == spec.tensors().len(), "quantized exponents")?;
    let legal = commitment.quantized_exponents.iter().all(|exponent| (1..=24).contains(exponent));
    field(legal, "quantized exponents")?;
    Ok(provable(spec, *records)?)
}

fn count(artifact: &'static str, expected: usize, got: usize) -> Result<(), Error> {
    if expected == got { Ok(()) } else { Err(Error::Count { artifact, expected, got }) }
}
