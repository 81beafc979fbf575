//! Everything a pogo miner does, one file a verb.

pub mod data;
pub mod device;
