// backward_weights in f32 arithmetic for any type and address: [out] x [taps x in] sums over the pixels of a slice, 64
// x 64 for each block, 16 pixels at a time.
#include "ops/conv2d/conv2d_own_float_cuda.h"

namespace bandlift::cuda {
namespace {

constexpr int kRows = 64;
using Tile = FloatTile<kRows>;

template <typename T, int V>
__global__ void __launch_bounds__(kFloatThreads, 3)
    float_weights_kernel(ConvGeometry g, const T* x, const T* dy, float* partial, int slices) {
  using Word = Run<T, V>;
  constexpr int kRowPacks = kRows / V, kStride = kFloatThreads / kRowPacks, kPacks = kFloatDepth / kStride;
  static_assert(kRows == kFloatColumns && kSliceUnit % kFloatDepth == 0, "both operands are moved alike");
  float* shared = dynamic_shared<float>();
  const auto thread = static_cast<int>(threadIdx.x);
  const int columns = g.depth(), column_tiles = (columns + kFloatColumns - 1) / kFloatColumns;
  const int first_row = static_cast<int>(blockIdx.x) / column_tiles * kRows;
  const int first_column = static_cast<int>(blockIdx.x) % column_tiles * kFloatColumns;
  const auto slice = static_cast<int>(blockIdx.y);
  const int begin = slice_begin(g.pixels, slice, slices), end = slice_begin(g.pixels, slice + 1, slices);

  const int own_pixel = thread / kRowPacks, own_column = thread % kRowPacks * V;
  const SumPlace place(g, first_column + own_column);
  MovingPixel pixel(g, begin + own_pixel, kStride);
  Word gradients[kPacks], images[kPacks];
  const auto fetch = [&] {
#pragma unroll
    for (int j = 0; j < kPacks; ++j) {
      const bool here = pixel.place.index < end;
      gradients[j] = images[j] = Word{};
      if (here) images[j] = neighbour<Word>(x, g, pixel.place, place);
      if (here && first_row + own_column < g.out)
        gradients[j] = *reinterpret_cast<const Word*>(dy + static_cast<int64_t>(pixel.place.index) * g.out + first_row +
                                                      own_column);
      pixel.advance(g, kStride);
    }
  };
  const auto put = [&](float* half) {
#pragma unroll
    for (int j = 0; j < kPacks; ++j)
#pragma unroll
      for (int i = 0; i < V; ++i) {
        const int p = own_pixel + j * kStride, column = own_column + i;
        half[p * Tile::kRowStep + column] = to_float(gradients[j].v[i]);
        half[Tile::kLeft + p * Tile::kColumnStep + column] = to_float(images[j].v[i]);
      }
  };

  Tile tile;
  const int row = thread / 16 * Tile::kOwnRows, column = thread % 16 * Tile::kOwnColumns;
  fetch();
  put(shared);
  __syncthreads();
  int half = 0;
  for (int first = begin; first < end; first += kFloatDepth) {
    const bool more = first + kFloatDepth < end;
    if (more) fetch();
    tile.multiply(shared + half * Tile::kHalf, row, column);
    half ^= 1;
    if (more) put(shared + half * Tile::kHalf);
    __syncthreads();
  }

  float* to = partial + static_cast<int64_t>(slice) * g.out * columns;
#pragma unroll
  for (int i = 0; i < Tile::kOwnRows; ++i)
#pragma unroll
    for (int j = 0; j < Tile::kOwnColumns; ++j)
      if (first_row + row + i < g.out && first_column + column + j < columns)
        to[static_cast<int64_t>(first_row + row + i) * columns + first_column + column + j] = tile.sums[i][j];
}

template <typename T, int V>
void run(const Context& context, const ConvGeometry& g, const ConvBuffers& b, float* partial, int slices) {
  const int64_t tiles = divide_up(g.out, kRows) * divide_up(g.depth(), kFloatColumns);
  launch(context, "conv2d_backward_weights", float_weights_kernel<T, V>,
         dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(slices)), dim3(kFloatThreads), Tile::kBytes, g,
         static_cast<const T*>(b.x), static_cast<const T*>(b.y), partial, slices);
}

}  // namespace

void float_weights(const Context& context, const ConvProblem& p, const ConvBuffers& b, float* partial, int slices) {
  by_type(p.type, "conv2d", [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (std::is_same_v<T, float>)
      if (moves_by_four(p, b)) return run<T, 4>(context, geometry_of(p), b, partial, slices);
    run<T, 1>(context, geometry_of(p), b, partial, slices);
  });
}

}  // namespace bandlift::cuda
