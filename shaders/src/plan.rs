//! Plans: buffers and a straight list of dispatches over them.
//!
//! A plan is data. A device runs it on its GPU; [`Plan::run`] runs the twins instead, on plain
//! memory, and is what every device is held to, dispatch by dispatch.

use crate::kernel::{Kernel, PARAMETERS};

/// Most workgroups of a dispatch in one dimension, by WebGPU's default limits.
pub const WORKGROUPS_MAX: u32 = 65_535;

/// Index of a buffer of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub usize);

/// A buffer that a plan needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// What it holds, for messages.
    pub name: String,
    /// Its size in 32-bit words. A new buffer holds zeros.
    pub words: usize,
    /// Whether it is bound as uniform memory.
    pub uniform: bool,
}

/// A buffer that no device takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{tensor} needs a buffer of {needed} bytes, expected at most {most} (a limit of WebGPU)")]
pub struct TooLarge {
    /// What it would hold.
    pub tensor: String,
    /// Its size.
    pub needed: usize,
    /// The largest size.
    pub most: usize,
}

/// One run of a kernel.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// The kernel.
    pub kernel: &'static Kernel,
    /// Its parameters.
    pub parameters: [u32; PARAMETERS],
    /// Its buffers, in binding order; no buffer twice.
    pub buffers: Vec<BufferId>,
    /// Workgroups.
    pub workgroups: [u32; 3],
    /// Rough number of 32-bit operations, to keep submissions short.
    pub work: u64,
}

/// Buffers, and dispatches that may be run over them.
#[derive(Clone, Debug, Default)]
pub struct Buffers(Vec<Buffer>);

impl Buffers {
    /// Adds a storage buffer of `words` words.
    pub fn add(&mut self, name: impl Into<String>, words: usize) -> BufferId {
        self.push(Buffer { name: name.into(), words: words.max(4), uniform: false })
    }

    /// Adds a storage buffer of at most `most` bytes.
    ///
    /// # Errors
    /// [`TooLarge`] when it would be larger.
    pub fn add_within(&mut self, name: impl Into<String>, words: usize, most: usize) -> Result<BufferId, TooLarge> {
        let (tensor, needed) = (name.into(), words * 4);
        if needed > most { Err(TooLarge { tensor, needed, most }) } else { Ok(self.add(tensor, words)) }
    }

    /// Adds a uniform buffer of `words` words.
    pub fn add_uniform(&mut self, name: impl Into<String>, words: usize) -> BufferId {
        self.push(Buffer { name: name.into(), words, uniform: true })
    }

    fn push(&mut self, buffer: Buffer) -> BufferId {
        self.0.push(buffer);
        BufferId(self.0.len() - 1)
    }

    /// All buffers, by index.
    pub fn list(&self) -> &[Buffer] {
        &self.0
    }
}

/// Parameters, in the order of the kernel's `Parameters`; the rest is zero.
pub fn parameters(values: &[u32]) -> [u32; PARAMETERS] {
    let mut parameters = [0; PARAMETERS];
    parameters[..values.len()].copy_from_slice(values);
    parameters
}

/// Workgroups `[x, y, 1]` with `x * y >= count`, for kernels that number them `y * x_count + x`.
pub fn spread(count: usize) -> [u32; 3] {
    let count = count.max(1) as u32;
    let y = count.div_ceil(WORKGROUPS_MAX);
    [count.div_ceil(y), y, 1]
}

/// Runs dispatches by their twins over plain memory.
///
/// # Panics
/// When a dispatch binds a buffer twice or its bindings are not those of its kernel.
pub fn run_twins(memory: &mut [Vec<u32>], dispatches: &[Dispatch]) {
    for dispatch in dispatches {
        assert_eq!(dispatch.buffers.len(), dispatch.kernel.bindings.len(), "{}", dispatch.kernel.name);
        let mut taken: Vec<Vec<u32>> =
            dispatch.buffers.iter().map(|&BufferId(i)| std::mem::take(&mut memory[i])).collect();
        let mut slices: Vec<&mut [u32]> = taken.iter_mut().map(Vec::as_mut_slice).collect();
        (dispatch.kernel.twin)(&dispatch.parameters, &mut slices);
        for (&BufferId(i), words) in dispatch.buffers.iter().zip(taken) {
            memory[i] = words;
        }
    }
}
