// Hash of the momenta half of the listed leaves, one leaf a thread: its momenta, then its scale.

struct Parameters {
    // Entries of the list, which may have fewer.
    first: u32,
    end: u32,
}

@group(0) @binding(0) var<uniform> p: Parameters;
@group(0) @binding(2) var<storage, read> momenta: array<vec4<i32>>;
@group(0) @binding(3) var<storage, read> scales: array<i32>;
@group(0) @binding(4) var<storage, read> list: array<u32>;
@group(0) @binding(5) var<storage, read_write> hashes: array<Words>;
@group(0) @binding(6) var<storage, read_write> flags: array<u32>;

@compute @workgroup_size(64)
fn momenta_hash(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = p.first + (group.y * groups.x + group.x) * 64u + thread;
    if i >= min(list[0], p.end) {
        return;
    }
    let leaf = list[1u + i];
    var state = State(small(TAG_MOMENTA), small(0u), small(0u));
    for (var k = 0u; k <= LEAF / 4u; k += 4u) {
        if k < LEAF / 4u {
            let at = leaf * (LEAF / 4u) + k;
            state.b = add(state.b, pack_words(momenta[at], momenta[at + 1u]));
            state.c = add(state.c, pack_words(momenta[at + 2u], momenta[at + 3u]));
        } else {
            // The slots beside the scale hold nothing, not the word 0.
            let alone = vec4(scales[leaf], WORD_MIN, WORD_MIN, WORD_MIN);
            state.b = add(state.b, pack_words(alone, vec4(WORD_MIN)));
        }
        state = permute(state);
    }
    hashes[leaf] = to_words(canonical(state.a));
}
