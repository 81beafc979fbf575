// State leaves of the listed leaves from both halves, one leaf a thread. They become fresh, by
// which `tree_level` knows what to hash.

struct Parameters {
    // Entries of the list, which may have fewer.
    first: u32,
    end: u32,
}

@group(0) @binding(0) var<uniform> p: Parameters;
@group(0) @binding(2) var<storage, read> list: array<u32>;
@group(0) @binding(3) var<storage, read> weights_hashes: array<Words>;
@group(0) @binding(4) var<storage, read> momenta_hashes: array<Words>;
@group(0) @binding(5) var<storage, read_write> nodes: array<Words>;
@group(0) @binding(6) var<storage, read_write> fresh: array<u32>;

@compute @workgroup_size(64)
fn state_leaves(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = p.first + (group.y * groups.x + group.x) * 64u + thread;
    if i >= min(list[0], p.end) {
        return;
    }
    let leaf = list[1u + i];
    let weights_half = from_words(weights_hashes[leaf]);
    let momenta_half = from_words(momenta_hashes[leaf]);
    nodes[leaf] = hash(State(small(TAG_STATE), weights_half, momenta_half));
    fresh[leaf] = 1u;
}
