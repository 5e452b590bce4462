# SPDX-License-Identifier: BSD-2-Clause
#
# guests.mk - what runs in the VMs: Debian's kernel, an initramfs, a disk with two root file systems, tiny payloads
#
# Always true: the disk image is made once and then belongs to the person who runs guests on it; only
# `make distclean` (or deleting it) makes a new one.

GUESTS := build/guests

.PHONY: guests tiny
guests: $(GUESTS)/vmlinuz $(GUESTS)/initrd.gz $(GUESTS)/disk.img tiny

# Debian's cloud kernel exactly as packaged.
$(GUESTS)/vmlinuz: $(ARM64)/.stamp
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)cp $(ARM64)/boot/vmlinuz-*-cloud-arm64 $@

$(GUESTS)/initrd.gz: guests/linux/make-initrd guests/linux/init guests/linux/dhcp guests/linux/power-key \
        guests/linux/modules $(ARM64)/.stamp
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)guests/linux/make-initrd $(ARM64) $@

$(GUESTS)/rootfs.tar: guests/linux/make-rootfs $(addprefix guests/linux/,inittab rcS stop console power-button) | $(ARM64)/.stamp
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)fakeroot guests/linux/make-rootfs $@

$(GUESTS)/disk.img: | $(GUESTS)/rootfs.tar
	$(call say,GUEST,$@)
	$(Q)fakeroot guests/linux/make-disk $(GUESTS)/rootfs.tar $@

# ---- bare EL1 payloads: each guests/tiny/NAME.c is a flat arm64 Image, build/guests/tiny/NAME.bin
# What they share is start.S, tiny.ld and lib*.c there.
TINY_ALL := $(wildcard guests/tiny/*.c)
TINY_SHARED := $(wildcard guests/tiny/*.S guests/tiny/lib*.c)
TINY := $(filter-out $(TINY_SHARED),$(TINY_ALL))
TINY_FLAGS := $(TARGET_FLAGS) -ffreestanding -nostdlib -mstrict-align -I. -Ilib/abi -Iguests/tiny -I$(GEN)
TINY_SHARED_OBJECTS := $(TINY_SHARED:%=$(B)/obj-tiny/%.o)

tiny: $(TINY:guests/tiny/%.c=$(B)/guests/tiny/%.bin)

$(B)/obj-tiny/%.o: % $(FLAGS_FROM) mk/guests.mk | $(GEN_SYSCALLS)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_TARGET) $(TINY_FLAGS) -MMD -MP -c -o $@ $<

$(B)/guests/tiny/%.elf: $(B)/obj-tiny/guests/tiny/%.c.o $(TINY_SHARED_OBJECTS) guests/tiny/tiny.ld
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(LD_TARGET) -nostdlib --no-warn-rwx-segments -T guests/tiny/tiny.ld -o $@ $(filter %.o,$^)

$(B)/guests/tiny/%.bin: $(B)/guests/tiny/%.elf
	$(Q)$(OBJCOPY) -O binary $< $@

-include $(TINY_ALL:%=$(B)/obj-tiny/%.d) $(TINY_SHARED_OBJECTS:.o=.d)
