"""README's 'Merge two branches' on real conflicts: branches of a real pipeline, each with its own runs."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import ROOT, Project, copy_of
from .test_merge_lock import sections

REPORTS = {"check", "groups/dvc.yaml:quickstart", "report@quickstart"}
DENSE = {"train@digits-dense", "evaluate@digits-dense"}
