# make demo        a first look: three pictures of what the network sees in a photo
# make test        everything that must hold: lint, types, tests, comparisons with frameworks
# make lint, fix, bench, docs
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint fix bench docs weights clean

demo: $(VENV)/core
	@mkdir -p demo
	@$(BIN)/godeeper peek examples/chelsea.jpg --out demo
	@echo
	@echo "These are the blog's three tensors: open demo/*.png."
	@echo "Next: $(BIN)/godeeper peek YOUR_PHOTO mixed_7/join, or $(BIN)/godeeper --help"

test: lint
	$(BIN)/python -m pytest tests

lint: $(VENV)/test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

fix: $(VENV)/test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/core
	$(BIN)/python bench/peek.py

docs: $(VENV)/core
	$(BIN)/python scripts/make_docs.py

weights: $(VENV)/core
	$(BIN)/python scripts/bundle_weights.py --check

clean:
	rm -rf $(VENV) demo

# Each stamp is made once its packages are installed, and again when what they depend on changes.
$(VENV)/core: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/test: $(VENV)/core
	$(BIN)/python -m pip install --quiet --group dev
	$(BIN)/python -m pip install --quiet --group peers
	@touch $@
