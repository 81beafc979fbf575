// gradient (N, K) = e8 (B, N)^T * x8 (B, K), from the copies packed along the batch.

@group(0) @binding(0) var<uniform> p: Parameters;
@group(0) @binding(1) var<storage, read> a: array<u32>;
@group(0) @binding(2) var<storage, read> b: array<u32>;
@group(0) @binding(3) var<storage, read_write> gradient: array<i32>;

fn store_gradient(at: u32, v: vec4<i32>) {
    gradient[at] = v.x;
    gradient[at + 1u] = v.y;
    gradient[at + 2u] = v.z;
    gradient[at + 3u] = v.w;
}

@compute @workgroup_size(16, 16)
fn gradient_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) thread: vec3<u32>) {
    let tile = multiply_tile(group, thread);
    store_gradient(output_at(group, thread, 0u), tile.r0);
    store_gradient(output_at(group, thread, 1u), tile.r1);
    store_gradient(output_at(group, thread, 2u), tile.r2);
    store_gradient(output_at(group, thread, 3u), tile.r3);
}
