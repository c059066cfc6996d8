// Direct convolution, forward and backward_data: a matrix product of the strip's pixels (rows) with the weights (one
// panel of output channels after another), kw * ci terms for each kernel row. Each task owns one piece of a row.
#include "ops/conv2d/strip.h"

namespace bandlift::BANDLIFT_ISA {

namespace {

constexpr int64_t kDepth = 256;  // terms at a time: the weights' panel (32 KB with 512-bit vectors) stays in L1
constexpr int64_t kStripFloats = 96 * 1024;  // a strip and its sums stay in L2
constexpr int64_t kThinChannels = 4;         // up to here dot products along the inputs beat panels of outputs

struct Plan {
  Plan(const ConvShape& s, int threads, void* workspace) : pieces(s, wanted_length(s, threads)) {
    Arena arena(workspace);
    terms = s.kw * s.ci;
    thin = s.co <= kThinChannels;
    panels = (s.co + kPanel - 1) / kPanel;
    weights = arena.take(thin ? s.co * s.kh * terms : panels * s.kh * terms * kPanel);
    copies = s.taps() > 1 || s.x.shuffled();
    strip_floats = copies ? round_up(s.kh * pieces.strip_row(), 16) : 0;
    sum_floats = round_up(pieces.length * kPanel, 16);
    scratch = arena.take((strip_floats + sum_floats) * threads);
    bytes = arena.bytes();
  }

  static int64_t wanted_length(const ConvShape& s, int threads) {
    int64_t length = most(kStripFloats / (s.kh * s.ci + kPanel) / kTileRows, 1) * kTileRows;
    length = least(length, 20 * kTileRows);
    while (length > kTileRows && s.n * s.h * ((s.w + length - 1) / length) < 4 * threads) length -= kTileRows;
    return length;
  }

  Pieces pieces;
  int64_t terms, panels, strip_floats, sum_floats;
  bool thin, copies;
  float *weights, *scratch;
  size_t bytes;
};

// Panel: [ky][kx][in][kPanel], zero beyond co. Thin: [out][ky][kx][in].
void pack_weights(ThreadPool& pool, const Convolution& c, const Plan& plan) {
  const int64_t taps = c.s.taps();
  const Weights& w = c.weights;
  const auto value = [&](int64_t o, int64_t i, int64_t tap) {
    return w.data[o * w.out_step + i * w.in_step + (w.flipped ? taps - 1 - tap : tap)];
  };
  if (plan.thin) {
    for (int64_t o = 0; o < c.s.co; ++o)
      for (int64_t tap = 0; tap < taps; ++tap)
        for (int64_t i = 0; i < c.s.ci; ++i) plan.weights[(o * taps + tap) * c.s.ci + i] = value(o, i, tap);
    return;
  }
  pool.parallel_for(plan.panels, [&](int64_t panel, int) {
    float* to = plan.weights + panel * taps * c.s.ci * kPanel;
    const int64_t first = panel * kPanel, count = least(kPanel, c.s.co - first);
    for (int64_t tap = 0; tap < taps; ++tap)
      for (int64_t i = 0; i < c.s.ci; ++i, to += kPanel)
        for (int64_t o = 0; o < kPanel; ++o) to[o] = o < count ? value(first + o, i, tap) : 0;
  });
}

// Rows of inputs of one piece: inputs of output pixel j, kernel row ky start at data[ky] + j * step.
struct Inputs {
  const float* data;
  int64_t ky_step, step;
};

void panels_of_piece(const Convolution& c, const Plan& plan, const Piece& piece, const Inputs& in, float* sums) {
  const int64_t first = piece.first_output(plan.pieces);
  for (int64_t panel = 0; panel < plan.panels; ++panel) {
    const int64_t o0 = panel * kPanel, columns = c.s.co - o0;
    bool started = false;
    for (int64_t ky = 0; ky < c.s.kh; ++ky) {
      if (!piece.has(plan.pieces, ky)) continue;
      for (int64_t k = 0; k < plan.terms; k += kDepth) {
        gemm_panel<RowsOfA::strided>(piece.count, columns, least(kDepth, plan.terms - k), in.data + ky * in.ky_step + k,
                                     in.step, plan.weights + ((panel * c.s.kh + ky) * plan.terms + k) * kPanel, kPanel,
                                     sums, kPanel, started);
        started = true;
      }
    }
    const OutputChannels low(c, o0, kLanes), high(c, least(o0 + kLanes, c.s.co - 1), kLanes);
    for (int64_t j = 0; j < piece.count; ++j) {
      finish(c, first + j * c.s.y.r, low, load(sums + j * kPanel));
      if (columns > kLanes) finish(c, first + j * c.s.y.r, high, load(sums + j * kPanel + kLanes));
    }
  }
}

// Sum of a[k] b[k], in a fixed order.
float dot(const float* a, const float* b, int64_t count) {
  vfloat even = {}, odd = {};
  int64_t k = 0;
  for (; k + 2 * kLanes <= count; k += 2 * kLanes) {
    even += load(a + k) * load(b + k);
    odd += load(a + k + kLanes) * load(b + k + kLanes);
  }
  for (; k < count; k += kLanes) even += load_up_to(a + k, count - k) * load_up_to(b + k, count - k);
  even += odd;
  float sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += even[i];
  return sum;
}

void thin_piece(const Convolution& c, const Plan& plan, const Piece& piece, const Inputs& in) {
  const int64_t first = piece.first_output(plan.pieces);
  for (int64_t j = 0; j < piece.count; ++j) {
    for (int64_t o = 0; o < c.s.co; ++o) {
      vfloat sum = {};
      for (int64_t ky = 0; ky < c.s.kh; ++ky)
        if (piece.has(plan.pieces, ky))
          sum[0] +=
              dot(in.data + ky * in.ky_step + j * in.step, plan.weights + (o * c.s.kh + ky) * plan.terms, plan.terms);
      finish(c, first + j * c.s.y.r, OutputChannels(c, o, 1), sum);
    }
  }
}

}  // namespace

size_t direct_workspace(const ConvShape& s, int threads) {
  return Plan(s, threads, nullptr).bytes;
}

void direct_convolution(ThreadPool& pool, const Convolution& c, void* workspace) {
  const Plan plan(c.s, pool.threads(), workspace);
  pack_weights(pool, c, plan);
  pool.parallel_for(plan.pieces.count, [&](int64_t task, int thread) {
    const Piece piece(plan.pieces, task);
    float* strip = plan.scratch + thread * (plan.strip_floats + plan.sum_floats);
    Inputs in{strip, plan.pieces.strip_row(), c.s.ci};
    if (plan.copies) {
      for (int64_t ky = 0; ky < c.s.kh; ++ky)
        if (piece.has(plan.pieces, ky)) piece.copy_strip(plan.pieces, ky, c.x, strip + ky * in.ky_step);
    } else {
      in = {c.x + piece.first_pixel(plan.pieces) * c.s.x.pitch, 0, c.s.x.pitch};
    }
    if (plan.thin)
      thin_piece(c, plan, piece, in);
    else
      panels_of_piece(c, plan, piece, in, strip + plan.strip_floats);
  });
}

}  // namespace bandlift::BANDLIFT_ISA
