# SPDX-License-Identifier: Apache-2.0
bin_PROGRAMS += src/int8tool
src_int8tool_SOURCES = \
  src/arguments.c src/arguments.h \
  src/cmd_convert.c \
  src/cmd_devices.c \
  src/cmd_generate.c \
  src/cmd_inspect.c \
  src/cmd_plan.c \
  src/cmd_pull.c \
  src/cmd_verify.c \
  src/cmd_unpack.c \
  src/command.h src/commands.c \
  src/completions.c \
  src/convert_print.c src/convert_print.h \
  src/help.c src/help.h \
  src/main.c \
  src/man_page.c \
  src/output.c src/output.h \
  src/pull_progress.c src/pull_progress.h \
  src/ranks.c src/ranks.h \
  src/run_options.c src/run_options.h \
  src/verify_print.c src/verify_print.h \
  src/verify_report.c
AM_CPPFLAGS += $(MPI_CFLAGS)
src_int8tool_LDADD = lib/libint8core.la
if HAVE_MPI
src_int8tool_SOURCES += src/ranks_mpi.c
src_int8tool_LDADD += $(MPI_LIBS)
else
src_int8tool_SOURCES += src/ranks_no_mpi.c
endif

# The man page and the completions come from the program's own tables. They depend on the
# sources, and on the program only in order: so a tarball, which carries them, builds
# for another machine without running what it has built.
bashcompletiondir = $(datadir)/bash-completion/completions
zshcompletiondir = $(datadir)/zsh/site-functions
fishcompletiondir = $(datadir)/fish/vendor_completions.d
dist_man_MANS += docs/int8tool.1
dist_bashcompletion_DATA = docs/completions/int8tool
dist_zshcompletion_DATA = docs/completions/_int8tool
dist_fishcompletion_DATA = docs/completions/int8tool.fish
generated_documents = $(dist_man_MANS) $(dist_bashcompletion_DATA) \
  $(dist_zshcompletion_DATA) $(dist_fishcompletion_DATA)
MAINTAINERCLEANFILES = $(generated_documents)
$(generated_documents): $(src_int8tool_SOURCES) lib/base/version.c configure.ac \
    | src/int8tool$(EXEEXT)

# What runs a program that was compiled for another machine: make EMULATOR='qemu-aarch64 -L DIR'
EMULATOR =
GENERATE = $(AM_V_GEN)generate() { \
    $(MKDIR_P) $(@D) && \
    $(EMULATOR) src/int8tool$(EXEEXT) --generate $$1 >$@.tmp && mv $@.tmp $@; \
  } && generate
docs/int8tool.1:
	$(GENERATE) man
docs/completions/int8tool:
	$(GENERATE) bash
docs/completions/_int8tool:
	$(GENERATE) zsh
docs/completions/int8tool.fish:
	$(GENERATE) fish
