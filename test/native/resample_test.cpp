// resample against the double sum over both tables, on every backend and in every type that images have there.
#include "ops/resample/resample.h"

#include <cmath>

#include "backends.h"
#include "core/error.h"

using namespace backends;

namespace {

// A dense table [outputs][1 + taps].
struct Table {
  int64_t inputs, outputs, taps;
  std::vector<double> numbers;
  double start(int64_t k) const { return numbers[static_cast<size_t>(k * (1 + taps))]; }
  double& at(int64_t k, int64_t i) { return numbers[static_cast<size_t>(k * (1 + taps) + 1 + i)]; }
  double at(int64_t k, int64_t i) const { return numbers[static_cast<size_t>(k * (1 + taps) + 1 + i)]; }
  Image image(int64_t extra = 0) const {
    Image table({1, 1, outputs, 1 + taps, extra});
    table.assign(numbers);
    return table;
  }
};

// Windows spread over the inputs, random weights (floats, so that tables are exact), some of them zero.
Table random_table(int64_t inputs, int64_t outputs, int64_t taps, unsigned seed) {
  Table t{inputs, outputs, taps, {}};
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (int64_t k = 0; k < outputs; ++k) {
    t.numbers.push_back(static_cast<double>(outputs == 1 ? 0 : k * (inputs - taps) / (outputs - 1)));
    for (int64_t i = 0; i < taps; ++i) t.numbers.push_back(random() % 5 == 0 ? 0 : uniform(random));
  }
  return t;
}

// The same matrix seen from the other side, windows as wide as the widest needs.
Table transposed(const Table& t) {
  std::vector<std::vector<double>> dense(static_cast<size_t>(t.inputs),
                                         std::vector<double>(static_cast<size_t>(t.outputs)));
  for (int64_t k = 0; k < t.outputs; ++k)
    for (int64_t i = 0; i < t.taps; ++i)
      dense[static_cast<size_t>(t.start(k)) + static_cast<size_t>(i)][static_cast<size_t>(k)] += t.at(k, i);
  int64_t widest = 1;
  const auto first = [](const std::vector<double>& row) {
    size_t k = 0;
    while (k + 1 < row.size() && row[k] == 0) ++k;
    return static_cast<int64_t>(k);
  };
  for (const auto& row : dense)
    for (int64_t k = first(row); k < t.outputs; ++k)
      if (row[static_cast<size_t>(k)] != 0) widest = std::max(widest, k - first(row) + 1);
  Table result{t.outputs, t.inputs, widest, {}};
  for (const auto& row : dense) {
    const int64_t start = std::min(first(row), t.outputs - widest);
    result.numbers.push_back(static_cast<double>(start));
    for (int64_t i = 0; i < widest; ++i) result.numbers.push_back(row[static_cast<size_t>(start + i)]);
  }
  return result;
}

struct Case {
  Shape x;
  int64_t out_h, out_w, taps_y, taps_x;
  bool residual;
};

// Fewer and more outputs than inputs, few and many taps along either axis, 1 .. 341 channels, padded pixels; the larger
// ones have several blocks of rows, columns and channels.
const Case kCases[] = {
    {{1, 1, 1, 1}, 1, 1, 1, 1, false},
    {{2, 3, 4, 1}, 7, 9, 2, 3, true},
    {{1, 5, 6, 3, 2}, 13, 11, 4, 4, true},
    {{2, 6, 5, 8}, 6, 5, 4, 4, false},
    {{1, 34, 34, 20}, 85, 70, 4, 4, true},
    {{1, 7, 9, 64, 1}, 20, 17, 4, 4, false},
    {{1, 7, 9, 65}, 20, 17, 4, 4, true},
    {{1, 12, 130, 130}, 40, 150, 4, 4, true},
    {{1, 12, 130, 341, 3}, 10, 121, 5, 4, false},
    {{2, 50, 61, 3, 1}, 7, 8, 30, 28, true},
    {{1, 47, 31, 65}, 6, 4, 30, 30, false},
    {{1, 33, 40, 130}, 5, 6, 12, 30, true},
    {{1, 20, 9, 7}, 3, 25, 8, 4, true},
    {{1, 9, 40, 7}, 25, 3, 4, 31, true},
};

std::string text(const Case& c) {
  return backends::text(c.x) + " -> " + std::to_string(c.out_h) + "x" + std::to_string(c.out_w) + " taps " +
         std::to_string(c.taps_y) + "x" + std::to_string(c.taps_x);
}

struct Value {
  double value = 0, magnitude = 0;
};

Value expected(const Case& c, const Table& rows, const Table& columns, const Image& x, const Image& residual, int64_t n,
               int64_t Y, int64_t X, int64_t k) {
  Value v;
  if (c.residual) v.value = v.magnitude = residual[((n * c.out_h + Y) * c.out_w + X) * c.x.c + k];
  v.magnitude = std::abs(v.magnitude);
  for (int64_t i = 0; i < rows.taps; ++i)
    for (int64_t j = 0; j < columns.taps; ++j) {
      const auto row = static_cast<int64_t>(rows.start(Y)) + i, column = static_cast<int64_t>(columns.start(X)) + j;
      const double term = rows.at(Y, i) * columns.at(X, j) * x[((n * c.x.h + row) * c.x.w + column) * c.x.c + k];
      v.value += term;
      v.magnitude += std::abs(term);
    }
  return v;
}

Image run(Backend& backend, const Image& x, const Image& rows, const Image& columns, const Image* residual, Image y,
          size_t from = 0) {
  Workspace space(backend.resample_workspace(x.t, rows.t, y.t) + from);
  Tensor used = space.t;
  if (used) used.data = static_cast<char*>(used.data) + from;
  backend.resample(x.t, rows.t, columns.t, residual ? residual->t : Tensor{}, y.t, used);
  return y;
}

}  // namespace

TEST("resample: every case equals the double sum, also in place") {
  for (DType type : kImageTypes)
    for (const Case& c : kCases) {
      const Table rows = random_table(c.x.h, c.out_h, c.taps_y, 51),
                  columns = random_table(c.x.w, c.out_w, c.taps_x, 52);
      const Shape out{c.x.n, c.out_h, c.out_w, c.x.c, c.x.extra};
      const Image x = Image::random(c.x, 53, -1, 1, type), residual = Image::random(out, 54, -1, 1, type),
                  r = rows.image(1), k = columns.image();
      everywhere(
          "resample " + text(c) + (type == DType::f32 ? "" : storage::name(type)),
          [&](Backend& backend) {
            const Image* added = c.residual ? &residual : nullptr;
            std::vector<Image> results{run(backend, x, r, k, added, Image(out, type)),
                                       // a program's workspace begins on 8 bytes, perhaps on no more
                                       run(backend, x, r, k, added, Image(out, type), 8)};
            if (c.residual) {
              Image y = residual;
              Workspace space(backend.resample_workspace(x.t, r.t, y.t));
              backend.resample(x.t, r.t, k.t, y.t, y.t, space.t);
              results.push_back(std::move(y));
            }
            return results;
          },
          [&](const std::vector<Image>& results) {
            for (const Image& y : results)
              for (int64_t p = 0; p < y.t.pixels(); ++p)
                for (int64_t channel = 0; channel < c.x.c; ++channel) {
                  const Value v = expected(c, rows, columns, x, residual, p / (c.out_h * c.out_w),
                                           p / c.out_w % c.out_h, p % c.out_w, channel);
                  // at most taps_y + taps_x + 2 roundings of 2^-24 on the sum of absolute terms
                  const double roundings = static_cast<double>(c.taps_y + c.taps_x + 2);
                  y.close(p * c.x.c + channel, v.value, 6e-8 * roundings * v.magnitude + 1e-30, 0, "y");
                }
          });
    }
}

TEST("resample: transposed tables give the adjoint, <dy, R x> = <R' dy, x>") {
  for (const Case& c : kCases) {
    const Table rows = random_table(c.x.h, c.out_h, c.taps_y, 61), columns = random_table(c.x.w, c.out_w, c.taps_x, 62);
    const Image back_rows = transposed(rows).image(), back_columns = transposed(columns).image();
    const Shape out{c.x.n, c.out_h, c.out_w, c.x.c, c.x.extra};
    const Image x = Image::random(c.x, 63), dy = Image::random(out, 64);
    everywhere(
        "adjoint of resample " + text(c),
        [&](Backend& backend) {
          return std::vector<Image>{run(backend, x, rows.image(), columns.image(), nullptr, Image(out)),
                                    run(backend, dy, back_rows, back_columns, nullptr, Image(c.x))};
        },
        [&](const std::vector<Image>& r) {
          double forward = 0, backward = 0, magnitude = 0;
          for (int64_t i = 0; i < dy.t.elements(); ++i)
            forward += dy[i] * r[0][i], magnitude += std::abs(dy[i] * r[0][i]);
          for (int64_t i = 0; i < x.t.elements(); ++i) backward += x[i] * r[1][i];
          // both sums are exact up to the roundings of the products: see above
          check::close(backward, forward, 6e-8 * static_cast<double>(c.taps_y + c.taps_x + 2) * (magnitude + 1), 0,
                       "inner product");
        });
  }
}

TEST("resample: what lies below a weight of zero does not matter") {
  for (const int64_t taps : {4, 12}) {  // output rows first, and columns first
    Image x = Image::random({1, 16, 16, 20}, 71);
    Table rows = random_table(16, 3, taps, 72);
    const Table columns = random_table(16, 5, taps, 73);
    for (int64_t k = 0; k < 3; ++k) rows.at(k, 1) = 0;
    for (int64_t i = 0; i < 16 * 20; ++i) x.set((static_cast<int64_t>(rows.start(0)) + 1) * 16 * 20 + i, NAN);
    each_backend([&](const std::string&, Backend& backend) {
      const Image y = run(backend, x, rows.image(), columns.image(), nullptr, Image({1, 3, 5, 20}));
      for (int64_t i = 0; i < 5 * 20; ++i) REQUIRE(!std::isnan(y[i]));
    });
  }
}

#ifdef BANDLIFT_EMULATED

// The table is in the device's memory: the kernel reports what no host could see before, and leaves that output alone.
TEST("resample: windows outside of the input are reported and what they would make is left alone") {
  const Image x = Image::random({1, 10, 10, 3}, 82);
  for (const int64_t taps : {4, 6})  // in one pass, in two
    for (const bool in_rows : {true, false})
      for (const double start : {-1.0, 7.0, 1e9, 0.5, static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
        const Table good = random_table(10, 6, taps, 81);
        Table bad = good;
        bad.numbers[static_cast<size_t>(3 * (1 + taps))] = start;  // of output 3
        emulated::EmulatedBackend device;
        device.backend().context().instruction = 17;
        const Image y = run(device.backend(), x, (in_rows ? bad : good).image(), (in_rows ? good : bad).image(),
                            nullptr, Image::input({1, 6, 6, 3}));
        const bandlift::cuda::Status status = device.status();
        if (status.code != bandlift::cuda::kStatusTableOutside || status.instruction != 17)
          check::fail("status " + std::to_string(status.code) + " of instruction " +
                      std::to_string(status.instruction) + " for a window at " + std::to_string(start) + " of " +
                      std::to_string(taps) + " taps");
        if (in_rows)
          for (int64_t i = 3 * 6 * 3; i < 4 * 6 * 3; ++i) REQUIRE(y[i] == 0);
      }
}

#else

TEST("resample: windows outside of the input are refused before anything is written") {
  const Table good = random_table(10, 6, 4, 81);
  const Image x = Image::random({1, 10, 10, 3}, 82);
  const Image blank({1, 6, 6, 3});
  for (const bool in_rows : {true, false}) {
    for (const double start : {-1.0, 7.0, 1e9, 0.5, static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
      Table bad = good;
      bad.numbers[3 * 5] = start;  // of output 3
      for (bandlift::Isa isa : bandlift::available_isas()) {
        bandlift::ThreadPool pool(2);
        Image y = blank;
        const auto backend = bandlift::make_cpu_backend(isa, pool);
        const Image rows = (in_rows ? bad : good).image(), columns = (in_rows ? good : bad).image();
        Workspace space(backend->resample_workspace(x.t, rows.t, y.t));
        try {
          backend->resample(x.t, rows.t, columns.t, {}, y.t, space.t);
          check::fail("accepted a window at " + std::to_string(start));
        } catch (const bandlift::Error& error) {
          REQUIRE(error.code == bandlift::ErrorCode::shape);
          const std::string message = error.what(), where = in_rows ? "rows[3]" : "columns[3]";
          REQUIRE(message.find(where) != std::string::npos);
          REQUIRE(message.find("expected a whole number from 0 to 6 (4 taps on 10 inputs)") != std::string::npos);
        }
        REQUIRE(y.same_bits(blank));
      }
    }
  }
}

#endif

TEST("resample: a window's start is compared as a whole number, also where float has gaps") {
  // 2 taps on 2^24 + 5 inputs start at 2^24 + 3 at most, which rounds to 2^24 + 4 in float
  Image table({1, 1, 1, 3});
  table.assign({16777220, 1, 1});
  const auto accepted = [&](int64_t inputs) {
    try {
      bandlift::check_resample_table(table.t, inputs, "rows");
      return true;
    } catch (const bandlift::Error& error) {
      return false;
    }
  };
  REQUIRE(accepted(16777222) && !accepted(16777221));
}
