# Sets up, runs and checks the hub. Every target can be called first and called again.
PYTHON ?= python3
RESIDENTS ?= 20000
SEED ?= 7
BIN := .venv/bin
export HUB_HOME ?= $(CURDIR)/.hub

.PHONY: demo divisions serve test test-spark check bench clean

demo: .venv/run
	$(BIN)/hub demo examples/city --residents $(RESIDENTS) --seed $(SEED)

divisions: .venv/run
	HUB_HOME=$(HUB_HOME)/divisions sh examples/divisions/walk.sh $(BIN)/hub $(DIVISIONS)

serve: .venv/run
	$(BIN)/hub serve

test: .venv/dev
	$(BIN)/pytest -n 3 --dist worksteal $(PYTEST)

# Linking, fusing and suites on both engines, Spark with two executors; needs Java 17 or newer.
test-spark: .venv/spark
	HUB_ENGINE=$${HUB_ENGINE:-"local-cluster[2,1,1024]"} $(BIN)/pytest tests/test_engines.py tests/reconcile/test_quality_spark.py

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Every module of bench/ that can be run; what stands here keeps the large ones short.
BENCHES := $(filter-out engines,$(patsubst bench/%.py,%,$(shell grep -l __main__ bench/*.py)))
BENCH_scale := --residents 100000
BENCH_gate := --rows 200000
BENCH_unkeyed := --people 20000
BENCH_relink := --residents 20000
BENCH_engines := --people 20000 --engine duckdb --engine "local[2]"

bench: .venv/dev $(addprefix bench-,$(BENCHES)) bench-engines

bench-%: .venv/dev
	@echo "== $*"
	$(BIN)/python -m bench.$* $(BENCH_$*)

bench-engines: .venv/dev
	@echo "== engines"
	if command -v java >/dev/null && $(BIN)/python -c "import pyspark" 2>/dev/null; then \
	    $(BIN)/python -m bench.engines $(BENCH_engines); else echo "skipped: no Spark here"; fi

clean:
	rm -rf .venv .hub build *.egg-info .mypy_cache .ruff_cache .import_linter_cache

# The package is installed without its dependencies, which come pinned and hashed.
.venv/run: constraints/run.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

.venv/dev: constraints/dev.txt .venv/run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints/dev.txt
	touch $@

.venv/spark: constraints/spark.txt .venv/dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-build-isolation -r constraints/spark.txt
	touch $@
