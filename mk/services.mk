# SPDX-License-Identifier: BSD-2-Clause
#
# services.mk - the unprivileged domains: build/services/NAME.elf, one per directory below services/
#
# lib/bh is linked as objects, so that its own memcpy and friends are the ones used everywhere; the rest of lib/
# and the generated messages are archives.  Stubs and dispatch of a service are one file: --gc-sections drops the half
# that a program does not use.

SERVICES := $(sort $(patsubst services/%/,%,$(wildcard services/*/)))

MUSL := $(ARM64)/usr/include/aarch64-linux-musl
SERVICE_FLAGS := $(TARGET_FLAGS) -ffunction-sections -fdata-sections -nostdinc \
    -isystem $(MUSL) -isystem $(shell $(CROSS)gcc -print-file-name=include 2>/dev/null) -isystem $(ARM64)/usr/include \
    -I. -Ilib -Ilib/abi -Ilib/bh -Ilib/rpc -Ilib/ring -Ilib/virtio -I$(GEN)
# Generated messages are nanopb's code, not ours: its integer conversions are its own business.
GEN_FLAGS := $(filter-out -Wconversion,$(SERVICE_FLAGS))

sources_in = $(sort $(wildcard $(1)/*.c $(1)/*.S))
objects_of = $(patsubst %,$(B)/obj/%.o,$(1:$(GEN)/%=gen/%))

LIBBH_OBJECTS := $(patsubst %,$(B)/obj/%.o,$(call sources_in,lib/bh))
SHARED_SOURCES := $(call sources_in,lib/rpc) $(call sources_in,lib/ring) $(call sources_in,lib/virtio) \
    $(call sources_in,lib/mgmt)
SHARED_OBJECTS := $(SHARED_SOURCES:%=$(B)/obj/%.o)
GEN_OBJECTS := $(patsubst $(GEN)/%,$(B)/obj/gen/%.o,$(GEN_PB) $(GEN_RPC) $(GEN_WIRE))

SERVICE_DEPS := $(GEN_SYSCALLS) $(GEN_MANIFEST) $(GEN_PB) $(GEN_RPC) $(GEN_WIRE) $(ARM64)/.stamp

.PHONY: services
services: $(SERVICES:%=$(B)/services/%.elf)

$(B)/obj/gen/%.o: $(GEN)/% $(FLAGS_FROM) mk/services.mk | $(SERVICE_DEPS)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_TARGET) $(GEN_FLAGS) -MMD -MP -c -o $@ $<

$(B)/obj/%.o: % $(FLAGS_FROM) mk/services.mk | $(SERVICE_DEPS)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_TARGET) $(SERVICE_FLAGS) -MMD -MP -c -o $@ $<

$(B)/lib/libshared.a: $(SHARED_OBJECTS) $(GEN_OBJECTS)
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@
	$(Q)$(AR_TARGET) rcs $@ $^

LIBGCC := $(shell $(CROSS)gcc -print-libgcc-file-name 2>/dev/null)
ARM64_LIB := $(ARM64)/usr/lib/aarch64-linux-gnu
SERVICE_LIBS := $(B)/lib/libshared.a $(ARM64_LIB)/libprotobuf-nanopb.a $(ARM64_LIB)/libfdt.a \
    $(ARM64)/usr/lib/aarch64-linux-musl/libc.a $(LIBGCC)

link_service = $(LD_TARGET) --fatal-warnings -static -nostdlib --gc-sections -z max-page-size=4096 -z noexecstack \
    -T lib/bh/service.ld -Map=$(@:.elf=.map) $(LINK_MORE) -o $@ $(filter %.o,$^) --start-group $(SERVICE_LIBS) --end-group

# $(1): a service.  init alone is linked with the manifest's tables, netdrv with that of the networks.
define service_rules
$(1)_OBJECTS := $$(patsubst %,$$(B)/obj/%.o,$$(call sources_in,services/$(1))) \
    $$(if $$(filter init,$(1)),$$(B)/obj/gen/manifest.c.o) $$(if $$(filter netdrv,$(1)),$$(B)/obj/gen/networks.c.o)
$$(B)/services/$(1).elf: $$($(1)_OBJECTS) $$(LIBBH_OBJECTS) $$(B)/lib/libshared.a lib/bh/service.ld
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(link_service)
-include $$($(1)_OBJECTS:.o=.d)
endef
$(foreach s,$(SERVICES),$(eval $(call service_rules,$(s))))

-include $(LIBBH_OBJECTS:.o=.d) $(SHARED_OBJECTS:.o=.d) $(GEN_OBJECTS:.o=.d)
