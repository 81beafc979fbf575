//! The structured reference string: powers of a secret that nobody may know.
//!
//! [`Srs::development`] makes one whose secret everybody knows; it is marked as such in its id, in
//! every key made with it, and in every statement.

use halo2_proofs::halo2curves::bn256::Bn256;
use halo2_proofs::poly::commitment::{Params, ParamsProver};
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use pogo_protocol::stream::keccak;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use pogo_verifier::encoding::{write_g1, write_g2};

use crate::describe::{g1, g2};

/// Where an SRS comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Made here from a public seed: proofs under it can be forged by anyone.
    Development,
    /// A ceremony: secret unless all its participants colluded.
    Ceremony,
}

/// An SRS that supports circuits of `2^k` rows.
#[derive(Clone, Debug)]
pub struct Srs {
    /// Halo2's parameters.
    pub params: ParamsKZG<Bn256>,
    /// Origin.
    pub origin: Origin,
}

impl Srs {
    /// The development SRS: its secret is drawn from the public seed
    /// `keccak256("pogo/srs/development/v1")`, so it is the same everywhere.
    pub fn development(k: u32) -> Self {
        let seed = keccak(&[b"pogo/srs/development/v1"]);
        Self { params: ParamsKZG::setup(k, ChaCha20Rng::from_seed(seed)), origin: Origin::Development }
    }

    /// Id: `keccak256(domain || tau G1 || tau G2)`, the domain telling the origin. The same for
    /// every `k` cut from one ceremony.
    pub fn id(&self) -> [u8; 32] {
        let domain: &[u8] = match self.origin {
            Origin::Development => b"pogo/srs/development/v1",
            Origin::Ceremony => b"pogo/srs/ceremony/v1",
        };
        keccak(&[domain, &write_g1(&g1(self.params.get_g()[1])), &write_g2(&g2(self.params.s_g2()))])
    }

    /// Rows supported, as a power of two.
    pub fn k(&self) -> u32 {
        self.params.k()
    }
}
