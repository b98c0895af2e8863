// The picture methods, in place. The truth is redact/methods: reference.py says what is written,
// geometry.py to which samples, cover_all in which order.
//
// A launch works on all regions of all planes of all frames: block (region, part). A sample is painted
// by the first region that touches it, for all that do, in their order: no two threads write one.
#pragma once
#include "plane.cuh"

enum { NODES = 8, PARTS = 4 * NODES, OPAQUE = 128 };

struct Axis {
  int start, stop;  // the covered samples
  int first, end;   // the touched ones
  int soft;         // the width of the soft edge, in luma pixels
  int step;         // luma pixels a sample
};
struct Region {
  Axis x, y;
  int plane;
  int first, last;    // the regions of this plane, in the order in which they are painted
  int averages;       // keeps averages; else the colours around it
  int group;          // of the small ones that have one colour together; -1: of none
  int smooth;         // without the edges of cells
  int inside;         // its inside is painted before averages are taken
  int rows, columns;  // of its grid of colours
  int colours;        // where that grid begins
};

DEVICE bool covers(const Axis &side, int at) { return at >= side.start && at < side.stop; }
DEVICE bool touches(const Axis &side, int at) { return at >= side.first && at < side.end; }
DEVICE bool covers(const Region &r, int x, int y) { return covers(r.x, x) && covers(r.y, y); }
DEVICE bool touches(const Region &r, int x, int y) { return touches(r.x, x) && touches(r.y, y); }
DEVICE u64 mean_of(u64 sum, u64 count) { return (2 * sum + count) / (2 * count); }
DEVICE int edge_of(int size, int number, int parts) { return (int)((i64)size * number / parts); }

// --- the colours around a region ---

struct Window {
  int x0, x1, y0, y1;
};

// Part k of the ring: 0..7 on top, then below, left, right. An empty part is its first sample.
DEVICE Window part_of(const Region &r, int k) {
  const bool beside = k >= 2 * NODES;
  const Axis &along = beside ? r.y : r.x, &off = beside ? r.x : r.y;
  const int size = along.stop - along.start, number = k % NODES;
  const int low = edge_of(size, number, NODES);
  const int high = larger(low + 1, edge_of(size, number + 1, NODES));
  const bool far = k / NODES & 1;
  const int near0 = far ? off.stop : off.first, near1 = far ? off.end : off.start;
  if (beside) return {near0, near1, along.start + low, along.start + high};
  return {along.start + low, along.start + high, near0, near1};
}
DEVICE bool is_free(const Region *regions, const Region &r, int self, int x, int y) {
  for (int k = r.first; k < r.last; ++k)
    if (k != self && covers(regions[k], x, y)) return false;
  return true;
}
DEVICE int node_weight(int node, int part) {
  const int x = 2 * (node % NODES) + 1, y = 2 * (node / NODES) + 1, along = 2 * (part % NODES) + 1;
  const int off = part / NODES & 1 ? 2 * NODES : 0;
  const int dx = x - (part < 2 * NODES ? along : off), dy = y - (part < 2 * NODES ? off : along);
  return 65536 / (dx * dx + dy * dy);
}

// A block a region: 8 threads a part of its ring, then a thread a node.
KERNEL(surroundings)(const Plane *planes, const Region *regions, int *colours) {
  SHARED u64 sums[PARTS], counts[PARTS];
  const int self = (int)blockIdx.x;
  const Region r = regions[self];
  if (r.averages || r.group >= 0) return;
  const Plane plane = planes[r.plane];
  PHASE(t) {
    if (t < PARTS) sums[t] = counts[t] = 0;
  }
  PHASE(t) {
    const Window part = part_of(r, t % PARTS);
    const int width = part.x1 - part.x0, size = width * (part.y1 - part.y0);
    u64 sum = 0, count = 0;
    for (int i = t / PARTS; i < size; i += (int)blockDim.x / PARTS) {
      const int x = part.x0 + i % width, y = part.y0 + i / width;
      if (is_free(regions, r, self, x, y)) sum += (u64)load(plane, x, y), count += 1;
    }
    atomicAdd(&sums[t % PARTS], sum);
    atomicAdd(&counts[t % PARTS], count);
  }
  PHASE(t) {
    if (t < PARTS && counts[t]) sums[t] = mean_of(sums[t], counts[t]);
  }
  PHASE(t) {
    if (t < NODES * NODES) {
      u64 sum = 0, total = 0;
      for (int k = 0; k < PARTS; ++k)
        if (counts[k]) {
          sum += (u64)node_weight(t, k) * sums[k];
          total += (u64)node_weight(t, k);
        }
      colours[r.colours + t] = total ? (int)mean_of(sum, total) : 1 << (plane.bits - 1);
    }
  }
}
EXPORT_BLOCKS(surroundings)

// --- one colour for small regions that touch ---

DEVICE Window band_of(const Region &r, int side) {
  if (side == 0) return {r.x.start, r.x.stop, r.y.first, r.y.start};
  if (side == 1) return {r.x.start, r.x.stop, r.y.stop, r.y.end};
  if (side == 2) return {r.x.first, r.x.start, r.y.start, r.y.stop};
  return {r.x.stop, r.x.end, r.y.start, r.y.stop};
}

// A block a region: each takes the mean beside all of its group.
KERNEL(flat)(const Plane *planes, const Region *regions, int *colours) {
  SHARED u64 sum, count;
  const Region r = regions[blockIdx.x];
  if (r.group < 0) return;
  const Plane plane = planes[r.plane];
  PHASE(t) {
    if (t == 0) sum = count = 0;
  }
  PHASE(t) {
    u64 part = 0, number = 0;
    for (int k = r.first; k < r.last; ++k) {
      const Region other = regions[k];
      for (int side = 0; side < 4 && other.group == r.group; ++side) {
        const Window band = band_of(other, side);
        const int width = band.x1 - band.x0, size = width * (band.y1 - band.y0);
        for (int i = t; i < size; i += (int)blockDim.x) {
          const int x = band.x0 + i % width, y = band.y0 + i / width;
          if (is_free(regions, other, k, x, y)) part += (u64)load(plane, x, y), number += 1;
        }
      }
    }
    atomicAdd(&sum, part);
    atomicAdd(&count, number);
  }
  PHASE(t) {
    if (t == 0) colours[r.colours] = count ? (int)mean_of(sum, count) : 1 << (plane.bits - 1);
  }
}
EXPORT_BLOCKS(flat)

// --- averages: a block a cell ---

KERNEL(averages)(const Plane *planes, const Region *regions, int *colours) {
  SHARED u64 sum;
  const Region r = regions[blockIdx.x];
  const int cell = (int)blockIdx.y;
  if (!r.averages || cell >= r.rows * r.columns) return;
  const Plane plane = planes[r.plane];
  const int row = cell / r.columns, column = cell % r.columns;
  const int height = r.y.stop - r.y.start, width = r.x.stop - r.x.start;
  const int y0 = edge_of(height, row, r.rows), y1 = edge_of(height, row + 1, r.rows);
  const int x0 = edge_of(width, column, r.columns), x1 = edge_of(width, column + 1, r.columns);
  const int size = (y1 - y0) * (x1 - x0);
  PHASE(t) {
    if (t == 0) sum = 0;
  }
  PHASE(t) {
    u64 part = 0;
    for (int i = t; i < size; i += (int)blockDim.x)
      part += (u64)load(plane, r.x.start + x0 + i % (x1 - x0), r.y.start + y0 + i / (x1 - x0));
    atomicAdd(&sum, part);
  }
  PHASE(t) {
    if (t == 0) colours[r.colours + cell] = (int)mean_of(sum, (u64)size);
  }
}
EXPORT_BLOCKS(averages)

// --- painting ---

DEVICE int far_from(const Axis &side, int at) {
  const int off = larger(0, larger(side.start - at, at - side.stop + 1)) * side.step;
  return (int)((i64)off * off * OPAQUE / ((side.soft + 1) * (side.soft + 1)));
}
DEVICE int weight_at(const Region &r, int x, int y) {
  const int near = OPAQUE - smaller(OPAQUE, far_from(r.x, x) + far_from(r.y, y));
  return near * near >> 7;
}
// Between which cells a sample lies: 256 a cell, from the first one's centre.
DEVICE int between(const Axis &side, int at, int cells) {
  const i64 place = 2 * (i64)(at - side.start) + 1;
  return within(0, (int)(place * cells * 128 / (side.stop - side.start)) - 128, (cells - 1) * 256);
}
DEVICE int cell_at(const Axis &side, int at, int cells) {
  const i64 place = (i64)(at - side.start + 1) * cells - 1;
  return within(0, (int)(place / (side.stop - side.start)), cells - 1);
}
DEVICE int mixed(int low, int high, int share) {
  return (int)(((u32)high * (u32)share + (u32)low * (u32)(256 - share) + 128) >> 8);
}
DEVICE int colour_at(const Region &r, const int *colours, int x, int y) {
  const int *grid = colours + r.colours;
  if (!r.smooth)
    return grid[cell_at(r.y, y, r.rows) * r.columns + cell_at(r.x, x, r.columns)];
  const int across = between(r.x, x, r.columns), down = between(r.y, y, r.rows);
  const int i0 = across >> 8, i1 = smaller(i0 + 1, r.columns - 1);
  const int *above = grid + (down >> 8) * r.columns;
  const int *below = grid + smaller((down >> 8) + 1, r.rows - 1) * r.columns;
  return mixed(mixed(above[i0], above[i1], across & 255), mixed(below[i0], below[i1], across & 255),
               down & 255);
}
DEVICE int painted(const Region &r, const int *colours, int x, int y, int value) {
  const int weight = weight_at(r, x, y), colour = colour_at(r, colours, x, y);
  return (int)(((u32)value * (u32)(OPAQUE - weight) + (u32)colour * (u32)weight + 64) >> 7);
}
// Whether this pass paints the sample for the region: only insides, or all with their soft edges.
DEVICE bool paints(const Region &r, int x, int y, int insides) {
  return insides ? r.inside && covers(r, x, y) : touches(r, x, y);
}

KERNEL(paint)(const Plane *planes, const Region *regions, const int *colours, int insides) {
  const int self = (int)blockIdx.x;
  const Region r = regions[self];
  const Plane plane = planes[r.plane];
  const int width = r.x.end - r.x.first, size = width * (r.y.end - r.y.first);
  const int stride = (int)(gridDim.y * blockDim.x);
  for (int i = (int)(blockIdx.y * blockDim.x + threadIdx.x); i < size; i += stride) {
    const int x = r.x.first + i % width, y = r.y.first + i / width;
    bool mine = paints(r, x, y, insides);
    for (int k = r.first; k < self && mine; ++k) mine = !paints(regions[k], x, y, insides);
    if (!mine) continue;
    int value = load(plane, x, y);
    for (int k = self; k < r.last; ++k)
      if (paints(regions[k], x, y, insides)) value = painted(regions[k], colours, x, y, value);
    store(plane, x, y, value);
  }
}
EXPORT_THREADS(paint)
