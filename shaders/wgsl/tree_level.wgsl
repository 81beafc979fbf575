// Parents of one level, one parent a thread: those with a fresh child, which hands its freshness on, and
// those that were never hashed, which are zero; or all of them, whatever is fresh. The last of an odd
// number is paired with `empty`.

struct Parameters {
    // First node of the level.
    children: u32,
    // Nodes of the level.
    count: u32,
    // First node of the level above.
    parents: u32,
    height: u32,
    all: u32,
}

@group(0) @binding(0) var<uniform> p: Parameters;
@group(0) @binding(2) var<storage, read> empty: array<Words>;
@group(0) @binding(3) var<storage, read_write> nodes: array<Words>;
@group(0) @binding(4) var<storage, read_write> fresh: array<u32>;

@compute @workgroup_size(64)
fn tree_level(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (group.y * groups.x + group.x) * 64u + thread;
    if i >= (p.count + 1u) / 2u {
        return;
    }
    let left = p.children + 2u * i;
    let parent = p.parents + i;
    let paired = 2u * i + 1u < p.count;
    if p.all == 0u {
        let hashed = !same(nodes[parent], Words());
        if hashed && fresh[left] == 0u && !(paired && fresh[left + 1u] != 0u) {
            return;
        }
        fresh[left] = 0u;
        if paired {
            fresh[left + 1u] = 0u;
        }
        fresh[parent] = 1u;
    }
    let nothing = empty[p.height];
    let a = nodes[left];
    var b = nothing;
    if paired {
        b = nodes[left + 1u];
    }
    if same(a, nothing) && same(b, nothing) {
        nodes[parent] = empty[p.height + 1u];
    } else {
        nodes[parent] = hash(State(small(TAG_NODE), from_words(a), from_words(b)));
    }
}

fn same(a: Words, b: Words) -> bool {
    return all(a.low == b.low) && all(a.high == b.high);
}
