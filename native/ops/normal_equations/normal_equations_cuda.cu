#include "cuda/cuda_backend.h"
#include "cuda/kernel.h"
#include "ops/normal_equations/normal_equations.h"

namespace bandlift::cuda {
namespace {

// [a 1]^T [a 1 y] over the pixels, in double: rows 0..f of the product belong to the features and the 1, columns
// 0..f to the same, the rest to y. A block makes a tile of kTile x kTile sums over one slice of the pixels; the slices
// are added in order, and their number depends on the pixels alone: the same bits on every GPU.
constexpr int kTile = 32, kDepth = 32, kSide = 16;  // kSide x kSide threads, 2 x 2 sums each
constexpr int64_t kPixelsPerSlice = 2048, kMostSlices = 16;

int64_t slices_of(int64_t pixels) {
  const int64_t slices = divide_up(pixels, kPixelsPerSlice);
  return slices < kMostSlices ? slices : kMostSlices;
}

struct Operands {
  View<float> features, y, pixel_mask;
  int64_t pixels, f, c, slices;
  // Column k of [a 1 y] at pixel i; 0 beyond the end and where the pixel does not count.
  __device__ __forceinline__ double at(int64_t i, int64_t last, int64_t k) const {
    if (i >= last || k > f + c) return 0;
    if (pixel_mask.data != nullptr && !(pixel_mask.get(i, 0) > 0)) return 0;
    return k < f ? features.get(i, k) : k == f ? 1.0 : y.get(i, k - f - 1);
  }
};

__global__ void __launch_bounds__(kSide* kSide) products_kernel(Operands o, double* partials) {
  __shared__ double left[kDepth][kTile], right[kDepth][kTile];
  const int tx = static_cast<int>(threadIdx.x) % kSide, ty = static_cast<int>(threadIdx.x) / kSide;
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kTile, row = static_cast<int64_t>(blockIdx.y) * kTile;
  const int64_t slice = blockIdx.z, last = o.pixels * (slice + 1) / o.slices;
  double sum[2][2] = {};
  for (int64_t first = o.pixels * slice / o.slices; first < last; first += kDepth) {
    for (int e = static_cast<int>(threadIdx.x); e < kDepth * kTile; e += kSide * kSide) {
      const int64_t i = first + e / kTile, k = e % kTile;
      left[e / kTile][k] = row + k <= o.f ? o.at(i, last, row + k) : 0;
      right[e / kTile][k] = o.at(i, last, column + k);
    }
    __syncthreads();
    for (int i = 0; i < kDepth; ++i)
      for (int a = 0; a < 2; ++a)
        for (int b = 0; b < 2; ++b) sum[a][b] += left[i][ty + a * kSide] * right[i][tx + b * kSide];
    __syncthreads();
  }
  const int64_t rows = o.f + 1, columns = o.f + 1 + o.c;
  for (int a = 0; a < 2; ++a)
    for (int b = 0; b < 2; ++b) {
      const int64_t r = row + ty + a * kSide, k = column + tx + b * kSide;
      if (r < rows && k < columns) partials[(slice * rows + r) * columns + k] = sum[a][b];
    }
}

__global__ void __launch_bounds__(256)
    add_slices_kernel(const double* partials, int64_t slices, int64_t f, int64_t c, double* gram, double* cross) {
  const int64_t rows = f + 1, columns = f + 1 + c, stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t e = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; e < rows * columns; e += stride) {
    const int64_t r = e / columns, k = e % columns;
    double total = 0;
    for (int64_t slice = 0; slice < slices; ++slice) total += partials[slice * rows * columns + e];
    if (k < rows)
      gram[r * rows + k] += total;
    else
      cross[r * c + k - rows] += total;
  }
}

}  // namespace

size_t CudaBackend::normal_equations_workspace(Tensor features, Tensor y) const {
  const int64_t rows = features.c + 1;
  return static_cast<size_t>(slices_of(y.pixels()) * rows * (rows + y.c)) * sizeof(double);
}

void CudaBackend::normal_equations(Tensor features, Tensor y, Tensor pixel_mask, Tensor gram, Tensor cross,
                                   Tensor workspace) {
  const int64_t f = features.c, c = y.c, slices = slices_of(y.pixels());
  const Operands o = {view<float>(features), view<float>(y), view<float>(pixel_mask), y.pixels(), f, c, slices};
  auto* partials = static_cast<double*>(workspace.data);
  const auto tiles = [](int64_t size) { return static_cast<unsigned>(divide_up(size, kTile)); };
  launch(context_, "normal_equations", products_kernel,
         dim3(tiles(f + 1 + c), tiles(f + 1), static_cast<unsigned>(slices)), dim3(kSide * kSide), 0, o, partials);
  launch(context_, "normal_equations, sums", add_slices_kernel, dim3(blocks_for(context_, (f + 1) * (f + 1 + c), 256)),
         dim3(256), 0, partials, slices, f, c, gram.f64(), cross.f64());
}

}  // namespace bandlift::cuda
