# SPDX-License-Identifier: Apache-2.0
CC ?= cc
CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
DESTDIR ?=
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
# Where a BCC toolkit is installed. On Debian it is in the usual directories, and its tools' names have a suffix.
BCC_PREFIX ?= /usr
BCC_SUFFIX ?= $(if $(wildcard /etc/debian_version),-bpfcc)
V ?= 0

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1)
BUILD := build

accepts = $(shell printf '\043include <stdio.h>\n' | $(CC) -O2 -Werror $(1) -xc -S -o /dev/null - 2>/dev/null && echo '$(1)')

# Flags that the code needs. They come after the user's own. gcc before version 7 warns about more, such as { 0 } for a
# structure inside a structure; there, warnings are not errors.
FLAGS := -std=gnu11 -Wall -Wextra $(if $(call accepts,-Wimplicit-fallthrough),-Werror) \
	-Wshadow -Wstrict-prototypes -Wformat=2 -MMD -MP -D_GNU_SOURCE -I. -Itool

# Hardening flags, as far as this compiler accepts them. FORTIFY works only with optimization.
fortify = -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$(1)
HARDEN := -fPIE $(or $(call accepts,-fstack-protector-strong),-fstack-protector) \
	$(call accepts,-fstack-clash-protection) $(call accepts,-fcf-protection) \
	$(if $(filter-out -O0,$(filter -O%,$(CFLAGS))),$(or $(call accepts,$(call fortify,3)),$(call fortify,2)))
LINK := -pie -Wl,-z,relro,-z,now,-z,noexecstack
SANITIZE := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LIBS := -ldl -lpthread

PROBES := event.h tcp_state.h common.bpf.h reason.h bucket.h conns.bpf.h tally.bpf.h report.bpf.h join.bpf.h \
	change.bpf.h state.bpf.c connect.bpf.c retransmit.bpf.c error.bpf.c ipvs.bpf.c no_destination.bpf.c expiry.bpf.c \
	passing.bpf.h director_tally.bpf.h director.bpf.c director_entries.bpf.c server.bpf.c
PROBES_SERVER := event.h tcp_state.h common.bpf.h reason.h bucket.h tally.bpf.h server.bpf.c
SOURCES := $(sort $(wildcard tool/*.c tool/*/*.c))
EMBEDDED := embedded_main embedded_server embedded_layout
OBJECTS := $(SOURCES:tool/%.c=$(BUILD)/%.o) $(EMBEDDED:%=$(BUILD)/%.o)

# Unit tests: each tests/unit/*/test_*.c is a program. It is linked with the whole tool except
# main.c, with the sanitizers.
UNITS := $(sort $(wildcard tests/unit/*/test_*.c))
UNIT_PROGRAMS := $(UNITS:tests/unit/%.c=$(BUILD)/unit/%)
UNIT_OBJECTS := $(patsubst tool/%.c,$(BUILD)/unit/tool/%.o,$(filter-out tool/main.c,$(SOURCES))) \
	$(EMBEDDED:%=$(BUILD)/unit/tool/%.o)

# Fuzz targets: each tests/fuzz/fuzz_*.c is a program. It is linked with the parts of the tool that it needs, with the
# sanitizers. clang's libFuzzer drives it; without libFuzzer, $(CC) builds it with a main() that runs the kept inputs.
FUZZERS := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_PROGRAMS := $(FUZZERS:tests/fuzz/%.c=$(BUILD)/fuzz/%)
FUZZ_OBJECTS := $(patsubst tool/%.c,$(BUILD)/fuzz/tool/%.o,$(filter-out tool/main.c,$(SOURCES))) $(BUILD)/fuzz/tool/embedded_layout.o
CLANG ?= clang
FUZZ_SANITIZE := -O2 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
libfuzzer = $(shell printf 'int LLVMFuzzerTestOneInput(void);int LLVMFuzzerTestOneInput(void){return 0;}' | \
	$(CLANG) -fsanitize=fuzzer,address,undefined -xc -o /dev/null - 2>/dev/null && echo yes)
# Evaluated once, and only if it is used.
HAS_LIBFUZZER = $(eval HAS_LIBFUZZER := $$(libfuzzer))$(HAS_LIBFUZZER)
FUZZ_CC = $(if $(HAS_LIBFUZZER),$(CLANG),$(CC)) $(FUZZ_SANITIZE)
# Coverage for libFuzzer: for the tool and the targets, not for the helpers that only check.
FUZZ_COVERED = $(if $(HAS_LIBFUZZER),-fsanitize=fuzzer-no-link)
FUZZ_MAIN = $(if $(HAS_LIBFUZZER),-fsanitize=fuzzer,$(BUILD)/fuzz/replay.o)

# Programs that open and accept connections for the tests, the demo and the bench.
PEERS := $(sort $(wildcard tests/peers/*.c))
PEER_PROGRAMS := $(PEERS:tests/peers/%.c=$(BUILD)/peers/%)

Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-5s %s\n' $(1) $(2))

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all setup demo check check-unit check-replay check-fuzz fuzz golden check-host check-vm check-matrix check-package lint bench
.PHONY: units sanitized fuzzers peers
.PHONY: install uninstall install-bcc uninstall-bcc clean help

COMPLETIONS := $(BUILD)/completion/bash $(BUILD)/completion/zsh

all: $(BUILD)/ipvs-tcpstate $(COMPLETIONS) ## build build/ipvs-tcpstate

setup: ## install the packages for all targets; setup-PURPOSE for one (see scripts/setup --help)
	$(Q)scripts/setup

setup-%:
	$(Q)scripts/setup $*

# These targets first install what is missing. So they start a second make to build.
demo: ## show the tool on real connections behind IPVS, in a VM if this kernel cannot; KERNEL=NAME or a directory
	$(Q)scripts/demo --setup $(if $(KERNEL),"$(KERNEL)")
	$(Q)$(MAKE) --no-print-directory $(BUILD)/ipvs-tcpstate
	$(Q)scripts/demo $(if $(KERNEL),"$(KERNEL)")

check: setup-check ## run every test, or T="NAME OF A TEST"
	$(Q)$(MAKE) --no-print-directory all units sanitized fuzzers peers
	$(Q)tests/check

check-unit: setup-unit ## run the tests of the pure modules, with sanitizers
	$(Q)$(MAKE) --no-print-directory units
	$(Q)tests/check unit

check-replay: setup-replay ## print recordings in every format, without root
	$(Q)$(MAKE) --no-print-directory all sanitized
	$(Q)tests/check replay

check-fuzz: setup-fuzz ## run the kept fuzz inputs, then fuzz each target for a short time
	$(Q)$(MAKE) --no-print-directory fuzzers
	$(Q)tests/check fuzz

fuzz: setup-fuzz ## fuzz each target for FUZZ_SECONDS (60) or FUZZ_RUNS executions
	$(Q)$(MAKE) --no-print-directory fuzzers
	$(Q)tests/fuzz/long

golden: all ## rewrite the expected output of recordings; review the difference
	$(Q)tests/replay/run --golden

check-host: setup-host ## run the tests that the running kernel allows, as root
	$(Q)$(MAKE) --no-print-directory all peers
	$(Q)tests/check host

check-vm: setup-vm ## run the tool on real IPVS, in VMs; KERNEL=NAME T=TEST
	$(Q)$(MAKE) --no-print-directory all peers
	$(Q)tests/check vm

check-package: setup-package ## test make install, and the packages in a clean root
	$(Q)$(MAKE) --no-print-directory all peers
	$(Q)tests/check package

lint: setup-lint ## run clang-tidy, cppcheck, gcc -fanalyzer, shellcheck, mandoc and valgrind
	$(Q)$(MAKE) --no-print-directory all peers
	$(Q)tests/check lint

check-matrix: setup-vm ## run the tool on real IPVS on every kernel and libbcc of tests/vm/kernels
	$(Q)$(MAKE) --no-print-directory all peers
	$(Q)tests/check matrix

bench: setup-bench ## measure against tcpstates-bpfcc, libbpf-tools and bpftrace
	$(Q)$(MAKE) --no-print-directory all peers
	$(Q)scripts/bench

units: $(UNIT_PROGRAMS)

sanitized: $(BUILD)/unit/ipvs-tcpstate

fuzzers: $(FUZZ_PROGRAMS)

peers: $(PEER_PROGRAMS) $(BUILD)/rehearse

# Files to install: FROM:MODE:TO
FILES = $(BUILD)/ipvs-tcpstate:755:$(PREFIX)/sbin/ipvs-tcpstate \
	man/ipvs-tcpstate.8:644:$(PREFIX)/share/man/man8/ipvs-tcpstate.8 \
	man/ipvs-tcpstate_example.txt:644:$(PREFIX)/share/doc/ipvs-tcpstate/ipvs-tcpstate_example.txt \
	scripts/examples/weights:755:$(PREFIX)/share/doc/ipvs-tcpstate/examples/weights \
	scripts/examples/names:755:$(PREFIX)/share/doc/ipvs-tcpstate/examples/names \
	scripts/examples/fleet-programs:755:$(PREFIX)/share/doc/ipvs-tcpstate/examples/fleet-programs \
	scripts/examples/alerts.yml:644:$(PREFIX)/share/doc/ipvs-tcpstate/examples/alerts.yml \
	scripts/examples/dashboard.json:644:$(PREFIX)/share/doc/ipvs-tcpstate/examples/dashboard.json \
	scripts/examples/Dockerfile:644:$(PREFIX)/share/doc/ipvs-tcpstate/examples/Dockerfile \
	scripts/examples/daemonset.yml:644:$(PREFIX)/share/doc/ipvs-tcpstate/examples/daemonset.yml \
	scripts/examples/ipvs-tcpstate.service:644:$(PREFIX)/share/doc/ipvs-tcpstate/examples/ipvs-tcpstate.service \
	$(BUILD)/completion/bash:644:$(BASHDIR)/ipvs-tcpstate \
	$(BUILD)/completion/zsh:644:$(ZSHDIR)/_ipvs-tcpstate

BCC_FILES = $(BUILD)/ipvs-tcpstate:755:$(BCC_PREFIX)/share/bcc/tools/ipvs-tcpstate \
	man/ipvs-tcpstate_example.txt:644:$(BCC_PREFIX)/share/bcc/tools/doc/ipvs-tcpstate_example.txt \
	$(if $(BCC_SUFFIX),$(BCC_SUFFIXED),man/ipvs-tcpstate.8:644:$(BCC_PREFIX)/share/bcc/man/man8/ipvs-tcpstate.8)
BCC_SUFFIXED = man/ipvs-tcpstate.8:644:$(BCC_PREFIX)/share/man/man8/ipvs-tcpstate$(BCC_SUFFIX).8 \
	man/ipvs-tcpstate_example.txt:644:$(BCC_PREFIX)/share/doc/bpfcc-tools/examples/doc/ipvs-tcpstate_example.txt
BCC_LINK = $(DESTDIR)$(BCC_PREFIX)/sbin/ipvs-tcpstate$(BCC_SUFFIX)

put = @set -e; for file in $(1); do \
	from=$${file%%:*} to="$(DESTDIR)$${file\#\#*:}" mode=$${file\#*:}; printf '  %-5s %s\n' INST "$$to"; \
	install -D -m "$${mode%%:*}" "$$from" "$$to"; done
remove = @for file in $(1); do rm -fv "$(DESTDIR)$${file\#\#*:}"; done
# remove_empty DIR, DIRS - removes DIRS below DIR, and their parents below DIR, if they are empty
remove_empty = @! cd "$(DESTDIR)$(1)" 2>/dev/null || rmdir -p --ignore-fail-on-non-empty $(2) 2>/dev/null || :

install: all ## install below $(DESTDIR)$(PREFIX)
	$(call put,$(FILES))

uninstall: ## remove what install installed
	$(call remove,$(FILES))
	$(call remove_empty,$(PREFIX)/share/doc,ipvs-tcpstate/examples)

install-bcc: all ## install into a BCC toolkit, below $(DESTDIR)$(BCC_PREFIX)
	$(call put,$(BCC_FILES))
ifneq ($(BCC_SUFFIX),)
	$(Q)install -d "$(dir $(BCC_LINK))"
	$(Q)ln -sf ../share/bcc/tools/ipvs-tcpstate "$(BCC_LINK)"
endif

uninstall-bcc: ## remove what install-bcc installed
	$(call remove,$(BCC_FILES))
ifneq ($(BCC_SUFFIX),)
	rm -f "$(BCC_LINK)"
endif
	$(call remove_empty,$(BCC_PREFIX)/share,bcc/tools/doc bcc/man/man8 doc/bpfcc-tools/examples/doc)

clean: ## remove build/
	rm -rf $(BUILD)

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1:\2/p' Makefile | awk -F: '{ printf "%-14s %s\n", $$1, $$2 }'

$(BUILD)/ipvs-tcpstate: $(OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(HARDEN) $(LDFLAGS) $(LINK) -o $@ $^ $(LIBS)

$(BUILD)/completion/%: $(BUILD)/ipvs-tcpstate scripts/completion scripts/completion.bash scripts/completion.zsh
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(BUILD)/ipvs-tcpstate --help | scripts/completion $* ipvs-tcpstate > $@

$(BUILD)/%.o: tool/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(FLAGS) $(HARDEN) -c -o $@ $<

$(BUILD)/%.o: $(BUILD)/%.c
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(FLAGS) $(HARDEN) -c -o $@ $<

$(BUILD)/main.o $(BUILD)/unit/tool/main.o: FLAGS += -DVERSION='"$(VERSION)"'

$(BUILD)/embedded_main.c: $(PROBES:%=probes/%) scripts/embed
	$(call say,EMBED,$@)
	$(Q)mkdir -p $(@D)
	$(Q)scripts/embed embedded_main $(PROBES:%=probes/%) > $@

$(BUILD)/embedded_server.c: $(PROBES_SERVER:%=probes/%) scripts/embed
	$(call say,EMBED,$@)
	$(Q)mkdir -p $(@D)
	$(Q)scripts/embed embedded_server $(PROBES_SERVER:%=probes/%) > $@

$(BUILD)/embedded_layout.c: probes/layout.bpf.c scripts/embed
	$(call say,EMBED,$@)
	$(Q)mkdir -p $(@D)
	$(Q)scripts/embed embedded_layout probes/layout.bpf.c > $@

$(BUILD)/unit/tool/%.o: tool/%.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(FLAGS) $(SANITIZE) -c -o $@ $<

$(BUILD)/unit/tool/%.o: $(BUILD)/%.c
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(FLAGS) $(SANITIZE) -c -o $@ $<

$(BUILD)/unit/ipvs-tcpstate: $(UNIT_OBJECTS) $(BUILD)/unit/tool/main.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(SANITIZE) -o $@ $^ $(LIBS)

$(BUILD)/unit/%: tests/unit/%.c $(UNIT_OBJECTS)
	$(call say,UNIT,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(FLAGS) $(SANITIZE) -o $@ $< $(filter %.o,$^) -lcmocka $(LIBS)

# The machine's headers use the same names as the tool's, so this file is compiled separately.
$(BUILD)/unit/base/test_abi: $(BUILD)/unit/base/abi_system.o

$(BUILD)/unit/%.o: tests/unit/%.c
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(FLAGS) $(SANITIZE) -c -o $@ $<

$(BUILD)/fuzz/tool/%.o: tool/%.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_COVERED) $(CPPFLAGS) $(FLAGS) -c -o $@ $<

$(BUILD)/fuzz/tool/%.o: $(BUILD)/%.c
	$(Q)mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(CPPFLAGS) $(FLAGS) -c -o $@ $<

$(BUILD)/fuzz/fuzz_%.o: tests/fuzz/fuzz_%.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_COVERED) $(CPPFLAGS) $(FLAGS) -c -o $@ $<

$(BUILD)/fuzz/%.o: tests/fuzz/%.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(CPPFLAGS) $(FLAGS) -c -o $@ $<

# An archive, so that a target contains and counts only the code that it uses.
$(BUILD)/fuzz/tool.a: $(FUZZ_OBJECTS) $(BUILD)/fuzz/common.o $(BUILD)/fuzz/lines.o
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/fuzz/fuzz_%: $(BUILD)/fuzz/fuzz_%.o $(BUILD)/fuzz/tool.a $(BUILD)/fuzz/replay.o
	$(call say,FUZZ,$@)
	$(Q)$(FUZZ_CC) -o $@ $< $(FUZZ_MAIN) $(BUILD)/fuzz/tool.a $(LIBS)

$(BUILD)/rehearse: tests/compile/rehearse.c $(filter-out $(BUILD)/main.o,$(OBJECTS))
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(FLAGS) $(HARDEN) $(LDFLAGS) $(LINK) -o $@ $(filter %.c %.o,$^) $(LIBS)

$(BUILD)/peers/%: tests/peers/%.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(FLAGS) -o $@ $< -lpthread

# make reads the dependency files of today's objects only. Files that an older layout has left name sources that have moved.
-include $(patsubst %.o,%.d,$(OBJECTS) $(UNIT_OBJECTS) $(FUZZ_OBJECTS) $(BUILD)/unit/tool/main.o $(BUILD)/unit/base/abi_system.o) \
	$(UNIT_PROGRAMS:%=%.d) $(PEER_PROGRAMS:%=%.d) $(BUILD)/rehearse.d $(wildcard $(BUILD)/fuzz/*.d)
