//! Makes the verifier's pinned circuit descriptions.
//!
//! `cargo run --release -p pogo-circuits --example pin -- [CEREMONY.srs]`
//!
//! Writes `verifier/pinned/minimal-development.vk`, and `minimal-ceremony.vk` when the prepared SRS
//! of a ceremony is given (see `pogo srs import`). Prints the ids for `params/vk.toml`.

use std::path::Path;

use pogo_circuits::keys::Keys;
use pogo_circuits::round::Shape;
use pogo_circuits::srs::{Origin, Srs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    pin("minimal-development.vk", &Srs::development(Shape::MINIMAL.k))?;
    if let Some(file) = std::env::args().nth(1) {
        let srs = Srs::load(Path::new(&file))?;
        if srs.origin != Origin::Ceremony {
            return Err(format!("{file}: expected the SRS of a ceremony").into());
        }
        pin("minimal-ceremony.vk", &srs)?;
    }
    Ok(())
}

fn pin(name: &str, srs: &Srs) -> Result<(), Box<dyn std::error::Error>> {
    let keys = Keys::generate(Shape::MINIMAL, srs).map_err(|error| error.to_string())?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../verifier/pinned").join(name);
    std::fs::write(&path, &keys.description)?;
    let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    println!("{name}: circuit 0x{}, srs 0x{}, {} bytes", hex(keys.circuit()), hex(srs.id()), keys.description.len());
    Ok(())
}
