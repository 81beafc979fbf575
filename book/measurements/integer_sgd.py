"""The integer training step once more, in numpy, with the choices that the book measures.

python3 integer_sgd.py DATA LAYERS BATCH STEPS RATE WARMUP SCHEDULE SEEDS [CHOICE=VALUE ...]
python3 integer_sgd.py digits 64,64,10 64 300 65536 20 linear 1,2,3,4,5 delayed=0
Choices: leaf (64), delayed (1: exponents from the step before, 0: from the step itself),
errors (dithered | nearest), scale (leaf | tensor: one gradient scale for the whole tensor).
With the defaults every number equals that of
`cargo run --release -p pogo-prover --example accuracy` with the same arguments.
"""
import sys

import numpy as np
from common import Spec, batches, first_weights, load

I = np.int64
EXP = np.rint(65536 * np.exp(-np.arange(4096) / 256)).astype(I)
LN = np.rint(65536 * np.log((np.arange(1024) + 1024.5) / 1024)).astype(I)
U32 = 0xFFFFFFFF


def matmul(a, b):
    """Exact: every sum stays far below 2^53."""
    return (a.astype(np.float64) @ b.astype(np.float64)).astype(I)


def bit_length(m):
    return np.frexp(np.asarray(m, np.float64))[1].astype(I)


def shifted(x, s, r):
    """floor((x + r) / 2^s), or the saturating left shift; s a number."""
    if s > 31:
        return np.zeros_like(x)
    return (x + r) >> s if s > 0 else np.clip(x << min(-s, 31), -(2**30), 2**30) if s < 0 else x


def rshn(x, s):
    return shifted(x, s, 1 << (s - 1) if s > 0 else 0)


def pcg(x):
    x = np.asarray(x, I)
    s = (x * 747796405 + 2891336453) & U32
    w = ((s >> ((s >> 28) + 4)) ^ s) * 277803737 & U32
    return (w >> 22) ^ w


def dither(seed, t, site, count):
    key = pcg(pcg(pcg(seed) ^ t) ^ (site * 0x85EBCA6B & U32))
    i = np.arange(count, dtype=I)
    return (pcg((i // 256 + key) & U32) + (i % 256) * 0x9E3779B9) & U32


def byte_shift(x):
    return max(0, int(np.abs(x).max()).bit_length() - 7)


def softmax(z, y):
    """Errors (exponent -15) and loss (Q16) of every row."""
    d = z.max(1, keepdims=True) - z
    x = np.where(d < 4096, EXP[np.minimum(d, 4095)], 0)
    s = x.sum(1)
    errors = (x << 15) // s[:, None]
    rows = np.arange(len(y))
    errors[rows, y] -= errors.sum(1)
    k = bit_length(s) - 1
    return errors, (d[rows, y] << 8) + (k - 16) * 45426 + LN[(s >> (k - 10)) - 1024]


class Trainer:
    def __init__(self, spec, leaf=64, delayed=1, errors="dithered", scale="leaf"):
        self.spec, self.leaf, self.delayed = spec, int(leaf), int(delayed)
        self.dithered, self.whole = errors == "dithered", scale == "tensor"
        self.weights = first_weights(spec)
        self.momenta = [np.zeros_like(w) for w in self.weights]
        self.scales = [None] * len(self.weights)
        self.exponents, self.next = {}, {}
        self.seed = spec.dither_seed()
        self.saturated, self.requantized = {}, {}

    def exponent(self, name, e, x):
        """The exponent to use for x * 2^e, and a note of what x asks for."""
        self.next[name] = e + byte_shift(x)
        return self.exponents.get(name, self.next[name]) if self.delayed else self.next[name]

    def clamp(self, name, x):
        self.saturated[name[0]] = self.saturated.get(name[0], 0) + int((np.abs(x) > 127).sum())
        self.requantized[name[0]] = self.requantized.get(name[0], 0) + x.size
        return np.clip(x, -127, 127)

    def byte_weights(self):
        model = []
        for l, w in enumerate(self.weights):
            e = self.exponent(("weights", l), -24, w)
            model.append((np.clip(rshn(w, e + 24), -127, 127), e))
        return model

    def step(self, t, x, y):
        spec, last = self.spec, len(self.weights) - 1
        model, activations = self.byte_weights(), [(x, -7)]
        for l, (w, e) in enumerate(model):
            x, ex = activations[l]
            sums, e = matmul(x, w.T), ex + e
            if l < last:
                sums, name = np.maximum(sums, 0), ("activations", l)
                exponent = self.exponent(name, e, sums)
                activations.append((self.clamp(name, rshn(sums, exponent - e)), exponent))
        z = np.clip(rshn(sums, -8 - e), -(1 << 22), 1 << 22)
        errors, loss = softmax(z, y)
        e = -15 - (spec.batch.bit_length() - 1)
        for l in range(last, -1, -1):
            name = ("errors", l)
            exponent = self.exponent(name, e, errors)
            s = exponent - e
            r = dither(self.seed, t, last + 1 - l, errors.size).reshape(errors.shape)
            r = r >> (32 - s) if 0 < s < 32 else 0
            d = self.clamp(name, shifted(errors, s, r) if self.dithered else rshn(errors, s))
            gradient, ex = matmul(d.T, activations[l][0]), exponent + activations[l][1]
            if l > 0:
                w, ew = model[l]
                errors, e = matmul(d, w) * (activations[l][0] > 0), exponent + ew
            self.update(l, np.clip(rshn(gradient, -32 - ex), 1 - 2**30, 2**30 - 1), t)
        self.exponents, self.next = self.next, {}
        return int(loss.sum())

    def update(self, l, gradient, t):
        rows, cols = gradient.shape
        leaf = cols if self.whole else self.leaf
        pad = -cols % leaf
        sizes = np.pad(np.abs(gradient) >> 6, ((0, 0), (0, pad))).reshape(rows, -1, leaf).sum(2)
        if self.whole:
            sizes = np.full_like(sizes, sizes.sum() * 64 // gradient.size)
        old = self.scales[l]
        self.scales[l] = sizes if old is None else old + rshn(sizes - old, 5)
        mean = self.scales[l] if self.whole or leaf == 64 else self.scales[l] * 64 // leaf
        s = np.repeat(np.maximum(4, bit_length(mean) - 3), leaf, axis=1)[:, :cols]
        self.momenta[l] += rshn(gradient - self.momenta[l], 3)
        codes = np.clip((self.momenta[l] + (1 << (s - 1))) >> s, -7, 7)
        new = self.weights[l] - codes * self.spec.learning_rate(t)
        legal = (new >= -(2**30)) & (new < 2**30)
        self.weights[l] = np.where(legal, new, self.weights[l])

    def four_bit(self):
        model = []
        for w in self.weights:
            largest = int(np.abs(w).max())
            st = next(s for s in range(1, 25) if largest <= 126 << s)
            rows, cols = w.shape
            blocks = np.pad(w, ((0, 0), (0, -cols % 32))).reshape(rows, -1, 32)
            top = np.abs(blocks).max(2, keepdims=True)
            scale = np.clip(-(-top // (7 << st)), 1, 18)
            d = scale << st
            codes = np.clip((blocks + d // 2) // d, -7, 7)
            model.append(((codes * scale).reshape(rows, -1)[:, :cols], st - 24))
        return model

    def evaluate(self, model, x, y):
        e = -7
        for l, (w, ew) in enumerate(model):
            sums, e = matmul(x, w.T), e + ew
            if l < len(model) - 1:
                exponent = self.exponents["activations", l]
                x, e = np.clip(rshn(np.maximum(sums, 0), exponent - e), -127, 127), exponent
        z = np.clip(rshn(sums, -8 - e), -(1 << 22), 1 << 22)
        return int(softmax(z, y)[1].sum()), int((z.argmax(1) == y).sum())


def run(spec, data, choices):
    trainer = Trainer(spec, **choices)
    (x, y), test = data
    stream, losses = batches(spec, len(y)), []
    for t in range(spec.steps):
        rows = next(stream)
        losses.append(trainer.step(t, x[rows], y[rows]))
    # The 8-bit weights by the shifts that the next step would use.
    model = [(np.clip(rshn(w, s := trainer.exponents["weights", l] + 24), -127, 127), s - 24)
             for l, w in enumerate(trainer.weights)]
    byte = trainer.evaluate(model, *test)
    four = trainer.evaluate(trainer.four_bit(), *test)
    share = {k: trainer.saturated[k] / trainer.requantized[k] for k in trainer.saturated}
    print(f"seed {spec.seed}: first losses {losses[:3]}, last {losses[-1]}, test 8-bit {byte}, 4-bit {four}", flush=True)
    return byte, four, share


if __name__ == "__main__":
    source, layers, batch, steps, rate, warmup, schedule, seeds = sys.argv[1:9]
    choices = dict(a.split("=") for a in sys.argv[9:])
    data, net, results = load(source), [int(w) for w in layers.split(",")], []
    for seed in map(int, seeds.split(",")):
        spec = Spec(net, int(batch), int(steps), int(rate), int(warmup), schedule, seed)
        results.append(run(spec, data, choices))
    records, n = len(data[1][1]), len(results)
    for name, i in (("8-bit", 0), ("4-bit", 1)):
        loss = sum(r[i][0] for r in results) / n / records / 65536
        accuracy = 100 * sum(r[i][1] for r in results) / n / records
        lowest = 100 * min(r[i][1] for r in results) / records
        print(f"{choices} {name}: test loss {loss:.4f}, accuracy {accuracy:.2f} % (lowest {lowest:.2f})")
    for name in results[0][2]:
        print(f"{choices} saturated {name}: {sum(r[2][name] for r in results) / n:.2e}")
