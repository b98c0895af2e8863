// Colour planes in device memory, whatever their layout: planar, NV12, P010, packed RGB.
#pragma once
#include "portable.cuh"

struct Plane {
  void *samples;      // the first one: u8, or u16 for more than 8 bits
  int pitch;          // bytes from a line to the next
  int step;           // samples from one to the next of this colour: 2 for the chroma of NV12
  int width, height;  // samples
  int bits;           // of a sample, 8 to 16
  int shift;          // how far left its bits lie in u16: 6 in P010
};

DEVICE void *line_of(const Plane &plane, int y) {
  return (u8 *)plane.samples + (i64)y * plane.pitch;
}
DEVICE int load(const Plane &plane, int x, int y) {
  const void *line = line_of(plane, y);
  const i64 at = (i64)x * plane.step;
  return plane.bits == 8 ? ((const u8 *)line)[at] : ((const u16 *)line)[at] >> plane.shift;
}
DEVICE void store(const Plane &plane, int x, int y, int value) {
  void *line = line_of(plane, y);
  const i64 at = (i64)x * plane.step;
  if (plane.bits == 8)
    ((u8 *)line)[at] = (u8)value;
  else
    ((u16 *)line)[at] = (u16)(value << plane.shift);
}

struct Place {
  int x, y;
};

// Where (x, y) of numpy.rot90(picture, turns) lies in a picture of columns x rows.
DEVICE Place before_turning(int x, int y, int turns, int columns, int rows) {
  if (turns == 1) return {columns - 1 - y, x};
  if (turns == 2) return {columns - 1 - x, rows - 1 - y};
  if (turns == 3) return {y, rows - 1 - x};
  return {x, y};
}

// The samples along one side that make up one sample of the resized side, with whole weights.
struct Taps {
  int first, count;
  i64 from, to;  // what the new sample covers, in units of 1 / resized of an old one
  int resized;
  int upper;  // the weight of the second of two, where a side grows; else -1
  u32 total;
};

// A side that shrinks: each new sample is the mean of what it covers. One that grows, or stays:
// between the two nearest old ones.
DEVICE Taps taps(int index, int size, int resized) {
  Taps one;
  one.resized = resized;
  if (resized < size) {
    one.from = (i64)index * size;
    one.to = one.from + size;
    one.first = (int)(one.from / resized);
    one.count = (int)((one.to - 1) / resized) - one.first + 1;
    one.upper = -1;
    one.total = (u32)size;
    return one;
  }
  const i64 last = (i64)(size - 1) * 2 * resized;
  i64 at = (2 * (i64)index + 1) * size - resized;
  at = at < 0 ? 0 : at > last ? last : at;
  one.first = (int)(at / (2 * resized));
  one.upper = (int)(at - (i64)one.first * 2 * resized);
  one.count = one.upper ? 2 : 1;
  one.total = 2 * (u32)resized;
  one.from = one.to = 0;
  return one;
}
DEVICE u32 weight(const Taps &side, int number) {
  if (side.upper >= 0) return number ? (u32)side.upper : side.total - (u32)side.upper;
  const i64 start = (i64)(side.first + number) * side.resized, stop = start + side.resized;
  const i64 low = start > side.from ? start : side.from, high = stop < side.to ? stop : side.to;
  return (u32)(high - low);
}
