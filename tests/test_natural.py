"""Names are sorted as people count."""

import random
import re

import pytest

from hourglass.natural import natural_key


@pytest.mark.parametrize(
    "names",
    [
        ["", "1", "2", "10", "a", "a1", "a2", "a10", "aa", "b"],
        ["frame", "frame0", "frame9", "frame10", "frame10b", "frame10b2", "framed"],
        ["v1.2", "v1.10", "v2.0", "v10"],
        ["9" * 30, "1" + "0" * 30],
    ],
)
def test_the_order_of_names(names: list[str]) -> None:
    shuffled = list(names)
    random.Random(0).shuffle(shuffled)  # noqa: S311
    assert sorted(shuffled, key=natural_key) == names


def test_the_order_is_that_of_numbers_between_texts() -> None:
    generator = random.Random(0)  # noqa: S311
    names = ["".join(generator.choices("ab019", k=generator.randrange(8))) for _ in range(2000)]

    def pieces(name: str) -> list[tuple[int, int | str]]:
        return [(0, int(piece)) if piece.isdecimal() else (1, piece) for piece in re.split(r"([0-9]+)", name) if piece]

    assert [pieces(name) for name in sorted(names, key=natural_key)] == sorted(map(pieces, names))


def test_different_names_never_tie() -> None:
    names = ["7", "07", "007", "a0", "a", "a00"]
    assert len(set(map(natural_key, names))) == len(names)
