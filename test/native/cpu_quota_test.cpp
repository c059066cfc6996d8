// Limits of control groups, as files that a test writes.
#include "cpu/cpu_quota.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "check.h"

namespace fs = std::filesystem;
using bandlift::cpu_quota;

namespace {

struct Hierarchies {
  Hierarchies() {
    std::string name = (fs::temp_directory_path() / "bandlift-cgroup-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Hierarchies() { fs::remove_all(path); }
  void write(const std::string& file, const std::string& text) const {
    fs::create_directories((path / file).parent_path());
    std::ofstream(path / file) << text;
  }
  fs::path path;
};

}  // namespace

TEST("cpu quota: none where nothing limits, or what is there cannot be understood") {
  const Hierarchies h;
  REQUIRE(cpu_quota("", h.path) == 0);
  REQUIRE(cpu_quota("0::/job\n", h.path) == 0);
  for (const char* text :
       {"max 100000\n", "", "many 100000", "nan nan", "1e999 100000", "200000", "200000 0", "-1 100000"}) {
    h.write("job/cpu.max", text);
    REQUIRE(cpu_quota("0::/job\n", h.path) == 0);
  }
  REQUIRE(cpu_quota("no colons\n:\n::\n", h.path) == 0);
}

TEST("cpu quota: version 2, the least of the group and those around it") {
  const Hierarchies h;
  h.write("cpu.max", "800000 100000\n");
  REQUIRE(cpu_quota("0::/\n", h.path) == 8);
  REQUIRE(cpu_quota("0::/slurm/job_7/step\n", h.path) == 8);  // a container does not see the outer folders
  h.write("slurm/job_7/cpu.max", "250000 100000\n");
  h.write("slurm/job_7/step/cpu.max", "max 100000\n");
  REQUIRE(cpu_quota("0::/slurm/job_7/step\n", h.path) == 2.5);
  REQUIRE(cpu_quota("0::/slurm/job_8\n", h.path) == 8);
}

TEST("cpu quota: version 1, whatever controllers share its hierarchy") {
  const Hierarchies h;
  const std::string groups = "5:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n1:name=systemd:/docker/x\n0::/\n";
  h.write("cpu,cpuacct/docker/x/cpu.cfs_quota_us", "-1\n");
  h.write("cpu,cpuacct/docker/x/cpu.cfs_period_us", "100000\n");
  REQUIRE(cpu_quota(groups, h.path) == 0);
  h.write("cpu,cpuacct/docker/x/cpu.cfs_quota_us", "150000\n");
  REQUIRE(cpu_quota(groups, h.path) == 1.5);
  h.write("memory/docker/x/cpu.cfs_quota_us", "1000\n");  // not the processor's hierarchy
  h.write("memory/docker/x/cpu.cfs_period_us", "100000\n");
  REQUIRE(cpu_quota(groups, h.path) == 1.5);
}
