// y8 = requantize(max(sums, 0), E - e), both ways packed.

struct Parameters {
    row_stride: u32,
    column_stride: u32,
    site: u32,
    // Sites of what was multiplied, and the constant part of e.
    x_site: u32,
    weights_site: u32,
    constant: i32,
}

@group(0) @binding(0) var<uniform> p: Parameters;
@group(0) @binding(1) var<storage, read> sums: array<i32>;
@group(0) @binding(2) var<storage, read> maxima: array<u32>;
@group(0) @binding(3) var<storage, read_write> exponents: array<i32>;
@group(0) @binding(4) var<storage, read_write> rows: array<u32>;
@group(0) @binding(5) var<storage, read_write> columns: array<u32>;

@compute @workgroup_size(8, 8)
fn activation_forward(@builtin(global_invocation_id) block: vec3<u32>) {
    let e = exponent_of(p.x_site, p.weights_site, p.constant);
    let shift = fix_exponent(p.site, e, all(block.xy == vec2(0u))) - e;
    var v: array<vec4<i32>, 4>;
    for (var i = 0u; i < 4u; i++) {
        let at = ((block.y * 4u + i) * p.row_stride + block.x) * 4u;
        v[i] = vec4(
            requantize(max(sums[at], 0), shift),
            requantize(max(sums[at + 1u], 0), shift),
            requantize(max(sums[at + 2u], 0), shift),
            requantize(max(sums[at + 3u], 0), shift),
        );
    }
    store_block(block.xy, p.row_stride, p.column_stride, v);
}
