// Runs every TEST() of this program, or those whose name contains the first argument.
#include <cstring>

#include "check.h"

int main(int argc, char** argv) {
  int passed = 0, failed = 0;
  for (const auto& test : check::tests()) {
    if (argc > 1 && test.name.find(argv[1]) == std::string::npos) continue;
    try {
      test.body();
      ++passed;
    } catch (const std::exception& e) {
      std::printf("FAIL %s: %s\n", test.name.c_str(), e.what());
      ++failed;
    }
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}
