/* SPDX-License-Identifier: Apache-2.0
 *
 * blas.h - whether OpenBLAS has taken kernels that fit the processor. Build only.
 */
#ifndef SHARD_BLAS_H
#define SHARD_BLAS_H

/*
 * OpenBLAS knows processors by model number; one that is younger than the library gets kernels of
 * 2004, a quarter as fast. NULL when it has done better; else the value of OPENBLAS_CORETYPE that
 * the next start of this program wants.
 */
const char *shard_blas_core(void);

#endif
