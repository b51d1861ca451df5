# Every target sets up .venv by itself, with the versions of constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
INSTALL = PIP_CONSTRAINT='$(CURDIR)/constraints.txt' $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable
# Groups of tests that need more than the others: the extras of each.
GROUPS := bert browser cluster interop notebooks parity wheel workers
EXTRAS_bert := bert,parity
EXTRAS_browser := playground,browser
EXTRAS_cluster := ray
EXTRAS_docs := docs
EXTRAS_interop := compress,interop
EXTRAS_notebooks := compress,notebooks
OPTIONS_interop := --numprocesses 2
OPTIONS_notebooks := --numprocesses 2
EXTRAS_parity := bert,parity
EXTRAS_wheel := release
EXTRAS_workers := test

# Where there is no TensorFlow.
OTHER_BACKENDS := .venv/other_backends

.PHONY: train test long backends docs lint clean $(GROUPS)

train: .venv/ready
	$(BIN)/python -m keras_refs.train conv_classifier

# The same tests whatever else is installed. By file, so that what a file's tests share is made once.
test: .venv/ready
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(GROUPS:%=--ignore tests/%) --ignore tests/backends --ignore tests/long

# Whole trainings, and the committed models on their whole test splits.
long: .venv/ready
	$(BIN)/python -m pytest --numprocesses 2 tests/long

# bert: a trained BERT, whose weights it fetches, and its exports. browser: the page to try models on, in Debian's
# Chromium. cluster: servers on Ray, one of them killed. interop: exports in programs that are not ours. notebooks: from
# their first cell to the last. parity: the same weights in PyTorch. wheel: what is installed from it, outside the
# repository. workers: trainings by several processes, some of them killed.
$(GROUPS): %: .venv/%
	$(BIN)/python -m pytest $(OPTIONS_$@) tests/$@

# All builders and trained models on JAX and PyTorch, against what TensorFlow writes first.
backends: .venv/ready $(OTHER_BACKENDS)/ready
	$(BIN)/python -m tests.backends.references .venv/references
	KERAS_BACKEND=jax REFERENCES=.venv/references $(OTHER_BACKENDS)/bin/python -m pytest --numprocesses 2 tests/backends
	KERAS_BACKEND=torch REFERENCES=.venv/references $(OTHER_BACKENDS)/bin/python -m pytest --numprocesses 2 tests/backends

# The site, into docs/_build/html; a warning is an error.
docs: .venv/docs
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv

.venv/ready: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(INSTALL) '.[serve,test]'
	touch $@

$(OTHER_BACKENDS)/ready: .venv/ready
	$(PYTHON) -m venv $(OTHER_BACKENDS)
	$(subst $(BIN),$(OTHER_BACKENDS)/bin,$(INSTALL)) '.[backends]'
	touch $@

.venv/docs $(GROUPS:%=.venv/%): .venv/%: .venv/ready
	$(INSTALL) '.[$(EXTRAS_$*)]'
	touch $@
