// The leaves with a bit of `mask`, in order, after their number; clears the bits of `clear`. One
// workgroup: thread i has the i-th run of leaves, counts, and writes behind the threads before it.

struct Parameters {
    leaves: u32,
    mask: u32,
    clear: u32,
}

@group(0) @binding(0) var<uniform> p: Parameters;
@group(0) @binding(1) var<storage, read_write> changed: array<u32>;
@group(0) @binding(2) var<storage, read_write> list: array<u32>;

const THREADS = 256u;

var<workgroup> counts: array<u32, THREADS>;

@compute @workgroup_size(THREADS)
fn collect_changed(@builtin(local_invocation_index) thread: u32) {
    let run = (p.leaves + THREADS - 1u) / THREADS;
    let first = thread * run;
    let end = min(first + run, p.leaves);
    var count = 0u;
    for (var leaf = first; leaf < end; leaf++) {
        count += u32(is_listed(leaf));
    }
    counts[thread] = count;
    workgroupBarrier();
    var before = 0u;
    for (var i = 0u; i < thread; i++) {
        before += counts[i];
    }
    if thread == THREADS - 1u {
        list[0] = before + count;
    }
    for (var leaf = first; leaf < end; leaf++) {
        if is_listed(leaf) {
            before++;
            list[before] = leaf;
        }
        changed[leaf] &= ~p.clear;
    }
}

fn is_listed(leaf: u32) -> bool {
    return (changed[leaf] & p.mask) != 0u;
}
