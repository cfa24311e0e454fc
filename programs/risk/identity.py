"""Writes identity.cairo: the Poseidon permutation of (domain tag, x, 2) as straight-line Cairo.

Every cell holds its true value less a known constant, so that a round constant costs a step only where a value is
cubed. In the partial rounds the state is (x, y, z) with z cubed to w. With u = x + y and t = 2 x,

    u' = t + 2 w,   t' = 2 (t + u + w),   z' = u - 2 w,

and for U, T, W = u, t, w divided by 2^r in round r:   U' = T + W,   T' = U + U',   z' = 2^r (U - 2 W).
"""

import hashlib
import sys

P = 2**251 + 17 * 2**192 + 1
FULL, PARTIAL = 8, 83
TAG = int.from_bytes(b"ashlar:allocation:1", "big")


def constant(index):
    """Starknet's round constants: SHA-256 of "Hades" and the index, modulo P."""
    return int.from_bytes(hashlib.sha256(f"Hades{index}".encode()).digest(), "big") % P


class Writer:
    """Cells of the frame, one instruction each; a value is a cell and the constant to be added to it."""

    def __init__(self):
        self.lines = []

    def cell(self, expression):
        self.lines.append(f"[fp + {len(self.lines)}] = {expression}, ap++;")
        return f"[fp + {len(self.lines) - 1}]"

    def add(self, a, b):
        return self.cell(f"{a[0]} + {b[0]}"), (a[1] + b[1]) % P

    def subtract(self, a, b):
        # Written as a = result + b, which defines the result.
        result = f"[fp + {len(self.lines)}]"
        self.lines.append(f"{a[0]} = {result} + {b[0]}, ap++;")
        return result, (a[1] - b[1]) % P

    def scale(self, a, factor):
        factor %= P
        signed = factor if factor <= P // 2 else factor - P
        return self.cell(f"{a[0]} * {'(' if signed < 0 else ''}{signed}{')' if signed < 0 else ''}"), a[1] * factor % P

    def settle(self, a):
        """The true value in a cell of its own."""
        if a[1] == 0:
            return a
        signed = a[1] if a[1] <= P // 2 else a[1] - P
        return self.cell(f"{a[0]} + {'(' if signed < 0 else ''}{signed}{')' if signed < 0 else ''}"), 0

    def cube(self, a):
        value = self.settle(a)[0]
        square = self.cell(f"{value} * {value}")
        return self.cell(f"{square} * {value}"), 0


def mix(w, a, b, c):
    """(3a + b + c, a - b + c, a + b - 2c)."""
    e, f = w.add(a, b), w.add(a, c)
    g = w.add(e, f)
    return w.add(g, a), w.subtract(f, b), w.subtract(w.subtract(e, c), c)


def add_keys(state, round_index):
    return tuple((cell, (offset + constant(3 * round_index + lane)) % P) for lane, (cell, offset) in enumerate(state))


def write():
    w = Writer()
    # First round: lanes 0 and 2 are constants.
    a = pow(TAG + constant(0), 3, P)
    c = pow(2 + constant(2), 3, P)
    b = w.cube(("[fp - 3]", constant(1)))
    negative = w.scale(b, -1)
    state = ((b[0], (3 * a + c) % P), (negative[0], (a + c) % P), (b[0], (a - 2 * c) % P))
    for index in range(1, FULL // 2):
        state = add_keys(state, index)
        a, b, c = (w.cube(lane) for lane in state)
        if index < FULL // 2 - 1:
            state = mix(w, a, b, c)
    # The mix into the partial rounds: U = u / 2 and T = t / 2, so r = 1.
    e, f = w.add(a, b), w.add(a, c)
    g = w.add(e, f)
    t, u, z = w.add(g, a), w.add(a, f), w.subtract(w.subtract(e, c), c)
    r, first = 1, FULL // 2
    for index in range(first, first + PARTIAL):
        inverse = pow(2, -r, P)
        k0, k1, k2 = (constant(3 * index + lane) for lane in range(3))
        # x + k0, y + k1, z + k2; z is still to be multiplied by 2^(r - 1) except in the first partial round.
        scale = 1 if index == first else pow(2, r - 1, P)
        u = (u[0], (u[1] + (k0 + k1) * inverse) % P)
        t = (t[0], (t[1] + 2 * k0 * inverse) % P)
        z = (z[0], (z[1] + k2 * pow(scale, -1, P)) % P)
        wide = w.scale(w.cube(z), pow(scale, 3, P) * inverse)
        next_u = w.add(t, wide)
        z = w.subtract(w.subtract(u, wide), wide)
        t, u = w.add(u, next_u), next_u
        r += 1
    # Back to (x, y, z): x = 2^(r-1) T, y = 2^(r-1) (2 U - T), z = 2^(r-1) z.
    scale = pow(2, r - 1, P)
    state = (w.scale(t, scale), w.scale(w.subtract(w.add(u, u), t), scale), w.scale(z, scale))
    for index in range(first + PARTIAL, first + PARTIAL + FULL // 2):
        state = add_keys(state, index)
        a, b, c = (w.cube(lane) for lane in state)
        if index < first + PARTIAL + FULL // 2 - 1:
            state = mix(w, a, b, c)
    e, f = w.add(a, b), w.add(a, c)
    w.add(w.add(e, f), a)
    return w.lines


def source():
    lines = write()
    return "\n".join(
        [
            "// Written by identity.py: do not edit.",
            "//",
            "// The identity of a proposal: Poseidon of the domain tag `ashlar:allocation:1` and the Pedersen chain of its",
            "// inputs, that is element 0 of the Hades permutation of (tag, chain, 2).",
            "func proposal_identity(chain) -> (identity: felt) {",
            *(f"    {line}" for line in lines),
            "    ret;",
            "}",
            "",
        ]
    )


if __name__ == "__main__":
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        out.write(source())
