# SPDX-License-Identifier: Apache-2.0
lib_libint8core_la_SOURCES += lib/source/source.h 
