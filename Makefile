# What each target does in plain commands is in README.md, for those who use an environment of their own.
PYTHON ?= python3
RECIPE ?= quickstart
PORT ?= 3000
BIN := .venv/bin
# Only files whose hashes a lock has are installed; locks/make.py explains the locks.
LOCKED := install --quiet --require-hashes --no-deps --no-build-isolation --requirement

# Options of the benchmarks, such as BENCH=--short or BENCH='--only splitting'.
BENCH ?=
FUZZ_MINUTES ?= 10

.PHONY: run test test-rare ui lint types versions docs bench fuzz sbom audit-dependencies locks clean

run: .venv/ready
	$(BIN)/fineline run --recipe $(RECIPE)

# Half of the tests wait for processes of their own, so two at a time are no burden; in their order the long ones come
# early.
test: .venv/ready
	$(BIN)/pytest --numprocesses 2 --dist loadgroup --no-loadscope-reorder

# What takes many minutes, or needs the package index.
test-rare: .venv/ready
	$(BIN)/pytest -m rare

ui: .venv/ready
	$(BIN)/fineline ui --recipe $(RECIPE) --port $(PORT)

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache

# mypy finds packages by their folders; the folders' installed names are under fineline.
types: .venv/ready
	mkdir -p .venv/types/fineline
	for name in assets data_contracts jobs resources schedules; do ln -sfn $(CURDIR)/$$name .venv/types/fineline/$$name; done
	cd .venv/types && MYPYPATH=. $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml --cache-dir $(CURDIR)/.mypy_cache -p fineline

# Records the code of each engine package under its version; SAME names those whose results are the same as before.
versions: .venv/ready
	$(BIN)/python tests/architecture/versions.py --same $(SAME)

# Draws the pictures of docs/architecture.md, and gathers the table of docs/security.md from the tests.
docs: .venv/ready
	$(BIN)/python docs/draw_architecture.py
	$(BIN)/python tests/architecture/outcomes.py

# Other cases each time; the smallest that fails is kept in tests/fuzz/corpus.
fuzz: .venv/ready
	end=$$(( $$(date +%s) + 60 * $(FUZZ_MINUTES) )); while [ $$(date +%s) -lt $$end ]; do \
		FINELINE_FUZZ_EXAMPLES=500 $(BIN)/pytest --quiet tests/fuzz || exit 1; done

# Bill of materials of the environment, in CycloneDX.
sbom: .venv/ready .venv-tools/ready
	.venv-tools/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file sbom.json $(BIN)/python

# Asks PyPI's advisory service for known vulnerabilities of every locked version; fails where it gives no answer.
audit-dependencies: .venv-tools/ready
	for lock in run build cuda tools; do \
		.venv-tools/bin/pip-audit --strict --require-hashes --disable-pip --requirement locks/$$lock.txt || exit 1; done

# Locks what pyproject.toml asks for, at the versions of constraints.txt.
locks: .venv-tools/ready
	.venv-tools/bin/python locks/make.py

.venv/ready: pyproject.toml locks/build.txt locks/run.txt locks/cpu.txt locks/cuda.txt
	$(PYTHON) jobs/cli/preflight.py
	$(PYTHON) -m venv .venv
	$(BIN)/pip $(LOCKED) locks/build.txt
	$(BIN)/pip $(LOCKED) locks/run.txt
# torch without CUDA, where a configured index or folder has it; else PyPI's build, with CUDA's libraries on Linux.
	$(BIN)/pip $(LOCKED) locks/cpu.txt 2> /dev/null || $(BIN)/pip $(LOCKED) locks/cuda.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

.venv-tools/ready: locks/tools.txt
	$(PYTHON) -m venv .venv-tools
	.venv-tools/bin/pip $(LOCKED) locks/tools.txt
	touch $@

# The peers that the benchmarks compare with have an environment of their own.
bench: .venv/ready .venv-bench/ready
	FINELINE_BENCH_PYTHON=$(CURDIR)/.venv-bench/bin/python $(BIN)/python bench/run.py $(BENCH)

.venv-bench/ready: bench/peers.txt bench/peers-alone.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install --quiet --requirement bench/peers.txt
	.venv-bench/bin/pip install --quiet --no-deps --requirement bench/peers-alone.txt
	touch $@

clean:
	rm -rf .venv .venv-bench .venv-tools sbom.json .mypy_cache .pytest_cache .ruff_cache .hypothesis
