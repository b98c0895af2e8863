// The CUDA language, as far as the kernels use it, for a C++ compiler: they run on the CPU in tests.
//
// EXPORT_THREADS: a kernel without barriers, called once a thread. EXPORT_BLOCKS: one whose barriers
// are PHASE loops, called once a block. Each gets an entry shim_<kernel>(grid and block, parameters)
// that takes its parameters as cuLaunchKernel does. Blocks and threads run one after the other,
// forwards or backwards (shim_backwards): a race between them shows as a difference.
#pragma once
#include <cstring>
#include <utility>

#define DEVICE static inline
#define KERNEL(name) static void name
#define SHARED static thread_local  // a block runs on one thread of the CPU

struct Three {
  unsigned x, y, z;
};
static thread_local Three threadIdx, blockIdx, blockDim, gridDim;
static int backwards_ = 0;
extern "C" __attribute__((visibility("default"))) void shim_backwards(int on) { backwards_ = on; }

static inline bool select_thread(int number, int count, int *t) {
  *t = backwards_ ? count - 1 - number : number;
  threadIdx.x = (unsigned)*t;
  return true;
}
#define PHASE(t)                                                     \
  for (int number_ = 0, t = 0; number_ < (int)blockDim.x &&          \
                               select_thread(number_, (int)blockDim.x, &t); \
       ++number_)

DEVICE u16 half_bits(float x) {
  const _Float16 half = (_Float16)x;
  u16 bits;
  std::memcpy(&bits, &half, 2);
  return bits;
}
DEVICE int float_bits(float x) {
  int bits;
  std::memcpy(&bits, &x, 4);
  return bits;
}
DEVICE float bits_float(int bits) {
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}
template <class T>
DEVICE T atomicAdd(T *at, T value) {
  const T old = *at;
  *at += value;
  return old;
}
template <class T>
DEVICE T atomicMin(T *at, T value) {
  const T old = *at;
  *at = value < old ? value : old;
  return old;
}
template <class T>
DEVICE T atomicMax(T *at, T value) {
  const T old = *at;
  *at = value > old ? value : old;
  return old;
}

template <bool per_block, class... A, size_t... I>
static void run_grid(void (*kernel)(A...), const unsigned *size, void **given,
                     std::index_sequence<I...>) {
  gridDim = {size[0], size[1], size[2]};
  blockDim = {size[3], size[4], size[5]};
  const u64 blocks = (u64)size[0] * size[1] * size[2];
  const u64 threads = per_block ? 1 : (u64)size[3] * size[4] * size[5];
  for (u64 b = 0; b < blocks; ++b)
    for (u64 t = 0; t < threads; ++t) {
      const u64 block = backwards_ ? blocks - 1 - b : b, thread = backwards_ ? threads - 1 - t : t;
      blockIdx = {(unsigned)(block % size[0]), (unsigned)(block / size[0] % size[1]),
                  (unsigned)(block / size[0] / size[1])};
      threadIdx = {(unsigned)(thread % size[3]), (unsigned)(thread / size[3] % size[4]),
                   (unsigned)(thread / size[3] / size[4])};
      kernel(*(A *)given[I]...);
    }
}
template <bool per_block, class... A>
static void run_grid(void (*kernel)(A...), const unsigned *size, void **given) {
  run_grid<per_block>(kernel, size, given, std::index_sequence_for<A...>{});
}
#define EXPORT_(name, per_block)                                                         \
  extern "C" __attribute__((visibility("default"))) void shim_##name(const unsigned *size, \
                                                                     void **given) {     \
    run_grid<per_block>(name, size, given);                                              \
  }
#define EXPORT_THREADS(name) EXPORT_(name, false)
#define EXPORT_BLOCKS(name) EXPORT_(name, true)
