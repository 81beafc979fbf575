//! A kernel: one WGSL entry point and its plain twin in Rust.
//!
//! Both have the same name, the same binding order and the same parameters, and give the same bits.
//! Buffers are arrays of 32-bit words on both sides; what a word means stands with the kernel.

use crate::constants;

/// Words of a parameter block: uniforms are read in blocks of 16 bytes.
pub const PARAMETERS: usize = 16;

/// How a kernel uses a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Uniform memory, read only.
    Uniform,
    /// Storage that is read.
    Read,
    /// Storage that is read and written, or written.
    Write,
}

/// A plain function that does what a whole dispatch does: parameters, then the buffers in binding
/// order.
pub type Twin = fn(&[u32; PARAMETERS], &mut [&mut [u32]]);

/// One kernel. Binding 0 is its parameter block, binding `1 + i` is `bindings[i]`.
#[derive(Debug)]
pub struct Kernel {
    /// Name of the entry point and of the twin.
    pub name: &'static str,
    /// Shared WGSL that the kernel needs, in order, then its own.
    pub sources: &'static [&'static str],
    /// Access of each buffer.
    pub bindings: &'static [Access],
    /// The same work on plain slices.
    pub twin: Twin,
}

impl Kernel {
    /// The whole shader: constants from the protocol, then the sources.
    pub fn wgsl(&self) -> String {
        [constants::wgsl()].into_iter().chain(self.sources.iter().copied()).collect::<Vec<_>>().join("\n")
    }
}
