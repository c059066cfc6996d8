// A test is a function in the table that TEST() fills at start; main.cpp runs them all and prints 'N passed, N failed'.
#pragma once
#include <cmath>
#include <cstdio>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace check {

struct Test {
  std::string name;
  std::function<void()> body;
};

inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

struct Register {
  Register(const char* name, std::function<void()> body) { tests().push_back({name, std::move(body)}); }
};

[[noreturn]] inline void fail(const std::string& message) {
  throw std::runtime_error(message);
}

// |a - b| <= atol + rtol |b|, and neither is NaN.
inline void close(double actual, double expected, double atol, double rtol, const std::string& what) {
  if (std::abs(actual - expected) <= atol + rtol * std::abs(expected)) return;
  std::ostringstream s;
  s.precision(9);
  s << what << ": got " << actual << ", expected " << expected << " (atol " << atol << ", rtol " << rtol << ")";
  fail(s.str());
}

}  // namespace check

#define CHECK_CONCAT_(a, b) a##b
#define CHECK_CONCAT(a, b) CHECK_CONCAT_(a, b)
#define TEST(name)                                                                               \
  static void CHECK_CONCAT(test_, __LINE__)();                                                   \
  static check::Register CHECK_CONCAT(register_, __LINE__)(name, CHECK_CONCAT(test_, __LINE__)); \
  static void CHECK_CONCAT(test_, __LINE__)()
#define REQUIRE(condition)                                                                                   \
  do {                                                                                                       \
    if (!(condition)) check::fail(std::string(__FILE__) + ":" + std::to_string(__LINE__) + ": " #condition); \
  } while (0)
