# SPDX-License-Identifier: Apache-2.0
# One non-recursive makefile. Everything that is built lies under build/; see `make help`.
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

CC      ?= gcc
MUSLCC  ?= musl-gcc
CLANG   ?= clang
BPFTOOL ?= $(shell command -v bpftool || echo /usr/sbin/bpftool)
PREFIX  ?= /usr/local
CNIDIR  ?= /opt/cni/bin
B       := build
ARCH    := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
MULTI   := $(shell $(CC) -print-multiarch)

# What a build under sanitizers adds; `make SAN=1` builds below build/san.
ifdef SAN
B       := build/san
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
endif

# What is built does not depend on where.
here     := -ffile-prefix-map=$(CURDIR)=.

pkgs     := libuv libcurl libmicrohttpd libcjson yaml-0.1 libmnl libbpf
CFLAGS   ?= -O2 -g
CFLAGS   += -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter -fno-strict-aliasing \
            -ffunction-sections -fdata-sections $(here) $(SANFLAGS)
CPPFLAGS += -D_GNU_SOURCE -I. -I$(B)/gen $(shell pkg-config --cflags $(pkgs))
LDFLAGS  += -Wl,--gc-sections $(SANFLAGS)
DEPFLAGS  = -MMD -MP
BPFFLAGS := -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -Wall -Wextra -Werror \
            -Wno-unused-parameter -fno-stack-protector $(here) -I. -I/usr/include/$(MULTI)

# Commands are shown in short; `make V=1` shows them whole.
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(patsubst $(B)/%,%,$@)')

# --- sources ----------------------------------------------------------------------------------
lib_src   := $(wildcard lib/*.c)
cni_src   := $(wildcard cni/*.c)
static_src := $(wildcard lib/static/*.c)
# What the CNI plugin needs of the datapath: pins and filters, no loading.
filter_src := datapath/pins.c datapath/filter.c
load_src  := $(filter-out $(filter_src),$(wildcard datapath/*.c))
agent_src := $(filter-out agent/main.c agent/ctl/%,$(wildcard agent/*.c agent/*/*.c))
ctl_src   := $(wildcard agent/ctl/*.c)
ctl_kernel_src := $(filter_src) datapath/names.c
unit_src  := $(wildcard tests/unit/test_*.c)
# What unit tests share.
unit_help := $(filter-out $(unit_src),$(wildcard tests/unit/*.c))
tool_src  := $(filter-out %.bpf.c,$(wildcard tests/bench/*.c tests/tools/*.c))
oracle_src := $(wildcard tests/oracle/*.c)
bpf_src   := $(wildcard datapath/bpf/*.bpf.c tests/bench/*.bpf.c)

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
lib_obj   := $(call obj,$(lib_src))
agent_obj := $(call obj,$(agent_src) $(load_src) $(filter_src))
cni_lib_obj := $(call obj,$(filter-out cni/main.c,$(cni_src)))
ctl_lib_obj := $(call obj,$(filter-out agent/ctl/main.c,$(ctl_src)))
units     := $(patsubst tests/unit/%.c,$(B)/tests/%,$(unit_src))
tools     := $(patsubst tests/bench/%.c,$(B)/tests/%,$(patsubst tests/tools/%.c,$(B)/tests/%,$(tool_src)))
skel      := $(patsubst %.bpf.c,$(B)/gen/%.skel.h,$(notdir $(bpf_src)))

bins := $(if $(cni_src),$(B)/linnet) $(if $(wildcard agent/main.c),$(B)/linnetd) \
        $(if $(ctl_src),$(B)/linnetctl)

.PHONY: all tests units install manifests lint format version help clean
all: $(bins) ## build the three programs (default)
tests: all $(units) $(tools) $(B)/tests/fuzz_policy ## build the test programs too
units: $(units) ## build the unit tests

# --- rules ------------------------------------------------------------------------------------
$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(DEPFLAGS) -c $< -o $@

define compile_bpf
	@mkdir -p $(@D)
	$(call say,BPF)
	$(Q)$(CLANG) $(BPFFLAGS) $(DEPFLAGS) -MT $@ -MF $(@:.o=.d) -c $< -o $@.tmp
	$(Q)$(BPFTOOL) gen object $@ $@.tmp
endef
$(B)/bpf/%.o: datapath/bpf/%.c
	$(compile_bpf)
$(B)/bpf/%.o: tests/bench/%.c
	$(compile_bpf)

$(B)/gen/%.skel.h: $(B)/bpf/%.bpf.o
	@mkdir -p $(@D)
	$(call say,SKEL)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

# Objects that use the skeletons; the rest must not wait for clang.
$(call obj,$(load_src) $(unit_src) $(unit_help) $(oracle_src) tests/bench/inject.c): | $(skel)

# The plugin runs once for every pod and needs nothing of the node: a static binary on musl, whose
# start takes 0.08 ms where glibc's takes 0.7 in a virtual machine (it asks the processor for its
# caches, and each question is a trap). Kernel headers and interfaces of libraries come after musl's.
static_cppflags := -D_GNU_SOURCE -I. -idirafter /usr/include/$(MULTI) -idirafter /usr/include \
                   -include netinet/in.h -D__UAPI_DEF_IN6_ADDR=0 -D__UAPI_DEF_IN_ADDR=0
$(B)/static/%.o: %.c
	@mkdir -p $(@D)
	$(call say,MUSL)
	$(Q)$(MUSLCC) $(static_cppflags) $(CFLAGS) $(DEPFLAGS) -c $< -o $@

$(B)/linnet: $(patsubst %.c,$(B)/static/%.o,$(cni_src) $(filter_src) $(lib_src) $(static_src))
	$(call say,LINK)
	$(Q)$(MUSLCC) -static $(LDFLAGS) $^ -o $@

agent_libs := -lbpf -lmnl $(shell pkg-config --libs libuv libcurl libmicrohttpd libcjson yaml-0.1)
$(B)/linnetd: $(call obj,agent/main.c) $(agent_obj) $(lib_obj)
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ $(agent_libs)

# It reads the kernel itself, so that it can when there is no agent; it loads nothing.
$(B)/linnetctl: $(call obj,$(ctl_src) $(ctl_kernel_src)) $(lib_obj)
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ -lbpf -lmnl $(shell pkg-config --libs libcjson)

# A unit test sees everything but the main() files.
$(units): $(B)/tests/%: $(B)/obj/tests/unit/%.o $(call obj,$(unit_help)) $(agent_obj) $(cni_lib_obj) $(ctl_lib_obj) $(lib_obj)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ -lcmocka $(agent_libs)

$(B)/tests/%: $(B)/obj/tests/bench/%.o
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ -lm

$(B)/tests/%: $(B)/obj/tests/tools/%.o
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@

$(B)/tests/inject: $(B)/obj/tests/bench/inject.o
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ -lbpf

# The API client by itself.
$(B)/tests/kubedump: $(B)/obj/tests/tools/kubedump.o \
    $(call obj,$(wildcard agent/kube/*.c agent/model/*.c)) $(lib_obj)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ $(agent_libs)

# Policy against its oracle, on the bed of the unit tests.
$(B)/tests/fuzz_policy: $(call obj,$(oracle_src) $(unit_help)) $(agent_obj) $(lib_obj)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ -lcmocka $(agent_libs)

install: all ## install below $(DESTDIR)
	install -D -m 0755 $(B)/linnet $(DESTDIR)$(CNIDIR)/linnet
	install -D -m 0755 $(B)/linnetd $(DESTDIR)$(PREFIX)/sbin/linnetd
	$(if $(ctl_src),install -D -m 0755 $(B)/linnetctl $(DESTDIR)$(PREFIX)/bin/linnetctl)

manifests: ## join manifests/install.yaml from its parts
	hack/manifest > manifests/install.yaml.new
	mv manifests/install.yaml.new manifests/install.yaml

c_files = $(shell git ls-files '*.c' '*.h')
sh_files = $(shell git ls-files hack tests .ci | xargs grep -lE '^\#!.*(bash|/sh|bats)' 2>/dev/null)
lint: $(skel) ## clang-format, clang-tidy, a clang build, the ABI's padding, shellcheck
	hack/lint

format: ## reformat the C sources in place
	clang-format -i $(c_files)

version: ## print the version
	@sed -n 's/^#define LNT_VERSION "\(.*\)"/\1/p' lib/version.h

clean: ## remove build/
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

-include $(shell find build -name '*.d' 2>/dev/null)
