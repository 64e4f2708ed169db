# The verbs of a checkout. All they need is Python 3.11 to 3.13 (PYTHON=… chooses one) and make.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo up down test test-cluster lint format bench verify outdated locks images setup clean
MAKEFLAGS += --no-print-directory

LAKEHOLD := .venv/bin/lakehold
PYTEST := .venv/bin/python -m pytest
# Tests of one kind: make test TESTS=tests/unit. Two files at a time, with servers of their own; the platform once.
TESTS ?= tests/unit tests/component tests/platform

# The first Python that fits; the checkout's own answers fastest.
define BOOTSTRAP
set -e; \
for python in $(if $(PYTHON),"$(PYTHON)",.venv/bin/python python3 python3.13 python3.12 python3.11 python); do \
  if "$$python" -I -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then \
    exec "$$python" -I platform/bootstrap.py $(1); \
  fi; \
done; \
echo "No Python 3.11 to 3.13 was found$(if $(PYTHON), at PYTHON=$(PYTHON))." >&2; \
echo "  remedy: install one, or name it: make <verb> PYTHON=/path/to/python3.11" >&2; exit 1
endef

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: ## Start the platform, run its main job on a year of real flights, and show the results.
	@$(call BOOTSTRAP,demo)
	@$(LAKEHOLD) demo

up: ## Start the platform and wait until all of it is healthy.
	@$(call BOOTSTRAP,demo)
	@$(LAKEHOLD) up

down: ## Stop the platform; its state stays in .lakehold.
	@$(call BOOTSTRAP,demo)
	@$(LAKEHOLD) down

test: setup ## Run all tests, the fast ones first (TESTS=tests/unit runs some).
	@$(LAKEHOLD) pins fetch --with-tests
	@set -e; for tests in $(TESTS); do \
	  case $$tests in tests/platform*) workers=0;; *) workers=2;; esac; \
	  $(PYTEST) --numprocesses $$workers --dist loadfile $$tests; \
	done

test-cluster: setup ## Install the chart on a real cluster, made for it, and try it there (root; TESTS=… runs some).
	@$(LAKEHOLD) pins fetch --with-tests
	@.venv/bin/python -m lakehold.images build
	@$(PYTEST) --numprocesses 0 $(if $(filter file,$(origin TESTS)),tests/cluster,$(TESTS))

lint: setup ## Check style, types, layers and YAML; change nothing.
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	.venv/bin/yamllint --strict .

format: setup ## Put the code in its usual shape.
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench: ## Measure this machine's start, memory and throughput into docs/reference/benchmarks.md.
	@$(call BOOTSTRAP,demo)
	@.venv/bin/python bench/report.py

verify: ## Check every file in the store against the pins and the locks, and the chart against the declarations.
	@$(call BOOTSTRAP,demo)
	@$(LAKEHOLD) pins verify
	@.venv/bin/python -m lakehold.cluster.chart --check .

outdated: ## Say which pins are behind their registries.
	@$(call BOOTSTRAP,demo)
	@$(LAKEHOLD) pins outdated

locks: setup ## Resolve platform/locks/*.in again (needs the network; review the difference).
	@set -e; for name in bootstrap lakehold dev airflow airflow-cluster dbt engine; do echo "locking $$name"; (cd platform/locks && \
	  ../../.venv/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header \
	    --output-file $$name.txt $$name.in); done
	@cd tests/cluster && ../../.venv/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header \
	  --output-file checkov.txt checkov.in

images: ## Build the container images into dist/images (IMAGES="trino postgres" builds some).
	@$(call BOOTSTRAP,demo)
	@.venv/bin/python -m lakehold.images build $(IMAGES)

setup: ## Make .venv with the developer's tools.
	@$(call BOOTSTRAP,dev)

clean: ## Remove .venv and caches; asks first, or YES=1. Keeps the platform's state and the store.
	@$(call BOOTSTRAP,clean)
