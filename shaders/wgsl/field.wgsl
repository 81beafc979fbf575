// The scalar field of BN254, modulus p: 20 limbs of 13 bits, low first, Montgomery radix R = 2^260.
//
// A product of limbs is below 2^26, so that a u32 takes 64 of them. A limb of a running sum takes 20
// from each product of elements and 20 from the reduction: one product (40 in all), or one with
// limbs of 14 bits on one side (60), needs no carry; three or four (80, 100) need one on the way.
//
// p < R / 84: the product of a < A p and b < B p is below (A B / 84 + 1) p. Values stay below 4 p,
// hence below 2^256, with no subtraction but the last.

const LIMB_MASK = (1u << LIMB_BITS) - 1u;

struct Element {
    a: vec4<u32>,
    b: vec4<u32>,
    c: vec4<u32>,
    d: vec4<u32>,
    e: vec4<u32>,
}

// Eight words, low first.
struct Words {
    low: vec4<u32>,
    high: vec4<u32>,
}

// An element below 2^13.
fn small(value: u32) -> Element {
    return Element(vec4(value, 0u, 0u, 0u), vec4(0u), vec4(0u), vec4(0u), vec4(0u));
}

// Limb by limb; `carry` makes 13 bits of them again.
fn add(x: Element, y: Element) -> Element {
    return Element(x.a + y.a, x.b + y.b, x.c + y.c, x.d + y.d, x.e + y.e);
}

// sum + f x
fn add_product(sum: Element, f: u32, x: Element) -> Element {
    return Element(sum.a + f * x.a, sum.b + f * x.b, sum.c + f * x.c, sum.d + f * x.d, sum.e + f * x.e);
}

// (sum + m p) / 2^13 + top 2^247, with the m that makes it exact: minus the low limb, as p = 1
// mod 2^26. The top of step i of 20 ends as limb i.
fn reduce(sum: Element, top: u32) -> Element {
    let m = (0u - sum.a.x) & LIMB_MASK;
    let a = sum.a + m * MODULUS[0];
    let b = sum.b + m * MODULUS[1];
    let c = sum.c + m * MODULUS[2];
    let d = sum.d + m * MODULUS[3];
    let e = sum.e + m * MODULUS[4];
    return Element(
        vec4((a.x >> LIMB_BITS) + a.y, a.z, a.w, b.x),
        vec4(b.yzw, c.x),
        vec4(c.yzw, d.x),
        vec4(d.yzw, e.x),
        vec4(e.yzw, top),
    );
}

fn multiply_four(sum: Element, f: vec4<u32>, x: Element) -> Element {
    var s = reduce(add_product(sum, f.x, x), 0u);
    s = reduce(add_product(s, f.y, x), 0u);
    s = reduce(add_product(s, f.z, x), 0u);
    return reduce(add_product(s, f.w, x), 0u);
}

// <x, y>, limbs of x of 13 bits, of y of 14: every limb of the sum is below
// 20 * 8191 * (16382 + 8191) + 2^19 < 2^32.
fn multiply(x: Element, y: Element) -> Element {
    var sum = multiply_four(small(0u), x.a, y);
    sum = multiply_four(sum, x.b, y);
    sum = multiply_four(sum, x.c, y);
    sum = multiply_four(sum, x.d, y);
    return carry(multiply_four(sum, x.e, y));
}

// <x, x>: what is off the diagonal of the 5 x 5 products of vectors is taken once, doubled.
fn square(x: Element) -> Element {
    let none = vec4(0u);
    let twice = add(x, x);
    var sum = multiply_four(small(0u), x.a, Element(x.a, twice.b, twice.c, twice.d, twice.e));
    sum = multiply_four(sum, x.b, Element(none, x.b, twice.c, twice.d, twice.e));
    sum = multiply_four(sum, x.c, Element(none, none, x.c, twice.d, twice.e));
    sum = multiply_four(sum, x.d, Element(none, none, none, x.d, twice.e));
    return carry(multiply_four(sum, x.e, Element(none, none, none, none, x.e)));
}

// Limbs of 13 bits with the same sum; what is beyond 2^260 stays in the last one.
fn carry(x: Element) -> Element {
    let a = ripple(x.a, 0u);
    let b = ripple(x.b, a.w);
    let c = ripple(x.c, b.w);
    let d = ripple(x.d, c.w);
    let e = ripple(x.e, d.w);
    let mask = vec4(LIMB_MASK);
    return Element(a & mask, b & mask, c & mask, d & mask, vec4(e.xyz & mask.xyz, e.w));
}

fn ripple(x: vec4<u32>, before: u32) -> vec4<u32> {
    let first = x.x + (before >> LIMB_BITS);
    let second = x.y + (first >> LIMB_BITS);
    let third = x.z + (second >> LIMB_BITS);
    return vec4(first, second, third, x.w + (third >> LIMB_BITS));
}

// Every limb hands its carry to the next, once; the last must be below 2^13. Leaves limbs below
// 2^13 + 2^19.
fn relax(x: Element) -> Element {
    let mask = vec4(LIMB_MASK);
    let bits = vec4(LIMB_BITS);
    return Element(
        (x.a & mask) + (vec4(0u, x.a.xyz) >> bits),
        (x.b & mask) + (vec4(x.a.w, x.b.xyz) >> bits),
        (x.c & mask) + (vec4(x.b.w, x.c.xyz) >> bits),
        (x.d & mask) + (vec4(x.c.w, x.d.xyz) >> bits),
        (x.e & mask) + (vec4(x.d.w, x.e.xyz) >> bits),
    );
}

// The residue below p of x < 2 p: x - p + 2^260 where that reaches 2^260, else x.
fn canonical(x: Element) -> Element {
    let mask = vec4(LIMB_MASK);
    let difference = carry(Element(
        x.a + (mask - MODULUS[0]) + vec4(1u, 0u, 0u, 0u),
        x.b + (mask - MODULUS[1]),
        x.c + (mask - MODULUS[2]),
        x.d + (mask - MODULUS[3]),
        x.e + (mask - MODULUS[4]),
    ));
    if difference.e.w > LIMB_MASK {
        return Element(difference.a, difference.b, difference.c, difference.d, difference.e & mask);
    }
    return x;
}

fn from_words(w: Words) -> Element {
    let l = w.low;
    let h = w.high;
    let mask = vec4(LIMB_MASK);
    return Element(
        vec4(l.x, l.x >> 13u, (l.x >> 26u) | (l.y << 6u), l.y >> 7u) & mask,
        vec4((l.y >> 20u) | (l.z << 12u), l.z >> 1u, l.z >> 14u, (l.z >> 27u) | (l.w << 5u)) & mask,
        vec4(l.w >> 8u, (l.w >> 21u) | (h.x << 11u), h.x >> 2u, h.x >> 15u) & mask,
        vec4((h.x >> 28u) | (h.y << 4u), h.y >> 9u, (h.y >> 22u) | (h.z << 10u), h.z >> 3u) & mask,
        vec4(h.z >> 16u, (h.z >> 29u) | (h.w << 3u), h.w >> 10u, h.w >> 23u) & mask,
    );
}

fn to_words(x: Element) -> Words {
    return Words(
        vec4(
            x.a.x | (x.a.y << 13u) | (x.a.z << 26u),
            (x.a.z >> 6u) | (x.a.w << 7u) | (x.b.x << 20u),
            (x.b.x >> 12u) | (x.b.y << 1u) | (x.b.z << 14u) | (x.b.w << 27u),
            (x.b.w >> 5u) | (x.c.x << 8u) | (x.c.y << 21u),
        ),
        vec4(
            (x.c.y >> 11u) | (x.c.z << 2u) | (x.c.w << 15u) | (x.d.x << 28u),
            (x.d.x >> 4u) | (x.d.y << 9u) | (x.d.z << 22u),
            (x.d.z >> 10u) | (x.d.w << 3u) | (x.e.x << 16u) | (x.e.y << 29u),
            (x.e.y >> 3u) | (x.e.z << 10u) | (x.e.w << 23u),
        ),
    );
}
