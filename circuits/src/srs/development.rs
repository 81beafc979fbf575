//! The development SRS: powers of a secret that everybody knows.
//!
//! ```text
//! g[i] = tau^i G1      g_lagrange[i] = L_i(tau) G1 = w^i (tau^n - 1) / (n (tau - w^i)) G1      n = 2^k
//! ```
//!
//! These are the points of `ParamsKZG::setup`, made from one table of multiples of the generator, an eighth
//! of the work: every process that proves under it makes it anew.

use ark_bn254::{Fr, G1Projective};
use ark_ec::PrimeGroup;
use ark_ec::scalar_mul::BatchMulPreprocessing;
use ark_ff::{Field, PrimeField, batch_inversion};
use halo2_proofs::halo2curves::bn256::{self, G2Affine};
use halo2_proofs::halo2curves::ff::{Field as _, PrimeField as _};
use pogo_protocol::stream::keccak;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rayon::prelude::*;

use super::lagrange::{export, inverse_root};

/// Domain of the development SRS: its id, and the seed of its secret.
pub(super) const DOMAIN: &[u8] = b"pogo/srs/development/v1";
/// Scalars that one thread multiplies at a time.
const BATCH: usize = 512;

/// Where Halo2 would draw the secret from: it is the first scalar.
pub(super) fn random() -> ChaCha20Rng {
    ChaCha20Rng::from_seed(keccak(&[DOMAIN]))
}

/// First power in G1.
pub(super) fn power() -> bn256::G1Affine {
    (bn256::G1Affine::generator() * bn256::Fr::random(random())).into()
}

/// Powers of the secret in G1, the Lagrange points, and its power in G2.
pub(super) fn points(k: u32) -> (Vec<bn256::G1Affine>, Vec<bn256::G1Affine>, G2Affine) {
    let (n, secret) = (1usize << k, bn256::Fr::random(random()));
    let tau = Fr::from_le_bytes_mod_order(secret.to_repr().as_ref());
    let powers = scalars(tau, n);
    let roots = scalars(inverse_root(n).inverse().expect("a root of one"), n);
    let mut lagrange: Vec<Fr> = roots.iter().map(|root| tau - root).collect();
    batch_inversion(&mut lagrange);
    let factor = (tau.pow([n as u64]) - Fr::ONE) / Fr::from(n as u64);
    lagrange.iter_mut().zip(&roots).for_each(|(scalar, root)| *scalar *= factor * root);
    let table = BatchMulPreprocessing::new(G1Projective::generator(), 2 * n);
    let multiply = |scalars: &[Fr]| -> Vec<bn256::G1Affine> {
        scalars.par_chunks(BATCH).flat_map_iter(|chunk| table.batch_mul(chunk)).map(|point| export(&point)).collect()
    };
    (multiply(&powers), multiply(&lagrange), (G2Affine::generator() * secret).into())
}

/// `1, base, base^2, ..`
fn scalars(base: Fr, count: usize) -> Vec<Fr> {
    std::iter::successors(Some(Fr::ONE), |power| Some(*power * base)).take(count).collect()
}

#[cfg(test)]
mod tests {
    use halo2_proofs::halo2curves::bn256::Bn256;
    use halo2_proofs::poly::commitment::ParamsProver;
    use halo2_proofs::poly::kzg::commitment::ParamsKZG;

    use super::*;
    use crate::srs::{check, params};

    #[test]
    fn points_are_those_of_halo2() {
        for k in 1..=10 {
            let (g, g_lagrange, s_g2) = points(k);
            let expected: ParamsKZG<Bn256> = ParamsKZG::setup(k, random());
            assert_eq!((&g[..], s_g2), (expected.get_g(), expected.s_g2()));
            assert!(check::lagrange(&params(g, g_lagrange, s_g2)).is_ok(), "k {k}");
        }
    }
}
