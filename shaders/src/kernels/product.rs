//! The three products of a layer, 64 x 64 of the output a workgroup.
//!
//! Parameters: `a_offset, a_stride, b_stride, depth` (words; `depth` a multiple of 16), `out_offset,
//! out_stride, site, x_stride, accumulate, last`. The twins see how many rows
//! there are from the workgroups, which stand in the last two parameters.

use super::{NO_SITE, bytes};
use crate::kernel::{Access, Kernel, PARAMETERS};
use crate::plan::{BufferId, Dispatch, parameters};

const MATMUL: &str = include_str!("../../wgsl/matmul.wgsl");

/// Output rows and columns of a workgroup.
pub const TILE: usize = 64;

/// `sums (B, N) = x (B, K) * w (N, K)^T`; bindings: rows of x, rows of w, sums, maxima.
pub static LINEAR_FORWARD: Kernel = Kernel {
    name: "linear_forward",
    sources: &[MATMUL, include_str!("../../wgsl/linear_forward.wgsl")],
    bindings: &[Access::Read, Access::Read, Access::Write, Access::Write],
    twin: linear_forward,
};

/// `errors (B, K) = e8 (B, N) * w (N, K)` over the shards of a tensor, masked with the last;
/// bindings: rows of e8, columns of w, rows of x, errors, maxima.
pub static LINEAR_BACKWARD: Kernel = Kernel {
    name: "linear_backward",
    sources: &[MATMUL, include_str!("../../wgsl/linear_backward.wgsl")],
    bindings: &[Access::Read, Access::Read, Access::Read, Access::Write, Access::Write],
    twin: linear_backward,
};

/// `gradient (N, K) = e8 (B, N)^T * x8 (B, K)`; bindings: columns of e8, columns of x, gradient.
pub static GRADIENT_BACKWARD: Kernel = Kernel {
    name: "gradient_backward",
    sources: &[MATMUL, include_str!("../../wgsl/gradient_backward.wgsl")],
    bindings: &[Access::Read, Access::Read, Access::Write],
    twin: gradient_backward,
};

/// Kernels of this file.
pub static KERNELS: [&Kernel; 3] = [&LINEAR_FORWARD, &LINEAR_BACKWARD, &GRADIENT_BACKWARD];

/// Parameters of a product; sizes in words, `rows` and `columns` of the output multiples of 64.
#[derive(Clone, Copy, Debug, Default)]
pub struct Product {
    /// First word and words of a row of A.
    pub a: (usize, usize),
    /// Words of a row of B.
    pub b: usize,
    /// Words of a row that are summed over.
    pub depth: usize,
    /// First word and words of a row of the output.
    pub out: (usize, usize),
    /// Rows of the output.
    pub rows: usize,
    /// Columns of the output.
    pub columns: usize,
    /// Site of the output, or [`NO_SITE`].
    pub site: u32,
    /// Words of a row of the activation that masks.
    pub x: usize,
    /// Add to what the output holds.
    pub accumulate: bool,
    /// The output is whole after this dispatch.
    pub last: bool,
}

impl Product {
    /// The dispatch of this product by `kernel`.
    pub fn dispatch(self, kernel: &'static Kernel, buffers: Vec<BufferId>) -> Dispatch {
        let [tiles_x, tiles_y] = [self.columns / TILE, self.rows / TILE];
        let words = [self.a.0, self.a.1, self.b, self.depth, self.out.0, self.out.1];
        let mut values: Vec<u32> = words.iter().map(|&word| word as u32).collect();
        values.extend([self.site, self.x as u32, self.accumulate.into(), self.last.into()]);
        values.extend([self.rows as u32, self.columns as u32]);
        let work = 4 * (self.rows * self.columns * self.depth) as u64;
        let workgroups = [tiles_x as u32, tiles_y as u32, 1];
        Dispatch { kernel, parameters: parameters(&values), buffers, workgroups, work }
    }

    fn from_parameters(p: &[u32; PARAMETERS]) -> Self {
        let word = |i: usize| p[i] as usize;
        Self {
            a: (word(0), word(1)),
            b: word(2),
            depth: word(3),
            out: (word(4), word(5)),
            site: p[6],
            x: word(7),
            accumulate: p[8] != 0,
            last: p[9] != 0,
            rows: word(10),
            columns: word(11),
        }
    }

    /// Calls `store(row, column, index in the output, sum)` for every element.
    fn each(&self, a: &[u32], b: &[u32], mut store: impl FnMut(usize, usize, usize, i32)) {
        for row in 0..self.rows {
            let a = &a[self.a.0 + row * self.a.1..][..self.depth];
            for column in 0..self.columns {
                let b = &b[column * self.b..][..self.depth];
                let sum = a.iter().zip(b).map(|(&a, &b)| dot(a, b)).sum();
                store(row, column, self.out.0 + row * self.out.1 + column, sum);
            }
        }
    }
}

fn dot(a: u32, b: u32) -> i32 {
    bytes(a).into_iter().zip(bytes(b)).map(|(a, b)| i32::from(a) * i32::from(b)).sum()
}

fn linear_forward(p: &[u32; PARAMETERS], buffers: &mut [&mut [u32]]) {
    let [a, b, sums, maxima] = buffers else { unreachable!("four bindings") };
    let product = Product::from_parameters(p);
    let mut most = 0;
    product.each(a, b, |_, _, at, sum| {
        sums[at] = sum as u32;
        most = most.max(sum.max(0).unsigned_abs());
    });
    raise(maxima, product.site, most);
}

fn linear_backward(p: &[u32; PARAMETERS], buffers: &mut [&mut [u32]]) {
    let [a, b, x, errors, maxima] = buffers else { unreachable!("five bindings") };
    let product = Product::from_parameters(p);
    let mut most = 0;
    product.each(a, b, |row, column, at, sum| {
        let mut error = if product.accumulate { errors[at] as i32 + sum } else { sum };
        let y = bytes(x[row * product.x + column / 4])[column % 4];
        if product.last && y <= 0 {
            error = 0;
        }
        errors[at] = error as u32;
        most = most.max(error.unsigned_abs());
    });
    if product.last {
        raise(maxima, product.site, most);
    }
}

fn gradient_backward(p: &[u32; PARAMETERS], buffers: &mut [&mut [u32]]) {
    let [a, b, gradient] = buffers else { unreachable!("three bindings") };
    Product::from_parameters(p).each(a, b, |_, _, at, sum| gradient[at] = sum as u32);
}

fn raise(maxima: &mut [u32], site: u32, most: u32) {
    if site != NO_SITE {
        let max = &mut maxima[site as usize];
        *max = most.max(*max);
    }
}
