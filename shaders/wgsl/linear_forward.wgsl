// sums (B, N) = x (B, K) * w (N, K)^T; the largest max(sum, 0) at the site, if there is one.

@group(0) @binding(0) var<uniform> p: Parameters;
@group(0) @binding(1) var<storage, read> a: array<u32>;
@group(0) @binding(2) var<storage, read> b: array<u32>;
@group(0) @binding(3) var<storage, read_write> sums: array<i32>;
@group(0) @binding(4) var<storage, read_write> maxima: array<atomic<u32>>;

fn store_sums(at: u32, v: vec4<i32>) -> vec4<i32> {
    sums[at] = v.x;
    sums[at + 1u] = v.y;
    sums[at + 2u] = v.z;
    sums[at + 3u] = v.w;
    return max(v, vec4(0));
}

@compute @workgroup_size(16, 16)
fn linear_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) thread: vec3<u32>) {
    var tile = multiply_tile(group, thread);
    tile.r0 = store_sums(output_at(group, thread, 0u), tile.r0);
    tile.r1 = store_sums(output_at(group, thread, 1u), tile.r1);
    tile.r2 = store_sums(output_at(group, thread, 2u), tile.r2);
    tile.r3 = store_sums(output_at(group, thread, 3u), tile.r3);
    let most = largest_of_tile(tile);
    if p.site != NO_SITE && all(thread.xy == vec2(0u)) {
        atomicMax(&maxima[p.site], most);
    }
}
