// Bounds of neighbourhoods and clamping between them against plain loops, on every backend and in every type of images.
#include <algorithm>
#include <cmath>

#include "backends.h"
#include "core/error.h"

using namespace backends;

namespace {

struct Case {
  Shape coarse;
  int64_t rows, columns;  // of the fine image
  int radius;
  float margin;
};

// One pixel, one channel, primes, padded pixels, several samples, channels beyond a block of threads.
const Case kCases[] = {
    {{1, 1, 1, 1}, 1, 1, 2, 1},  {{2, 3, 2, 5}, 7, 4, 1, 0.5f},   {{1, 4, 5, 8, 2}, 9, 12, 0, 1},
    {{3, 2, 3, 17}, 4, 6, 2, 1}, {{1, 5, 3, 65, 1}, 12, 7, 1, 2}, {{1, 3, 4, 341, 3}, 7, 9, 2, 0.25f},
};

// Cell of output k: any order will do.
int64_t cell(int64_t k, int64_t outputs, int64_t cells) {
  return (outputs - 1 - k) * cells / outputs;
}

Image table(int64_t outputs, int64_t cells) {
  Image t({1, 1, outputs, 2, 1});
  for (int64_t k = 0; k < outputs; ++k) t.set(2 * k, static_cast<double>(cell(k, outputs, cells))), t.set(2 * k + 1, 1);
  return t;
}

std::string text(const Case& c, DType type) {
  return backends::text(c.coarse) + " under " + std::to_string(c.rows) + "x" + std::to_string(c.columns) +
         (type == DType::f32 ? "" : storage::name(type));
}

}  // namespace

TEST("neighbourhood_bounds: least and greatest around, widened, not below the floor") {
  for (DType type : kImageTypes)
    for (const Case& c : kCases) {
      const Image x = Image::random(c.coarse, 11, -0.25, 1, type),
                  floor = Image::random({1, 1, 1, c.coarse.c}, 12, -0.5, 0.5);
      everywhere(
          "neighbourhood_bounds " + text(c, type),
          [&](Backend& backend) {
            std::vector<Image> r{Image(c.coarse, type), Image(c.coarse, type)};
            backend.neighbourhood_bounds({c.radius, c.margin}, x.t, floor.t, r[0].t, r[1].t);
            return r;
          },
          [&](const std::vector<Image>& r) {
            const Shape& s = c.coarse;
            for (int64_t i = 0; i < x.t.elements(); ++i) {
              const int64_t k = i % s.c, column = i / s.c % s.w, row = i / (s.c * s.w) % s.h, n = i / (s.c * s.w * s.h);
              double least = x[i], most = x[i];
              for (int64_t y = std::max<int64_t>(0, row - c.radius); y <= std::min(s.h - 1, row + c.radius); ++y)
                for (int64_t u = std::max<int64_t>(0, column - c.radius); u <= std::min(s.w - 1, column + c.radius);
                     ++u) {
                  const double other = x[((n * s.h + y) * s.w + u) * s.c + k];
                  least = std::min(least, other), most = std::max(most, other);
                }
              const double zero = floor[k], spread = static_cast<double>(c.margin) * (most - least);
              const double floored = std::min(zero, least + std::abs(zero) / (1 << 20));
              // one difference, product and sum of numbers below 4
              r[0].close(i, std::max(least - spread, floored), 1e-6, 0, "low");
              r[1].close(i, most + spread, 1e-6, 0, "high");
            }
          });
    }
}

TEST("clamp: forward, backward and count equal the loops, also in place") {
  for (DType type : kImageTypes)
    for (const Case& c : kCases) {
      const Shape fine{c.coarse.n, c.rows, c.columns, c.coarse.c, c.coarse.extra};
      const Image x = Image::random(fine, 21, -1, 1, type), dy = Image::random(fine, 22, -1, 1, type);
      Image low = Image::random(c.coarse, 23, -0.75, -0.25, type);
      const Image high = Image::random(c.coarse, 24, 0.25, 0.75, type);
      low.set(0, high[0]);  // no room there: nothing counts as clamped
      const Image rows = table(c.rows, c.coarse.h), columns = table(c.columns, c.coarse.w);
      everywhere(
          "clamp " + text(c, type),
          [&](Backend& backend) {
            Image y(fine, type), dx(fine, type), counts({fine.n, fine.h, fine.w, 1}, type), inside = x, gradient = dy;
            backend.clamp_forward(x.t, low.t, high.t, rows.t, columns.t, y.t);
            backend.clamp_forward(inside.t, low.t, high.t, rows.t, columns.t, inside.t);
            backend.clamp_backward(y.t, low.t, high.t, rows.t, columns.t, dy.t, dx.t);
            backend.clamp_backward(y.t, low.t, high.t, rows.t, columns.t, gradient.t, gradient.t);
            backend.count_clamped(y.t, low.t, high.t, rows.t, columns.t, counts.t);
            std::vector<Image> r;
            r.push_back(std::move(y)), r.push_back(std::move(inside)), r.push_back(std::move(dx));
            r.push_back(std::move(gradient)), r.push_back(std::move(counts));
            return r;
          },
          [&](const std::vector<Image>& r) {
            for (int64_t p = 0; p < x.t.pixels(); ++p) {
              const int64_t n = p / (c.rows * c.columns), row = cell(p / c.columns % c.rows, c.rows, c.coarse.h),
                            column = cell(p % c.columns, c.columns, c.coarse.w);
              double count = 0;
              for (int64_t k = 0; k < fine.c; ++k) {
                const int64_t i = p * fine.c + k, b = ((n * c.coarse.h + row) * c.coarse.w + column) * fine.c + k;
                const double y = std::min(std::max(x[i], low[b]), high[b]);
                const bool held = y <= low[b] || y >= high[b];
                // numbers are moved as they are
                for (int v : {0, 1}) REQUIRE(r[static_cast<size_t>(v)][i] == y);
                for (int v : {2, 3}) REQUIRE(r[static_cast<size_t>(v)][i] == (held ? 0 : dy[i]));
                count += held && low[b] < high[b];
              }
              // bf16 has 8 digits: larger counts are rounded
              r[4].close(p, count, 0, 0, "count");
            }
          });
    }
}

#ifdef BANDLIFT_EMULATED

TEST("clamp: tables that point outside are reported") {
  for (const double start : {-1.0, 3.0, 0.5, static_cast<double>(NAN)}) {
    const Image x = Image::random({1, 4, 4, 3}, 31), bound = Image::random({1, 3, 3, 3}, 32);
    Image rows = table(4, 3);
    const Image columns = table(4, 3);
    rows.set(2, start);
    emulated::EmulatedBackend device;
    Image y({1, 4, 4, 3});
    device.backend().clamp_forward(x.t, bound.t, bound.t, rows.t, columns.t, y.t);
    REQUIRE(device.status().code == bandlift::cuda::kStatusTableOutside);
  }
}

#else

TEST("clamp: tables that point outside are refused") {
  for (const double start : {-1.0, 3.0, 0.5, static_cast<double>(NAN)})
    each_backend([&](const std::string&, Backend& backend) {
      const Image x = Image::random({1, 4, 4, 3}, 31), bound = Image::random({1, 3, 3, 3}, 32);
      Image rows = table(4, 3), y({1, 4, 4, 3});
      const Image columns = table(4, 3);
      rows.set(2, start);
      try {
        backend.clamp_forward(x.t, bound.t, bound.t, rows.t, columns.t, y.t);
        check::fail("accepted a cell at " + std::to_string(start));
      } catch (const bandlift::Error& error) {
        REQUIRE(error.code == bandlift::ErrorCode::shape);
      }
    });
}

#endif
