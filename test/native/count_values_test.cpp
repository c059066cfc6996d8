// Counts of leading bits by hand, and against plain integer arithmetic; they accumulate and leave masked numbers out.
#include <cstring>
#include <limits>
#include <map>

#include "backends.h"

using namespace backends;
using bandlift::CountParams;

namespace {

constexpr double kBefore = 5;  // what the counts begin with

struct Search {
  CountParams p;
  int64_t populations;
  std::vector<std::vector<double>> prefixes;  // of each population
};

Image prefixes_of(const Search& s) {
  const int64_t slots = static_cast<int64_t>(s.prefixes[0].size());
  Image image = Image::input({1, 1, s.populations, slots}, DType::f64);
  std::vector<double> all;
  for (const auto& list : s.prefixes) all.insert(all.end(), list.begin(), list.end());
  image.assign(all);
  return image;
}

// Counts of every backend and number of threads are `expected` on top of kBefore.
void check_counts(const std::string& what, const Search& s, const Image& values, Tensor pixel_mask, Tensor band_mask,
                  const std::vector<double>& expected) {
  const Image prefixes = prefixes_of(s);
  Image before = Image::input({1, s.populations, prefixes.t.c, int64_t{1} << s.p.bits}, DType::f64);
  before.assign(std::vector<double>(expected.size(), kBefore));
  std::vector<double> after = expected;
  for (double& count : after) count += kBefore;
  everywhere(
      what,
      [&](Backend& backend) {
        std::vector<Image> r{before};
        Workspace space(backend.count_values_workspace(prefixes.t, before.t));
        backend.count_values(s.p, values.t, pixel_mask, band_mask, prefixes.t, r[0].t, space.t);
        return r;
      },
      [&](const std::vector<Image>& r) { close_all(r[0], after, 0, 0, "counts"); });
}

// Counts by bin; all others are 0.
std::vector<double> sparse(size_t length, const std::map<size_t, double>& counts) {
  std::vector<double> all(length, 0);
  for (const auto& [bin, count] : counts) all[bin] = count;
  return all;
}

// The place of a float in the order of all: negative numbers are turned round below the others.
int64_t ordered(double value) {
  const float f = static_cast<float>(value);
  uint32_t word;
  std::memcpy(&word, &f, sizeof word);
  const int64_t w = word, half = int64_t{1} << 31;
  return w < half ? w + half : 2 * half - 1 - w;
}

std::vector<double> by_arithmetic(const Search& s, const Image& values, const Image* pixel_mask,
                                  const Image* band_mask) {
  const size_t slots = s.prefixes[0].size(), bins = size_t{1} << s.p.bits;
  std::vector<double> counts(static_cast<size_t>(s.populations) * slots * bins, 0);
  for (int64_t i = 0; i < values.t.elements(); ++i) {
    const int64_t band = i % values.t.c;
    if ((pixel_mask && (*pixel_mask)[i / values.t.c] == 0) || (band_mask && (*band_mask)[band] == 0)) continue;
    const auto population = static_cast<size_t>(s.populations == 1 ? 0 : band);
    const int64_t bins_below = int64_t{1} << (32 - s.p.settled - s.p.bits);
    const int64_t word = ordered(values[i]), head = word / bins_below;
    for (size_t slot = 0; slot < slots; ++slot) {
      if (s.prefixes[population][slot] != static_cast<double>(head / static_cast<int64_t>(bins))) continue;
      counts[(population * slots + slot) * bins + static_cast<size_t>(head) % bins] += 1;
      break;
    }
  }
  return counts;
}

// Normal numbers, some of them equal, and zeros of both signs; each population wants the prefixes of some of its own.
void check_random(const Shape& shape, CountParams p, bool per_band, size_t slots, bool masked) {
  Image values = Image::random(shape, 51, -3, 3);
  for (int64_t i = 0; i < values.t.elements(); i += 7) values.set(i, i % 2 == 0 ? 0.5 : -0.0);
  const Image pixel_mask = Image::mask({shape.n, shape.h, shape.w, 1, shape.extra}, 52, 0.6);
  const Image band_mask = Image::mask({1, 1, 1, shape.c}, 53, 0.7);
  Search s = {p, per_band ? shape.c : 1, {}};
  for (int64_t q = 0; q < s.populations; ++q) {
    std::vector<double> prefixes;
    for (size_t k = 0; k < slots; ++k) {
      const int64_t pixel = static_cast<int64_t>(k) * 3 % values.t.pixels();
      const double value = values[pixel * shape.c + (per_band ? q : 0)];
      prefixes.push_back(static_cast<double>(ordered(value) >> (32 - p.settled)));
    }
    s.prefixes.push_back(prefixes);
  }
  check_counts(text(shape) + ", " + std::to_string(p.settled) + " + " + std::to_string(p.bits) + " bits" +
                   (per_band ? ", each band" : "") + (masked ? ", masked" : ""),
               s, values, masked ? pixel_mask.t : Tensor{}, masked ? band_mask.t : Tensor{},
               by_arithmetic(s, values, masked ? &pixel_mask : nullptr, masked ? &band_mask : nullptr));
}

}  // namespace

TEST("count values: leading 16 bits by hand, zeros of both signs, subnormal and largest numbers") {
  using Limits = std::numeric_limits<float>;
  const double least = Limits::denorm_min(), largest = Limits::max();
  const Image values = [&] {
    Image image = Image::input({1, 3, 3, 1});
    image.assign({1, -1, 0, -0.0, least, -least, largest, -largest, 1.0078125});
    return image;
  }();
  const Search leading = {{0, 16}, 1, {{0}}};
  // 1 is 3f800000, 1 + 2^-7 is 3f810000: the sign's bit is set. -1 is bf800000, turned round 407fffff.
  check_counts("leading bits", leading, values, {}, {},
               sparse(65536, {{0xbf80, 1},
                              {0xbf81, 1},
                              {0x407f, 1},
                              {0x8000, 2},  // 0 and the least number
                              {0x7fff, 2},
                              {0xff7f, 1},
                              {0x0080, 1}}));
  // The other 16 bits of what begins with 8000, 7fff (written twice) and 0080.
  const Search following = {{16, 16}, 1, {{0x8000, 0x7fff, 0x8000, 0x0080}}};
  check_counts("following bits", following, values, {}, {},
               sparse(4 * 65536, {{0, 1}, {1, 1}, {65536 + 0xffff, 1}, {65536 + 0xfffe, 1}, {3 * 65536, 1}}));
}

TEST("count values: bands together or apart, without masked pixels and bands, by hand") {
  Image values = Image::input({1, 1, 3, 2});
  values.assign({1, -1, 2, 1, 1, 1});
  Image pixel_mask = Image::input({1, 1, 3, 1}), band_mask = Image::input({1, 1, 1, 2});
  pixel_mask.assign({1, 0, 1});
  band_mask.assign({0, 1});
  const Search together = {{0, 1}, 1, {{0}}}, apart = {{0, 1}, 2, {{0}, {0}}};  // the sign: 0 negative, 1 positive
  check_counts("together", together, values, {}, {}, {1, 5});
  check_counts("apart", apart, values, {}, {}, {0, 3, 1, 2});
  check_counts("pixels", apart, values, pixel_mask.t, {}, {0, 2, 1, 1});
  check_counts("bands", together, values, {}, band_mask.t, {1, 2});
  check_counts("both", apart, values, pixel_mask.t, band_mask.t, {0, 0, 1, 1});
}

TEST("count values: a prefix that no value can have counts nothing") {
  Image values = Image::input({1, 1, 2, 1});
  values.assign({1, -1});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Search s = {{1, 2}, 1, {{nan, -1, 0.5, 2, 4294967296.0, 1e300, 1}}};
  // 1 is 3f800000: after the sign's bit, turned to 1, follow 01
  check_counts("impossible prefixes", s, values, {}, {}, sparse(7 * 4, {{6 * 4 + 1, 1}}));
}

TEST("count values: any shape, first and later passes, against integer arithmetic") {
  for (const Shape& s : kShapes)
    for (bool per_band : {false, true})
      for (bool masked : {false, true}) {
        check_random(s, {0, 9}, per_band, 1, masked);
        check_random(s, {8, 6}, per_band, 3, masked);
      }
  check_random({1, 1, 13, 2}, {31, 1}, false, 5, false);
  check_random({1, 1, 13, 2}, {16, 16}, true, 2, true);
}

TEST("count values: pixels and bands for every part that a device counts by itself") {
  check_random({1, 60, 61, 3, 1}, {9, 5}, false, 2, true);
  check_random({1, 60, 61, 3}, {9, 5}, true, 2, false);
  check_random({1, 9, 5, 270}, {0, 4}, true, 1, true);  // more bands than a block has threads
}

TEST("count values: a band that never changes") {
  Image values = Image::input({2, 40, 25, 20});
  values.assign(std::vector<double>(40'000, 0.25));
  // 3e800000
  check_counts("all the same", {{0, 10}, 1, {{0}}}, values, {}, {}, sparse(1024, {{0xbe8 >> 2, 40'000}}));
}
