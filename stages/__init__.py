"""The stages of the pipeline, one script each, and the modules that they are made of."""

import sys

# Python imports this before a script of this folder that it was told to run, `python -m stages.train`, and says so with
# "-m" in place of the script's name. The scripts then import for seconds: a signal in that time ends them in one line.
# Who imports this from elsewhere keeps all signals as they are.
if sys.argv[:1] == ["-m"]:
    from hourglass.console.signals import end_at_once

    end_at_once()
