// Memory as the engine's buffers have it: aligned, in huge pages where they are to be had (native/program/device.cpp).
#pragma once
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <stdexcept>

namespace bench {

struct Buffer {
  explicit Buffer(size_t bytes) {
    constexpr size_t kHugePage = size_t{2} << 20;
    const size_t step = bytes < 4 * kHugePage ? 64 : kHugePage,
                 size = (std::max<size_t>(bytes, 1) + step - 1) / step * step;
    data = static_cast<float*>(std::aligned_alloc(step, size));
    if (!data) throw std::runtime_error("not enough memory");
#ifdef MADV_HUGEPAGE
    if (step == kHugePage) madvise(data, size, MADV_HUGEPAGE);
#endif
  }
  ~Buffer() {
    std::free(data);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  float* data;
};

}  // namespace bench
