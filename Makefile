# Every target sets up .venv by itself, with the versions of constraints.txt.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: train test long parity lint clean

train: .venv/ready
	$(BIN)/python -m keras_refs.train conv_classifier

# The same tests whether or not PyTorch is installed. By file, so that what a file's tests share is made once.
test: .venv/ready
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --ignore tests/parity --ignore tests/long

# Whole trainings, and the committed models on their whole test splits.
long: .venv/ready
	$(BIN)/python -m pytest --numprocesses 2 tests/long

# Without PyTorch no test is left, which pytest counts as a failure.
parity: .venv/parity
	$(BIN)/python -m pytest tests/parity

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf .venv

.venv/ready: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	PIP_CONSTRAINT='$(CURDIR)/constraints.txt' $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[serve,test]'
	touch $@

.venv/parity: .venv/ready
	PIP_CONSTRAINT='$(CURDIR)/constraints.txt' $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[parity]'
	touch $@
