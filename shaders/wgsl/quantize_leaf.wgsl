// The 4-bit model of a leaf: its codes and the scales of its two blocks; one workgroup a leaf.

struct Parameters {
    leaves: u32,
    site: u32,
}

@group(0) @binding(0) var<uniform> p: Parameters;
@group(0) @binding(1) var<storage, read> weights: array<i32>;
@group(0) @binding(2) var<storage, read> maxima: array<u32>;
@group(0) @binding(3) var<storage, read_write> codes: array<u32>;
@group(0) @binding(4) var<storage, read_write> scales: array<u32>;

var<workgroup> block_max: array<atomic<u32>, 2>;
var<workgroup> digits: array<u32, 64>;

@compute @workgroup_size(64)
fn quantize_leaf(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let leaf = group.y * groups.x + group.x;
    if leaf >= p.leaves {
        return;
    }
    let block = thread / BLOCK;
    let w = weights[leaf * LEAF + thread];
    atomicMax(&block_max[block], u32(abs(w)));
    workgroupBarrier();
    let st = block_exponent(maxima[p.site]);
    digits[thread] = u32(quantize(w, block_scale(atomicLoad(&block_max[block]), st), st) + CODE_MAX);
    workgroupBarrier();
    if thread < 8u {
        var word = 0u;
        for (var i = 0u; i < 8u; i++) {
            word |= digits[thread * 8u + i] << (4u * i);
        }
        codes[leaf * 8u + thread] = word;
    }
    if thread == 8u {
        let low = block_scale(atomicLoad(&block_max[0]), st);
        let high = block_scale(atomicLoad(&block_max[1]), st);
        scales[leaf] = u32(low) | (u32(high) << 8u);
    }
}
