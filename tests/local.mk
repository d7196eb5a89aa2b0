# SPDX-License-Identifier: Apache-2.0
# A module's test program is tests/test_<module>.c; its rules stand in one line each.
# Test programs find data by the environment variable I8_TEST_DATA (tests/data). Check's
# time limit only ends what hangs: a busy machine or a sanitizer must not fail a test.
AM_TESTS_ENVIRONMENT = \
  I8_TEST_DATA='$(abs_top_srcdir)/tests/data'; export I8_TEST_DATA; \
  I8_TOOL='$(abs_top_builddir)/src/int8tool'; export I8_TOOL; \
  I8_FAULT_LIBRARY='$(abs_top_builddir)/tests/tools/.libs/libfault.so'; \
  export I8_FAULT_LIBRARY; \
  CC='$(CC)'; CXX='$(CXX)'; NM='$(NM)'; export CC CXX NM; \
  CK_DEFAULT_TIMEOUT=$${CK_DEFAULT_TIMEOUT-600}; export CK_DEFAULT_TIMEOUT;
if HAVE_CHECK
unit_tests =
unit_tests += tests/test_base
tests_test_base_SOURCES = tests/test_base.c tests/scratch.c tests/scratch.h
tests_test_base_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_base_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_json
tests_test_json_SOURCES = tests/test_json.c
tests_test_json_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_json_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_bin
tests_test_bin_SOURCES = tests/test_bin.c tests/scratch.c tests/scratch.h \
  tests/zip_builder.c tests/zip_builder.h
tests_test_bin_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_bin_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_zstd
tests_test_zstd_SOURCES = tests/test_zstd.c tests/zstd_builder.c tests/zstd_builder.h
tests_test_zstd_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_zstd_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) -I$(top_srcdir)/tests
unit_tests += tests/test_checkpoint
tests_test_checkpoint_SOURCES = tests/test_checkpoint.c tests/scratch.c tests/scratch.h
tests_test_checkpoint_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_checkpoint_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_model_source
tests_test_model_source_SOURCES = tests/test_model_source.c tests/scratch.c tests/scratch.h
tests_test_model_source_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_model_source_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_out_of_memory
tests_test_out_of_memory_SOURCES = tests/test_out_of_memory.c tests/scratch.c tests/scratch.h
tests_test_out_of_memory_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_out_of_memory_LDFLAGS = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=vasprintf \
  -Wl,--wrap=aligned_alloc
tests_test_out_of_memory_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_safetensors
tests_test_safetensors_SOURCES = tests/test_safetensors.c tests/scratch.c tests/scratch.h
tests_test_safetensors_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_safetensors_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_model
tests_test_model_SOURCES = tests/test_model.c
tests_test_model_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_model_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_model_trees
tests_test_model_trees_SOURCES = tests/test_model_trees.c
tests_test_model_trees_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_model_trees_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_cuda
tests_test_cuda_SOURCES = tests/test_cuda.c
tests_test_cuda_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_cuda_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_quant
tests_test_quant_SOURCES = tests/test_quant.c
tests_test_quant_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_quant_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_int8_linear
tests_test_int8_linear_SOURCES = tests/test_int8_linear.c tests/ops_fixture.h
tests_test_int8_linear_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_int8_linear_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_ops
tests_test_ops_SOURCES = tests/test_ops.c tests/ops_fixture.h
tests_test_ops_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_ops_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_metrics
tests_test_metrics_SOURCES = tests/test_metrics.c
tests_test_metrics_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_metrics_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_verify
tests_test_verify_SOURCES = tests/test_verify.c tests/scratch.c tests/scratch.h
tests_test_verify_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_verify_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_tokenizer
tests_test_tokenizer_SOURCES = tests/test_tokenizer.c tests/scratch.c tests/scratch.h
tests_test_tokenizer_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_tokenizer_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_engine
tests_test_engine_SOURCES = tests/test_engine.c tests/engine_fixture.h
tests_test_engine_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_engine_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_plan_replay
tests_test_plan_replay_SOURCES = tests/test_plan_replay.c tests/plan_tree.c tests/plan_tree.h
tests_test_plan_replay_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_plan_replay_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_plan_optimal
tests_test_plan_optimal_SOURCES = tests/test_plan_optimal.c
tests_test_plan_optimal_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_plan_optimal_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_plan_maps
tests_test_plan_maps_SOURCES = tests/test_plan_maps.c tests/scratch.c tests/scratch.h
tests_test_plan_maps_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_plan_maps_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_convert
tests_test_convert_SOURCES = tests/test_convert.c tests/convert_tools.c tests/convert_tools.h \
  tests/scratch.c tests/scratch.h
tests_test_convert_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_convert_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_convert_hashes
tests_test_convert_hashes_SOURCES = tests/test_convert_hashes.c tests/convert_tools.c \
  tests/convert_tools.h tests/scratch.c tests/scratch.h tests/zstd_builder.c \
  tests/zstd_builder.h
tests_test_convert_hashes_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_convert_hashes_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) -I$(top_srcdir)/tests
unit_tests += tests/test_fp8
tests_test_fp8_SOURCES = tests/test_fp8.c tests/convert_tools.c tests/convert_tools.h \
  tests/scratch.c tests/scratch.h
tests_test_fp8_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_fp8_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_packed
tests_test_packed_SOURCES = tests/test_packed.c tests/convert_tools.c tests/convert_tools.h \
  tests/scratch.c tests/scratch.h
tests_test_packed_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_packed_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_convert_dir
tests_test_convert_dir_SOURCES = tests/test_convert_dir.c tests/convert_tools.c \
  tests/convert_tools.h tests/scratch.c tests/scratch.h
tests_test_convert_dir_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_convert_dir_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_convert_ranks
tests_test_convert_ranks_SOURCES = tests/test_convert_ranks.c tests/convert_tools.c \
  tests/convert_tools.h tests/scratch.c tests/scratch.h
tests_test_convert_ranks_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_convert_ranks_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_engine_int8
tests_test_engine_int8_SOURCES = tests/test_engine_int8.c tests/engine_fixture.h \
  tests/scratch.c tests/scratch.h
tests_test_engine_int8_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_engine_int8_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_hub_patterns
tests_test_hub_patterns_SOURCES = tests/test_hub_patterns.c tests/scratch.c tests/scratch.h
tests_test_hub_patterns_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_hub_patterns_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_hub_cache
tests_test_hub_cache_SOURCES = tests/test_hub_cache.c tests/scratch.c tests/scratch.h
tests_test_hub_cache_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_hub_cache_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_hub_client
tests_test_hub_client_SOURCES = tests/test_hub_client.c tests/scratch.c tests/scratch.h
tests_test_hub_client_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_hub_client_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_tests += tests/test_hub_engine
tests_test_hub_engine_SOURCES = tests/test_hub_engine.c tests/scratch.c tests/scratch.h
tests_test_hub_engine_LDADD = lib/libint8core.la $(CHECK_LIBS)
tests_test_hub_engine_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
endif
EXTRA_DIST += tests/data

# Each instruction set's kernels against the scalar ones, and against those of another
# processor.
check_PROGRAMS += tests/tools/kernel_digest
tests_tools_kernel_digest_SOURCES = tests/tools/kernel_digest.c
tests_tools_kernel_digest_LDADD = lib/libint8core.la
dist_check_SCRIPTS += tests/kernels_aarch64.sh
TESTS += tests/tools/kernel_digest tests/kernels_aarch64.sh

# Fuzz targets, here over fixed seeds; `make fuzz` lets libFuzzer at them for five minutes.
fuzz_targets = tests/fuzz/fuzz_bin tests/fuzz/fuzz_index tests/fuzz/fuzz_json \
  tests/fuzz/fuzz_safetensors tests/fuzz/fuzz_tokenizer tests/fuzz/fuzz_zip tests/fuzz/fuzz_zstd
check_PROGRAMS += $(fuzz_targets)
fuzz_common = tests/fuzz/driver.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_bin_SOURCES = tests/fuzz/fuzz_bin.c $(fuzz_common)
tests_fuzz_fuzz_bin_LDADD = lib/libint8core.la
tests_fuzz_fuzz_index_SOURCES = tests/fuzz/fuzz_index.c $(fuzz_common)
tests_fuzz_fuzz_index_LDADD = lib/libint8core.la
tests_fuzz_fuzz_json_SOURCES = tests/fuzz/fuzz_json.c $(fuzz_common)
tests_fuzz_fuzz_json_LDADD = lib/libint8core.la
tests_fuzz_fuzz_safetensors_SOURCES = tests/fuzz/fuzz_safetensors.c $(fuzz_common)
tests_fuzz_fuzz_safetensors_LDADD = lib/libint8core.la
tests_fuzz_fuzz_tokenizer_SOURCES = tests/fuzz/fuzz_tokenizer.c $(fuzz_common)
tests_fuzz_fuzz_tokenizer_LDADD = lib/libint8core.la
tests_fuzz_fuzz_zip_SOURCES = tests/fuzz/fuzz_zip.c $(fuzz_common)
tests_fuzz_fuzz_zip_LDADD = lib/libint8core.la
tests_fuzz_fuzz_zstd_SOURCES = tests/fuzz/fuzz_zstd.c $(fuzz_common)
tests_fuzz_fuzz_zstd_LDADD = lib/libint8core.la
dist_check_SCRIPTS += tests/fuzz/run.sh
TESTS += tests/fuzz/run.sh
EXTRA_DIST += tests/fuzz/seeds.sh tests/fuzz/fuzz.sh tests/fuzz/corpus
.PHONY: fuzz
fuzz:
	$(SHELL) $(top_srcdir)/tests/fuzz/fuzz.sh -d '$(abs_top_builddir)/fuzz' $(FUZZ_ARGS)

# Against transformers and bitsandbytes, in a Python environment with pinned packages (PyPI).
# I8_VENV names an environment to use; I8_FIXTURES a folder with larger trained models.
EXTRA_DIST += tests/interop/run.sh tests/interop/requirements.txt tests/interop/conftest.py \
  tests/interop/oracle.py tests/interop/forward.py tests/interop/test_convert_bytes.py \
  tests/interop/test_int8_forward.py tests/interop/test_zstd_seekable.py tests/interop/test_safetensors_reader.py \
  tests/interop/test_transformers.py tests/interop/model_trees.py \
  tests/interop/test_model_trees.py tests/interop/sparse.py \
  tests/interop/random_models.py tests/interop/test_random_maps.py \
  tests/interop/hub_clients.sh tests/interop/hub_client.py tests/interop/test_hub_clients.py \
  tests/interop/test_verify.py tests/interop/transformers-4.57.6.txt \
  tests/interop/transformers-5.23.0.txt tests/interop/load_worker.py \
  tests/interop/test_load.py tests/interop/test_compressed_tensors.py tests/interop/vllm_logprobs.py \
  tests/interop/test_one_linear.py tests/interop/test_fp8.py tests/interop/test_placement.py
EXTRA_PROGRAMS += tests/tools/one_linear
tests_tools_one_linear_SOURCES = tests/tools/one_linear.c
tests_tools_one_linear_LDADD = lib/libint8core.la
.PHONY: interop
interop: $(bin_PROGRAMS) tests/tools/one_linear$(EXEEXT)
	$(AM_TESTS_ENVIRONMENT) I8_VENV="$${I8_VENV:-$(abs_top_builddir)/.venv}" \
	  I8_ONE_LINEAR='$(abs_top_builddir)/tests/tools/one_linear' \
	  $(SHELL) $(top_srcdir)/tests/interop/run.sh $(INTEROP_ARGS)

EXTRA_DIST += tests/tools/fnmatch_table.py \
  tests/tools/placement_digest.py tests/tools/make_checkpoint.py tests/tools/sound_models.py \
  tests/tools/defects.py tests/tools/check_json.py tests/tools/seekable.py \
  tests/tools/bad_bins.py

# Preloaded by tests that stop a conversion at each of its system calls.
check_LTLIBRARIES += tests/tools/libfault.la
tests_tools_libfault_la_SOURCES = tests/tools/fault.c
tests_tools_libfault_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere

# The program as a user sees it: tests/cli/run.sh says how a case is written.
dist_check_SCRIPTS += tests/cli/run.sh
TESTS += tests/cli/run.sh
EXTRA_DIST += tests/cli/cases tests/cli/expect.sh

# A Hub of our own on the loopback, with faults by switch; tests/hub/README.md.
EXTRA_DIST += tests/hub/README.md tests/hub/hub.sh tests/hub/standin.py \
  tests/hub/repositories.py tests/hub/faults.py tests/hub/http_side.py tests/hub/hub_side.py \
  tests/hub/cdn_side.py tests/hub/pulled.py tests/hub/fault_cases.py tests/hub/scenarios.py \
  tests/hub/test_pull.py tests/hub/kill_pulls.py \
  tests/hub/forward_proxy.py
dist_check_SCRIPTS += tests/hub/run.sh
TESTS += tests/hub/run.sh

# What takes minutes: every fault, waits included, and pulls killed at random moments.
.PHONY: stress stress-pull stress-convert
stress: stress-pull stress-convert
stress-pull: $(bin_PROGRAMS)
	$(AM_TESTS_ENVIRONMENT) PYTHONDONTWRITEBYTECODE=1 python3 \
	  $(top_srcdir)/tests/hub/test_pull.py
	$(AM_TESTS_ENVIRONMENT) PYTHONDONTWRITEBYTECODE=1 python3 \
	  $(top_srcdir)/tests/hub/kill_pulls.py $(STRESS_ARGS)

# Rules that a compiler does not check.
source_checks = tests/check_exports.sh tests/check_headers.sh tests/check_includes.sh \
  tests/check_style.sh
dist_check_SCRIPTS += $(source_checks) scripts/format.sh
TESTS += $(source_checks)

# The suite under sanitizers and valgrind; suppressions with their reasons.
EXTRA_DIST += tests/sanitize.sh tests/suppressions

# What was installed works: program, man page, completions, and a program built against
# the library by pkg-config.
EXTRA_DIST += tests/check_installed.sh tests/installed.c
installcheck-local:
	CC='$(CC) $(I8_CFLAGS) $(CFLAGS) $(LDFLAGS)' SHELL='$(SHELL)' \
	  bindir='$(DESTDIR)$(bindir)' libdir='$(DESTDIR)$(libdir)' \
	  datadir='$(DESTDIR)$(datadir)' mandir='$(DESTDIR)$(mandir)' \
	  PKG_CONFIG='$(PKG_CONFIG) --define-prefix' \
	  $(SHELL) $(top_srcdir)/tests/check_installed.sh $(top_srcdir)

# How fast convert is; tests/bench/convert.sh says against what.
EXTRA_PROGRAMS += tests/bench/copy_floor
tests_bench_copy_floor_SOURCES = tests/bench/copy_floor.c
EXTRA_DIST += tests/bench/convert.sh tests/bench/convert_peer.py \
  tests/bench/requirements-convert.txt
.PHONY: bench-convert
bench-convert: $(bin_PROGRAMS) tests/bench/copy_floor$(EXEEXT)
	I8_TOOL='$(abs_top_builddir)/src/int8tool' \
	  I8_FLOOR='$(abs_top_builddir)/tests/bench/copy_floor' \
	  $(SHELL) $(top_srcdir)/tests/bench/convert.sh

# What --compress costs and saves.
EXTRA_PROGRAMS += tests/bench/zstd_levels
tests_bench_zstd_levels_SOURCES = tests/bench/zstd_levels.c
tests_bench_zstd_levels_LDADD = lib/libint8core.la
EXTRA_DIST += tests/bench/zstd.sh
.PHONY: bench-zstd
bench-zstd: $(bin_PROGRAMS) tests/bench/zstd_levels$(EXEEXT)
	I8_TOOL='$(abs_top_builddir)/src/int8tool' \
	  I8_LEVELS='$(abs_top_builddir)/tests/bench/zstd_levels' \
	  $(SHELL) $(top_srcdir)/tests/bench/zstd.sh

# How fast plan is, and how much less its maps need.
EXTRA_DIST += tests/bench/plan.sh tests/bench/many_tensors.py
EXTRA_PROGRAMS += tests/bench/smallest_budgets
tests_bench_smallest_budgets_SOURCES = tests/bench/smallest_budgets.c
tests_bench_smallest_budgets_LDADD = lib/libint8core.la
.PHONY: bench-plan
bench-plan: $(bin_PROGRAMS) tests/bench/smallest_budgets$(EXEEXT)
	I8_TOOL='$(abs_top_builddir)/src/int8tool' \
	  I8_BUDGETS='$(abs_top_builddir)/tests/bench/smallest_budgets' \
	  $(SHELL) $(top_srcdir)/tests/bench/plan.sh

# How fast pull is, and plan of a repository, over a wide and long link.
EXTRA_DIST += tests/bench/pull.sh tests/bench/plan_remote.sh tests/bench/remote_setup.sh \
  tests/bench/convert_remote.sh \
  tests/bench/time_runs.py
EXTRA_PROGRAMS += tests/bench/relay
tests_bench_relay_SOURCES = tests/bench/relay.c
.PHONY: bench-pull bench-plan-remote bench-convert-remote
bench-pull bench-plan-remote bench-convert-remote: $(bin_PROGRAMS) tests/bench/relay$(EXEEXT)
	I8_TOOL='$(abs_top_builddir)/src/int8tool' \
	  I8_RELAY='$(abs_top_builddir)/tests/bench/relay' \
	  $(SHELL) $(top_srcdir)/tests/bench/$$(echo $@ | sed 's/bench-//; s/-/_/g').sh

# Conversions killed at random moments; STRESS=short for a short form.
EXTRA_DIST += tests/stress/convert_kill.sh tests/stress/convert_kill.py
stress-convert: $(bin_PROGRAMS)
	I8_TOOL='$(abs_top_builddir)/src/int8tool' STRESS='$(STRESS)' \
	  $(SHELL) $(top_srcdir)/tests/stress/convert_kill.sh
