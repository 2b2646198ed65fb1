# Concierge. `make` lists the targets; each sets up what it needs.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=
RUN    ?= runs/path
# A file's tests stay together, so that what its fixtures make is made once; each process holds a model of its own.
SPREAD := -n auto --maxprocesses 4 --dist loadfile

RUN_STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help chat install test test-all path lint format clean

help: ## List the targets
	@echo "Concierge, a conversational recommender. Targets:"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14
	@echo "Settings: PYTHON=$(PYTHON) (3.11 or newer, makes $(VENV)), ARGS='...' (passed on to concierge chat or pytest)"

chat: $(RUN_STAMP) ## Open the chat (fetches the data and the model on the first run); ARGS="--help" lists its options
	@$(BIN)/concierge data fetch
	@$(BIN)/concierge chat $(ARGS)

install: $(DEV_STAMP) ## Make the virtual environment with everything for development

test: $(DEV_STAMP) ## Run the tests; ARGS="-k feedback" picks some
	@$(BIN)/concierge data fetch
	@$(BIN)/python -m pytest $(SPREAD) $(ARGS)

test-all: $(DEV_STAMP) ## Run the slow tests too
	@$(BIN)/concierge data fetch
	@$(BIN)/python -m pytest $(SPREAD) -m "not gpu" $(ARGS)

path: $(DEV_STAMP) ## The whole path on a small setting: data, SFT, reward model, PPO, evaluation, release; ARGS="--data latest"
	@$(BIN)/concierge data fetch
	@$(BIN)/concierge train sft --output $(RUN)/sft --max-steps 20 $(ARGS)
	@$(BIN)/concierge train reward --from $(RUN)/sft/adapter --output $(RUN)/reward --max-steps 10 $(ARGS)
	@$(BIN)/concierge train ppo --adapter $(RUN)/sft/adapter --reward model:$(RUN)/reward/adapter --output $(RUN)/ppo --steps 10 --probe-every 5 --save-steps 5 $(ARGS)
	@$(BIN)/concierge eval policy --policy path=$(RUN)/ppo/adapter --no-library --json $(ARGS) > $(RUN)/slates.json
	@$(BIN)/concierge eval ranking --adapter $(RUN)/ppo/adapter --protocol leave-one-out --users 50 --json $(ARGS) > $(RUN)/ranking.json
	@$(BIN)/concierge release $(RUN)/ppo/adapter $(RUN)/released --figures $(RUN)/ranking.json --slates $(RUN)/slates.json

lint: $(DEV_STAMP) ## Check style (ruff), formatting (ruff) and types (mypy)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(DEV_STAMP) ## Format the code and mend what ruff can mend
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

clean: ## Remove the virtual environment, builds and tools' caches (not the downloads)
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment is made again where its Python is gone, and brought up to date when the requirements change.
$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not here: install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$$($(PYTHON) --version) is too old: Concierge needs 3.11 or newer; name it: make PYTHON=python3.12" >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "python -m venv failed: on Debian and Ubuntu, install python3-venv" >&2; exit 1; }

$(RUN_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Concierge and its requirements into $(VENV) (some minutes on the first run)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(DEV_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Concierge and its development tools into $(VENV) (some minutes on the first run)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev,baselines,tensorboard]'
	@touch $(RUN_STAMP) $@
