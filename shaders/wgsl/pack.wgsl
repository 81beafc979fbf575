// A block of 4 x 4 bytes a thread, written twice: packed along the rows, four columns to a word, and
// packed along the columns, four rows to a word. Needs `rows` and `columns`.

const BLOCK_THREADS: u32 = 8u;

// Words of a row of `rows` and of a row of `columns`.
fn store_block(block: vec2<u32>, row_stride: u32, column_stride: u32, v: array<vec4<i32>, 4>) {
    for (var i = 0u; i < 4u; i++) {
        rows[(block.y * 4u + i) * row_stride + block.x] = pack4xI8(v[i]);
    }
    let at = block.x * 4u * column_stride + block.y;
    columns[at] = pack4xI8(vec4(v[0].x, v[1].x, v[2].x, v[3].x));
    columns[at + column_stride] = pack4xI8(vec4(v[0].y, v[1].y, v[2].y, v[3].y));
    columns[at + 2u * column_stride] = pack4xI8(vec4(v[0].z, v[1].z, v[2].z, v[3].z));
    columns[at + 3u * column_stride] = pack4xI8(vec4(v[0].w, v[1].w, v[2].w, v[3].w));
}
