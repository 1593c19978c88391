# SPDX-License-Identifier: Apache-2.0
# A thin front over the CMake presets. Every target first sees to it that the packages are there.
#
#   make demo    builds, starts a cluster over a catalog on this machine, asks it, stops it
#   make test    release, address and thread sanitizer builds with their test suites
#   make build   the release build; programs land in build/bin
#   make bench   every microbenchmark beside its peer or floor
#   make check   format, layers, banned functions, generated docs, clang-tidy on what changed
#   make soak    long proofs; SOAK=full for the whole length
#   make clean   removes the build directories

JOBS ?= $(shell nproc)
CTEST = ctest --no-tests=error --output-on-failure

# One after the other, whatever -j says: each step uses all cores by itself.
.NOTPARALLEL:
.PHONY: demo test build bench check soak clean bootstrap test-release test-asan test-tsan

build: build/build.ninja
	@cmake --build build -j $(JOBS)

demo: build
	@scripts/demo

test: test-release test-asan test-tsan

test-release: build/build.ninja
	@cmake --build build -j $(JOBS)
	@$(CTEST) --preset release -j $(JOBS)

test-asan: build-asan/build.ninja
	@cmake --build build-asan -j $(JOBS)
	@$(CTEST) --preset asan -j $(JOBS)

test-tsan: build-tsan/build.ninja
	@cmake --build build-tsan -j $(JOBS)
	@$(CTEST) --preset tsan -j $(JOBS)

bench: build
	@set -e; for name in $$(build/bin/weft-microbench --help | sed -n '/^stages:/,$$s/^  \([a-z]*\) .*/\1/p'); do \
	    build/bin/weft-microbench $$name; \
	done

check: build/build.ninja
	@scripts/check

soak: build
	@scripts/soak

clean:
	rm -rf build build-*

bootstrap:
	@deploy/bootstrap.sh

build/build.ninja: | bootstrap
	@cmake --preset release

build-%/build.ninja: | bootstrap
	@cmake --preset $*
