//! Verification of pogo proofs: bytes in, `Result<(), Error>` out.
//!
//! A circuit is known by its [`description::Description`]; [`plonk::verify`] checks a proof of
//! its constraints. Nothing here panics, allocates on a stranger's word, or needs `std`.

#![no_std]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

extern crate alloc;

pub mod description;
pub mod encoding;
pub mod plonk;
mod shplonk;
pub mod transcript;
