//! The files under `params/` say what the code does.

use std::fs;
use std::path::{Path, PathBuf};

use pogo_circuits::keys::Keys;
use pogo_circuits::round::Shape;
use pogo_circuits::srs::Srs;
use pogo_circuits::step::{StepCircuit, StepShape};
use pogo_protocol::statement::CircuitKind;
use pogo_verifier::description::{Description, Parts};
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Preset {
    circuit: Circuit,
    round: Round,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Circuit {
    k: u32,
    updates: usize,
    quantizes: usize,
    tree_depth: usize,
    steps_depth: usize,
    trace_depth: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Round {
    samples: usize,
    checkpoint_every: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keylist {
    vk: Vec<Key>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    file: String,
    preset: String,
    kind: String,
    origin: String,
    k: u8,
    bytes: usize,
    srs: String,
    circuit: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ceremonies {
    ceremony: Vec<Ceremony>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ceremony {
    name: String,
    origin: String,
    format: String,
    k: u32,
    id: String,
    g1: Known,
    g2: Known,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    file: String,
    bytes: u64,
    sha256: String,
}

#[test]
fn the_presets_are_the_shapes_of_the_code() {
    for (name, shape, samples) in [("minimal", Shape::MINIMAL, 8), ("mainnet", Shape::MAINNET, 64)] {
        let Preset { circuit, round } = read(&format!("params/presets/{name}.toml"));
        let Circuit { k, updates, quantizes, tree_depth, steps_depth, trace_depth } = circuit;
        assert_eq!(Shape { k, updates, quantizes, tree_depth, steps_depth, trace_depth }, shape, "{name}");
        assert_eq!((round.samples, round.checkpoint_every), (samples, 1), "{name}");
        assert_eq!(round.samples % updates, 0, "{name}: a round fills its proofs");
    }
}

#[test]
fn the_known_ceremonies_are_large_enough_and_their_digests_whole() {
    let Ceremonies { ceremony } = read("params/srs.toml");
    for Ceremony { name, origin, format, k, id, g1, g2 } in ceremony {
        assert!(!origin.is_empty() && format == "points", "{name}");
        assert!(k >= Shape::MAINNET.k, "{name}: supports every preset");
        assert!(g1.bytes >= 32 << k && g2.bytes % 64 == 0, "{name}: sizes of {} and {}", g1.file, g2.file);
        for digest in [&id, &g1.sha256, &g2.sha256] {
            assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}: {digest}");
        }
    }
}

#[test]
fn the_list_of_keys_is_that_of_the_pinned_files() {
    let ceremonies: Ceremonies = read("params/srs.toml");
    let Keylist { vk } = read("params/vk.toml");
    let listed = vk.iter().map(|key| (key.kind.as_str(), key.origin.as_str()));
    let all = CircuitKind::ALL.iter().flat_map(|kind| ["ceremony", "development"].map(|origin| (kind.name(), origin)));
    assert!(listed.eq(all), "every circuit under both SRS");
    for key in vk {
        let bytes = fs::read(at(&key.file)).expect("a pinned file");
        let description = Description::parse(&bytes).expect("a pinned description");
        let parts = description.parts();
        assert_eq!((key.bytes, key.k, u32::from(key.k)), (bytes.len(), parts.k, Shape::MINIMAL.k), "{}", key.file);
        assert_eq!((key.preset.as_str(), key.origin == "development"), ("minimal", parts.development), "{}", key.file);
        assert_eq!((key.srs, key.circuit), (hex(parts.srs_id), hex(description.id())), "{}", key.file);
        let known = ceremonies.ceremony.iter().any(|ceremony| ceremony.id == hex(parts.srs_id));
        assert_eq!(known, !parts.development, "{}: a ceremony that srs.toml lists", key.file);
    }
}

#[test]
fn the_pinned_development_descriptions_are_those_of_the_circuits() {
    let srs = Srs::development(Shape::MINIMAL.k);
    for circuit in CircuitKind::ALL {
        let keys = match circuit {
            CircuitKind::Round => Keys::generate(Shape::MINIMAL, &srs),
            _ => Keys::of(&StepCircuit::blank(StepShape::minimal(circuit)), &srs),
        };
        let pinned = fs::read(pinned(circuit, "development")).expect("a pinned file");
        let same = keys.expect("the SRS fits").description == pinned;
        assert!(same, "{} changed: run the `pin` example and say why in the commit", circuit.name());
    }
}

#[test]
fn both_pinned_descriptions_are_of_one_circuit() {
    for circuit in CircuitKind::ALL {
        let parts = |origin: &str| {
            let bytes = fs::read(pinned(circuit, origin)).expect("a pinned file");
            without_srs(Description::parse(&bytes).expect("a pinned description").parts().clone())
        };
        assert!(parts("ceremony") == parts("development"), "one of {} is of an older circuit", circuit.name());
    }
}

/// The pinned description of a circuit.
fn pinned(circuit: CircuitKind, origin: &str) -> PathBuf {
    let name = if circuit == CircuitKind::Round { "minimal" } else { circuit.name() };
    at(&format!("verifier/pinned/{name}-{origin}.vk"))
}

/// The parts without the points of the SRS and what is made with them.
fn without_srs(mut parts: Parts) -> Parts {
    let generator = parts.g1;
    for column in &mut parts.permutation {
        column.commitment = generator;
    }
    for commitment in &mut parts.fixed_commitments {
        *commitment = generator;
    }
    Parts { development: false, srs_id: [0; 32], transcript_repr: 0.into(), s_g2: parts.g2, ..parts }
}

fn read<T: DeserializeOwned>(file: &str) -> T {
    let text = fs::read_to_string(at(file)).expect("the file is there");
    toml::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn at(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)
}

fn hex(bytes: [u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
