# SPDX-License-Identifier: BSD-2-Clause
#
# kernel.mk - the EL2 kernel: build/kernel/kernel.{elf,bin}, and the same sources through clang

KERNEL_SOURCES := $(shell find kernel -name '*.c' -o -name '*.S' | sort) $(GEN)/syscall_table.c
KERNEL_FLAGS := $(TARGET_FLAGS) -ffreestanding -nostdlib -I. -Ikernel -Ilib/abi -I$(GEN)
CLANG_FLAGS := --target=aarch64-linux-gnu $(filter-out -mno-outline-atomics,$(KERNEL_FLAGS)) -mno-outline-atomics \
    -Wno-unused-command-line-argument

kernel_objects = $(patsubst %,$(B)/$(1)/%.o,$(KERNEL_SOURCES:$(GEN)/%=gen/%))
KERNEL_OBJECTS := $(call kernel_objects,kernel)
KERNEL_CLANG_OBJECTS := $(call kernel_objects,kernel-clang)

.PHONY: kernel kernel-clang
kernel: $(B)/kernel/kernel.bin
kernel-clang: $(B)/kernel-clang/kernel.bin

$(B)/kernel/gen/%.o: $(GEN)/%
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_TARGET) $(KERNEL_FLAGS) -MMD -MP -c -o $@ $<

$(B)/kernel-clang/gen/%.o: $(GEN)/%
	$(call say,CLANG,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(CLANG_FLAGS) -MMD -MP -c -o $@ $<

$(B)/kernel/%.o: % | $(GEN_SYSCALLS)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_TARGET) $(KERNEL_FLAGS) -MMD -MP -c -o $@ $<

$(B)/kernel-clang/%.o: % | $(GEN_SYSCALLS)
	$(call say,CLANG,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(CLANG_FLAGS) -MMD -MP -c -o $@ $<

$(B)/kernel/kernel.elf: $(KERNEL_OBJECTS) kernel/kernel.ld
$(B)/kernel-clang/kernel.elf: $(KERNEL_CLANG_OBJECTS) kernel/kernel.ld
$(B)/kernel/kernel.elf $(B)/kernel-clang/kernel.elf:
	$(call say,LD,$@)
	$(Q)$(LD_TARGET) --fatal-warnings --no-warn-rwx-segments -nostdlib -T kernel/kernel.ld -Map=$(@:.elf=.map) -o $@ \
	    $(filter %.o,$^)

$(B)/kernel/kernel.bin $(B)/kernel-clang/kernel.bin: %.bin: %.elf
	$(call say,BIN,$@)
	$(Q)$(OBJCOPY) -O binary $< $@

-include $(KERNEL_OBJECTS:.o=.d) $(KERNEL_CLANG_OBJECTS:.o=.d)
