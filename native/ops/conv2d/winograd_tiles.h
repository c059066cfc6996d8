// Tiles of an image for Winograd: 4 output pixels along x, 1 or 4 rows, numbered along x, then y, then image.
#pragma once
#include "ops/conv2d/conv2d_cpu.h"
#include "ops/conv2d/winograd.h"

namespace bandlift::BANDLIFT_ISA {

template <int kKernelRows>
struct Tiles {
  using W = Winograd<kKernelRows>;

  explicit Tiles(const ConvShape& s)
      : across((s.w + kTileOut - 1) / kTileOut),
        down((s.h + W::kRowsOut - 1) / W::kRowsOut),
        count(s.n * across * down),
        s(s) {}

  // Addresses of one run of a tile's input pixels; those outside of the image point at `zeros`.
  void input_pixels(int64_t tile, const float* x, int64_t run, const float* zeros,
                    const float* (&pixels)[W::kRowsIn][6]) const {
    const int64_t x0 = tile % across * kTileOut - 1, rows = tile / across;
    const int64_t y0 = rows % down * W::kRowsOut - kKernelRows / 2, image = rows / down;
    for (int i = 0; i < W::kRowsIn; ++i) {
      for (int j = 0; j < kTileIn; ++j) {
        const int64_t py = y0 + i, px = x0 + j;
        const bool inside = py >= 0 && py < s.h && px >= 0 && px < s.w;
        pixels[i][j] = inside ? x + s.x.pixel(image * s.h + py, px) * s.x.pitch + s.x.shift(run) : zeros;
      }
    }
  }

  // Indices of its output pixels, -1 outside of the image.
  void output_pixels(int64_t tile, int64_t (&pixels)[W::kRowsOut][kTileOut]) const {
    const int64_t x0 = tile % across * kTileOut, rows = tile / across;
    const int64_t y0 = rows % down * W::kRowsOut, image = rows / down;
    for (int i = 0; i < W::kRowsOut; ++i)
      for (int j = 0; j < kTileOut; ++j)
        pixels[i][j] = y0 + i < s.h && x0 + j < s.w ? s.y.pixel(image * s.h + y0 + i, x0 + j) : -1;
  }

  int64_t across, down, count;
  ConvShape s;
};

// B^T d of one tile, all channels: product p goes to v + p * product_step. A pixel of v has whole vectors of channels.
template <int kKernelRows>
void transform_input(const Tiles<kKernelRows>& tiles, int64_t tile, const float* x, const float* zeros, float* v,
                     int64_t product_step) {
  using W = Winograd<kKernelRows>;
  const Layout& layout = tiles.s.x;
  const int64_t next_tile = kTileOut * layout.r * layout.pitch;  // its first two columns are our last
  const float* pixels[W::kRowsIn][6];
  for (int64_t run = 0; run < layout.runs(); ++run, v += layout.run) {
    tiles.input_pixels(tile, x, run, zeros, pixels);
    for (int64_t c = 0; c < layout.run; c += kLanes) {
      vfloat d[W::kRowsIn][6], t[W::kRowsIn][6];
      for (int i = 0; i < W::kRowsIn; ++i)
        for (int j = 0; j < 6; ++j) {
          d[i][j] = load_up_to(pixels[i][j] + c, layout.run - c);
          if (j >= 2) __builtin_prefetch(pixels[i][j] + next_tile + c);
        }
      W::input(d, t);
      const int64_t room = layout.shuffled() ? layout.run - c : kLanes;
      for (int i = 0; i < W::kRowsIn; ++i)
        for (int j = 0; j < 6; ++j) store_up_to(v + (i * 6 + j) * product_step + c, t[i][j], room);
    }
  }
}

}  // namespace bandlift::BANDLIFT_ISA
