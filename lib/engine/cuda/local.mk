# SPDX-License-Identifier: Apache-2.0
# nvcc under libtool. libtool adds a bare -fPIC, which nvcc refuses: -prefer-non-pic
# stops it (behind the compiler's name, where libtool looks for it), and the option goes
# to the host compiler by hand. libtool eats -Xcompiler, hence --compiler-options=.
# nvcc's host code is C++: without guards for statics, exceptions and type information
# it needs no C++ runtime, so the program links with the C compiler.
i8include_HEADERS += lib/int8tool/devices.h
if HAVE_CUDA
lib_libint8core_la_SOURCES += lib/engine/cuda/cuda_devices.c \
  lib/engine/cuda/cuda_error.c lib/engine/cuda/cuda_error.h \
  lib/engine/cuda/cuda_kernels.h lib/engine/cuda/cuda_row_absmax.cu
lib_libint8core_la_LIBADD += $(CUDA_LDFLAGS) $(CUDA_LIBS)
AM_CPPFLAGS += $(CUDA_CPPFLAGS)
else
lib_libint8core_la_SOURCES += lib/engine/cuda/devices_none.c
endif

AM_V_NVCC = $(am__v_NVCC_@AM_V@)
am__v_NVCC_ = $(am__v_NVCC_@AM_DEFAULT_V@)
am__v_NVCC_0 = @echo "  NVCC    " $@;
am__v_NVCC_1 =
NVCOMPILE = $(DEFS) $(DEFAULT_INCLUDES) $(AM_CPPFLAGS) $(CPPFLAGS) $(NVCC_ARCH) $(NVCCFLAGS) \
  --compiler-options=-fPIC,-Wall,-Wextra,-fno-exceptions,-fno-rtti,-fno-threadsafe-statics
SUFFIXES = .cu
.cu.lo:
	@$(MKDIR_P) $(@D)
	$(AM_V_NVCC)$(LIBTOOL) $(AM_V_lt) --tag=CC --mode=compile \
	  $(NVCC) -prefer-non-pic $(NVCOMPILE) -MMD -MP -MT $@ -MF $@.d -c -o $@ $<
-include lib/engine/cuda/*.lo.d
CLEANFILES += lib/engine/cuda/*.d
