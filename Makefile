# SPDX-License-Identifier: BSD-2-Clause
#
# Makefile - everything that can be asked of this tree
#
#   make            the kernel, the services, the host tool and the guests
#   make run        boot a machine with one Debian VM, its console on this terminal
#   make test       every test, sizes, and a last line "N passed, N failed"
#   make test-long  the tests that need minutes each
#   make bench      the measurements: a table and build/bench.json
#   make clang      kernel and services once more, through clang, below build/clang
#   make format     rewrite the C sources as .clang-format says (format-check: only complain)
#   make tidy       clang-tidy over the kernel, the services and the host tool
#   make clean      remove build/ but what came from the network; make distclean: all of it
#
# Always true: one make, no recursion; everything made is below build/ (docs/abi.md excepted, which is
# generated and kept in git for readers); missing Debian packages are installed before anything else (mk/setup.mk).

.DEFAULT_GOAL := build
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules --no-print-directory
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(or $(JOBS),2)
endif

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)')

# TOOLCHAIN=clang builds everything for the target through clang, below build/clang: `build/clang/bh run ...`.
B := $(if $(filter clang,$(TOOLCHAIN)),build/clang,build)
GEN := $(B)/gen

include mk/setup.mk
include mk/toolchain.mk
include mk/gen.mk
include mk/kernel.mk
include mk/services.mk
include mk/host.mk
include mk/guests.mk
include mk/tests.mk
include mk/lint.mk

.PHONY: build run clean distclean
build: kernel services host guests tests

run: kernel services host guests
	./bh run guests/debian1.cfg --disk $(B)/guests/disk.img

clean:
	rm -rf $(filter-out build/apt build/arm64 build/arm64-iperf3 build/xen-doc build/guests,$(wildcard build/*))
	rm -rf build/guests/tiny

distclean:
	rm -rf build
