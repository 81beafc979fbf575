// w8 = requantize(W, shift), both ways packed.

struct Parameters {
    // Words of a row of bytes: a quarter of the padded columns.
    row_stride: u32,
    column_stride: u32,
    site: u32,
}

@group(0) @binding(0) var<uniform> p: Parameters;
@group(0) @binding(1) var<storage, read> weights: array<i32>;
@group(0) @binding(2) var<storage, read> maxima: array<u32>;
@group(0) @binding(3) var<storage, read_write> exponents: array<i32>;
@group(0) @binding(4) var<storage, read_write> rows: array<u32>;
@group(0) @binding(5) var<storage, read_write> columns: array<u32>;

@compute @workgroup_size(8, 8)
fn weights_forward(@builtin(global_invocation_id) block: vec3<u32>) {
    let shift = fix_exponent(p.site, 0, all(block.xy == vec2(0u)));
    var v: array<vec4<i32>, 4>;
    for (var i = 0u; i < 4u; i++) {
        let at = ((block.y * 4u + i) * p.row_stride + block.x) * 4u;
        v[i] = vec4(
            requantize(weights[at], shift),
            requantize(weights[at + 1u], shift),
            requantize(weights[at + 2u], shift),
            requantize(weights[at + 3u], shift),
        );
    }
    store_block(block.xy, p.row_stride, p.column_stride, v);
}
