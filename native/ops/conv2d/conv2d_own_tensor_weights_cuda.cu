// backward_weights on tensor cores: [out] x [taps x in] sums over the pixels of a slice, 32 pixels at a time. A block
// computes kRows output channels x 128 (tap, input channel) columns; both operands lie pixel by pixel, as in memory.
#include "ops/conv2d/conv2d_own_tensor_cuda.h"

namespace bandlift::cuda {

using namespace nvcuda;

// kRows is 128, 64 or 32; a warp computes kRows / 2 rows x 32 columns.
template <typename T, int kRows>
struct WeightsTile {
  static constexpr int kColumns = 128, kPixels = kSliceUnit;
  static constexpr int kRowFragments = kRows / 32, kColumnWarps = kColumns / 32;
  static constexpr int kGradientStep = kRows + 8, kImageStep = kColumns + 8;
  static constexpr int kGradients = kPixels * kGradientStep;
  static constexpr int kHalf = kGradients + kPixels * kImageStep;
  static constexpr int kBytes = most(2 * kHalf * static_cast<int>(sizeof(T)), kStageBytes);
  // A thread moves packs of one column of each operand, from pixels that lie so far apart.
  static constexpr int kGradientColumns = kRows / 8, kImageColumns = kColumns / 8;
  static constexpr int kGradientStride = kTensorThreads / kGradientColumns;
  static constexpr int kImageStride = kTensorThreads / kImageColumns;
  static constexpr int kGradientPacks = most(1, kPixels / kGradientStride);
  static constexpr int kImagePacks = kPixels / kImageStride;
};

namespace {

template <typename T, int kRows>
__device__ __forceinline__ void sum_weights(const ConvGeometry& g, const T* x, const T* dy, float* partial,
                                            int slices) {
  using M = WeightsTile<T, kRows>;
  T* shared = dynamic_shared<T>();
  const auto thread = static_cast<int>(threadIdx.x);
  const int warp = thread / kWarp, warp_row = warp / M::kColumnWarps, warp_column = warp % M::kColumnWarps;
  const int columns = g.depth(), column_tiles = (columns + M::kColumns - 1) / M::kColumns;
  const int first_row = static_cast<int>(blockIdx.x) / column_tiles * kRows;
  const int first_column = static_cast<int>(blockIdx.x) % column_tiles * M::kColumns;
  const auto slice = static_cast<int>(blockIdx.y);
  const int begin = slice_begin(g.pixels, slice, slices), end = slice_begin(g.pixels, slice + 1, slices);

  const int gradient_row = thread % M::kGradientColumns * 8, gradient_pixel = thread / M::kGradientColumns;
  const int image_column = thread % M::kImageColumns * 8, image_pixel = thread / M::kImageColumns;
  const SumPlace place(g, first_column + image_column);
  MovingPixel pixel(g, begin + image_pixel, M::kPixels);
  MovingPixel pixel_below(g, begin + image_pixel + M::kImageStride, M::kPixels);
  static_assert(M::kImagePacks == 2, "two pixels of the image for each thread");
  uint4 gradients[M::kGradientPacks], images[2];
  const auto fetch_gradients = [&](int first) {
#pragma unroll
    for (int j = 0; j < M::kGradientPacks; ++j) {
      const int p = first + gradient_pixel + j * M::kGradientStride;
      gradients[j] = uint4{};
      if (gradient_pixel < M::kPixels && p < end && first_row + gradient_row < g.out)
        gradients[j] = *reinterpret_cast<const uint4*>(dy + static_cast<int64_t>(p) * g.out + first_row + gradient_row);
    }
  };
  const auto put_gradients = [&](T* half) {
#pragma unroll
    for (int j = 0; j < M::kGradientPacks; ++j)
      if (gradient_pixel < M::kPixels)
        *reinterpret_cast<uint4*>(half + (gradient_pixel + j * M::kGradientStride) * M::kGradientStep + gradient_row) =
            gradients[j];
  };
  const auto fetch_images = [&] {
    images[0] = pixel.place.index < end ? neighbour<uint4>(x, g, pixel.place, place) : uint4{};
    images[1] = pixel_below.place.index < end ? neighbour<uint4>(x, g, pixel_below.place, place) : uint4{};
    pixel.advance(g, M::kPixels);
    pixel_below.advance(g, M::kPixels);
  };
  const auto put_images = [&](T* half) {
#pragma unroll
    for (int j = 0; j < 2; ++j)
      *reinterpret_cast<uint4*>(half + M::kGradients + (image_pixel + j * M::kImageStride) * M::kImageStep +
                                image_column) = images[j];
  };

  wmma::fragment<wmma::accumulator, 16, 16, 16, float> sums[M::kRowFragments][2];
#pragma unroll
  for (int i = 0; i < M::kRowFragments; ++i)
#pragma unroll
    for (int j = 0; j < 2; ++j) wmma::fill_fragment(sums[i][j], 0.0f);

  // Pixels k .. k + 16 of a half.
  const auto multiply = [&](const T* half, int k) {
    const T* own_gradients = half + k * M::kGradientStep + warp_row * M::kRowFragments * 16;
    const T* own_image = half + M::kGradients + k * M::kImageStep + warp_column * 32;
    wmma::fragment<wmma::matrix_b, 16, 16, 16, T, wmma::row_major> b[2];
#pragma unroll
    for (int j = 0; j < 2; ++j) wmma::load_matrix_sync(b[j], own_image + j * 16, M::kImageStep);
#pragma unroll
    for (int i = 0; i < M::kRowFragments; ++i) {
      wmma::fragment<wmma::matrix_a, 16, 16, 16, T, wmma::col_major> a;
      wmma::load_matrix_sync(a, own_gradients + i * 16, M::kGradientStep);
#pragma unroll
      for (int j = 0; j < 2; ++j) wmma::mma_sync(sums[i][j], a, b[j], sums[i][j]);
    }
  };

  fetch_gradients(begin);
  put_gradients(shared);
  fetch_images();
  put_images(shared);
  __syncthreads();
  int half = 0;
  for (int first = begin; first < end; first += M::kPixels) {
    // Gradients and image travel one after the other: registers for both would be too many.
    const bool more = first + M::kPixels < end;
    const T* now = shared + half * M::kHalf;
    half ^= 1;
    T* next = shared + half * M::kHalf;
    if (more) fetch_gradients(first + M::kPixels);
    multiply(now, 0);
    if (more) put_gradients(next);
    if (more) fetch_images();
    multiply(now, 16);
    if (more) put_images(next);
    __syncthreads();
  }

  float* to = partial + static_cast<int64_t>(slice) * g.out * columns;
  float* stage = dynamic_shared<float>() + warp * kStageFloats;
#pragma unroll
  for (int i = 0; i < M::kRowFragments; ++i)
    staged(stage, sums[i], [&](int r, int c, const float* numbers) {
      const int row = first_row + (warp_row * M::kRowFragments + i) * 16 + r;
      const int column = first_column + warp_column * 32 + c;
      if (row >= g.out || column >= columns) return;
      auto* target = reinterpret_cast<Run<float, 4>*>(to + static_cast<int64_t>(row) * columns + column);
      target[0] = {{numbers[0], numbers[1], numbers[2], numbers[3]}};
      target[1] = {{numbers[4], numbers[5], numbers[6], numbers[7]}};
    });
}

template <typename T, int kRows>
__global__ void __launch_bounds__(kTensorThreads, blocks_together(kRows))
    tensor_weights_kernel(ConvGeometry g, const T* x, const T* dy, float* partial, int slices) {
  if constexpr (kOnTensorCores<T>)
    sum_weights<T, kRows>(g, x, dy, partial, slices);
  else
    __trap();  // never launched: supports() says no
}

template <typename T, int kRows>
void run_tile(const Context& context, const ConvGeometry& g, const T* x, const T* dy, float* partial, int slices) {
  using M = WeightsTile<T, kRows>;
  const int64_t tiles = divide_up(g.out, kRows) * divide_up(g.depth(), M::kColumns);
  launch(context, "conv2d_backward_weights (tensor cores)", tensor_weights_kernel<T, kRows>,
         dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(slices)), dim3(kTensorThreads), M::kBytes, g, x, dy,
         partial, slices);
}

template <typename T>
void run(const Context& context, const ConvGeometry& g, const ConvBuffers& b, float* partial, int slices) {
  const auto* x = static_cast<const T*>(b.x);
  const auto* dy = static_cast<const T*>(b.y);
  if (g.out <= 32)
    run_tile<T, 32>(context, g, x, dy, partial, slices);
  else if ((g.out - 1) % 128 < 64)
    run_tile<T, 64>(context, g, x, dy, partial, slices);
  else
    run_tile<T, 128>(context, g, x, dy, partial, slices);
}

}  // namespace

void tensor_weights(const Context& context, const ConvProblem& p, const ConvBuffers& b, float* partial, int slices) {
  if (p.type == DType::f16)
    run<__half>(context, geometry_of(p), b, partial, slices);
  else
    run<__nv_bfloat16>(context, geometry_of(p), b, partial, slices);
}

}  // namespace bandlift::cuda
