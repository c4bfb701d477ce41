# SPDX-License-Identifier: MIT
#
# A thin front to CMake, for fingers that type "make". The build itself is CMakeLists.txt; the
# configurations are CMakePresets.json. Missing tools are installed by name with apt-get where
# that exists, and each time the Makefile says so.

BUILD := build
JOBS ?= 2
PREFIX ?= /usr/local
# Tests that need minutes; `make check` runs them as well.
SLOW := stress|slow

DEPS := scripts/install-deps.sh
SOURCES = $(shell git ls-files -co --exclude-standard '*.c' '*.h' 2>/dev/null)

.DEFAULT_GOAL := build
.PHONY: build demo test check model mutants chaos fuzz valgrind soak bench bench-peers
.PHONY: bench-growth bench-io coverage
.PHONY: install format tidy clean help

build: configure  ## Build the library and all programs (release, in build/)
	cmake --build $(BUILD) -j $(JOBS)

.PHONY: configure
configure:
	@$(DEPS) build
	cmake --preset release --log-level=STATUS

demo: build  ## Start the HTTP server on docs/site, with its console in the browser
	@scripts/demo.sh $(filter --check,$(MAKECMDGOALS))

# So that `make demo -- --check` is not asked to make a file of that name.
.PHONY: --check
--check:
	@:

# Tests wait more than they compute. The sweeps of faults are for `make check`.
test: build  ## Build and run the fast tests
	ctest --test-dir $(BUILD) --output-on-failure -j $$(($(JOBS) + 2)) -LE '$(SLOW)|fault'

check: build  ## All tests, also the slow ones, and again under each sanitizer
	ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS)
	$(MAKE) check-asan check-tsan check-package

.PHONY: check-asan check-ubsan check-tsan check-package
check-asan check-ubsan check-tsan: check-%:
	cmake --preset $*
	cmake --build --preset $* -j $(JOBS)
	ctest --preset $* -j $(JOBS)

.PHONY: check-arm64
check-arm64:  ## Cross-compile for arm64, and run unit and API tests under qemu-user
	@$(DEPS) build arm64
	cmake --preset arm64
	cmake --build $(BUILD)/arm64 -j $(JOBS)
	ctest --test-dir $(BUILD)/arm64 --output-on-failure -j $(JOBS) -L 'unit|api'

check-package: build
	tests/package/run.sh

model: build  ## Explore every order in which the threads of the core can run
	@mkdir -p $(BUILD)/model
	$(BUILD)/tests/model/model --jobs $(JOBS) --replays $(BUILD)/model

mutants: build  ## Weaken each memory order and protocol step, and see that it is noticed
	@$(DEPS) build mutants
	ROUSE_BUILD_DIR=$(CURDIR)/$(BUILD) bash tests/model/mutants.sh

chaos: build  ## The API suite and httpd under chaos; SEED=n repeats a run
	ROUSE_BUILD_DIR=$(CURDIR)/$(BUILD) bash tests/chaos/run.sh $(SEED)

fuzz:  ## Run each fuzzer for ten seconds, or all of them for MINUTES=n (clang)
	@$(DEPS) build fuzz
	CC=clang-14 cmake --preset fuzz
	cmake --build $(BUILD)/fuzz -j $(JOBS) --target fuzzers
ifdef MINUTES
	ROUSE_BUILD_DIR=$(CURDIR)/$(BUILD)/fuzz bash tests/fuzz/fuzz.sh $(MINUTES) $(JOBS)
else
	ctest --test-dir $(BUILD)/fuzz --output-on-failure -j $(JOBS) -L fuzz
endif

valgrind: build  ## Tests and examples under Valgrind's memcheck, where there is one
	ROUSE_BUILD_DIR=$(CURDIR)/$(BUILD) JOBS=$(JOBS) bash tests/valgrind/run.sh || [ $$? -eq 77 ]

soak: build  ## Run every kind of work at once for MINUTES=n (10), and see that nothing grows
	ROUSE_BUILD_DIR=$(CURDIR)/$(BUILD) bash tests/soak/soak.sh --minutes $(or $(MINUTES),10)

# Rows and rounds of the comparison, as in: make bench-peers ROWS='mutex mpsc_b' ROUNDS=3
ROUNDS ?= 7
ROWS ?=
BENCH_OPTIONS = -r $(ROUNDS) $(if $(ROWS),-b '$(ROWS)')

# With link-time optimization, as the peers have it.
.PHONY: optimized
optimized:
	@$(DEPS) build
	cmake --preset optimized --log-level=STATUS
	cmake --build --preset optimized -j $(JOBS)

bench bench-peers bench-growth bench-io: export ROUSE_BUILD_DIR = $(BUILD)/optimized

bench: optimized  ## Build and run every benchmark of rouse
	@scripts/bench.sh $(BENCH_OPTIONS)

bench-peers: optimized  ## Compare with Tokio, Go, asio and libuv as Debian has them; ROWS=, ROUNDS=
	@$(DEPS) peers
	@scripts/bench.sh -p $(BENCH_OPTIONS)

bench-growth: optimized  ## How cost grows from 10^3 to 10^6 operations; ROWS=, ROUNDS=, PEERS=1
ifdef PEERS
	@$(DEPS) peers
endif
	@scripts/bench.sh -g $(if $(PEERS),-p) $(BENCH_OPTIONS)

# WORKS= chooses among echo, http, churn, idle, mixed and instructions.
WORKS ?=

bench-io: optimized  ## Servers of rouse beside raw ones and those of peers; WORKS=, ROUNDS=
	@$(DEPS) bench-io
	@ROUSE_BUILD_DIR=$(BUILD) scripts/fetch-tools.sh nginx
	@scripts/bench-io.sh -r $(ROUNDS) $(if $(WORKS),-b '$(WORKS)')

coverage:  ## Lines and branches that the fast tests reach, by folder; the core has bars
	@$(DEPS) build coverage
	@scripts/coverage.sh $(JOBS) '$(SLOW)'

install: build  ## Install the library to PREFIX (default /usr/local); DESTDIR is honoured
	cmake --install $(BUILD) --prefix $(PREFIX)

format:  ## Format all C files with clang-format 14
	@$(DEPS) format
	clang-format-14 -i $(SOURCES)

tidy: build  ## Check the rules of the style that a tool can check
	@$(DEPS) format
	ROUSE_BUILD_DIR=$(CURDIR)/$(BUILD) bash tests/tidy/tidy.sh

clean:  ## Remove everything that was built
	rm -rf $(BUILD)

help:  ## Say what each target does
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
