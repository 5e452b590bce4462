# SPDX-License-Identifier: BSD-2-Clause
#
# host.mk - the host tool, build/bh

BH_SOURCES := $(wildcard tools/bh/*.c)
BH_GEN := $(GEN)/vm.pb.c $(GEN)/mgmt.pb.c $(GEN)/mgmt_wire.c $(GEN)/mgmt_json.c
BH_SHARED := lib/mgmt/frame.c lib/mgmt/wire.c
BH_OBJECTS := $(BH_SOURCES:%=$(B)/host/%.o) $(BH_SHARED:%=$(B)/host/%.o) $(BH_GEN:$(GEN)/%=$(B)/host/gen/%.o)
HOST_FLAGS := -std=gnu11 -O2 -g -D_FORTIFY_SOURCE=2 $(WARNINGS) -I. -Ilib/abi -I$(GEN)

.PHONY: host
host: $(B)/bh

$(B)/host/gen/%.o: $(GEN)/% | $(GEN_PB) $(GEN_WIRE) $(GEN_JSON)
	$(call say,HOSTCC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_HOST) $(filter-out -Wconversion,$(HOST_FLAGS)) -MMD -MP -c -o $@ $<

$(B)/host/%.o: % | $(GEN_PB) $(GEN_WIRE) $(GEN_JSON)
	$(call say,HOSTCC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_HOST) $(HOST_FLAGS) -MMD -MP -c -o $@ $<

$(B)/bh: $(BH_OBJECTS)
	$(call say,HOSTLD,$@)
	$(Q)$(CC_HOST) -o $@ $^ -lxlutil -lxenlight -lprotobuf-nanopb

-include $(BH_OBJECTS:.o=.d)
