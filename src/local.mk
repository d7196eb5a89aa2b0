# SPDX-License-Identifier: Apache-2.0
bin_PROGRAMS += src/int8tool
src_int8tool_SOURCES = src/main.c
src_int8tool_LDADD = lib/libint8core.la
