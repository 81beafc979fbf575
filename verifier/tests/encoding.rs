//! The encodings take canonical bytes only, and the transcript is the one written down.

use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{BigInteger, PrimeField};
use pogo_verifier::encoding::{read_g1, read_g2, read_scalar, write_g1, write_g2, write_scalar};
use pogo_verifier::transcript::Transcript;
use proptest::prelude::*;
use sha3::{Digest, Keccak256};

fn scalar() -> impl Strategy<Value = Fr> {
    any::<[u8; 32]>().prop_map(|bytes| Fr::from_be_bytes_mod_order(&bytes))
}

proptest! {
    #[test]
    fn scalars_and_points_round_trip(scalar in scalar()) {
        prop_assert_eq!(read_scalar(&write_scalar(&scalar)), Some(scalar));
        let g1 = (G1Affine::generator() * scalar).into_affine();
        prop_assert_eq!(read_g1(&write_g1(&g1)), Some(g1));
        let g2 = (G2Affine::generator() * scalar).into_affine();
        prop_assert_eq!(read_g2(&write_g2(&g2)), Some(g2));
    }

    #[test]
    fn what_is_read_writes_the_same_bytes(bytes: [u8; 32]) {
        if let Some(scalar) = read_scalar(&bytes) {
            prop_assert_eq!(write_scalar(&scalar), bytes);
        }
    }
}

#[test]
fn the_modulus_and_other_lengths_are_no_scalar() {
    let modulus = Fr::MODULUS.to_bytes_be();
    assert_eq!(read_scalar(&modulus), None);
    let mut below = modulus.clone();
    below[31] -= 1;
    assert_eq!(read_scalar(&below), Some(-Fr::from(1)));
    assert_eq!(read_scalar(&[0; 31]), None);
    assert_eq!(read_scalar(&[0; 33]), None);
}

#[test]
fn infinity_and_strangers_are_no_points() {
    assert_eq!(read_g1(&[0; 64]), None);
    assert_eq!(read_g2(&[0; 128]), None);
    assert_eq!(write_g1(&G1Affine::zero()), [0; 64]);
    let mut point = write_g1(&G1Affine::generator());
    point[63] += 1;
    assert_eq!(read_g1(&point), None);
    assert_eq!(read_g1(&point[1..]), None);
    let mut point = write_g2(&G2Affine::generator());
    point[127] ^= 1;
    assert_eq!(read_g2(&point), None);
}

#[test]
fn coordinates_above_the_modulus_are_no_point() {
    let mut x = Fq::MODULUS;
    x.add_with_carry(&G1Affine::generator().x.into_bigint());
    let y = G1Affine::generator().y.into_bigint();
    assert_eq!(read_g1(&[x.to_bytes_be(), y.to_bytes_be()].concat()), None);
}

/// The curve of G2 has points outside the subgroup; a pairing must not see them.
#[test]
fn points_outside_the_subgroup_are_refused() {
    let on_curve = (1u64..).find_map(|x| {
        let x = Fq2::new(Fq::from(x), Fq::from(0));
        G2Affine::get_point_from_x_unchecked(x, false)
    });
    let point = on_curve.expect("half of all x are on the curve");
    assert!(point.is_on_curve() && !point.is_in_correct_subgroup_assuming_on_curve());
    assert_eq!(read_g2(&write_g2(&point)), None);
}

#[test]
fn challenges_chain_their_hashes() {
    let mut transcript = Transcript::default();
    let (absorbed, more) = ([3; 64], [4; 32]);
    transcript.absorb(&absorbed);
    let first = Keccak256::digest(absorbed);
    assert_eq!(transcript.challenge(), Fr::from_be_bytes_mod_order(&first));
    let second = Keccak256::digest([&first[..], &[1]].concat());
    assert_eq!(transcript.challenge(), Fr::from_be_bytes_mod_order(&second));
    transcript.absorb(&more);
    let third = Keccak256::digest([&second[..], &more].concat());
    assert_eq!(transcript.challenge(), Fr::from_be_bytes_mod_order(&third));
}
