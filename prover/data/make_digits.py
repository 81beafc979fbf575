"""Writes digits.txt from scikit-learn's copy of the UCI optical digits.

Run: pip install scikit-learn && python3 make_digits.py > digits.txt
"""
import hashlib

from sklearn.datasets import load_digits

digits = load_digits()
images, labels = digits.data.astype(int), digits.target
# The fixed public shuffle: by the hash of a record's place in the source.
order = sorted(range(len(labels)), key=lambda i: hashlib.sha256(b"pogo/digits/%d" % i).digest())
for i in order:
    print("".join(chr(ord("a") + v) for v in images[i]) + str(labels[i]))
