"""Write .dvc/plots/page.html, the page of `dvc plots`, with all scripts in it: `make plots-page`.

DVC's own page loads Vega from another server, and so shows nothing without network. This one is in git, so that it
works in every clone, for whoever has only DVC. It takes npm, and is made again only for another version of a script.
"""

import hashlib
import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from hourglass.files import whole_file

PAGE = Path(".dvc/plots/page.html")
# The last versions for the grammar that DVC's templates are written in, Vega-Lite 5: npm's package, file, SHA-256.
SCRIPTS = {
    "vega@5.33.1": ("vega.min.js", "463f3db6a40b20e9747b4ed38f37ed0add508838f9141b1cf8366784b07b30c8"),
    "vega-lite@5.23.0": ("vega-lite.min.js", "58c27358e26f2d319cf62f45bc17a4c8362f08645001df2ec8d341eee4097c7f"),
    "vega-embed@6.29.0": ("vega-embed.min.js", "12d02acfbe3ec59ef9a37dd4822a2e04e2961b5bbb671bbe661d2221715b99da"),
}
LICENSE = "package/LICENSE"

HEAD = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Plots</title>
<!-- Written by stages/tools/plots_page.py from npm's packages {packages}.

{license}-->
{refresh_tag}
"""
# DVC gives each chart and each picture a <div>, pictures of several commits side by side in one.
FOOT = """\
<style>
  :root { color-scheme: light; }
  body { margin: 1.5rem; background: #fff; color: #222; font: 14px/1.4 system-ui, sans-serif; }
  body > div { max-width: 100%; margin: 0 0 1.5rem; overflow-x: auto; }
  body > div[style] { border: 0 !important; text-align: left !important; }
  body > div > div[style] { border: 1px solid #ddd !important; padding: 0 0.5rem 0.5rem; }
  p { margin: 0.4rem 0; }
  img { max-width: min(100%, 90vw); height: auto; }
  table { border-spacing: 15px; }
</style>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def main() -> None:
    """Fetch the scripts by npm, and write the page."""
    scripts = []
    with TemporaryDirectory() as folder:
        for package, (name, sha256) in SCRIPTS.items():
            command = ["npm", "pack", "--silent", package]
            packed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)  # noqa: S603
            with tarfile.open(Path(folder) / packed.stdout.split()[-1]) as archive:
                script = read(archive, f"package/build/{name}")
                if LICENSE in archive.getnames():  # vega 5.33.1 came without the text, which is the same for all three
                    license_text = read(archive, LICENSE).decode()
            found = hashlib.sha256(script).hexdigest()
            if found != sha256:
                raise SystemExit(f"{package}: expected {name} of SHA-256 {sha256}, got {found}")
            scripts.append(f"<script>{script.decode()}</script>\n")
    head = HEAD.replace("{packages}", ", ".join(SCRIPTS)).replace("{license}", license_text)
    with whole_file(PAGE) as partial:
        partial.write_text(head + "".join(scripts) + FOOT, encoding="utf-8")


def read(archive: tarfile.TarFile, name: str) -> bytes:
    """Return one file of an npm package."""
    opened = archive.extractfile(name)
    assert opened is not None
    return opened.read()


if __name__ == "__main__":
    main()
