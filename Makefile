# make setup       .venv with everything (a few minutes, most of it torch)
# make quickstart  setup, then train and judge a small lifter on built-in data (under 5 minutes on two CPU cores)
# make demo        setup, then a real video from 2D to 3D with the shipped model: a woman who walks by
# make test        setup, then style, types and every test (under 10 minutes on two CPU cores)
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: setup quickstart demo test fast check clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# make /make /p' Makefile

setup: $(VENV)/installed

$(VENV)/installed: requirements.txt requirements-detectors.txt requirements-dev.txt requirements-dev-no-deps.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' \
		|| { echo "Python 3.11 or 3.12 is needed; $$($(PYTHON) --version) was found. Use make PYTHON=python3.12 ..."; exit 2; }
	@echo "Installing into $(VENV): a few minutes, most of it torch"
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-detectors.txt \
		-r requirements-dev-no-deps.txt
	@touch $@

quickstart: setup
	@echo "Training a lifter on built-in data: about 4 minutes on two CPU cores; results go to runs/quickstart/"
	$(RUN) train.py --config configs/quickstart.yaml --checkpoint runs/quickstart --resume auto
	@echo "Results: runs/quickstart/ (table.txt, metrics.json, predictions.png, curves.png, best_epoch.bin)"

DEMO := runs/demo

# The video comes with the Sports2D package (BSD-3-Clause): 230 frames, a man who jumps off a roof and a woman who
# walks by. She is the second person found.
$(DEMO)/demo.mp4: | setup
	@echo "Fetching the demo video of Sports2D"
	@mkdir -p $(DEMO)
	$(RUN) -m pip download --quiet --disable-pip-version-check --no-deps --dest $(DEMO)/wheel sports2d==0.8.34
	$(RUN) -m zipfile -e $(DEMO)/wheel/sports2d-*.whl $(DEMO)/wheel
	mv $(DEMO)/wheel/Sports2D/Demo/demo.mp4 $@
	rm -r $(DEMO)/wheel

demo: $(DEMO)/demo.mp4
	$(RUN) infer_wild.py --vid_path $(DEMO)/demo.mp4 --out_path $(DEMO)/result --focus 2 --stature 1.7 --ergo
	@echo "Look at $(DEMO)/result/report.html, overlay.mp4 and X3D.mp4"

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
