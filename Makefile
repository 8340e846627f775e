# Two commands: `make book` and `make test`. Both set themselves up in .venv on first use.
# PYTHON chooses the interpreter (3.11 or newer): make PYTHON=python3.12 book
# JOBS says how many notebooks are executed at once, and how many processes test, of one thread each.

PYTHON ?= python3
DATASET ?= mnist
JOBS ?= 2
RUN := .venv/bin/python -m
NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb))
# Keep what was computed, drop what changes between executions of the same thing.
STRIP := nbstripout --keep-output --keep-count --keep-id \
  --extra-keys "metadata.papermill cell.metadata.papermill metadata.language_info.version"

.PHONY: book pages pdf test study bench clean
.DEFAULT_GOAL := book

.venv/.stamp: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: $(PYTHON) is missing or older than Python 3.11; give a newer one:" \
	       "make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(RUN) pip install --quiet --disable-pip-version-check --editable .
	@touch $@

# A notebook replaces the stored one only after it has run to its end.
book: .venv/.stamp
	rm -rf _build/notebooks
	mkdir -p _build/notebooks
	printf '%s\n' $(NOTEBOOKS) | xargs -n 1 -P $(JOBS) sh -ec '\
	  $(RUN) papermill --kernel python3 --cwd notebooks --no-progress-bar $$0 _build/$$0; \
	  $(RUN) $(STRIP) _build/$$0; \
	  mv _build/$$0 $$0'
	.venv/bin/python book/first_picture.py
	$(MAKE) pages

# The pages from the notebooks as they are.
pages: .venv/.stamp
	rm -rf _build/html _build/.doctrees
	.venv/bin/jupyter-book build . -W --keep-going --quiet
	@test -f _build/html/index.html
	@echo "The book: $(CURDIR)/_build/html/index.html"

# The whole book on paper: one page of all pages, printed by Chromium.
pdf: .venv/.stamp
	rm -rf _build/paper
	.venv/bin/jupyter-book build . --builder custom --custom-builder singlehtml --path-output _build/paper --quiet
	cp _build/paper/_build/singlehtml/book/intro.html _build/paper/_build/singlehtml/book.html
	chromium --headless --no-sandbox --disable-gpu --virtual-time-budget=120000 --no-pdf-header-footer \
	  --print-to-pdf=_build/book.pdf file://$(CURDIR)/_build/paper/_build/singlehtml/book.html
	@test -s _build/book.pdf
	@echo "The book: $(CURDIR)/_build/book.pdf"

test: .venv/.stamp
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	OMP_NUM_THREADS=1 $(RUN) pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --nbval-lax tests notebooks

study: .venv/.stamp
	$(RUN) helpers study --dataset $(DATASET)

bench: .venv/.stamp
	set -e; for script in benchmarks/*.py; do .venv/bin/python $$script; done

clean:
	rm -rf _build .pytest_cache .ruff_cache .hypothesis
