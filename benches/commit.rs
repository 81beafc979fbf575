//! Commit: Poseidon, leaves and roots, against light-poseidon in the same run.
//! `cargo bench -p pogo-benches --bench commit`

use ark_bn254::Fr;
use light_poseidon::{Poseidon, PoseidonHasher};
use pogo_benches::{cpu_seconds, head, row, spec};
use pogo_protocol::fixed::LEAF;
use pogo_protocol::merkle::Layout;
use pogo_protocol::model::State;
use pogo_protocol::{leaf, poseidon};
use pogo_prover::commit;

const HASHES: usize = 20_000;

fn main() {
    head("commit");
    let chain = |hash: &mut dyn FnMut(Fr) -> Fr| (0..HASHES).fold(Fr::from(1u64), |x, _| hash(x));
    let ours = cpu_seconds(3, || chain(&mut |x| poseidon::hash(Fr::from(0u64), x, x)));
    let mut light = Poseidon::<Fr>::new_circom(2).expect("two inputs");
    let peer = cpu_seconds(3, || chain(&mut |x| light.hash(&[x, x]).expect("two inputs")));
    row("Poseidon, ours", HASHES as f64 / ours, "permutations a CPU second");
    row("Poseidon, light-poseidon", HASHES as f64 / peer, "permutations a CPU second");
    row("ours against light-poseidon", peer / ours, "times");

    let words = [12_345; LEAF];
    let leaves = 5_000;
    let seconds = cpu_seconds(3, || {
        (0..leaves).for_each(|_| {
            let _ = std::hint::black_box(leaf::weights_hash(&words));
        })
    });
    row("weights hashed into leaves", f64::from(leaves) * 256.0 / seconds / 1e6, "MB of weights a CPU second");

    for (name, layers) in [("64-64-10", vec![64, 64, 10]), ("784-256-128-10", vec![784, 256, 128, 10])] {
        let spec = spec(&layers, 64);
        let layout = Layout::new(18, spec.tensors().iter().map(|t| (t.rows, t.cols))).expect("fits");
        let state = State::initial(&spec);
        let codes: Vec<Vec<i8>> = spec.tensors().iter().map(|t| vec![0; t.padded_len()]).collect();
        let step = cpu_seconds(3, || (commit::state_tree(&layout, &state), commit::update_tree(&layout, &codes)));
        row(&format!("state and update root of a step, {name}"), step * 1e3, "CPU ms");
    }
}
