// Winograd convolution, forward and backward_data.
// - Few weights: each task owns a block of tiles. It transforms their inputs into L2, then for one panel of output
//   channels after another multiplies (the weights stream through), transforms back and stores.
// - Many weights (3 x 3 on 340 channels: 17 MB transformed): streaming them for every small block would be bound by
//   memory. All threads work on one larger block in three phases: transform, multiply, transform back.
#include "ops/conv2d/winograd_tiles.h"

namespace bandlift::BANDLIFT_ISA {

namespace {

constexpr int64_t kOwnFloats = 120 * 1024;          // transformed input of a task's block: about half of a 1 MB L2
constexpr int64_t kSharedFloats = 3 * 1024 * 1024;  // transformed input and products of a shared block: part of an L3
constexpr int64_t kManyWeights = 2 * 1024 * 1024;   // transformed weights above this are shared
constexpr int64_t kRowsOfTask = 4 * kTileRows;      // tiles of one multiply task of a shared block
constexpr int64_t kChunk = 4;                       // tiles of one transform task of a shared block

template <int kKernelRows>
struct Plan {
  using W = Winograd<kKernelRows>;

  Plan(const ConvShape& s, int threads, void* workspace) : tiles(s) {
    Arena arena(workspace);
    channels = round_up(s.ci, kLanes);
    panels = (s.co + kPanel - 1) / kPanel;
    panel_floats = W::kProducts * s.ci * kPanel;
    shared = panels * panel_floats > kManyWeights;
    if (shared) {
      block = most(kSharedFloats / (W::kProducts * (channels + panels * kPanel)) / kRowsOfTask, 1) * kRowsOfTask;
    } else {  // few tiles: smaller blocks, so that every thread has some (the results do not depend on it)
      block = least(most(kOwnFloats / (W::kProducts * channels) / kTileRows, 1), 8) * kTileRows;
      while (block > kTileRows && tiles.count < 4 * threads * block) block -= kTileRows;
    }
    m_tile = plane((shared ? panels : 1) * W::kProducts * kPanel);
    filters = arena.take(panels * panel_floats);
    zeros = arena.take(channels);
    v_plane = plane(block * channels);
    scratch = arena.take(scratch_floats() * (shared ? 1 : threads));
    bytes = arena.bytes();
  }

  int64_t scratch_floats() const { return W::kProducts * v_plane + block * m_tile; }

  // Transformed inputs are v[product][tile][in]; the products m[tile][panel][product][kPanel]: what is read together
  // lies together.
  Tiles<kKernelRows> tiles;
  int64_t channels, panels, panel_floats, block, v_plane, m_tile;
  bool shared;
  float *filters, *zeros, *scratch;
  size_t bytes;
};

// U = G g for one panel of output channels, as [product][in][kPanel].
template <int kKernelRows>
void pack_filters(const Convolution& c, int64_t panel, float* u) {
  using W = Winograd<kKernelRows>;
  const Weights& w = c.weights;
  constexpr int kTaps = kKernelRows * 3;
  for (int64_t i = 0; i < c.s.ci; ++i) {
    for (int half = 0; half < 2; ++half) {
      const int64_t o0 = panel * kPanel + half * kLanes, count = least(kLanes, c.s.co - o0);
      vfloat g[kKernelRows][3] = {}, t[W::kRowsIn][6];
      for (int64_t lane = 0; lane < count; ++lane) {
        const float* from = w.data + (o0 + lane) * w.out_step + i * w.in_step;
        for (int tap = 0; tap < kTaps; ++tap) g[tap / 3][tap % 3][lane] = from[w.flipped ? kTaps - 1 - tap : tap];
      }
      W::filter(g, t);
      for (int p = 0; p < W::kProducts; ++p) store(u + (p * c.s.ci + i) * kPanel + half * kLanes, t[p / 6][p % 6]);
    }
  }
}

// A^T m of one tile and panel, with the epilogue.
template <int kKernelRows>
void store_tile(const Plan<kKernelRows>& plan, const Convolution& c, int64_t tile, int64_t panel, const float* m) {
  using W = Winograd<kKernelRows>;
  int64_t pixels[W::kRowsOut][kTileOut];
  plan.tiles.output_pixels(tile, pixels);
  for (int64_t o = panel * kPanel; o < least(c.s.co, (panel + 1) * kPanel); o += kLanes, m += kLanes) {
    const OutputChannels channels(c, o, kLanes);
    vfloat t[W::kRowsIn][6], y[W::kRowsOut][kTileOut];
#pragma GCC unroll 6
    for (int i = 0; i < W::kRowsIn; ++i)
#pragma GCC unroll 6
      for (int j = 0; j < 6; ++j) t[i][j] = load(m + (i * 6 + j) * kPanel);
    W::output(t, y);
    for (int i = 0; i < W::kRowsOut; ++i)
      for (int j = 0; j < kTileOut; ++j)
        if (pixels[i][j] >= 0) finish(c, pixels[i][j], channels, y[i][j]);
  }
}

// Asks for the memory that store_tile will write: its pieces are too short and too far apart for the processor to
// guess.
template <int kKernelRows>
void prefetch_tile(const Plan<kKernelRows>& plan, const Convolution& c, int64_t tile, int64_t panel) {
  using W = Winograd<kKernelRows>;
  int64_t pixels[W::kRowsOut][kTileOut];
  plan.tiles.output_pixels(tile, pixels);
  constexpr int64_t kLine = 64 / sizeof(float);
  const OutputChannels first(c, panel * kPanel, kLanes);
  for (int i = 0; i < W::kRowsOut; ++i)
    for (int j = 0; j < kTileOut; ++j) {
      const float* y = c.y + pixels[i][j] * c.s.y.pitch + first.shift;
      for (int64_t k = 0; k < kPanel + kLine; k += kLine) __builtin_prefetch(y + k, 1);
    }
}

// Products of `count` tiles and one panel: m[p] = v[p] U[p].
template <int kKernelRows>
void multiply(const Plan<kKernelRows>& plan, const Convolution& c, int64_t product, int64_t panel, int64_t count,
              const float* v, float* m) {
  gemm_panel<RowsOfA::strided>(count, c.s.co - panel * kPanel, c.s.ci, v + product * plan.v_plane, plan.channels,
                               plan.filters + panel * plan.panel_floats + product * c.s.ci * kPanel, kPanel,
                               m + product * kPanel, plan.m_tile, false);
}

template <int kKernelRows>
void convolve_shared(ThreadPool& pool, const Convolution& c, const Plan<kKernelRows>& plan) {
  constexpr int64_t kProducts = Winograd<kKernelRows>::kProducts;
  float *v = plan.scratch, *m = v + kProducts * plan.v_plane;
  for (int64_t first = 0; first < plan.tiles.count; first += plan.block) {
    const int64_t count = least(plan.block, plan.tiles.count - first), chunks = (count + kChunk - 1) / kChunk;
    pool.parallel_for(chunks, [&](int64_t chunk, int) {
      for (int64_t t = chunk * kChunk; t < least(count, (chunk + 1) * kChunk); ++t)
        transform_input(plan.tiles, first + t, c.x, plan.zeros, v + t * plan.channels, plan.v_plane);
    });
    const int64_t parts = (count + kRowsOfTask - 1) / kRowsOfTask;
    pool.parallel_for(kProducts * parts, [&](int64_t task, int) {
      const int64_t t = task % parts * kRowsOfTask;
      for (int64_t panel = 0; panel < plan.panels; ++panel)
        multiply(plan, c, task / parts, panel, least(kRowsOfTask, count - t), v + t * plan.channels,
                 m + t * plan.m_tile + panel * kProducts * kPanel);
    });
    pool.parallel_for(chunks, [&](int64_t chunk, int) {
      for (int64_t t = chunk * kChunk; t < least(count, (chunk + 1) * kChunk); ++t)
        for (int64_t panel = 0; panel < plan.panels; ++panel)
          store_tile(plan, c, first + t, panel, m + t * plan.m_tile + panel * kProducts * kPanel);
    });
  }
}

template <int kKernelRows>
void convolve_own(ThreadPool& pool, const Convolution& c, const Plan<kKernelRows>& plan) {
  constexpr int64_t kProducts = Winograd<kKernelRows>::kProducts;
  pool.parallel_for((plan.tiles.count + plan.block - 1) / plan.block, [&](int64_t task, int thread) {
    const int64_t first = task * plan.block, count = least(plan.block, plan.tiles.count - first);
    float *v = plan.scratch + thread * plan.scratch_floats(), *m = v + kProducts * plan.v_plane;
    for (int64_t t = 0; t < count; ++t)
      transform_input(plan.tiles, first + t, c.x, plan.zeros, v + t * plan.channels, plan.v_plane);
    for (int64_t panel = 0; panel < plan.panels; ++panel) {
      for (int64_t p = 0; p < kProducts; ++p) {
        for (int64_t t = count * p / kProducts; t < count * (p + 1) / kProducts; ++t)
          prefetch_tile(plan, c, first + t, panel);
        multiply(plan, c, p, panel, count, v, m);
      }
      for (int64_t t = 0; t < count; ++t) store_tile(plan, c, first + t, panel, m + t * plan.m_tile);
    }
  });
}

template <int kKernelRows>
void convolve(ThreadPool& pool, const Convolution& c, void* workspace) {
  const Plan<kKernelRows> plan(c.s, pool.threads(), workspace);
  __builtin_memset(plan.zeros, 0, plan.channels * sizeof(float));
  pool.parallel_for(plan.panels, [&](int64_t panel, int) {
    pack_filters<kKernelRows>(c, panel, plan.filters + panel * plan.panel_floats);
  });
  if (plan.shared)
    convolve_shared(pool, c, plan);
  else
    convolve_own(pool, c, plan);
}

}  // namespace

size_t winograd_workspace(const ConvShape& s, int threads) {
  return s.kh == 1 ? Plan<1>(s, threads, nullptr).bytes : Plan<3>(s, threads, nullptr).bytes;
}

void winograd_convolution(ThreadPool& pool, const Convolution& c, void* workspace) {
  if (c.s.kh == 1)
    convolve<1>(pool, c, workspace);
  else
    convolve<3>(pool, c, workspace);
}

}  // namespace bandlift::BANDLIFT_ISA
