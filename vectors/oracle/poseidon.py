"""Poseidon over the BN254 scalar field: width 3, x^5, 8 full and 57 partial rounds.

Nothing is copied from a table: the constants come out of the Grain LFSR of the Poseidon paper
(appendix E; field = 1, S-box = 0), which is how circomlib got its own.

    permute(s): for r in 0..65: s += RC[r]; s[0]^5 (all three in a full round); s = MDS s

Running this file checks the constants and prints `protocol/src/poseidon_constants.rs`.
"""

P = 21888242871839275222246405745257275088548364400416034343698204186575808495617
WIDTH, FULL_ROUNDS, PARTIAL_ROUNDS = 3, 8, 57
ROUNDS = FULL_ROUNDS + PARTIAL_ROUNDS
HALF = FULL_ROUNDS // 2
BITS = P.bit_length()


def grain_bits():
    """The self-shrinking 80-bit LFSR: of each pair of bits the second counts if the first is 1."""
    seed = [(1, 2), (0, 4), (BITS, 12), (WIDTH, 12), (FULL_ROUNDS, 10), (PARTIAL_ROUNDS, 10), ((1 << 30) - 1, 30)]
    state = [int(bit) for value, width in seed for bit in format(value, f"0{width}b")]

    def clock():
        bit = state[62] ^ state[51] ^ state[38] ^ state[23] ^ state[13] ^ state[0]
        state.pop(0)
        state.append(bit)
        return bit

    for _ in range(160):
        clock()
    while True:
        counts, bit = clock(), clock()
        if counts:
            yield bit


def generate():
    """(round constants [65][3], MDS [3][3]): rejection for the constants, none for the matrix."""
    bits = grain_bits()

    def integer():
        value = 0
        for _ in range(BITS):
            value = 2 * value + next(bits)
        return value

    def below_p():
        while (value := integer()) >= P:
            pass
        return value

    constants = [[below_p() for _ in range(WIDTH)] for _ in range(ROUNDS)]
    points = [integer() % P for _ in range(2 * WIDTH)]
    assert len(set(points)) == 2 * WIDTH
    mds = [[pow(x + y, -1, P) for y in points[WIDTH:]] for x in points[:WIDTH]]
    return constants, mds


ROUND_CONSTANTS, MDS = generate()


def is_full(r):
    return r < HALF or r >= HALF + PARTIAL_ROUNDS


def permute(state):
    """The permutation by its definition."""
    for r in range(ROUNDS):
        state = [(s + c) % P for s, c in zip(state, ROUND_CONSTANTS[r])]
        state = [pow(s, 5, P) if i == 0 or is_full(r) else s for i, s in enumerate(state)]
        state = [sum(m * s for m, s in zip(row, state)) % P for row in MDS]
    return state


def hash2(tag, a, b):
    """H(tag, a, b): the first element of the permuted state."""
    return permute([tag, a, b])[0]


def sponge(tag, message):
    """Rate 2, capacity first: absorb pairs (the tail padded with zero), squeeze one element."""
    state = [tag, 0, 0]
    for i in range(0, len(message), 2):
        pair = list(message[i : i + 2]) + [0]
        state = permute([state[0], (state[1] + pair[0]) % P, (state[2] + pair[1]) % P])
    return state[0]


# --- the fast permutation ------------------------------------------------------------------
#
# In a partial round only s[0] passes the S-box. With MDS = [[d, v], [w, A]], y the S-box input and
# h the other two elements (both with the round's constants added):
#     y' = d y^5 + v.h + c'        h' = w y^5 + A h + e'
# A is 2x2, so A^2 = trace A - det I eliminates h: with z = v.h + c',
#     z'' = v.w x' + (v.Aw - trace v.w) x + trace z' - det z + E''       (x = y^5)
# that is four products and one addition a round, the same four factors in every round.
# Scaling y by K, K^4 = d / 2, leaves y' = x + z with x = 2 y^5: nothing is multiplied by d.


def fourth_root(a):
    """The smallest fourth root (P - 1 = 2^28 * odd, so Tonelli and Shanks, twice)."""
    roots = {t for s in square_roots(a) for t in square_roots(s)}
    return min(roots)


def square_roots(a):
    if pow(a, (P - 1) // 2, P) != 1:
        return []
    odd, two = P - 1, 0
    while odd % 2 == 0:
        odd, two = odd // 2, two + 1
    generator = pow(5, odd, P)
    root, rest = pow(a, (odd + 1) // 2, P), pow(a, odd, P)
    while rest != 1:
        order, power = 0, rest
        while power != 1:
            order, power = order + 1, power * power % P
        step = pow(generator, 1 << (two - order - 1), P)
        root, rest = root * step % P, rest * step * step % P
    return [root, P - root]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b)) % P


class Fast:
    """Constants of the fast permutation. `enter` replaces the MDS of the fourth full round and
    yields (K y, K z, K z_before) of the first partial round; `leave` undoes it after the last."""

    def __init__(self):
        d, v = MDS[0][0], MDS[0][1:]
        w = [MDS[1][0], MDS[2][0]]
        a = [MDS[1][1:], MDS[2][1:]]
        trace = (a[0][0] + a[1][1]) % P
        det = (a[0][0] * a[1][1] - a[0][1] * a[1][0]) % P
        va = [dot(v, [a[0][j], a[1][j]]) for j in range(2)]
        k = fourth_root(d * pow(2, -1, P) % P)
        k4_2 = 2 * pow(k, 4, P) % P  # x = 2 (K y)^5 = 2 K^5 y^5, and z carries one K
        new, old = dot(v, w), (dot(va, w) - trace * dot(v, w)) % P
        self.recurrence = [new * pow(k4_2, -1, P) % P, old * pow(k4_2, -1, P) % P, trace, -det % P]

        # c(r), e(r): constants of partial round r; r = 57 is the full round after, none beyond.
        def c(r):
            return ROUND_CONSTANTS[HALF + r][0] if r <= PARTIAL_ROUNDS else 0

        def e(r):
            return ROUND_CONSTANTS[HALF + r][1:] if r <= PARTIAL_ROUNDS else [0, 0]

        def shift(r):
            """E of z(r + 1) = ... + E, for r >= 1."""
            known = det * c(r) - trace * (dot(v, e(r)) + c(r + 1)) + dot(va, e(r))
            return (known + dot(v, e(r + 1)) + c(r + 2)) % P

        self.shifts = [0] + [k * shift(r) % P for r in range(1, PARTIAL_ROUNDS)]

        # z_before makes the recurrence yield z(1) - new x(0) = va.h + v.e(1) + c(2) with E = 0.
        over_det = pow(det, -1, P)
        before = [(trace * v[j] - va[j]) * over_det % P for j in range(2)]
        before_shift = (trace * c(1) - dot(v, e(1)) - c(2)) * over_det % P
        rows = [[1, 0, 0], [0] + v, [0] + before]
        columns = list(zip(*MDS))
        self.enter = [[k * dot(row, column) % P for column in columns] for row in rows]
        e0 = [c(0)] + e(0)
        self.enter_shift = [k * (dot(row, e0) + s) % P for row, s in zip(rows, [0, c(1), before_shift])]

        # h from z(57) = v.h and q = va.h = old x(56) + trace z(57) - det z(56) + E.
        last = PARTIAL_ROUNDS
        inverse_det = pow(v[0] * va[1] - v[1] * va[0], -1, P)
        inverse = [[va[1] * inverse_det % P, -v[1] * inverse_det % P], [-va[0] * inverse_det % P, v[0] * inverse_det % P]]
        over_k = pow(k, -1, P)
        q = [old * pow(k4_2, -1, P), trace, -det]
        self.leave_first = over_k
        self.leave = [[i[1] * q[0] * over_k % P, (i[0] + i[1] * q[1]) * over_k % P, i[1] * q[2] * over_k % P] for i in inverse]
        self.leave_shift = [i[1] * shift(last) % P for i in inverse]


FAST = Fast()


def permute_fast(state):
    """Equal to `permute`; the shape of the Rust code."""
    state = [(s + c) % P for s, c in zip(state, ROUND_CONSTANTS[0])]
    for r in range(1, HALF):
        state = [pow(s, 5, P) for s in state]
        state = [(dot(row, state) + c) % P for row, c in zip(MDS, ROUND_CONSTANTS[r])]
    state = [pow(s, 5, P) for s in state]
    y, z, before = [(dot(row, state) + c) % P for row, c in zip(FAST.enter, FAST.enter_shift)]
    old = 0
    for shift in FAST.shifts:
        x = 2 * pow(y, 5, P) % P
        y = (x + z) % P
        z, before = (dot(FAST.recurrence, [x, old, z, before]) + shift) % P, z
        old = x
    state = [FAST.leave_first * y % P] + [(dot(row, [old, z, before]) + s) % P for row, s in zip(FAST.leave, FAST.leave_shift)]
    for r in range(HALF + PARTIAL_ROUNDS + 1, ROUNDS + 1):
        state = [pow(s, 5, P) for s in state]
        after = ROUND_CONSTANTS[r] if r < ROUNDS else [0] * WIDTH
        state = [(dot(row, state) + c) % P for row, c in zip(MDS, after)]
    return state


def check():
    import random

    random.seed(1)
    assert hash2(0, 1, 2) == 0x115CC0F5E7D690413DF64C6B9662E9CF2A3617F2743245519E19607A4417189A
    for state in [[0, 0, 0], [P - 1] * 3] + [[random.randrange(P) for _ in range(3)] for _ in range(8)]:
        assert permute(state) == permute_fast(state)


def rust():
    """`protocol/src/poseidon/constants.rs`."""

    def element(a):
        return "f(" + ", ".join(f"0x{(a >> s) & (2**64 - 1):016x}" for s in (192, 128, 64, 0)) + ")"

    def nested(value, depth):
        pad = "    " * depth
        if isinstance(value, int):
            return pad + element(value)
        return pad + "[\n" + ",\n".join(nested(v, depth + 1) for v in value) + ",\n" + pad + "]"

    def constant(doc, visibility, name, kind, value):
        return f"/// {doc}\n{visibility} const {name}: {kind} = {nested(value, 0).lstrip()};\n"

    lines = [
        "//! Constants of Poseidon (BN254, width 3, 8 + 57 rounds), and of its fast permutation.\n//!\n"
        "//! Generated by `python3 vectors/oracle/poseidon.py > protocol/src/poseidon/constants.rs`;\n"
        "//! that file says where every number comes from.\n",
        "use ark_bn254::Fr;\nuse ark_ff::BigInt;\n",
        "/// An element from its four words, most significant first: read them as one hexadecimal number.\n"
        "const fn f(a: u64, b: u64, c: u64, d: u64) -> Fr {\n    Fr::new(BigInt([d, c, b, a]))\n}\n",
        constant("Constants added at the start of each round.", "pub", "ROUND_CONSTANTS", "[[Fr; 3]; 65]", ROUND_CONSTANTS),
        constant("The mixing matrix: new state row i is the product of row i and the state.", "pub", "MDS", "[[Fr; 3]; 3]", MDS),
        constant("Mixing of the last full round before the partial ones, into the (y, z, z before) of `permute`.", "pub(super)", "ENTER", "[[Fr; 3]; 3]", FAST.enter),
        constant("Added after `ENTER`.", "pub(super)", "ENTER_SHIFT", "[Fr; 3]", FAST.enter_shift),
        constant("Factors of (x, x before, z, z before) in the next z.", "pub(super)", "RECURRENCE", "[Fr; 4]", FAST.recurrence),
        constant("Added to the next z, a partial round each.", "pub(super)", "SHIFTS", "[Fr; 57]", FAST.shifts),
        constant("Factor from the last y to the first state element.", "pub(super)", "LEAVE_FIRST", "Fr", FAST.leave_first),
        constant("Factors of the last (x, z, z before) in the other two state elements.", "pub(super)", "LEAVE", "[[Fr; 3]; 2]", FAST.leave),
        constant("Added after `LEAVE`.", "pub(super)", "LEAVE_SHIFT", "[Fr; 2]", FAST.leave_shift),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    check()
    print(rust(), end="")
