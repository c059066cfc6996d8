// Means, gates and their gradients against plain double loops and central differences.
#include "backends.h"

using namespace backends;

namespace {

Shape per_sample(const Shape& s) {
  return {s.n, 1, 1, s.c, s.extra};
}

// Index of sample and band of the dense index i.
size_t of_sample(const Shape& s, int64_t i) {
  return static_cast<size_t>(i / (s.h * s.w * s.c) * s.c + i % s.c);
}

std::vector<double> means(const Shape& s, const std::vector<double>& x) {
  std::vector<double> mean(static_cast<size_t>(s.n * s.c), 0);
  for (size_t i = 0; i < x.size(); ++i)
    mean[of_sample(s, static_cast<int64_t>(i))] += x[i] / static_cast<double>(s.h * s.w);
  return mean;
}

}  // namespace

TEST("spectral attention: means over the pixels of each sample, and their gradient") {
  for (const StoredShape& each : stored(kShapes)) {
    const Shape& s = each.s;
    const DType type = each.type;
    const Image x = Image::random(s, 11, -1, 1, type), dmean = Image::random(per_sample(s), 12);
    everywhere(
        "mean " + text(s, type),
        [&](Backend& backend) {
          std::vector<Image> r{Image(per_sample(s)), Image(s, type)};
          backend.global_mean_forward(x.t, r[0].t);
          backend.global_mean_backward(dmean.t, r[1].t);
          return r;
        },
        [&](const std::vector<Image>& r) {
          close_all(r[0], means(s, x.values()), 1e-6, 1e-6, "mean");  // 64 floats below 1 are summed in float32
          // the loss is <mean(x), dmean>, linear: a difference with step 1 is exact but for rounding
          const auto loss = [&](const std::vector<double>& v) {
            const std::vector<double> mean = means(s, v);
            double sum = 0;
            for (size_t k = 0; k < mean.size(); ++k) sum += mean[k] * dmean[static_cast<int64_t>(k)];
            return sum;
          };
          for (size_t i : spread(x.values().size(), 40))
            r[1].close(static_cast<int64_t>(i), slope(x.values(), i, loss, 1), 1e-10, 1e-6, "dx");
        });
  }
}

TEST("spectral attention: y = x gate (+ residual), also in place") {
  for (const StoredShape& each : stored(kShapes)) {
    const Shape& s = each.s;
    const DType type = each.type;
    const Image x = Image::random(s, 13, -1, 1, type), gate = Image::random(per_sample(s), 14, 0, 1),
                residual = Image::random(s, 15, -1, 1, type);
    everywhere(
        "gate " + text(s, type),
        [&](Backend& backend) {
          std::vector<Image> r{Image(s, type), Image(s, type), x};
          backend.gate_forward(x.t, gate.t, Tensor{}, r[0].t);
          backend.gate_forward(x.t, gate.t, residual.t, r[1].t);
          backend.gate_forward(r[2].t, gate.t, residual.t, r[2].t);
          return r;
        },
        [&](const std::vector<Image>& r) {
          for (int64_t i = 0; i < x.t.elements(); ++i) {
            const double y = x[i] * gate[static_cast<int64_t>(of_sample(s, i))];
            r[0].close(i, y, 1e-10, 1e-7, "y");
            r[1].close(i, y + residual[i], 2e-7, 0, "y with residual");
          }
          REQUIRE(r[2].same_bits(r[1]));
        });
  }
}

// The loss is <x gate, dy> + <mean(x), dmean>: linear in x and in the gate.
TEST("spectral attention: gradients of gate and input equal differences; masks close pixels; in place") {
  for (const StoredShape& each : stored(kShapes)) {
    const Shape& s = each.s;
    const DType type = each.type;
    const Image x = Image::random(s, 16, -1, 1, type), gate = Image::random(per_sample(s), 17, 0, 1),
                dy = Image::random(s, 18, -1, 1, type), dmean = Image::random(per_sample(s), 19),
                mask = Image::random(s, 20, -1, 1, type);
    const auto output = [&](const std::vector<double>& v, const std::vector<double>& g) {
      double sum = 0;
      for (size_t i = 0; i < v.size(); ++i)
        sum += v[i] * g[of_sample(s, static_cast<int64_t>(i))] * dy[static_cast<int64_t>(i)];
      return sum;
    };
    const auto mean_part = [&](const std::vector<double>& v) {
      const std::vector<double> mean = means(s, v);
      double sum = 0;
      for (size_t k = 0; k < mean.size(); ++k) sum += mean[k] * dmean[static_cast<int64_t>(k)];
      return sum;
    };
    everywhere(
        "gate gradients " + text(s, type),
        [&](Backend& backend) {
          std::vector<Image> r{Image(per_sample(s)), Image(s, type), Image(s, type), dy};
          backend.gate_backward_gate(dy.t, x.t, r[0].t);
          backend.gate_backward_input(dy.t, gate.t, Tensor{}, Tensor{}, r[1].t);
          backend.gate_backward_input(dy.t, gate.t, dmean.t, mask.t, r[2].t);
          backend.gate_backward_input(r[3].t, gate.t, dmean.t, mask.t, r[3].t);
          return r;
        },
        [&](const std::vector<Image>& r) {
          const std::vector<double> xs = x.values(), gates = gate.values();
          for (size_t k : spread(gates.size(), 40)) {
            const double expected = slope(
                gates, k, [&](const auto& g) { return output(xs, g); }, 1);
            // float32 sums of 64 products below 1: 64 * 6e-8 at worst for each of (pixels / 64)
            r[0].close(static_cast<int64_t>(k), expected, 2e-5, 0, "dgate");
          }
          for (size_t i : spread(xs.size(), 40)) {
            const auto at = static_cast<int64_t>(i);
            const double direct = slope(
                xs, i, [&](const auto& v) { return output(v, gates); }, 1);
            const double both = direct + slope(xs, i, mean_part, 1);
            r[1].close(at, direct, 2e-7, 0, "dx");
            r[2].close(at, mask[at] > 0 ? both : 0, 2e-7, 0, "dx with mean and mask");
          }
          REQUIRE(r[3].same_bits(r[2]));
        });
  }
}
