//! Loss and errors of the last layer, and the end of a step.

use pogo_protocol::fixed::{logit, softmax_row};

use super::scaling::{exponent_of, used};
use super::{EXPONENTS, FIXED, NO_SITE};
use crate::kernel::{Access, Kernel, PARAMETERS};

/// Softmax, cross entropy, its errors, and correct answers, one workgroup a row; parameters `rows,
/// classes, stride, x_site, weights_site, constant, site, labels`; bindings: tables, labels, sums,
/// exponents, errors, maxima, tally.
pub static LOSS_FORWARD: Kernel = Kernel {
    name: "loss_forward",
    sources: &[FIXED, EXPONENTS, include_str!("../../wgsl/loss_forward.wgsl")],
    bindings: &[Access::Read, Access::Read, Access::Read, Access::Read, Access::Write, Access::Write, Access::Write],
    twin: loss_forward,
};

/// Results out, next exponents in, maxima and tally cleared; one workgroup; parameters `sites,
/// results`; bindings: maxima, exponents, tally, results.
pub static FINISH_STEP: Kernel = Kernel {
    name: "finish_step",
    sources: &[include_str!("../../wgsl/finish_step.wgsl")],
    bindings: &[Access::Write, Access::Write, Access::Write, Access::Write],
    twin: finish_step,
};

/// Kernels of this file.
pub static KERNELS: [&Kernel; 2] = [&LOSS_FORWARD, &FINISH_STEP];

/// Words of the tally: the loss, low word first, and the correct rows.
pub const TALLY: usize = 3;

/// Words of the results of a step over `sites` sites.
pub const fn results_words(sites: usize) -> usize {
    TALLY + 2 * sites
}

fn loss_forward(p: &[u32; PARAMETERS], buffers: &mut [&mut [u32]]) {
    let [_, labels, sums, exponents, errors, maxima, tally] = buffers else { unreachable!("seven bindings") };
    let (classes, stride) = (p[1] as usize, p[2] as usize);
    let e = exponent_of(exponents, p[3], p[4], p[5]);
    let mut row_errors = vec![0; classes];
    for row in 0..p[0] as usize {
        let logits: Vec<i32> = sums[row * stride..][..classes].iter().map(|&sum| logit(sum as i32, e)).collect();
        let target = labels[p[7] as usize + row] as usize;
        let loss = softmax_row(&logits, target, &mut row_errors);
        for (out, &error) in errors[row * stride..].iter_mut().zip(&row_errors) {
            *out = error as u32;
            if p[6] != NO_SITE {
                let max = &mut maxima[p[6] as usize];
                *max = error.unsigned_abs().max(*max);
            }
        }
        let sum = (u64::from(tally[1]) << 32 | u64::from(tally[0])) + u64::from(loss);
        (tally[0], tally[1]) = (sum as u32, (sum >> 32) as u32);
        let max = logits.iter().max();
        tally[2] += u32::from(logits.iter().position(|z| Some(z) == max) == Some(target));
    }
}

fn finish_step(p: &[u32; PARAMETERS], buffers: &mut [&mut [u32]]) {
    let [maxima, exponents, tally, results] = buffers else { unreachable!("four bindings") };
    let results = &mut results[p[1] as usize..];
    results[..TALLY].copy_from_slice(&tally[..TALLY]);
    tally[..TALLY].fill(0);
    for site in 0..p[0] {
        let at = site as usize;
        let asked = exponents[2 + 3 * at];
        results[TALLY + 2 * at] = used(exponents, site) as u32;
        results[TALLY + 2 * at + 1] = asked;
        exponents[3 + 3 * at] = asked;
        maxima[at] = 0;
    }
    exponents[0] = 1;
}
