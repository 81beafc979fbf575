//! The cells of a training step as Halo2 circuits.
//!
//! Read in this order: [`grid`] (all cells at absolute rows), [`chips`] (columns, Poseidon,
//! integers), [`cells`] (one file a relation), [`circuit`] (what every circuit is), [`round`] (the circuit
//! of update and quantize cells), [`step`] (those of all other cells), [`srs`] and [`keys`] (setup), [`proof`] (prove). The plain relation is
//! [`pogo_protocol::opening::Openings::check`]; witnesses are computed with the protocol's integers.

pub mod cells;
pub mod chips;
pub mod circuit;
pub mod describe;
pub mod grid;
pub mod keys;
pub mod proof;
pub mod round;
pub mod srs;
pub mod step;
pub mod testing;
pub mod transcript;
