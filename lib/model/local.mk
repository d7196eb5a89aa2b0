# SPDX-License-Identifier: Apache-2.0
lib_libint8core_la_SOURCES += lib/model/family.h lib/model/hparams.h lib/model/model.h \
  lib/model/nodes.h
