"""A group of models, and what was published for them: the keywords of one entry of `groups`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, make_dataclass
from typing import Annotated, Any

from hourglass.config.keywords import Keywords
from hourglass.config.types import Name, Positive, Text
from hourglass.metrics.quality import METRICS


def published(metrics: Mapping[str, str]) -> type:
    """Return the class of one model's published figures: their source, and a key for each metric (name -> heading)."""
    scores = [(name, Positive | None, field(default=None)) for name in metrics]
    meanings = {"source": "Where the figures are written."}
    meanings |= {name: f"{heading}, the mean over test images." for name, heading in metrics.items()}
    arguments = "".join(f"    {name}: {meaning}\n" for name, meaning in meanings.items())
    docstring = f"What a paper or its code reached on test images.\n\nArgs:\n{arguments}"
    namespace = {"__doc__": docstring, "__module__": __name__}
    return make_dataclass("Published", [("source", Text), *scores], frozen=True, kw_only=True, namespace=namespace)


Published = published({name: metric.label for name, metric in METRICS.items()})


@dataclass(frozen=True, kw_only=True)
class Group:
    """One entry of `groups`: models that are reported together.

    Args:
        title: The heading of their report.
        published: Figures to stand beside those of a model, by the model's name.
        notes: A sentence below the table on a model, by the model's name.
    """

    title: Text
    published: Mapping[Name, Annotated[Mapping[str, Any], Keywords(Published)]] = field(default_factory=dict)
    notes: Mapping[Name, Text] = field(default_factory=dict)
