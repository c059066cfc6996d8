// Pieces of image rows for the direct kernels. A piece is up to `length` neighbouring output pixels of one row. Its
// strip is the input below it, zero-padded and without gaps: pixel j of row ky starts at (j * ci), so that the kw * ci
// inputs of output pixel j are the contiguous floats from j * ci on.
#pragma once
#include "ops/conv2d/conv2d_cpu.h"

namespace bandlift::BANDLIFT_ISA {

// `count` pixels from (row, x0) of an image to `step` floats apart, their runs of channels one after the other.
inline void copy_pixels(const Layout& layout, const float* image, int64_t row, int64_t x0, int64_t count, float* to,
                        int64_t step) {
  for (int64_t j = 0; j < count; ++j) {
    const float* from = image + layout.pixel(row, x0 + j) * layout.pitch;
    for (int64_t k = 0; k < layout.runs(); ++k)
      __builtin_memcpy(to + j * step + k * layout.run, from + layout.shift(k), layout.run * sizeof(float));
  }
}

struct Pieces {
  // `longest` is a wish; rows are cut into equal parts.
  Pieces(const ConvShape& s, int64_t longest) : s(s) {
    per_row = (s.w + longest - 1) / longest;
    length = (s.w + per_row - 1) / per_row;
    per_row = (s.w + length - 1) / length;
    count = s.n * s.h * per_row;
  }

  int64_t strip_row() const { return (length + s.kw - 1) * s.ci; }  // floats

  ConvShape s;
  int64_t per_row, length, count;
};

struct Piece {
  Piece(const Pieces& p, int64_t index)
      : row(index / p.per_row), y(row % p.s.h), x0(index % p.per_row * p.length), count(least(p.length, p.s.w - x0)) {}

  int64_t first_pixel(const Pieces& p) const { return row * p.s.w + x0; }
  int64_t first_output(const Pieces& p) const { return p.s.y.pixel(row, x0); }
  // Is kernel row ky inside of the image here?
  bool has(const Pieces& p, int64_t ky) const { return y + ky >= p.s.kh / 2 && y + ky - p.s.kh / 2 < p.s.h; }

  // The strip's row for kernel row ky (has() it).
  void copy_strip(const Pieces& p, int64_t ky, const float* x, float* strip) const {
    const int64_t ci = p.s.ci, left = x0 - p.s.kw / 2, total = count + p.s.kw - 1;
    const int64_t from = row + ky - p.s.kh / 2;
    const int64_t begin = least(most(-left, 0), total), end = most(least(total, p.s.w - left), begin);
    __builtin_memset(strip, 0, begin * ci * sizeof(float));
    if (p.s.x.pitch == ci && !p.s.x.shuffled())
      __builtin_memcpy(strip + begin * ci, x + p.s.x.pixel(from, left + begin) * ci,
                       (end - begin) * ci * sizeof(float));
    else
      copy_pixels(p.s.x, x, from, left + begin, end - begin, strip + begin * ci, ci);
    __builtin_memset(strip + end * ci, 0, (total - end) * ci * sizeof(float));
  }

  int64_t row, y, x0, count;  // row counts over all images
};

}  // namespace bandlift::BANDLIFT_ISA
