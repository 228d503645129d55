# Everything runs from .venv, which `make install` makes from requirements/lock.txt.

PYTHON ?= python3
PYTEST_ARGS ?=
LOCK_ARGS ?=

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo test test-faults lint docs lock clean

# Python reads its bytecode from disk: where it may not write any, each import of torch and mmcv costs 10 s more.
export PYTHONDONTWRITEBYTECODE :=

# Relative paths and `python -m` keep the targets working in a folder with spaces in its name.
RUN := .venv/bin/python
UV := .venv/bin/uv
STAMP := .venv/.installed
DEMO := work_dirs/demo
CLASSIFIER := configs/classification/convnext_a.py
DETECTOR := configs/det/cascade_convnext_a_coco.py
SEGMENTOR := configs/seg/upernet_convnext_a_ade20k.py

# Wheels only, so that nothing is ever compiled. The three exceptions are published as source packages and
# become pure-Python wheels: uv builds them in isolation, out of sight of torch, and mmcv then skips its ops.
WHEELS := --only-binary :all: --no-binary onedl-mmcv --no-binary onedl-mmdetection --no-binary onedl-mmsegmentation

ANOTHER := name another interpreter: make install PYTHON=python3.12

define PYTHON_CHECK
import sys
if not (3, 10) <= sys.version_info[:2] <= (3, 13):
    sys.exit('make install: Python 3.10 to 3.13 is needed, this is %d.%d; $(ANOTHER)' % sys.version_info[:2])
try:
    import ensurepip, venv
except ImportError:
    sys.exit('make install: this Python cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv')
endef
export PYTHON_CHECK

define SMOKE_CHECK
import importlib, platform, sys
versions = ['Python ' + platform.python_version()]
for name in ('cv2', 'torch', 'torchvision', 'mmcv', 'mmengine'):
    try:
        versions.append(name + ' ' + importlib.import_module(name).__version__)
    except Exception as error:
        sys.exit('make install: the packages are installed, but importing %s fails: %s' % (name, error))
print('Ready: ' + ', '.join(versions))
endef
export SMOKE_CHECK

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile
	@echo 'Variables: PYTHON=python3.12 picks the interpreter of .venv, PYTEST_ARGS="-k name" is passed to pytest.'

install: $(STAMP)  ## make .venv with the versions of requirements/lock.txt

$(STAMP): requirements/lock.txt requirements/dev.txt setup.py
	@$(RUN) -m pip --version >/dev/null 2>&1 || { \
		command -v "$(PYTHON)" >/dev/null || { echo "make install: there is no '$(PYTHON)' here; $(ANOTHER)" >&2; exit 1; }; \
		"$(PYTHON)" -c "$$PYTHON_CHECK"; \
		echo "making .venv with $$("$(PYTHON)" --version)"; \
		"$(PYTHON)" -m venv --clear .venv; }
	$(RUN) -m pip install --quiet --disable-pip-version-check --constraint requirements/lock.txt uv
	$(UV) pip install --python $(RUN) --no-deps $(WHEELS) --requirement requirements/lock.txt
	$(UV) pip install --python $(RUN) --no-deps --no-build-isolation --editable .
	@$(RUN) -c "$$SMOKE_CHECK"
	@touch $@

demo: install  ## train a backbone, a detector and a segmentor on drawn images and make a page about them, in minutes
	rm -rf $(DEMO)
	$(RUN) tools/train.py $(CLASSIFIER) --data sample --work-dir $(DEMO)/1_backbone --epochs 2
	$(RUN) tools/train.py $(DETECTOR) --data sample --work-dir $(DEMO)/2_detector --pretrained $(DEMO)/1_backbone \
		--epochs 2 --lr 1e-3 --cfg-options train_dataloader.batch_size=2 train_cfg.total_batch_size=2
	$(RUN) tools/train.py $(SEGMENTOR) --data sample --work-dir $(DEMO)/3_segmentor --pretrained $(DEMO)/1_backbone
	$(RUN) tools/test.py $(DEMO)/1_backbone --diagnose
	$(RUN) tools/test.py $(DEMO)/2_detector --diagnose
	$(RUN) tools/test.py $(DEMO)/3_segmentor --diagnose
	$(RUN) tools/report.py $(DEMO)

# Two processes of one thread each, since most tests use one core.
test: install  ## run the tests
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 --dist worksteal $(PYTEST_ARGS)

test-faults: install  ## run the tests that kill runs, fill disks or take whole runs: minutes
	$(RUN) -m pytest -m faults $(PYTEST_ARGS)

lint: install  ## check style (ruff), types (mypy) and the import contracts
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	.venv/bin/lint-imports

docs: install  ## build the documentation site into site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict --quiet
	@echo 'The site is in site/: open site/index.html, or run "python -m http.server -d site" to search it, too.'

# Pins that still fit are kept; move them with LOCK_ARGS, for instance LOCK_ARGS='--upgrade-package timm'.
lock: install  ## update requirements/lock.txt from runtime.txt and dev.txt
	$(UV) pip compile --universal --python-version 3.10 --no-annotate --quiet --custom-compile-command 'make lock' \
		$(WHEELS) $(LOCK_ARGS) requirements/runtime.txt requirements/dev.txt --output-file requirements/lock.txt

clean:  ## remove .venv, caches, site/ and the demo's results; data and other work_dirs stay
	rm -rf .venv build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache $(DEMO)
	find convnext_dense configs tools tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +
