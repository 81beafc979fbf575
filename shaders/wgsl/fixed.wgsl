// The integer semantics of training: twins of the functions of `protocol/src/fixed.rs`, which
// states their equations and ranges. Shifts by a run-time amount are masked here and their edges
// branched, since WGSL leaves them to the implementation.

fn bit_length(m: u32) -> i32 {
    return 32 - i32(countLeadingZeros(m));
}

// Not by `%`, which GLSL leaves undefined for negative operands.
fn floor_div(x: i32, d: i32) -> i32 {
    let q = x / d;
    return select(q, q - 1, x - q * d < 0);
}

fn shift_left(x: i32, s: i32) -> i32 {
    if s == 0 {
        return x;
    }
    let bits = min(u32(-s), 30u);
    let limit = SHIFT_MAX >> bits;
    return clamp(x, -limit, limit) << bits;
}

fn rshn(x: i32, s: i32) -> i32 {
    if s <= 0 {
        return shift_left(x, s);
    }
    if s >= 32 {
        return 0;
    }
    let bits = u32(s) & 31u;
    return (x >> bits) + ((x >> ((bits - 1u) & 31u)) & 1);
}

fn rsr(x: i32, s: i32, r: u32) -> i32 {
    if s <= 0 {
        return shift_left(x, s);
    }
    if s >= 32 {
        return 0;
    }
    let bits = u32(s) & 31u;
    let low = u32(x) & ((1u << bits) - 1u);
    let carry = (low + (r >> ((32u - bits) & 31u))) >> bits;
    return (x >> bits) + i32(carry);
}

fn pcg(x: u32) -> u32 {
    let s = x * 747796405u + 2891336453u;
    let w = ((s >> ((s >> 28u) + 4u)) ^ s) * 277803737u;
    return (w >> 22u) ^ w;
}

fn key(seed: u32, step: u32, site: u32) -> u32 {
    return pcg(pcg(pcg(seed) ^ step) ^ (site * 0x85EBCA6Bu));
}

fn dither(key: u32, i: u32) -> u32 {
    return pcg(i / 256u + key) + (i % 256u) * 0x9E3779B9u;
}

fn byte_shift(max_abs: u32) -> i32 {
    return max(bit_length(max_abs) - 7, 0);
}

fn requantize(acc: i32, shift: i32) -> i32 {
    return clamp(rshn(acc, shift), -BYTE_MAX, BYTE_MAX);
}

fn requantize_stochastic(acc: i32, shift: i32, r: u32) -> i32 {
    return clamp(rsr(acc, shift, r), -BYTE_MAX, BYTE_MAX);
}

fn logit(acc: i32, e: i32) -> i32 {
    return clamp(rshn(acc, LOGIT_EXPONENT - e), -LOGIT_MAX, LOGIT_MAX);
}

fn align_gradient(g: i32, e: i32) -> i32 {
    return clamp(rshn(g, GRADIENT_EXPONENT - e), -GRADIENT_MAX, GRADIENT_MAX);
}

fn momentum(m: i32, ga: i32) -> i32 {
    return m + rshn(ga - m, MOMENTUM_SHIFT);
}

fn scale_average(started: bool, v: i32, a: i32) -> i32 {
    return select(a, v + rshn(a - v, SCALE_SHIFT), started);
}

fn code_shift(v: i32) -> i32 {
    return max(bit_length(u32(v)) - 3, CODE_SHIFT_MIN);
}

fn code(momentum: i32, shift: i32, weight: i32, learning_rate: u32) -> i32 {
    let code = clamp(rshn(momentum, shift), -CODE_MAX, CODE_MAX);
    let updated = update(weight, code, learning_rate);
    return select(0, code, updated >= WORD_MIN && updated <= WORD_MAX);
}

fn update(weight: i32, code: i32, learning_rate: u32) -> i32 {
    return weight - code * i32(learning_rate);
}

fn block_exponent(max_abs: u32) -> u32 {
    for (var s = 1u; s < 24u; s++) {
        if max_abs <= (126u << s) {
            return s;
        }
    }
    return 24u;
}

fn block_scale(max_abs: u32, st: u32) -> i32 {
    let d = 7u << (st & 31u);
    return i32(clamp((max_abs + d - 1u) / d, 1u, u32(BLOCK_SCALE_MAX)));
}

fn quantize(w: i32, scale: i32, st: u32) -> i32 {
    let d = scale << (st & 31u);
    return clamp(floor_div(w + d / 2, d), -CODE_MAX, CODE_MAX);
}
