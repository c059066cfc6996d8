#include "cpu/cpu_backend.h"
#include "cpu/simd.h"
#include "ops/resample/resample.h"

namespace bandlift::BANDLIFT_ISA {

namespace {

constexpr int64_t kManyTaps = 8;              // along the height, from here on: columns first
constexpr int64_t kWindowFloats = 80 * 1024;  // input rows of one output row and their sum: a third of a 1 MB L2
constexpr int64_t kRowsOfTask = 32;           // output rows of one task, few taps
constexpr int64_t kLeastChannels = 64;        // of one task, many taps: shorter pieces of memory are slow to read

struct Taps {
  Taps(const Tensor& table, int64_t k)
      : weights(table.f32() + k * table.pitch + 1), start(static_cast<int64_t>(weights[-1])), count(table.c - 1) {}
  const float* weights;
  int64_t start, count;
};

constexpr int kSums = 8;  // vectors of sums kept in registers: enough to hide the latency of a multiply-add

// to[k] = (base[k] +) sum over taps of weights[i] from[i * step + k], for V vectors; kCut: only `cut` floats of the
// last.
template <int V, bool kCut>
inline void sum_vectors(const Taps& taps, const float* from, int64_t step, const float* base, float* to, int64_t cut) {
  const auto read = [cut](const float* p, int v) {
    return kCut && v == V - 1 ? load_partial(p + v * kLanes, cut) : load(p + v * kLanes);
  };
  vfloat sum[V] = {};
  if (base)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) sum[v] = read(base, v);
  for (int64_t i = 0; i < taps.count; ++i, from += step) {
    const float weight = taps.weights[i];
    if (weight == 0) continue;
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) sum[v] += weight * read(from, v);
  }
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) {
    if (kCut && v == V - 1)
      store_partial(to + v * kLanes, sum[v], cut);
    else
      store(to + v * kLanes, sum[v]);
  }
}

// The last floats, 1 <= count <= V vectors.
template <int V>
void sum_rest(const Taps& taps, const float* from, int64_t step, const float* base, float* to, int64_t count) {
  if constexpr (V > 1) {
    if (count <= (V - 1) * kLanes) return sum_rest<V - 1>(taps, from, step, base, to, count);
  }
  const int64_t cut = count - (V - 1) * kLanes;
  if (cut < kLanes)
    sum_vectors<V, true>(taps, from, step, base, to, cut);
  else
    sum_vectors<V, false>(taps, from, step, base, to, cut);
}

void weighted_sum(const Taps& taps, const float* from, int64_t step, const float* base, float* to, int64_t count) {
  constexpr int64_t kBlock = kSums * kLanes;
  int64_t k = 0;
  for (; k + kBlock <= count; k += kBlock)
    sum_vectors<kSums, false>(taps, from + k, step, base ? base + k : nullptr, to + k, kLanes);
  if (k < count) sum_rest<kSums>(taps, from + k, step, base ? base + k : nullptr, to + k, count - k);
}

void add_scaled(float weight, const float* from, float* to, int64_t count) {
  for (int64_t k = 0; k < count; k += kLanes)
    store_up_to(to + k, load_up_to(to + k, count - k) + weight * load_up_to(from + k, count - k), count - k);
}

struct Images {
  Tensor x, rows, columns, residual, y;
  const float* in(int64_t n, int64_t row, int64_t column) const {
    return x.f32() + ((n * x.h + row) * x.w + column) * x.pitch;
  }
  const float* base(int64_t n, int64_t row, int64_t column) const {
    return residual ? residual.f32() + ((n * y.h + row) * y.w + column) * residual.pitch : nullptr;
  }
  float* out(int64_t n, int64_t row, int64_t column) const {
    return y.f32() + ((n * y.h + row) * y.w + column) * y.pitch;
  }
};

// Few taps along the height: output rows [row, last_row) x columns [column, last_column). `sum` holds a row of x,
// dense.
void rows_first(const Images& t, int64_t n, int64_t row, int64_t last_row, int64_t column, int64_t last_column,
                float* sum) {
  const int64_t c = t.x.c;
  int64_t left = t.x.w, right = 0;  // input columns that are seen
  for (int64_t X = column; X < last_column; ++X) {
    const Taps taps(t.columns, X);
    left = least(left, taps.start);
    right = most(right, taps.start + taps.count);
  }
  for (int64_t Y = row; Y < last_row; ++Y) {
    const Taps taps(t.rows, Y);
    const int64_t step = t.x.w * t.x.pitch;
    if (t.x.pitch == c)
      weighted_sum(taps, t.in(n, taps.start, left), step, nullptr, sum, (right - left) * c);
    else
      for (int64_t j = left; j < right; ++j)
        weighted_sum(taps, t.in(n, taps.start, j), step, nullptr, sum + (j - left) * c, c);
    for (int64_t X = column; X < last_column; ++X) {
      const Taps across(t.columns, X);
      weighted_sum(across, sum + (across.start - left) * c, c, t.base(n, Y, X), t.out(n, Y, X), c);
    }
  }
}

// Many taps along the height: channels [k, k + count) of image n. `sum` holds a row of y, dense.
void columns_first(const Images& t, int64_t n, int64_t k, int64_t count, float* sum) {
  for (int64_t p = 0; p < t.y.h * t.y.w; ++p) {
    float* out = t.out(n, 0, p) + k;
    if (!t.residual)
      __builtin_memset(out, 0, count * sizeof(float));
    else if (t.residual.data != t.y.data)
      __builtin_memcpy(out, t.base(n, 0, p) + k, count * sizeof(float));
  }
  for (int64_t row = 0; row < t.x.h; ++row) {
    bool summed = false;
    for (int64_t Y = 0; Y < t.y.h; ++Y) {
      const Taps taps(t.rows, Y);
      const int64_t i = row - taps.start;
      if (i < 0 || i >= taps.count || taps.weights[i] == 0) continue;
      for (int64_t X = 0; X < t.y.w && !summed; ++X) {
        const Taps across(t.columns, X);
        for (int64_t j = t.x.w * X / t.y.w; j < t.x.w * (X + 1) / t.y.w; ++j)  // this much of the next row, into L2
          for (int64_t line = 0; line < count; line += 16) __builtin_prefetch(t.in(n, row + 1, j) + k + line, 0, 2);
        weighted_sum(across, t.in(n, row, across.start) + k, t.x.pitch, nullptr, sum + X * count, count);
      }
      summed = true;
      for (int64_t X = 0; X < t.y.w; ++X) add_scaled(taps.weights[i], sum + X * count, t.out(n, Y, X) + k, count);
    }
  }
}

bool many_taps(const Tensor& rows) {
  return rows.c - 1 >= kManyTaps;
}

// Many taps: channels of one task, as many as leave work for every thread.
int64_t channels_of_task(const Tensor& y, int threads) {
  const int64_t parts = (threads + y.n - 1) / y.n;
  return least(y.c, most(kLeastChannels, round_up((y.c + parts - 1) / parts, kLanes)));
}

int64_t scratch_floats(const Tensor& x, const Tensor& rows, const Tensor& y, int threads) {
  return round_up(many_taps(rows) ? y.w * channels_of_task(y, threads) : x.w * x.c, 16);
}

}  // namespace

size_t CpuBackend::resample_workspace(Tensor x, Tensor rows, Tensor y) const {
  return static_cast<size_t>(scratch_floats(x, rows, y, pool_.threads()) * pool_.threads()) * sizeof(float);
}

void CpuBackend::resample(Tensor x, Tensor rows, Tensor columns, Tensor residual, Tensor y, Tensor workspace) {
  check_resample_table(rows, x.h, "rows");
  check_resample_table(columns, x.w, "columns");
  const Images t{x, rows, columns, residual, y};
  const int64_t floats = scratch_floats(x, rows, y, pool_.threads());
  if (many_taps(rows)) {
    const int64_t channels = channels_of_task(y, pool_.threads()), parts = (y.c + channels - 1) / channels;
    pool_.parallel_for(y.n * parts, [&](int64_t task, int thread) {
      const int64_t k = task % parts * channels;
      columns_first(t, task / parts, k, least(channels, y.c - k), workspace.f32() + thread * floats);
    });
    return;
  }
  // Blocks of columns whose window stays in L2 while the task walks down; at least as wide as the taps they share.
  const int64_t inputs = most(kWindowFloats / (rows.c * x.c), 2 * columns.c);
  const int64_t wide = least(y.w, most(1, (inputs - columns.c) * y.w / x.w));
  const int64_t across = (y.w + wide - 1) / wide, down = (y.h + kRowsOfTask - 1) / kRowsOfTask;
  pool_.parallel_for(y.n * across * down, [&](int64_t task, int thread) {
    const int64_t X = task % across * wide, Y = task / across % down * kRowsOfTask;
    rows_first(t, task / across / down, Y, least(y.h, Y + kRowsOfTask), X, least(y.w, X + wide),
               workspace.f32() + thread * floats);
  });
}

}  // namespace bandlift::BANDLIFT_ISA
