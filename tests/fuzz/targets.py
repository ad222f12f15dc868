"""All fuzz targets by name: a file of this folder for each kind of file that is read."""

from importlib import import_module
from importlib.util import find_spec

from tests.fuzz.harness import Target

MODULES = ("archives", "documents", "images", "tables")
TARGETS: dict[str, Target] = {
    target.name: target
    for module in MODULES
    if find_spec(f"tests.fuzz.{module}")
    for target in import_module(f"tests.fuzz.{module}").TARGETS
}
