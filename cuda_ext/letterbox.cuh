// Frames to a network's input; and to thumbnails. The twins are in redact/cuda/reference.py.
#pragma once
#include "plane.cuh"

struct Shown {
  Plane planes[3];    // Y, U, V; or R, G, B; or one of grey
  int colours;        // how many of them: 3 or 1
  int rgb;            // they are R, G, B
  int held;           // quarter turns counter-clockwise that put the frame upright
  int width, height;  // of the upright picture in the tensor
  float gain, black, middle;          // level = gain * (Y - black)
  float red, green_u, green_v, blue;  // what V, U, V and U add to it
  float mean[3], scale[3];            // of the network: (level - mean) * scale
};

DEVICE int columns_of(const Plane &plane, int held) { return held & 1 ? plane.height : plane.width; }
DEVICE int rows_of(const Plane &plane, int held) { return held & 1 ? plane.width : plane.height; }

// A sample of a plane, put upright and resized: a whole one, halves up.
DEVICE float resized(const Plane &plane, int held, const Taps &across, const Taps &down) {
  u64 sum = 0;
  for (int j = 0; j < down.count; ++j) {
    u32 line = 0;
    for (int i = 0; i < across.count; ++i) {
      const Place at = before_turning(across.first + i, down.first + j, held, plane.width,
                                      plane.height);
      line += weight(across, i) * (u32)load(plane, at.x, at.y);
    }
    sum += (u64)line * weight(down, j);
  }
  return (float)(int)((float)sum / (float)((u64)across.total * down.total) + 0.5f);
}

// Each plane of `from` resized to that of `to`. Block (part, plane).
KERNEL(shrink)(const Plane *from, const Plane *to) {
  const Plane large = from[blockIdx.y], small = to[blockIdx.y];
  const int size = small.width * small.height;
  const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= size) return;
  const int x = i % small.width, y = i / small.width;
  const Taps across = taps(x, large.width, small.width), down = taps(y, large.height, small.height);
  store(small, x, y, (int)resized(large, 0, across, down));
}
EXPORT_THREADS(shrink)

DEVICE float level(float value) { return value < 0.f ? 0.f : value > 255.f ? 255.f : value; }

DEVICE void colours_of(const Shown &shown, const float *v, float *out) {
  if (shown.rgb) {
    for (int c = 0; c < 3; ++c) out[c] = v[c] * shown.gain;
    return;
  }
  const float luma = (v[0] - shown.black) * shown.gain;
  if (shown.colours == 1) {
    out[0] = out[1] = out[2] = level(luma);
    return;
  }
  const float u = v[1] - shown.middle, w = v[2] - shown.middle;
  out[0] = level(luma + shown.red * w);
  out[1] = level(luma + shown.green_u * u + shown.green_v * w);
  out[2] = level(luma + shown.blue * u);
}

enum { TILE_X = 32, TILE_Y = 8, TILE = TILE_X + TILE_Y };

// Where (x, y) of the tensor lies in the upright picture, which the border surrounds.
DEVICE Place in_picture(int x, int y, int turns, int columns, int rows, int border) {
  const Place at = turns & 1 ? before_turning(x, y, turns, rows, columns)
                             : before_turning(x, y, turns, columns, rows);
  return {at.x - border, at.y - border};
}
// The taps that the tile's column k, or its row k - TILE_X, has in each plane.
DEVICE void fill_taps(const Shown &one, const Place &at, int k, bool odd, Taps (*taps_of)[TILE]) {
  const bool is_column = (k < TILE_X) != odd;  // of the picture
  const int value = is_column ? at.x : at.y, size = is_column ? one.width : one.height;
  if (value < 0 || value >= size) return;
  for (int c = 0; c < one.colours; ++c) {
    const Plane &plane = one.planes[c];
    const int side = is_column ? columns_of(plane, one.held) : rows_of(plane, one.held);
    taps_of[c][k] = taps(value, side, size);
  }
}

// A block a tile of the tensor (n, 3, rows, columns), a thread a pixel; `turns` quarter turns lie between
// it and the padded picture, which has `border` black pixels before the picture on each side.
KERNEL(letterbox)
(const Shown *shown, void *tensor, int half, int columns, int rows, int border, int turns) {
  SHARED Taps taps_of[3][TILE];
  const int x0 = (int)blockIdx.x * TILE_X, y0 = (int)blockIdx.y * TILE_Y, n = (int)blockIdx.z;
  const Shown &one = shown[n];
  const bool odd = turns & 1;
  PHASE(t) {
    if (t < TILE) {
      const int x = t < TILE_X ? x0 + t : x0, y = t < TILE_X ? y0 : y0 + t - TILE_X;
      fill_taps(one, in_picture(x, y, turns, columns, rows, border), t, odd, taps_of);
    }
  }
  PHASE(t) {
    const int k = t % TILE_X, j = TILE_X + t / TILE_X;
    const int x = x0 + k, y = y0 + j - TILE_X;
    if (x < columns && y < rows) {
      const Place at = in_picture(x, y, turns, columns, rows, border);
      float v[3] = {0.f, 0.f, 0.f}, rgb[3] = {0.f, 0.f, 0.f};
      if (at.x >= 0 && at.y >= 0 && at.x < one.width && at.y < one.height) {
        for (int c = 0; c < one.colours; ++c)
          v[c] = resized(one.planes[c], one.held, taps_of[c][odd ? j : k], taps_of[c][odd ? k : j]);
        colours_of(one, v, rgb);
      }
      const i64 area = (i64)columns * rows, first = (i64)n * 3 * area + (i64)y * columns + x;
      for (int c = 0; c < 3; ++c) {
        const float value = (rgb[c] - one.mean[c]) * one.scale[c];
        if (half)
          ((u16 *)tensor)[first + c * area] = half_bits(value);
        else
          ((float *)tensor)[first + c * area] = value;
      }
    }
  }
}
EXPORT_BLOCKS(letterbox)

// One plane of each frame to (n, rows, columns) of floats. A block a sample: it may read thousands.
KERNEL(thumbnail)(const Plane *planes, float *out, int columns, int rows) {
  SHARED u64 sum;
  const int at = (int)blockIdx.x;
  const Plane plane = planes[blockIdx.y];
  const Taps across = taps(at % columns, plane.width, columns);
  const Taps down = taps(at / columns, plane.height, rows);
  PHASE(t) {
    if (t == 0) sum = 0;
  }
  PHASE(t) {
    u64 part = 0;
    for (int i = t; i < across.count * down.count; i += (int)blockDim.x) {
      const int column = i % across.count, row = i / across.count;
      const u32 sample = (u32)load(plane, across.first + column, down.first + row);
      part += (u64)(weight(across, column) * sample) * weight(down, row);
    }
    atomicAdd(&sum, part);
  }
  PHASE(t) {
    if (t == 0)
      out[(i64)blockIdx.y * columns * rows + at] =
          (float)sum / (float)((u64)across.total * down.total);
  }
}
EXPORT_BLOCKS(thumbnail)
