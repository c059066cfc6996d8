// nvcuda::wmma: matrices spread over the lanes of a warp. Which lane holds which element is unspecified in CUDA, and
// differs here between the kinds of fragments: only loops over x[0, num_elements) of fragments of one type are right.
#pragma once
#include <bit>
#include <cstdint>
#include <string>
#include <type_traits>

#include "cuda_bf16.h"
#include "cuda_fp16.h"
#include "device.h"

namespace nvcuda::wmma {

struct matrix_a {};
struct matrix_b {};
struct accumulator {};
struct row_major {};
struct col_major {};
enum layout_t { mem_row_major, mem_col_major };
namespace precision {
struct tf32 {};
}  // namespace precision

namespace detail {

template <typename T>
struct Storage {
  using type = T;
};
template <>
struct Storage<precision::tf32> {
  using type = float;
};

// The shapes CUDA has for each type of operands.
template <typename T, int m, int n, int k>
inline constexpr bool kShape = std::is_same_v<T, precision::tf32>
                                   ? m == 16 && n == 16 && k == 8
                                   : (m == 16 && n == 16 && k == 16) || (m == 32 && n == 8 && k == 16) ||
                                         (m == 8 && n == 32 && k == 16) ||
                                         (std::is_same_v<T, float> && m == 16 && n == 16 && k == 8);
template <typename Use, typename T>
inline constexpr bool kType = std::is_same_v<T, __half> ||
                              (std::is_same_v<Use, accumulator>
                                   ? std::is_same_v<T, float>
                                   : std::is_same_v<T, __nv_bfloat16> || std::is_same_v<T, precision::tf32>);

// Elements in row-major order are dealt out in chunks, one to each lane.
template <typename Use, typename T>
constexpr int lane_of_chunk(int chunk) {
  if (std::is_same_v<Use, matrix_a>) return chunk;
  if (std::is_same_v<Use, matrix_b>) return chunk ^ 21;
  return std::is_same_v<T, float> ? 31 - chunk : chunk ^ 9;  // its own inverse in every case
}

inline float operand(float v) {  // the multiplier does not see the low bits
  return std::bit_cast<float>(std::bit_cast<uint32_t>(v) & 0xffffe000u);
}
inline float operand(__half v) {
  return bandlift::emulation::half_value(v.bits);
}
inline float operand(__nv_bfloat16 v) {
  return bandlift::emulation::bfloat16_value(v.bits);
}

}  // namespace detail

template <typename Use, int m, int n, int k, typename T, typename Layout = void>
struct fragment {
  static_assert(detail::kType<Use, T> && detail::kShape<T, m, n, k>, "CUDA has no such fragment");
  static_assert(std::is_same_v<Use, accumulator> == std::is_void_v<Layout>,
                "operands have a layout, accumulators none");
  using element_type = typename detail::Storage<T>::type;
  using storage_element_type = element_type;
  static constexpr int rows = std::is_same_v<Use, matrix_b> ? k : m;
  static constexpr int columns = std::is_same_v<Use, matrix_a> ? k : n;
  static constexpr int num_elements = rows * columns / 32;
  static constexpr int num_storage_elements = num_elements;
  element_type x[num_elements];

  // Where it was loaded from, which must be the same in all lanes; null when filled.
  const void* source = nullptr;
  unsigned source_pitch = 0;
};

namespace detail {

template <typename T>
void check_address(const T* p, unsigned pitch, const char* what) {
  if (reinterpret_cast<uintptr_t>(p) % 32 != 0)
    bandlift::emulation::fault(std::string(what) + ": the matrix must be aligned to 32 bytes");
  if (pitch * sizeof(T) % 16 != 0)
    bandlift::emulation::fault(std::string(what) + ": the leading dimension " + std::to_string(pitch) +
                               " is no multiple of 16 bytes");
}

// body(x index, row, column) for each element of this lane
template <typename Use, int m, int n, int k, typename T, typename Layout, typename Body>
void own_elements(const fragment<Use, m, n, k, T, Layout>& f, const Body& body) {
  const int start = lane_of_chunk<Use, T>(bandlift::emulation::lane_id()) * f.num_elements;
  for (int i = 0; i < f.num_elements; ++i) body(i, (start + i) / f.columns, (start + i) % f.columns);
}

// Not a barrier: each lane reads its own elements, so a missing __syncwarp() before it shows.
template <typename Use, int m, int n, int k, typename T, typename Layout, typename S>
void load(fragment<Use, m, n, k, T, Layout>& f, const S* p, unsigned pitch, bool by_rows) {
  check_address(p, pitch, "load_matrix_sync");
  f.source = p;
  f.source_pitch = pitch;
  own_elements(f, [&](int i, int row, int column) {
    f.x[i] = by_rows ? p[static_cast<size_t>(row) * pitch + static_cast<size_t>(column)]
                     : p[static_cast<size_t>(column) * pitch + static_cast<size_t>(row)];
  });
}

template <typename D, typename A, typename B, typename C>
struct Product {
  D* d;
  const A* a;
  const B* b;
  const C* c;
};

template <typename Use, typename T, typename F, typename Pick>
void gather(void* const payloads[32], float* matrix, const Pick& pick) {
  for (int chunk = 0; chunk < 32; ++chunk) {
    const F& f = pick(payloads[lane_of_chunk<Use, T>(chunk)]);
    const F& first = pick(payloads[lane_of_chunk<Use, T>(0)]);
    if (f.source != first.source || f.source_pitch != first.source_pitch)
      bandlift::emulation::fault("mma_sync: the lanes loaded a fragment from different addresses");
    for (int i = 0; i < F::num_elements; ++i) {
      if constexpr (std::is_same_v<Use, accumulator> && std::is_same_v<T, float>)
        matrix[chunk * F::num_elements + i] = f.x[i];
      else
        matrix[chunk * F::num_elements + i] = operand(f.x[i]);
    }
  }
}

// Once for all lanes: d = a b + c, products and sums in float.
template <int m, int n, int k, typename TA, typename TC, typename TD, typename P, typename A, typename B, typename C,
          typename D>
void complete_mma(void* const payloads[32], unsigned lanes) {
  if (lanes != 0xffffffffu) bandlift::emulation::fault("mma_sync needs all 32 lanes of a warp");
  alignas(64) float a[m * k], b[k * n], c[m * n];
  gather<matrix_a, TA, A>(payloads, a, [](void* p) -> const A& { return *static_cast<P*>(p)->a; });
  gather<matrix_b, TA, B>(payloads, b, [](void* p) -> const B& { return *static_cast<P*>(p)->b; });
  gather<accumulator, TC, C>(payloads, c, [](void* p) -> const C& { return *static_cast<P*>(p)->c; });
  for (int i = 0; i < m; ++i) {
    float sums[n];
    for (int j = 0; j < n; ++j) sums[j] = c[i * n + j];
    for (int l = 0; l < k; ++l) {
      const float factor = a[i * k + l];
      for (int j = 0; j < n; ++j) sums[j] += factor * b[l * n + j];
    }
    for (int j = 0; j < n; ++j) c[i * n + j] = sums[j];
  }
  for (int chunk = 0; chunk < 32; ++chunk) {
    D& d = *static_cast<P*>(payloads[lane_of_chunk<accumulator, TD>(chunk)])->d;
    for (int i = 0; i < D::num_elements; ++i) d.x[i] = c[chunk * D::num_elements + i];
    d.source = nullptr;
    d.source_pitch = 0;
  }
}

}  // namespace detail

template <typename Use, int m, int n, int k, typename T, typename Layout>
void fill_fragment(fragment<Use, m, n, k, T, Layout>& f,
                   const std::type_identity_t<typename fragment<Use, m, n, k, T, Layout>::element_type>& v) {
  for (auto& x : f.x) x = v;
  f.source = nullptr;
  f.source_pitch = 0;
}

template <typename Use, int m, int n, int k, typename T, typename Layout>
void load_matrix_sync(fragment<Use, m, n, k, T, Layout>& f,
                      const typename fragment<Use, m, n, k, T, Layout>::element_type* p, unsigned pitch) {
  detail::load(f, p, pitch, std::is_same_v<Layout, row_major>);
}
template <int m, int n, int k, typename T>
void load_matrix_sync(fragment<accumulator, m, n, k, T>& f, const T* p, unsigned pitch, layout_t layout) {
  detail::load(f, p, pitch, layout == mem_row_major);
}

template <int m, int n, int k, typename T>
void store_matrix_sync(T* p, const fragment<accumulator, m, n, k, T>& f, unsigned pitch, layout_t layout) {
  detail::check_address(p, pitch, "store_matrix_sync");
  detail::own_elements(f, [&](int i, int row, int column) {
    if (layout == mem_row_major)
      p[static_cast<size_t>(row) * pitch + static_cast<size_t>(column)] = f.x[i];
    else
      p[static_cast<size_t>(column) * pitch + static_cast<size_t>(row)] = f.x[i];
  });
}

template <int m, int n, int k, typename T, typename LA, typename LB, typename TC, typename TD>
void mma_sync(fragment<accumulator, m, n, k, TD>& d, const fragment<matrix_a, m, n, k, T, LA>& a,
              const fragment<matrix_b, m, n, k, T, LB>& b, const fragment<accumulator, m, n, k, TC>& c, BANDLIFT_SITE) {
  using A = fragment<matrix_a, m, n, k, T, LA>;
  using B = fragment<matrix_b, m, n, k, T, LB>;
  using C = fragment<accumulator, m, n, k, TC>;
  using D = fragment<accumulator, m, n, k, TD>;
  using P = detail::Product<D, A, B, C>;
  P mine{&d, &a, &b, &c};
  bandlift::emulation::meet(0xffffffffu, detail::complete_mma<m, n, k, T, TC, TD, P, A, B, C, D>, &mine, {file, line});
}

}  // namespace nvcuda::wmma
