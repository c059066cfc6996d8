#include <cstring>

#include "cpu/cpu_backend.h"
#include "ops/count_values/count_values.h"

namespace bandlift::BANDLIFT_ISA {

// All bands together are counted by a fixed number of parts of the pixels, each for itself, added at the end; bands
// that are counted apart by groups of them, which own their counts: 16 floats are a cache line.
static constexpr int64_t kParts = 8, kBandsOfTask = 16;
// Pixels whose bands are counted one after the other: their lines (16 KiB) stay in the cache next to the core.
static constexpr int64_t kPixelsOfBlock = 256;

namespace {

struct Pass {
  CountParams p;
  Tensor values, pixel_mask, band_mask;
  const double* prefixes;
  int64_t populations, slots;

  // Pixels [from, to) of band k into that population's counts [slots, 2^bits].
  void count_band(int64_t from, int64_t to, int64_t k, double* counts) const {
    const double* wanted = prefixes + (populations == 1 ? 0 : k * slots);
    for (int64_t s = 0; s < slots; ++s) {
      bool counted = false;  // in an earlier slot
      for (int64_t e = 0; e < s; ++e) counted = counted || wanted[e] == wanted[s];
      // written so that NaN fails
      const bool possible = wanted[s] >= 0 && wanted[s] < 4294967296.0;
      if (counted || !possible || wanted[s] != static_cast<double>(static_cast<uint32_t>(wanted[s]))) continue;
      count_slot(from, to, k, static_cast<uint32_t>(wanted[s]), counts + (s << p.bits));
    }
  }

  // One comparison in the loop: the values lie in the cache, so that going over them again for each slot costs less
  // than looking for the slot of each value.
  void count_slot(int64_t from, int64_t to, int64_t k, uint32_t wanted, double* counts) const {
    const int shift = 32 - p.settled - p.bits;
    const uint32_t mask = (uint32_t{1} << p.bits) - 1;
    for (int64_t i = from; i < to; ++i) {
      uint32_t u;
      std::memcpy(&u, values.f32() + i * values.pitch + k, sizeof u);
      const uint32_t ordered = u >> 31 ? ~u : u | 0x80000000u;
      const uint32_t next = ordered >> shift;
      if (next >> p.bits != wanted) continue;
      if (pixel_mask && !(pixel_mask.f32()[i * pixel_mask.pitch] > 0)) continue;
      counts[next & mask] += 1;
    }
  }

  // Bands [first, last) of pixels [from, to). `of_band(k)`: where the counts of band k's population are.
  template <typename F>
  void count(int64_t from, int64_t to, int64_t first, int64_t last, const F& of_band) const {
    for (int64_t block = from; block < to; block += kPixelsOfBlock) {
      const int64_t end = block + kPixelsOfBlock < to ? block + kPixelsOfBlock : to;
      for (int64_t k = first; k < last; ++k)
        if (!band_mask || band_mask.f32()[k] > 0) count_band(block, end, k, of_band(k));
    }
  }
};

}  // namespace

size_t CpuBackend::count_values_workspace(Tensor prefixes, Tensor counts) const {
  return prefixes.w == 1 ? static_cast<size_t>(kParts * counts.elements()) * sizeof(double) : 0;
}

void CpuBackend::count_values(CountParams p, Tensor values, Tensor pixel_mask, Tensor band_mask, Tensor prefixes,
                              Tensor counts, Tensor workspace) {
  const int64_t c = values.c, pixels = values.pixels(), each = prefixes.c << p.bits;
  const Pass pass = {p, values, pixel_mask, band_mask, prefixes.f64(), prefixes.w, prefixes.c};
  if (prefixes.w > 1) {
    pool_.parallel_for((c + kBandsOfTask - 1) / kBandsOfTask, [&](int64_t task, int) {
      const int64_t first = task * kBandsOfTask, last = first + kBandsOfTask < c ? first + kBandsOfTask : c;
      pass.count(0, pixels, first, last, [&](int64_t k) { return counts.f64() + k * each; });
    });
    return;
  }
  double* parts = static_cast<double*>(workspace.data);
  pool_.parallel_for(kParts, [&](int64_t part, int) {
    double* own = parts + part * each;
    for (int64_t i = 0; i < each; ++i) own[i] = 0;
    pass.count(pixels * part / kParts, pixels * (part + 1) / kParts, 0, c, [own](int64_t) { return own; });
  });
  pool_.parallel_for(kParts, [&](int64_t part, int) {
    for (int64_t i = each * part / kParts; i < each * (part + 1) / kParts; ++i)
      for (int64_t from = 0; from < kParts; ++from) counts.f64()[i] += parts[from * each + i];
  });
}

}  // namespace bandlift::BANDLIFT_ISA
