//! What circuit tests share. [`rounds`] makes small rounds, true or false; [`checker`] names the
//! constraints that a grid breaks; [`reading`] tells what a grid claims; [`forging`] is the
//! adversary: it alters cells, lets what depends on them follow, and commits to the outcome;
//! [`gadget`] makes a circuit of a few operations on cells; [`leaf1024`] is a statement to compare with
//! other systems.

pub mod checker;
pub mod forging;
pub mod gadget;
pub mod leaf1024;
pub mod products;
pub mod reading;
pub mod rounds;

pub use checker::{Checker, Constraint};
pub use rounds::round;
