// Winograd convolution, forward and backward_data. Each task owns a block of tiles: it transforms their inputs into L2,
// then for one panel of output channels after another multiplies (weights stream through), transforms back and stores.
#include "ops/conv2d/winograd_tiles.h"

namespace bandlift::BANDLIFT_ISA {

namespace {

constexpr int64_t kBlockFloats = 120 * 1024;  // transformed input of one block: about half of a 1 MB L2

template <int kKernelRows>
struct Plan {
  using W = Winograd<kKernelRows>;

  Plan(const ConvShape& s, int threads, void* workspace) : tiles(s) {
    Arena arena(workspace);
    channels = round_up(s.ci, kLanes);
    panels = (s.co + kPanel - 1) / kPanel;
    // Few tiles: smaller blocks, so that every thread has some (the results do not depend on it).
    block = most(kBlockFloats / (W::kProducts * channels) / kTileRows, 1) * kTileRows;
    block = least(block, 8 * kTileRows);
    while (block > kTileRows && tiles.count < 4 * threads * block) block -= kTileRows;
    filters = arena.take(panels * W::kProducts * s.ci * kPanel);
    zeros = arena.take(channels);
    input_floats = round_up(W::kProducts * block * channels, 16);
    product_floats = round_up(W::kProducts * block * kPanel, 16);
    scratch = arena.take((input_floats + product_floats) * threads);
    bytes = arena.bytes();
  }

  Tiles<kKernelRows> tiles;
  int64_t channels, panels, block, input_floats, product_floats;
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
    vfloat t[W::kRowsIn][6], y[W::kRowsOut][kTileOut];
    for (int p = 0; p < W::kProducts; ++p) t[p / 6][p % 6] = load(m + p * plan.block * kPanel);
    W::output(t, y);
    for (int i = 0; i < W::kRowsOut; ++i)
      for (int j = 0; j < kTileOut; ++j)
        if (pixels[i][j] >= 0) finish(c, pixels[i][j], o, c.s.co - o, y[i][j]);
  }
}

template <int kKernelRows>
void convolve(ThreadPool& pool, const Convolution& c, void* workspace) {
  using W = Winograd<kKernelRows>;
  const Plan<kKernelRows> plan(c.s, pool.threads(), workspace);
  const int64_t panel_floats = W::kProducts * c.s.ci * kPanel;
  __builtin_memset(plan.zeros, 0, plan.channels * sizeof(float));
  pool.parallel_for(plan.panels, [&](int64_t panel, int) {
    pack_filters<kKernelRows>(c, panel, plan.filters + panel * panel_floats);
  });
  pool.parallel_for((plan.tiles.count + plan.block - 1) / plan.block, [&](int64_t task, int thread) {
    const int64_t first = task * plan.block, count = least(plan.block, plan.tiles.count - first);
    float* v = plan.scratch + thread * (plan.input_floats + plan.product_floats);
    float* m = v + plan.input_floats;
    const int64_t v_step = plan.block * plan.channels, m_step = plan.block * kPanel;
    for (int64_t t = 0; t < count; ++t)
      transform_input(plan.tiles, first + t, c.x, c.s.x_pitch, c.s.ci, plan.zeros, v + t * plan.channels, v_step);
    for (int64_t panel = 0; panel < plan.panels; ++panel) {
      const float* u = plan.filters + panel * panel_floats;
      for (int p = 0; p < W::kProducts; ++p)
        gemm_panel<RowsOfA::strided>(count, c.s.co - panel * kPanel, c.s.ci, v + p * v_step, plan.channels,
                                     u + p * c.s.ci * kPanel, kPanel, m + p * m_step, kPanel, false);
      for (int64_t t = 0; t < count; ++t) store_tile(plan, c, first + t, panel, m + t * kPanel);
    }
  });
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
