# SPDX-License-Identifier: Apache-2.0
lib_libint8core_la_SOURCES += lib/engine/engine.h lib/engine/backend.h \
  lib/engine/engine_state.h lib/engine/engine.c lib/engine/engine_forward.c \
  lib/engine/engine_load.c lib/engine/engine_position.c lib/engine/engine_run.c \
  lib/engine/engine_supports.c lib/engine/engine_weights.c \
  lib/engine/cpu/cpu.h lib/engine/cpu/cpu_attention.c lib/engine/cpu/cpu_backend.c \
  lib/engine/cpu/cpu_gemm.c lib/engine/cpu/cpu_int8.c lib/engine/cpu/cpu_int8_kernels.c \
  lib/engine/cpu/cpu_int8_kernels.h lib/engine/cpu/cpu_matrix.c lib/engine/cpu/cpu_rows.c \
  lib/engine/cpu/cpu_simd.h lib/engine/cpu/cpu_simd_avx2.c lib/engine/cpu/cpu_simd_avx512.c \
  lib/engine/cpu/cpu_simd_base.c lib/engine/cpu/cpu_simd_body.h
