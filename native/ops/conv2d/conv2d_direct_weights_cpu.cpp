// Direct gradient of the weights. The pixels are cut into a fixed number of shares; each share sums its own partial
// gradient, and the shares are added in order: the result does not depend on the threads. A task owns some rows of one
// share's partial gradient for one kernel row ky.
//
// With P = kw * ci inputs of a pixel in kernel row ky, the partial gradient is a P x co or a co x P matrix, whichever
// fills the register tiles better: sum over pixels j of strip[j * ci + r] dy[j, o].
#include "ops/conv2d/strip.h"

namespace bandlift::BANDLIFT_ISA {

namespace {

constexpr int64_t kPieceLength = 192;  // pixels summed in registers
constexpr int64_t kShares = 32;
constexpr int64_t kPartialFloats = 1024 * 1024;  // all shares together, when the gradient itself is small
constexpr int64_t kRowsOfTask = 6 * kTileRows;

// Vector operations of one step of a rows x columns product; fewer than 4 rows cannot hide the multiply-add's latency.
int64_t cost(int64_t rows, int64_t columns) {
  return (rows / kTileRows * kTileRows + (rows % kTileRows ? most(4, rows % kTileRows) : 0)) *
         ((columns + kLanes - 1) / kLanes);
}

struct Plan {
  Plan(const ConvShape& s, int threads, void* workspace) : pieces(s, kPieceLength) {
    Arena arena(workspace);
    terms = s.kw * s.ci;
    rows_are_inputs = cost(terms, s.co) <= cost(s.co, terms);
    rows = rows_are_inputs ? terms : s.co;
    columns = rows_are_inputs ? s.co : terms;
    column_step = round_up(columns, kLanes);
    row_groups = (rows + kRowsOfTask - 1) / kRowsOfTask;
    const int64_t partial_floats = s.kh * rows * column_step;
    shares = most(1, least(least(kShares, pieces.count), kPartialFloats / partial_floats));
    partial = arena.take(shares * partial_floats);
    bias_step = round_up(s.co, kLanes);
    bias = arena.take(shares * bias_step);
    strip_floats = round_up(pieces.strip_row() + kPanel, 16);  // whole vectors are read from its end
    copies = rows_are_inputs || s.y.shuffled();
    gradient_step = round_up(s.co, kLanes);
    gradient_floats = pieces.length * gradient_step;
    scratch = arena.take((strip_floats + gradient_floats) * threads);
    bytes = arena.bytes();
  }

  float* partial_rows(int64_t share, int64_t ky, int64_t row) const {
    return partial + ((share * pieces.s.kh + ky) * rows + row) * column_step;
  }

  Pieces pieces;
  int64_t terms, rows, columns, column_step, row_groups, shares, bias_step, strip_floats, gradient_step,
      gradient_floats;
  bool rows_are_inputs, copies;  // copies: of dy, in whole vectors
  float *partial, *bias, *scratch;
  size_t bytes;
};

void add_to_bias(const WeightGradient& g, const float* dy, int64_t step, int64_t pixels, float* bias) {
  for (int64_t o = 0; o < g.s.co; o += kLanes) {
    vfloat sum = {};
    for (int64_t j = 0; j < pixels; ++j) sum += load_up_to(dy + j * step + o, g.s.co - o);
    store_up_to(bias + o, load_up_to(bias + o, g.s.co - o) + sum, g.s.co - o);
  }
}

// Rows [row, row + count) of share's partial gradient for kernel row ky.
void sum_share(const WeightGradient& g, const Plan& plan, int64_t share, int64_t ky, int64_t row, int64_t count,
               float* scratch) {
  float *strip = scratch, *gradient = scratch + plan.strip_floats, *c = plan.partial_rows(share, ky, row);
  __builtin_memset(c, 0, count * plan.column_step * sizeof(float));
  const bool with_bias = g.db && ky == g.s.kh / 2 && row == 0;  // the middle row covers every pixel
  if (with_bias) __builtin_memset(plan.bias + share * plan.bias_step, 0, g.s.co * sizeof(float));
  __builtin_memset(scratch, 0, (plan.strip_floats + plan.gradient_floats) * sizeof(float));
  const int64_t end = plan.pieces.count * (share + 1) / plan.shares;
  for (int64_t index = plan.pieces.count * share / plan.shares; index < end; ++index) {
    const Piece piece(plan.pieces, index);
    if (!piece.has(plan.pieces, ky)) continue;
    piece.copy_strip(plan.pieces, ky, g.x, strip);
    if (plan.copies) copy_pixels(g.s.y, g.dy, piece.row, piece.x0, piece.count, gradient, plan.gradient_step);
    const float* dy = plan.copies ? gradient : g.dy + piece.first_pixel(plan.pieces) * g.s.y.pitch;
    const int64_t dy_step = plan.copies ? plan.gradient_step : g.s.y.pitch;
    if (with_bias) add_to_bias(g, dy, dy_step, piece.count, plan.bias + share * plan.bias_step);
    const float* a = (plan.rows_are_inputs ? strip : dy) + row;
    const float* b = plan.rows_are_inputs ? gradient : strip;
    const int64_t a_step = plan.rows_are_inputs ? g.s.ci : dy_step,
                  b_step = plan.rows_are_inputs ? plan.gradient_step : g.s.ci;
    for (int64_t j = 0; j < plan.columns; j += kPanel)
      gemm_panel<RowsOfA::contiguous>(count, plan.columns - j, piece.count, a, a_step, b + j, b_step, c + j,
                                      plan.column_step, true);
  }
}

// dw += the shares of one kernel row and output channel, in order.
void add_shares(const WeightGradient& g, const Plan& plan, int64_t ky, int64_t o) {
  for (int64_t i = 0; i < g.s.ci; ++i) {
    for (int64_t kx = 0; kx < g.s.kw; ++kx) {
      const int64_t term = kx * g.s.ci + i, row = plan.rows_are_inputs ? term : o,
                    column = plan.rows_are_inputs ? o : term;
      float sum = 0;
      for (int64_t share = 0; share < plan.shares; ++share) sum += plan.partial_rows(share, ky, row)[column];
      g.dw[((g.s.y.channel(o) * g.s.ci + i) * g.s.kh + ky) * g.s.kw + kx] += sum;
    }
  }
}

}  // namespace

size_t direct_weights_workspace(const ConvShape& s, int threads) {
  return Plan(s, threads, nullptr).bytes;
}

void direct_weights(ThreadPool& pool, const WeightGradient& g, void* workspace) {
  const Plan plan(g.s, pool.threads(), workspace);
  pool.parallel_for(plan.shares * g.s.kh * plan.row_groups, [&](int64_t task, int thread) {
    const int64_t group = task % plan.row_groups, ky = task / plan.row_groups % g.s.kh,
                  share = task / plan.row_groups / g.s.kh;
    const int64_t row = group * kRowsOfTask;
    sum_share(g, plan, share, ky, row, least(kRowsOfTask, plan.rows - row),
              plan.scratch + thread * (plan.strip_floats + plan.gradient_floats));
  });
  pool.parallel_for(g.s.co, [&](int64_t o, int) {
    for (int64_t ky = 0; ky < g.s.kh; ++ky) add_shares(g, plan, ky, o);
    if (!g.db) return;
    float sum = 0;
    for (int64_t share = 0; share < plan.shares; ++share) sum += plan.bias[share * plan.bias_step + o];
    g.db[g.s.y.channel(o)] += sum;
  });
}

}  // namespace bandlift::BANDLIFT_ISA
