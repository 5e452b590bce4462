# SPDX-License-Identifier: BSD-2-Clause
#
# kernel.mk - the EL2 kernel: build/kernel/kernel.{elf,bin}

KERNEL_SOURCES := $(shell find kernel -name '*.c' -o -name '*.S' | sort)
KERNEL_FLAGS := $(TARGET_FLAGS) -ffreestanding -nostdlib -I. -Ikernel -Ilib/abi -I$(GEN)
KERNEL_OBJECTS := $(KERNEL_SOURCES:%=$(B)/kernel/%.o) $(B)/kernel/gen/syscall_table.c.o

.PHONY: kernel
kernel: $(B)/kernel/kernel.bin

$(B)/kernel/gen/%.o: $(GEN)/% $(FLAGS_FROM) mk/kernel.mk
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_TARGET) $(KERNEL_FLAGS) -MMD -MP -c -o $@ $<

$(B)/kernel/%.o: % $(FLAGS_FROM) mk/kernel.mk | $(GEN_SYSCALLS)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_TARGET) $(KERNEL_FLAGS) -MMD -MP -c -o $@ $<

$(B)/kernel/kernel.elf: $(KERNEL_OBJECTS) kernel/kernel.ld
	$(call say,LD,$@)
	$(Q)$(LD_TARGET) --fatal-warnings --no-warn-rwx-segments -nostdlib -T kernel/kernel.ld -Map=$(@:.elf=.map) -o $@ \
	    $(filter %.o,$^)

$(B)/kernel/kernel.bin: $(B)/kernel/kernel.elf
	$(call say,BIN,$@)
	$(Q)$(OBJCOPY) -O binary $< $@

-include $(KERNEL_OBJECTS:.o=.d)
