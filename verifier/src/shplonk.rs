//! Many polynomials, each opened at several points, by one pairing check: SHPLONK with KZG,
//! <https://eprint.iacr.org/2020/081>.
//!
//! Polynomials opened at the same points S form a set. With r(u) the value at u of the polynomial
//! of least degree through a claim's values, and Z_S(u) = prod over S of (u - s),
//!
//! ```text
//! F = sum over sets i of  v^i Z_0(u) / Z_i(u)  sum over its claims j of  y^j (C_ij - r_ij(u) G)
//!     - Z_0(u) W + u W'
//! e(F, g2) = e(W', s g2)
//! ```

use crate::description::Description;
use crate::plonk::{Error, powers};
use crate::transcript::ProofReader;
use alloc::vec::Vec;
use ark_bn254::{Bn254, Fr, G1Affine, G1Projective};
use ark_ec::pairing::Pairing;
use ark_ec::{CurveGroup, VariableBaseMSM};
use ark_ff::{Field, One, Zero, batch_inversion};

/// Everything claimed about one committed polynomial: its values at `x omega^rotation`.
pub(crate) struct Claim {
    commitment: Vec<(Fr, G1Affine)>,
    /// Sorted by rotation.
    openings: Vec<(i32, Fr)>,
}

impl Claim {
    pub(crate) fn new(commitment: G1Affine, openings: impl IntoIterator<Item = (i32, Fr)>) -> Self {
        let mut claim = Self { commitment: Vec::from([(Fr::ONE, commitment)]), openings: Vec::new() };
        openings.into_iter().for_each(|opening| claim.open(opening));
        claim
    }

    /// A claim on a linear combination, at `x` alone.
    pub(crate) fn sum(terms: impl Iterator<Item = (Fr, G1Affine)>, value: Fr) -> Self {
        Self { commitment: terms.collect(), openings: Vec::from([(0, value)]) }
    }

    pub(crate) fn open(&mut self, opening: (i32, Fr)) {
        let at = self.openings.partition_point(|(rotation, _)| *rotation < opening.0);
        self.openings.insert(at, opening);
    }

    fn rotations(&self) -> impl Iterator<Item = i32> {
        self.openings.iter().map(|(rotation, _)| *rotation)
    }
}

/// Reads the multi-opening and checks the claims with it.
pub(crate) fn verify(
    description: &Description,
    claims: &[Claim],
    x: Fr,
    reader: &mut ProofReader<'_>,
) -> Result<(), Error> {
    let y = reader.challenge();
    let v = reader.challenge();
    let w = reader.point()?;
    let u = reader.challenge();
    let w_prime = reader.point()?;

    let sets = OpeningSet::group(description, claims, x, u)?;
    let first = sets.first().map_or(Fr::ONE, |set| set.vanishing);
    let mut terms = Terms::default();
    for (set, v) in sets.iter().zip(powers(v)) {
        let scale = v * first * set.vanishing_inverse;
        for (claim, y) in set.claims.iter().zip(powers(y)) {
            terms.add_claim(claim, scale * y, &set.basis);
        }
    }
    terms.add(terms.constant, description.parts().g1);
    terms.add(-first, w);
    terms.add(u, w_prime);
    check_pairing(description, terms.sum(), w_prime)
}

fn check_pairing(description: &Description, f: G1Affine, w_prime: G1Affine) -> Result<(), Error> {
    let product = Bn254::multi_miller_loop([f, -w_prime], description.prepared());
    let one = Bn254::final_exponentiation(product).is_some_and(|output| output.0.is_one());
    if one { Ok(()) } else { Err(Error::Rejected) }
}

/// Claims at the same points.
struct OpeningSet<'a> {
    claims: Vec<&'a Claim>,
    /// `Z_S(u)`.
    vanishing: Fr,
    vanishing_inverse: Fr,
    /// Lagrange basis of the points at `u`: `r(u) = sum basis_k value_k`.
    basis: Vec<Fr>,
}

impl<'a> OpeningSet<'a> {
    /// Sets in the order of their first claim.
    fn group(description: &Description, claims: &'a [Claim], x: Fr, u: Fr) -> Result<Vec<Self>, Error> {
        let mut groups = Vec::<Vec<&Claim>>::new();
        for claim in claims {
            let same =
                |group: &&mut Vec<&Claim>| group.first().is_some_and(|other| other.rotations().eq(claim.rotations()));
            match groups.iter_mut().find(same) {
                Some(group) => group.push(claim),
                None => groups.push(Vec::from([claim])),
            }
        }
        groups.into_iter().map(|claims| Self::new(description, claims, x, u)).collect()
    }

    fn new(description: &Description, claims: Vec<&'a Claim>, x: Fr, u: Fr) -> Result<Self, Error> {
        let rotations = claims.first().into_iter().flat_map(|claim| claim.rotations());
        let points: Vec<Fr> = rotations.map(|rotation| x * description.root(rotation)).collect();
        let vanishing: Fr = points.iter().map(|point| u - point).product();
        // For each point s: (u - s) prod over the others t of (s - t); then Z_S(u) itself.
        let others = |s: &Fr| points.iter().filter(|t| *t != s).map(|t| *s - t).product::<Fr>();
        let mut inverses: Vec<Fr> = points.iter().map(|s| (u - s) * others(s)).collect();
        inverses.push(vanishing);
        if x.is_zero() || inverses.iter().any(Zero::is_zero) {
            return Err(Error::DegenerateChallenge);
        }
        batch_inversion(&mut inverses);
        let vanishing_inverse = inverses.pop().ok_or(Error::Inconsistent)?;
        let basis = inverses.iter().map(|inverse| vanishing * inverse).collect();
        Ok(Self { claims, vanishing, vanishing_inverse, basis })
    }
}

/// A sum of points times scalars, with the generator's scalar kept apart.
#[derive(Default)]
struct Terms {
    scalars: Vec<Fr>,
    points: Vec<G1Affine>,
    constant: Fr,
}

impl Terms {
    /// Adds `scale (C - r(u) G)`.
    fn add_claim(&mut self, claim: &Claim, scale: Fr, basis: &[Fr]) {
        for (coefficient, point) in &claim.commitment {
            self.add(scale * coefficient, *point);
        }
        let values = claim.openings.iter().zip(basis);
        let value: Fr = values.map(|((_, value), basis)| *value * basis).sum();
        self.constant -= scale * value;
    }

    fn add(&mut self, scalar: Fr, point: G1Affine) {
        self.scalars.push(scalar);
        self.points.push(point);
    }

    fn sum(&self) -> G1Affine {
        G1Projective::msm_unchecked(&self.points, &self.scalars).into_affine()
    }
}
