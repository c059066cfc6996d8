#include "cpu/cpu_quota.h"

#include <fstream>
#include <sstream>
#include <vector>

namespace bandlift {

namespace {

// quota / period, both in microseconds; 0: no limit.
double limit_of(std::istream& quota, std::istream& period) {
  double q = 0, p = 0;  // "max" is not a number, -1 is no limit
  return quota >> q && period >> p && q > 0 && p > 0 ? q / p : 0;
}

double limit_at(const std::string& folder, bool version2) {
  if (version2) {
    std::ifstream file(folder + "/cpu.max");  // "max 100000" or "<quota> <period>"
    return limit_of(file, file);
  }
  std::ifstream quota(folder + "/cpu.cfs_quota_us"), period(folder + "/cpu.cfs_period_us");
  return limit_of(quota, period);
}

bool holds_cpu(const std::string& controllers) {
  std::istringstream list(controllers);
  for (std::string name; std::getline(list, name, ',');)
    if (name == "cpu") return true;
  return false;
}

}  // namespace

double cpu_quota(const std::string& groups, const std::string& root) {
  double least = 0;
  std::istringstream lines(groups);
  for (std::string line; std::getline(lines, line);) {  // "0::/a/b" or "4:cpu,cpuacct:/a/b"
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool version2 = controllers.empty();
    if (!version2 && !holds_cpu(controllers)) continue;
    const std::vector<std::string> mounts = {root + (version2 ? "" : "/" + controllers),
                                             root + (version2 ? "/unified" : "/cpu")};
    std::string group = line.substr(second + 1);
    for (;;) {  // this group, then those around it
      if (!group.empty() && group.back() == '/') group.pop_back();
      for (const std::string& mount : mounts) {
        const double limit = limit_at(mount + group, version2);
        if (limit > 0 && (least == 0 || limit < least)) least = limit;
      }
      if (group.empty()) break;
      group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
    }
  }
  return least;
}

}  // namespace bandlift
