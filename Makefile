# The life of a change. `make` alone lists it; PYTHON=... chooses the interpreter.
PYTHON ?= python

help:   ; @sed -n 's/^\([a-z-]*\): *;.* \# /\1\t/p' $(MAKEFILE_LIST)
test:   ; $(PYTHON) -m pytest  # run every test
lint:   ; $(PYTHON) -m ruff check . && $(PYTHON) -m ruff format --check .  # check style and layout
types:  ; $(PYTHON) -m mypy  # check every annotation, strictly
records: ; .ci/records  # train what is stale of the reference suites, and ship their results (20 minutes if all of it is)
docs:   ; $(PYTHON) docs/generate.py  # write the generated parts of README and docs again
site:   ; $(PYTHON) -m sphinx -q -W --keep-going -b html -c docs . build/site  # build the site of the documents into build/site
bench:  ; $(PYTHON) -m tests.benchmarks.bench_speed --json build/speed.json  # compare training with loops by hand (25 minutes)
bench-parts: ; $(PYTHON) -m pytest -n 0 tests/benchmarks/bench_*.py  # measure plans, tables, pages and sweeps
bench-scale: ; $(PYTHON) -m tests.benchmarks.bench_scale 1000 10000 100000 --merge 1000 --workers 1 4 16  # simulate runs of up to 100,000 batches
bench-jax: ; $(PYTHON) -m tests.benchmarks.bench_jax  # compare a training step with JAX's
chaos:  ; $(PYTHON) tests/chaos.py --kills 100 && $(PYTHON) tests/chaos.py --kills 100 --executor ray  # kill runs at random, and compare their results
oldest: ; .ci/oldest  # run every test with the oldest versions of the dependencies
ci:     ; .ci/run  # do all of it in a fresh environment, and run a suite from the wheel

.PHONY: help test lint types records docs site bench bench-parts bench-scale bench-jax chaos oldest ci
