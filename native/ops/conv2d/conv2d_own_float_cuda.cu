// forward and backward_data in f32 arithmetic for any type and address: 128 pixels x 64 channels for each block, 16
// terms of the sum at a time, the next ones on their way to registers meanwhile.
#include "ops/conv2d/conv2d_own_float_cuda.h"

namespace bandlift::cuda {
namespace {

constexpr int kRows = 128;
using Tile = FloatTile<kRows>;

// V neighbouring numbers are moved at once: channels of a pixel; of weights terms, or results where flipped.
template <typename T, int V, bool kFlipped>
__global__ void __launch_bounds__(kFloatThreads, V == 1 ? 1 : 2)
    float_convolution_kernel(ConvGeometry g, const T* x, const T* w, T* y, OwnEpilogue<T> e) {
  using Word = Run<T, V>;
  constexpr int kPixelPacks = kRows * kFloatDepth / V / kFloatThreads;
  constexpr int kWeightPacks = kFloatColumns * kFloatDepth / V / kFloatThreads;
  constexpr int kTermPacks = kFloatDepth / V;                              // of a pixel
  constexpr int kPixelStride = kFloatThreads / kTermPacks;                 // between pixels of a thread
  constexpr int kRowPacks = (kFlipped ? kFloatColumns : kFloatDepth) / V;  // of a row of weights
  constexpr int kWeightStride = kFloatThreads / kRowPacks;
  float* shared = dynamic_shared<float>();
  const auto thread = static_cast<int>(threadIdx.x);
  const int column_tiles = (g.out + kFloatColumns - 1) / kFloatColumns;
  const int first_pixel = static_cast<int>(blockIdx.x / column_tiles) * kRows;
  const int first_channel = static_cast<int>(blockIdx.x % column_tiles) * kFloatColumns;

  const int pixel = thread / kTermPacks, term = thread % kTermPacks * V;
  const int weight_row = thread / kRowPacks, weight_column = thread % kRowPacks * V;
  SumPlace place(g, term), weight_place(g, kFlipped ? weight_row : weight_column);
  Word pixels[kPixelPacks], weights[kWeightPacks];
  const auto fetch = [&] {
#pragma unroll
    for (int j = 0; j < kPixelPacks; ++j)
      pixels[j] = neighbour<Word>(x, g, PixelPlace(g, first_pixel + pixel + j * kPixelStride), place);
    place.advance(g, kFloatDepth);
#pragma unroll
    for (int j = 0; j < kWeightPacks; ++j) {
      weights[j] = Word{};
      if constexpr (kFlipped) {
        SumPlace s = weight_place;
        s.advance(g, j * kWeightStride);
        if (s.ky < g.kh && first_channel + weight_column < g.out)
          weights[j] = *reinterpret_cast<const Word*>(flipped_weights(w, g, s, first_channel + weight_column));
      } else {
        const int channel = first_channel + weight_row + j * kWeightStride;
        const int at = (weight_place.ky * g.kw + weight_place.kx) * g.in + weight_place.c;
        if (weight_place.ky < g.kh && channel < g.out)
          weights[j] = *reinterpret_cast<const Word*>(w + static_cast<int64_t>(channel) * g.depth() + at);
      }
    }
    weight_place.advance(g, kFloatDepth);
  };
  const auto put = [&](float* half) {
#pragma unroll
    for (int j = 0; j < kPixelPacks; ++j)
#pragma unroll
      for (int i = 0; i < V; ++i)
        half[(term + i) * Tile::kRowStep + pixel + j * kPixelStride] = to_float(pixels[j].v[i]);
#pragma unroll
    for (int j = 0; j < kWeightPacks; ++j)
#pragma unroll
      for (int i = 0; i < V; ++i) {
        const int row = weight_row + j * kWeightStride, column = weight_column + i;
        half[Tile::kLeft + (kFlipped ? row : column) * Tile::kColumnStep + (kFlipped ? column : row)] =
            to_float(weights[j].v[i]);
      }
  };

  Tile tile;
  const int row = thread / 16 * Tile::kOwnRows, column = thread % 16 * Tile::kOwnColumns;
  fetch();
  put(shared);
  __syncthreads();
  const int steps = (g.depth() + kFloatDepth - 1) / kFloatDepth;
  for (int step = 0; step < steps; ++step) {
    if (step + 1 < steps) fetch();
    tile.multiply(shared + step % 2 * Tile::kHalf, row, column);
    if (step + 1 < steps) put(shared + (step + 1) % 2 * Tile::kHalf);
    __syncthreads();
  }

#pragma unroll
  for (int i = 0; i < Tile::kOwnRows; ++i)
#pragma unroll
    for (int j = 0; j < Tile::kOwnColumns; j += V) {
      const int p = first_pixel + row + i, k = first_channel + column + j;
      if (p < g.pixels && k < g.out) finish<T, V>(y, e, p, k, g.out, tile.sums[i] + j);
    }
}

template <typename T, int V, bool kFlipped>
void run(const Context& context, const ConvGeometry& g, const void* x, const void* w, void* y,
         const ConvEpilogue& epilogue) {
  const OwnEpilogue<T> e{epilogue.bias, static_cast<const T*>(epilogue.add), static_cast<const T*>(epilogue.mask),
                         epilogue.relu};
  const int64_t blocks = divide_up(g.pixels, kRows) * divide_up(g.out, kFloatColumns);
  launch(context, kFlipped ? "conv2d_backward_data" : "conv2d_forward", float_convolution_kernel<T, V, kFlipped>,
         dim3(static_cast<unsigned>(blocks)), dim3(kFloatThreads), Tile::kBytes, g, static_cast<const T*>(x),
         static_cast<const T*>(w), static_cast<T*>(y), e);
}

}  // namespace

void float_convolution(const Context& context, const ConvProblem& p, const ConvBuffers& b, const ConvEpilogue& e) {
  const ConvGeometry g = geometry_of(p);
  const auto by_pass = [&](auto type, auto at_once) {
    using T = typename decltype(type)::type;
    constexpr int V = decltype(at_once)::value;
    if (p.pass == ConvPass::forward)
      run<T, V, false>(context, g, b.x, b.w, b.y, e);
    else
      run<T, V, true>(context, g, b.y, b.w, b.x, e);
  };
  by_type(p.type, "conv2d", [&](auto type) {
    if constexpr (std::is_same_v<typename decltype(type)::type, float>)
      if (moves_by_four(p, b) && aligned16(e.add) && aligned16(e.mask))
        return by_pass(type, std::integral_constant<int, 4>{});
    by_pass(type, std::integral_constant<int, 1>{});
  });
}

}  // namespace bandlift::cuda
