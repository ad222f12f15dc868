# Hourglass: `make quickstart` runs the pipeline on bundled images, `make test` checks everything.
# Both set themselves up; the only needs are Python 3.11+ and make.

SHELL := /bin/sh
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# uv reads its own variable for a folder of wheels; hand it the one that pip users set.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)

BASE := .venv/.base
READY := .venv/.ready
BROWSER := .venv/browser/.ready
SERVERS := .venv/.servers
INSTALL := .venv/bin/uv pip install --quiet --compile-bytecode --python .venv/bin/python --constraint constraints.txt
HAS_HYPERQUEUE := sys_platform == "linux" and platform_machine == "x86_64"
PEERS := .venv-benchmarks/.ready

# The kinds of DVC remote that need a plugin: those asked for by REMOTE=, and those of the remotes that this clone has, so
# that a clone of a shared project has the plugin from its first command on, and a new .venv has it again.
KINDS := s3 ssh webdav gs azure
CONFIGS := $(wildcard .dvc/config .dvc/config.local)
CONFIGURED := $(shell sed -nE 's/^ *url *= *(s3|ssh|webdav|gs|azure)s?:.*/\1/p' $(CONFIGS) </dev/null)
PLUGINS := $(patsubst %,.venv/.remote-%,$(sort $(REMOTE) $(CONFIGURED)))
UNKNOWN := $(filter-out $(KINDS),$(REMOTE))
ifneq ($(UNKNOWN),)
$(error expected REMOTE to be one of: $(KINDS), got $(UNKNOWN); a folder and http need no plugin)
endif
.DEFAULT_GOAL := $(if $(REMOTE),remote,help)

.PHONY: remote help merging quickstart repro test lint check check-lock hooks add reference lock benchmark prune heal compare gate plots-page clean

help:
	@echo "make quickstart     set up, then run the pipeline on images that come with the dependencies"
	@echo "make repro          the whole pipeline, downloads included (the same as: dvc repro); JOBS=4 for several stages"
	@echo "                    at once, TARGETS=report@quickstart for a part of it"
	@echo "make check          find every mistake in params.yaml, before any work"
	@echo "make hooks          let git check before every commit and push: .pre-commit-config.yaml says what"
	@echo "make add FILE=...   merge a file of entries into params.yaml, for example docs/iiitm.yaml"
	@echo "make compare A=...  what differs between a commit and now, or B=...: scores, parameters, pictures"
	@echo "make REMOTE=s3      set up, with DVC's plugin for S3; or ssh, webdav, gs, azure: README.md, 'Share with a team'"
	@echo "make gate REV=...   fail if a model got worse since a commit, such as origin/main, than params.yaml allows"
	@echo "make prune          remove what is left of models that params.yaml no longer has"
	@echo "make heal           read all that DVC has stored, and remove what is damaged, so that it is made again"
	@echo "make test           lint, types and tests"
	@echo "make check-lock     find what in git is not of the code and params.yaml beside it"
	@echo "make reference      write params.schema.json and docs/params.md again, from the code"
	@echo "make lock           resolve pyproject.toml into requirements.txt again"
	@echo "make benchmark      training speed beside that of a plain loop, PyTorch Lightning and Keras"
	@echo "make clean          remove the environments; data, models and the DVC cache stay"

remote: $(READY)
	@echo "DVC has the plugins of: $(sort $(REMOTE) $(CONFIGURED)). Next: README.md, 'Share with a team'."

quickstart: $(READY)
	@dvc repro report@quickstart
	@sed '/^## Pictures/,$$d' metrics/reports/quickstart.md
	@echo "The report: reports/quickstart.html, which opens in a browser. Next: README.md, 'Add a model'."

repro: $(READY)
	@$(if $(JOBS),python -m stages.parallel --jobs $(JOBS),dvc repro) $(TARGETS)

check: $(READY)
	@python -m stages.check && echo "params.yaml is right"

# An earlier version set core.hooksPath, with which pre-commit refuses to go on.
hooks: $(READY)
	@test "$$(git config --local core.hooksPath)" != .githooks || git config --local --unset core.hooksPath
	@pre-commit install

add: $(READY)
	@test -n "$(FILE)" || { echo "expected a file of entries: make add FILE=docs/iiitm.yaml"; exit 1; }
	@python -m stages.tools.add "$(FILE)"

compare: $(READY)
	@test -n "$(A)" || { echo "expected a commit, or two: make compare A=HEAD~1 B=HEAD"; exit 1; }
	@python -m stages.tools.compare "$(A)" $(if $(B),"$(B)")

gate: $(READY)
	@test -n "$(REV)" || { echo "expected a commit: make gate REV=origin/main"; exit 1; }
	@python -m stages.gate "$(REV)"

# Needs npm, and only for another version of Vega: the page is in git.
plots-page: $(READY)
	@python -m stages.tools.plots_page

prune: $(READY)
	@python -m stages.tools.prune

heal: $(READY)
	@python -m stages.tools.heal

# Three processes keep 2 cores busy, as tests also wait for disks, locks and servers. Each computes with one thread; where a
# test takes more, those that have nothing to do sleep: by default they spin, and keep others from computing.
test: lint $(BROWSER) $(SERVERS)
	@OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

lint: $(READY)
	@ruff check .
	@ruff format --check .
	@lint-imports --no-logo --no-cache
	@mypy

check-lock: $(READY)
	@python -m stages.tools.check_lock

reference: $(READY)
	@python -m stages.tools.reference

# constraints.txt has every extra's pins, resolved together; requirements.txt is the part of it that every clone installs, so
# that a plugin which is added later replaces no pin.
# Dropped from the locks: a build's local part (+cpu), so that one pin serves CPU and GPU machines, and what only torch's
# CUDA build needs: torch pins that itself, and named here it would be forced on machines without a GPU. Named again: the
# machines that hyperqueue has a wheel for.
COMPILE := uv pip compile --no-annotate --no-header --quiet --python-version 3.11
lock: $(READY)
	@$(COMPILE) pyproject.toml --all-extras --group dev --group servers --group setup --output-file constraints.txt >/dev/null
	@$(COMPILE) pyproject.toml --extra pipeline --extra onnx --extra cluster --group dev --group setup \
		--constraint constraints.txt --output-file requirements.txt >/dev/null
	@$(COMPILE) tests/benchmarks/requirements.in --output-file tests/benchmarks/requirements.txt >/dev/null
	@for file in constraints.txt requirements.txt tests/benchmarks/requirements.txt; do \
		sed -i.old -E 's/\+cpu$$//; /^(nvidia|cuda)-|^triton==/d; s/^hyperqueue==[^ ;]*/& ; $(HAS_HYPERQUEUE)/' $$file && rm $$file.old; done

# Hourglass beside a plain loop, PyTorch Lightning and Keras, which have an environment of their own; half an hour.
benchmark: $(READY) $(PEERS)
	@python -m tests.benchmarks.training

clean:
	@rm -rf .venv .venv-benchmarks

# Every time, in a hundredth of a second: a clone may have its .venv from somewhere else. Nothing but merging needs it.
merging:
	-@sh .githooks/set-up-merging

# A .venv that another Python made, or that is half made, is made again. uv is fetched by pip at its pinned version.
$(BASE): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "expected Python 3.11 or newer, got " + sys.version.split()[0] + ": set PYTHON=/path/to/python3.11")'
	@test ! -L .venv || { echo "expected .venv to be a folder of this checkout, got a link, which would be emptied: remove it"; exit 1; }
	@echo "Setting up .venv (once) ..."
	@$(PYTHON) -m venv --clear .venv
	@.venv/bin/python -m pip install --quiet "$$(grep '^uv==' requirements.txt)"
	@$(INSTALL) --requirement requirements.txt
	@touch $@

# What is in .venv is all that a target needs: the base, and the plugins of this clone's remotes.
$(READY): $(BASE) $(PLUGINS) | merging
	@touch $@

.venv/.remote-%: $(BASE) constraints.txt
	@echo "Adding DVC's plugin for $* ..."
	@$(INSTALL) --requirement pyproject.toml --extra $*
	@touch $@

# The servers against which the tests share, and the plugins for them.
$(SERVERS): $(READY) constraints.txt
	@$(INSTALL) --group servers
	@touch $@

# The headless Chromium in which the tests open a report; see tests/browser.py.
$(BROWSER): tests/browser.py $(READY)
	@python -m tests.browser && touch $@ || echo "without a browser, the tests that open a report in one are skipped"

$(PEERS): tests/benchmarks/requirements.txt | $(READY)
	@.venv/bin/python -m venv --clear .venv-benchmarks
	@uv pip install --quiet --compile-bytecode --python .venv-benchmarks/bin/python --requirement $<
	@touch $@
