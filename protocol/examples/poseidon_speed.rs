//! Permutations a CPU second, ours and light-poseidon's in the same run (Linux).
//!
//! `cargo run --release -p pogo-protocol --example poseidon_speed`

use ark_bn254::Fr;
use light_poseidon::{Poseidon, PoseidonHasher};
use pogo_protocol::poseidon;

fn main() {
    let mut light = Poseidon::<Fr>::new_circom(2).expect("light-poseidon's parameters");
    let mut state = [0u64, 1, 2].map(Fr::from);
    let ours = per_second(200_000, || poseidon::permute(&mut state));
    let mut pair = [1u64, 2].map(Fr::from);
    let theirs = per_second(50_000, || pair[0] = light.hash(&pair).expect("two inputs"));
    // 64 weights of 4 bytes are 8 elements, 4 permutations.
    println!("ours           {ours:8.0} permutations per CPU second, {:.2} MB of weights", ours * 64e-6);
    println!("light-poseidon {theirs:8.0} permutations per CPU second, ratio {:.2}", ours / theirs);
    println!("({} {})", state[0], pair[0]);
}

fn per_second(count: u32, mut run: impl FnMut()) -> f64 {
    let start = cpu_seconds();
    (0..count).for_each(|_| run());
    f64::from(count) / (cpu_seconds() - start)
}

/// CPU time of this thread.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux's schedstat");
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse::<f64>().ok());
    nanoseconds.expect("schedstat starts with nanoseconds") * 1e-9
}
