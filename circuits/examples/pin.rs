//! Makes the verifier's pinned circuit descriptions and their list.
//!
//! `cargo run --release -p pogo-circuits --example pin -- [CEREMONY.srs]`
//!
//! Writes for every circuit of the minimal preset `verifier/pinned/CIRCUIT-development.vk`, and
//! `CIRCUIT-ceremony.vk` when the prepared SRS of a ceremony is given; then `params/vk.toml`, which lists
//! what is pinned. The file of the round circuit is `minimal`.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use pogo_circuits::keys::Keys;
use pogo_circuits::round::Shape;
use pogo_circuits::srs::{Origin, Srs};
use pogo_circuits::step::{StepCircuit, StepShape};
use pogo_protocol::statement::CircuitKind;
use pogo_verifier::description::Description;

fn main() -> Result<(), Box<dyn Error>> {
    let development = Srs::development(Shape::MINIMAL.k);
    pin("development", &development)?;
    if let Some(file) = std::env::args().nth(1) {
        let srs = Srs::load(Path::new(&file))?;
        if srs.origin != Origin::Ceremony {
            return Err(format!("{file}: expected the SRS of a ceremony").into());
        }
        srs.check()?;
        pin("ceremony", &srs)?;
    }
    let mut list = "# The verifier's pinned circuit descriptions. Made by\n\
                    # `cargo run --release -p pogo-circuits --example pin -- [CEREMONY.srs]`.\n"
        .to_owned();
    for circuit in CircuitKind::ALL {
        for origin in ["ceremony", "development"] {
            list += &entry(circuit, &file(circuit, origin))?;
        }
    }
    print!("{list}");
    Ok(fs::write(at("params/vk.toml"), list)?)
}

/// Writes the descriptions of all circuits under `srs`.
fn pin(origin: &str, srs: &Srs) -> Result<(), Box<dyn Error>> {
    for circuit in CircuitKind::ALL {
        let keys = match circuit {
            CircuitKind::Round => Keys::generate(Shape::MINIMAL, srs)?,
            _ => Keys::of(&StepCircuit::blank(StepShape::minimal(circuit)), srs)?,
        };
        fs::write(at(&file(circuit, origin)), &keys.description)?;
    }
    Ok(())
}

fn file(circuit: CircuitKind, origin: &str) -> String {
    let name = if circuit == CircuitKind::Round { "minimal" } else { circuit.name() };
    format!("verifier/pinned/{name}-{origin}.vk")
}

/// The entry of a pinned file, all read from its bytes.
fn entry(circuit: CircuitKind, file: &str) -> Result<String, Box<dyn Error>> {
    let bytes = fs::read(at(file))?;
    let description = Description::parse(&bytes).map_err(|error| format!("{file}: {error}"))?;
    let parts = description.parts();
    let origin = if parts.development { "development" } else { "ceremony" };
    let (k, length) = (parts.k, bytes.len());
    let (srs, id, name) = (hex(parts.srs_id), hex(description.id()), circuit.name());
    Ok(format!(
        "\n[[vk]]\nfile = \"{file}\"\npreset = \"minimal\"\nkind = \"{name}\"\norigin = \"{origin}\"\nk = {k}\n\
         bytes = {length}\nsrs = \"{srs}\"\ncircuit = \"{id}\"\n"
    ))
}

fn at(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)
}

fn hex(bytes: [u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
