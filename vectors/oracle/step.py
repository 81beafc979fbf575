"""A whole training step, its roots, and the 4-bit model, from the text of `book/src/numbers.md`.

A matrix is a list of rows without padding; only leaves and blocks are filled up with zeros. A tensor
is (N, K): a row for each output. Arithmetic is that of `fixed`, sums are checked to fit 32 bits.
"""

import commit
import fixed

WEIGHTS, ACTIVATIONS, ERRORS = range(3)
FEATURES, WEIGHT, PROBABILITY = -7, -24, -15


class State:
    """What a step reads and writes; exponents are {(kind, layer): exponent}, none before the first step."""

    def __init__(self, layers, seed):
        self.shapes = list(zip(layers[1:], layers))
        first = [fixed.initial_weights(seed, l, *shape) for l, shape in enumerate(self.shapes)]
        self.weights = [in_rows(weights, cols) for weights, (_, cols) in zip(first, self.shapes)]
        self.momenta = [[[0] * cols for _ in range(rows)] for rows, cols in self.shapes]
        self.scales = [[[None] * len(in_rows(row, commit.LEAF)) for row in tensor] for tensor in self.weights]
        self.exponents = {}


class Scaling:
    """Exponents of one step: those fixed before it, or on the first step of a task those it asks for."""

    def __init__(self, before):
        self.before, self.used, self.asked = before, {}, {}

    def choose(self, kind, layer, e, matrix):
        """Exponent of bytes made of values with exponent `e`."""
        self.asked[kind, layer] = e + fixed.byte_shift(largest(matrix))
        self.used[kind, layer] = self.before.get((kind, layer), self.asked[kind, layer])
        return self.used[kind, layer]


def in_rows(values, cols):
    return [values[i : i + cols] for i in range(0, len(values), cols)]


def largest(matrix):
    return max(abs(value) for row in matrix for value in row)


def each(function, matrix):
    return [[function(value) for value in row] for row in matrix]


def transposed(matrix):
    return [list(column) for column in zip(*matrix)]


def product(a, b):
    """a (I, J) * b (J, K)."""
    columns = transposed(b)
    return [[fixed.i32(sum(x * y for x, y in zip(row, column))) for column in columns] for row in a]


def listed(exponents):
    """As in a step record: weights, activations, errors, each in the order of the layers."""
    return [exponents[key] for key in sorted(exponents)]


# --- rows 1 to 10: what the batch gives -----------------------------------------------------------


def forward(model, features, exponent):
    """Bytes that enter each tensor, and the logits. `model` lists (bytes, exponent) of every tensor,
    `exponent(l, e, sums)` tells that of hidden layer `l`, whose sums have exponent `e`."""
    inputs = [(features, FEATURES)]
    for l, (weights, weights_e) in enumerate(model):
        values, values_e = inputs[l]
        sums, e = product(values, transposed(weights)), values_e + weights_e
        if l == len(model) - 1:
            return inputs, each(lambda x: fixed.logit(x, e), sums)
        sums = each(lambda x: max(x, 0), sums)
        to = exponent(l, e, sums)
        inputs.append((each(lambda x: fixed.requantize(x, to - e), sums), to))


def byte_weights(state, scaling):
    model = []
    for l, weights in enumerate(state.weights):
        shift = scaling.choose(WEIGHTS, l, 0, weights)
        model.append((each(lambda w: fixed.requantize(w, shift), weights), shift + WEIGHT))
    return model


def byte_errors(errors, shift, key):
    width = len(errors[0])
    return [
        [fixed.requantize_stochastic(x, shift, fixed.dither(key, i * width + j)) for j, x in enumerate(row)]
        for i, row in enumerate(errors)
    ]


def gradients(state, features, labels, t, dither_seed):
    """(loss, scaling, gradient and its exponent of every tensor, tensors on the way: bytes of the
    weights and of the inputs with their exponents, bytes of the errors, losses of the rows)."""
    scaling = Scaling(state.exponents)
    model = byte_weights(state, scaling)
    inputs, logits = forward(model, features, lambda l, e, sums: scaling.choose(ACTIVATIONS, l, e, sums))
    rows = [fixed.softmax_row(row, label) for row, label in zip(logits, labels)]
    losses = [row_loss for _, row_loss in rows]
    errors, e = [row_errors for row_errors, _ in rows], PROBABILITY - (len(labels).bit_length() - 1)
    found, all_bytes = {}, {}
    for site, l in enumerate(reversed(range(len(model))), 1):
        to = scaling.choose(ERRORS, l, e, errors)
        bytes_ = byte_errors(errors, to - e, fixed.key(dither_seed, t, site))
        all_bytes[l] = bytes_
        below, below_e = inputs[l]
        found[l] = product(transposed(bytes_), below), to + below_e
        weights, weights_e = model[l]
        errors = product(bytes_, weights)
        errors = [[x if y else 0 for x, y in zip(*pair)] for pair in zip(errors, below)]
        e = to + weights_e
    layers = range(len(model))
    return sum(losses), scaling, [found[l] for l in layers], (model, inputs, [all_bytes[l] for l in layers], losses)


# --- rows 11 to 16: what the leaves make of it ----------------------------------------------------


def update_leaf(weights, momenta, scale, gradient, e, learning_rate):
    """(weights, momenta, scale, codes) of one leaf."""
    aligned = [fixed.align_gradient(g, e) for g in gradient]
    scale = fixed.scale_average(scale, fixed.leaf_gradient_sum(aligned))
    momenta = [fixed.momentum(m, ga) for m, ga in zip(momenta, aligned)]
    shift = fixed.code_shift(scale)
    codes = [fixed.code(m, shift, w, learning_rate) for m, w in zip(momenta, weights)]
    return [fixed.update(w, c, learning_rate) for w, c in zip(weights, codes)], momenta, scale, codes


def update_row(weights, momenta, scales, gradient, e, learning_rate):
    cut = [in_rows(values, commit.LEAF) for values in (weights, momenta, gradient)]
    leaves = [update_leaf(w, m, v, g, e, learning_rate) for (w, m, g), v in zip(zip(*cut), scales)]
    weights, momenta, scales, codes = zip(*leaves)
    return sum(weights, []), sum(momenta, []), list(scales), sum(codes, [])


def step(state, features, labels, learning_rate, t, dither_seed):
    """Makes step `t` (from 0) of a round: (loss, exponents used, exponents asked for, codes)."""
    loss, scaling, found, _ = gradients(state, features, labels, t, dither_seed)
    codes = []
    for l, (gradient, e) in enumerate(found):
        tensor = zip(state.weights[l], state.momenta[l], state.scales[l], gradient)
        rows = [update_row(*row, e, learning_rate) for row in tensor]
        state.weights[l], state.momenta[l], state.scales[l], tensor_codes = map(list, zip(*rows))
        codes.append(tensor_codes)
    state.exponents = scaling.asked
    return loss, scaling.used, scaling.asked, codes


# --- the 4-bit model ------------------------------------------------------------------------------


def quantize(state):
    """(exponents, codes, scales): scales are two a leaf, one row of them for each row of weights."""
    exponents, codes, scales = [], [], []
    for tensor in state.weights:
        st = fixed.block_exponent(largest(tensor))
        blocks = [[fixed.quantize_block(block, st) for block in in_rows(padded(row), 32)] for row in tensor]
        exponents.append(st)
        codes.append([sum((c for _, c in row), [])[: len(tensor[0])] for row in blocks])
        scales.append([[scale for scale, _ in row] for row in blocks])
    return exponents, codes, scales


def expand(exponents, codes, scales):
    """The bytes `code * scale` and their exponents."""
    tensors = zip(codes, scales)
    byte = [[[c * s[j // 32] for j, c in enumerate(row)] for row, s in zip(*tensor)] for tensor in tensors]
    return [(weights, st + WEIGHT) for weights, st in zip(byte, exponents)]


def evaluate(model, exponents, features, labels):
    """(loss, correct): the answer is the first of the largest logits."""
    _, logits = forward(model, features, lambda l, e, sums: exponents[ACTIVATIONS, l])
    loss = sum(fixed.softmax_row(row, label)[1] for row, label in zip(logits, labels))
    return loss, sum(row.index(max(row)) == label for row, label in zip(logits, labels))


# --- roots ----------------------------------------------------------------------------------------


def padded(row):
    return row + [0] * (-len(row) % commit.LEAF)


def in_leaves(tensors):
    return [leaf for tensor in tensors for row in tensor for leaf in in_rows(padded(row), commit.LEAF)]


def root(tag, depth, shapes, hashes):
    positions = [position for position, _ in commit.layout_leaves(depth, shapes)]
    assert len(positions) == len(hashes)
    tree = commit.tree_root(depth, dict(zip(positions, hashes)))
    return commit.hash2(tag, tree, commit.layout_element(depth, shapes))


def state_root(depth, state):
    scales = [scale for tensor in state.scales for row in tensor for scale in row]
    leaves = zip(in_leaves(state.weights), in_leaves(state.momenta), scales)
    return root(commit.STATE_ROOT, depth, state.shapes, [commit.state_leaf(*leaf) for leaf in leaves])


def update_root(depth, shapes, codes):
    hashes = [commit.update_leaf(leaf) for leaf in in_leaves(codes)]
    return root(commit.UPDATE_ROOT, depth, shapes, hashes)


def quantized_root(depth, shapes, codes, scales):
    pairs = [pair for tensor in scales for row in tensor for pair in in_rows(row, 2)]
    hashes = [commit.quantized_leaf(*leaf) for leaf in zip(in_leaves(codes), pairs)]
    return root(commit.QUANTIZED_ROOT, depth, shapes, hashes)
