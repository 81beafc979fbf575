//! What happens leaf by leaf: the update, and the 4-bit model.
//!
//! Codes are nibbles, `code + 7`, eight to a word, low first: eight words a leaf. The scales of both
//! blocks of a 4-bit leaf stand in one word, `first | second << 8`.

use pogo_protocol::fixed::{
    BLOCK, CODE_MAX, LEAF, align_gradient, block_exponent, block_scale, quantize as quantize_weight,
};
use pogo_protocol::model::max_abs;
use pogo_protocol::step::{LeafMut, update_leaf as update_plain_leaf};

use super::scaling::exponent_of;
use super::{EXPONENTS, FIXED, pack};
use crate::kernel::{Access, Kernel, PARAMETERS};
use crate::plan::{BufferId, Dispatch, parameters, spread};

/// Words of the codes of a leaf.
pub const CODE_WORDS: usize = LEAF / 8;
/// Bit of `changed`: a weight of the leaf changed.
pub const WEIGHTS_CHANGED: u32 = 1;
/// Bit of `changed`: a momentum or the scale of the leaf changed.
pub const MOMENTA_CHANGED: u32 = 2;
/// Words of `control` for a step: learning rate, dither seed, step, whether the scales hold an average.
pub const CONTROL: usize = 4;

/// `update_leaf` of the protocol, one workgroup a leaf; parameters `leaves, errors_site, x_site,
/// constant, control, codes`; bindings: control, exponents, gradient, weights, momenta, scales,
/// codes, changed.
pub static UPDATE_LEAF: Kernel = Kernel {
    name: "update_leaf",
    sources: &[FIXED, EXPONENTS, include_str!("../../wgsl/update_leaf.wgsl")],
    bindings: &[
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Write,
        Access::Write,
        Access::Write,
        Access::Write,
        Access::Write,
    ],
    twin: update_leaf,
};

/// The 4-bit leaf, one workgroup a leaf; parameters `leaves, site`; bindings: weights, maxima,
/// codes, scales.
pub static QUANTIZE_LEAF: Kernel = Kernel {
    name: "quantize_leaf",
    sources: &[FIXED, include_str!("../../wgsl/quantize_leaf.wgsl")],
    bindings: &[Access::Read, Access::Read, Access::Write, Access::Write],
    twin: quantize_leaf,
};

/// Bytes `code * scale` of a 4-bit tensor, packed along its rows; parameters `words`; bindings:
/// codes, scales, rows.
pub static EXPAND_LEAF: Kernel = Kernel {
    name: "expand_leaf",
    sources: &[include_str!("../../wgsl/expand_leaf.wgsl")],
    bindings: &[Access::Read, Access::Read, Access::Write],
    twin: expand_leaf,
};

/// Kernels of this file.
pub static KERNELS: [&Kernel; 3] = [&UPDATE_LEAF, &QUANTIZE_LEAF, &EXPAND_LEAF];

/// A dispatch of one workgroup a leaf; `more` follows the number of leaves.
pub fn leaves_dispatch(kernel: &'static Kernel, leaves: usize, more: &[u32], buffers: Vec<BufferId>) -> Dispatch {
    let values = [&[leaves as u32], more].concat();
    let work = 64 * (leaves * LEAF) as u64;
    Dispatch { kernel, parameters: parameters(&values), buffers, workgroups: spread(leaves), work }
}

/// The dispatch of [`EXPAND_LEAF`] over a tensor of `leaves`.
pub fn expand_dispatch(leaves: usize, buffers: Vec<BufferId>) -> Dispatch {
    let words = leaves * LEAF / 4;
    let parameters = parameters(&[words as u32]);
    Dispatch {
        kernel: &EXPAND_LEAF,
        parameters,
        buffers,
        workgroups: spread(words.div_ceil(64)),
        work: 32 * words as u64,
    }
}

/// The codes of a leaf from its words.
pub fn unpack_codes(words: &[u32]) -> impl Iterator<Item = i8> {
    let nibbles = words.iter().flat_map(|&word| (0..8).map(move |i| word >> (4 * i) & 15));
    nibbles.map(|nibble| nibble as i8 - CODE_MAX as i8)
}

/// The words of some codes, a multiple of eight.
pub fn pack_codes(codes: &[i8]) -> impl Iterator<Item = u32> {
    let nibble = |code: i8| (i32::from(code) + CODE_MAX) as u32;
    codes.chunks(8).map(move |codes| codes.iter().rev().fold(0, |word, &code| word << 4 | nibble(code)))
}

fn update_leaf(p: &[u32; PARAMETERS], buffers: &mut [&mut [u32]]) {
    let [control, exponents, gradient, weights, momenta, scales, codes, changed] = buffers else {
        unreachable!("eight bindings")
    };
    let e = exponent_of(exponents, p[1], p[2], p[3]);
    let control = &control[p[4] as usize..][..CONTROL];
    let codes = &mut codes[p[5] as usize..];
    for leaf in 0..p[0] as usize {
        let words = leaf * LEAF..(leaf + 1) * LEAF;
        let signed = |words: &[u32]| -> Vec<i32> { words.iter().map(|&word| word as i32).collect() };
        let aligned: Vec<i32> = gradient[words.clone()].iter().map(|&g| align_gradient(g as i32, e)).collect();
        let (mut w, before) = (signed(&weights[words.clone()]), signed(&momenta[words.clone()]));
        let (mut m, mut scale, mut out) = (before.clone(), scales[leaf] as i32, [0; LEAF]);
        let state = LeafMut { weights: &mut w, momenta: &mut m, scale: &mut scale };
        update_plain_leaf(&aligned, state, control[3] != 0, control[0], &mut out);
        if out.iter().any(|&code| code != 0) {
            changed[leaf] |= WEIGHTS_CHANGED;
        }
        if m != before || scale != scales[leaf] as i32 {
            changed[leaf] |= MOMENTA_CHANGED;
        }
        scales[leaf] = scale as u32;
        weights[words.clone()].iter_mut().zip(w).for_each(|(word, w)| *word = w as u32);
        momenta[words].iter_mut().zip(m).for_each(|(word, m)| *word = m as u32);
        codes[leaf * CODE_WORDS..].iter_mut().zip(pack_codes(&out)).for_each(|(word, packed)| *word = packed);
    }
}

fn quantize_leaf(p: &[u32; PARAMETERS], buffers: &mut [&mut [u32]]) {
    let [weights, maxima, codes, scales] = buffers else { unreachable!("four bindings") };
    let st = block_exponent(maxima[p[1] as usize]);
    for leaf in 0..p[0] as usize {
        let w: Vec<i32> = weights[leaf * LEAF..(leaf + 1) * LEAF].iter().map(|&word| word as i32).collect();
        let scale = |block: usize| block_scale(max_abs(w[block * BLOCK..(block + 1) * BLOCK].iter().copied()), st);
        let pair = [scale(0), scale(1)];
        let out: Vec<i8> = w.iter().enumerate().map(|(i, &w)| quantize_weight(w, pair[i / BLOCK], st) as i8).collect();
        codes[leaf * CODE_WORDS..].iter_mut().zip(pack_codes(&out)).for_each(|(word, packed)| *word = packed);
        scales[leaf] = pair[0] as u32 | (pair[1] as u32) << 8;
    }
}

fn expand_leaf(p: &[u32; PARAMETERS], buffers: &mut [&mut [u32]]) {
    let [codes, scales, rows] = buffers else { unreachable!("three bindings") };
    for (i, row) in rows[..p[0] as usize].iter_mut().enumerate() {
        let scale = (scales[i / 16] >> (8 * (i % 16 / 8)) & 255) as i8;
        let codes: Vec<i8> = unpack_codes(&[codes[i / 2]]).skip(4 * (i % 2)).take(4).collect();
        *row = pack(std::array::from_fn(|i| codes[i] * scale));
    }
}
