//! Everything a pogo miner does, one file a verb: [`train`], [`commit`], [`challenge`](pogo_protocol::challenge),
//! [`open`], [`prove`], and for attesters [`replay`], [`audit`] and [`evaluation`]. [`attack`] is what must not work.
//!
//! Start at `examples/pipeline.rs`, which goes the whole path.

pub mod attack;
pub mod audit;
pub mod checkpoint;
pub mod commit;
pub mod data;
pub mod device;
pub mod disclosure;
pub mod distance;
pub mod error;
pub mod evaluation;
pub mod freivalds;
pub mod open;
pub mod prove;
pub mod reference;
pub mod replay;
pub mod round;
pub mod segments;
pub mod store;
pub mod trace;
pub mod train;
