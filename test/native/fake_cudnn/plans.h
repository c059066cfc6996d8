// Plans written down and read back: {"fake_cudnn":[version, engine, knobs, problem]}, all of it numbers.
#pragma once
#include "engines.h"

namespace fake_cudnn {

struct WrittenPlan {
  int64_t engine;
  std::vector<std::pair<int, int64_t>> knobs;
  Problem problem;
};
std::string write(const WrittenPlan& plan, int64_t version);
// Throws Failure for anything but what this version wrote.
WrittenPlan read(const std::string& text, int64_t version);

}  // namespace fake_cudnn
