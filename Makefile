# moonsnap: everything is built below build/. `make help` lists the targets.
#
#   make V=1                  show the commands
#   make SAN=address,undefined  a sanitizer build, in a folder of its own below build/
#   make WERROR=              warnings do not stop the build

CC      ?= cc
WERROR  ?= -Werror
SAN     ?=
comma   := ,
B       := build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))
VERSION := 0.1.0

PKGS     := lua5.4 libvirt libvirt-qemu libxml-2.0 libcurl libpcre2-8 jansson devmapper libsodium libedit
SIM_PKGS := libmicrohttpd gnutls libxml-2.0 jansson libcurl

WARN := -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
        -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wimplicit-fallthrough $(WERROR)
OPT  ?= -O2 -g
CFLAGS_ALL = -std=c17 -D_GNU_SOURCE -DMOON_VERSION='"$(VERSION)"' $(OPT) $(WARN) -Iengine/core \
             -fno-omit-frame-pointer $(if $(SAN),-fsanitize=$(SAN)) -MMD -MP $(CFLAGS)
LDFLAGS_ALL = $(if $(SAN),-fsanitize=$(SAN)) -pthread $(LDFLAGS)
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)

# Loaded on their first use (engine/lazy.h). The stubs are for x86-64; elsewhere, and for sanitizers, which want to
# know every library, the program is linked as usual.
LAZY_PKGS := libvirt-qemu libvirt libcurl libxml-2.0 libpcre2-8 devmapper libsodium libedit
LAZY      := $(if $(SAN),,$(if $(filter x86_64-%,$(shell $(CC) -dumpmachine)),virt-qemu virt curl xml2 pcre2-8 devmapper sodium edit))
APP_LIBS   = $(if $(LAZY),$(shell pkg-config --libs $(filter-out $(LAZY_PKGS),$(PKGS)) 2>/dev/null),$(PKG_LIBS))
SIM_CFLAGS := $(shell pkg-config --cflags $(SIM_PKGS) 2>/dev/null)
SIM_LIBS   := $(shell pkg-config --libs $(SIM_PKGS) 2>/dev/null)

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-6s %s\n' '$(1)' '$(2)')

core_src  := $(wildcard engine/core/*.c)
lua_src   := $(wildcard engine/lua/*.c)
guard_src := $(wildcard engine/guard/*.c)
app_src   := engine/main.c engine/app.c engine/lazy.c $(if $(findstring thread,$(SAN)),tests/lib/tsan.c)
sim_src   := $(wildcard tests/ontapsim/*.c)
unit_src  := $(wildcard tests/unit/test_*.c)
embedded  := $(sort $(wildcard stdlib/*.lua scripts/*.lua))

# Fuzz targets, one a file, and what they share.
fuzz_common := tests/fuzz/fuzz.c tests/fuzz/interp.c tests/fuzz/replies.c tests/fuzz/peer.c tests/contract/adversary_args.c
fuzz_seeds  := tests/fuzz/seeds.c tests/fuzz/bombs.c
fuzz_src    := $(filter-out $(fuzz_common) $(fuzz_seeds),$(wildcard tests/fuzz/*.c))

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
core_lib := $(B)/libmoon.a
units    := $(patsubst tests/unit/%.c,$(B)/unit/%,$(unit_src))

.PHONY: all help deps test unit lua e2e long contract seeds fuzz valgrind mutate adversary demo crash fault
.PHONY: bench bench-pause bench-start bench-wide bench-scale bench-listing bench-multipath bench-ansible
.PHONY: lab lint doc format clean install
.DEFAULT_GOAL := all

all: $(B)/moonsnap $(B)/ontapsim

help:
	@sed -n '/^## /s/^## //p' Makefile

## all          build/moonsnap and build/ontapsim
## deps         install what building and testing need (apt, as root), or name the command
deps:
	$(Q)tests/lib/deps.sh build test

# The tools that everything below needs are checked once per clone, so that `make test` on a
# fresh machine installs them instead of failing in the middle of a build.
build/.deps: tests/lib/deps.sh
	$(Q)tests/lib/deps.sh build test
	$(Q)mkdir -p build && touch $@

$(core_lib): $(call obj,$(core_src))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

app_obj := $(call obj,$(app_src) $(lua_src) $(guard_src)) $(B)/obj/embed.o
$(B)/moonsnap: $(app_obj) $(B)/obj/lazy.o $(core_lib)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(APP_LIBS) -lm

$(B)/lazy.c: $(app_obj) $(core_lib) engine/lazy.sh
	$(Q)bash engine/lazy.sh "$(CC)" $(app_obj) $(core_lib) -- $(LAZY) > $@.tmp && mv $@.tmp $@
$(B)/obj/lazy.o: $(B)/lazy.c engine/lazy.h
	$(Q)$(CC) $(CFLAGS_ALL) -I. -c -o $@ $<

$(B)/ontapsim: $(call obj,$(sim_src))
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(SIM_LIBS)

# The reference: one index of all documentation comments, for the terminal, the editor and HTML.
documented := $(sort $(lua_src) $(wildcard stdlib/*.lua)) engine/core/ontap.h engine/core/ontap_verbs.c
$(B)/doc/host: engine/doc/host.c
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) $(PKG_CFLAGS) -MF $@.d -o $@ $< $(LDFLAGS_ALL) $(PKG_LIBS) -lm
$(B)/doc/index.lua: $(B)/doc/host engine/doc/index.lua $(documented)
	$(call say,INDEX,$@)
	$(Q)$(B)/doc/host engine/doc/index.lua $@.tmp $(documented) && mv $@.tmp $@

## doc          the reference of engine.* and std.* as HTML, build/doc/html
doc: $(B)/doc/index.lua engine/doc/ldoc.lua
	$(Q)tests/lib/deps.sh build doc
	$(Q)rm -rf $(B)/doc/src && mkdir -p $(B)/doc/src && $(B)/doc/host engine/doc/ldoc.lua $< $(B)/doc/src
	$(Q)cd $(B)/doc/src && ldoc -q --fatalwarnings -c config.ld -d ../html .
	$(Q)echo $(B)/doc/html/index.html

# The Lua library and the shipped workflows travel inside the binary, and the index of the reference.
$(B)/embed.c: $(embedded) engine/embed.lua $(B)/doc/host $(B)/doc/index.lua
	$(call say,EMBED,$@)
	$(Q)mkdir -p $(B)/chunks && $(B)/doc/host engine/embed.lua $(B)/chunks $(embedded) $(B)/doc/index.lua > $@.tmp && mv $@.tmp $@
$(B)/obj/embed.o: $(B)/embed.c
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) -c -o $@ $<

$(B)/obj/tests/ontapsim/%.o: tests/ontapsim/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) $(SIM_CFLAGS) -c -o $@ $<
$(B)/obj/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) $(PKG_CFLAGS) -c -o $@ $<

# A unit test that defines __wrap_NAME gets the linker flag for it.
wrap_names = sed -n 's/.*__wrap_\([a-zA-Z0-9_]*\)[(].*/-Wl,--wrap=\1/p'
$(B)/unit/%: tests/unit/%.c $(core_lib)
	$(call say,UNIT,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) $(PKG_CFLAGS) -MF $@.d -o $@ $< \
	  $$($(wrap_names) $< | sort -u) $(core_lib) $(LDFLAGS_ALL) -lcmocka $(PKG_LIBS) -lm

# moonsnap with a seam: what `make fault` injects; see tests/fault.
fault_src := $(wildcard tests/fault/*.c)
$(B)/moonsnap-fault: $(app_obj) $(call obj,$(fault_src)) $(B)/obj/lazy.o $(core_lib)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $$($(wrap_names) $(fault_src) | sort -u) $^ $(APP_LIBS) -lm

# Drives the ONTAP client's transports without a network; see tests/contract/adversary.c.
adversary_src := $(wildcard tests/contract/*.c)
$(B)/adversary: $(adversary_src) tests/contract/adversary.h $(core_lib)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(PKG_CFLAGS) -MF $@.d -o $@ $(adversary_src) $(core_lib) $(LDFLAGS_ALL) $(PKG_LIBS) -lm

build-units: $(units)
.PHONY: build-units

# The fuzz targets in one program, which runs their seeds; and each by itself, with libFuzzer.
fuzz_objs := $(call obj,$(fuzz_common) $(lua_src) $(guard_src)) $(B)/obj/embed.o $(core_lib)
$(B)/obj/tests/fuzz/%.o $(B)/obj/tests/contract/%.o: PKG_CFLAGS += -Iengine
$(B)/obj/tests/fuzz/%.o: PKG_CFLAGS += $(if $(findstring fuzzer,$(SAN)),,-DFUZZ_SEEDS)
$(B)/seeds: $(call obj,$(fuzz_src) $(fuzz_seeds)) $(fuzz_objs)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -rdynamic -o $@ $^ $(PKG_LIBS) -lm
$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(fuzz_objs)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(subst fuzzer-no-link,fuzzer,$(LDFLAGS_ALL)) -rdynamic -o $@ $^ $(PKG_LIBS) -lm
fuzzers: $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(fuzz_src))
.PHONY: fuzzers
.SECONDARY: $(call obj,$(fuzz_src))

## test         unit, Lua and end-to-end tests; one closing line
test: build/.deps
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) all build-units $(B)/seeds
	$(Q)tests/run $(B) contract seeds e2e lua unit
## unit lua e2e one kind of test
## long         end-to-end tests that take minutes: each right of a role, a kill in each step, bad hosts and controllers
unit lua e2e long: tested
	$(Q)tests/run $(B) $@
# One target, so that several of these asked for at once do not build the same thing twice.
tested: build/.deps
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) all build-units
.PHONY: tested

## contract     the ONTAP client's contract: every case x transport x version profile
contract: build/.deps
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) all
	$(Q)tests/contract/run $(B)

## seeds        the seeds of the fuzz targets, and inputs meant to exhaust them
seeds: build/.deps
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) $(B)/seeds
	$(Q)tests/run $(B) seeds

## fuzz         T=60 seconds of libFuzzer for each parser (TARGETS="http rest": these only)
T ?= 60
fuzz:
	$(Q)tests/lib/deps.sh build fuzz
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) CC=clang-14 OPT='-O1 -g' WERROR= \
	  SAN=fuzzer-no-link,address,undefined fuzzers
	$(Q)tests/fuzz/run build/san-fuzzer-no-link-address-undefined $(T) $(TARGETS)

## valgrind     unit tests and what reads only, under valgrind: no memory error, nothing lost; UNITS=all: the slow ones, too
valgrind:
	$(Q)tests/lib/deps.sh build test valgrind
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) all build-units
	$(Q)tests/valgrind/run $(B) $(UNITS)

## mutate       N=500 replies of that suite damaged, under ASan and UBSan: no crash, no hang
## adversary    lying controllers: no sequence of replies makes the client revert a volume
N ?= 500
mutate: build/.deps
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) SAN=address,undefined all
	$(Q)tests/contract/mutate $(N) build/san-address-undefined
adversary: build/.deps
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) $(B)/adversary
	$(Q)$(B)/adversary 100000

## demo         three real guests backed up, damaged, restored and checked
demo: build/.deps
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) all
	$(Q)tests/demo.sh $(B)

## crash        N=500 backups of eight real guests killed at random instants: no guest stays paused
crash: N = 500
crash: build/.deps
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) all
	$(Q)tests/crash/run $(B) $(N)

## fault        every primitive call of every workflow that changes something goes wrong in turn, in nine ways, over
##              both transports; N=100: so many of the cases, ONLY='backup rest kill': some of them;
##              ALLOC=all|sites|N: allocations of a backup fail instead; ONLY='backup zapi own 100-150': some of those;
##              J=4: in so many worlds at once (two for each processor)
fault: N = all
fault: build/.deps
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) all $(B)/moonsnap-fault
	$(Q)$(if $(ALLOC),MOON_FAULT_ALLOC=$(ALLOC) )$(if $(J),MOON_FAULT_JOBS=$(J) )tests/fault/run $(B) $(N) $(if $(ONLY),'$(ONLY)')

## bench        all of these, side by side with their ratios: some 20 minutes, on an idle machine
## bench-pause  pause per guest: a shell script of virsh and curl, the modes, a bare C program; bench-start, bench-wide, bench-scale
bench_scripts := pause start wide scale listing multipath ansible
bench: build/.deps
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) all
	$(Q)for b in $(bench_scripts); do tests/bench/$$b.sh $(B) && echo || exit 1; done
## bench-ansible  a backup as an Ansible playbook, beside moonsnap's
bench-pause bench-start bench-wide bench-scale bench-ansible: build/.deps
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) all
	$(Q)tests/bench/$(@:bench-%=%).sh $(B)
## bench-listing  10,000 LUNs listed by the engine and by OpenStack Cinder's classes
bench-listing: build/.deps
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) all
	$(Q)tests/bench/listing.sh $(B)

## bench-multipath  5,000 maps with 10,000 paths: one lookup, and all, beside lsblk
bench-multipath: build/.deps
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) all
	$(Q)tests/bench/multipath.sh $(B)

## interop      clients of others on the simulator: Ansible, OpenStack Cinder and Manila
interop: build/.deps
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) $(B)/ontapsim
	$(Q)tests/interop/run $(B)

## lab          SAN and NAS for real, in virtual machines with dm-multipath, iSCSI and NFS; J=1: so many (one for each processor)
lab: build/.deps
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) all
	$(Q)$(if $(J),MOON_LAB_JOBS=$(J) )tests/lab/run $(B)

## lint         house rules, luacheck, cppcheck
lint:
	$(Q)tests/lint.sh

format:
	$(Q)clang-format -i $$(git ls-files '*.c' '*.h')

## install      into $(DESTDIR)$(PREFIX)
PREFIX ?= /usr/local
UNITDIR ?= $(PREFIX)/lib/systemd/system
install: $(B)/moonsnap $(B)/ontapsim
	install -D -m755 $(B)/moonsnap $(DESTDIR)$(PREFIX)/bin/moonsnap
	install -D -m755 $(B)/ontapsim $(DESTDIR)$(PREFIX)/bin/ontapsim
	install -d $(DESTDIR)$(UNITDIR)
	for unit in examples/systemd/*; do \
	  sed 's|/usr/local/bin/|$(PREFIX)/bin/|' $$unit >$(DESTDIR)$(UNITDIR)/$${unit##*/} && \
	  chmod 644 $(DESTDIR)$(UNITDIR)/$${unit##*/} || exit 1; \
	done

clean:
	rm -rf build

-include $(shell find $(B) -name '*.d' 2>/dev/null)
