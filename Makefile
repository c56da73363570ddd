# `make help` lists the targets. Three environments: .venv/service holds the service alone, .venv/test adds what its tests
# need, .venv/dev holds everything, torch included.
.DEFAULT_GOAL := help
PYTHON  ?= python3
SERVICE := .venv/service
TEST    := .venv/test
DEV     := .venv/dev
CONFIG  ?= training/configs/default.toml
RUN     ?= runs/$(basename $(notdir $(CONFIG)))
BUNDLE  ?= models/digits-vae/2
BENCH   := $(DEV)/bin/python -m benchmarks.serving
PIP     := -m pip --disable-pip-version-check install --quiet
# The tests that .venv/test lacks packages for (torch, matplotlib, hadolint), and those that take long.
NEEDS_DEV := --ignore=tests/training --ignore=tests/benchmarks --ignore=tests/faults --ignore=tests/examples \
	--ignore=tests/clients \
	--deselect=tests/project/test_container.py::test_linters_find_nothing

.PHONY: help serve test test-all check fmt data train evaluate report export bench bench-quick bench-peers lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

serve: $(SERVICE)/.done ## serve the committed models on http://127.0.0.1:8000
	@$(SERVICE)/bin/python -m service

test: $(TEST)/.done ## run the tests that need no torch, in three minutes
	@$(TEST)/bin/python -m pytest -n 2 $(NEEDS_DEV)

test-all: $(DEV)/.done ## run all tests, with coverage
	@$(DEV)/bin/python -m pytest -n 2 --cov --cov-report=term

check: $(DEV)/.done ## lint, format and types, without changing a file
	@$(DEV)/bin/ruff check .
	@$(DEV)/bin/ruff format --check .
	@$(DEV)/bin/mypy
	@$(DEV)/bin/lint-imports

fmt: $(DEV)/.done ## format the code and fix what the linter can
	@$(DEV)/bin/ruff format .
	@$(DEV)/bin/ruff check --fix .

data: $(DEV)/.done ## fetch MNIST into ./data, or verify $$MNIST_DIR
	@$(DEV)/bin/python -m training data

train: $(DEV)/.done ## learn CONFIG (training/configs/default.toml) into RUN
	@$(DEV)/bin/python -m training fit $(CONFIG) --run $(RUN)

evaluate: $(DEV)/.done ## measure RUN on the test set
	@$(DEV)/bin/python -m training evaluate $(RUN)

export: $(DEV)/.done ## write RUN as a bundle below models/
	@$(DEV)/bin/python -m training export $(RUN)

report: $(DEV)/.done ## measure BUNDLE through its ONNX graphs and print its figures
	@$(DEV)/bin/python -m training report $(BUNDLE)

bench: $(DEV)/.done ## measure the service against its limits and a naive one; needs wrk; ARGS=--write
	@$(BENCH) $(ARGS)

bench-quick: $(DEV)/.done ## the same in two minutes; ARGS="--before CHECKOUT" compares two states
	@$(BENCH) --quick $(ARGS)

bench-peers: $(DEV)/.done ## measure it against mosec, LitServe, BentoML, MLServer and KServe
	@$(BENCH) --peers $(ARGS)

lock: $(DEV)/.done ## renew every pinned version in requirements/
	@requirements/lock $(DEV)/bin/python

clean: ## remove the environments and every cache
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*

$(SERVICE)/.done: requirements/service.txt
	@echo "Setting up the service's environment in $(SERVICE) …"
	@$(PYTHON) -m venv --clear $(SERVICE)
	@$(SERVICE)/bin/python $(PIP) --require-hashes --only-binary :all: -r $<
	@touch $@

$(TEST)/.done: requirements/test.txt
	@echo "Setting up the tests' environment in $(TEST) …"
	@$(PYTHON) -m venv --clear $(TEST)
	@$(TEST)/bin/python $(PIP) --require-hashes --only-binary :all: -r $<
	@touch $@

$(DEV)/.done: requirements/dev.txt
	@echo "Setting up the development environment in $(DEV) …"
	@$(PYTHON) -m venv --clear $(DEV)
	@$(DEV)/bin/python $(PIP) -r $<
	@touch $@
