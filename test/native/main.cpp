// Runs every TEST() of this program, those whose name contains the first argument, or a part of them: '1/2' is every
// second.
#include <cstdio>
#include <cstring>

#include "check.h"

int main(int argc, char** argv) {
  int part = 1, parts = 1, passed = 0, failed = 0;
  const bool is_part = argc > 1 && std::sscanf(argv[1], "%d/%d", &part, &parts) == 2 && parts >= 1;
  int index = 0;
  for (const auto& test : check::tests()) {
    const bool wanted =
        is_part ? index++ % parts == part - 1 : argc < 2 || test.name.find(argv[1]) != std::string::npos;
    if (!wanted) continue;
    std::printf("%s\n", test.name.c_str());
    std::fflush(stdout);  // a sanitizer that ends the program leaves the name of the test behind
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
