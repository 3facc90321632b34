# Everything runs in .venv, made on first use. PYTHON names the interpreter
# that makes it (3.10 to 3.12).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_DIR ?= runs/demo

.PHONY: demo test lint clean

demo: $(VENV)/runtime
	for figure in fig3 fig4; do \
		$(BIN)/python -m scn_tf.main \
			--flagfile=scn_tf/flagfiles/$$figure.flags \
			--seeds=0 --run_dir=$(RUN_DIR)_$$figure || exit 1; \
	done
	$(BIN)/python -m scn_tf.main --flagfile=scn_tf/flagfiles/demo.flags \
		--run_dir=$(RUN_DIR)

test: lint
	$(BIN)/python -m pytest -m "not slow and not gpu" -n 2 --dist loadfile \
		--no-loadscope-reorder --durations=15

lint: $(VENV)/development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

$(VENV)/runtime: requirements.txt
	@$(PYTHON) -c 'import sys; \
	sys.exit(None if (3, 10) <= sys.version_info < (3, 13) else \
	"Python 3.10 to 3.12 is needed, this is " + sys.version.split()[0] + \
	". Name another: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@# The pip that comes with Python 3.10 needs many minutes to resolve.
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install -r requirements.txt
	touch $@

$(VENV)/development: $(VENV)/runtime pyproject.toml
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
