// The 64 codes of a leaf as one element: digits `code + 7` of base 15, low first, taken four at a
// time from the top. A digit beyond the base raises `flags`. `codes` and `flags` are the kernel's.
fn pack_codes(at: u32) -> Element {
    const BASE_4 = CODE_BASE * CODE_BASE * CODE_BASE * CODE_BASE;
    var element = small(0u);
    for (var i = LEAF / 4u; i > 0u; i--) {
        let four = codes[at + (i - 1u) / 2u] >> (16u * ((i - 1u) % 2u));
        let digits = (vec4(four) >> vec4(0u, 4u, 8u, 12u)) & vec4(15u);
        if any(digits >= vec4(CODE_BASE)) {
            flags[0] = 1u;
        }
        let low = digits.x + CODE_BASE * (digits.y + CODE_BASE * (digits.z + CODE_BASE * digits.w));
        element = carry(add_product(small(low), BASE_4, element));
    }
    return element;
}
