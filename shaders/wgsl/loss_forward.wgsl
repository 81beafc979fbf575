// Softmax, cross entropy and its error, one workgroup a row of the batch: `softmax_row` and `score`.
// `tables` holds EXP, then LN. `tally` adds up the loss (low word, high word) and the correct rows.

struct Parameters {
    rows: u32,
    classes: u32,
    stride: u32,
    x_site: u32,
    weights_site: u32,
    constant: i32,
    site: u32,
    // First label of the batch in `labels`.
    labels: u32,
}

@group(0) @binding(0) var<uniform> p: Parameters;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read> sums: array<i32>;
@group(0) @binding(4) var<storage, read> exponents: array<i32>;
@group(0) @binding(5) var<storage, read_write> errors: array<i32>;
@group(0) @binding(6) var<storage, read_write> maxima: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> tally: array<atomic<u32>>;

const THREADS: u32 = 64u;

var<workgroup> largest: atomic<i32>;
var<workgroup> first: atomic<u32>;
var<workgroup> exp_sum: atomic<u32>;
var<workgroup> share_sum: atomic<i32>;
var<workgroup> largest_error: atomic<u32>;

fn exp(d: i32) -> u32 {
    if d >= i32(EXP_LENGTH) {
        return 0u;
    }
    return tables[d];
}

fn ln(s: u32) -> u32 {
    let k = u32(bit_length(s)) - 1u;
    return (k - 16u) * 45426u + tables[EXP_LENGTH + (s >> ((k - 10u) & 31u)) - 1024u];
}

@compute @workgroup_size(64)
fn loss_forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= p.rows {
        return;
    }
    let at = row * p.stride;
    let target_class = labels[p.labels + row];
    let e = exponent_of(p.x_site, p.weights_site, p.constant);
    if thread == 0u {
        atomicStore(&largest, -LOGIT_MAX);
        atomicStore(&first, p.classes);
    }
    workgroupBarrier();
    for (var c = thread; c < p.classes; c += THREADS) {
        atomicMax(&largest, logit(sums[at + c], e));
    }
    workgroupBarrier();
    let z = atomicLoad(&largest);
    for (var c = thread; c < p.classes; c += THREADS) {
        let d = z - logit(sums[at + c], e);
        atomicAdd(&exp_sum, exp(d));
        if d == 0 {
            atomicMin(&first, c);
        }
    }
    workgroupBarrier();
    let sum = atomicLoad(&exp_sum);
    for (var c = thread; c < p.classes; c += THREADS) {
        let share = i32((exp(z - logit(sums[at + c], e)) << 15u) / sum);
        atomicAdd(&share_sum, share);
        if c != target_class {
            errors[at + c] = share;
            atomicMax(&largest_error, u32(share));
        }
    }
    workgroupBarrier();
    if thread == 0u {
        let d = z - logit(sums[at + target_class], e);
        let error = i32((exp(d) << 15u) / sum) - atomicLoad(&share_sum);
        errors[at + target_class] = error;
        if p.site != NO_SITE {
            atomicMax(&maxima[p.site], max(atomicLoad(&largest_error), u32(abs(error))));
        }
        let loss = u32(d) * 256u + ln(sum);
        let before = atomicAdd(&tally[0], loss);
        if before + loss < before {
            atomicAdd(&tally[1], 1u);
        }
        if atomicLoad(&first) == target_class {
            atomicAdd(&tally[2], 1u);
        }
    }
}
