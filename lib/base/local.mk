# SPDX-License-Identifier: Apache-2.0
lib_libint8core_la_SOURCES += lib/base/version.c lib/base/error.h lib/base/file.h lib/base/hash.h lib/base/json.h lib/base/map.h lib/base/memory.h lib/base/pool.h lib/base/size.h 
