//! What holds between the points of an SRS.
//!
//! ```text
//! powers:   e(sum_i r_i g[i + 1], G2) = e(sum_i r_i g[i], s_g2),     g[0] = G1
//! lagrange: sum_i r_i g_lagrange[i] = sum_i c_i g[i],                c the coefficients of r
//! ```
//!
//! with random r: a false equation holds with probability 2^-253.

use halo2_proofs::arithmetic::best_multiexp;
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine, G2Affine};
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::halo2curves::group::Curve;
use halo2_proofs::halo2curves::pairing::Engine;
use halo2_proofs::poly::EvaluationDomain;
use halo2_proofs::poly::commitment::{Blind, Params, ParamsProver};
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use rand_chacha::ChaCha20Rng;
use rand_core::{OsRng, SeedableRng};

use super::{Cause, Origin, development};

/// `g` starts with the generator and goes up in powers of the secret in `s_g2`.
pub(super) fn powers(g: &[G1Affine], s_g2: G2Affine) -> Result<(), Cause> {
    generator("g", g.first(), &G1Affine::generator())?;
    let r = random(g.len() - 1);
    let next: G1Affine = best_multiexp(&r, &g[1..]).to_affine();
    let this: G1Affine = best_multiexp(&r, &g[..r.len()]).to_affine();
    let same = Bn256::pairing(&next, &G2Affine::generator()) == Bn256::pairing(&this, &s_g2);
    if same { Ok(()) } else { Err(Cause::Powers) }
}

/// The Lagrange points are those of the powers.
pub(super) fn lagrange(params: &ParamsKZG<Bn256>) -> Result<(), Cause> {
    let domain = EvaluationDomain::<Fr>::new(1, params.k());
    let r = domain.lagrange_from_vec(random(1 << params.k()));
    let by_values = params.commit_lagrange(&r, Blind::default());
    let by_coefficients = params.commit(&domain.lagrange_to_coeff(r), Blind::default());
    if by_values == by_coefficients { Ok(()) } else { Err(Cause::Lagrange) }
}

/// A list of points starts with its group's generator.
pub(super) fn generator<P: PartialEq>(field: &'static str, first: Option<&P>, generator: &P) -> Result<(), Cause> {
    if first == Some(generator) { Ok(()) } else { Err(Cause::Generator { field }) }
}

/// The powers are of the public secret when, and only when, the origin says so.
pub(super) fn origin(claimed: Origin, g: &[G1Affine]) -> Result<(), Cause> {
    let is_development = g.get(1) == Some(&development::power());
    let found = if is_development { Origin::Development } else { Origin::Ceremony };
    if claimed == found { Ok(()) } else { Err(Cause::Origin { claimed, found }) }
}

fn random(count: usize) -> Vec<Fr> {
    let mut seed = [0; 32];
    rand_core::RngCore::fill_bytes(&mut OsRng, &mut seed);
    let mut random = ChaCha20Rng::from_seed(seed);
    (0..count).map(|_| Fr::random(&mut random)).collect()
}
