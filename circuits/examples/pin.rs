//! Makes the verifier's pinned circuit descriptions and their list.
//!
//! `cargo run --release -p pogo-circuits --example pin -- [CEREMONY.srs]`
//!
//! Writes `verifier/pinned/minimal-development.vk`, `minimal-ceremony.vk` when the prepared SRS of a
//! ceremony is given, and `params/vk.toml`, which lists what is pinned then.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use pogo_circuits::keys::Keys;
use pogo_circuits::round::Shape;
use pogo_circuits::srs::{Origin, Srs};
use pogo_verifier::description::Description;

const DEVELOPMENT: &str = "verifier/pinned/minimal-development.vk";
const CEREMONY: &str = "verifier/pinned/minimal-ceremony.vk";

fn main() -> Result<(), Box<dyn Error>> {
    pin(DEVELOPMENT, &Srs::development(Shape::MINIMAL.k))?;
    if let Some(file) = std::env::args().nth(1) {
        let srs = Srs::load(Path::new(&file))?;
        if srs.origin != Origin::Ceremony {
            return Err(format!("{file}: expected the SRS of a ceremony").into());
        }
        srs.check()?;
        pin(CEREMONY, &srs)?;
    }
    let head = "# The verifier's pinned circuit descriptions. Made by\n\
                # `cargo run --release -p pogo-circuits --example pin -- [CEREMONY.srs]`.\n";
    let list = head.to_owned() + &entry(CEREMONY)? + &entry(DEVELOPMENT)?;
    print!("{list}");
    Ok(fs::write(at("params/vk.toml"), list)?)
}

/// Writes the description of the minimal circuit under `srs`.
fn pin(file: &str, srs: &Srs) -> Result<(), Box<dyn Error>> {
    let keys = Keys::generate(Shape::MINIMAL, srs)?;
    Ok(fs::write(at(file), &keys.description)?)
}

/// The entry of a pinned file, all read from its bytes.
fn entry(file: &str) -> Result<String, Box<dyn Error>> {
    let bytes = fs::read(at(file))?;
    let description = Description::parse(&bytes).map_err(|error| format!("{file}: {error}"))?;
    let parts = description.parts();
    let origin = if parts.development { "development" } else { "ceremony" };
    let (k, length) = (parts.k, bytes.len());
    let (srs, circuit) = (hex(parts.srs_id), hex(description.id()));
    Ok(format!(
        "\n[[vk]]\nfile = \"{file}\"\npreset = \"minimal\"\norigin = \"{origin}\"\nk = {k}\n\
         bytes = {length}\nsrs = \"{srs}\"\ncircuit = \"{circuit}\"\n"
    ))
}

fn at(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)
}

fn hex(bytes: [u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
