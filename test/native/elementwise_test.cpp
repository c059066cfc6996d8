// activation, add and fill against the formulas of elementwise.h in double.
#include "backends.h"

using namespace backends;
using bandlift::Activation;

namespace {

constexpr Activation kKinds[] = {Activation::none, Activation::relu, Activation::sigmoid, Activation::softplus};

double activated(Activation kind, double x) {
  switch (kind) {
    case Activation::relu:
      return x > 0 ? x : 0;
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::softplus:
      return x > 40 ? x : std::log1p(std::exp(x));
    default:
      return x;
  }
}

// The x that activated() makes y of; any x <= 0 where relu made 0.
double inverse(Activation kind, double y) {
  switch (kind) {
    case Activation::relu:
      return y > 0 ? y : -1;
    case Activation::sigmoid:
      return std::log(y / (1 - y));
    case Activation::softplus:
      return std::log(std::expm1(y));
    default:
      return y;
  }
}

std::string name_of(Activation kind, const Shape& s, DType type) {
  return "activation " + std::to_string(static_cast<int>(kind)) + " " + text(s, type);
}

}  // namespace

TEST("elementwise: activations equal their formulas, also in place") {
  for (const StoredShape& each : stored(kShapes)) {
    const Shape& s = each.s;
    const DType type = each.type;
    for (Activation kind : kKinds) {
      const Image x = Image::random(s, 1, -6, 6, type);
      everywhere(
          name_of(kind, s, type),
          [&](Backend& backend) {
            std::vector<Image> r{Image(s, type), x};
            backend.activation_forward(kind, x.t, r[0].t);
            backend.activation_forward(kind, r[1].t, r[1].t);
            return r;
          },
          [&](const std::vector<Image>& r) {
            std::vector<double> expected = x.values();
            for (double& v : expected) v = activated(kind, v);
            // float32: a few roundings of 6e-8 each
            close_all(r[0], expected, 1e-7, 1e-6, "y");
            REQUIRE(r[1].same_bits(r[0]));
          });
    }
  }
}

TEST("elementwise: activations of huge and tiny numbers, infinities and NaN") {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> values = {-infinity, -3e38, -104, -88.8, -1e-30, 0,       1e-30,
                                      19.99,     20.01, 88.8, 104,   3e38,   infinity};
  for (DType type : kImageTypes)
    for (Activation kind : kKinds) {
      const Image x = Image::vector(values, type);
      everywhere(
          name_of(kind, {1, 1, 1, 13}, type),
          [&](Backend& backend) {
            std::vector<Image> r{x, Image::vector({std::nan("")}, type)};
            for (Image& image : r) backend.activation_forward(kind, image.t, image.t);
            return r;
          },
          [&](const std::vector<Image>& r) {
            for (int64_t i = 0; i < 13; ++i) {
              const double expected = activated(kind, x[i]);
              if (std::isinf(expected))
                REQUIRE(r[0][i] == expected);
              else
                r[0].close(i, expected, 1e-37, 1e-6, "activation of " + std::to_string(x[i]));
            }
            REQUIRE(std::isnan(r[1][0]));  // a diverged run must show, as it does through conv2d's ReLU
          });
    }
}

TEST("elementwise: gradients of activations equal central differences, also in place") {
  for (const StoredShape& each : stored(kShapes)) {
    const Shape& s = each.s;
    const DType type = each.type;
    for (Activation kind : kKinds) {
      const Image x = Image::random(s, 2, -4, 4), dy = Image::random(s, 3, -1, 1, type);
      Image y = Image::input(s, type);
      for (int64_t i = 0; i < y.t.elements(); ++i) y.set(i, activated(kind, x[i]));
      everywhere(
          name_of(kind, s, type),
          [&](Backend& backend) {
            std::vector<Image> r{Image(s, type), dy};
            backend.activation_backward(kind, y.t, dy.t, r[0].t);
            backend.activation_backward(kind, y.t, r[1].t, r[1].t);
            return r;
          },
          [&](const std::vector<Image>& r) {
            for (int64_t i = 0; i < x.t.elements(); ++i) {
              // of the stored y, which is rounded; float32 rounds 1 - y (6e-8), differences with step 1e-6 err by 1e-9
              const double expected =
                  slope({inverse(kind, y[i])}, 0, [&](const auto& v) { return dy[i] * activated(kind, v[0]); });
              r[0].close(i, expected, 3e-7, 1e-6, "dx");
            }
            REQUIRE(r[1].same_bits(r[0]));
          });
    }
  }
}

TEST("elementwise: add, also onto either operand") {
  for (const StoredShape& each : stored(kShapes)) {
    const Shape& s = each.s;
    const DType type = each.type;
    const Image a = Image::random(s, 4, -1, 1, type),
                b = Image::random({s.n, s.h, s.w, s.c, s.extra + 3}, 5, -1, 1, type);
    everywhere(
        "add " + text(s, type),
        [&](Backend& backend) {
          std::vector<Image> r{Image(s, type), a, b};
          backend.add(a.t, b.t, r[0].t);
          backend.add(r[1].t, b.t, r[1].t);
          backend.add(a.t, r[2].t, r[2].t);
          return r;
        },
        [&](const std::vector<Image>& r) {
          for (int64_t i = 0; i < a.t.elements(); ++i) {
            // one IEEE operation and one rounding where it is stored: exact
            const double sum = storage::rounded(type, static_cast<float>(a[i]) + static_cast<float>(b[i]));
            for (const Image& y : r) REQUIRE(y[i] == sum);
          }
        });
  }
}

TEST("elementwise: fill of images and of f64") {
  for (const StoredShape& each : stored(kShapes)) {
    const Shape& s = each.s;
    const DType type = each.type;
    everywhere(
        "fill " + text(s, type),
        [&](Backend& backend) {
          std::vector<Image> r{Image(s, type), Image(s, DType::f64)};
          for (Image& image : r) backend.fill(-2.5f, image.t);
          return r;
        },
        [&](const std::vector<Image>& r) {
          for (const Image& y : r)
            for (double v : y.values()) REQUIRE(v == -2.5);
        });
  }
}

TEST("elementwise: tensors that start anywhere") {
  const auto from = [](const Image& image, int64_t first) {  // the image's numbers from `first` on
    Tensor t = image.t;
    t.data = static_cast<char*>(t.data) + first * bandlift::element_bytes(t.dtype);
    t.c = t.pitch = t.c - first;
    return t;
  };
  for (DType type : kImageTypes)
    for (int64_t first : {1, 2, 3, 4}) {
      const Shape s = {1, 1, 1, 64 + first};
      const Image a = Image::random(s, 6, -1, 1, type), b = Image::random(s, 7, -1, 1, type);
      everywhere(
          "from number " + std::to_string(first) + " " + storage::name(type),
          [&](Backend& backend) {
            std::vector<Image> r(4, Image::vector(std::vector<double>(static_cast<size_t>(s.c), 7), type));
            backend.add(from(a, first), from(b, first), from(r[0], first));
            backend.activation_forward(Activation::relu, from(a, first), from(r[1], first));
            backend.activation_backward(Activation::relu, from(a, first), from(b, first), from(r[2], first));
            backend.fill(0.5f, from(r[3], first));
            return r;
          },
          [&](const std::vector<Image>& r) {
            for (int64_t i = 0; i < s.c; ++i) {
              const double sum = storage::rounded(type, static_cast<float>(a[i]) + static_cast<float>(b[i]));
              const double expected[] = {sum, std::max(a[i], 0.0), a[i] > 0 ? b[i] : 0, 0.5};
              for (size_t op = 0; op < r.size(); ++op) REQUIRE(r[op][i] == (i < first ? 7 : expected[op]));
            }
          });
    }
}

TEST("elementwise: an activation has the bits of the one that is fused into a convolution") {
  const Shape s = {1, 3, 7, 4};
  const Image x = Image::random(s, 7, -30, 30);
  const Image identity = Image::vector({1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1});
  for (Activation kind : kKinds)
    each_backend([&](const std::string& name, Backend& backend) {
      const bandlift::Conv2dParams params{1, 1, kind, 1, true};
      Image alone(s), fused(s);
      const Workspace space(backend.conv2d_forward_workspace(params, x.t, fused.t));
      backend.activation_forward(kind, x.t, alone.t);
      backend.conv2d_forward(params, x.t, identity.t, {}, {}, fused.t, space.t);
      if (!alone.same_bits(fused)) check::fail(name + ": activation " + std::to_string(static_cast<int>(kind)));
    });
}
