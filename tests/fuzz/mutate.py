"""Damage bytes as disks, networks and hostile authors do."""

import random

INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**63, 2**64 - 1)
HEADER = 256  # bytes at the start, where sizes and types stand: half of all changes are there


def mutate(content: bytes, draw: random.Random) -> bytes:
    """Return `content` with one to four changes."""
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        content = draw.choice((_flip_bit, _flip_bit, _set_number, _set_number, _cut, _remove, _repeat, _insert, _zero))(
            content, draw
        )
    return content


def _place(content: bytes, draw: random.Random) -> int:
    end = min(HEADER, len(content)) if draw.random() < 0.5 else len(content)
    return draw.randrange(max(end, 1))


def _flip_bit(content: bytes, draw: random.Random) -> bytes:
    place = _place(content, draw)
    return (
        content[:place]
        + bytes(byte ^ 1 << draw.randrange(8) for byte in content[place : place + 1])
        + content[place + 1 :]
    )


def _set_number(content: bytes, draw: random.Random) -> bytes:
    """Write a number at the edge of a type, of either byte order, over what is there."""
    size = draw.choice((1, 2, 4, 8))
    number = draw.choice(INTERESTING) % 256**size
    place = _place(content, draw)
    return content[:place] + number.to_bytes(size, draw.choice(("little", "big"))) + content[place + size :]


def _cut(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content) + 1)]


def _remove(content: bytes, draw: random.Random) -> bytes:
    place = _place(content, draw)
    return content[:place] + content[place + draw.choice((1, 2, 16, 512)) :]


def _repeat(content: bytes, draw: random.Random) -> bytes:
    place, size = _place(content, draw), draw.choice((1, 4, 64, 4096))
    return content[:place] + content[place : place + size] * draw.choice((2, 3, 50)) + content[place + size :]


def _insert(content: bytes, draw: random.Random) -> bytes:
    place = _place(content, draw)
    return content[:place] + draw.randbytes(draw.choice((1, 2, 16, 512))) + content[place:]


def _zero(content: bytes, draw: random.Random) -> bytes:
    place, size = _place(content, draw), draw.choice((1, 16, 512))
    return content[:place] + bytes(min(size, len(content) - place)) + content[place + size :]
