//! The settlement state machine: what each call does and refuses ([`rules`]), what trace mode `challenged`
//! adds ([`challenged`]), and what holds after any calls whatever ([`invariants`]).

mod challenged;
mod invariants;
mod rules;
mod world;
