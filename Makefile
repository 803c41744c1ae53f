# A fresh machine needs Python 3.11+, a C compiler and make; everything else goes into .venv.
PYTHON ?= python3
CC ?= cc
CLANG := $(shell command -v clang)
FUZZ_S ?= 30

BIN := .venv/bin
PACKAGES := ida_core ida_binance ida_sim plugins
SOURCES := pyproject.toml $(filter-out csrc/_core.c,$(wildcard csrc/*.[ch] csrc/*.py))

.PHONY: help demo test check bench docs ctest sanitize fuzz clean

help:
	@echo "make demo      a run on a synthetic market: offline, no keys"
	@echo "make test      the C tests, the doctests and the Python tests"
	@echo "make check     ruff, mypy, the import rules, the docs"
	@echo "make sanitize  the C tests under ASan and UBSan, those with threads under TSan"
	@echo "make fuzz      each fuzz target for FUZZ_S=$(FUZZ_S) seconds, guided by clang where it is"
	@echo "make bench     our own figures, into docs/benchmarks.md"
	@echo "make docs      the site, into site/"
	@echo "make clean     as fresh as a clone"

demo: .venv/.core
	$(BIN)/ida demo

test: .venv/.test ctest
	$(BIN)/python -m pytest --doctest-modules $(PACKAGES) tests

check: .venv/.dev docs
	$(BIN)/ruff check $(PACKAGES) tests csrc docs
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/core/test_architecture.py tests/core/test_size.py

bench: .venv/.dev
	$(BIN)/python tests/bench/run.py

docs: .venv/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

clean:
	rm -rf .venv build dist site *.egg-info ida_core/_core.* csrc/_core.c
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Environments: a stamp for each set of extras; each set holds those before it.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "$(PYTHON) is not Python 3.11 or newer: say make PYTHON=/path/to/python3"; exit 2; }
	$(PYTHON) -m venv .venv

.venv/.core: $(SOURCES) | $(BIN)/python
	$(BIN)/pip install --quiet --editable .
	@touch $@

.venv/.test: $(SOURCES) | $(BIN)/python
	$(BIN)/pip install --quiet --editable '.[test]'
	@touch .venv/.core $@

.venv/.dev: $(SOURCES) | $(BIN)/python
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch .venv/.core .venv/.test $@

# C tests: programs that end with 0 when all is well. Each says in its comment `needs: book pool`
# which concepts of csrc it is compiled with, and is run from here.
CFLAGS := -D_GNU_SOURCE -std=c11 -Wall -Wextra -Wno-unused-parameter -Icsrc
SANE := -g -O1 -fno-omit-frame-pointer -fno-sanitize-recover=all
C_TESTS := $(basename $(notdir $(wildcard tests/c/test_*.c)))
C_THREADED := $(filter test_queue test_journal test_log test_thread,$(C_TESTS))
C_FUZZERS := $(basename $(notdir $(wildcard tests/fuzz/fuzz_*.c)))
needs = $(patsubst %,csrc/%.c,$(shell sed -n '/needs:/{s/.*needs: *//;s/ *\*\/.*//p;q;}' $(1)))

ctest: $(C_TESTS:%=run/plain/%)
sanitize: $(C_TESTS:%=run/address/%) $(C_THREADED:%=run/thread/%)
fuzz: $(C_FUZZERS:%=run/fuzz/%)

build/c/plain/%: FLAGS := -O2
build/c/address/%: FLAGS := $(SANE) -fsanitize=address,undefined
build/c/thread/%: FLAGS := $(SANE) -fsanitize=thread
# With clang libFuzzer looks for new paths; without it a driver of ours mutates the golden files blindly.
ifdef CLANG
build/c/fuzz/%: CC := $(CLANG)
build/c/fuzz/%: FLAGS := $(SANE) -fsanitize=fuzzer,address,undefined
FUZZ_ARGUMENTS = -max_total_time=$(FUZZ_S) build/corpus/$*
else
build/c/fuzz/%: FLAGS := $(SANE) -fsanitize=address,undefined tests/fuzz/driver.c
FUZZ_ARGUMENTS = $(FUZZ_S)
endif

run/fuzz/%: build/c/fuzz/%
	@mkdir -p build/corpus/$*
	$< $(FUZZ_ARGUMENTS) tests/golden/$(*:fuzz_%=%)

run/%: build/c/%
	$<

# $(1) plain, address, thread or fuzz; $(2) the folder; $(3) the program
define c_program
build/c/$(1)/$(3): $(2)/$(3).c $(call needs,$(2)/$(3).c) $(wildcard csrc/*.h tests/c/*.h)
	@mkdir -p $$(@D)
	@echo "cc $$@"
	@$$(CC) $$(CFLAGS) $$(FLAGS) -o $$@ $$(filter %.c,$$^) -pthread -lm
endef
$(foreach kind,plain address thread,$(foreach t,$(C_TESTS),$(eval $(call c_program,$(kind),tests/c,$(t)))))
$(foreach t,$(C_FUZZERS),$(eval $(call c_program,fuzz,tests/fuzz,$(t))))
