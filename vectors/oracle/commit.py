"""What is committed: leaves, trees, layout, records. `None` stands for "must be rejected"."""

from poseidon import hash2, sponge

NODE, WEIGHTS, MOMENTA, STATE, UPDATE, QUANTIZED = 1, 2, 3, 4, 5, 6
STATE_ROOT, UPDATE_ROOT, QUANTIZED_ROOT, PAIR, RECORD, STEPS_ROOT = 7, 8, 9, 10, 11, 12
REST, DATA_RECORD, DATA_ROOT, BATCH, LAYOUT, EXPONENTS = 13, 14, 15, 16, 17, 18
LEAF = 64
WORD = 1 << 30


class Rejected(Exception):
    """The input is outside the legal range."""


def require(holds):
    if not holds:
        raise Rejected


def digits(values, base):
    """sum values[i] * base^i."""
    total = 0
    for value in reversed(values):
        total = total * base + value
    return total


def pack_words(words):
    """31-bit slots, eight an element."""
    require(all(-WORD <= w < WORD for w in words))
    slots = [w + WORD for w in words]
    return [digits(slots[i : i + 8], 1 << 31) for i in range(0, len(slots), 8)]


def pack_codes(codes):
    require(len(codes) == LEAF and all(-7 <= c <= 7 for c in codes))
    return digits([c + 7 for c in codes], 15)


def weights_hash(weights):
    return sponge(WEIGHTS, pack_words(weights))


def momenta_hash(momenta, scale):
    return sponge(MOMENTA, pack_words(momenta) + pack_words([scale]))


def state_leaf(weights, momenta, scale):
    return hash2(STATE, weights_hash(weights), momenta_hash(momenta, scale))


def update_leaf(codes):
    return hash2(UPDATE, pack_codes(codes), 0)


def quantized_leaf(codes, scales):
    require(all(1 <= s <= 18 for s in scales))
    return hash2(QUANTIZED, pack_codes(codes), scales[0] + 32 * scales[1])


def tree_root(depth, leaves):
    """`leaves` is {position: hash}; every other position is 0."""
    level, empty = dict(leaves), 0
    require(all(0 <= position < 1 << depth for position in level))
    for _ in range(depth):
        parents = {position >> 1 for position in level}
        level = {p: hash2(NODE, level.get(2 * p, empty), level.get(2 * p + 1, empty)) for p in parents}
        empty = hash2(NODE, empty, empty)
    return level.get(0, empty)


def path(depth, leaves, position):
    """Siblings from the leaf up, each computed as the root of its own subtree."""
    siblings = []
    for height in range(depth):
        subtree = (position >> height) ^ 1
        inside = {p - (subtree << height): h for p, h in leaves.items() if p >> height == subtree}
        siblings.append(tree_root(height, inside))
    return siblings


def root_of(leaf, position, siblings):
    for height, sibling in enumerate(siblings):
        leaf = hash2(NODE, sibling, leaf) if position >> height & 1 else hash2(NODE, leaf, sibling)
    return leaf


def power_of_two_from(n):
    power = 1
    while power < n:
        power *= 2
    return power


def layout_leaves(depth, shapes):
    """(position, valid) of every leaf in (tensor, row, column) order."""
    leaves, end = [], 0
    for rows, cols in shapes:
        per_row = -(-cols // LEAF)
        stride = power_of_two_from(per_row)
        size = power_of_two_from(rows) * stride
        offset = -(-end // size) * size
        end = offset + size
        for row in range(rows):
            leaves += [(offset + row * stride + j, min(LEAF, cols - LEAF * j)) for j in range(per_row)]
    require(end <= 1 << depth)
    return leaves


def layout_element(depth, shapes):
    return sponge(LAYOUT, [1, LEAF, depth, len(shapes)] + [side for shape in shapes for side in shape])


def exponents_digest(exponents):
    return sponge(EXPONENTS, [len(exponents)] + [e + WORD for e in exponents]) if exponents else 0


def record_hash(index, state_root, update_root, batch_digest, loss, exponents, next_exponents):
    pair = hash2(PAIR, state_root, update_root)
    used, following = exponents_digest(exponents), exponents_digest(next_exponents)
    return hash2(RECORD, pair, sponge(REST, [index, batch_digest, loss, used, following, 0]))


def steps_root(tree, record_count):
    return hash2(STEPS_ROOT, tree, record_count)


def data_record(label, features):
    data = bytes(f + 128 for f in features)
    packed = [int.from_bytes(data[i : i + 31], "big") for i in range(0, len(data), 31)]
    return sponge(DATA_RECORD, [label, len(features)] + packed)


def batch_digest(rows):
    """`rows` are (index, record hash)."""
    return sponge(BATCH, [element for row in rows for element in row])
