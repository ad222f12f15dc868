"""The entry of params.yaml that only says what belongs together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hourglass.config.types import Text


@dataclass(frozen=True, kw_only=True)
class Model:
    """One entry of `models`.

    Args:
        group: The name in `groups` of the models that it is reported with; moving it to another trains nothing.
        dataset: The name in `datasets` of the images that it is fitted to and scored on.
        family: The kind of network, a file of hourglass/networks.
        network: The keywords of the family.
        training: How it is fitted; empty for a family that is solved.
    """

    group: Text
    dataset: Text
    family: Text
    network: Mapping[str, Any]
    training: Mapping[str, Any]
