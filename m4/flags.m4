dnl SPDX-License-Identifier: Apache-2.0
dnl Compiler flags beyond the user's: they go to I8_CFLAGS, so that CFLAGS stays theirs.

dnl I8_TRY_CFLAG(FLAG): adds FLAG if the compiler knows it.
AC_DEFUN([I8_TRY_CFLAG], [
  AC_MSG_CHECKING([whether $CC accepts $1])
  i8_save_CFLAGS=$CFLAGS
  CFLAGS="$CFLAGS -Werror $1"
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],
    [AC_MSG_RESULT([yes]); I8_CFLAGS="$I8_CFLAGS $1"],
    [AC_MSG_RESULT([no])])
  CFLAGS=$i8_save_CFLAGS])

dnl I8_SANITIZERS: --enable-asan, -ubsan, -tsan, -coverage.
AC_DEFUN([I8_SANITIZERS], [
  AC_ARG_ENABLE([asan], [AS_HELP_STRING([--enable-asan], [build with AddressSanitizer])])
  AC_ARG_ENABLE([ubsan],
    [AS_HELP_STRING([--enable-ubsan], [build with UndefinedBehaviorSanitizer])])
  AC_ARG_ENABLE([tsan], [AS_HELP_STRING([--enable-tsan], [build with ThreadSanitizer])])
  AC_ARG_ENABLE([coverage], [AS_HELP_STRING([--enable-coverage], [build for gcov])])
  AS_IF([test "x$enable_tsan" = xyes && test "x$enable_asan" = xyes],
    [AC_MSG_ERROR([--enable-tsan and --enable-asan exclude each other])])
  AS_IF([test "x$enable_asan" = xyes],
    [I8_CFLAGS="$I8_CFLAGS -fsanitize=address -fno-omit-frame-pointer"])
  AS_IF([test "x$enable_ubsan" = xyes],
    [I8_CFLAGS="$I8_CFLAGS -fsanitize=undefined -fno-sanitize-recover=undefined"])
  AS_IF([test "x$enable_tsan" = xyes], [I8_CFLAGS="$I8_CFLAGS -fsanitize=thread"])
  AS_IF([test "x$enable_coverage" = xyes], [I8_CFLAGS="$I8_CFLAGS --coverage -O0"])])

dnl I8_REFUSE_FAST_MATH
AC_DEFUN([I8_REFUSE_FAST_MATH], [
  AS_CASE([" $CFLAGS $CPPFLAGS "],
    [*-ffast-math*|*-Ofast*|*-funsafe-math*|*-ffinite-math*],
    [AC_MSG_ERROR([fast-math flags are refused: NaN checks and exact bytes depend on IEEE arithmetic])])])
