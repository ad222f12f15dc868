"""Draw one model's pictures -> plots/<model>/<figure>.png, one for each figure of hourglass/figures/ that applies."""

import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

from matplotlib.figure import Figure

from hourglass import figures
from hourglass.config.document import Params
from hourglass.config.entries import Model
from hourglass.console import command
from hourglass.console.errors import UserError
from hourglass.data.documents import read_json
from hourglass.data.prepared import open_array, open_images, open_split
from hourglass.data.tables import read_table
from hourglass.figures.evaluated import Evaluated, Generated
from hourglass.figures.style import save
from hourglass.files import whole_folder
from stages.paths import EVALUATED, HISTORY, PARAMS, PLOTS, PREPARED


def main(name: str) -> None:
    """Draw a model on its test split, from the evaluated arrays alone."""
    entry = Params.load(PARAMS).keywords(Model, "models", name)
    model = read(name, EVALUATED / name, PREPARED / entry["dataset"], HISTORY / f"{name}.csv")
    with whole_folder(PLOTS / name) as folder:
        for figure, draw in drawings():
            picture = draw(model)
            if picture is not None:
                save(picture, folder / f"{figure}.png")


def drawings() -> Iterator[tuple[str, Callable[[Evaluated], Figure | None]]]:
    """Yield the name and `draw` of every module in hourglass/figures that has one."""
    for module in pkgutil.iter_modules(figures.__path__):
        draw = getattr(import_module(f"{figures.__name__}.{module.name}"), "draw", None)
        if draw is not None:
            yield module.name, draw


def read(name: str, evaluated: Path, prepared: Path, history: Path) -> Evaluated:
    """Read what `train`, `prepare` and `evaluate` left of a model; arrays are memory-mapped."""
    again = f"dvc repro --force evaluate@{name}"
    if not evaluated.is_dir():
        raise UserError(f"expected {evaluated}, found none: {again}")
    return Evaluated(
        name=name,
        originals=open_split(prepared / "test", f"dvc repro --force prepare@{prepared.name}"),
        reconstructions=open_images(evaluated / "reconstructions.npy", again),
        latents=open_array(evaluated / "latents.npy", again),
        labels=read_table(evaluated / "labels.csv", ["index", "label", "source"], again),
        scores=read_table(evaluated / "scores.csv", ["index"], again),
        history=read_table(history, ["epoch"], f"dvc repro --force train@{name}"),
        about=read_json(evaluated / "about.json", again),
        generated=read_generated(evaluated, again) if (evaluated / "variations.json").exists() else None,
    )


def read_generated(evaluated: Path, again: str) -> Generated:
    """Read what `evaluate` writes for generative families alone."""
    described = read_json(evaluated / "variations.json", again)
    return Generated(
        samples=open_array(evaluated / "samples.npy", again),
        variations=open_array(evaluated / "variations.npy", again),
        interpolation=open_array(evaluated / "interpolation.npy", again),
        **described,
    )


if __name__ == "__main__":
    command.run(main)
