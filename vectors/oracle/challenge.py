"""The challenge: distinct cells drawn from the beacon after the commitment."""

from keccak import Stream, keccak256


def seed(beacon, commitment):
    return keccak256(b"pogo/challenge/v1", beacon, commitment)


def draw(kind, beacon, commitment, universe, samples):
    """`samples` distinct numbers below `universe` in the order drawn, or all of them."""
    if samples >= universe:
        return list(range(universe))
    stream, drawn = Stream(b"pogo/challenge/" + kind.encode() + b"/v1", seed(beacon, commitment)), []
    while len(drawn) < samples:
        index = stream.below(universe)
        if index not in drawn:
            drawn.append(index)
    return drawn
