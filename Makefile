# make demo: everything from a fresh clone to a benchmarked .tflite.   make test: all checks.   make docs: the site.
PYTHON ?= python3
VENV ?= .venv
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
# processes that run tests, up to 4 GB each; on two cores a third one makes all of them slower
WORKERS ?= 2
BIN := $(VENV)/bin
# what the long runs counted, which docs/reliability.md shows
COUNTS := tests/attacks/counts
# processes that share the cores would only wait for each other's threads
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1

.PHONY: demo test test-long test-min test-pythons test-python check format clean docs benchmarks notebooks

demo: $(VENV)/.installed
	$(BIN)/tfprune demo --overwrite

test: $(VENV)/.installed-test check
	$(ONE_THREAD) $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal --durations 30

# on the oldest versions that setup.cfg admits; the command line refuses such a Keras, as it loads files of strangers
test-min: $(VENV)-min/.installed
	$(ONE_THREAD) $(VENV)-min/bin/python -m pytest --numprocesses $(WORKERS) --dist worksteal \
	  -W ignore -m "not slow and not long" tests --ignore=tests/cli --ignore=tests/docs --ignore=tests/attacks

# on other versions of Python, each with the newest packages that it can have: make test-pythons PYTHONS="python3.12"
PYTHONS ?= python3.10 python3.12 python3.13
test-pythons:
	@failed=; for python in $(PYTHONS); do \
	  $(MAKE) --no-print-directory test-python PYTHON=$$python VENV=.venv-$$($$python -c "import sys; print(*sys.version_info[:2], sep='.')") \
	  || failed="$$failed $$python"; done; if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi

test-python: $(VENV)/.installed-parts
	$(ONE_THREAD) $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal \
	  -W ignore -m "not slow and not long" tests --ignore=tests/docs --ignore=tests/attacks

# the long forms of attacks, kills and random graphs, with a log of each in build/long: hours
test-long: $(VENV)/.installed-test
	mkdir -p build/long
	-$(BIN)/python -m pip install --quiet atheris
	@failed=; part() { name=$$1; shift; echo "$$name: $$*"; "$$@" 2>&1 | tee build/long/$$name.txt || failed="$$failed $$name"; }; \
	part pytest env GRAPHS=3000 $(ONE_THREAD) $(BIN)/python -m pytest -m long; \
	part properties env $(ONE_THREAD) $(BIN)/python tests/attacks/properties.py --times 20 --log $(COUNTS)/properties.json; \
	part tflite_files $(BIN)/python tests/attacks/tflite_files.py --count 2000 --log $(COUNTS)/tflite_files.json; \
	part fuzz $(BIN)/python tests/attacks/fuzz.py --seconds 600 --log $(COUNTS)/fuzz.json; \
	part kills $(BIN)/python tests/attacks/kills.py --count 200 --log $(COUNTS)/kills.json; \
	part soak $(BIN)/python tests/attacks/soak.py --seconds 3600 --log $(COUNTS)/soak.json; \
	part large $(BIN)/python tests/attacks/large.py --log $(COUNTS)/large.json; \
	if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi

check: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-test
	$(BIN)/python benchmarks/figures.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "The pages are in build/site; look at them with $(BIN)/mkdocs serve"

notebooks: $(VENV)/.installed-test
	$(BIN)/python examples/notebooks.py

benchmarks: $(VENV)/.installed-test
	$(BIN)/python benchmarks/quick.py

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-test: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	touch $@

$(VENV)/.installed-parts: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[tune,search,report]" "pytest>=8" "pytest-xdist>=3.6" "hypothesis>=6.100"
	touch $@

$(VENV)-min/.installed: setup.cfg tests/minimum.py
	$(PYTHON) -m venv $(VENV)-min
	mkdir -p build
	$(PYTHON) tests/minimum.py > build/minimum.txt
	$(VENV)-min/bin/python -m pip install --quiet --upgrade pip
	$(VENV)-min/bin/python -m pip install --quiet --constraint build/minimum.txt --editable ".[tune,search,report]" \
	  "pytest>=8" "pytest-xdist>=3.6" "hypothesis>=6.100"
	touch $@
