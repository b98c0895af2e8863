// How much two surfaces differ in each of some windows: for the second look.
#pragma once
#include "plane.cuh"

struct Pair {
  Plane before, after;
  int x0, y0, x1, y1;  // in samples
};
struct Difference {
  u64 samples, absolute, squared, largest;
};

KERNEL(compare)(const Pair *pairs, Difference *differences) {
  SHARED Difference all;
  const Pair pair = pairs[blockIdx.x];
  const int width = pair.x1 - pair.x0, size = width * (pair.y1 - pair.y0);
  PHASE(t) {
    if (t == 0) all.samples = (u64)size, all.absolute = all.squared = all.largest = 0;
  }
  PHASE(t) {
    u64 absolute = 0, squared = 0, largest = 0;
    for (int i = t; i < size; i += (int)blockDim.x) {
      const int x = pair.x0 + i % width, y = pair.y0 + i / width;
      const int signed_ = load(pair.after, x, y) - load(pair.before, x, y);
      const u64 difference = (u64)(signed_ < 0 ? -signed_ : signed_);
      absolute += difference;
      squared += difference * difference;
      largest = difference > largest ? difference : largest;
    }
    atomicAdd(&all.absolute, absolute);
    atomicAdd(&all.squared, squared);
    atomicMax(&all.largest, largest);
  }
  PHASE(t) {
    if (t == 0) differences[blockIdx.x] = all;
  }
}
EXPORT_BLOCKS(compare)
