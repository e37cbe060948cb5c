# The commands of this repository. CONTRIBUTING.md explains them.
PYTHON ?= python3

VENV := .venv
BIN  := $(VENV)/bin
# Both marker files belong to one environment: the base install, and the development tools on top of it.
BASE  := $(VENV)/.edgecolor-base
READY := $(VENV)/.edgecolor-installed

# Hide TensorFlow's notes on processor features.
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: demo demo-export test test-fast test-slow check docs bench bench-live bench-motion bench-ray bench-training models variants report wheels home-assistant emulated

# Needs no TensorFlow: colors with the shipped model.
demo:
	@echo "This is what you get: 12 gray photographs in color, beside their originals, in examples/out/sheet.jpg."
	@$(MAKE) --no-print-directory --silent $(BASE)
	$(BIN)/python examples/color_photographs.py

demo-export: $(READY)
	$(BIN)/python examples/color_photographs.py --export

# Two processes: each test of a training holds 3 GB.
test: $(READY)
	$(BIN)/python -m pytest -n 2

# Without TensorFlow, Ray, a browser or pip: under a minute.
test-fast: $(READY)
	$(BIN)/python -m pytest -n 2 --fast

# The tests of a file stay together: the blocks of a document build on each other.
test-slow: $(READY)
	$(BIN)/python -m pytest -m slow -n 2 --dist loadfile

# Install and test bundles in four emulated Raspberry Pis: 15 minutes on two cores, and 350 MB of downloads.
emulated: $(READY)
	$(BIN)/python tests/emulated/emulate.py

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Build the documentation site in build/site. A broken link ends the build.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "The site is in build/site. To read it with its search: $(BIN)/python -m http.server -d build/site"

bench: $(READY)
	$(BIN)/python benchmarks/bench.py

bench-live: $(READY)
	$(BIN)/python benchmarks/live.py

# Measure how stable colors are in moving pictures: make bench-motion FILMS="one.mp4 two.mp4". Takes minutes.
bench-motion: $(READY)
	$(BIN)/python benchmarks/motion.py $(FILMS)

# Compare both engines of edgecolor run: make bench-ray PHOTOGRAPHS=folder. Takes minutes.
bench-ray: $(READY)
	@test -d "$(PHOTOGRAPHS)" || { echo "edgecolor: no photographs. Name a folder: make bench-ray PHOTOGRAPHS=folder" >&2; exit 2; }
	$(BIN)/python benchmarks/scale_out.py "$(PHOTOGRAPHS)"

bench-training: $(READY)
	$(BIN)/python benchmarks/training.py

# Train the teachers, then the released models, by their JSON files: make models PREPARED=folder TRUNKS=weights. Hours.
models: $(READY)
	@test -d "$(PREPARED)" || { echo "edgecolor: no prepared photographs. Name a folder: make models PREPARED=folder" >&2; exit 2; }
	for m in t e e-tuned next-m m s; do \
	  $(BIN)/python scripts/remake_model.py models/$$m "$(PREPARED)" -o runs/$$m $(if $(TRUNKS),--trunks "$(TRUNKS)") || exit 1; \
	  last="$$(ls -d runs/$$m/run-* | sort -V | tail -1)"; \
	  case $$m in \
	    m|s) $(BIN)/python scripts/ship_model.py "$$last" $$m || exit 1;; \
	    *) for part in keras json; do cp "$$last/model.$$part" models/$$m/$$m.$$part || exit 1; done;; \
	  esac; \
	done

# Slim and prune m, into models/variants.md: make variants PREPARED=prepared PHOTOGRAPHS=folder. Takes an hour.
variants: $(READY)
	@test -d "$(PREPARED)" && test -d "$(PHOTOGRAPHS)" || { echo "edgecolor: no photographs. Name the output of edgecolor dataset \
	and photographs to measure on: make variants PREPARED=folder PHOTOGRAPHS=folder" >&2; exit 2; }
	$(BIN)/python scripts/compare_variants.py models/m "$(PREPARED)" "$(PHOTOGRAPHS)" -o runs/variants --write models/variants.md

# Compare s and m in every precision, in runs/report/: make report PHOTOGRAPHS=folder. Takes 15 minutes.
# PICTURES='kodak*' shows only photographs whose names match.
EXPORTED := $(foreach m,s m,$(foreach p,float32 float16 dynamic int16x8,runs/report/$(m)_$(p).tflite))

report: $(READY)
	@test -d "$(PHOTOGRAPHS)" || { echo "edgecolor: no photographs. Name color photographs to measure \
	on: make report PHOTOGRAPHS=folder" >&2; exit 2; }
	@$(MAKE) --no-print-directory $(EXPORTED)
	$(BIN)/edgecolor compare models/s/s_int8.tflite models/m/m_int8.tflite $(EXPORTED) models/s/s.keras models/m/m.keras \
	  --data "$(PHOTOGRAPHS)" --pictures "$(or $(PICTURES),*)" -o runs/report/report.html --force

runs/report/s_%.tflite: models/s/s.keras | $(READY)
	$(BIN)/edgecolor export $< --$* --calibration calibration -o $@ --force

runs/report/m_%.tflite: models/m/m.keras | $(READY)
	$(BIN)/edgecolor export $< --$* --calibration calibration -o $@ --force

# What a release uploads: a wheel and a source archive of each package.
wheels: $(READY)
	rm -rf dist
	cd edge_runtime && ../$(BIN)/python -m hatchling build -d ../dist
	$(BIN)/python -m hatchling build -d dist
	$(BIN)/python -m twine check --strict dist/*

# The app for Home Assistant, in build/home-assistant/edgecolor/: copy this folder to /addons of the device.
home-assistant:
	rm -rf build/home-assistant
	mkdir -p build/home-assistant/edgecolor
	cp -R pyproject.toml README.md LICENSE CHANGELOG.md toolkit edge_runtime home-assistant/config.yaml \
	  home-assistant/start_camera.py build/home-assistant/edgecolor
	cat Containerfile home-assistant/Containerfile.app > build/home-assistant/edgecolor/Dockerfile

# Install again when a pyproject.toml changes.
$(BASE): pyproject.toml edge_runtime/pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; \
	  sys.exit(0 if v >= (3, 10) else "edgecolor: needs Python 3.10 or newer, and $(PYTHON) is %d.%d. \
	Name another one: make PYTHON=python3.11" % v)'
	@echo "edgecolor: installing into $(VENV). It downloads about 100 MB, needs 320 MB on disk and takes about a minute."
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "edgecolor: $(PYTHON) cannot create a virtual environment. On Debian, run: apt install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --disable-pip-version-check -e ./edge_runtime -e .
	@touch $@

$(READY): $(BASE)
	@$(BIN)/python -c 'import sys; v = sys.version_info[:2]; \
	  sys.exit(0 if v <= (3, 13) else "edgecolor: TensorFlow needs Python 3.10 to 3.13, and $(VENV) has %d.%d. \
	Delete $(VENV) and name another one: make PYTHON=python3.11" % v)'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ./edge_runtime -e '.[dev]'
	@touch $@
