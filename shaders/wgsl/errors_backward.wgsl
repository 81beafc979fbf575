// e8 = requantize_stochastic(errors, E - e, dither), both ways packed. The dither of an element is
// that of its index in the whole batch without padding.

struct Parameters {
    row_stride: u32,
    column_stride: u32,
    site: u32,
    errors_site: u32,
    weights_site: u32,
    constant: i32,
    // Units of the layer, padding not counted.
    units: u32,
    // Number of this stochastic rounding in the step, from 1.
    rounding: u32,
    // First word of the step in `control`.
    control: u32,
}

@group(0) @binding(0) var<uniform> p: Parameters;
@group(0) @binding(1) var<storage, read> control: array<u32>;
@group(0) @binding(2) var<storage, read> errors: array<i32>;
@group(0) @binding(3) var<storage, read> maxima: array<u32>;
@group(0) @binding(4) var<storage, read_write> exponents: array<i32>;
@group(0) @binding(5) var<storage, read_write> rows: array<u32>;
@group(0) @binding(6) var<storage, read_write> columns: array<u32>;

@compute @workgroup_size(8, 8)
fn errors_backward(@builtin(global_invocation_id) block: vec3<u32>) {
    let e = exponent_of(p.errors_site, p.weights_site, p.constant);
    let shift = fix_exponent(p.site, e, all(block.xy == vec2(0u))) - e;
    let tensor_key = key(control[p.control + 1u], control[p.control + 2u], p.rounding);
    var v: array<vec4<i32>, 4>;
    for (var i = 0u; i < 4u; i++) {
        let row = block.y * 4u + i;
        let at = (row * p.row_stride + block.x) * 4u;
        let index = row * p.units + block.x * 4u;
        v[i] = vec4(
            requantize_stochastic(errors[at], shift, dither(tensor_key, index)),
            requantize_stochastic(errors[at + 1u], shift, dither(tensor_key, index + 1u)),
            requantize_stochastic(errors[at + 2u], shift, dither(tensor_key, index + 2u)),
            requantize_stochastic(errors[at + 3u], shift, dither(tensor_key, index + 3u)),
        );
    }
    store_block(block.xy, p.row_stride, p.column_stride, v);
}
