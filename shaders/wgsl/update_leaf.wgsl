// The gradient of a leaf becomes its next momenta, scale, codes and weights; one workgroup a leaf.
// Padding has gradient, momentum and weight 0, and keeps them.
//
// `control` of a step: learning rate, dither seed, step, whether the scales hold an average yet.
// `changed` gets bit 0 when a weight, bit 1 when a momentum or the scale of the leaf changed.

struct Parameters {
    leaves: u32,
    errors_site: u32,
    x_site: u32,
    constant: i32,
    control: u32,
    // First word of the step in `codes`.
    codes: u32,
}

@group(0) @binding(0) var<uniform> p: Parameters;
@group(0) @binding(1) var<storage, read> control: array<u32>;
@group(0) @binding(2) var<storage, read> exponents: array<i32>;
@group(0) @binding(3) var<storage, read> gradient: array<i32>;
@group(0) @binding(4) var<storage, read_write> weights: array<i32>;
@group(0) @binding(5) var<storage, read_write> momenta: array<i32>;
@group(0) @binding(6) var<storage, read_write> scales: array<i32>;
@group(0) @binding(7) var<storage, read_write> codes: array<u32>;
@group(0) @binding(8) var<storage, read_write> changed: array<u32>;

var<workgroup> gradient_sum: atomic<i32>;
var<workgroup> scale: i32;
var<workgroup> changes: atomic<u32>;
var<workgroup> digits: array<u32, 64>;

@compute @workgroup_size(64)
fn update_leaf(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let leaf = group.y * groups.x + group.x;
    if leaf >= p.leaves {
        return;
    }
    let at = leaf * LEAF + thread;
    let e = exponent_of(p.errors_site, p.x_site, p.constant);
    let ga = align_gradient(gradient[at], e);
    atomicAdd(&gradient_sum, abs(ga) >> 6u);
    workgroupBarrier();
    if thread == 0u {
        let before = scales[leaf];
        scale = scale_average(control[p.control + 3u] != 0u, before, atomicLoad(&gradient_sum));
        scales[leaf] = scale;
        if scale != before {
            atomicOr(&changes, 2u);
        }
    }
    workgroupBarrier();
    let learning_rate = control[p.control];
    let m_before = momenta[at];
    let m = momentum(m_before, ga);
    let u4 = code(m, code_shift(scale), weights[at], learning_rate);
    momenta[at] = m;
    weights[at] = update(weights[at], u4, learning_rate);
    digits[thread] = u32(u4 + CODE_MAX);
    if u4 != 0 {
        atomicOr(&changes, 1u);
    }
    if m != m_before {
        atomicOr(&changes, 2u);
    }
    workgroupBarrier();
    if thread < 8u {
        var word = 0u;
        for (var i = 0u; i < 8u; i++) {
            word |= digits[thread * 8u + i] << (4u * i);
        }
        codes[p.codes + leaf * 8u + thread] = word;
    }
    if thread == 8u {
        changed[leaf] |= atomicLoad(&changes);
    }
}
