# SPDX-License-Identifier: BSD-2-Clause
#
# lint.mk - clang-format and clang-tidy over our own sources

FORMATTED = $(shell git ls-files '*.c' '*.h')
TIDY_KERNEL = $(shell git ls-files 'kernel/*.c')
TIDY_SERVICES = $(shell git ls-files 'services/*.c' 'lib/*.c')
TIDY_HOST = $(shell git ls-files 'tools/*.c')

.PHONY: format format-check tidy
format:
	$(Q)clang-format -i $(FORMATTED)

format-check:
	$(Q)clang-format --dry-run -Werror $(FORMATTED)

TIDY_TARGET := --target=aarch64-linux-gnu -Wno-unused-command-line-argument
tidy: gen $(ARM64)/.stamp
	$(Q)clang-tidy --quiet $(TIDY_KERNEL) -- $(TIDY_TARGET) $(KERNEL_FLAGS)
	$(Q)clang-tidy --quiet $(TIDY_SERVICES) -- $(TIDY_TARGET) $(SERVICE_FLAGS)
	$(Q)clang-tidy --quiet $(TIDY_HOST) -- $(HOST_FLAGS)
