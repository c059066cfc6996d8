// How many processors the control group of this process may use, whatever the machine has: a batch job's or a
// container's limit.
#pragma once
#include <string>

namespace bandlift {

// The least limit of the group and those around it, in processors; 0 where there is none. `groups` is the text of
// /proc/self/cgroup, `root` where the hierarchies are mounted. Reads cpu.max of version 2 and cpu.cfs_quota_us of
// version 1, each "no limit" where it is missing or unreadable. A group that is not there (a container sees its own as
// the root) is passed over.
double cpu_quota(const std::string& groups, const std::string& root);

}  // namespace bandlift
