// Winograd gradient of the weights: dU[p] = sum over tiles of (A dy)[p]^T (B^T d)[p], then dw += G^T dU.
// Block after block of tiles: all threads transform it (every task owns a few tiles), then all multiply (every task
// owns rows of dU). Sums over tiles thus always run in the same order, with one dU whatever the number of threads.
#include "ops/conv2d/winograd_tiles.h"

namespace bandlift::BANDLIFT_ISA {

namespace {

constexpr int64_t kBlockTiles = 256;               // at most; terms summed in registers
constexpr int64_t kBlockFloats = 3 * 1024 * 1024;  // at most, transformed: part of an L3
constexpr int64_t kChunk = 8;                      // tiles of one transform task
constexpr int64_t kRowsOfTask = 6 * kTileRows;     // output channels of one multiply task

template <int kKernelRows>
struct Plan {
  using W = Winograd<kKernelRows>;

  Plan(const ConvShape& s, void* workspace) : tiles(s) {
    Arena arena(workspace);
    ci = round_up(s.ci, kLanes);
    co = round_up(s.co, kLanes);
    block = least(kBlockTiles, most(kBlockFloats / (W::kProducts * (ci + co)) / kChunk, 1) * kChunk);
    block = least(block, round_up(tiles.count, kChunk));
    v_plane = plane(block * ci);
    m_plane = plane(block * co);
    du_plane = plane(s.co * ci);
    v = arena.take(W::kProducts * v_plane);
    m = arena.take(W::kProducts * m_plane);
    du = arena.take(W::kProducts * du_plane);
    zeros = arena.take(most(ci, co));
    chunk_sums = arena.take(block / kChunk * co);
    bias = reinterpret_cast<double*>(arena.take(2 * s.co));
    bytes = arena.bytes();
  }

  Tiles<kKernelRows> tiles;
  int64_t ci, co, block, v_plane, m_plane, du_plane;  // channels rounded up to whole vectors; tiles of a block
  float *v, *m, *du, *zeros, *chunk_sums;
  double* bias;  // db so far: millions of pixels would lose digits in single precision
  size_t bytes;
};

// A dy of one tile, all channels; adds the tile's pixels to `sums` for db.
template <int kKernelRows>
void transform_gradient(const Plan<kKernelRows>& plan, const WeightGradient& g, int64_t tile, float* m, float* sums) {
  using W = Winograd<kKernelRows>;
  int64_t index[W::kRowsOut][kTileOut];
  plan.tiles.output_pixels(tile, index);
  const float* pixels[W::kRowsOut][kTileOut];
  const Layout& layout = g.s.y;
  const int64_t next_tile = kTileOut * layout.r * layout.pitch;
  for (int64_t run = 0; run < layout.runs(); ++run, m += layout.run, sums += layout.run) {
    for (int i = 0; i < W::kRowsOut; ++i)
      for (int j = 0; j < kTileOut; ++j)
        pixels[i][j] = index[i][j] >= 0 ? g.dy + index[i][j] * layout.pitch + layout.shift(run) : plan.zeros;
    for (int64_t c = 0; c < layout.run; c += kLanes) {
      const int64_t room = layout.shuffled() ? layout.run - c : kLanes;
      vfloat y[W::kRowsOut][kTileOut], t[W::kRowsIn][6], sum = load_up_to(sums + c, room);
      for (int i = 0; i < W::kRowsOut; ++i)
        for (int j = 0; j < kTileOut; ++j) {
          y[i][j] = load_up_to(pixels[i][j] + c, layout.run - c);
          __builtin_prefetch(pixels[i][j] + next_tile + c);
          sum += y[i][j];
        }
      store_up_to(sums + c, sum, room);
      W::gradient(y, t);
#pragma GCC unroll 6
      for (int i = 0; i < W::kRowsIn; ++i)
#pragma GCC unroll 6
        for (int j = 0; j < 6; ++j) store_up_to(m + (i * 6 + j) * plan.m_plane + c, t[i][j], room);
    }
  }
}

// dw[o] += G^T dU[:, o], all input channels.
template <int kKernelRows>
void finish_filter(const Plan<kKernelRows>& plan, const WeightGradient& g, int64_t o) {
  using W = Winograd<kKernelRows>;
  constexpr int kTaps = kKernelRows * 3;
  for (int64_t i = 0; i < g.s.ci; i += kLanes) {
    vfloat u[W::kRowsIn][6], t[kKernelRows][3];
    for (int p = 0; p < W::kProducts; ++p) u[p / 6][p % 6] = load(plan.du + p * plan.du_plane + o * plan.ci + i);
    W::filter_gradient(u, t);
    float* dw = g.dw + (g.s.y.channel(o) * g.s.ci + i) * kTaps;
    for (int64_t lane = 0; lane < least(kLanes, g.s.ci - i); ++lane)
      for (int tap = 0; tap < kTaps; ++tap) dw[lane * kTaps + tap] += t[tap / 3][tap % 3][lane];
  }
}

template <int kKernelRows>
void weight_gradient(ThreadPool& pool, const WeightGradient& g, void* workspace) {
  using W = Winograd<kKernelRows>;
  const Plan<kKernelRows> plan(g.s, workspace);
  __builtin_memset(plan.zeros, 0, most(plan.ci, plan.co) * sizeof(float));
  for (int64_t o = 0; o < g.s.co; ++o) plan.bias[o] = 0;
  const int64_t row_groups = (g.s.co + kRowsOfTask - 1) / kRowsOfTask;

  for (int64_t first = 0; first < plan.tiles.count; first += plan.block) {
    const int64_t count = least(plan.block, plan.tiles.count - first), chunks = (count + kChunk - 1) / kChunk;
    pool.parallel_for(chunks, [&](int64_t chunk, int) {
      float* sums = plan.chunk_sums + chunk * plan.co;
      __builtin_memset(sums, 0, plan.co * sizeof(float));
      for (int64_t t = chunk * kChunk; t < least(count, (chunk + 1) * kChunk); ++t) {
        transform_input(plan.tiles, first + t, g.x, plan.zeros, plan.v + t * plan.ci, plan.v_plane);
        transform_gradient(plan, g, first + t, plan.m + t * plan.co, sums);
      }
    });
    for (int64_t chunk = 0; chunk < chunks; ++chunk)
      for (int64_t o = 0; o < g.s.co; ++o) plan.bias[o] += plan.chunk_sums[chunk * plan.co + o];
    pool.parallel_for(W::kProducts * row_groups, [&](int64_t task, int) {
      const int64_t p = task / row_groups, row = task % row_groups * kRowsOfTask,
                    rows = least(kRowsOfTask, g.s.co - row);
      const float* a = plan.m + p * plan.m_plane + row;
      const float* b = plan.v + p * plan.v_plane;
      float* c = plan.du + p * plan.du_plane + row * plan.ci;
      for (int64_t i = 0; i < g.s.ci; i += kPanel)
        gemm_panel<RowsOfA::contiguous>(rows, g.s.ci - i, count, a, plan.co, b + i, plan.ci, c + i, plan.ci, first > 0);
    });
  }
  pool.parallel_for(g.s.co, [&](int64_t o, int) {
    finish_filter(plan, g, o);
    if (g.db) g.db[g.s.y.channel(o)] += static_cast<float>(plan.bias[o]);
  });
}

}  // namespace

size_t winograd_weights_workspace(const ConvShape& s, int) {
  return s.kh == 1 ? Plan<1>(s, nullptr).bytes : Plan<3>(s, nullptr).bytes;
}

void winograd_weights(ThreadPool& pool, const WeightGradient& g, void* workspace) {
  if (g.s.kh == 1)
    weight_gradient<1>(pool, g, workspace);
  else
    weight_gradient<3>(pool, g, workspace);
}

}  // namespace bandlift::BANDLIFT_ISA
