#include "cpu/cpu_device.h"

#include <sched.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <fstream>
#include <iterator>
#include <set>
#include <thread>

#include "core/error.h"
#include "cpu/cpu_quota.h"

namespace bandlift {

Backend* make_cpu_baseline(ThreadPool&);
#ifdef BANDLIFT_X86
Backend* make_cpu_avx2(ThreadPool&);
Backend* make_cpu_avx512(ThreadPool&);
#endif

#ifdef BANDLIFT_X86
// The objects are built with -mf16c. CPUID leaf 1, bit 29 of ecx: Clang 14's __builtin_cpu_supports does not know it.
static bool supports_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
#endif

std::vector<Isa> available_isas() {
  std::vector<Isa> isas;
#ifdef BANDLIFT_X86
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && supports_f16c();
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    isas.push_back(Isa::avx512);
  if (avx2) isas.push_back(Isa::avx2);
#endif
  isas.push_back(Isa::baseline);
  return isas;
}

std::string isa_name(Isa isa) {
  return isa == Isa::avx512 ? "avx512" : isa == Isa::avx2 ? "avx2" : "baseline";
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown processor";
}

int physical_cores() {
  int allowed = static_cast<int>(std::thread::hardware_concurrency());
  std::set<std::string> cores;  // sibling lists of the allowed logical processors: one per physical core
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    allowed = CPU_COUNT(&set);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &set)) continue;
      std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
      std::string siblings;
      if (std::getline(file, siblings)) cores.insert(siblings);
    }
  }
  int count = cores.empty() ? allowed : static_cast<int>(cores.size());
  std::ifstream file("/proc/self/cgroup");
  const std::string groups{std::istreambuf_iterator<char>(file), {}};
  const double share = cpu_quota(groups, "/sys/fs/cgroup");
  if (share > 0 && share < count) count = static_cast<int>(share);
  return count < 1 ? 1 : count;
}

std::unique_ptr<Backend> make_cpu_backend(Isa isa, ThreadPool& pool) {
  bool available = false;
  for (Isa a : available_isas()) available |= a == isa;
  BANDLIFT_CHECK(available, device, "this processor has no " + isa_name(isa));
#ifdef BANDLIFT_X86
  if (isa == Isa::avx512) return std::unique_ptr<Backend>(make_cpu_avx512(pool));
  if (isa == Isa::avx2) return std::unique_ptr<Backend>(make_cpu_avx2(pool));
#endif
  return std::unique_ptr<Backend>(make_cpu_baseline(pool));
}

}  // namespace bandlift
