// Pieces of image rows for the direct kernels. A piece is up to `length` neighbouring output pixels of one row. Its
// strip is the input below it, zero-padded and without gaps: pixel j of row ky starts at (j * ci), so that the kw * ci
// inputs of output pixel j are the contiguous floats from j * ci on.
#pragma once
#include "ops/conv2d/conv2d_cpu.h"

namespace bandlift::BANDLIFT_ISA {

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
  // Is kernel row ky inside of the image here?
  bool has(const Pieces& p, int64_t ky) const { return y + ky >= p.s.kh / 2 && y + ky - p.s.kh / 2 < p.s.h; }

  // The strip's row for kernel row ky (has() it).
  void copy_strip(const Pieces& p, int64_t ky, const float* x, float* strip) const {
    const int64_t ci = p.s.ci, left = x0 - p.s.kw / 2, total = count + p.s.kw - 1;
    const float* from = x + (row + ky - p.s.kh / 2) * p.s.w * p.s.x_pitch;
    const int64_t begin = least(most(-left, 0), total), end = most(least(total, p.s.w - left), begin);
    __builtin_memset(strip, 0, begin * ci * sizeof(float));
    if (p.s.x_pitch == ci) {
      __builtin_memcpy(strip + begin * ci, from + (left + begin) * ci, (end - begin) * ci * sizeof(float));
    } else {
      for (int64_t j = begin; j < end; ++j)
        __builtin_memcpy(strip + j * ci, from + (left + j) * p.s.x_pitch, ci * sizeof(float));
    }
    __builtin_memset(strip + end * ci, 0, (total - end) * ci * sizeof(float));
  }

  int64_t row, y, x0, count;  // row counts over all images
};

}  // namespace bandlift::BANDLIFT_ISA
