# make setup       .venv with everything (a few minutes, most of it torch)
# make quickstart  setup, then train and judge a small lifter on built-in data (under 5 minutes on two CPU cores)
# make test        setup, then style, types and every test (under 10 minutes on two CPU cores)
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: setup quickstart test fast check clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# make /make /p' Makefile

setup: $(VENV)/installed

$(VENV)/installed: requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' \
		|| { echo "Python 3.11 or 3.12 is needed; $$($(PYTHON) --version) was found. Use make PYTHON=python3.12 ..."; exit 2; }
	@echo "Installing into $(VENV): a few minutes, most of it torch"
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	@touch $@

quickstart: setup
	@echo "Training a lifter on built-in data: about 4 minutes on two CPU cores; results go to runs/quickstart/"
	$(RUN) train.py --config configs/quickstart.yaml --checkpoint runs/quickstart --resume auto
	@echo "Results: runs/quickstart/ (table.txt, metrics.json, predictions.png, curves.png, best_epoch.bin)"

test: setup
	@echo "Style, types and all tests: under 10 minutes on two CPU cores"
	$(MAKE) --no-print-directory check
	$(RUN) -m pytest --durations=5

fast: setup
	$(RUN) -m pytest -m "not slow"

check: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

clean:
	rm -rf runs .pytest_cache .mypy_cache .ruff_cache
