//! The settlement state machine: what each call does and refuses ([`rules`]), and what holds after
//! any calls whatever ([`invariants`]).

mod invariants;
mod rules;
mod world;
