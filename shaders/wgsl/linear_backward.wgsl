// errors (B, K) = e8 (B, N) * w (N, K), added up over the shards of a tensor; with the last, 0 where
// the activation x8 below is not positive, and the largest magnitude at the site.

@group(0) @binding(0) var<uniform> p: Parameters;
@group(0) @binding(1) var<storage, read> a: array<u32>;
@group(0) @binding(2) var<storage, read> b: array<u32>;
@group(0) @binding(3) var<storage, read> x: array<u32>;
@group(0) @binding(4) var<storage, read_write> errors: array<i32>;
@group(0) @binding(5) var<storage, read_write> maxima: array<atomic<u32>>;

fn store_errors(group: vec3<u32>, thread: vec3<u32>, r: u32, product: vec4<i32>) -> vec4<i32> {
    let at = output_at(group, thread, r);
    var v = product;
    if p.accumulate != 0u {
        v += vec4(errors[at], errors[at + 1u], errors[at + 2u], errors[at + 3u]);
    }
    if p.last != 0u {
        let y = unpack4xI8(x[(group.y * 64u + thread.y * 4u + r) * p.x_stride + group.x * 16u + thread.x]);
        v = select(vec4(0), v, y > vec4(0));
    }
    errors[at] = v.x;
    errors[at + 1u] = v.y;
    errors[at + 2u] = v.z;
    errors[at + 3u] = v.w;
    return v;
}

@compute @workgroup_size(16, 16)
fn linear_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) thread: vec3<u32>) {
    var tile = multiply_tile(group, thread);
    tile.r0 = store_errors(group, thread, 0u, tile.r0);
    tile.r1 = store_errors(group, thread, 1u, tile.r1);
    tile.r2 = store_errors(group, thread, 2u, tile.r2);
    tile.r3 = store_errors(group, thread, 3u, tile.r3);
    let most = largest_of_tile(tile);
    if p.last != 0u && all(thread.xy == vec2(0u)) {
        atomicMax(&maxima[p.site], most);
    }
}
