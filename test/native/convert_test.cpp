// convert: the same numbers, in dense order, under another type, pitch and shape; rounded as storage.h defines.
#include "backends.h"
#include "core/error.h"

using namespace backends;

namespace {

struct Case {
  Shape x, y;
};

// Pitches of both sides, reshapes of padded and unpadded images, pixels that end with a run of four or do not.
const Case kCases[] = {
    {{1, 1, 1, 1}, {1, 1, 1, 1, 7}},         {{2, 3, 5, 340}, {2, 3, 5, 340, 4}},
    {{2, 3, 5, 340, 4}, {2, 3, 5, 340}},     {{1, 4, 9, 7}, {1, 4, 9, 7, 1}},
    {{3, 2, 11, 13, 3}, {3, 2, 11, 13, 11}}, {{1, 1, 1, 4099}, {1, 1, 1, 4099}},
    {{2, 3, 5, 4}, {1, 1, 1, 120}},          {{2, 3, 5, 4, 4}, {1, 1, 1, 120}},
    {{1, 1, 1, 120}, {2, 3, 5, 4, 4}},       {{1, 3, 5, 6, 2}, {1, 3, 5, 6, 1}},
    {{1, 3, 5, 6, 1}, {1, 3, 5, 6, 2}},      {{1, 2, 3, 4, 2}, {2, 2, 1, 6, 1}},
    {{2, 19, 31, 6, 2}, {1, 19, 31, 12, 4}},
};

// Uniform numbers; among them ties between neighbours of either 16-bit type, what overflows them, subnormals, zeros.
Image numbers(const Shape& s, DType type) {
  const double infinity = std::numeric_limits<double>::infinity();
  const double special[] = {1 + 0x1p-11, 1 + 3 * 0x1p-11, 1 + 0x1p-8, 1 + 3 * 0x1p-8, 65504, 65519.99, 65520,  -7e4,
                            3.39e38,     -3.3962e38,      0x1p-24,    0x1p-25,        6e-8,  1e-40,    -0.0,   0,
                            infinity,    -infinity,       -0x1p-14,   0x1.8p-25,      1e-5,  2048.5,   -1e-39, 0.1};
  Image image = Image::random(s, 91, -3, 3, type);
  for (int64_t i = 0; i < image.t.elements(); i += 3)
    image.set(i, special[static_cast<size_t>(i / 3) % std::size(special)]);
  return image;
}

}  // namespace

TEST("convert: numbers keep their dense order and are rounded once") {
  for (const Case& c : kCases)
    for (DType from : kImageTypes)
      for (DType to : kImageTypes) {
        const Image x = numbers(c.x, from);
        everywhere(
            "convert " + text(c.x, from) + " to " + text(c.y, to),
            [&](Backend& backend) {
              std::vector<Image> r{Image(c.y, to)};
              backend.convert(x.t, r[0].t);
              return r;
            },
            [&](const std::vector<Image>& r) {
              for (int64_t i = 0; i < x.t.elements(); ++i) {
                const double expected = storage::rounded(to, x[i]);
                REQUIRE(r[0][i] == expected && std::signbit(r[0][i]) == std::signbit(expected));
              }
            });
      }
}

TEST("convert: not-a-number stays one") {
  for (DType from : kImageTypes)
    for (DType to : kImageTypes)
      everywhere(
          std::string("NaN ") + storage::name(from) + " to " + storage::name(to),
          [&](Backend& backend) {
            std::vector<Image> r{Image({1, 1, 1, 5}, to)};
            backend.convert(Image::vector({1, std::nan(""), 2, 3, std::nan("")}, from).t, r[0].t);
            return r;
          },
          [&](const std::vector<Image>& r) {
            REQUIRE(r[0][0] == 1 && r[0][2] == 2 && r[0][3] == 3);
            REQUIRE(std::isnan(r[0][1]) && std::isnan(r[0][4]));
          });
}

#ifdef BANDLIFT_EMULATED
// The CPU's programs refuse other types before they run (program_test.cpp).
TEST("convert: f64 is no type of images") {
  const Shape s = {1, 1, 1, 3};
  each_backend([&](const std::string&, Backend& backend) {
    Image y(s, DType::f64);
    try {
      backend.convert(Image::random(s, 92).t, y.t);
    } catch (const bandlift::Error& e) {
      REQUIRE(e.code == bandlift::ErrorCode::dtype && std::string(e.what()).rfind("convert: ", 0) == 0);
      return;
    }
    check::fail("converted to f64");
  });
}
#endif

// Codes from the definitions of the formats, worked out by hand.
TEST("storage: codes of f16 and bf16, and every code there and back") {
  const double infinity = std::numeric_limits<double>::infinity();
  const struct {
    DType type;
    double value;
    int code;
  } cases[] = {{DType::f16, 1, 0x3c00},
               {DType::f16, 1 + 0x1p-11, 0x3c00},  // ties go to even
               {DType::f16, 1 + 3 * 0x1p-11, 0x3c02},
               {DType::f16, 65504, 0x7bff},
               {DType::f16, 65519.99, 0x7bff},
               {DType::f16, 65520, 0x7c00},
               {DType::f16, 0x1p-14, 0x0400},
               {DType::f16, 0x1p-24, 0x0001},
               {DType::f16, 0x1p-25, 0x0000},
               {DType::f16, -0.0, 0x8000},
               {DType::f16, -infinity, 0xfc00},
               {DType::bf16, 1, 0x3f80},
               {DType::bf16, 3.14159265, 0x4049},
               {DType::bf16, -2.5, 0xc020},
               {DType::bf16, 3.4e38, 0x7f80},
               {DType::bf16, 0x1p-133, 0x0001}};
  for (const auto& c : cases)
    if (storage::encoded(c.type, c.value) != c.code) check::fail("code of " + std::to_string(c.value));
  for (DType type : {DType::f16, DType::bf16})
    for (int code = 0; code < 0x10000; ++code) {
      const double v = storage::decoded(type, static_cast<uint16_t>(code));
      if (!std::isnan(v)) REQUIRE(storage::encoded(type, v) == code && storage::rounded(type, v) == v);
    }
}
