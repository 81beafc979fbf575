// The largest magnitude of an array at a site; 16 words a thread.

struct Parameters {
    count: u32,
    site: u32,
}

@group(0) @binding(0) var<uniform> p: Parameters;
@group(0) @binding(1) var<storage, read> values: array<i32>;
@group(0) @binding(2) var<storage, read_write> maxima: array<atomic<u32>>;

var<workgroup> most: atomic<u32>;

@compute @workgroup_size(256)
fn max_abs(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let first = (group.y * groups.x + group.x) * 4096u + thread;
    var m = 0u;
    for (var i = 0u; i < 16u; i++) {
        let at = first + i * 256u;
        if at < p.count {
            m = max(m, u32(abs(values[at])));
        }
    }
    atomicMax(&most, m);
    workgroupBarrier();
    if thread == 0u {
        atomicMax(&maxima[p.site], atomicLoad(&most));
    }
}
