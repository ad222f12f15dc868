"""Measure seconds an epoch of training, Hourglass beside others: the same network, images, batches, epochs and machine.

`make benchmark` runs it, or, from the project's folder: python -m tests.benchmarks.training [--help]

    plain      a PyTorch loop as most repositories have
    lightning  PyTorch Lightning
    keras      Keras 3 on TensorFlow
    floor      the matrix products and convolutions alone, in PyTorch

All compute on the CPU, one process after the other, validation included. It writes plots/benchmarks/training.md and
.png, and fails when a runner does.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from hourglass.figures.style import save

from .runners.job import Job, Result
from .training_report import describe_machine, describe_spread, draw, find_differences, format_table, median_seconds
from .workloads import ROOT, WORKLOADS, Workload, write_images

OTHERS = ROOT / ".venv-benchmarks/bin/python"  # Lightning and Keras are no dependencies of Hourglass
# Each is a module in tests/benchmarks/runners/, run by a Python, perhaps with an option.
RUNNERS: dict[str, tuple[str, ...]] = {
    "hourglass": (sys.executable, "hourglass"),
    "plain": (sys.executable, "plain"),
    "lightning": (str(OTHERS), "lightning"),
    "keras": (str(OTHERS), "keras"),
    "floor": (sys.executable, "floor"),
}
VARIANTS: dict[str, tuple[str, ...]] = {
    "not deterministic": (sys.executable, "hourglass", "--not-deterministic"),
    "compiled": (sys.executable, "hourglass", "--compile"),
}
OUTPUT = ROOT / "plots/benchmarks"


def main() -> None:
    """Measure, print, write."""
    arguments = parse_arguments()
    workloads = {name: WORKLOADS[name] for name in arguments.only or WORKLOADS}
    check_needs(workloads)
    results = {name: measure(name, workload, arguments) for name, workload in workloads.items()}
    differences = find_differences(results)
    lines = [
        "# Training: seconds an epoch",
        "",
        describe_machine(results),
        "",
        *format_table(results),
        "",
        describe_spread(results),
    ]
    if differences:
        lines += ["", *(f"- {line}" for line in differences)]
    if arguments.steps is not None or arguments.epochs is not None:
        lines += [
            "",
            f"A trial: --steps {arguments.steps} --epochs {arguments.epochs}. Its times are not to be compared.",
        ]
    OUTPUT.mkdir(parents=True, exist_ok=True)
    print("\n".join(["", *lines, ""]))
    if not arguments.variants:
        (OUTPUT / "training.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
        save(draw(results), OUTPUT / "training.png")
        print(f"{OUTPUT / 'training.md'}, {OUTPUT / 'training.png'}")
    sys.exit(any(result is None for row in results.values() for result in row.values()))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.training", description=str(__doc__).splitlines()[0]
    )
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, metavar="WORKLOAD", help=", ".join(WORKLOADS))
    parser.add_argument("--variants", action="store_true", help="Hourglass beside its own options, not beside others")
    parser.add_argument("--epochs", type=int, help="timed epochs, after one that is not (default: each workload's)")
    parser.add_argument("--steps", type=int, help="cut the images to so many batches: a trial")
    return parser.parse_args()


def check_needs(workloads: dict[str, Workload]) -> None:
    """Exit with a line on what is not there, before anything runs."""
    for dataset in dict.fromkeys(workload.dataset for workload in workloads.values()):
        if not all((ROOT / "data/prepared" / dataset / split).is_dir() for split in ("train", "val")):
            sys.exit(f"expected data/prepared/{dataset}, found none: dvc repro prepare@{dataset}")
    if not OTHERS.exists():
        sys.exit("expected .venv-benchmarks, found none: make benchmark")


def measure(name: str, workload: Workload, arguments: argparse.Namespace) -> dict[str, Result | None]:
    """Run every runner on a workload; None for one that failed."""
    results: dict[str, Result | None] = {}
    with tempfile.TemporaryDirectory() as folder:
        train, val = write_images(workload, Path(folder), arguments.steps)
        job = Job(
            train=str(train),
            val=str(val),
            batch_size=workload.batch_size,
            epochs=1 + (arguments.epochs or workload.epochs),
            family=workload.family,
            network=dict(workload.network),
            optimizer=workload.optimizer,
            learning_rate=workload.learning_rate,
            optimizer_settings=dict(workload.optimizer_settings),
        )
        for runner in ["hourglass", *VARIANTS, "floor"] if arguments.variants else RUNNERS:
            print(f"{name}: {runner}, {job.epochs} epochs ... ", end="", flush=True)
            result = results[runner] = run(runner, job)
            print("failed" if result is None else f"{median_seconds(result):.3g} s an epoch", flush=True)
    return results


def run(runner: str, job: Job) -> Result | None:
    """Run one runner in a process of its own; if it fails, print the end of what it said and return None."""
    python, module, *options = (RUNNERS | VARIANTS)[runner]
    done = subprocess.run(
        [python, "-m", f"tests.benchmarks.runners.{module}", json.dumps(dataclasses.asdict(job)), *options],
        cwd=ROOT,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print("\n" + "\n".join(done.stderr.splitlines()[-5:]), file=sys.stderr, flush=True)
        return None
    return Result(**json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
