# The commands that people and CI run. `make help` lists them.

PYTHON ?= python3
PORT ?= 8000
DOCKER ?= docker
DOCKER_BUILD_FLAGS ?=
USERS ?= 16
DURATION ?= 15s
ROUNDS ?= 5
MINUTES ?= 10
SECONDS ?= 2
EXAMPLES ?= 10000
CHROMIUM ?= chromium
BIN := .venv/bin
PROTO := app/protocols/grpc
export PIP_DISABLE_PIP_VERSION_CHECK = 1
COMPILE = $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url

CLIENTS := triton kserve mlflow sagemaker

.DEFAULT_GOAL := help
.PHONY: help install run test check clients format lock models image e2e load bench bench-arrow bench-peers ordeal soak profile fuzz fuzz-guided fuzz-document parity picture proto

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/runtime ## Serve the committed models on 127.0.0.1:$(PORT)
	$(BIN)/servefn serve --models models --port $(PORT)

install: .venv/dev ## Everything for development, into .venv

test: .venv/dev ## The tests, but for those that need a container engine
	$(BIN)/pytest

check: .venv/dev ## Lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clients: .venv/dev $(CLIENTS:%=build/clients/%/installed) ## Let clients of other servers ask this one, unchanged
	SERVEFN_CLIENTS=1 $(BIN)/pytest tests/clients

build/clients/%/installed: tests/clients/requirements/%.txt | .venv/dev
	$(BIN)/uv venv -q --clear --python $(BIN)/python build/clients/$*
	$(BIN)/uv pip install -q --python build/clients/$*/bin/python --require-hashes -r $<
	@touch $@

image: ## Build the container image, and list what is in it in build/sbom.json; DOCKER_BUILD_FLAGS are passed on
	DOCKER_BUILDKIT=1 $(DOCKER) build $(DOCKER_BUILD_FLAGS) -t servefn:local \
	  --build-arg REVISION=$(shell git rev-parse HEAD 2>/dev/null || echo unknown) .
	@$(DOCKER) image inspect -f '{{.Size}}' servefn:local | awk '{printf "servefn:local has %.0f MB\n", $$1 / 1e6}'
	@mkdir -p build && $(DOCKER) run --rm --network none servefn:local cat /opt/venv/sbom.json > build/sbom.json

e2e: .venv/dev ## Kill, add and stop replicas under load, on the Docker engine at hand (after make image)
	SERVEFN_E2E=1 DOCKER=$(DOCKER) $(BIN)/pytest -m e2e --log-cli-level=INFO tests/e2e

load: .venv/dev ## Load a server of its own by locust: USERS, DURATION; leaves reports/load.html
	$(BIN)/python -m tests.load.run --users $(USERS) --spawn-rate $(USERS) --run-time $(DURATION)

bench: .venv/dev ## Measure servefn beside hand-written services, on two cores: ROUNDS, SECONDS; writes docs/benchmark.*
	$(BIN)/python -m bench --rounds $(ROUNDS) --seconds $(SECONDS)

bench-peers: .venv/dev ## The same with the other servers of the field, each installed under build/bench/peers
	$(BIN)/python -m bench --peers --rounds $(ROUNDS) --seconds $(SECONDS)

bench-arrow: .venv/dev ## Measure 10,000 rows as an Arrow stream beside the model alone: ROUNDS
	$(BIN)/python -m bench.arrow --rounds $(ROUNDS)

bench-protocols: .venv/dev ## Measure 100 rows over other protocols beside the native one: ROUNDS
	$(BIN)/python -m bench.protocols --rounds $(ROUNDS)

soak: .venv/dev ## Memory under full load, by the minute: MINUTES
	$(BIN)/python -m bench.soak --minutes $(MINUTES)

ordeal: .venv/dev ## What clients lose when things go wrong: versions that move, spoilt bundles, full disks, overload
	$(BIN)/python -m bench.ordeal

profile: .venv/dev ## Where the time of a request goes, stage by stage
	$(BIN)/python -m bench.profile

fuzz: .venv/dev ## Throw bytes that nobody meant at all that takes some, for SECONDS
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

fuzz-guided: .venv/dev ## The same, led by the code that each execution reaches (atheris; Linux on x86-64)
	$(BIN)/python -m tests.fuzz.guided --seconds $(SECONDS)

fuzz-document: .venv/dev ## Ask a real server EXAMPLES of all that /openapi.json allows and forbids (schemathesis)
	$(BIN)/python -m tests.fuzz.document --examples $(EXAMPLES)

parity: .venv/dev ## Export some 700 models and hold each bundle against its original: an hour; writes docs/parity.*
	$(BIN)/python -m tests.matrix

format: .venv/dev ## Put the code in shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

models: .venv/dev ## Train and export the two example models again
	$(BIN)/python -m export.examples.iris
	$(BIN)/python -m export.examples.flights

picture: .venv/dev ## Take the picture of a report, docs/report.png, with CHROMIUM
	$(BIN)/python -m export.examples.flights --models build/picture --report build/picture.html
	$(CHROMIUM) --headless --no-sandbox --hide-scrollbars --window-size=1040,990 --screenshot=docs/report.png \
	  file://$(CURDIR)/build/picture.html

proto: .venv/dev ## Compile the messages of gRPC again
	$(BIN)/python -m grpc_tools.protoc -I $(PROTO) --descriptor_set_out $(PROTO)/messages.binpb inference.proto health.proto

lock: .venv/dev ## Pin every dependency anew, with hashes
	$(COMPILE) pyproject.toml --extra export --extra arrow --extra auth --extra client --extra grpc --extra otel --extra signing --extra zstd --group dev -o requirements/dev.txt
	$(COMPILE) pyproject.toml --extra export -c requirements/dev.txt -o requirements/export.txt
	$(COMPILE) pyproject.toml -c requirements/dev.txt -o requirements/runtime.txt
	$(COMPILE) --group build -c requirements/dev.txt -o requirements/build.txt
	for name in $(CLIENTS); do $(COMPILE) tests/clients/requirements/$$name.in -o tests/clients/requirements/$$name.txt; done
	echo locust | $(COMPILE) - -c requirements/dev.txt -o tests/load/requirements.txt

.venv/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "servefn needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv .venv

.venv/runtime: .venv/pyvenv.cfg requirements/runtime.txt requirements/build.txt pyproject.toml
	$(BIN)/pip install -q --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: .venv/pyvenv.cfg requirements/dev.txt pyproject.toml
	$(BIN)/pip install -q --require-hashes -r requirements/dev.txt
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $@ .venv/runtime
