# Vigie: `make demo` shows a plant, `make test` proves it, `make bench` measures it. Each installs what it needs
# into .venv and .cache; nothing else on the machine is touched.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
ROOMS  := config drivers historian supervisor

.PHONY: demo test lint bench kill clean compiled
.DEFAULT_GOAL := demo

$(READY): requirements.lock setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Vigie needs Python 3.11 or newer; say which with: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

# Where PYTHONDONTWRITEBYTECODE is set, every process would read the sources anew: a second and more of each start.
compiled: $(READY)
	@$(BIN)/python -m compileall -q $(ROOMS)

demo: compiled
	$(BIN)/vigie demo $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint compiled
	$(BIN)/python -m pytest --numprocesses=auto --dist=worksteal $(ARGS)

bench: compiled
	$(BIN)/python -m tests.bench $(ARGS)

# kill -9 two hundred times in a storm of alarms, and twenty times a whole server: ten minutes. `make test` does a few.
kill: compiled
	VIGIE_KILL_ROUNDS=200 $(BIN)/python -m pytest tests/unit/test_alarm_kill.py tests/system/test_alarm_kill.py

clean:
	rm -rf $(VENV) .cache build var *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
