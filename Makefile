# Every target sets up .venv by itself, with the versions of constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
INSTALL = PIP_CONSTRAINT='$(CURDIR)/constraints.txt' $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable
# Groups of tests that need more than the others: the extras of each.
GROUPS := bert browser cluster interop notebooks parity workers
EXTRAS_bert := bert,parity
EXTRAS_browser := playground,browser
EXTRAS_cluster := ray
EXTRAS_docs := docs
EXTRAS_interop := interop
EXTRAS_notebooks := notebooks
OPTIONS_interop := --numprocesses 2
OPTIONS_notebooks := --numprocesses 2
EXTRAS_parity := bert,parity
EXTRAS_workers := test

.PHONY: train test long docs lint clean $(GROUPS)

train: .venv/ready
	$(BIN)/python -m keras_refs.train conv_classifier

# The same tests whatever else is installed. By file, so that what a file's tests share is made once.
test: .venv/ready
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(GROUPS:%=--ignore tests/%) --ignore tests/long

# Whole trainings, and the committed models on their whole test splits.
long: .venv/ready
	$(BIN)/python -m pytest --numprocesses 2 tests/long

# bert: a trained BERT, whose weights it fetches, and its exports. browser: the page to try models on, in Debian's
# Chromium. cluster: servers on Ray, one of them killed. interop: exports in programs that are not ours. notebooks: from
# their first cell to the last. parity: the same weights in PyTorch, builders on other backends. workers: trainings by
# several processes, some of them killed.
$(GROUPS): %: .venv/%
	$(BIN)/python -m pytest $(OPTIONS_$@) tests/$@

# The site, into docs/_build/html; a warning is an error.
docs: .venv/docs
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf .venv

.venv/ready: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(INSTALL) '.[serve,test]'
	touch $@

.venv/docs $(GROUPS:%=.venv/%): .venv/%: .venv/ready
	$(INSTALL) '.[$(EXTRAS_$*)]'
	touch $@
