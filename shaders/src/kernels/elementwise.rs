//! What happens to every element between the products: bytes from sums, and maxima.
//!
//! The kernels that make bytes take 4 x 4 of them a thread, 32 x 32 a workgroup, and write both
//! packings. Their parameters begin with `row_stride, column_stride`: words of a row of `rows` (a
//! quarter of the padded columns) and of `columns` (a quarter of the padded rows).

use pogo_protocol::fixed::{dither, key, requantize, requantize_stochastic};

use super::scaling::{exponent_of, fix_exponent};
use super::{EXPONENTS, FIXED, PACK, SCALING, bytes, pack};
use crate::kernel::{Access, Kernel, PARAMETERS};
use crate::plan::{BufferId, Dispatch, parameters, spread};

/// Largest magnitude of an array at a site; parameters `count, site`; bindings: values, maxima.
pub static MAX_ABS: Kernel = Kernel {
    name: "max_abs",
    sources: &[include_str!("../../wgsl/max_abs.wgsl")],
    bindings: &[Access::Read, Access::Write],
    twin: max_abs,
};

/// `w8 = requantize(W, shift)`; parameters `.., site`; bindings: weights, maxima, exponents, rows,
/// columns.
pub static WEIGHTS_FORWARD: Kernel = Kernel {
    name: "weights_forward",
    sources: &[FIXED, SCALING, PACK, include_str!("../../wgsl/weights_forward.wgsl")],
    bindings: &[Access::Read, Access::Read, Access::Write, Access::Write, Access::Write],
    twin: weights_forward,
};

/// Features of a batch in both packings; parameters `.., offset`; bindings: features, rows, columns.
pub static FEATURES_FORWARD: Kernel = Kernel {
    name: "features_forward",
    sources: &[PACK, include_str!("../../wgsl/features_forward.wgsl")],
    bindings: &[Access::Read, Access::Write, Access::Write],
    twin: features_forward,
};

/// `y8 = requantize(max(sums, 0), E - e)`; parameters `.., site, x_site, weights_site, constant`;
/// bindings: sums, maxima, exponents, rows, columns.
pub static ACTIVATION_FORWARD: Kernel = Kernel {
    name: "activation_forward",
    sources: &[FIXED, EXPONENTS, SCALING, PACK, include_str!("../../wgsl/activation_forward.wgsl")],
    bindings: &[Access::Read, Access::Read, Access::Write, Access::Write, Access::Write],
    twin: activation_forward,
};

/// `e8 = requantize_stochastic(errors, E - e, dither)`; parameters `.., site, errors_site,
/// weights_site, constant, units, rounding, control`; bindings: control, errors, maxima,
/// exponents, rows, columns.
pub static ERRORS_BACKWARD: Kernel = Kernel {
    name: "errors_backward",
    sources: &[FIXED, EXPONENTS, SCALING, PACK, include_str!("../../wgsl/errors_backward.wgsl")],
    bindings: &[Access::Read, Access::Read, Access::Read, Access::Write, Access::Write, Access::Write],
    twin: errors_backward,
};

/// Kernels of this file.
pub static KERNELS: [&Kernel; 5] =
    [&MAX_ABS, &WEIGHTS_FORWARD, &FEATURES_FORWARD, &ACTIVATION_FORWARD, &ERRORS_BACKWARD];

/// Rows and columns of bytes that a workgroup makes.
const SQUARE: usize = 32;
/// Words that a workgroup of [`MAX_ABS`] reads.
const MAX_ABS_WORDS: usize = 4096;

/// A dispatch that makes a padded `(rows, columns)` matrix of bytes; `more` follows the strides.
pub fn square(
    kernel: &'static Kernel,
    (rows, columns): (usize, usize),
    more: &[u32],
    buffers: Vec<BufferId>,
) -> Dispatch {
    let strides = [columns as u32 / 4, rows as u32 / 4];
    let mut values = [&strides[..], more].concat();
    values.resize(PARAMETERS - 1, 0);
    values.push(rows as u32);
    let workgroups = [(columns / SQUARE) as u32, (rows / SQUARE) as u32, 1];
    Dispatch { kernel, parameters: parameters(&values), buffers, workgroups, work: 32 * (rows * columns) as u64 }
}

/// The dispatch of [`MAX_ABS`] over `count` words.
pub fn max_abs_dispatch(count: usize, site: u32, values: BufferId, maxima: BufferId) -> Dispatch {
    Dispatch {
        kernel: &MAX_ABS,
        parameters: parameters(&[count as u32, site]),
        buffers: vec![values, maxima],
        workgroups: spread(count.div_ceil(MAX_ABS_WORDS)),
        work: 4 * count as u64,
    }
}

/// Writes `byte(row, column, index)` of every element in both packings.
fn store(p: &[u32; PARAMETERS], rows: &mut [u32], columns: &mut [u32], byte: impl Fn(usize, usize, usize) -> i8) {
    let (row_stride, column_stride) = (p[0] as usize, p[1] as usize);
    let height = p[PARAMETERS - 1] as usize;
    let at = |row: usize, column: usize| byte(row, column, row * row_stride * 4 + column);
    for row in 0..height {
        for word in 0..row_stride {
            rows[row * row_stride + word] = pack(std::array::from_fn(|i| at(row, 4 * word + i)));
        }
    }
    for column in 0..4 * row_stride {
        for word in 0..height / 4 {
            columns[column * column_stride + word] = pack(std::array::from_fn(|i| at(4 * word + i, column)));
        }
    }
}

fn max_abs(p: &[u32; PARAMETERS], buffers: &mut [&mut [u32]]) {
    let [values, maxima] = buffers else { unreachable!("two bindings") };
    let most = values[..p[0] as usize].iter().map(|&v| (v as i32).unsigned_abs()).max().unwrap_or(0);
    let max = &mut maxima[p[1] as usize];
    *max = most.max(*max);
}

fn weights_forward(p: &[u32; PARAMETERS], buffers: &mut [&mut [u32]]) {
    let [weights, maxima, exponents, rows, columns] = buffers else { unreachable!("five bindings") };
    let shift = fix_exponent(maxima, exponents, p[2], 0);
    store(p, rows, columns, |_, _, i| requantize(weights[i] as i32, shift) as i8);
}

fn features_forward(p: &[u32; PARAMETERS], buffers: &mut [&mut [u32]]) {
    let [features, rows, columns] = buffers else { unreachable!("three bindings") };
    let offset = p[2] as usize;
    store(p, rows, columns, |_, _, i| bytes(features[offset + i / 4])[i % 4]);
}

fn activation_forward(p: &[u32; PARAMETERS], buffers: &mut [&mut [u32]]) {
    let [sums, maxima, exponents, rows, columns] = buffers else { unreachable!("five bindings") };
    let e = exponent_of(exponents, p[3], p[4], p[5]);
    let shift = fix_exponent(maxima, exponents, p[2], e) - e;
    store(p, rows, columns, |_, _, i| requantize((sums[i] as i32).max(0), shift) as i8);
}

fn errors_backward(p: &[u32; PARAMETERS], buffers: &mut [&mut [u32]]) {
    let [control, errors, maxima, exponents, rows, columns] = buffers else { unreachable!("six bindings") };
    let e = exponent_of(exponents, p[3], p[4], p[5]);
    let shift = fix_exponent(maxima, exponents, p[2], e) - e;
    let control = &control[p[8] as usize..];
    let key = key(control[1], control[2], p[7]);
    store(p, rows, columns, |row, column, i| {
        let index = (row as u32).wrapping_mul(p[6]).wrapping_add(column as u32);
        requantize_stochastic(errors[i] as i32, shift, dither(key, index)) as i8
    });
}
