# SPDX-License-Identifier: BSD-2-Clause
#
# lint.mk - clang-format and clang-tidy over our own sources
#
# One clang-tidy a source, so that they run side by side and an unchanged source is not judged again: its object is
# newer than whatever it includes, and $(B)/tidy/SOURCE.ok is newer than the object.

FORMATTED = $(shell git ls-files '*.c' '*.h')

.PHONY: format format-check tidy
format:
	$(Q)clang-format -i $(FORMATTED)

format-check:
	$(Q)clang-format --dry-run -Werror $(FORMATTED)

# $(1): sources; $(2): where their objects are; $(3): how they are compiled
define tidy_rules
$(patsubst %,$$(B)/tidy/%.ok,$(1)): $$(B)/tidy/%.ok: % $(2)/%.o .clang-tidy mk/lint.mk
	$$(call say,TIDY,$$<)
	$$(Q)mkdir -p $$(@D)
	$$(Q)clang-tidy --quiet $$< -- $(3) 2>$$@.new || { cat $$@.new; false; }
	$$(Q)mv $$@.new $$@
tidy: $(patsubst %,$$(B)/tidy/%.ok,$(1))
endef
TIDY_TARGET := --target=aarch64-linux-gnu -Wno-unused-command-line-argument
$(eval $(call tidy_rules,$(wildcard kernel/*.c kernel/*/*.c),$(B)/kernel,$(TIDY_TARGET) $$(KERNEL_FLAGS)))
$(eval $(call tidy_rules,$(wildcard services/*/*.c lib/*/*.c),$(B)/obj,$(TIDY_TARGET) $$(SERVICE_FLAGS)))
$(eval $(call tidy_rules,$(wildcard tools/*/*.c),$(B)/host,$$(HOST_FLAGS)))
