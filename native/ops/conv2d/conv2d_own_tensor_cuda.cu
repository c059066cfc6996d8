// forward and backward_data on tensor cores, f16 and bf16 with sums in f32. A block computes 128 pixels x kColumns
// channels, 32 terms of the sum at a time: while the warps multiply one half of the shared memory, the next terms
// travel to registers.
#include "ops/conv2d/conv2d_own_tensor_cuda.h"

namespace bandlift::cuda {

using namespace nvcuda;

constexpr int kRows = 128, kDepth = 32;

// kColumns is 128, 64 or 32; a warp computes kColumns / 2 pixels x 32 channels.
template <typename T, int kColumns, bool kFlipped>
struct ConvolutionTile {
  static constexpr int kRowFragments = kColumns / 32, kColumnWarps = kColumns / 32;
  // Distances in shared memory: 16-byte pieces of eight neighbouring rows lie in different banks.
  static constexpr int kPixelStep = kDepth + 8, kWeightStep = kFlipped ? kColumns + 8 : kDepth + 8;
  static constexpr int kPixels = kRows * kPixelStep, kWeights = (kFlipped ? kDepth : kColumns) * kWeightStep;
  static constexpr int kHalf = kPixels + kWeights;
  static constexpr int kBytes = most(2 * kHalf * static_cast<int>(sizeof(T)), kStageBytes);
  // Packs that a thread moves, at most
  static constexpr int kPixelPacks = kRows * kDepth / 8 / kTensorThreads;
  static constexpr int kWeightPacks = most(1, kColumns* kDepth / 8 / kTensorThreads);
  using Layout = std::conditional_t<kFlipped, wmma::row_major, wmma::col_major>;
};

// Where a thread's pack lies in rows of four: neighbouring threads take eight rows, for what they store at once, 80
// bytes apart, lies in different banks; a warp still fetches 64 bytes of each of its rows.
__device__ __forceinline__ int row_of_eight() {
  return static_cast<int>(threadIdx.x) / kWarp * 8 + static_cast<int>(threadIdx.x) % 8;
}
__device__ __forceinline__ int pack_of_four() {
  return static_cast<int>(threadIdx.x) / 8 % 4;
}

// Moves weights of kColumns channels from `first` on: to [channel][term], a thread the same terms of several channels,
// or to [term][channel] where flipped, a thread several channels of one term.
template <typename T, int kColumns, bool kFlipped>
struct WeightMover {
  using M = ConvolutionTile<T, kColumns, kFlipped>;
  static constexpr int kPacksInRow = kFlipped && kColumns > 32 ? 8 : 4;
  static constexpr int kRowsAtOnce = kTensorThreads / kPacksInRow, kRowCount = kFlipped ? kDepth : kColumns;
  static constexpr int kDown = kFlipped ? 0 : kRowsAtOnce, kRight = kFlipped ? 8 * kPacksInRow : 0;

  __device__ __forceinline__ WeightMover(const ConvGeometry& g, int first)
      : row(kFlipped ? static_cast<int>(threadIdx.x) / kPacksInRow : row_of_eight()),
        column(kFlipped ? static_cast<int>(threadIdx.x) % kPacksInRow * 8 : pack_of_four() * 8),
        first(first),
        place(g, kFlipped ? row : column) {}

  __device__ __forceinline__ void fetch(const ConvGeometry& g, const T* w) {
#pragma unroll
    for (int j = 0; j < M::kWeightPacks; ++j) {
      const int channel = first + (kFlipped ? column + j * kRight : row + j * kDown);
      packs[j] = uint4{};
      if (place.ky < g.kh && row + j * kDown < kRowCount && channel < g.out) {
        const T* from = w;
        if constexpr (kFlipped)
          from = flipped_weights(w, g, place, channel);
        else
          from += static_cast<int64_t>(channel) * g.depth() + (place.ky * g.kw + place.kx) * g.in + place.c;
        packs[j] = *reinterpret_cast<const uint4*>(from);
      }
    }
    place.advance(g, kDepth);
  }

  __device__ __forceinline__ void put(T* shared) const {
#pragma unroll
    for (int j = 0; j < M::kWeightPacks; ++j)
      if (row + j * kDown < kRowCount)
        *reinterpret_cast<uint4*>(shared + (row + j * kDown) * M::kWeightStep + column + j * kRight) = packs[j];
  }

  int row, column, first;
  SumPlace place;
  uint4 packs[M::kWeightPacks];
};

namespace {

template <typename T, int kColumns, bool kFlipped>
__device__ __forceinline__ void convolve(const ConvGeometry& g, const T* x, const T* w, T* y, const OwnEpilogue<T>& e) {
  using M = ConvolutionTile<T, kColumns, kFlipped>;
  T* shared = dynamic_shared<T>();
  const auto thread = static_cast<int>(threadIdx.x);
  const int warp = thread / kWarp, warp_row = warp / M::kColumnWarps, warp_column = warp % M::kColumnWarps;
  const int column_tiles = (g.out + kColumns - 1) / kColumns;
  const int first_pixel = static_cast<int>(blockIdx.x / column_tiles) * kRows;
  const int first_channel = static_cast<int>(blockIdx.x % column_tiles) * kColumns;

  // This thread's pixels: row and row + 64 of the tile, the same 8 terms of the sum.
  const int row = row_of_eight(), term = pack_of_four() * 8;
  const PixelPlace pixels[M::kPixelPacks] = {{g, first_pixel + row}, {g, first_pixel + row + kRows / 2}};
  SumPlace place(g, term);
  uint4 packs[M::kPixelPacks];
  WeightMover<T, kColumns, kFlipped> weights(g, first_channel);
  const auto fetch_pixels = [&] {
#pragma unroll
    for (int j = 0; j < M::kPixelPacks; ++j) packs[j] = neighbour<uint4>(x, g, pixels[j], place);
    place.advance(g, kDepth);
  };
  const auto put_pixels = [&](T* half) {
#pragma unroll
    for (int j = 0; j < M::kPixelPacks; ++j)
      *reinterpret_cast<uint4*>(half + (row + j * (kRows / 2)) * M::kPixelStep + term) = packs[j];
  };

  wmma::fragment<wmma::accumulator, 16, 16, 16, float> sums[M::kRowFragments][2];
#pragma unroll
  for (int i = 0; i < M::kRowFragments; ++i)
#pragma unroll
    for (int j = 0; j < 2; ++j) wmma::fill_fragment(sums[i][j], 0.0f);

  // Terms k .. k + 16 of a half.
  const auto multiply = [&](const T* half, int k) {
    const T* own_pixels = half + warp_row * M::kRowFragments * 16 * M::kPixelStep + k;
    const T* own_weights =
        half + M::kPixels + warp_column * 32 * (kFlipped ? 1 : M::kWeightStep) + k * (kFlipped ? M::kWeightStep : 1);
    wmma::fragment<wmma::matrix_b, 16, 16, 16, T, typename M::Layout> b[2];
#pragma unroll
    for (int j = 0; j < 2; ++j)
      wmma::load_matrix_sync(b[j], own_weights + j * 16 * (kFlipped ? 1 : M::kWeightStep), M::kWeightStep);
#pragma unroll
    for (int i = 0; i < M::kRowFragments; ++i) {
      wmma::fragment<wmma::matrix_a, 16, 16, 16, T, wmma::row_major> a;
      wmma::load_matrix_sync(a, own_pixels + i * 16 * M::kPixelStep, M::kPixelStep);
#pragma unroll
      for (int j = 0; j < 2; ++j) wmma::mma_sync(sums[i][j], a, b[j], sums[i][j]);
    }
  };

  fetch_pixels();
  put_pixels(shared);
  weights.fetch(g, w);
  weights.put(shared + M::kPixels);
  __syncthreads();
  const int steps = (g.depth() + kDepth - 1) / kDepth;
  for (int step = 0; step < steps; ++step) {
    // Pixels and weights travel one after the other: registers for both would be too many.
    const bool more = step + 1 < steps;
    const T* now = shared + step % 2 * M::kHalf;
    T* next = shared + (step + 1) % 2 * M::kHalf;
    if (more) fetch_pixels();
    multiply(now, 0);
    if (more) put_pixels(next);
    if (more) weights.fetch(g, w);
    multiply(now, 16);
    if (more) weights.put(next + M::kPixels);
    __syncthreads();
  }

  float* stage = dynamic_shared<float>() + warp * kStageFloats;
#pragma unroll
  for (int i = 0; i < M::kRowFragments; ++i)
    staged(stage, sums[i], [&](int r, int column, const float* numbers) {
      const int p = first_pixel + (warp_row * M::kRowFragments + i) * 16 + r;
      const int k = first_channel + warp_column * 32 + column;
      if (p < g.pixels && k < g.out) finish<T, 8>(y, e, p, k, g.out, numbers);
    });
}

template <typename T, int kColumns, bool kFlipped>
__global__ void __launch_bounds__(kTensorThreads, blocks_together(kColumns))
    tensor_convolution_kernel(ConvGeometry g, const T* x, const T* w, T* y, OwnEpilogue<T> e) {
  if constexpr (kOnTensorCores<T>)
    convolve<T, kColumns, kFlipped>(g, x, w, y, e);
  else
    __trap();  // never launched: supports() says no
}

template <typename T, int kColumns, bool kFlipped>
void run_tile(const Context& context, const ConvGeometry& g, const T* x, const T* w, T* y, const OwnEpilogue<T>& e) {
  const int64_t blocks = divide_up(g.pixels, kRows) * divide_up(g.out, kColumns);
  launch(context, kFlipped ? "conv2d_backward_data (tensor cores)" : "conv2d_forward (tensor cores)",
         tensor_convolution_kernel<T, kColumns, kFlipped>, dim3(static_cast<unsigned>(blocks)), dim3(kTensorThreads),
         ConvolutionTile<T, kColumns, kFlipped>::kBytes, g, x, w, y, e);
}

template <typename T, bool kFlipped>
void run(const Context& context, const ConvGeometry& g, const void* x, const void* w, void* y,
         const ConvEpilogue& epilogue) {
  const OwnEpilogue<T> e{epilogue.bias, static_cast<const T*>(epilogue.add), static_cast<const T*>(epilogue.mask),
                         epilogue.relu};
  const auto go = [&](auto kernel) {
    kernel(context, g, static_cast<const T*>(x), static_cast<const T*>(w), static_cast<T*>(y), e);
  };
  // The narrowest tile that pads no more than the wider ones.
  if (g.out <= 32)
    go(run_tile<T, 32, kFlipped>);
  else if ((g.out - 1) % 128 < 64)
    go(run_tile<T, 64, kFlipped>);
  else
    go(run_tile<T, 128, kFlipped>);
}

}  // namespace

void tensor_convolution(const Context& context, const ConvProblem& p, const ConvBuffers& b, const ConvEpilogue& e) {
  const ConvGeometry g = geometry_of(p);
  const auto by_pass = [&](auto type) {
    using T = typename decltype(type)::type;
    if (p.pass == ConvPass::forward)
      run<T, false>(context, g, b.x, b.w, b.y, e);
    else
      run<T, true>(context, g, b.y, b.w, b.x, e);
  };
  if (p.type == DType::f16)
    by_pass(Type<__half>{});
  else
    by_pass(Type<__nv_bfloat16>{});
}

}  // namespace bandlift::cuda
