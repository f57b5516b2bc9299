# Two commands:  make lab   opens the notebooks,   make test   runs every test.
# Each makes .venv first (`make setup`), once: later runs start at once. Everything else is in `labkit --help`.
#
#   make lab LAB_ARGS="--port 9000 --no-browser"
#   make test TEST_ARGS="tests/network -x"
#   make setup EXTRAS="dev gpu"          a GPU server with a CUDA 13 driver; gpu12 for a CUDA 12 driver
#   make setup EXTRAS="dev static"       compiles kernels for GPUs that are not here, which some tests need
#   make setup PYTHON=/path/to/python3   another Python than the first one found

# The first Python on the PATH that starts and is 3.11 or newer.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then echo $$p; break; fi; done)
EXTRAS ?= dev
STAMP := .venv/.complete

.PHONY: help setup lab test always

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -n 8

setup: $(STAMP)

lab: $(STAMP)
	@.venv/bin/labkit lab $(LAB_ARGS)

test: $(STAMP)
	.venv/bin/python -m pytest $(TEST_ARGS)

# Named on the command line, these may differ from what .venv was made with: bootstrap.py then compares.
ifneq (,$(findstring command,$(origin EXTRAS) $(origin PYTHON)))
$(STAMP): always
endif

$(STAMP): pyproject.toml uv.lock
	@py='$(PYTHON)'; \
	if [ -z "$$py" ] || ! "$$py" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		echo "labkit: no Python 3.11 or newer ($${py:-none on the PATH}) — install one from python.org," \
			"then type: make setup PYTHON=/path/to/python3" >&2; exit 2; \
	fi; \
	"$$py" -P labkit/machine/bootstrap.py $(EXTRAS)
