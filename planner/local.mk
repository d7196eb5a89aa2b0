# SPDX-License-Identifier: Apache-2.0
i8include_HEADERS += lib/int8tool/plan.h
lib_libint8core_la_SOURCES += \
  planner/atoms.c planner/atoms.h \
  planner/balance.c \
  planner/budgets.c \
  planner/bytes.c planner/bytes.h \
  planner/catalogue.c \
  planner/check_map.c \
  planner/device_map.c planner/device_map.h \
  planner/explain.c \
  planner/find.c \
  planner/forward_attention.c planner/forward_pass.h planner/tape.h \
  planner/forward_block.c \
  planner/forward_mlp.c \
  planner/forward_scores.c \
  planner/optimal.c planner/optimal.h \
  planner/partition.c planner/partition.h \
  planner/plan.c planner/plan_state.h \
  planner/plan_json.c \
  planner/plan_sizes.c \
  planner/plan_svg.c \
  planner/plan_table.c \
  planner/replay.c planner/replay.h \
  planner/replay_list.c planner/replay_list.h \
  planner/workload.c planner/workload.h
