// Poseidon: the permutation of `protocol/src/poseidon.rs`, in layers. A layer is S-boxes, in the
// middle the partial rounds by their recurrence, then an affine map. What goes in and comes out is
// plain; the constants see to the factor R.
//
// Bounds: what goes in is below 3 p (a message element added to the state), with the first constant
// below 4 p. The square of a < 4 p is below 1.2 p, its fifth power below 1.1 p, and a row of a map
// below (3 * 1.1 / 84 + 1 + 1) p < 2.1 p; in the last layer, without shift, below 1.1 p.

struct State {
    a: Element,
    b: Element,
    c: Element,
}

// The last two (x, z) of the recurrence.
struct History {
    x: Element,
    x_before: Element,
    z: Element,
    z_before: Element,
}

// Three elements to start with; rows of the maps, limb by limb of three factors and the shift; the
// factors of the recurrence, limb by limb; its shifts.
@group(0) @binding(1) var<uniform> poseidon: array<vec4<u32>, POSEIDON_VECTORS>;

// The first element of the permuted state, canonical.
fn hash(state: State) -> Words {
    return to_words(canonical(permute(state).a));
}

// Limbs of what goes in have up to 14 bits, of what comes out 13.
fn permute(input: State) -> State {
    var s = State(start(input.a, 0u), start(input.b, 1u), start(input.c, 2u));
    for (var layer = 0u; layer < LAYERS; layer++) {
        if layer == PARTIAL_LAYER {
            s = partial_rounds(s);
        } else {
            for (var i = 0u; i < 3u; i++) {
                s = State(s.b, s.c, fifth_power(s.a, s.a));
            }
        }
        var next = s;
        for (var i = 0u; i < 3u; i++) {
            next = State(next.b, next.c, map_row(s, MAPS + ROW * (3u * layer + i)));
        }
        s = next;
    }
    return s;
}

fn start(x: Element, i: u32) -> Element {
    let at = 5u * i;
    let a = poseidon[at];
    let b = poseidon[at + 1u];
    let c = poseidon[at + 2u];
    let d = poseidon[at + 3u];
    let e = poseidon[at + 4u];
    return carry(add(x, Element(a, b, c, d, e)));
}

// x^4 last
fn fifth_power(x: Element, last: Element) -> Element {
    var power = x;
    for (var i = 0u; i < 2u; i++) {
        power = square(power);
    }
    return multiply(power, last);
}

// Three products and a shift. After 12 steps a limb is below 48 * 2^26 + 2^19, after `relax` and the
// other 8 below 33 * 2^26.
fn map_row(s: State, row: u32) -> Element {
    var sum = small(0u);
    for (var i = 0u; i < ROW; i += 4u) {
        if i == 12u {
            sum = relax(sum);
        }
        sum = map_step(sum, s, poseidon[row + i]);
        sum = map_step(sum, s, poseidon[row + i + 1u]);
        sum = map_step(sum, s, poseidon[row + i + 2u]);
        sum = map_step(sum, s, poseidon[row + i + 3u]);
    }
    return carry(sum);
}

fn map_step(sum: Element, s: State, f: vec4<u32>) -> Element {
    return reduce(add_product(add_product(add_product(sum, f.x, s.a), f.y, s.b), f.z, s.c), f.w);
}

// From (y, z, z before) to the last (x, z, z before).
//
// y < 3.2 p and z < 2.1 p give x < (1.1 * 6.4 / 84 + 1) p < 1.1 p, the next y < (1.1 + 2.1) p and the
// next z < ((2 * 1.1 + 2 * 2.1) / 84 + 1 + 1) p < 2.1 p.
fn partial_rounds(s: State) -> State {
    var y = s.a;
    var z = s.b;
    var z_before = s.c;
    var x_before = small(0u);
    for (var round = 0u; round < PARTIAL_ROUNDS; round++) {
        let x = fifth_power(y, add(y, y));
        let next = recurrence(History(x, x_before, z, z_before), SHIFTS + 5u * round);
        y = carry(add(x, z));
        z_before = z;
        z = next;
        x_before = x;
    }
    return State(x_before, z, z_before);
}

// The next z: four products and a shift. After 12 steps a limb is below 60 * 8191^2 + 2^20 < 2^32,
// after `relax` and the other 8 below 41 * 2^26.
fn recurrence(h: History, shift: u32) -> Element {
    var sum = small(0u);
    for (var i = 0u; i < ROW; i += 4u) {
        if i == 12u {
            sum = relax(sum);
        }
        let top = poseidon[shift + i / 4u];
        sum = recurrence_step(sum, h, poseidon[FACTORS + i], top.x);
        sum = recurrence_step(sum, h, poseidon[FACTORS + i + 1u], top.y);
        sum = recurrence_step(sum, h, poseidon[FACTORS + i + 2u], top.z);
        sum = recurrence_step(sum, h, poseidon[FACTORS + i + 3u], top.w);
    }
    return carry(sum);
}

fn recurrence_step(sum: Element, h: History, f: vec4<u32>, top: u32) -> Element {
    let x = add_product(add_product(sum, f.x, h.x), f.y, h.x_before);
    return reduce(add_product(add_product(x, f.z, h.z), f.w, h.z_before), top);
}
