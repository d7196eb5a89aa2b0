# SPDX-License-Identifier: Apache-2.0
i8include_HEADERS += lib/int8tool/convert.h
lib_libint8core_la_SOURCES += lib/convert/advice.c lib/convert/companions.c \
  lib/convert/completion.c lib/convert/completion.h \
  lib/convert/config_rewrite.c lib/convert/convert.c lib/convert/convert_plan.c \
  lib/convert/convert_plan.h lib/convert/disk_rate.c lib/convert/disk_rate.h \
  lib/convert/division.c lib/convert/division.h \
  lib/convert/hashing.c lib/convert/hashing.h \
  lib/convert/identity.c lib/convert/journal.c lib/convert/journal.h \
  lib/convert/journal_record.c lib/convert/journal_record.h \
  lib/convert/manifest.c lib/convert/output_check.c lib/convert/output_check.h lib/convert/output_complete.c \
  lib/convert/pipeline.c lib/convert/pipeline.h lib/convert/pack_plan.c lib/convert/packed.h \
  lib/convert/packing.c lib/convert/publish.c lib/convert/publisher.c \
  lib/convert/publisher.h lib/convert/rank_run.c lib/convert/rank_run.h \
  lib/convert/remote_inputs.c lib/convert/remote_inputs.h lib/convert/shards.c \
  lib/convert/sizing.c lib/convert/sizing.h \
  lib/convert/staging.c lib/convert/staging.h lib/convert/tensor_policy.c \
  lib/convert/tied_copies.c lib/convert/unpack_plan.c lib/convert/work_block.c lib/convert/work_block.h \
  lib/convert/worklist.c lib/convert/worklist.h
