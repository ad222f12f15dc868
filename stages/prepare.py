"""Decode one data set, split it, check it -> data/prepared/<dataset>/.

source -> reader -> decode in parallel -> split -> shards of bytes, labels, counts, meta, preview -> contract

train/ val/ test/    shards of uint8 (N, C, H, W): train-00000.npy, train-00001.npy, ...
labels.csv           split,index,label,source
counts.csv           class,train,val,test
meta.json            shape, preparation, classes, counts, hash of each split, groups, skipped, license, citation
preparation.json     what turns an image file into an array, which `train` keeps with the model
preview.png          images of every class, with their labels and splits
"""

from dataclasses import replace
from pathlib import Path

from hourglass.config.document import Params
from hourglass.console import command
from hourglass.console.errors import UserError
from hourglass.data.preparation import contract, preview
from hourglass.data.preparation.arrays import write_split
from hourglass.data.preparation.cache import Cache
from hourglass.data.preparation.decode import decode
from hourglass.data.preparation.decoded import Decoded
from hourglass.data.preparation.description import counts_table, labels_table, meta
from hourglass.data.preparation.entry import Dataset
from hourglass.data.preparation.formats import reader
from hourglass.data.preparation.ranks import Indices
from hourglass.data.preparation.raw import RawImages, Target
from hourglass.data.preparation.shards import shard_count, shard_of, shard_order
from hourglass.data.preparation.splits import split
from hourglass.data.tables import write_table
from hourglass.files import whole_folder, write_json
from stages.paths import DECODED, LOCKS, PARAMS, PREPARED


def main(name: str) -> None:
    """Prepare one data set."""
    params = Params.load(PARAMS)
    dataset = Dataset(**params.keywords(Dataset, "datasets", name))
    raw = read(name, dataset, params)
    cache = Cache.open(DECODED / name, dataset.preparation)
    with whole_folder(PREPARED / name) as folder:
        scratch = folder / "decoded"
        decoded = decode(
            raw,
            scratch,
            dataset.preparation,
            skip_bad=dataset.on_bad_image == "skip",
            max_skipped=dataset.max_skipped,
            allow_constant=dataset.allow_constant,
            cache=cache,
            name=name,
        )
        counts, how = write(folder, name, dataset, raw, decoded)
        cache.keep(decoded)
        scratch.unlink(missing_ok=True)
    summary = ", ".join(f"{count} {part}" for part, count in counts.items())
    shape = "x".join(map(str, decoded.image_shape))
    print(f"{name}: {len(decoded.kept)} images of {shape}, {how}: {summary}; {len(decoded.skipped)} skipped")


def read(name: str, dataset: Dataset, params: Params) -> RawImages:
    """Read what the files say of the images; those are read and decoded later."""
    source = Path(dataset.source).expanduser()
    if not source.exists():
        raise UserError(
            f"expected the folder or file {source}, found none: see datasets.{name}.source, "
            f"or dvc repro download@{name}"
        )
    if not (source.is_dir() or source.is_file()):
        raise UserError(f"{source}: expected a folder or a file, got a pipe or device: see datasets.{name}.source")
    read_files = reader(dataset.format)
    options = params.keywords(read_files, "datasets", name, "options")
    return read_files(source, Target(dataset.size, dataset.color), **options)


def write(folder: Path, name: str, dataset: Dataset, raw: RawImages, decoded: Decoded) -> tuple[dict[str, int], str]:
    """Write all of a prepared data set and check it; return the number of images in each split, and the way."""
    annotations = raw.annotations(decoded.kept)
    how, chosen = split(annotations, decoded.digests, dataset.split, dataset.fractions, dataset.seed)
    parts = {part: write_part(folder, part, positions, decoded) for part, positions in chosen.items()}
    labels = labels_table(annotations, parts)
    write_table(folder / "labels.csv", labels)
    write_table(folder / "counts.csv", counts_table(labels))
    preparation = replace(dataset.preparation, size=decoded.image_shape[1:]).values()
    write_json(folder / "preparation.json", preparation)
    write_json(folder / "meta.json", meta(dataset, preparation, how, decoded, labels, annotations, parts))
    shown = preview.choose(labels)
    captions = list(preview.captions(labels, shown))
    preview.draw_preview(decoded.read(shown), captions, dataset.title or name).save(folder / "preview.png")
    contract.check(folder, decoded, parts, annotations.classes)
    return {part: len(positions) for part, positions in parts.items()}, how


def write_part(folder: Path, part: str, positions: Indices, decoded: Decoded) -> Indices:
    """Write the shards of one split; return the positions of its images in the order in which they are there."""
    digests = decoded.digests[positions]
    shards = shard_of(digests, shard_count(len(positions) * decoded.image_bytes))
    order = shard_order(shards)
    write_split(folder / part, decoded.read(positions[order]), shards[order], decoded.image_shape)
    return positions[order]


if __name__ == "__main__":
    command.run(main, LOCKS)
