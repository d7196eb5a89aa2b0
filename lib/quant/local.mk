# SPDX-License-Identifier: Apache-2.0
lib_libint8core_la_SOURCES += lib/quant/quant.h lib/quant/kernels.h \
  lib/quant/activation.c lib/quant/cast.c lib/quant/half.c lib/quant/isa.c \
  lib/quant/kernels_avx2.c lib/quant/kernels_avx512.c lib/quant/kernels_neon.c \
  lib/quant/kernels_scalar.c lib/quant/row.c lib/quant/scale_table.c
# scale_table.c is in the repository; `make scale-table` makes it again.
EXTRA_DIST += lib/quant/scale_table.awk
scale-table:
	$(AWK) -f $(top_srcdir)/lib/quant/scale_table.awk \
	  $(top_srcdir)/tests/data/quant/scale_127_over_absmax.h200.txt > $(top_srcdir)/lib/quant/scale_table.c
.PHONY: scale-table
