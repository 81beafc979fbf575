// Hash of the weights half of the listed leaves, one leaf a thread.

struct Parameters {
    // Entries of the list, which may have fewer.
    first: u32,
    end: u32,
}

@group(0) @binding(0) var<uniform> p: Parameters;
@group(0) @binding(2) var<storage, read> weights: array<vec4<i32>>;
@group(0) @binding(3) var<storage, read> list: array<u32>;
@group(0) @binding(4) var<storage, read_write> hashes: array<Words>;
@group(0) @binding(5) var<storage, read_write> flags: array<u32>;

@compute @workgroup_size(64)
fn weights_hash(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = p.first + (group.y * groups.x + group.x) * 64u + thread;
    if i >= min(list[0], p.end) {
        return;
    }
    let leaf = list[1u + i];
    var state = State(small(TAG_WEIGHTS), small(0u), small(0u));
    for (var k = 0u; k < LEAF / 4u; k += 4u) {
        let at = leaf * (LEAF / 4u) + k;
        state.b = add(state.b, pack_words(weights[at], weights[at + 1u]));
        state.c = add(state.c, pack_words(weights[at + 2u], weights[at + 3u]));
        state = permute(state);
    }
    hashes[leaf] = to_words(canonical(state.a));
}
