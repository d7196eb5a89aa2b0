# SPDX-License-Identifier: Apache-2.0
lib_libint8core_la_SOURCES += \
  hub/api.h \
  hub/download.h \
  hub/http.h \
  hub/remote_file.h \
  hub/repo_id.h \
  hub/resolve.h \
  hub/retry.h \
  hub/settings.h
