# make install        what `make run` needs, in .venv
# make run DIR=...    watch a folder; the settings are in plugins.toml
# make test           the tests
# make check          linters, types, import contracts
# make reliability    the fault matrix, written into docs/reliability.md
# make oracle         2,000 random sequences of file operations on each store; then all must be equal
# make stress         ten minutes of faults and full speed on each store; what `make test` tries, many times over
# make soak           half an hour of a daemon with fifty readers, on each store
# make bench          what is fast, against whom, and by how much, written into benchmarks/RESULTS.md
# make bench-quick    in two minutes: what became slower than benchmarks/RESULTS.md says
# make pictures       the pictures of README.md and docs/tui.md, and its tables of keys, as the program has them now
# make migrate-up     bring the schema of the ledger that `make run` uses up to date

BIN := .venv/bin
PYTHON ?=
TREE := build/check
JOBS ?= 4

.PHONY: install run test check reliability oracle stress soak bench bench-quick pictures migrate-up
.DELETE_ON_ERROR:

install: .venv/installed

run: .venv/installed
	@test -n "$$DIR" || { echo 'Which folder? Say: make run DIR=/path/to/folder' >&2; exit 2; }
	@chmod go-w plugins.toml  # git follows the umask; treeledger refuses what others can write
	@exec $(BIN)/treeledger --config plugins.toml watch "$$DIR"

# The tests wait more than they work, so there are more workers than cores. The few that run alone come first,
# and leave every module compiled: in a fresh clone each worker would else do it for itself.
test: .venv/installed-dev
	$(BIN)/python -m pytest -m machine
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m 'not stress and not machine'

check: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@# mypy and import-linter want one folder called treeledger, as a wheel has it. An editable
	@# install has none they can follow, or (editable_mode=strict) one that lacks every module added
	@# since. So: links, made anew each time, and mypy's messages turned back to the real paths.
	@rm -rf $(TREE) && mkdir -p $(TREE)/treeledger
	@for entry in core/* plugins tui migrations; do ln -s "$(CURDIR)/$$entry" $(TREE)/treeledger/; done
	@messages=$$(MYPYPATH=$(TREE) $(BIN)/mypy 2>&1); status=$$?; echo "$$messages" \
	    | sed -E 's,^$(TREE)/treeledger/((plugins|tui|migrations)/),\1,; s,^$(TREE)/treeledger/,core/,'; \
	exit $$status
	PYTHONPATH=$(TREE) $(BIN)/lint-imports

reliability: .venv/installed-dev
	@mkdir -p build && rm -f build/outcomes
	$(BIN)/python -m pytest tests/faults -n $(JOBS) -m 'not stress and not machine' --outcomes build/outcomes
	$(BIN)/python -m pytest tests/faults -m machine --outcomes build/outcomes
	$(BIN)/python tests/faults/matrix.py build/outcomes docs/reliability.md

oracle: .venv/installed-dev
	@status=0; for store in sqlite postgres; do \
	    TREELEDGER_ORACLE=2000 $(BIN)/python -m pytest tests/faults/test_oracle.py -k $$store & \
	    pids="$$pids $$!"; \
	done; for pid in $$pids; do wait $$pid || status=1; done; exit $$status

stress: .venv/installed-dev
	$(BIN)/python -m pytest -n $(JOBS) -m hypothesis --hypothesis-profile=wandering
	$(BIN)/python -m pytest tests/contracts/test_gitignore.py -m stress
	TREELEDGER_FUZZ=100 $(BIN)/python -m pytest tests/acceptance/test_api_fuzz.py
	$(BIN)/python -m pytest tests/faults/test_stress.py -m stress -s

soak: .venv/installed-dev
	$(BIN)/python -m pytest tests/faults/test_soak.py -m stress -s

bench: .venv/installed-dev
	$(BIN)/python -m benchmarks --keep
	$(BIN)/python -m benchmarks --quick --keep

bench-quick: .venv/installed-dev
	$(BIN)/python -m benchmarks --quick

pictures: .venv/installed-dev
	$(BIN)/python docs/images/make.py
	$(BIN)/python docs/images/dashboard.py
	$(BIN)/python docs/keys.py

migrate-up: .venv/installed
	@chmod go-w plugins.toml
	$(BIN)/treeledger --config plugins.toml migrate up

# The installs are editable: new modules are found at once, only pyproject.toml calls for a new one.

.venv/installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[tui]'
	@touch $@

.venv/installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ .venv/installed

$(BIN)/python:
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
	    if "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "creating .venv with $$("$$python" --version)"; \
	        exec "$$python" -m venv .venv; \
	    fi; \
	done; \
	echo 'treeledger needs Python 3.11 or newer with its venv module, and found none.' >&2; \
	echo 'Install it (Debian, Ubuntu: apt install python3-venv), or say: make $(MAKECMDGOALS) PYTHON=/path/to/python3' >&2; \
	exit 1
