# SPDX-License-Identifier: Apache-2.0
bin_PROGRAMS += src/int8tool
src_int8tool_SOURCES = src/main.c src/arguments.c src/arguments.h src/command.h \
  src/commands.c src/cmd_devices.c src/help.c src/help.h src/output.c src/output.h
src_int8tool_LDADD = lib/libint8core.la
