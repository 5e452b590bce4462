# SPDX-License-Identifier: BSD-2-Clause
#
# toolchain.mk - compilers and the flags that all target code shares

CROSS := aarch64-linux-gnu-
CC_TARGET := $(if $(filter clang,$(TOOLCHAIN)),clang --target=aarch64-linux-gnu,$(CROSS)gcc)
AR_TARGET := $(CROSS)ar
LD_TARGET := $(CROSS)ld
OBJCOPY := $(CROSS)objcopy
CC_HOST := gcc
# Debian's own, which Debian's packages are for.
PYTHON := PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3

# clang's -Wconversion also means signs, which gcc's does not for what is plainly not negative.
WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wmissing-prototypes -Werror
CLANG_WARNINGS := $(if $(filter clang,$(TOOLCHAIN)),-Wno-sign-conversion -Wno-unused-command-line-argument)

# No outlined atomics: their helper asks libc for the hardware's features, and a Cortex-A57 has only one answer.
TARGET_FLAGS := -std=gnu11 -O2 -g -mcpu=cortex-a57 -mgeneral-regs-only -fno-pic -fno-pie -fno-stack-protector \
    -fno-asynchronous-unwind-tables -fno-unwind-tables -mno-outline-atomics $(WARNINGS) $(CLANG_WARNINGS)

# What every object depends on besides its source: the flags above.
FLAGS_FROM := mk/toolchain.mk

# ---- arm64 packages of Debian: libraries, busybox, the guest's kernel; unpacked, not installed
ARM64 := build/arm64
ARM64_PACKAGES := musl-dev libnanopb-dev libfdt-dev busybox-static linux-image-cloud-arm64

$(ARM64)/.stamp: tools/fetch-arm64 | build/setup.mk
	$(call say,FETCH,$(ARM64_PACKAGES))
	$(Q)rm -rf $(ARM64)
	$(Q)tools/fetch-arm64 $(ARM64) $(ARM64_PACKAGES)
	$(Q)touch $@

# ---- the same through the other compiler
.PHONY: clang
clang:
	$(Q)$(MAKE) TOOLCHAIN=clang kernel services tiny
