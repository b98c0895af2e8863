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

// The samples along one side that make up one sample of the resized side, with whole weights: those
// between the first and the last have one weight.
struct Taps {
  int first, count;
  u32 head, middle, tail, total;
};

// A side that shrinks: each new sample is the mean of what it covers, in units of 1 / resized of an old
// one. A side that grows, or stays: between the two nearest old ones.
template <class Whole>
DEVICE Taps taps_in(Whole index, Whole size, Whole resized) {
  if (resized < size) {
    const Whole from = index * size, to = from + size;
    const Whole first = from / resized, last = (to - 1) / resized;
    const Whole stop = (first + 1) * resized;
    return {(int)first, (int)(last - first) + 1, (u32)((stop < to ? stop : to) - from),
            (u32)resized, (u32)(to - last * resized), (u32)size};
  }
  const Whole unit = 2 * resized, last = (size - 1) * unit;
  Whole at = (2 * index + 1) * size - resized;
  at = at < 0 ? 0 : at > last ? last : at;
  const Whole first = at / unit, upper = at - first * unit;
  return {(int)first, upper ? 2 : 1, (u32)(unit - upper), 0, (u32)upper, (u32)unit};
}
// 64 bits divide several times slower, and few pictures need them.
DEVICE Taps taps(int index, int size, int resized) {
  if (size < 32768 && resized < 32768) return taps_in<int>(index, size, resized);
  return taps_in<i64>(index, size, resized);
}
DEVICE u32 weight(const Taps &side, int number) {
  return number == 0 ? side.head : number == side.count - 1 ? side.tail : side.middle;
}
