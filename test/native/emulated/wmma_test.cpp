// Fragments of matrices against triple loops in double, in every shape, type and layout that CUDA has.
#include <mma.h>

#include <random>

#include "kernels.h"

using namespace kernels;
namespace wmma = nvcuda::wmma;

namespace {

using emulation::Order;

template <typename T>
struct Element {
  using type = T;
};
template <>
struct Element<wmma::precision::tf32> {
  using type = float;
};

// d = relu(a b + c) of one warp, the elementwise step by a loop over x.
template <int m, int n, int k, typename T, typename LA, typename LB, typename TC>
__global__ void product(const typename Element<T>::type* a, const typename Element<T>::type* b, const TC* c, TC* d,
                        int lda, int ldb, int ldc, bool c_by_rows) {
  wmma::fragment<wmma::matrix_a, m, n, k, T, LA> fa;
  wmma::fragment<wmma::matrix_b, m, n, k, T, LB> fb;
  wmma::fragment<wmma::accumulator, m, n, k, TC> fc, fd;
  const wmma::layout_t layout = c_by_rows ? wmma::mem_row_major : wmma::mem_col_major;
  wmma::load_matrix_sync(fa, a, static_cast<unsigned>(lda));
  wmma::load_matrix_sync(fb, b, static_cast<unsigned>(ldb));
  wmma::load_matrix_sync(fc, c, static_cast<unsigned>(ldc), layout);
  if constexpr (std::is_same_v<T, wmma::precision::tf32>) {
    for (auto& x : fa.x) x = __float_to_tf32(x);
    for (auto& x : fb.x) x = __float_to_tf32(x);
  }
  wmma::mma_sync(fd, fa, fb, fc);
  for (int i = 0; i < fd.num_elements; ++i) fd.x[i] = fd.x[i] < TC(0.0f) ? TC(0.0f) : fd.x[i];
  wmma::store_matrix_sync(d, fd, static_cast<unsigned>(ldc), layout);
}

template <typename T>
std::vector<T> random_numbers(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<T> all(count);
  for (T& v : all) v = T(static_cast<float>(static_cast<int>(random() % 33) - 16) / 8.0f);  // exact in every type
  return all;
}

template <int m, int n, int k, typename T, typename LA, typename LB, typename TC>
void check_product(Order order, bool c_by_rows) {
  const Machine machine;
  emulation::set_order(order, 5);
  using E = typename Element<T>::type;
  constexpr bool a_rows = std::is_same_v<LA, wmma::row_major>, b_rows = std::is_same_v<LB, wmma::row_major>;
  const int lda = (a_rows ? k : m) + 8, ldb = (b_rows ? n : k) + 16, ldc = (c_by_rows ? n : m) + 8;
  const auto a = random_numbers<E>(static_cast<size_t>(lda * (a_rows ? m : k)), 1);
  const auto b = random_numbers<E>(static_cast<size_t>(ldb * (b_rows ? k : n)), 2);
  const auto c = random_numbers<TC>(static_cast<size_t>(ldc * (c_by_rows ? m : n)), 3);
  const Device<E> da(a), db(b);
  const Device<TC> dc(c), dd(c);
  ok(launch(product<m, n, k, T, LA, LB, TC>, 1, 32, 0, nullptr, da.data(), db.data(), dc.data(), dd.data(), lda, ldb,
            ldc, c_by_rows));
  const std::vector<TC> d = dd.values();
  const auto at = [](const auto& matrix, int row, int column, int pitch, bool rows) {
    return static_cast<double>(
        static_cast<float>(matrix[static_cast<size_t>(rows ? row * pitch + column : column * pitch + row)]));
  };
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      double sum = at(c, i, j, ldc, c_by_rows);
      for (int l = 0; l < k; ++l) sum += at(a, i, l, lda, a_rows) * at(b, l, j, ldb, b_rows);
      // sums of multiples of 1/64 below 2^8: exact in float; a half has 10 bits behind its leading one
      const double rtol = std::is_same_v<TC, float> ? 0 : 0x1p-11;
      check::close(at(d, i, j, ldc, c_by_rows), sum < 0 ? 0 : sum, 0, rtol, "d");
    }
}

template <int m, int n, int k, typename T, typename TC>
void check_layouts() {
  using R = wmma::row_major;
  using C = wmma::col_major;
  check_product<m, n, k, T, R, R, TC>(Order::ascending, true);
  check_product<m, n, k, T, R, C, TC>(Order::descending, true);
  check_product<m, n, k, T, C, R, TC>(Order::shuffled, true);
  check_product<m, n, k, T, C, C, TC>(Order::shuffled, false);
}

__global__ void load(const __half* p, unsigned pitch) {
  wmma::fragment<wmma::matrix_a, 16, 16, 16, __half, wmma::row_major> f;
  wmma::load_matrix_sync(f, p, pitch);
}

__global__ void lanes_disagree(const __half* p) {
  wmma::fragment<wmma::matrix_a, 16, 16, 16, __half, wmma::row_major> a;
  wmma::fragment<wmma::matrix_b, 16, 16, 16, __half, wmma::row_major> b;
  wmma::fragment<wmma::accumulator, 16, 16, 16, float> c;
  wmma::load_matrix_sync(a, p + (threadIdx.x == 7 ? 256 : 0), 16);
  wmma::fill_fragment(b, __half(1.0f));
  wmma::fill_fragment(c, 0.0f);
  wmma::mma_sync(c, a, b, c);
}

// tf32 without rounding: the multiplier drops the low 13 bits.
__global__ void dropped_bits(float* y) {
  wmma::fragment<wmma::matrix_a, 16, 16, 8, wmma::precision::tf32, wmma::row_major> a;
  wmma::fragment<wmma::matrix_b, 16, 16, 8, wmma::precision::tf32, wmma::row_major> b;
  wmma::fragment<wmma::accumulator, 16, 16, 8, float> c;
  wmma::fill_fragment(a, 1.0f + 0x1p-11f);
  wmma::fill_fragment(b, 1.0f);
  wmma::fill_fragment(c, 0.0f);
  wmma::mma_sync(c, a, b, c);
  wmma::store_matrix_sync(y, c, 16, wmma::mem_row_major);
}

std::string fault_now() {
  REQUIRE(cudaDeviceSynchronize() == cudaErrorLaunchFailure);
  const std::string text = emulation::last_fault();
  emulation::reset();
  return text;
}

}  // namespace

TEST("emulation: wmma products of half, bfloat16 and tf32 in every shape and layout") {
  check_layouts<16, 16, 16, __half, float>();
  check_layouts<32, 8, 16, __half, float>();
  check_layouts<8, 32, 16, __half, float>();
  check_layouts<16, 16, 16, __half, __half>();
  check_layouts<16, 16, 16, __nv_bfloat16, float>();
  check_layouts<32, 8, 16, __nv_bfloat16, float>();
  check_layouts<8, 32, 16, __nv_bfloat16, float>();
  check_layouts<16, 16, 8, wmma::precision::tf32, float>();
}

TEST("emulation: wmma refuses addresses and leading dimensions that CUDA forbids, and lanes that disagree") {
  const Machine machine;
  Device<__half> p(std::vector<__half>(1024, __half(0.0f)));
  ok(launch(load, 1, 32, 0, nullptr, p.data() + 16, 24u));
  ok(cudaDeviceSynchronize());
  ok(launch(load, 1, 32, 0, nullptr, p.data() + 8, 16u));
  contains(fault_now(), "aligned to 32 bytes");
  Device<__half> q(std::vector<__half>(1024, __half(0.0f)));
  ok(launch(load, 1, 32, 0, nullptr, q.data(), 20u));
  contains(fault_now(), "leading dimension 20");
  Device<__half> r(std::vector<__half>(1024, __half(0.0f)));
  ok(launch(lanes_disagree, 1, 32, 0, nullptr, r.data()));
  contains(fault_now(), "different addresses");
  Device<__half> s(std::vector<__half>(1024, __half(0.0f)));
  ok(launch(lanes_disagree, 1, 7, 0, nullptr, s.data()));
  contains(fault_now(), "mma_sync needs all 32 lanes");
}

TEST("emulation: tf32 operands lose the bits behind the tenth") {
  const Machine machine;
  const Device<float> y(256);
  ok(launch(dropped_bits, 1, 32, 0, nullptr, y.data()));
  for (const float v : y.values()) REQUIRE(v == 8);
  REQUIRE(__float_to_tf32(1.0f + 0x1p-11f) == 1.0f + 0x1p-10f);  // ties away from zero
  REQUIRE(__float_to_tf32(-1.0f - 0x1p-12f) == -1.0f);
}
