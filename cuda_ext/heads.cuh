// The heads of the detectors: cells of a heat map to boxes, and boxes of one thing to one box.
// The twins are in redact/cuda/reference.py.
#pragma once
#include "portable.cuh"

struct Found {
  float x0, y0, x1, y1, score;
  int look;  // which one found it
};

// A way in which one picture was shown to the network, and what its outputs are.
struct Head {
  const float *heat;         // (n, channels, rows, columns); the first channel counts
  const float *sizes;        // (n, 2 or 4, rows, columns)
  const float *offsets;      // (n, 2, rows, columns); null: sizes are the four sides
  int channels;              // of heat
  int rows, columns;         // of the heat map
  int stride;                // pixels a cell
  int turns, border;         // see letterbox
  int width, height;         // of the padded picture, before it was turned
  int peaks;                 // only cells that none of the 8 around exceeds
  int across, down;          // of the frame, the way up in which it was shown
  int look;                  // a number of its own for each way to show a picture
  float min_score, scale;    // scale: pixels of the network's input a pixel of the frame
  float cut_off;             // the least score of what an edge of the frame cuts off
  float small;               // pixels of the input: a box no higher is small,
  float small_score;         // and has to score this much,
  float small_cut_off;       // or this much where an edge cuts it off
  float unit;                // pixels in which the four sides are given
  float flattest, tallest;   // the most, and the least, width by height of a box
};

// e^x within 2 units in the last place, of + and * alone. x is at most 80 from 0.
DEVICE float exponential(float x) {
  x = x < -80.f ? -80.f : x > 80.f ? 80.f : x;
  const float turns = x * 1.44269504f;
  const int n = (int)(turns + (turns < 0.f ? -0.5f : 0.5f));
  const float r = (x - (float)n * 0.693359375f) - (float)n * -2.12194440e-4f;
  float sum = 1.f / 5040.f;
  sum = sum * r + 1.f / 720.f;
  sum = sum * r + 1.f / 120.f;
  sum = sum * r + 1.f / 24.f;
  sum = sum * r + 1.f / 6.f;
  sum = sum * r + 0.5f;
  sum = sum * r + 1.f;
  sum = sum * r + 1.f;
  return sum * bits_float((n + 127) << 23);
}

DEVICE bool finite(float x) { return (float_bits(x) & 0x7f800000) != 0x7f800000; }

// CenterFace: logarithms of height and width in cells, and where the centre lies, down and right.
DEVICE Found from_centre(const Head &head, i64 at, i64 area, int row, int column, int n) {
  const float stride = (float)head.stride;
  const float *sizes = head.sizes + (i64)n * 2 * area, *offsets = head.offsets + (i64)n * 2 * area;
  const float height = exponential(sizes[at]) * stride;
  const float width = exponential(sizes[at + area]) * stride;
  const float y = ((float)row + offsets[at] + 0.5f) * stride;
  const float x = ((float)column + offsets[at + area] + 0.5f) * stride;
  return {x - width * 0.5f, y - height * 0.5f, x + width * 0.5f, y + height * 0.5f, 0.f, 0};
}
// How far left, up, right and down of the cell's centre the sides lie.
DEVICE Found from_sides(const Head &head, i64 at, i64 area, int row, int column, int n) {
  const float stride = (float)head.stride;
  const float *sides = head.sizes + (i64)n * 4 * area + at;
  const float x = ((float)column + 0.5f) * stride, y = ((float)row + 0.5f) * stride;
  return {x - sides[0] * head.unit, y - sides[area] * head.unit, x + sides[2 * area] * head.unit,
          y + sides[3 * area] * head.unit, 0.f, 0};
}
DEVICE Found turned_back(const Found &box, const Head &head) {
  const float width = (float)head.width, height = (float)head.height;
  if (head.turns == 1) return {width - box.y1, box.x0, width - box.y0, box.x1, 0.f, 0};
  if (head.turns == 2)
    return {width - box.x1, height - box.y1, width - box.x0, height - box.y0, 0.f, 0};
  if (head.turns == 3) return {box.y0, height - box.x1, box.y1, height - box.x0, 0.f, 0};
  return box;
}
// Of a box in pixels of the frame.
DEVICE bool reaches_edge(const Head &head, const Found &box) {
  return box.x0 <= 1.f || box.y0 <= 1.f || box.x1 >= (float)(head.across - 1) ||
         box.y1 >= (float)(head.down - 1);
}
DEVICE bool any_not_finite(const Head &head, i64 at, i64 area, int n) {
  const int sizes = head.offsets ? 2 : 4;
  for (int k = 0; k < sizes; ++k)
    if (!finite(head.sizes[((i64)n * sizes + k) * area + at])) return true;
  for (int k = 0; head.offsets && k < 2; ++k)
    if (!finite(head.offsets[((i64)n * 2 + k) * area + at])) return true;
  return !finite(head.heat[(i64)n * head.channels * area + at]);
}

DEVICE bool is_peak(const Head &head, const float *heat, int row, int column) {
  for (int y = larger(row - 1, 0); y <= smaller(row + 1, head.rows - 1); ++y)
    for (int x = larger(column - 1, 0); x <= smaller(column + 1, head.columns - 1); ++x)
      if (heat[(i64)y * head.columns + x] > heat[(i64)row * head.columns + column]) return false;
  return true;
}
DEVICE bool has_shape(const Head &head, const Found &box) {
  const float wide = box.x1 - box.x0, high = box.y1 - box.y0;
  const float aspect = (wide < 1e-3f ? 1e-3f : wide) / (high < 1e-3f ? 1e-3f : high);
  return aspect >= head.tallest && aspect <= head.flattest;
}

// A thread a cell of each picture. found: (n, most) of which counts[n] are filled, in any order;
// faults[n] counts the cells in which the network said something that is no number.
KERNEL(decode)(const Head *given, Found *found, int most, int *counts, int *faults) {
  const Head head = *given;
  const i64 area = (i64)head.rows * head.columns;
  const i64 at = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  const int n = (int)blockIdx.y;
  if (at >= area) return;
  if (any_not_finite(head, at, area, n)) {
    atomicAdd(&faults[n], 1);
    return;
  }
  const float *heat = head.heat + (i64)n * head.channels * area;
  const float score = heat[at];
  if (!(score >= head.min_score || score >= head.cut_off || score >= head.small_score ||
        score >= head.small_cut_off))
    return;
  const int row = (int)(at / head.columns), column = (int)(at % head.columns);
  if (head.peaks && !is_peak(head, heat, row, column)) return;
  Found box = head.offsets ? from_centre(head, at, area, row, column, n)
                           : from_sides(head, at, area, row, column, n);
  if (!has_shape(head, box)) return;
  box = turned_back(box, head);
  const bool small = box.y1 - box.y0 <= head.small;
  const float least = small ? head.small_score : head.min_score;
  const float at_an_edge = small ? head.small_cut_off : head.cut_off;
  const float border = (float)head.border;
  box = {(box.x0 - border) / head.scale, (box.y0 - border) / head.scale,
         (box.x1 - border) / head.scale, (box.y1 - border) / head.scale, score, head.look};
  if (!(score >= least || (score >= at_an_edge && reaches_edge(head, box)))) return;
  const int slot = atomicAdd(&counts[n], 1);
  if (slot < most) found[(i64)n * most + slot] = box;
}
EXPORT_THREADS(decode)

// The order of numpy.lexsort((x0, y0, x1, y1, -score)), then that of the list.
DEVICE bool comes_before(const Found &a, const Found &b, int place_a, int place_b) {
  if (a.score != b.score) return a.score > b.score;
  if (a.y1 != b.y1) return a.y1 < b.y1;
  if (a.x1 != b.x1) return a.x1 < b.x1;
  if (a.y0 != b.y0) return a.y0 < b.y0;
  if (a.x0 != b.x0) return a.x0 < b.x0;
  return place_a < place_b;
}
DEVICE float area_of(const Found &box) { return (box.x1 - box.x0) * (box.y1 - box.y0); }
DEVICE float overlap(const Found &a, const Found &b) {
  const float x1 = a.x1 < b.x1 ? a.x1 : b.x1, x0 = a.x0 > b.x0 ? a.x0 : b.x0;
  const float y1 = a.y1 < b.y1 ? a.y1 : b.y1, y0 = a.y0 > b.y0 ? a.y0 : b.y0;
  const float width = x1 - x0 < 0.f ? 0.f : x1 - x0, height = y1 - y0 < 0.f ? 0.f : y1 - y0;
  const float shared = width * height;
  return shared / (area_of(b) + area_of(a) - shared);
}
// Floats as whole numbers in the same order, and back.
DEVICE int ordered(float x) {
  const int bits = float_bits(x);
  return bits ^ (bits >> 31 & 0x7fffffff);
}
DEVICE float unordered(int bits) { return bits_float(bits ^ (bits >> 31 & 0x7fffffff)); }

// A block a frame. Best first; one that overlaps a better one by more than `most_overlap` is the same
// thing, and the better one grows to hold it. What one look alone found, and is more than `tiny` wide,
// scores `alone` less. sorted and taken are room to work in; merged: (n, most).
KERNEL(merge)
(const Found *found, Found *sorted, int *taken, Found *merged, int *counts, int most,
 float most_overlap, float alone, float tiny) {
  SHARED int next, size, others, sides[4];
  const i64 first = (i64)blockIdx.x * most;
  found += first, sorted += first, taken += first, merged += first;
  const int count = smaller(counts[blockIdx.x], most);
  PHASE(t) {
    if (t == 0) next = 0, size = 0;
    for (int i = t; i < count; i += (int)blockDim.x) {
      int place = 0;
      for (int k = 0; k < count; ++k) place += comes_before(found[k], found[i], k, i);
      sorted[place] = found[i];
      taken[i] = 0;
    }
  }
  while (next < count) {
    const int best = next;
    PHASE(t) {
      if (t == 0) {
        sides[0] = ordered(sorted[best].x0), sides[1] = ordered(sorted[best].y0);
        sides[2] = ordered(sorted[best].x1), sides[3] = ordered(sorted[best].y1);
        taken[best] = 1, others = 0;
      }
    }
    PHASE(t) {
      for (int i = best + 1 + t; i < count; i += (int)blockDim.x)
        if (!taken[i] && overlap(sorted[best], sorted[i]) > most_overlap) {
          taken[i] = 1;
          atomicMax(&others, (int)(sorted[i].look != sorted[best].look));
          atomicMin(&sides[0], ordered(sorted[i].x0)), atomicMin(&sides[1], ordered(sorted[i].y0));
          atomicMax(&sides[2], ordered(sorted[i].x1)), atomicMax(&sides[3], ordered(sorted[i].y1));
        }
    }
    PHASE(t) {
      if (t == 0) {
        Found one = sorted[best];
        one.x0 = unordered(sides[0]), one.y0 = unordered(sides[1]);
        one.x1 = unordered(sides[2]), one.y1 = unordered(sides[3]);
        if (!others && one.x1 - one.x0 > tiny) one.score = one.score - alone;
        merged[size] = one;
        ++size;
        while (next < count && taken[next]) ++next;
      }
    }
  }
  PHASE(t) {
    if (t == 0) counts[blockIdx.x] = size;
  }
}
EXPORT_BLOCKS(merge)
