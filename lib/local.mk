# SPDX-License-Identifier: Apache-2.0
# libint8core holds everything; the program and the tests link it, so that they see
# the internals. libint8tool is the installed shared library: public names only.
noinst_LTLIBRARIES += lib/libint8core.la
lib_LTLIBRARIES += lib/libint8tool.la

i8includedir = $(includedir)/int8tool
i8include_HEADERS = lib/int8tool/status.h lib/int8tool/dtype.h

lib_libint8core_la_SOURCES =
lib_libint8core_la_LIBADD = $(CJSON_LIBS) $(CRYPTO_LIBS) $(PCRE2_LIBS) $(ZSTD_LIBS) $(CURL_LIBS) $(DNNL_LIBS)

lib_libint8tool_la_SOURCES =
lib_libint8tool_la_LIBADD = lib/libint8core.la
lib_libint8tool_la_LDFLAGS = -no-undefined -version-info 0:0:0 -export-symbols-regex '^i8_'

pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = lib/int8tool.pc

include lib/base/local.mk
include lib/source/local.mk
include lib/checkpoint/local.mk
include lib/model/local.mk
include lib/quant/local.mk
include lib/convert/local.mk
include lib/engine/local.mk
include lib/engine/cuda/local.mk
include lib/tokenizer/local.mk
include lib/verify/local.mk
