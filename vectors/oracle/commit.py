"""What is committed: leaves, trees, layout, records. `None` stands for "must be rejected"."""

from poseidon import hash2, sponge

NODE, WEIGHTS, MOMENTA, STATE, UPDATE, QUANTIZED = 1, 2, 3, 4, 5, 6
STATE_ROOT, UPDATE_ROOT, QUANTIZED_ROOT, PAIR, RECORD, STEPS_ROOT = 7, 8, 9, 10, 11, 12
REST, DATA_RECORD, DATA_ROOT, FEATURES, LAYOUT, EXPONENTS = 13, 14, 15, 16, 17, 18
BYTES, WORDS, LOSS, TRACE_ROOT = 19, 20, 21, 22
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


def bytes_leaf(values):
    data = [value + 128 for value in values]
    return sponge(BYTES, [digits(data[i : i + 31], 256) for i in range(0, LEAF, 31)])


def words_leaf(values):
    return sponge(WORDS, pack_words(values))


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
        size = power_of_two_from(rows * per_row)
        offset = -(-end // size) * size
        end = offset + size
        valid = [min(LEAF, cols - LEAF * j) for j in range(per_row)] * rows
        leaves += list(zip(range(offset, end), valid))
    require(end <= 1 << depth)
    return leaves


def layout_element(depth, shapes):
    return sponge(LAYOUT, [1, LEAF, depth, len(shapes)] + [side for shape in shapes for side in shape])


def exponents_root(exponents):
    """`exponents` lists those of the weights, of the activations of hidden layers, of the errors."""
    if not exponents:
        return 0
    tensors = (len(exponents) + 1) // 3
    weights, inputs, errors = exponents[:tensors], [-7] + exponents[tensors : 2 * tensors - 1], exponents[2 * tensors - 1 :]
    leaves = {l: pack_words(leaf)[0] for l, leaf in enumerate(zip(weights, inputs, errors))}
    return hash2(EXPONENTS, tree_root(6, leaves), tensors)


def record_hash(state_root, update_root, trace_root, loss, exponents, next_exponents):
    pair = hash2(PAIR, state_root, update_root)
    used, following = exponents_root(exponents), exponents_root(next_exponents)
    return hash2(RECORD, pair, sponge(REST, [trace_root, loss, used, following]))


def steps_root(tree, record_count):
    return hash2(STEPS_ROOT, tree, record_count)


def data_record(label, features):
    padded = features + [0] * (-len(features) % LEAF)
    leaves = {i // LEAF: bytes_leaf(padded[i : i + LEAF]) for i in range(0, len(padded), LEAF)}
    return hash2(DATA_RECORD, label, hash2(FEATURES, tree_root(10, leaves), len(features)))
