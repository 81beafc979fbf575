"""What the measurements share: data, first weights and batch order, bit for bit those of a round.

The round is number 0 of miner 0 with parent root 0 and data root 0, as in
`cargo run --release -p pogo-prover --example accuracy`.
"""
import hashlib
import sys
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "vectors/oracle"))
from keccak import keccak256 as keccak  # noqa: E402


@dataclass
class Spec:
    layers: list
    batch: int
    steps: int
    rate: int
    warmup: int
    schedule: str
    seed: int

    def hash(self):
        name = b"accuracy"
        data = b"pogo/spec/v1" + bytes([len(name)]) + name + bytes([len(self.layers)])
        data += b"".join(w.to_bytes(4, "big") for w in self.layers)
        for n in (self.batch, self.steps, 1, self.rate):
            data += n.to_bytes(4, "big")
        data += bytes([self.schedule == "linear"]) + self.warmup.to_bytes(4, "big")
        return keccak(data + self.seed.to_bytes(8, "big") + bytes(33))

    def learning_rate(self, t):
        if t < self.warmup:
            return max(1, self.rate * (t + 1) // self.warmup)
        if self.schedule == "constant":
            return self.rate
        return max(1, self.rate * (self.steps - t) // (self.steps - self.warmup))

    def round_bytes(self):
        return self.hash() + bytes(8) + bytes(32) + bytes(20)

    def dither_seed(self):
        return int.from_bytes(keccak(b"pogo/dither/v1" + self.round_bytes())[:4], "big")


def blocks(domain, key):
    i = 0
    while True:
        yield keccak(domain + key + i.to_bytes(8, "big"))
        i += 1


def batches(spec, records):
    """The record indices of every step."""
    steps = records // spec.batch * spec.batch
    for epoch in range(1 << 30):
        order = permutation(keccak(spec.round_bytes() + epoch.to_bytes(8, "big")), records)
        yield from np.array(order[:steps]).reshape(-1, spec.batch)


def permutation(key, records):
    """Eight Feistel rounds of keccak on numbers of just enough bits, repeated until below `records`."""
    bits = max(2, (records - 1).bit_length())
    sizes = 1 << bits // 2, 1 << (bits + 1) // 2
    rounds = [
        [int.from_bytes(keccak(b"pogo/order/v2" + key + bytes([i]) + x.to_bytes(4, "big"))[:4], "big") for x in range(size)]
        for i, size in enumerate((sizes[1], sizes[0]) * 4)
    ]

    def next_of(x):
        high, low = divmod(x, sizes[1])
        for i in range(0, 8, 2):
            high = (high + rounds[i][low]) % sizes[0]
            low = (low + rounds[i + 1][high]) % sizes[1]
        return high * sizes[1] + low

    order = []
    for x in range(records):
        x = next_of(x)
        while x >= records:
            x = next_of(x)
        order.append(x)
    return order


def first_weights(spec):
    """int64 arrays (rows, cols), 24 fraction bits."""
    tensors = []
    for l, (cols, rows) in enumerate(zip(spec.layers, spec.layers[1:])):
        key = bytes(16) + spec.seed.to_bytes(8, "big") + l.to_bytes(8, "big")
        stream, count = blocks(b"pogo/weights/v1", key), -(-rows * cols // 8)
        words = b"".join(next(stream) for _ in range(count))
        r = np.frombuffer(words, ">u4").astype(np.int64)[: rows * cols]
        tensors.append(((r - (1 << 31)) * isqrt(6 * 2**48 // cols) >> 31).reshape(rows, cols))
    return tensors


def digits():
    """(features, labels) to train on, and for tests."""
    lines = (ROOT / "prover/data/digits.txt").read_text().split()
    x = np.array([[min(8 * (ord(c) - 97), 127) for c in line[:64]] for line in lines])
    y = np.array([int(line[64]) for line in lines])
    return (x[:-360], y[:-360]), (x[-360:], y[-360:])


def mnist(directory):
    """The same from a directory of IDX files."""
    def pair(name):
        images = (Path(directory) / f"{name}-images-idx3-ubyte").read_bytes()
        labels = (Path(directory) / f"{name}-labels-idx1-ubyte").read_bytes()
        y = np.frombuffer(labels, np.uint8, offset=8).astype(np.int64)
        x = np.frombuffer(images, np.uint8, offset=16).astype(np.int64) // 2
        return x.reshape(len(y), -1), y

    return pair("train"), pair("t10k")


def load(name):
    return digits() if name == "digits" else mnist(name)


def shuffled(items, name):
    """The items in an order fixed by a hash of their places."""
    key = lambda i: hashlib.sha256(b"%s/%d" % (name, i)).digest()
    return [items[i] for i in sorted(range(len(items)), key=key)]
