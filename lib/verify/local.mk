# SPDX-License-Identifier: Apache-2.0
i8include_HEADERS += \
  lib/int8tool/generate.h \
  lib/int8tool/runtime.h \
  lib/int8tool/verify.h
lib_libint8core_la_SOURCES += \
  lib/verify/compare_greedy.c \
  lib/verify/compare_greedy.h \
  lib/verify/continuation.c \
  lib/verify/continuation.h \
  lib/verify/generate.c \
  lib/verify/golden.c \
  lib/verify/lockstep.c \
  lib/verify/lockstep.h \
  lib/verify/metrics.c \
  lib/verify/metrics.h \
  lib/verify/model_text.c \
  lib/verify/model_text.h \
  lib/verify/sample_text.c \
  lib/verify/sampler.c \
  lib/verify/sampler.h \
  lib/verify/session.c \
  lib/verify/session.h \
  lib/verify/task.c \
  lib/verify/task.h \
  lib/verify/verify.c \
  lib/verify/windows.c \
  lib/verify/windows.h
