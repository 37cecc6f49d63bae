"""Hashes of many short stretches of bytes, and where each stands among others: BLAKE2b as in RFC 7693.

What is hashed is shapes and rows, some hundred bytes each: called from Python one by one, most of the time is
the call's. The hashes are those of ``hashlib.blake2b(…, digest_size=16)``.
"""

from __future__ import annotations

import numpy as np

from landremed.overlay.native.arrays import I8, U1, U8, Tuple
from landremed.overlay.native.compiled import entry, lean

__all__ = ["first_places", "span_hashes"]

_BLOCK = 128
_START = np.array(
    [
        0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1,
        0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179,
    ],
    np.uint64,
)  # fmt: skip
_ORDER = np.array(
    [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
        [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
        [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
        [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
        [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    ],
    np.uint64,
)
_KIND = np.uint64(0x01010010)  # no key, 16 bytes wanted
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_8, _16, _24, _32, _40, _48, _63, _1 = (np.uint64(n) for n in (8, 16, 24, 32, 40, 48, 63, 1))


@lean
def stirred(a: int, b: int, c: int, d: int, x: int, y: int) -> Tuple:
    """Mix two words of the message into four of the state."""
    a = a + b + x
    d = ((d ^ a) >> _32) | ((d ^ a) << _32)
    c = c + d
    b = ((b ^ c) >> _24) | ((b ^ c) << _40)
    a = a + b + y
    d = ((d ^ a) >> _16) | ((d ^ a) << _48)
    c = c + d
    b = ((b ^ c) >> _63) | ((b ^ c) << _1)
    return a, b, c, d


@lean
def take_block(h: U8, m: U8, taken: int, last: bool) -> None:
    """Take one block into the state h; ``taken`` bytes have been read with it."""
    a0, a1, a2, a3, b0, b1, b2, b3 = h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]
    c0, c1, c2, c3 = _START[0], _START[1], _START[2], _START[3]
    d0, d1, d2, d3 = _START[4] ^ np.uint64(taken), _START[5], _START[6], _START[7]
    if last:
        d2 = d2 ^ _ALL
    for r in range(12):
        o = _ORDER[r]
        a0, b0, c0, d0 = stirred(a0, b0, c0, d0, m[o[0]], m[o[1]])
        a1, b1, c1, d1 = stirred(a1, b1, c1, d1, m[o[2]], m[o[3]])
        a2, b2, c2, d2 = stirred(a2, b2, c2, d2, m[o[4]], m[o[5]])
        a3, b3, c3, d3 = stirred(a3, b3, c3, d3, m[o[6]], m[o[7]])
        a0, b1, c2, d3 = stirred(a0, b1, c2, d3, m[o[8]], m[o[9]])
        a1, b2, c3, d0 = stirred(a1, b2, c3, d0, m[o[10]], m[o[11]])
        a2, b3, c0, d1 = stirred(a2, b3, c0, d1, m[o[12]], m[o[13]])
        a3, b0, c1, d2 = stirred(a3, b0, c1, d2, m[o[14]], m[o[15]])
    h[0] ^= a0 ^ c0
    h[1] ^= a1 ^ c1
    h[2] ^= a2 ^ c2
    h[3] ^= a3 ^ c3
    h[4] ^= b0 ^ d0
    h[5] ^= b1 ^ d1
    h[6] ^= b2 ^ d2
    h[7] ^= b3 ^ d3


@lean
def read_block(buf: U1, p: int, end: int, m: U8) -> None:
    """Read up to 128 bytes as words, filled up with zeros."""
    if end - p >= _BLOCK:
        for i in range(16):
            q = p + 8 * i
            word = np.uint64(buf[q])
            for k in range(1, 8):
                word |= np.uint64(buf[q + k]) << np.uint64(8 * k)
            m[i] = word
        return
    for i in range(16):
        m[i] = np.uint64(0)
    for q in range(p, end):
        k = q - p
        m[k >> 3] |= np.uint64(buf[q]) << np.uint64(8 * (k & 7))


@entry
def span_hashes(buf: U1, off: I8) -> U8:
    """Return the hash of every stretch between two offsets, two words each."""
    rows = len(off) - 1
    found = np.empty((rows, 2), np.uint64)
    h = np.empty(8, np.uint64)
    m = np.empty(16, np.uint64)
    for row in range(rows):
        for i in range(8):
            h[i] = _START[i]
        h[0] ^= _KIND
        p, end = off[row], off[row + 1]
        taken = 0
        while end - p > _BLOCK:
            read_block(buf, p, end, m)
            taken += _BLOCK
            take_block(h, m, taken, False)
            p += _BLOCK
        read_block(buf, p, end, m)
        take_block(h, m, taken + end - p, True)
        found[row, 0] = h[0]
        found[row, 1] = h[1]
    return found


@entry
def first_places(known: U8, keys: U8) -> I8:
    """Return where each key stands first among the known ones, -1 where it does not; two words each."""
    size = 16
    while size < 2 * len(known):
        size *= 2
    mask = np.uint64(size - 1)
    slot = np.full(size, -1, np.int64)
    found = np.full(len(keys), -1, np.int64)
    for i in range(len(known)):
        at = np.int64(known[i, 0] & mask)
        while slot[at] >= 0:
            k = slot[at]
            if known[k, 0] == known[i, 0] and known[k, 1] == known[i, 1]:
                break
            at = (at + 1) & (size - 1)
        if slot[at] < 0:
            slot[at] = i
    for i in range(len(keys)):
        at = np.int64(keys[i, 0] & mask)
        while slot[at] >= 0:
            k = slot[at]
            if known[k, 0] == keys[i, 0] and known[k, 1] == keys[i, 1]:
                found[i] = k
                break
            at = (at + 1) & (size - 1)
    return found
