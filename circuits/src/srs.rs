//! The structured reference string: powers of a secret that nobody may know.
//!
//! ```text
//! g[i] = tau^i G1      g_lagrange[i] = L_i(tau) G1      s_g2 = tau G2      i < 2^k
//! ```
//!
//! A ceremony's file is imported once ([`ptau`], [`points`]), checked in full, and kept as a
//! prepared [`file`]. [`Srs::development`] makes one whose secret everybody knows; it is marked as
//! such in its id, in every key made with it, and in every statement.

mod check;
mod development;
mod error;
pub mod file;
mod lagrange;
pub mod points;
pub mod ptau;
mod reader;

use std::path::Path;

use halo2_proofs::halo2curves::bn256::{Bn256, G1Affine, G2Affine};
use halo2_proofs::poly::commitment::{Params, ParamsProver};
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use pogo_protocol::stream::keccak;

use pogo_verifier::encoding::{write_g1, write_g2};

use crate::describe::{g1, g2};
pub use error::{Cause, Error};

/// Smallest and largest `k`: the id needs two powers, and the scalar field has 2^28-th roots of one.
pub const K_RANGE: std::ops::RangeInclusive<u32> = 1..=28;

/// Where an SRS comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Made here from a public seed: proofs under it can be forged by anyone.
    Development,
    /// A ceremony: secret unless all its participants colluded.
    Ceremony,
}

/// SHA-256 of the files that an SRS was imported from: the one with the powers in G1 and the one
/// with the power in G2, which may be the same file. Zeros for a development SRS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Digest of the file that held the powers in G1.
    pub g1: [u8; 32],
    /// Digest of the file that held the power in G2.
    pub g2: [u8; 32],
}

/// An SRS that supports circuits of `2^k` rows.
#[derive(Clone, Debug)]
pub struct Srs {
    /// Halo2's parameters.
    pub params: ParamsKZG<Bn256>,
    /// Origin.
    pub origin: Origin,
    /// Files it came from.
    pub source: Source,
}

impl Srs {
    /// The development SRS: its secret is drawn from the public seed
    /// `keccak256("pogo/srs/development/v1")`, so it is the same everywhere.
    pub fn development(k: u32) -> Self {
        let (g, g_lagrange, s_g2) = development::points(k);
        Self { params: params(g, g_lagrange, s_g2), origin: Origin::Development, source: Source::default() }
    }

    /// Reads a prepared [`file`].
    ///
    /// # Errors
    /// When the file is not exactly what [`Srs::save`] writes; the powers themselves are held
    /// together by the checksum only, [`Srs::check`] holds them to each other.
    pub fn load(path: &Path) -> Result<Self, Error> {
        file::load(path)
    }

    /// Writes a prepared [`file`], whole or not at all.
    ///
    /// # Errors
    /// The file system's.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        file::save(self, path)
    }

    /// Shows that the points are powers of one secret, and that the Lagrange points are made from
    /// them: random linear combinations under a pairing.
    ///
    /// # Errors
    /// [`Cause::Powers`] or [`Cause::Lagrange`].
    pub fn check(&self) -> Result<(), Cause> {
        check::powers(self.params.get_g(), self.params.s_g2())?;
        check::lagrange(&self.params)
    }

    /// Id: `keccak256(domain || tau G1 || tau G2)`, the domain telling the origin. The same for
    /// every `k` cut from one ceremony.
    pub fn id(&self) -> [u8; 32] {
        let domain = match self.origin {
            Origin::Development => development::DOMAIN,
            Origin::Ceremony => b"pogo/srs/ceremony/v1",
        };
        keccak(&[domain, &write_g1(&g1(self.params.get_g()[1])), &write_g2(&g2(self.params.s_g2()))])
    }

    /// Rows supported, as a power of two.
    pub fn k(&self) -> u32 {
        self.params.k()
    }

    /// A ceremony's SRS from its powers, which are checked; makes the Lagrange points.
    fn from_ceremony(g: Vec<G1Affine>, s_g2: G2Affine, source: Source) -> Result<Self, Cause> {
        check::origin(Origin::Ceremony, &g)?;
        check::powers(&g, s_g2)?;
        let g_lagrange = lagrange::from_powers(&g);
        Ok(Self { params: params(g, g_lagrange, s_g2), origin: Origin::Ceremony, source })
    }
}

/// Halo2's parameters from their parts, which it does not check.
fn params(g: Vec<G1Affine>, g_lagrange: Vec<G1Affine>, s_g2: G2Affine) -> ParamsKZG<Bn256> {
    // Halo2 makes parameters from other ones only.
    let any = ParamsKZG::setup(1, development::random());
    any.from_parts(g.len().ilog2(), g, Some(g_lagrange), G2Affine::generator(), s_g2)
}
