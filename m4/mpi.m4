dnl SPDX-License-Identifier: Apache-2.0
dnl I8_CHECK_MPI: optional MPI, for the program's --ranks mpi.
dnl   --with-mpi=check (default) | yes (fail if absent) | no
dnl Sets the conditional HAVE_MPI and substitutes MPI_CFLAGS, MPI_LIBS.
AC_DEFUN([I8_CHECK_MPI], [
  AC_ARG_WITH([mpi], [AS_HELP_STRING([--with-mpi],
    [build --ranks mpi with Open MPI or MPICH: check (default), yes or no])],
    [], [with_mpi=check])
  AS_CASE([$with_mpi], [yes|no|check], [],
    [AC_MSG_ERROR([--with-mpi=$with_mpi: expected yes, no or check])])
  i8_mpi=no
  AS_IF([test "$with_mpi" != no],
    [PKG_CHECK_MODULES([MPI], [ompi-c], [i8_mpi=yes],
      [PKG_CHECK_MODULES([MPI], [mpich], [i8_mpi=yes], [i8_mpi=no])])
     AS_IF([test $i8_mpi = yes],
       [i8_save_CPPFLAGS=$CPPFLAGS; i8_save_LIBS=$LIBS
        CPPFLAGS="$CPPFLAGS $MPI_CFLAGS"; LIBS="$MPI_LIBS $LIBS"
        AC_MSG_CHECKING([whether a program links with MPI])
        AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <mpi.h>]],
          [[MPI_Request r; int v = 0, m;
            MPI_Init(0, 0);
            MPI_Iallreduce(&v, &m, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD, &r);]])],
          [], [i8_mpi=no])
        AC_MSG_RESULT([$i8_mpi])
        CPPFLAGS=$i8_save_CPPFLAGS; LIBS=$i8_save_LIBS])
     AS_IF([test $i8_mpi = no && test "$with_mpi" = yes],
       [AC_MSG_ERROR([--with-mpi was given but there is no usable MPI (Debian: libopenmpi-dev)])])])
  AM_CONDITIONAL([HAVE_MPI], [test $i8_mpi = yes])
])
