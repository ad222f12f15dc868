"""Where everything lies, from the project's folder. Only stage scripts use these."""

from pathlib import Path

RAW = Path("data/raw")  # / <dataset>
PREPARED = Path("data/prepared")  # / <dataset>
MODELS = Path("data/models")  # / <model>
CHECKPOINTS = Path("data/checkpoints")  # / <model>, of runs that are under way; no DVC stage knows them
EVALUATED = Path("data/evaluated")  # / <group> / <model>
METRICS = Path("metrics")  # / <group> / <model>.json and <model>.history.csv
VALIDATION = Path("metrics/validation")  # / <model>.json
TIMING = Path("metrics/timing")  # / <model>.json
REPORTS = Path("metrics/reports")  # / <group>.md
PLOTS = Path("plots")  # / <group> / <model>, and / reports / <group>.png
