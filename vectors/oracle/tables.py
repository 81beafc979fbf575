"""Writes protocol/src/tables.rs: the softmax tables, rounded exactly.

Run from the repository root: python3 vectors/oracle/tables.py > protocol/src/tables.rs
"""
from decimal import ROUND_HALF_EVEN, Decimal, getcontext

getcontext().prec = 60


def rounded(x):
    """Nearest integer. No value of either table lies near a half, so the tie rule never matters."""
    return int(x.to_integral_value(rounding=ROUND_HALF_EVEN))


EXP = [rounded(65536 * (-Decimal(k) / 256).exp()) for k in range(4096)]
LN = [rounded(65536 * ((Decimal(j) + Decimal("1024.5")) / 1024).ln()) for j in range(1024)]


def rust(name, doc, values):
    lines = [f"/// {doc}", "#[rustfmt::skip]", f"pub const {name}: [u32; {len(values)}] = ["]
    for i in range(0, len(values), 16):
        lines.append("    " + ", ".join(map(str, values[i : i + 16])) + ",")
    return "\n".join(lines + ["];"])


if __name__ == "__main__":
    print("//! The two committed tables of the integer softmax, see [`crate::fixed::softmax_row`].")
    print("//!")
    print("//! Generated: `python3 vectors/oracle/tables.py > protocol/src/tables.rs`.")
    print()
    print(rust("EXP", "`EXP[k] = round(2^16 * exp(-k / 256))`: Q16, for distances of 0 to 16 nats.", EXP))
    print()
    print(rust("LN", "`LN[j] = round(2^16 * ln((j + 1024.5) / 1024))`: Q16, for mantissas in [1, 2).", LN))
