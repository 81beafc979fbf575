//! Prove: one Halo2 proof for each part of a challenge.

use std::sync::{Arc, Mutex, PoisonError};

use pogo_circuits::circuit::Gridded;
use pogo_circuits::keys::Keys;
use pogo_circuits::proof;
use pogo_circuits::round::{Claim, RoundCircuit, Shape};
use pogo_circuits::srs::{Origin, Srs};
use pogo_circuits::step::{StepCircuit, StepShape};
use pogo_protocol::cell::Depths;
use pogo_protocol::statement::{CircuitKind, Statement};
use pogo_verifier::{Setup, container};

use crate::error::Error;
use crate::open::Opened;

/// Keys that a prover holds at once: some 100 MB each.
const HELD: usize = 2;

/// Proves statements of the preset `minimal` under one SRS. Keys of a circuit are made when its first
/// statement comes and held until two others came, so statements are best sorted by circuit.
#[derive(Debug)]
pub struct Prover {
    /// The SRS.
    pub srs: Srs,
    held: Mutex<Vec<(CircuitKind, Arc<Keys>)>>,
}

impl Prover {
    /// A prover under `srs`.
    pub fn new(srs: Srs) -> Self {
        Self { srs, held: Mutex::default() }
    }

    /// Whose descriptions the verifier holds against the proofs.
    pub fn setup(&self) -> Setup {
        match self.srs.origin {
            Origin::Development => Setup::Development,
            Origin::Ceremony => Setup::Ceremony,
        }
    }

    /// Keys of a circuit: those that are held, or made now.
    ///
    /// # Errors
    /// [`Error::Proving`] when the SRS is too small; [`Error::Keys`] when they are not those that the
    /// verifier embeds.
    pub fn keys(&self, circuit: CircuitKind) -> Result<Arc<Keys>, Error> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, keys)) = held.iter().find(|(of, _)| *of == circuit) {
            return Ok(keys.clone());
        }
        let made = match circuit {
            CircuitKind::Round => Keys::generate(Shape::MINIMAL, &self.srs),
            _ => Keys::of(&StepCircuit::blank(StepShape::minimal(circuit)), &self.srs),
        };
        let keys = Arc::new(made.map_err(|error| Error::Proving(error.to_string()))?);
        let (expected, got) = (self.setup().circuits().id(circuit), keys.circuit());
        if expected != got {
            return Err(Error::Keys { circuit: circuit.name(), expected, got });
        }
        if held.len() == HELD {
            held.remove(0);
        }
        held.push((circuit, keys.clone()));
        Ok(keys)
    }

    /// Proves `statement` from what it opens; returns the proof file.
    ///
    /// # Errors
    /// [`Error::Opening`] when the openings do not obey the statement; as [`Prover::keys`].
    pub fn prove(&self, statement: &Statement, opened: Opened) -> Result<Vec<u8>, Error> {
        let Shape { tree_depth: tree, steps_depth: steps, trace_depth: trace, .. } = Shape::MINIMAL;
        let checked = opened.check(&Claim::new(statement).roots, Depths { tree, steps, trace });
        let part = statement.part as usize;
        checked.map_err(|violation| Error::Opening { part, violation })?;
        self.prove_unchecked(statement, opened)
    }

    /// [`Prover::prove`] without a look at the openings: of false ones it makes a proof that no
    /// verifier accepts.
    ///
    /// # Errors
    /// As [`Prover::keys`]; [`Error::Proving`] for no openings.
    pub fn prove_unchecked(&self, statement: &Statement, opened: Opened) -> Result<Vec<u8>, Error> {
        let (claim, circuit) = (Claim::new(statement), opened.circuit());
        let circuit = circuit.ok_or_else(|| Error::Proving("no cells to prove".to_owned()))?;
        match opened {
            Opened::Round(openings) => self.make(circuit, RoundCircuit::new(Shape::MINIMAL, claim, openings)),
            Opened::Cells(openings) => {
                self.make(circuit, StepCircuit::new(StepShape::minimal(circuit), claim, openings))
            }
        }
    }

    fn make(&self, kind: CircuitKind, circuit: impl Gridded) -> Result<Vec<u8>, Error> {
        let keys = self.keys(kind)?;
        let proof = proof::prove(&self.srs, &keys, circuit).map_err(|error| Error::Proving(error.to_string()))?;
        Ok(container::encode(&keys.circuit(), &proof))
    }
}
