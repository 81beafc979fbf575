//! Writes the EVM verifiers of the circuits and the keys of the step circuits, in
//! `contracts/solidity/generated`.
//!
//! ```text
//! cargo run --release -p pogo-contracts-generate              # write them
//! cargo run --release -p pogo-contracts-generate -- --check   # compare them with what is committed
//! ```
//!
//! snark-verifier writes a verifier as Solidity assembly ([`verifier`]); [`trace`] reads it as a
//! graph of values, and [`yul`] writes that graph again at half the size. The round circuit has a
//! verifier of its own with its key inside; all step circuits share one, which is given the [`key`].

mod key;
mod read;
mod trace;
mod yul;

use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result, bail, ensure};
use halo2_proofs::halo2curves::bn256::{Bn256, Fq, Fr, G1Affine};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::poly::commitment::ParamsProver;
use pogo_circuits::keys::Keys;
use pogo_circuits::round::{RoundCircuit, Shape};
use pogo_circuits::srs::Srs;
use pogo_circuits::step::{StepCircuit, StepShape};
use pogo_protocol::statement::{CircuitKind, HEAD, INSTANCES, STEP_ELEMENTS};
use pogo_protocol::stream::keccak;
use snark_verifier::loader::evm::EvmLoader;
use snark_verifier::pcs::kzg::{Bdfg21, KzgAs, KzgDecidingKey};
use snark_verifier::system::halo2::transcript::evm::EvmTranscript;
use snark_verifier::system::halo2::{Config, compile};
use snark_verifier::verifier::SnarkVerifier;
use snark_verifier::verifier::plonk::{PlonkProtocol, PlonkVerifier};

use crate::read::{Word, statements};
use crate::trace::Trace;
use crate::yul::{Ids, data, object};

type Protocol = PlonkProtocol<G1Affine>;
type Verifier = PlonkVerifier<KzgAs<Bn256, Bdfg21>>;

fn main() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../solidity/generated");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let check = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--check"] => true,
        _ => bail!("usage: pogo-contracts-generate [--check]"),
    };
    let srs = Srs::development(Shape::MINIMAL.k);
    let [step, keys] = step(&srs)?;
    for (name, generated) in [("HaloVerifier", round(&srs)?), ("StepHaloVerifier", step), ("StepKeys", keys)] {
        let path = folder.join(format!("{name}.yul"));
        if check {
            let committed = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            ensure!(
                committed == generated,
                "{} is not what the circuits generate: run without --check",
                path.display()
            );
        } else {
            std::fs::write(&path, generated).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

/// The verifier of the round circuit of the minimal preset, its key inside.
fn round(srs: &Srs) -> Result<String> {
    let keys = Keys::of(&RoundCircuit::blank(Shape::MINIMAL), srs)?;
    let trace = trace(srs, &protocol(srs, &keys, INSTANCES), HashMap::new())?;
    object("HaloVerifier", &trace, Ids { of: keys.circuit(), srs: srs.id() }, modulus())
}

/// The verifier of all step circuits of the minimal preset, and their keys: a circuit id and the words
/// of its key each.
///
/// # Errors
/// When the verifier of a circuit differs from that of the others in more than its key.
fn step(srs: &Srs) -> Result<[String; 2]> {
    let mut keys = Vec::new();
    let mut traces = Vec::new();
    for kind in CircuitKind::ALL.into_iter().filter(|&kind| kind != CircuitKind::Round) {
        let of_kind = Keys::of(&StepCircuit::blank(StepShape::minimal(kind)), srs)?;
        let mut protocol = protocol(srs, &of_kind, HEAD + STEP_ELEMENTS);
        let words = key::words(&protocol)?;
        keys.push((kind.name(), [vec![of_kind.circuit()], words].concat().concat()));
        let marks = key::mark(&mut protocol, kind.name())?;
        traces.push((kind, trace(srs, &protocol, marks)?));
    }
    let code: Vec<u8> = [0].into_iter().chain(keys.iter().flat_map(|(_, key)| key.clone())).collect();
    let ids = Ids { of: keccak(&[&code]), srs: srs.id() };
    let mut verifier = None;
    for (kind, trace) in &traces {
        let object = object("StepHaloVerifier", trace, ids, modulus())?;
        let first = verifier.get_or_insert_with(|| object.clone());
        ensure!(*first == object, "the verifier of circuit {} is none of the others'", kind.name());
    }
    Ok([verifier.context("no step circuit")?, data("StepKeys", &keys)?])
}

/// The circuit as snark-verifier sees it.
fn protocol(srs: &Srs, keys: &Keys, instances: usize) -> Protocol {
    compile(&srs.params, keys.proving.get_vk(), Config::kzg().with_num_instance(vec![instances]))
}

fn trace(srs: &Srs, protocol: &Protocol, marks: HashMap<Word, usize>) -> Result<Trace> {
    Trace::run(&statements(&verifier(srs, protocol)?)?, modulus(), marks)
}

/// The verifier as snark-verifier writes it.
fn verifier(srs: &Srs, protocol: &Protocol) -> Result<String> {
    let key: KzgDecidingKey<Bn256> = (srs.params.get_g()[0], srs.params.g2(), srs.params.s_g2()).into();
    let loader = EvmLoader::new::<Fq, Fr>();
    let protocol = protocol.loaded(&loader);
    let mut transcript = EvmTranscript::<_, Rc<EvmLoader>, _, _>::new(&loader);
    let instances = transcript.load_instances(protocol.num_instance.clone());
    let refused = |error| anyhow::anyhow!("snark-verifier: {error:?}");
    let proof = Verifier::read_proof(&key, &protocol, &instances, &mut transcript).map_err(refused)?;
    Verifier::verify(&key, &protocol, &instances, &proof).map_err(refused)?;
    Ok(loader.solidity_code())
}

/// Order of the scalar field.
fn modulus() -> Word {
    let mut word: Word = (-Fr::ONE).to_repr();
    word.reverse();
    word[31] += 1;
    word
}
