// Leaves of the codes of one step, one leaf a thread.

struct Parameters {
    // Leaves of the tensor.
    first: u32,
    end: u32,
    // First word of the codes.
    codes: u32,
}

@group(0) @binding(0) var<uniform> p: Parameters;
@group(0) @binding(2) var<storage, read> codes: array<u32>;
@group(0) @binding(3) var<storage, read_write> nodes: array<Words>;
@group(0) @binding(4) var<storage, read_write> flags: array<u32>;

@compute @workgroup_size(64)
fn update_leaves(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = p.first + (group.y * groups.x + group.x) * 64u + thread;
    if i >= p.end {
        return;
    }
    let digits = pack_codes(p.codes + i * (LEAF / 8u));
    nodes[i] = hash(State(small(TAG_UPDATE), digits, small(0u)));
}
