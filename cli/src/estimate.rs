//! What a stage will cost, told before it starts. Rough on purpose: factors of two.

use std::collections::BTreeSet;

use pogo_circuits::round::Shape;
use pogo_protocol::statement::CircuitKind;
use pogo_prover::data::Split;
use pogo_prover::device::Device;
use pogo_prover::train::SNAPSHOT;

use crate::failure::Failure;
use crate::output::{bytes, seconds};
use crate::setup::Start;
use crate::workspace::Workspace;

/// CPU seconds to hash one leaf of a state with its codes and nodes, measured.
const LEAF_SECONDS: f64 = 150e-6;
/// Multiplications and additions a CPU second, measured on small layers.
const PRODUCTS_PER_SECOND: f64 = 5e9;
/// CPU seconds of the keys of a circuit at 2^15 rows, measured.
const KEYS_SECONDS: f64 = 3.0;
/// CPU seconds of a proof at 2^15 rows, measured.
const PROOF_SECONDS: f64 = 11.0;
/// Bytes of memory for each row of the circuit, measured.
const PROOF_BYTES_PER_ROW: u64 = 6_000;

/// Time and memory of training: steps times (leaves hashed + three matrix products), on all cores, or
/// as measured on a GPU.
///
/// # Errors
/// When the model does not fit the GPU.
pub(crate) fn training(workspace: &Workspace, data: &Split) -> Result<String, Failure> {
    let spec = &workspace.setup.spec;
    let leaves = workspace.round.layout.leaf_count();
    let products = 3 * leaves * 64 * spec.batch as usize;
    let step = leaves as f64 * LEAF_SECONDS + products as f64 / PRODUCTS_PER_SECOND;
    let on_cpu = f64::from(spec.steps) * step / rayon::current_num_threads() as f64;
    let (time, on_device) = match &workspace.device {
        Device::Cpu => (on_cpu, String::new()),
        Device::Gpu(gpu) => {
            let need = gpu.need(&workspace.round)?;
            (need.seconds, format!(" and {} on the GPU", bytes(need.bytes)))
        }
    };
    // State, its copy and codes; two trees of 32-byte nodes; features and the hash of each record.
    let positions = workspace.round.layout.position_count();
    let memory = leaves * 64 * 20 + positions * 128 + data.train.len() * (data.train.width + 64);
    let start = usize::from(workspace.setup.start != Start::Seed);
    let checkpoints = start + spec.steps.div_ceil(SNAPSHOT) as usize;
    let disk = checkpoints * leaves * 520 + spec.steps as usize * (leaves * 32 + 300);
    Ok(format!(
        "Training {} steps of {leaves} leaves: about {}, {} of memory{on_device}, {} on disk.",
        spec.steps,
        seconds(time),
        bytes(memory as u64),
        bytes(disk as u64)
    ))
}

/// Time and memory of proving statements of these circuits.
pub(crate) fn proving(proofs: &[CircuitKind]) -> String {
    let rows = 1u64 << Shape::MINIMAL.k;
    let (count, circuits) = (proofs.len(), proofs.iter().collect::<BTreeSet<_>>().len());
    let cpu = circuits as f64 * KEYS_SECONDS + count as f64 * PROOF_SECONDS;
    let time = cpu / rayon::current_num_threads() as f64;
    format!(
        "Proving {count} by {circuits} circuits of 2^{} rows: about {} ({cpu:.0} CPU seconds), {} of memory.",
        Shape::MINIMAL.k,
        seconds(time),
        bytes(rows * PROOF_BYTES_PER_ROW)
    )
}
