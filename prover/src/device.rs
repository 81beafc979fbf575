//! Where training steps run. Every device gives the bits of [`pogo_protocol::step`].

pub mod cpu;
