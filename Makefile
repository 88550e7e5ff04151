# Everything stays in the checkout: .venv for Python, tests/peers/node_modules for the test peers, var for data.
# The system's package manager is asked only where something is missing: for Debian's python3-venv by `make setup`
# (tools/make-venv.sh), for SIPp, Kamailio, freeDiameter, tshark, Chromium, Node.js and npm by `make test`
# (tools/test-peers.sh).

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test lint unit clean

CONFIG ?= louhua.example.toml

help:            ## Show this help
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

setup: .venv/.ready   ## Make .venv with louhua in it

.venv/.ready: pyproject.toml constraints.txt tools/make-venv.sh
	@tools/make-venv.sh .
	@touch $@

.venv/.ready-test: .venv/.ready
	@tools/make-venv.sh '.[test]'
	@touch $@

demo: setup      ## Run the main job to its end, over real SIP, RTP and SMPP, and show what happened
	@.venv/bin/louhua demo

serve: setup     ## Start the platform (CONFIG=louhua.example.toml) and leave it running
	@.venv/bin/louhua serve --config $(CONFIG)

lint: .venv/.ready-test   ## Check style, types and the layers
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

unit: .venv/.ready-test   ## Run the tests, installing the test peers where missing
	@tools/test-peers.sh
	@.venv/bin/python -m pytest -n 2 --dist loadfile

test: lint unit  ## Check and test everything

clean:           ## Remove what the other targets made, but not var
	rm -rf .venv tests/peers/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
