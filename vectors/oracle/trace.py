"""The trace of a step: its tensors cut into tiles of 64 x 64, each product with its partial sums.

A tensor is ("bytes" | "words" | "losses", slabs), a slab a matrix without padding.
"""

import commit
import step
from poseidon import hash2

LEAF = commit.LEAF


def partial_sums(a, b):
    """a (I, J) * b (J, K) summed over the first 64, 128, .. of J."""
    ends = range(LEAF, len(b) + LEAF, LEAF)
    return [step.product([row[:end] for row in a], b[:end]) for end in ends]


def tensors(state, features, labels, t, dither_seed):
    """All tensors in the order of the tree."""
    _, _, _, (model, inputs, errors, losses) = step.gradients(state, features, labels, t, dither_seed)
    found = []
    for l, ((weights, _), (values, _)) in enumerate(zip(model, inputs)):
        found += [("bytes", [weights]), ("bytes", [values])]
        found += [("words", partial_sums(values, step.transposed(weights))), ("bytes", [errors[l]])]
        found += [("words", partial_sums(step.transposed(errors[l]), values))]
        if l > 0:
            found += [("words", partial_sums(errors[l], weights))]
    running = [[sum(losses[: row + 1]), labels[row]] for row in range(len(losses))]
    return found + [("losses", [running])]


def tiles(length):
    return -(-length // LEAF)


def leaves(found):
    """{position: hash} of every leaf; tensors and their tiles stand one after another."""
    placed, end = {}, 0
    for kind, slabs in found:
        rows, cols = len(slabs[0]), 1 if kind == "losses" else len(slabs[0][0])
        offset, end = end, end + tiles(rows) * tiles(cols) * len(slabs) * LEAF
        if kind == "losses":
            placed.update({offset + row: hash2(commit.LOSS, loss, label) for row, (loss, label) in enumerate(slabs[0])})
            continue
        hash_ = {"bytes": commit.bytes_leaf, "words": commit.words_leaf}[kind]
        empty = hash_([0] * LEAF)
        for slab, matrix in enumerate(slabs):
            for row in range(tiles(rows) * LEAF):
                for col in range(tiles(cols)):
                    values = matrix[row][col * LEAF : (col + 1) * LEAF] if row < rows else []
                    values = values + [0] * (LEAF - len(values))
                    tile = (row // LEAF * tiles(cols) + col) * len(slabs) + slab
                    placed[offset + tile * LEAF + row % LEAF] = hash_(values) if any(values) else empty
    return placed


def trace_root(depth, layout, found):
    return hash2(commit.TRACE_ROOT, commit.tree_root(depth, leaves(found)), layout)
