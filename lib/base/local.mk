# SPDX-License-Identifier: Apache-2.0
lib_libint8core_la_SOURCES += \
  lib/base/arch.h \
  lib/base/clock.c lib/base/clock.h \
  lib/base/error.c lib/base/error.h \
  lib/base/file.c lib/base/file.h \
  lib/base/hash.c lib/base/hash.h \
  lib/base/json.c lib/base/json.h \
  lib/base/json_check.c lib/base/json_check.h \
  lib/base/json_reader.c lib/base/json_reader.h \
  lib/base/json_writer.c \
  lib/base/limits.c lib/base/limits.h \
  lib/base/map.c lib/base/map.h \
  lib/base/memory.c lib/base/memory.h \
  lib/base/outfile.c \
  lib/base/pool.c lib/base/pool.h \
  lib/base/size.c lib/base/size.h \
  lib/base/utf8.c lib/base/utf8.h \
  lib/base/version.c
