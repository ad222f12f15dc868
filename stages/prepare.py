"""Decode one data set, split it, check it -> data/prepared/<dataset>/.

source -> reader -> decode in parallel -> split -> arrays of bytes, labels, counts, meta, preview -> contract

train.npy val.npy test.npy   uint8 (N, C, H, W)
labels.csv                   split,index,label,source
counts.csv                   class,train,val,test
meta.json                    shape, scale, classes, counts, copies, skipped files, license, citation
preview.png                  images of every class, with their labels and splits
"""

from pathlib import Path

from hourglass.config.document import Params
from hourglass.console import command
from hourglass.console.errors import UserError
from hourglass.data.preparation import contract, preview
from hourglass.data.preparation.arrays import write_split
from hourglass.data.preparation.decode import decode
from hourglass.data.preparation.description import counts_table, labels_table, meta
from hourglass.data.preparation.entry import Preparation
from hourglass.data.preparation.formats import reader
from hourglass.data.preparation.raw import Target
from hourglass.data.preparation.splits import split
from hourglass.data.tables import write_table
from hourglass.files import whole_folder, write_json
from stages.paths import PARAMS, PREPARED


def main(name: str) -> None:
    """Prepare one data set."""
    params = Params.load(PARAMS)
    entry = Preparation(**params.keywords(Preparation, "datasets", name))
    read = reader(entry.format)
    options = params.keywords(read, "datasets", name, "options")
    source = Path(entry.source).expanduser()
    if not source.is_dir():
        raise UserError(
            f"expected the folder {source}, found none: see datasets.{name}.source, or dvc repro download@{name}"
        )
    raw = read(source, Target(entry.size, entry.color), **options)
    with whole_folder(PREPARED / name) as folder:
        scratch = folder / "decoded"
        decoded = decode(raw, scratch, entry.channels, entry.size, entry.on_bad_image == "skip", name)
        annotations = raw.annotations(decoded.kept)
        how, parts = split(annotations, decoded.copies, entry.split, entry.fractions, entry.seed)
        for part, positions in parts.items():
            write_split(folder / f"{part}.npy", decoded.read(positions), (len(positions), *decoded.image_shape))
        labels = labels_table(annotations, parts)
        write_table(folder / "labels.csv", labels)
        write_table(folder / "counts.csv", counts_table(labels))
        write_json(folder / "meta.json", meta(entry, how, decoded, labels, annotations.classes))
        chosen = preview.choose(labels)
        captions = list(preview.captions(labels, chosen))
        preview.draw_preview(decoded.read(chosen), captions, entry.title or name).save(folder / "preview.png")
        scratch.unlink()
        counts = {part: len(positions) for part, positions in parts.items()}
        contract.check(folder, decoded.image_shape, counts, annotations.classes, entry.allow_constant)
    summary = ", ".join(f"{count} {part}" for part, count in counts.items())
    shape = "x".join(map(str, decoded.image_shape))
    print(f"{name}: {len(decoded.kept)} images of {shape}, {how}: {summary}; {len(decoded.skipped)} skipped")


if __name__ == "__main__":
    command.run(main)
