//! Writes the EVM verifier of the round circuit, `contracts/solidity/generated/HaloVerifier.yul`.
//!
//! ```text
//! cargo run --release -p pogo-contracts-generate              # write it
//! cargo run --release -p pogo-contracts-generate -- --check   # compare it with what is committed
//! ```
//!
//! snark-verifier writes the verifier as Solidity assembly ([`verifier`]); [`trace`] reads it as a
//! graph of values, and [`yul`] writes that graph again at half the size.

mod read;
mod trace;
mod yul;

use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result, bail, ensure};
use halo2_proofs::halo2curves::bn256::{Bn256, Fq, Fr};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::poly::commitment::ParamsProver;
use pogo_circuits::keys::Keys;
use pogo_circuits::round::Shape;
use pogo_circuits::srs::Srs;
use pogo_protocol::statement::INSTANCES;
use snark_verifier::loader::evm::EvmLoader;
use snark_verifier::pcs::kzg::{Bdfg21, KzgAs, KzgDecidingKey};
use snark_verifier::system::halo2::transcript::evm::EvmTranscript;
use snark_verifier::system::halo2::{Config, compile};
use snark_verifier::verifier::SnarkVerifier;
use snark_verifier::verifier::plonk::PlonkVerifier;

use crate::read::{Word, statements};
use crate::trace::Trace;
use crate::yul::{Ids, object};

type Verifier = PlonkVerifier<KzgAs<Bn256, Bdfg21>>;

fn main() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../solidity/generated/HaloVerifier.yul");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let check = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--check"] => true,
        _ => bail!("usage: pogo-contracts-generate [--check]"),
    };
    let generated = generate()?;
    if check {
        let committed = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        ensure!(committed == generated, "{} is not what the circuit generates: run without --check", path.display());
    } else {
        std::fs::write(&path, generated).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// The verifier of the minimal preset under the development SRS.
fn generate() -> Result<String> {
    let srs = Srs::development(Shape::MINIMAL.k);
    let keys = Keys::generate(Shape::MINIMAL, &srs)?;
    let modulus = modulus();
    let trace = Trace::run(&statements(&verifier(&srs, &keys)?)?, modulus)?;
    object(&trace, Ids { circuit: keys.circuit(), srs: srs.id() }, modulus)
}

/// The verifier as snark-verifier writes it.
fn verifier(srs: &Srs, keys: &Keys) -> Result<String> {
    let config = Config::kzg().with_num_instance(vec![INSTANCES]);
    let protocol = compile(&srs.params, keys.proving.get_vk(), config);
    let key: KzgDecidingKey<Bn256> = (srs.params.get_g()[0], srs.params.g2(), srs.params.s_g2()).into();
    let loader = EvmLoader::new::<Fq, Fr>();
    let protocol = protocol.loaded(&loader);
    let mut transcript = EvmTranscript::<_, Rc<EvmLoader>, _, _>::new(&loader);
    let instances = transcript.load_instances(vec![INSTANCES]);
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
