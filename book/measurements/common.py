"""What the measurements share: data, first weights and batch order, bit for bit those of a round.

The round is number 0 of miner 0 with parent root 0 and data root 0, as in
`cargo run --release -p pogo-prover --example accuracy`.
"""
import hashlib
import struct
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
MASK = (1 << 64) - 1
ROTATIONS = [0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14]


def round_constants():
    """The 24 constants of Keccak-f, from its LFSR."""
    lfsr, constants = 1, []
    for _ in range(24):
        constant = 0
        for j in range(7):
            if lfsr & 1:
                constant |= 1 << ((1 << j) - 1)
            lfsr = (lfsr << 1) ^ (0x171 if lfsr & 0x80 else 0)
        constants.append(constant)
    return constants


CONSTANTS = round_constants()


def rotate(x, n):
    return ((x << n) | (x >> (64 - n))) & MASK if n else x


def permute(a):
    for constant in CONSTANTS:
        c = [a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20] for x in range(5)]
        d = [c[x - 1] ^ rotate(c[(x + 1) % 5], 1) for x in range(5)]
        b = [0] * 25
        for i in range(25):
            x, y = i % 5, i // 5
            b[y + 5 * ((2 * x + 3 * y) % 5)] = rotate(a[i] ^ d[x], ROTATIONS[i])
        a = [b[i] ^ (~b[i - i % 5 + (i + 1) % 5] & b[i - i % 5 + (i + 2) % 5]) for i in range(25)]
        a[0] ^= constant
    return a


def keccak(data):
    """keccak256, as in Ethereum."""
    padded = bytearray(data + b"\1" + bytes(-(len(data) + 1) % 136))
    padded[-1] |= 0x80
    state = [0] * 25
    for at in range(0, len(padded), 136):
        for i, word in enumerate(struct.unpack("<17Q", padded[at : at + 136])):
            state[i] ^= word
        state = permute(state)
    return struct.pack("<4Q", *state[:4])


assert keccak(b"").hex().startswith("c5d2460186f7233c927e7db2dcc703c0")


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
        return keccak(data + self.seed.to_bytes(8, "big") + bytes(32))

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
    for epoch in range(1 << 30):
        key = keccak(spec.round_bytes() + epoch.to_bytes(8, "big"))
        stream = (int.from_bytes(b, "big") for b in blocks(b"pogo/order/v1", key))
        order = list(range(records))
        for i in range(records - 1, 0, -1):
            limit = (1 << 256) - (1 << 256) % (i + 1)
            j = next(x for x in stream if x < limit) % (i + 1)
            order[i], order[j] = order[j], order[i]
        for step in range(records // spec.batch):
            yield np.array(order[step * spec.batch : (step + 1) * spec.batch])


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
