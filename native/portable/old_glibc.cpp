/**
 * Linked into the addon of the packages only (BANDLIFT_PORTABLE): what would otherwise bind it to a C library newer than 2.28.
 *
 * libstdc++ 12, which is linked statically, asks for two symbols of newer C libraries. The versions of exp, log and pow that
 * a linker takes by default are of 2.29 (they leave the old error handling out); --wrap leads the calls here, and from here
 * to the first versions, which every glibc of that processor has.
 */
#include <sys/random.h>

#include <cstdint>

#if defined(__x86_64__)
#define FIRST_GLIBC "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define FIRST_GLIBC "GLIBC_2.17"
#else
#error "the first glibc of this processor is not known here"
#endif
#define HIDDEN __attribute__((visibility("hidden")))

extern "C" {

// since glibc 2.32; 0: there may be other threads, so reference counts stay atomic
HIDDEN extern char __libc_single_threaded;
char __libc_single_threaded = 0;

// since glibc 2.36; std::random_device
HIDDEN std::uint32_t arc4random() {
  std::uint32_t value = 0;
  while (getrandom(&value, sizeof value, 0) != sizeof value) {
  }
  return value;
}

double first_exp(double);
double first_log(double);
double first_pow(double, double);
__asm__(".symver first_exp, exp@" FIRST_GLIBC);
__asm__(".symver first_log, log@" FIRST_GLIBC);
__asm__(".symver first_pow, pow@" FIRST_GLIBC);
HIDDEN double __wrap_exp(double x) {
  return first_exp(x);
}
HIDDEN double __wrap_log(double x) {
  return first_log(x);
}
HIDDEN double __wrap_pow(double x, double y) {
  return first_pow(x, y);
}
}
