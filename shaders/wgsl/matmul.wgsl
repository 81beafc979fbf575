// A tile of 64 x 64 of A * B^T over bytes packed four to a word along the rows of A and B, by 16 x 16
// threads of 4 x 4. All sizes are whole tiles: padding is zero and is multiplied. Needs `p`, `a`, `b`.

struct Parameters {
    a_offset: u32,
    a_stride: u32,
    b_stride: u32,
    // Words of a row that are summed over, a multiple of 16.
    depth: u32,
    out_offset: u32,
    out_stride: u32,
    site: u32,
    x_stride: u32,
    // Add to what the output holds: not the first shard of a tensor.
    accumulate: u32,
    // The output is whole after this dispatch: the last shard of a tensor.
    last: u32,
}

const DEPTH: u32 = 16u;
// One vector more than 16, so that the stores of a column do not meet in one bank.
const TILE_STRIDE: u32 = 17u;

struct Tile {
    r0: vec4<i32>,
    r1: vec4<i32>,
    r2: vec4<i32>,
    r3: vec4<i32>,
}

// Words k of four neighbouring rows of a tile: element k * TILE_STRIDE + row / 4.
var<workgroup> a_tile: array<vec4<u32>, DEPTH * TILE_STRIDE>;
var<workgroup> b_tile: array<vec4<u32>, DEPTH * TILE_STRIDE>;
var<workgroup> tile_max: atomic<u32>;

fn dot_row(a: u32, b: vec4<u32>) -> vec4<i32> {
    return vec4(dot4I8Packed(a, b.x), dot4I8Packed(a, b.y), dot4I8Packed(a, b.z), dot4I8Packed(a, b.w));
}

fn multiply_tile(group: vec3<u32>, thread: vec3<u32>) -> Tile {
    let k = thread.x;
    let a_row = p.a_offset + (group.y * 64u + thread.y * 4u) * p.a_stride + k;
    let b_row = (group.x * 64u + thread.y * 4u) * p.b_stride + k;
    var tile: Tile;
    for (var first = 0u; first < p.depth; first += DEPTH) {
        let i = a_row + first;
        let j = b_row + first;
        a_tile[k * TILE_STRIDE + thread.y] = vec4(a[i], a[i + p.a_stride], a[i + 2u * p.a_stride], a[i + 3u * p.a_stride]);
        b_tile[k * TILE_STRIDE + thread.y] = vec4(b[j], b[j + p.b_stride], b[j + 2u * p.b_stride], b[j + 3u * p.b_stride]);
        workgroupBarrier();
        for (var d = 0u; d < DEPTH; d++) {
            let rows = a_tile[d * TILE_STRIDE + thread.y];
            let columns = b_tile[d * TILE_STRIDE + thread.x];
            tile.r0 += dot_row(rows.x, columns);
            tile.r1 += dot_row(rows.y, columns);
            tile.r2 += dot_row(rows.z, columns);
            tile.r3 += dot_row(rows.w, columns);
        }
        workgroupBarrier();
    }
    return tile;
}

// First of the four output words of row r of a thread.
fn output_at(group: vec3<u32>, thread: vec3<u32>, r: u32) -> u32 {
    return p.out_offset + (group.y * 64u + thread.y * 4u + r) * p.out_stride + group.x * 64u + thread.x * 4u;
}

fn largest(v: vec4<i32>) -> u32 {
    let m = abs(v);
    return u32(max(max(m.x, m.y), max(m.z, m.w)));
}

// Largest magnitude of the whole tile, for one thread of the workgroup to pass on.
fn largest_of_tile(tile: Tile) -> u32 {
    atomicMax(&tile_max, max(max(largest(tile.r0), largest(tile.r1)), max(largest(tile.r2), largest(tile.r3))));
    workgroupBarrier();
    return atomicLoad(&tile_max);
}
