// The 8-bit weights of the 4-bit model, code * scale, packed along the rows; four a thread.

struct Parameters {
    // Words of bytes: sixteen a leaf.
    words: u32,
}

@group(0) @binding(0) var<uniform> p: Parameters;
@group(0) @binding(1) var<storage, read> codes: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;
@group(0) @binding(3) var<storage, read_write> rows: array<u32>;

@compute @workgroup_size(64)
fn expand_leaf(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (group.y * groups.x + group.x) * 64u + thread;
    if i >= p.words {
        return;
    }
    let nibbles = codes[i / 2u] >> (16u * (i % 2u));
    let scale = i32((scales[i / 16u] >> (8u * (i % 16u / 8u))) & 255u);
    let digits = vec4<i32>((vec4(nibbles) >> vec4(0u, 4u, 8u, 12u)) & vec4(15u));
    rows[i] = pack4xI8((digits - vec4(CODE_MAX)) * scale);
}
