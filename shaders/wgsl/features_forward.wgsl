// The features of a batch, which arrive packed along the rows, packed along the columns too.

struct Parameters {
    row_stride: u32,
    column_stride: u32,
    // First word of the batch in `features`.
    offset: u32,
}

@group(0) @binding(0) var<uniform> p: Parameters;
@group(0) @binding(1) var<storage, read> features: array<u32>;
@group(0) @binding(2) var<storage, read_write> rows: array<u32>;
@group(0) @binding(3) var<storage, read_write> columns: array<u32>;

@compute @workgroup_size(8, 8)
fn features_forward(@builtin(global_invocation_id) block: vec3<u32>) {
    var v: array<vec4<i32>, 4>;
    for (var i = 0u; i < 4u; i++) {
        v[i] = unpack4xI8(features[p.offset + (block.y * 4u + i) * p.row_stride + block.x]);
    }
    store_block(block.xy, p.row_stride, p.column_stride, v);
}
