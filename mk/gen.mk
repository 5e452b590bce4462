# SPDX-License-Identifier: BSD-2-Clause
#
# gen.mk - what is generated: calls, messages, stubs and dispatch, the manifest

PROTOS := $(wildcard idl/*.proto)
WIRE_PROTOS := idl/mgmt.proto
RPC_PROTOS := $(filter-out $(WIRE_PROTOS),$(shell grep -l '^service' $(PROTOS)))

GEN_PB := $(PROTOS:idl/%.proto=$(GEN)/%.pb.c)
GEN_RPC := $(RPC_PROTOS:idl/%.proto=$(GEN)/%_rpc.c)
GEN_WIRE := $(WIRE_PROTOS:idl/%.proto=$(GEN)/%_wire.c) $(WIRE_PROTOS:idl/%.proto=$(GEN)/%_serve.c)
GEN_JSON := $(WIRE_PROTOS:idl/%.proto=$(GEN)/%_json.c)
GEN_SYSCALLS := $(GEN)/.syscalls
GEN_MANIFEST := $(GEN)/.manifest

.PHONY: gen
gen: $(GEN_PB) $(GEN_RPC) $(GEN_WIRE) $(GEN_JSON) $(GEN_SYSCALLS) $(GEN_MANIFEST)

# The generators write several files each; the stamp stands for all of them.
$(GEN_SYSCALLS): idl/gen_syscalls.py idl/syscalls.def | build/setup.mk
	$(call say,GEN,idl/syscalls.def)
	$(Q)mkdir -p $(GEN)
	$(Q)$(PYTHON) idl/gen_syscalls.py idl/syscalls.def $(GEN) docs/abi.md
	$(Q)touch $@

$(GEN)/%.pb.c $(GEN)/%.pb.h: idl/%.proto idl/%.options | build/setup.mk
	$(call say,GEN,$<)
	$(Q)mkdir -p $(GEN)
	$(Q)nanopb_generator.py -q --error-on-unmatched -I idl -D $(GEN) $*.proto

# Sizes of a message go into those of whoever imports it: $(1) is a .proto file.
imports_of = $(shell sed -n 's,^import "\(.*\)\.proto";.*,idl/\1.proto idl/\1.options,p' $(1))
$(foreach p,$(PROTOS),$(if $(call imports_of,$(p)),\
    $(eval $(p:idl/%.proto=$(GEN)/%.pb.c) $(p:idl/%.proto=$(GEN)/%.pb.h): $(call imports_of,$(p)))))

$(GEN)/%_rpc.c $(GEN)/%_rpc.h: idl/%.proto idl/gen_rpc.py | build/setup.mk
	$(call say,GEN,$<)
	$(Q)mkdir -p $(GEN)
	$(Q)$(PYTHON) idl/gen_rpc.py $< $(GEN)

$(GEN)/%_wire.c $(GEN)/%_serve.c $(GEN)/%_wire.h: idl/%.proto idl/gen_rpc.py | build/setup.mk
	$(call say,GEN,$< (wire))
	$(Q)mkdir -p $(GEN)
	$(Q)$(PYTHON) idl/gen_rpc.py --wire $< $(GEN)

# Replies as JSON: for the host tool only.  The messages of what it imports are in it too.
$(GEN)/%_json.c $(GEN)/%_json.h: idl/%.proto $(PROTOS) $(PROTOS:.proto=.options) idl/gen_json.py idl/gen_rpc.py | build/setup.mk
	$(call say,GEN,$< (JSON))
	$(Q)mkdir -p $(GEN)
	$(Q)$(PYTHON) idl/gen_json.py $< $(GEN)

$(GEN_MANIFEST): tools/gen_manifest.py system/bulkhead.toml | build/setup.mk
	$(call say,GEN,system/bulkhead.toml)
	$(Q)mkdir -p $(GEN)
	$(Q)$(PYTHON) tools/gen_manifest.py system/bulkhead.toml $(GEN)
	$(Q)touch $@

# Headers too: make must not look at what depends on one before the generator has run.
$(GEN)/syscall_table.c $(addprefix $(GEN)/,bh_hvc.h bh_syscalls.h sys.h syscalls.h): $(GEN_SYSCALLS) ;
$(GEN)/manifest.c $(GEN)/manifest.h $(GEN)/networks.c: $(GEN_MANIFEST) ;
$(GEN)/caps_%.h: $(GEN_MANIFEST) ;
