// gather_patches: turns against patches turned by hand, places and turns that are none.
#include "backends.h"
#include "core/error.h"

using namespace backends;

namespace {

Image places_of(const std::vector<std::vector<double>>& rows) {
  Image image = Image::input({1, 1, static_cast<int64_t>(rows.size()), 3}, DType::f64);
  for (size_t i = 0; i < rows.size(); ++i)
    for (size_t k = 0; k < 3; ++k) image.set(static_cast<int64_t>(3 * i + k), rows[i][k]);
  return image;
}

// Patch 1 of two is  1 2 3 / 4 5 6 / 7 8 9,  patch 0 ten times that; second channel: + 100.
Image source() {
  Image image = Image::input({2, 3, 3, 2, 2});
  for (int64_t i = 0; i < 9; ++i) {
    const double v = static_cast<double>(i + 1);
    image.set(2 * i, 10 * v), image.set(2 * i + 1, 10 * v + 100);
    image.set(18 + 2 * i, v), image.set(18 + 2 * i + 1, v + 100);
  }
  return image;
}

}  // namespace

TEST("gather_patches: the eight turns of a square, by hand") {
  // numpy.rot90 turns counter-clockwise; from 4 on the patch is mirrored left to right before
  const double turned[8][9] = {{1, 2, 3, 4, 5, 6, 7, 8, 9}, {3, 6, 9, 2, 5, 8, 1, 4, 7}, {9, 8, 7, 6, 5, 4, 3, 2, 1},
                               {7, 4, 1, 8, 5, 2, 9, 6, 3}, {3, 2, 1, 6, 5, 4, 9, 8, 7}, {1, 4, 7, 2, 5, 8, 3, 6, 9},
                               {7, 8, 9, 4, 5, 6, 1, 2, 3}, {9, 6, 3, 8, 5, 2, 7, 4, 1}};
  std::vector<std::vector<double>> rows;
  for (int turn = 0; turn < 8; ++turn) rows.push_back({1, 0, static_cast<double>(turn)});
  for (DType type : kImageTypes)
    for (int column : {0, 1})
      everywhere(
          "column " + std::to_string(column),
          [&](Backend& backend) {
            std::vector<Image> r{Image({8, 3, 3, 2, 6}, type)};
            backend.gather_patches({column}, source().t, places_of(rows).t, r[0].t);
            return r;
          },
          [&](const std::vector<Image>& r) {
            for (int64_t turn = 0; turn < 8; ++turn)
              for (int64_t i = 0; i < 9; ++i)
                for (int64_t c = 0; c < 2; ++c) {
                  const double v = turned[turn][i] * (column == 0 ? 1 : 10) + (c == 0 ? 0 : 100);
                  REQUIRE(r[0][turn * 18 + 2 * i + c] == storage::rounded(type, v));
                }
          });
}

TEST("gather_patches: patches that are not square are mirrored and turned by half") {
  Image held = Image::input({1, 2, 3, 1});
  held.assign({1, 2, 3, 4, 5, 6});
  const std::vector<std::vector<double>> expected = {
      {1, 2, 3, 4, 5, 6}, {6, 5, 4, 3, 2, 1}, {3, 2, 1, 6, 5, 4}, {4, 5, 6, 1, 2, 3}};
  everywhere(
      "2 x 3",
      [&](Backend& backend) {
        std::vector<Image> r{Image({4, 2, 3, 1})};
        backend.gather_patches({0}, held.t, places_of({{0, 0, 0}, {0, 0, 2}, {0, 0, 4}, {0, 0, 6}}).t, r[0].t);
        return r;
      },
      [&](const std::vector<Image>& r) {
        for (size_t i = 0; i < 4; ++i)
          for (size_t k = 0; k < 6; ++k) REQUIRE(r[0][static_cast<int64_t>(6 * i + k)] == expected[i][k]);
      });
}

// Place, turn, and whether the patches are square.
struct Wrong {
  double place, turn;
  bool square;
};
const Wrong kWrong[] = {{2, 0, true},  {-1, 0, true},  {0.5, 0, true}, {NAN, 0, true}, {1e300, 0, true}, {0, 8, true},
                        {0, -1, true}, {0, 1.5, true}, {0, NAN, true}, {0, 1, false},  {0, 7, false}};

#ifdef BANDLIFT_EMULATED

TEST("gather_patches: wrong places and turns are reported and what they would make is left alone") {
  for (const Wrong& wrong : kWrong) {
    const Image held = Image::random({2, 3, wrong.square ? 3 : 4, 5}, 3);
    emulated::EmulatedBackend device;
    device.backend().context().instruction = 23;
    Image y = Image::input({2, held.t.h, held.t.w, 5});
    device.backend().gather_patches({0}, held.t, places_of({{1, 9, 2}, {wrong.place, 0, wrong.turn}}).t, y.t);
    const bandlift::cuda::Status status = device.status();
    REQUIRE(status.code == bandlift::cuda::kStatusPlaceOutside && status.instruction == 23);
    const int64_t patch = y.t.elements() / 2;
    for (int64_t i = 0; i < patch; ++i) REQUIRE(y[i] == held[2 * patch - 5 - i + 2 * (i % 5)] && y[patch + i] == 0);
  }
}

#else

TEST("gather_patches: wrong places and turns are refused before anything is written") {
  for (const Wrong& wrong : kWrong)
    each_backend([&](const std::string&, Backend& backend) {
      const Image held = Image::random({2, 3, wrong.square ? 3 : 4, 5}, 3);
      const Image blank({2, held.t.h, held.t.w, 5});
      Image y = blank;
      try {
        backend.gather_patches({0}, held.t, places_of({{1, 9, 2}, {wrong.place, 0, wrong.turn}}).t, y.t);
      } catch (const bandlift::Error& error) {
        REQUIRE(error.code == bandlift::ErrorCode::shape);
        REQUIRE(std::string(error.what()).find("gather_patches: patch 1 ") == 0);
        REQUIRE(y.same_bits(blank));
        return;
      }
      check::fail("accepted place " + std::to_string(wrong.place) + ", turn " + std::to_string(wrong.turn));
    });
}

#endif
