"""The integer semantics of training, from the text of the recipe; whole numbers of any size.

Ranges are those of `protocol/src/fixed.rs`; a value out of 32 bits is an error, not a wrap.
"""

from decimal import Decimal, getcontext
from math import isqrt

from keccak import Stream, keccak256

getcontext().prec = 80
WORD = 1 << 30
U32 = 1 << 32


def nearest(x):
    """The nearest integer; a tie cannot be told from rounding noise and is refused."""
    below = int(x // 1)
    assert abs(x - below - Decimal("0.5")) > Decimal("1e-40")
    return below + (1 if x - below > Decimal("0.5") else 0)


EXP = [nearest(65536 * (Decimal(-k) / 256).exp()) for k in range(4096)]
LN = [nearest(65536 * ((2 * j + 2049) / Decimal(2048)).ln()) for j in range(1024)]


def clamp(x, low, high):
    return min(max(x, low), high)


def i32(x):
    assert -(1 << 31) <= x < 1 << 31, x
    return x


def shifted_left(x, s):
    return clamp(x * 2**min(s, 64), -WORD, WORD)


def rshn(x, s):
    """x / 2^s, halves up."""
    if s == 0:
        return x
    if s < 0:
        return shifted_left(x, -s)
    return (x + 2 ** (s - 1)) // 2**s if s < 32 else 0


def rsr(x, s, r):
    """x / 2^s rounded down after adding the dither r, a fraction of 2^32."""
    if s == 0:
        return x
    if s < 0:
        return shifted_left(x, -s)
    return (x + r // 2 ** (32 - s)) // 2**s if s < 32 else 0


def floor_div(x, d):
    return x // d


def bit_length(m):
    return len(format(m, "b")) if m else 0


def pcg(x):
    s = (x * 747796405 + 2891336453) % U32
    w = ((s >> ((s >> 28) + 4)) ^ s) * 277803737 % U32
    return (w >> 22) ^ w


def key(seed, step, site):
    return pcg(pcg(pcg(seed) ^ step) ^ (site * 0x85EBCA6B % U32))


def dither(key, i):
    return (pcg((i // 256 + key) % U32) + (i % 256) * 0x9E3779B9) % U32


def byte_shift(max_abs):
    return max(0, bit_length(max_abs) - 7)


def requantize(acc, shift):
    return clamp(rshn(acc, shift), -127, 127)


def requantize_stochastic(acc, shift, r):
    return clamp(rsr(acc, shift, r), -127, 127)


def logit(acc, e):
    return clamp(rshn(acc, -8 - e), -(1 << 22), 1 << 22)


def softmax_row(logits, target):
    """(errors, loss)."""
    distances = [max(logits) - z for z in logits]
    x = [EXP[d] if d < 4096 else 0 for d in distances]
    total = sum(x)
    assert total < U32
    p = [value * 2**15 // total for value in x]
    errors = [value - (sum(p) if c == target else 0) for c, value in enumerate(p)]
    k = bit_length(total) - 1
    loss = distances[target] * 256 + (k - 16) * 45426 + LN[(total >> (k - 10)) - 1024]
    assert sum(errors) == 0 and loss < U32
    return errors, loss


def align_gradient(g, e):
    return clamp(rshn(g, -32 - e), -(WORD - 1), WORD - 1)


def momentum(m, ga):
    return i32(m + rshn(i32(ga - m), 3))


def leaf_gradient_sum(gradient):
    return sum(abs(ga) >> 6 for ga in gradient)


def scale_average(v, a):
    return a if v is None else v + rshn(a - v, 5)


def code_shift(v):
    return max(4, bit_length(v) - 3)


def code(m, shift, w, learning_rate):
    """The code, 0 where it would take the weight out of range."""
    u = clamp(rshn(m, shift), -7, 7)
    return u if -WORD <= update(w, u, learning_rate) <= WORD - 1 else 0


def update(w, u, learning_rate):
    return i32(w - u * learning_rate)


def block_exponent(max_abs):
    s = 1
    while max_abs > 126 * 2**s:
        s += 1
    return s


def quantize_block(weights, st):
    """(scale, codes) of 32 weights."""
    largest = max(abs(w) for w in weights)
    scale = clamp(-(-largest // (7 * 2**st)), 1, 18)
    d = scale * 2**st
    return scale, [clamp(floor_div(w + d // 2, d), -7, 7) for w in weights]


def spec_bytes(name, layers, batch, steps, checkpoint_every, learning_rate, schedule, warmup, seed, trace, data_root):
    """The canonical bytes of a spec, whose hash names it."""
    name = name.encode()
    numbers = [len(layers).to_bytes(1, "big")] + [units.to_bytes(4, "big") for units in layers]
    numbers += [number.to_bytes(4, "big") for number in (batch, steps, checkpoint_every, learning_rate)]
    numbers += [bytes([["constant", "linear"].index(schedule)]), warmup.to_bytes(4, "big"), seed.to_bytes(8, "big")]
    numbers += [bytes([["none", "every", "challenged"].index(trace)]), bytes.fromhex(data_root)]
    return b"pogo/spec/v1" + len(name).to_bytes(1, "big") + name + b"".join(numbers)


def learning_rate(peak, schedule, warmup, steps, t):
    """Rises over the warm-up, then stays, or falls linearly; at least 1."""
    if t < warmup:
        return max(1, peak * (t + 1) // warmup)
    return peak if schedule == "constant" else max(1, peak * (steps - t) // (steps - warmup))


def initial_weights(seed, tensor, rows, cols):
    """Weights before the first step, row by row, without padding: eight from each block."""
    bound = isqrt(6 * 2**48 // cols)
    stream = Stream(b"pogo/weights/v1", bytes(16) + seed.to_bytes(8, "big") + tensor.to_bytes(8, "big"))
    words = []
    while len(words) < rows * cols:
        block = stream.block()
        words += [int.from_bytes(block[i : i + 4], "big") for i in range(0, 32, 4)]
    return [(r - 2**31) * bound // 2**31 for r in words[: rows * cols]]


def round_bytes(task, number, parent_root, miner):
    return task + number.to_bytes(8, "big") + parent_root + miner


def dither_seed(round_):
    return int.from_bytes(keccak256(b"pogo/dither/v1", round_)[:4], "big")


def batch_indices(round_, records, batch, t):
    """Records of step t: batch positions of the permutation of its epoch."""
    epoch, place = divmod(t, records // batch)
    key = keccak256(round_, epoch.to_bytes(8, "big"))
    bits = max(2, (records - 1).bit_length())
    sizes = (1 << bits // 2, 1 << bits - bits // 2)

    def once(x):
        pair = list(divmod(x, sizes[1]))
        for i in range(8):
            drawn = keccak256(b"pogo/order/v2", key, bytes([i]), pair[1 - i % 2].to_bytes(4, "big"))
            pair[i % 2] = (pair[i % 2] + int.from_bytes(drawn[:4], "big")) % sizes[i % 2]
        return pair[0] * sizes[1] + pair[1]

    def record(x):
        x = once(x)
        while x >= records:
            x = once(x)
        return x

    return [record(position) for position in range(place * batch, (place + 1) * batch)]
