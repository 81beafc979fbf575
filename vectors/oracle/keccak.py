"""Keccak-256 with the original padding (the one of Ethereum, not FIPS 202), and what is drawn from it.

    stream block i = keccak(domain || key || i as u64), big-endian throughout
"""

MASK = (1 << 64) - 1
RATE = 136


def round_constants():
    """The degree-8 LFSR x^8 + x^6 + x^5 + x^4 + 1; bit 2^j - 1 of constant i is its output 7 i + j."""
    state, constants = 1, []
    for _ in range(24):
        constant = 0
        for j in range(7):
            constant |= (state & 1) << ((1 << j) - 1)
            state = (state << 1) ^ (0x171 if state & 0x80 else 0)
        constants.append(constant)
    return constants


ROUND_CONSTANTS = round_constants()


def rotate(word, by):
    by %= 64
    return (word << by | word >> (64 - by)) & MASK


def permute(lanes):
    """Keccak-f[1600]; lanes[x][y]."""
    for constant in ROUND_CONSTANTS:
        parity = [lanes[x][0] ^ lanes[x][1] ^ lanes[x][2] ^ lanes[x][3] ^ lanes[x][4] for x in range(5)]
        spread = [parity[(x + 4) % 5] ^ rotate(parity[(x + 1) % 5], 1) for x in range(5)]
        lanes = [[lane ^ spread[x] for lane in lanes[x]] for x in range(5)]
        x, y, moved = 1, 0, lanes[1][0]
        for t in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            moved, lanes[x][y] = lanes[x][y], rotate(moved, (t + 1) * (t + 2) // 2)
        lanes = [
            [lanes[x][y] ^ (~lanes[(x + 1) % 5][y] & lanes[(x + 2) % 5][y]) for y in range(5)] for x in range(5)
        ]
        lanes[0][0] ^= constant
    return lanes


def keccak256(*parts):
    data = b"".join(parts)
    padded = bytearray(data + b"\x01" + bytes(-(len(data) + 1) % RATE))
    padded[-1] |= 0x80
    lanes = [[0] * 5 for _ in range(5)]
    for start in range(0, len(padded), RATE):
        for i in range(RATE // 8):
            lanes[i % 5][i // 5] ^= int.from_bytes(padded[start + 8 * i : start + 8 * i + 8], "little")
        lanes = permute(lanes)
    return b"".join(lanes[i % 5][i // 5].to_bytes(8, "little") for i in range(4))


class Stream:
    """Unbiased draws from keccak blocks: values in the incomplete top of the range are rejected."""

    def __init__(self, domain, key):
        self.prefix, self.counter = domain + key, 0

    def block(self):
        self.counter += 1
        return keccak256(self.prefix, (self.counter - 1).to_bytes(8, "big"))

    def below(self, n):
        while (x := int.from_bytes(self.block(), "big")) >= (1 << 256) - (1 << 256) % n:
            pass
        return x % n


def check():
    assert keccak256().hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak256(b"abc").hex() == "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"
    long = keccak256(b"a" * 300)
    assert long == keccak256(b"a" * 100, b"a" * 200) and long != keccak256(b"a" * 301)


if __name__ == "__main__":
    check()
