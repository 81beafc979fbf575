//! The kernels, in the order in which a step uses them.
//!
//! Bytes are packed four to a word, low first. A matrix of bytes is kept twice: `rows` packs four
//! columns of a row into a word, `columns` four rows of a column, so that each of the three products
//! of a layer sums along packed words. All matrices are padded to whole tiles of 64 with zeros.
//! Signed words are two's complement.

pub mod commit;
pub mod elementwise;
pub mod leaf;
pub mod loss;
pub mod product;

use crate::kernel::Kernel;

/// All kernels.
pub fn all() -> Vec<&'static Kernel> {
    [&product::KERNELS[..], &elementwise::KERNELS, &loss::KERNELS, &leaf::KERNELS, &commit::KERNELS].concat()
}

/// Marks an operand that has no site: its exponent is in the constant.
pub const NO_SITE: u32 = u32::MAX;

pub(crate) const FIXED: &str = include_str!("../wgsl/fixed.wgsl");
pub(crate) const EXPONENTS: &str = include_str!("../wgsl/exponents.wgsl");
pub(crate) const SCALING: &str = include_str!("../wgsl/scaling.wgsl");
pub(crate) const PACK: &str = include_str!("../wgsl/pack.wgsl");

/// The four bytes of a word, low first.
pub fn bytes(word: u32) -> [i8; 4] {
    word.to_le_bytes().map(|byte| byte as i8)
}

/// A word from four bytes, low first.
pub fn pack(bytes: [i8; 4]) -> u32 {
    u32::from_le_bytes(bytes.map(|byte| byte as u8))
}

/// Rows of `columns` bytes, packed and padded with zeros to `(rows, width)`.
pub fn pack_rows(bytes: &[i8], columns: usize, width: usize, rows: usize) -> Vec<u32> {
    let mut packed = vec![0; rows * width / 4];
    for (row, out) in bytes.chunks(columns).zip(packed.chunks_mut(width / 4)) {
        for (bytes, word) in row.chunks(4).zip(out) {
            *word = pack(std::array::from_fn(|i| bytes.get(i).copied().unwrap_or(0)));
        }
    }
    packed
}

/// Twins of `exponents.wgsl` and `scaling.wgsl` over their buffers.
pub(crate) mod scaling {
    use pogo_protocol::fixed::byte_shift;

    use super::NO_SITE;

    /// Exponent used at `site`.
    pub(crate) fn used(exponents: &[u32], site: u32) -> i32 {
        exponents[1 + 3 * site as usize] as i32
    }

    pub(crate) fn exponent_of(exponents: &[u32], site: u32, weights_site: u32, constant: u32) -> i32 {
        let sites = [site, weights_site].into_iter().filter(|&site| site != NO_SITE);
        constant as i32 + sites.map(|site| used(exponents, site)).sum::<i32>()
    }

    pub(crate) fn fix_exponent(maxima: &[u32], exponents: &mut [u32], site: u32, e: i32) -> i32 {
        let asked = e + byte_shift(maxima[site as usize]);
        let at = 1 + 3 * site as usize;
        let used = if exponents[0] != 0 { exponents[at + 2] as i32 } else { asked };
        (exponents[at], exponents[at + 1]) = (used as u32, asked as u32);
        used
    }
}
