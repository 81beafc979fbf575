// Eight words (weight, momentum, scale) as one element: slots `word + 2^30` of 31 bits, low first, so
// that word i of the element has the upper 31 - i bits of slot i and the lower 1 + i of the next.
// A word beyond 31 bits raises `flags`, which the kernel declares.
fn pack_words(first: vec4<i32>, second: vec4<i32>) -> Element {
    let f = bitcast<vec4<u32>>(first - vec4(WORD_MIN));
    let s = bitcast<vec4<u32>>(second - vec4(WORD_MIN));
    if any(((f | s) >> vec4(31u)) != vec4(0u)) {
        flags[0] = 1u;
    }
    return from_words(Words(
        (f >> vec4(0u, 1u, 2u, 3u)) | (vec4(f.yzw, s.x) << vec4(31u, 30u, 29u, 28u)),
        (s >> vec4(4u, 5u, 6u, 7u)) | (vec4(s.yzw, 0u) << vec4(27u, 26u, 25u, 24u)),
    ));
}
