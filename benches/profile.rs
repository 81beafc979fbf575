//! Where one proof of the minimal preset spends its time: prove on one thread, with every
//! commitment counted and timed through Halo2's own commitment trait. For the other parts run it
//! under a sampling profiler (book, chapter "Where a proof spends its time").
//! `cargo bench -p pogo-benches --bench profile`

use std::io::{self, Read, Write};
use std::sync::Mutex;

use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1, G1Affine};
use halo2_proofs::plonk::create_proof;
use halo2_proofs::poly::commitment::{Blind, CommitmentScheme, Params, ParamsProver, Prover};
use halo2_proofs::poly::kzg::commitment::{KZGCommitmentScheme, ParamsKZG};
use halo2_proofs::poly::kzg::msm::MSMKZG;
use halo2_proofs::poly::kzg::multiopen::ProverSHPLONK;
use halo2_proofs::poly::{Coeff, LagrangeCoeff, Polynomial, ProverQuery};
use halo2_proofs::transcript::{EncodedChallenge, TranscriptWrite};
use pogo_benches::{cpu_seconds, head, row};
use pogo_circuits::circuit::{Gridded, Sheet, instances};
use pogo_circuits::keys::Keys;
use pogo_circuits::round::{RoundCircuit, Shape};
use pogo_circuits::srs::Srs;
use pogo_circuits::testing::round;
use pogo_circuits::transcript::{ProofWriter, scalar_bytes};
use pogo_protocol::codec::scalar;
use pogo_verifier::description::Description;
use pogo_verifier::plonk;
use rand_core::{OsRng, RngCore};

/// CPU seconds of each multi-scalar product, in order.
static PRODUCTS: Mutex<Vec<(&str, f64)>> = Mutex::new(Vec::new());

fn main() {
    head("profile");
    let shape = Shape::MINIMAL;
    let srs = Srs::development(shape.k);
    let keys = Keys::generate(shape, &srs).expect("the SRS fits");
    let (claim, openings) = round(&shape, 1);
    let circuit = RoundCircuit::new(shape, claim, openings);
    let inputs = instances(&circuit.grid());
    let params = Timed(srs.params);
    let named = rayon::ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "proof".to_owned());
    let pool = named.build().expect("a thread");
    let mut proof = Vec::new();
    let whole = cpu_seconds(1, || proof = pool.install(|| prove(&params, &keys, &circuit, &inputs)));
    let inputs: Vec<_> = inputs.iter().map(|&value| scalar(&scalar_bytes(value)).expect("canonical")).collect();
    let description = Description::parse(&keys.description).expect("our own");
    plonk::verify(&description, &inputs, &proof).expect("a true proof");
    row("proof, one thread", whole, "CPU s");
    let products = PRODUCTS.lock().expect("one thread");
    for (number, (basis, seconds)) in products.iter().enumerate() {
        row(&format!("commitment {}, {basis}", number + 1), *seconds, "CPU s");
    }
    row("commitments but the two of the opening", products.iter().map(|(_, seconds)| seconds).sum(), "CPU s");
}

fn prove(params: &Timed, keys: &Keys, circuit: &RoundCircuit, inputs: &[Fr]) -> Vec<u8> {
    let mut transcript = ProofWriter::new();
    create_proof::<TimedScheme, TimedProver<'_>, _, _, _, _>(
        params,
        &keys.proving,
        &[Sheet::new(circuit)],
        &[&[inputs]],
        OsRng,
        &mut transcript,
    )
    .expect("keys of this circuit");
    transcript.into_proof()
}

fn timed(basis: &'static str, product: impl Fn() -> G1) -> G1 {
    let mut point = None;
    let seconds = cpu_seconds(1, || point = Some(product()));
    PRODUCTS.lock().expect("one thread").push((basis, seconds));
    point.expect("made above")
}

/// KZG whose commitments are timed. A GPU would be called from the same two places.
#[derive(Clone, Debug)]
struct Timed(ParamsKZG<Bn256>);

struct TimedScheme;

struct TimedProver<'a>(&'a Timed);

impl CommitmentScheme for TimedScheme {
    type Scalar = Fr;
    type Curve = G1Affine;
    type ParamsProver = Timed;
    type ParamsVerifier = ParamsKZG<Bn256>;

    fn new_params(k: u32) -> Timed {
        Timed::new(k)
    }

    fn read_params<R: Read>(reader: &mut R) -> io::Result<Timed> {
        Timed::read(reader)
    }
}

impl<'params> Params<'params, G1Affine> for Timed {
    type MSM = MSMKZG<Bn256>;

    fn k(&self) -> u32 {
        self.0.k()
    }

    fn n(&self) -> u64 {
        self.0.n()
    }

    fn downsize(&mut self, k: u32) {
        self.0.downsize(k);
    }

    fn empty_msm(&'params self) -> MSMKZG<Bn256> {
        self.0.empty_msm()
    }

    fn commit_lagrange(&self, poly: &Polynomial<Fr, LagrangeCoeff>, blind: Blind<Fr>) -> G1 {
        timed("values", || self.0.commit_lagrange(poly, blind))
    }

    fn write<W: Write>(&self, writer: &mut W) -> io::Result<()> {
        self.0.write(writer)
    }

    fn read<R: Read>(reader: &mut R) -> io::Result<Self> {
        ParamsKZG::read(reader).map(Self)
    }
}

impl<'params> ParamsProver<'params, G1Affine> for Timed {
    type ParamsVerifier = ParamsKZG<Bn256>;

    fn new(k: u32) -> Self {
        Self(ParamsKZG::new(k))
    }

    fn commit(&self, poly: &Polynomial<Fr, Coeff>, blind: Blind<Fr>) -> G1 {
        timed("coefficients", || self.0.commit(poly, blind))
    }

    fn get_g(&self) -> &[G1Affine] {
        self.0.get_g()
    }

    fn verifier_params(&'params self) -> &'params ParamsKZG<Bn256> {
        &self.0
    }
}

impl<'params> Prover<'params, TimedScheme> for TimedProver<'params> {
    const QUERY_INSTANCE: bool = false;

    fn new(params: &'params Timed) -> Self {
        Self(params)
    }

    fn create_proof<'com, E, T, R, I>(&self, rng: R, transcript: &mut T, queries: I) -> io::Result<()>
    where
        E: EncodedChallenge<G1Affine>,
        T: TranscriptWrite<G1Affine, E>,
        I: IntoIterator<Item = ProverQuery<'com, G1Affine>> + Clone,
        R: RngCore,
    {
        let params = &self.0.0;
        let prover = <ProverSHPLONK<'_, Bn256> as Prover<'_, KZGCommitmentScheme<Bn256>>>::new(params);
        prover.create_proof(rng, transcript, queries)
    }
}
