"""Store test images of a data set as JPEG, WebP, AVIF and PNG and score what comes back -> data/codecs/<dataset>/.

curves.csv    codec,quality,bytes,psnr_db,ssim,header_bytes: means of an image, a row for each codec and quality
about.json    the images, each codec's library and settings, and why something was left out
SHA256SUMS    of the table
"""

import pandas as pd

from hourglass.console import command
from hourglass.console.errors import UserError
from hourglass.data.prepared import open_split
from hourglass.data.sums import write_sums
from hourglass.data.tables import write_table
from hourglass.files import whole_folder, write_json
from hourglass.image_codecs.about import about
from hourglass.image_codecs.sweep import sweep, ways
from stages.paths import CODECS, LOCKS, PREPARED, remedy


def main(name: str) -> None:
    """Measure the rate and the distortion of image codecs on the test split of one data set."""
    again = remedy(f"prepare@{name}")
    images = open_split(PREPARED / name / "test", again)
    if 0 in images.shape:
        raise UserError(f"{PREPARED / name / 'test'}: expected images, got {images.shape}: {again}")
    stored, left_out = ways(len(images), images.shape[1:])
    with whole_folder(CODECS / name) as folder:
        table = pd.DataFrame(sweep(images, stored))
        write_table(folder / "curves.csv", table)
        write_json(folder / "about.json", about(images, stored, left_out))
        write_sums(folder)
    print(f"{name}: {len(table)} points of {', '.join(way.name for way in stored)}")


if __name__ == "__main__":
    command.run(main, LOCKS)
