// One source for three compilers: nvcc, NVRTC (no headers of the system) and g++ (host/shim.h).
//
// Every kernel has a twin in NumPy and gives the same bits. So: whole numbers, and + - * / of IEEE
// floats that are never fused (-fmad=false, -ffp-contract=off); no function of a mathematics library.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#define DEVICE static __device__ __forceinline__
#define KERNEL(name) extern "C" __global__ void name
#define SHARED __shared__
// The code between two barriers; `t` is the thread. What one phase leaves to the next is SHARED:
// on the CPU all threads of a block finish a phase before the next one begins.
#define PHASE(t) for (int t = (int)threadIdx.x, once_ = 1; once_; once_ = 0, __syncthreads())
#define EXPORT_THREADS(name)
#define EXPORT_BLOCKS(name)
DEVICE u16 half_bits(float x) {
  u16 bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  return bits;
}
DEVICE int float_bits(float x) { return __float_as_int(x); }
DEVICE float bits_float(int x) { return __int_as_float(x); }
#else
#include "host/shim.h"
#endif

DEVICE int smaller(int a, int b) { return a < b ? a : b; }
DEVICE int larger(int a, int b) { return a > b ? a : b; }
DEVICE int within(int low, int value, int high) { return smaller(larger(value, low), high); }
