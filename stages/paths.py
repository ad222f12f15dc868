"""Where everything is, from the project's folder, and how it is made again. Only stage scripts know paths."""

from pathlib import Path

PARAMS = Path("params.yaml")
CHECKED = Path("data/checked")
RAW = Path("data/raw")  # / <dataset>
PREPARED = Path("data/prepared")  # / <dataset>
DECODED = Path("data/decoded")  # / <dataset>, decoded images that `prepare` need not decode again; no output of a stage
TRAINED = Path("data/trained")  # / <model>
MODELS = Path("data/models")  # / <model>, whole, as it is handed on
CHECKPOINTS = Path("data/checkpoints")  # / <model>, while it trains; no output of a stage
TIMING = Path("data/timing")  # / <model>.json, of the last training on this machine; no output of a stage
LOCKS = Path("data/locks")  # / <stage>-<name>, held while a stage runs; no output of a stage
HISTORY = Path("metrics/history")  # / <model>.csv
CODECS = Path("data/codecs")  # / <dataset>
EVALUATED = Path("data/evaluated")  # / <model>
METRICS = Path("metrics")  # / val or test / <model>.json
PLOTS = Path("plots")  # / <model>, and / reports / <group>.png
GROUPS = Path("data/groups")  # / <group>
GROUP_STAGES = Path("groups/dvc.yaml")
PAGES = Path("reports")  # / <group>.html
REPORTS = Path("metrics/reports")  # / <group>.md


def remedy(stage: str) -> str:
    """Return what to do about an output of a stage that is missing or damaged; ends an error message.

    DVC alone would bring a damaged file of its cache back, again and again.
    """
    return f"make heal && dvc repro {stage}"
