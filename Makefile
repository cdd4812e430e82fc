# make demo                a first look: three pictures of the network's activations for a photo
# make test                all checks: lint, types, tests, comparisons with Keras, TensorFlow and PyTorch
# make test-peers          the comparisons that also need torchvision, timm and pytorch-fid, in their own environment
# make bench               time and memory beside scripts that do the same with other libraries
# make bench-retrain       training: time, memory, planted faults found, accuracy beside the blog's algorithm
# make docs                regenerate the generated pages and pictures
# make screenshots         the pictures of the web page in docs/; needs Chromium (apt-get install chromium)
# make lint, fix, weights, clean
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
export TF_CPP_MIN_LOG_LEVEL := 3

.PHONY: demo test test-peers lint fix bench bench-retrain docs screenshots weights clean

demo: $(VENV)/core
	@$(BIN)/godeeper peek examples/chelsea.jpg --out demo
	@echo
	@echo "These are the blog's three tensors: open demo/*.png."
	@echo "Next: $(BIN)/godeeper peek YOUR_PHOTO mixed_7/join, or $(BIN)/godeeper --help"
	@echo "To walk through the network in the browser: $(BIN)/godeeper serve --open"

# Two processes; a file of tests stays in one of them, so that its fixtures are made once.
test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile tests

test-peers: $(PEERS)/ready
	$(PEERS)/bin/python -m pytest -m peers tests

lint: $(VENV)/test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

fix: $(VENV)/test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/bench
	$(BIN)/python -m bench.all

bench-retrain: $(VENV)/bench
	status=0; for each in retrain planted retrain_py; do $(BIN)/python -m bench.training.$$each || status=1; done; exit $$status

docs: $(VENV)/core
	$(BIN)/python scripts/draw_architecture.py
	$(BIN)/python scripts/make_docs.py

screenshots: $(VENV)/test
	$(BIN)/python scripts/screenshots.py

weights: $(VENV)/core
	$(BIN)/python scripts/bundle_weights.py --check

clean:
	rm -rf $(VENV) $(PEERS) bench/.venv-peers bench/results demo

# A stamp is made after its packages are installed, and again when pyproject.toml changes.
$(VENV)/core: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/test: $(VENV)/core
	$(BIN)/python -m pip install --quiet --group dev
	$(BIN)/python -m pip install --quiet --group peers
	@touch $@

$(VENV)/bench: $(VENV)/core
	$(BIN)/python -m pip install --quiet --group bench
	@touch $@

# torchvision and timm are installed without their dependencies, which would pull in a PyTorch built for GPUs.
$(PEERS)/ready: pyproject.toml
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --upgrade pip
	$(PEERS)/bin/python -m pip install --quiet --editable .
	$(PEERS)/bin/python -m pip install --quiet --group test
	$(PEERS)/bin/python -m pip install --quiet --group peers huggingface_hub pyyaml
	$(PEERS)/bin/python -m pip install --quiet --no-deps torchvision==0.28.0 timm==1.0.31 pytorch-fid==0.3.0
	@touch $@
