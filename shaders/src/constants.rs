//! Constants of the protocol as WGSL, so that no shader states one of its own.

use std::fmt::Write;
use std::sync::LazyLock;

use pogo_protocol::fixed;
use pogo_protocol::tables::{EXP, LN};

use crate::field;
use crate::kernel::PARAMETERS;
use crate::kernels::NO_SITE;

/// The head of every shader.
pub fn wgsl() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(text);
    &TEXT
}

fn text() -> String {
    let signed = [
        ("WEIGHT_FRACTION", fixed::WEIGHT_FRACTION),
        ("WORD_MIN", fixed::WORD_MIN),
        ("WORD_MAX", fixed::WORD_MAX),
        ("BYTE_MAX", fixed::BYTE_MAX),
        ("CODE_MAX", fixed::CODE_MAX),
        ("LOGIT_EXPONENT", fixed::LOGIT_EXPONENT),
        ("LOGIT_MAX", fixed::LOGIT_MAX),
        ("GRADIENT_EXPONENT", fixed::GRADIENT_EXPONENT),
        ("GRADIENT_MAX", fixed::GRADIENT_MAX),
        ("MOMENTUM_SHIFT", fixed::MOMENTUM_SHIFT),
        ("SCALE_SHIFT", fixed::SCALE_SHIFT),
        ("CODE_SHIFT_MIN", fixed::CODE_SHIFT_MIN),
        ("BLOCK_SCALE_MAX", fixed::BLOCK_SCALE_MAX),
        ("SHIFT_MAX", fixed::SHIFT_MAX),
    ];
    let unsigned = [
        ("LEAF", fixed::LEAF),
        ("BLOCK", fixed::BLOCK),
        ("EXP_LENGTH", EXP.len()),
        ("NO_SITE", NO_SITE as usize),
        ("PARAMETER_VECTORS", PARAMETERS / 4),
    ];
    let mut text = String::from("// Constants of the protocol.\n");
    for (name, value) in signed {
        writeln!(text, "const {name}: i32 = {value};").expect("a string takes everything");
    }
    for (name, value) in unsigned {
        writeln!(text, "const {name}: u32 = {value}u;").expect("a string takes everything");
    }
    text + &field::wgsl()
}

/// The tables of `exp` and `ln`, one after the other, as a buffer holds them.
pub fn tables() -> Vec<u32> {
    [&EXP[..], &LN[..]].concat()
}
