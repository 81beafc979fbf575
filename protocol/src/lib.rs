//! What every part of pogo agrees on, defined once.
//!
//! Read in this order: the integers ([`fixed`], [`tables`]), the model and its training step
//! ([`model`], [`step`], [`data`]), what is committed ([`poseidon`], [`leaf`], [`merkle`],
//! [`trace`], [`record`], [`commitment`]), the relations of a step ([`cell`], [`product`], [`opening`]), what
//! is asked and claimed ([`challenge`], [`statement`]), how good the model is and who signs it
//! ([`evaluation`], [`attest`]) and how it ends ([`settle`]). Nothing here touches a file, a clock or a thread.
#![no_std]

extern crate alloc;

pub mod attest;
pub mod cell;
pub mod challenge;
pub mod codec;
pub mod commitment;
pub mod data;
pub mod disclosure;
pub mod evaluation;
pub mod fixed;
pub mod leaf;
pub mod merkle;
pub mod model;
pub mod opening;
pub mod poseidon;
pub mod product;
pub mod record;
pub mod settle;
pub mod statement;
pub mod step;
pub mod stream;
pub mod tables;
pub mod trace;
