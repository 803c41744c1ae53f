# A fresh machine needs Python 3.11+, a C compiler and make; everything else goes into .venv.
PYTHON ?= python3
CC ?= cc
# make fuzz: seconds for each target, or FUZZ_RUNS= executions of each; FUZZ= some of them, by name
FUZZ_S ?= 30
FUZZ ?= $(C_FUZZERS:fuzz_%=%) $(PYTHON_FUZZERS)
SHORT_RUNS := 4000

BIN := .venv/bin
PACKAGES := ida_core ida_binance ida_sim plugins
SOURCES := pyproject.toml $(filter-out csrc/_core.c,$(wildcard csrc/*.[ch] csrc/*.py))

.PHONY: help demo test check bench docs ctest sanitize fuzz short-fuzz clean

help:
	@echo "make demo      a run on a synthetic market: offline, no keys"
	@echo "make test      the C tests, the doctests and the Python tests"
	@echo "make check     ruff, mypy, the import rules, the docs"
	@echo "make sanitize  the C tests under ASan and UBSan, those with threads under TSan"
	@echo "make fuzz      each fuzz target for FUZZ_S=$(FUZZ_S) seconds or FUZZ_RUNS= executions; FUZZ= some of them"
	@echo "make bench     our figures and our peers', into docs/benchmarks.md"
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
C_THREADED := $(filter test_queue test_journal test_log test_recorder test_thread,$(C_TESTS))
C_FUZZERS := $(basename $(notdir $(wildcard tests/fuzz/fuzz_*.c)))
needs = $(patsubst %,csrc/%.c,$(shell sed -n '/needs:/{s/.*needs: *//;s/ *\*\/.*//p;q;}' $(1)))

ctest: $(C_TESTS:%=run/plain/%) short-fuzz
sanitize: $(C_TESTS:%=run/address/%) $(C_THREADED:%=run/thread/%)

build/c/plain/%: FLAGS := -O2
build/c/address/%: FLAGS := $(SANE) -fsanitize=address,undefined
build/c/thread/%: FLAGS := $(SANE) -fsanitize=thread

# Fuzzing: libFuzzer where a clang has it (any: FUZZ_CC=clang-16 says which), else driver.c, which wants of the compiler
# no more than the sanitizers. The short run of `make test` is by driver.c, begins with tests/golden and counts
# executions: the same each time.
PYTHON_FUZZERS := $(patsubst tests/fuzz/fuzz_%.py,%,$(wildcard tests/fuzz/fuzz_*.py))
CLANGS := clang clang-20 clang-19 clang-18 clang-17 clang-16 clang-15 clang-14
FUZZ_CC = $(eval FUZZ_CC := $(shell for c in $(CLANGS); do \
    echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' | \
    $$c -fsanitize=fuzzer,address,undefined -x c -o /dev/null - 2>/dev/null && echo $$c && break; done))$(FUZZ_CC)
SANITIZERS = $(shell echo 'int main(void) { return 0; }' | \
    $(CC) -fsanitize=address,undefined -x c -o /dev/null - 2>/dev/null && echo -fsanitize=address,undefined)
DRIVEN = $(SANE) $(SANITIZERS) -fsanitize-coverage=trace-pc build/c/driver.o

build/c/fuzz/% build/c/short/%: CFLAGS += -Itests/fuzz
build/c/fuzz/%: CC = $(or $(FUZZ_CC),cc)
build/c/fuzz/%: FLAGS = $(if $(FUZZ_CC),$(SANE) -fsanitize=fuzzer$(comma)address$(comma)undefined,$(DRIVEN))
build/c/short/%: FLAGS = $(DRIVEN)
comma := ,

build/c/driver.o: tests/fuzz/driver.c
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -O2 -c -o $@ $<

# Some targets include what they look into.
FUZZED := build/c/driver.o csrc/reader.c csrc/segment.c csrc/timeline.c

program_of = $(firstword $(wildcard tests/fuzz/fuzz_$(1).py) build/c/$(2)/fuzz_$(1))

fuzz: $(filter build/c/%,$(foreach t,$(FUZZ),$(call program_of,$(t),fuzz))) .venv/.test
	$(BIN)/python tests/fuzz/corpus.py
	$(BIN)/python tests/fuzz/run.py $(if $(FUZZ_RUNS),--runs $(FUZZ_RUNS),--seconds $(FUZZ_S)) \
	    $(foreach t,$(FUZZ),$(t)=$(call program_of,$(t),fuzz))

short-fuzz: $(C_FUZZERS:%=build/c/short/%)
	$(PYTHON) tests/fuzz/run.py --fresh --seed 1 --runs $(SHORT_RUNS) $(foreach t,$(C_FUZZERS),$(t:fuzz_%=%)=build/c/short/$(t))

run/%: build/c/%
	$<

# $(1) plain, address, thread, fuzz or short; $(2) the folder; $(3) the program; $(4) what else it is made again for
define c_program
build/c/$(1)/$(3): $(2)/$(3).c $(call needs,$(2)/$(3).c) $(wildcard csrc/*.h tests/c/*.h tests/fuzz/*.h) $(4)
	@mkdir -p $$(@D)
	@echo "cc $$@"
	@$$(CC) $$(CFLAGS) $$(FLAGS) -o $$@ $(2)/$(3).c $(call needs,$(2)/$(3).c) -pthread -lm -ldl
endef
$(foreach kind,plain address thread,$(foreach t,$(C_TESTS),$(eval $(call c_program,$(kind),tests/c,$(t)))))
$(foreach kind,fuzz short,$(foreach t,$(C_FUZZERS),$(eval $(call c_program,$(kind),tests/fuzz,$(t),$(FUZZED)))))
