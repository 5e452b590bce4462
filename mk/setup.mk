# SPDX-License-Identifier: BSD-2-Clause
#
# setup.mk - the build host's packages, before anything else
#
# make re-reads itself when an included file was remade, so a fresh machine gets its packages before any rule
# (or $(shell) of a later include) needs them.  build/setup.mk holds nothing but the proof that it was done.

ifeq ($(filter clean distclean,$(MAKECMDGOALS)),)
include build/setup.mk
endif

build/setup.mk: tools/setup
	@tools/setup
	@mkdir -p $(@D)
	@echo '# the packages that tools/setup names are here' > $@
