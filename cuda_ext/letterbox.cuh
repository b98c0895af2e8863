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

// The sample at (x, y) of a plane, put upright and resized to width x height: a whole one, halves up.
DEVICE float resized(const Plane &plane, int held, int x, int y, int width, int height) {
  const int columns = held & 1 ? plane.height : plane.width;
  const int rows = held & 1 ? plane.width : plane.height;
  const Taps across = taps(x, columns, width), down = taps(y, rows, height);
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
  store(small, x, y, (int)resized(large, 0, x, y, small.width, small.height));
}
EXPORT_THREADS(shrink)

DEVICE float level(float value) { return value < 0.f ? 0.f : value > 255.f ? 255.f : value; }

DEVICE void colours_at(const Shown &shown, int x, int y, float *out) {
  float v[3] = {0.f, 0.f, 0.f};
  for (int c = 0; c < shown.colours; ++c)
    v[c] = resized(shown.planes[c], shown.held, x, y, shown.width, shown.height);
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

// One pixel of the tensor (n, 3, rows, columns) a thread; `turns` quarter turns lie between it and
// the padded picture, which has `border` black pixels before the picture on each side.
KERNEL(letterbox)
(const Shown *shown, void *tensor, int half, int columns, int rows, int border, int turns) {
  const int x = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  const int y = (int)(blockIdx.y * blockDim.y + threadIdx.y), n = (int)blockIdx.z;
  if (x >= columns || y >= rows) return;
  const Shown &one = shown[n];
  const Place at = turns & 1 ? before_turning(x, y, turns, rows, columns)
                             : before_turning(x, y, turns, columns, rows);
  float rgb[3] = {0.f, 0.f, 0.f};
  const int inner_x = at.x - border, inner_y = at.y - border;
  if (inner_x >= 0 && inner_y >= 0 && inner_x < one.width && inner_y < one.height)
    colours_at(one, inner_x, inner_y, rgb);
  const i64 area = (i64)columns * rows, first = (i64)n * 3 * area + (i64)y * columns + x;
  for (int c = 0; c < 3; ++c) {
    const float value = (rgb[c] - one.mean[c]) * one.scale[c];
    if (half)
      ((u16 *)tensor)[first + c * area] = half_bits(value);
    else
      ((float *)tensor)[first + c * area] = value;
  }
}
EXPORT_THREADS(letterbox)

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
