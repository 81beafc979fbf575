//! Import and files of the SRS: small ceremonies with a known secret go in and come out as
//! Halo2's own parameters, and every corruption is refused for its reason.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use halo2_proofs::SerdeFormat;
use halo2_proofs::halo2curves::CurveAffine;
use halo2_proofs::halo2curves::bn256::{Bn256, Fq, Fq2, Fr, G1Affine, G2Affine};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::halo2curves::serde::SerdeObject;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use pogo_circuits::srs::{Cause, Origin, Source, Srs, file, points, ptau};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};
use sha3::Keccak256;

/// Where the points of a prepared file begin.
const POINTS: usize = 78;
/// Where the points of sections 2 and 3 of a `.ptau` file of this power begin.
const SECTION_2: usize = 80;
fn section_3(power: u32) -> usize {
    SECTION_2 + 64 * ((2 << power) - 1) + 12
}

#[test]
fn a_ptau_file_imports_as_the_parameters_of_its_secret() {
    for (power, k) in [(1, 1), (4, 4), (5, 4), (6, 1), (6, 6)] {
        let bytes = ptau_bytes(secret(), power);
        let srs = import_ptau(&bytes, k).expect("a true file");
        assert!(raw(&srs.params) == raw(&setup(k)), "power {power}, k {k}");
        assert_eq!((srs.origin, srs.k()), (Origin::Ceremony, k));
        assert_eq!(srs.source, Source { g1: sha256(&bytes), g2: sha256(&bytes) });
    }
}

#[test]
fn compressed_points_import_as_the_parameters_of_their_secret() {
    let (g1, g2) = (compressed_g1(secret(), 64), compressed_g2(secret()));
    for k in [4, 5, 6] {
        let folder = Folder::new();
        let (g1_path, g2_path) = (folder.write("g1", &g1), folder.write("g2", &g2));
        let source = Source { g1: sha256(&g1), g2: sha256(&g2) };
        let srs = points::import(&g1_path, &g2_path, k, Some(source)).expect("true files");
        assert!(raw(&srs.params) == raw(&setup(k)), "k {k}");
        assert_eq!(srs.source, source);
    }
}

#[test]
fn a_prepared_file_reads_back_as_written() {
    for srs in [ceremony(5), Srs::development(5)] {
        let folder = Folder::new();
        let path = folder.path("prepared.srs");
        fs::write(&path, "an older file").expect("writable");
        srs.save(&path).expect("writable");
        let names: Vec<_> = fs::read_dir(&folder.0).expect("readable").collect();
        assert_eq!(names.len(), 1, "no temporary file stays");
        assert_eq!(fs::metadata(&path).expect("there").len(), file::length(5));
        let loaded = Srs::load(&path).expect("our own file");
        assert!(raw(&loaded.params) == raw(&srs.params));
        assert_eq!((loaded.origin, loaded.source, loaded.id()), (srs.origin, srs.source, srs.id()));
        loaded.check().expect("true powers");
    }
}

#[test]
fn a_file_that_is_not_there_or_cannot_be_written_is_an_error_with_its_name() {
    let folder = Folder::new();
    let path = folder.path("nowhere").join("prepared.srs");
    for error in [Srs::load(&path).expect_err("no file"), ceremony(4).save(&path).expect_err("no folder")] {
        assert!(matches!(error.cause, Cause::Io { .. }), "{error}");
        assert!(error.to_string().contains("prepared.srs"), "{error}");
    }
}

#[test]
fn every_corruption_of_a_prepared_file_is_refused_for_its_reason() {
    let honest = prepared(&ceremony(4));
    let (second, lagrange) = (POINTS + 64, POINTS + 64 * 16);
    let (g2, s_g2) = (lagrange + 64 * 16, lagrange + 64 * 16 + 128);
    let length = honest.len();
    let cases: Vec<Case> = vec![
        ("magic", edit(0, b"pogo/SRS"), |cause| matches!(cause, Cause::Magic { .. })),
        ("version", edit(11, &[2]), |cause| matches!(cause, Cause::Number { field: "version", expected: 1, got: 2 })),
        ("origin", edit(12, &[3]), |cause| matches!(cause, Cause::Range { field: "origin", got: 3, .. })),
        ("other origin", edit(12, &[1]), |cause| matches!(cause, Cause::Origin { claimed: Origin::Development, .. })),
        ("k of 0", edit(13, &[0]), |cause| matches!(cause, Cause::Range { field: "k", got: 0, .. })),
        ("k of 29", edit(13, &[29]), |cause| matches!(cause, Cause::Range { field: "k", got: 29, .. })),
        ("larger k", edit(13, &[28]), |cause| matches!(cause, Cause::Length { field: "file", .. })),
        ("smaller k", edit(13, &[3]), |cause| matches!(cause, Cause::Length { field: "file", .. })),
        ("off curve", edit(second, &[0; 32]), |cause| matches!(cause, Cause::OffCurve { field: "g", index: 1 })),
        ("infinity", edit(second, &[0; 64]), |cause| matches!(cause, Cause::Infinity { field: "g", index: 1 })),
        ("x + q", edit(second, &[255; 32]), |cause| matches!(cause, Cause::Coordinate { field: "g", index: 1 })),
        ("y + q", edit(second + 32, &[255; 32]), |cause| matches!(cause, Cause::Coordinate { field: "g", index: 1 })),
        ("lagrange", edit(lagrange, &[0; 32]), |cause| {
            matches!(cause, Cause::OffCurve { field: "g_lagrange", index: 0 })
        }),
        ("generator", copy(second, POINTS, 64), |cause| matches!(cause, Cause::Generator { field: "g" })),
        ("generator 2", copy(s_g2, g2, 128), |cause| matches!(cause, Cause::Generator { field: "g2" })),
        ("s_g2 off curve", edit(s_g2, &[0; 32]), |cause| matches!(cause, Cause::OffCurve { field: "s_g2", .. })),
        ("s_g2 infinity", edit(s_g2, &[0; 128]), |cause| matches!(cause, Cause::Infinity { field: "s_g2", .. })),
        ("s_g2 + q", edit(s_g2 + 96, &[255; 32]), |cause| matches!(cause, Cause::Coordinate { field: "s_g2", .. })),
        ("s_g2 subgroup", edit(s_g2, &raw_g2(outside())), |cause| {
            matches!(cause, Cause::OutsideSubgroup { field: "s_g2", .. })
        }),
    ];
    for (name, change, expected) in cases {
        let mut bytes = honest.clone();
        change(&mut bytes);
        refused(name, decode(&sealed(bytes)), expected);
    }
    let checksum = |cause: &Cause| matches!(cause, Cause::Checksum { .. });
    refused("checksum", decode(&with(&honest, length - 1, |byte| byte ^ 1)), checksum);
    refused("source", decode(&with(&honest, 20, |byte| byte ^ 1)), checksum);
    refused("extended", decode(&[honest.clone(), vec![0]].concat()), |cause| {
        matches!(cause, Cause::Length { field: "file", .. })
    });
    for end in 0..length {
        refused("truncated", decode(&honest[..end]), |cause| matches!(cause, Cause::Length { .. }));
    }
}

#[test]
fn a_reader_that_disagrees_with_the_length_is_refused() {
    let honest = prepared(&ceremony(4));
    let io = |cause: &Cause| matches!(cause, Cause::Io { .. });
    refused("shorter", file::decode(&honest[..honest.len() - 1], honest.len() as u64), io);
    refused("longer", file::decode(&[honest.clone(), vec![0]].concat()[..], honest.len() as u64), io);
}

#[test]
fn valid_points_in_a_wrong_place_fail_the_full_check() {
    let honest = prepared(&ceremony(4));
    let lagrange = POINTS + 64 * 16;
    let swapped = |from, to| {
        let mut bytes = honest.clone();
        copy(from, to, 64)(&mut bytes);
        decode(&sealed(bytes)).expect("every point is valid").check()
    };
    for at in 2..16 {
        let cause = swapped(POINTS, POINTS + 64 * at).expect_err("a power is wrong");
        assert!(matches!(cause, Cause::Powers), "power {at}: {cause}");
    }
    for at in 0..16 {
        let cause = swapped(POINTS, lagrange + 64 * at).expect_err("a Lagrange point is wrong");
        assert!(matches!(cause, Cause::Lagrange), "Lagrange point {at}: {cause}");
    }
    let mut bytes = honest;
    edit(lagrange + 64 * 16 + 128, &raw_g2(G2Affine::generator()))(&mut bytes);
    let cause = decode(&sealed(bytes)).expect("a valid point").check().expect_err("s_g2 is wrong");
    assert!(matches!(cause, Cause::Powers), "{cause}");
}

#[test]
fn every_corruption_of_a_ptau_file_is_refused_for_its_reason() {
    let power = 4;
    let honest = ptau_bytes(secret(), power);
    let (second, s_g2) = (SECTION_2 + 64, section_3(power) + 128);
    let last = honest.len() - 12 - 5;
    let cases: Vec<Case> = vec![
        ("magic", edit(0, b"zkey"), |cause| matches!(cause, Cause::Magic { .. })),
        ("version", edit(4, &[2]), |cause| matches!(cause, Cause::Number { field: "version", .. })),
        ("2 sections", edit(8, &[2]), |cause| matches!(cause, Cause::Range { field: "section count", .. })),
        ("no content for a section", edit(8, &[5]), |cause| {
            matches!(cause, Cause::Length { field: "section type", .. })
        }),
        ("4 G sections", edit(8, &[255; 4]), |cause| matches!(cause, Cause::Length { field: "section type", .. })),
        ("section order", edit(12, &[2]), |cause| {
            matches!(cause, Cause::Number { field: "section type", expected: 1, got: 2 })
        }),
        ("length 1", edit(16, &[45]), |cause| {
            matches!(cause, Cause::Length { field: "section 1", expected: 44, got: 45 })
        }),
        ("coordinates", edit(24, &[48]), |cause| matches!(cause, Cause::Number { field: "coordinate size", .. })),
        ("prime", edit(28, &[0]), |cause| matches!(cause, Cause::Prime { .. })),
        ("power 0", edit(60, &[0]), |cause| matches!(cause, Cause::Range { field: "power", .. })),
        ("power 29", edit(60, &[29]), |cause| matches!(cause, Cause::Range { field: "power", .. })),
        ("smaller power", edit(60, &[3]), |cause| matches!(cause, Cause::Range { field: "k", most: 3, got: 4, .. })),
        ("larger power", edit(60, &[28]), |cause| matches!(cause, Cause::Length { field: "section 2", .. })),
        ("length 2", edit(72, &[255; 8]), |cause| matches!(cause, Cause::Length { field: "section 2", .. })),
        ("length 3", edit(section_3(power) - 8, &[255; 8]), |cause| {
            matches!(cause, Cause::Length { field: "section 3", .. })
        }),
        ("length 7", edit(last + 4, &[255; 8]), |cause| matches!(cause, Cause::Length { field: "section", .. })),
        ("short 7", edit(last + 4, &[4]), |cause| {
            matches!(cause, Cause::Length { field: "after the end", expected: 0, got: 1 })
        }),
        ("off curve", edit(second, &[0; 32]), |cause| matches!(cause, Cause::OffCurve { index: 1, .. })),
        ("infinity", edit(second, &[0; 64]), |cause| matches!(cause, Cause::Infinity { index: 1, .. })),
        ("x + q", edit(second, &[255; 32]), |cause| matches!(cause, Cause::Coordinate { index: 1, .. })),
        ("generator", copy(second, SECTION_2, 64), |cause| matches!(cause, Cause::Generator { field: "section 2" })),
        ("generator 2", copy(s_g2, s_g2 - 128, 128), |cause| matches!(cause, Cause::Generator { field: "section 3" })),
        ("swapped point", copy(SECTION_2, second + 64, 64), |cause| matches!(cause, Cause::Powers)),
        ("wrong s_g2", copy(s_g2 - 128, s_g2, 128), |cause| matches!(cause, Cause::Powers)),
        ("s_g2 off curve", edit(s_g2, &[0; 32]), |cause| {
            matches!(cause, Cause::OffCurve { field: "section 3", index: 1 })
        }),
        ("s_g2 subgroup", edit(s_g2, &raw_g2(outside())), |cause| {
            matches!(cause, Cause::OutsideSubgroup { index: 1, .. })
        }),
    ];
    for (name, change, expected) in cases {
        let mut bytes = honest.clone();
        change(&mut bytes);
        refused(name, import_ptau(&bytes, power), expected);
    }
    for end in 0..honest.len() {
        refused("truncated", import_ptau(&honest[..end], power), |cause| matches!(cause, Cause::Length { .. }));
    }
    let longer = [honest.clone(), vec![0]].concat();
    refused("extended", import_ptau(&longer, power), |cause| {
        matches!(cause, Cause::Length { field: "after the end", .. })
    });
    for k in [0, power + 1, 29, u32::MAX] {
        refused("k", import_ptau(&honest, k), |cause| matches!(cause, Cause::Range { field: "k", .. }));
    }
}

#[test]
fn every_corruption_of_compressed_points_is_refused_for_its_reason() {
    let (g1, g2) = (compressed_g1(secret(), 16), compressed_g2(secret()));
    let cases: Vec<Case> = vec![
        ("flags 0b00", edit(32, &[0]), |cause| matches!(cause, Cause::Flags { field: "G1", index: 1, got: 0 })),
        ("infinity", edit(32, &[0b0100_0000]), |cause| matches!(cause, Cause::Infinity { field: "G1", index: 1 })),
        ("x + q", edit(32, &[0b1011_1111]), |cause| matches!(cause, Cause::Coordinate { field: "G1", index: 1 })),
        ("off curve", edit(32, &no_root()), |cause| matches!(cause, Cause::OffCurve { field: "G1", index: 1 })),
        ("generator", copy(32, 0, 32), |cause| matches!(cause, Cause::Generator { field: "G1" })),
    ];
    for (name, change, expected) in cases {
        let mut bytes = g1.clone();
        change(&mut bytes);
        refused(name, points::decode_g1(&bytes[..], bytes.len() as u64, 4, None), expected);
    }
    let cases: Vec<Case> = vec![
        ("flags 0b00", edit(0, &[0]), |cause| matches!(cause, Cause::Flags { field: "G2", index: 0, got: 0 })),
        ("infinity", edit(0, &[0b0100_0000]), |cause| matches!(cause, Cause::Infinity { field: "G2", index: 0 })),
        ("x + q", edit(32, &[255; 32]), |cause| matches!(cause, Cause::Coordinate { field: "G2", index: 0 })),
        ("subgroup", edit(0, &compress_g2(outside())), |cause| {
            matches!(cause, Cause::OutsideSubgroup { field: "G2", .. })
        }),
    ];
    for (name, change, expected) in cases {
        let mut bytes = g2.clone();
        change(&mut bytes);
        refused(name, points::decode_g2(&bytes[..], bytes.len() as u64, None), expected);
    }
    let length = |cause: &Cause| matches!(cause, Cause::Length { .. });
    for end in 0..g1.len() {
        refused("truncated", points::decode_g1(&g1[..end], end as u64, 4, None), length);
    }
    refused("empty", points::decode_g2(&[][..], 0, None), length);
    refused("half a point", points::decode_g2(&g2[..65], 65, None), length);
    refused("large k", points::decode_g1(&g1[..], g1.len() as u64, 28, None), length);
}

#[test]
fn compressed_points_of_another_secret_or_sign_fail_the_pairing() {
    let folder = Folder::new();
    let g1 = compressed_g1(secret(), 16);
    let mut negated = g1.clone();
    negated[64] ^= 0b0100_0000;
    let (g1, negated) = (folder.write("g1", &g1), folder.write("negated", &negated));
    let (g2, other) =
        (folder.write("g2", &compressed_g2(secret())), folder.write("other", &compressed_g2(Fr::from(3))));
    for (g1, g2) in [(&g1, &other), (&negated, &g2)] {
        let error = points::import(g1, g2, 4, None).expect_err("not powers of one secret");
        assert!(matches!(error.cause, Cause::Powers), "{error}");
    }
}

#[test]
fn a_file_with_another_digest_is_refused() {
    let digest = |cause: &Cause| matches!(cause, Cause::Digest { expected: [1, ..], .. });
    let bytes = ptau_bytes(secret(), 4);
    refused("ptau", ptau::decode(&bytes[..], bytes.len() as u64, 4, Some([1; 32])), digest);
    ptau::decode(&bytes[..], bytes.len() as u64, 4, Some(sha256(&bytes))).expect("its own digest");
    let (g1, g2) = (compressed_g1(secret(), 16), compressed_g2(secret()));
    refused("G1", points::decode_g1(&g1[..], g1.len() as u64, 4, Some([1; 32])), digest);
    refused("G2", points::decode_g2(&g2[..], g2.len() as u64, Some([1; 32])), digest);
}

#[test]
fn the_public_secret_is_refused_as_a_ceremony() {
    let public = Fr::random(ChaCha20Rng::from_seed(Keccak256::digest(b"pogo/srs/development/v1").into()));
    let origin =
        |cause: &Cause| matches!(cause, Cause::Origin { claimed: Origin::Ceremony, found: Origin::Development });
    refused("ptau", import_ptau(&ptau_bytes(public, 4), 4), origin);
    let mut bytes = prepared(&Srs::development(4));
    bytes[12] = 2;
    refused("prepared", decode(&sealed(bytes)), origin);
}

/// The real ceremony's files are named by hand: `POGO_SRS_G1=... POGO_SRS_G2=... cargo test
/// --release -p pogo-circuits --test srs -- --ignored --nocapture`. `POGO_SRS_OUT` keeps the
/// prepared file.
#[test]
#[ignore = "needs the files of a ceremony"]
fn a_real_ceremony_imports() {
    let path = |name| PathBuf::from(std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set")));
    let srs = points::import(&path("POGO_SRS_G1"), &path("POGO_SRS_G2"), 15, None).expect("a true ceremony");
    srs.check().expect("powers of one secret, with their Lagrange points");
    println!("id {}, G1 {}, G2 {}", hex(&srs.id()), hex(&srs.source.g1), hex(&srs.source.g2));
    let folder = Folder::new();
    let out = std::env::var_os("POGO_SRS_OUT").map_or_else(|| folder.path("prepared.srs"), PathBuf::from);
    srs.save(&out).expect("writable");
    assert!(raw(&Srs::load(&out).expect("our own file").params) == raw(&srs.params));
}

proptest! {
    #[test]
    fn random_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512), k in any::<u32>()) {
        prop_assert!(decode(&bytes).is_err());
        prop_assert!(import_ptau(&bytes, k).is_err());
        prop_assert!(points::decode_g1(&bytes[..], bytes.len() as u64, k, None).is_err());
        prop_assert!(points::decode_g2(&bytes[..], bytes.len() as u64, None).is_err());
    }

    #[test]
    fn a_changed_byte_of_a_prepared_file_is_refused(at in 0..file::length(2) as usize, change in 1..=255u8) {
        let bytes = with(&prepared(&ceremony(2)), at, |byte| byte ^ change);
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn a_changed_byte_of_a_ptau_head_never_panics(at in 0..SECTION_2, value in any::<u8>(), seal in any::<bool>()) {
        let bytes = with(&ptau_bytes(secret(), 2), at, |_| value);
        let _ = import_ptau(&bytes, 2);
        let mut bytes = with(&prepared(&ceremony(2)), at, |_| value);
        if seal {
            bytes = sealed(bytes);
        }
        let _ = decode(&bytes);
    }
}

/// A name, a change, and whether a cause is the one that should follow.
type Case = (&'static str, Change, fn(&Cause) -> bool);

/// A change of a file.
type Change = Box<dyn Fn(&mut [u8])>;

fn edit(at: usize, new: &[u8]) -> Change {
    let new = new.to_vec();
    Box::new(move |bytes| bytes[at..at + new.len()].copy_from_slice(&new))
}

fn copy(from: usize, to: usize, length: usize) -> Change {
    Box::new(move |bytes| bytes.copy_within(from..from + length, to))
}

fn with(bytes: &[u8], at: usize, change: impl Fn(u8) -> u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] = change(bytes[at]);
    bytes
}

#[track_caller]
fn refused<T>(name: &str, result: Result<T, Cause>, expected: impl Fn(&Cause) -> bool) {
    match result {
        Ok(_) => panic!("{name}: accepted"),
        Err(cause) => assert!(expected(&cause), "{name}: {cause}"),
    }
}

const SEED: [u8; 32] = [7; 32];

/// The secret of [`setup`], which draws it first.
fn secret() -> Fr {
    Fr::random(ChaCha20Rng::from_seed(SEED))
}

fn setup(k: u32) -> ParamsKZG<Bn256> {
    ParamsKZG::setup(k, ChaCha20Rng::from_seed(SEED))
}

fn ceremony(k: u32) -> Srs {
    import_ptau(&ptau_bytes(secret(), k), k).expect("a true file")
}

fn import_ptau(bytes: &[u8], k: u32) -> Result<Srs, Cause> {
    ptau::decode(bytes, bytes.len() as u64, k, None)
}

fn decode(bytes: &[u8]) -> Result<Srs, Cause> {
    file::decode(bytes, bytes.len() as u64)
}

fn prepared(srs: &Srs) -> Vec<u8> {
    let mut bytes = Vec::new();
    file::encode(srs, &mut bytes).expect("memory is writable");
    bytes
}

/// The bytes with the checksum that belongs to them.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let content = bytes.len() - 32;
    let checksum = Keccak256::digest(&bytes[..content]);
    bytes[content..].copy_from_slice(&checksum);
    bytes
}

fn raw(params: &ParamsKZG<Bn256>) -> Vec<u8> {
    let mut bytes = Vec::new();
    params.write_custom(&mut bytes, SerdeFormat::RawBytes).expect("memory is writable");
    bytes
}

fn powers(secret: Fr, count: usize) -> impl Iterator<Item = Fr> {
    std::iter::successors(Some(Fr::ONE), move |power| Some(power * secret)).take(count)
}

/// A `.ptau` file: the first three sections, and a seventh of 5 bytes.
fn ptau_bytes(secret: Fr, power: u32) -> Vec<u8> {
    let g1 = powers(secret, (2 << power) - 1).flat_map(|power| raw_g1((G1Affine::generator() * power).into()));
    let g2 = powers(secret, 1 << power).flat_map(|power| raw_g2((G2Affine::generator() * power).into()));
    let mut prime = (-Fq::ONE).to_repr();
    prime[0] += 1;
    let header = [&32u32.to_le_bytes()[..], &prime, &power.to_le_bytes(), &28u32.to_le_bytes()].concat();
    let mut bytes = [&b"ptau"[..], &1u32.to_le_bytes(), &4u32.to_le_bytes()].concat();
    for (kind, content) in [(1u32, header), (2, g1.collect()), (3, g2.collect()), (7, vec![0; 5])] {
        bytes.extend(kind.to_le_bytes());
        bytes.extend((content.len() as u64).to_le_bytes());
        bytes.extend(content);
    }
    bytes
}

fn raw_g1(point: G1Affine) -> Vec<u8> {
    point.to_raw_bytes()
}

fn raw_g2(point: G2Affine) -> Vec<u8> {
    point.to_raw_bytes()
}

fn compressed_g1(secret: Fr, count: usize) -> Vec<u8> {
    powers(secret, count).flat_map(|power| compress_g1((G1Affine::generator() * power).into())).collect()
}

/// tau G2, tau^2 G2, tau^4 G2, tau^8 G2.
fn compressed_g2(secret: Fr) -> Vec<u8> {
    let squares = std::iter::successors(Some(secret), |power| Some(power.square())).take(4);
    squares.flat_map(|power| compress_g2((G2Affine::generator() * power).into())).collect()
}

fn compress_g1(point: G1Affine) -> Vec<u8> {
    let mut bytes = big_endian(point.x);
    bytes[0] |= if is_larger(point.y) { 0b1100_0000 } else { 0b1000_0000 };
    bytes
}

fn compress_g2(point: G2Affine) -> Vec<u8> {
    let mut bytes = [big_endian(point.x.c1), big_endian(point.x.c0)].concat();
    let deciding = if point.y.c1 == Fq::ZERO { point.y.c0 } else { point.y.c1 };
    bytes[0] |= if is_larger(deciding) { 0b1100_0000 } else { 0b1000_0000 };
    bytes
}

/// Above (q - 1) / 2, that is, the double wraps around the odd modulus.
fn is_larger(y: Fq) -> bool {
    bool::from((y + y).is_odd())
}

fn big_endian(coordinate: Fq) -> Vec<u8> {
    coordinate.to_repr().into_iter().rev().collect()
}

/// A point of the curve of G2 that is not in G2.
fn outside() -> G2Affine {
    let point = (1u64..).find_map(|x| {
        let x = Fq2 { c0: Fq::from(x), c1: Fq::ZERO };
        let y: Option<Fq2> = (x.square() * x + G2Affine::b()).sqrt().into();
        y.map(|y| G2Affine { x, y })
    });
    point.expect("half of all x have one")
}

/// A compressed x without a y.
fn no_root() -> Vec<u8> {
    let lacks = |x: &Fq| Option::<Fq>::from((x.square() * x + G1Affine::b()).sqrt()).is_none();
    let mut bytes = big_endian((1u64..).map(Fq::from).find(lacks).expect("half of all x have none"));
    bytes[0] |= 0b1000_0000;
    bytes
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A new folder, removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("pogo-srs-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir(&folder.0).expect("writable");
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.path(name), bytes).expect("writable");
        self.path(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
