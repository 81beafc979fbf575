//! The training step and the commitments as WGSL compute shaders.
//!
//! Each kernel stands in `wgsl/` under its own name, beside a plain Rust twin of the same name and
//! binding order that calls the functions of [`pogo_protocol`]. A [`plan`] is a straight list of
//! dispatches; a device runs it, and the twins run it too, bit for bit. Plain WGSL: no float, no
//! optional feature, WebGPU's default limits.

pub mod commit;
pub mod constants;
pub mod evaluate;
pub mod field;
pub mod kernel;
pub mod kernels;
pub mod plan;
pub mod step;
