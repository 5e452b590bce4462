# SPDX-License-Identifier: BSD-2-Clause
#
# tests.mk - the four layers: unit (host), kernel (on target), system and hostile (whole machine); and bench
#
# tests/unit/test_X.c is one host binary with ASan and UBSan; a comment line in it names what it is linked with:
#     links: services/mem/quota.c lib/ring/byte_ring.c      (paths from the top)
#     flags: -Iservices/mem                                 (optional)
# tests/kernel/*.c are one program that runs in init's place on a bare kernel: build/tests/kernel/ktest.elf, for
# `bh run --init`.

UNIT := $(wildcard tests/unit/test_*.c)
UNIT_BINARIES := $(UNIT:tests/unit/%.c=$(B)/tests/unit/%)
UNIT_FLAGS := -std=gnu11 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all $(WARNINGS) \
    -I. -Ilib -Ilib/abi -Ilib/bh -Ilib/rpc -Ilib/ring -Ilib/virtio -Itests/unit -I$(GEN)

.PHONY: tests unit kernel-tests disk-tests net-tests nic-tests test test-long bench
tests: unit kernel-tests disk-tests net-tests nic-tests build/xen-doc/.stamp
unit: $(UNIT_BINARIES)

# $(1): the test's source; a comment may sit on its own line or inside the header comment.
# clang-format may have wrapped such a line: it goes on to the next empty one.
unit_tag = $(shell awk 'sub(/.*(\/\*|\*|\/\/) *$(2):/, "") {on = 1; print; next} \
    /^ \*( *|\/)$$/ || /\*\/$$/ || /:/ {on = 0} on {sub(/^ \* */, ""); print}' $(1) | tr -d '*')
unit_links = $(patsubst %/,%,$(call unit_tag,$(1),links))
unit_flags = $(call unit_tag,$(1),flags)

# All in one compilation; its one dependency file covers every source.
define unit_rules
$$(B)/tests/unit/$(basename $(notdir $(1))): $(1) $(call unit_links,$(1)) | $$(SERVICE_DEPS)
	$$(call say,UNIT,$(1))
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC_HOST) -M -MP -MT $$@ -MF $$@.d $$(UNIT_FLAGS) $(call unit_flags,$(1)) $(1) $(call unit_links,$(1)) $\
	    || true
	$$(Q)$$(CC_HOST) $$(UNIT_FLAGS) $(call unit_flags,$(1)) -o $$@ $(1) $(call unit_links,$(1)) $\
	    -lcmocka -lprotobuf-nanopb -lfdt
-include $$(B)/tests/unit/$(basename $(notdir $(1))).d
endef
$(foreach t,$(UNIT),$(eval $(call unit_rules,$(t))))

# ---- programs in init's place
KERNEL_TESTS := $(wildcard tests/kernel/*.c)
KERNEL_TEST_OBJECTS := $(KERNEL_TESTS:%=$(B)/obj/%.o)

kernel-tests: $(B)/tests/kernel/ktest.elf

$(B)/tests/kernel/ktest.elf: $(KERNEL_TEST_OBJECTS) $(LIBBH_OBJECTS) $(B)/lib/libshared.a lib/bh/service.ld
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(link_service)

-include $(KERNEL_TEST_OBJECTS:.o=.d)

# The micro benchmarks are a program of the same kind, with the same thread.c and main.c.
BENCH_OBJECTS := $(patsubst %,$(B)/obj/%.o,$(wildcard tests/bench/*.c tests/bench/*.S)) \
    $(B)/obj/tests/kernel/main.c.o $(B)/obj/tests/kernel/thread.c.o
$(BENCH_OBJECTS): SERVICE_FLAGS += -Itests/kernel
$(B)/tests/bench/micro.elf: $(BENCH_OBJECTS) $(LIBBH_OBJECTS) $(B)/lib/libshared.a lib/bh/service.ld
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(link_service)

-include $(BENCH_OBJECTS:.o=.d)

# ---- blkdrv with its test hook, and a vmm that tries disks instead of running a guest (tests/system/test_blkdrv.py)
disk-tests: $(B)/tests/disk/blkdrv.elf $(B)/tests/disk/vmm.elf

$(B)/tests/disk/blkdrv.elf: $(filter-out %/hooks.c.o,$(blkdrv_OBJECTS)) $(B)/obj/tests/disk/hooks.c.o
$(B)/tests/disk/vmm.elf: $(B)/obj/tests/disk/vmm.c.o
$(B)/tests/disk/blkdrv.elf $(B)/tests/disk/vmm.elf: $(LIBBH_OBJECTS) $(B)/lib/libshared.a lib/bh/service.ld
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(link_service)

-include $(B)/obj/tests/disk/hooks.c.d $(B)/obj/tests/disk/vmm.c.d

# ---- a toolstack that tries netdrv instead of making VMs (tests/system/test_netdrv.py)
net-tests: $(B)/tests/net/toolstack.elf

$(B)/tests/net/toolstack.elf: $(B)/obj/tests/net/toolstack.c.o $(LIBBH_OBJECTS) $(B)/lib/libshared.a lib/bh/service.ld
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(link_service)

-include $(B)/obj/tests/net/toolstack.c.d

# ---- netdrv with other networks than the shipped ones, and a guest with iperf3 (tests/system/test_networks_seen.py)
net-tests: $(B)/tests/networks/netdrv.elf $(B)/tests/networks/initrd.gz

$(B)/tests/networks/gen/networks.c: tests/net/networks.toml system/bulkhead.toml tools/gen_manifest.py
	$(call say,GEN,$<)
	$(Q)mkdir -p $(@D)
	$(Q)sed '/^\[network\./,$$d' system/bulkhead.toml | cat - $< > $(@D)/bulkhead.toml
	$(Q)$(PYTHON) tools/gen_manifest.py $(@D)/bulkhead.toml $(@D)
	$(Q)touch $@

$(B)/tests/networks/networks.o: $(B)/tests/networks/gen/networks.c $(FLAGS_FROM) | $(SERVICE_DEPS)
	$(call say,CC,$<)
	$(Q)$(CC_TARGET) $(SERVICE_FLAGS) -c -o $@ $<

$(B)/tests/networks/netdrv.elf: $(filter-out %/networks.c.o,$(netdrv_OBJECTS)) $(B)/obj/services/netdrv/networks.c.o \
    $(B)/tests/networks/networks.o $(LIBBH_OBJECTS) $(B)/lib/libshared.a lib/bh/service.ld
	$(call say,LD,$@)
	$(Q)$(link_service)

# Debian's iperf3 and what it is linked with: not in build/arm64, which exists already where people work.
IPERF := build/arm64-iperf3
$(IPERF)/.stamp: tools/fetch-arm64 $(ARM64)/.stamp
	$(call say,FETCH,iperf3)
	$(Q)rm -rf $(IPERF)
	$(Q)tools/fetch-arm64 $(IPERF) iperf3 libiperf0 libsctp1 libssl3 libc6
	$(Q)touch $@

IPERF_LIBRARIES := libiperf.so.0 libsctp.so.1 libssl.so.3 libcrypto.so.3 libc.so.6 libm.so.6
$(B)/tests/networks/initrd.gz: $(IPERF)/.stamp $(GUESTS)/initrd.gz
	$(call say,GUEST,$@)
	$(Q)rm -rf $(@D)/tree && mkdir -p $(@D)/tree/bin $(@D)/tree/lib
	$(Q)cp $(IPERF)/usr/bin/iperf3 $(@D)/tree/bin/
	$(Q)for library in $(IPERF_LIBRARIES); do cp -L $$(find $(IPERF) -name $$library | head -n 1) $(@D)/tree/lib/; done
	$(Q)cp -L $$(find $(IPERF) -name 'ld-linux-aarch64.so.1' | head -n 1) $(@D)/tree/lib/
	$(Q)cp $(GUESTS)/initrd.gz $@.new
	$(Q)(cd $(@D)/tree && find . -print0 | cpio --quiet --null --create --format=newc --owner=0:0 | gzip -9n) >> $@.new
	$(Q)mv $@.new $@

# ---- netdrv with a card that meets a page it cannot reach (tests/system/test_nic.py)
nic-tests: $(B)/tests/nic/netdrv.elf

$(B)/tests/nic/netdrv.elf: LINK_MORE := --wrap=device_memory --wrap=device_faults_again
$(B)/tests/nic/netdrv.elf: $(netdrv_OBJECTS) $(B)/obj/tests/nic/hole.c.o $(LIBBH_OBJECTS) $(B)/lib/libshared.a lib/bh/service.ld
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(link_service)

-include $(B)/obj/tests/nic/hole.c.d

# ---- Xen's manual pages and example files (tests/system/test_xl_cfg.py)
build/xen-doc/.stamp: tools/fetch-xen-doc | build/setup.mk
	$(call say,FETCH,xen-utils-common)
	$(Q)tools/fetch-xen-doc $(@D)
	$(Q)touch $@

# ---- running them
test: build
	$(Q)tools/run-tests

test-long: build
	$(Q)tools/run-tests --long

bench: build $(B)/tests/bench/micro.elf $(B)/tests/bench/initrd.gz
	$(Q)$(PYTHON) tests/bench/run.py

# ---- a Linux that measures itself: the usual ramdisk with /bench appended, and modules for a RAM disk and virtio over PCI
BENCH_TREE := $(B)/tests/bench/tree
$(B)/tests/bench/initrd.gz: $(wildcard tests/bench/linux/*.[ch]) $(GUESTS)/initrd.gz
	$(call say,GUEST,$@)
	$(Q)rm -rf $(BENCH_TREE) && mkdir -p $(BENCH_TREE)/modules
	$(Q)$(CC_TARGET) -O2 -Wall -Wextra -static -nostdinc -isystem $(MUSL) \
	    -isystem $(shell $(CC_TARGET) -print-file-name=include) -nostdlib -o $(BENCH_TREE)/bench \
	    $(ARM64)/usr/lib/aarch64-linux-musl/crt1.o $(filter %.c,$^) $(ARM64)/usr/lib/aarch64-linux-musl/libc.a $(LIBGCC)
	$(Q)cp $(ARM64)/lib/modules/*/kernel/drivers/block/brd.ko \
	    $(ARM64)/lib/modules/*/kernel/drivers/virtio/virtio_pci{_modern_dev,_legacy_dev,}.ko $(BENCH_TREE)/modules/
	$(Q)cp $(GUESTS)/initrd.gz $@.new
	$(Q)(cd $(BENCH_TREE) && find . -print0 | cpio --quiet --null --create --format=newc --owner=0:0 | gzip -9n) >> $@.new
	$(Q)mv $@.new $@
