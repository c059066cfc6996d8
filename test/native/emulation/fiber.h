// A stack that code can be switched to and away from, without the kernel of the operating system.
#pragma once
#include <cstddef>

#if defined(__x86_64__) && !defined(BANDLIFT_UCONTEXT)
#define BANDLIFT_OWN_SWITCH 1
#else
#include <ucontext.h>  // an order of magnitude slower: it saves the signal mask by a system call
#endif

namespace bandlift::emulation {

// The first one that switches stands for the thread's own stack: it has none to prepare.
class Fiber {
 public:
  // Uses [bottom, bottom + size); the first switch to it calls entry(argument), which must never return.
  void prepare(void* bottom, size_t size, void (*entry)(void*), void* argument);
  // Leaves `this` (the fiber that runs now) and continues `to`; returns when somebody switches back.
  // With `abandon`, nobody ever will.
  void switch_to(Fiber& to, bool abandon = false);

 private:
  static void start();

#if defined(BANDLIFT_OWN_SWITCH)
  void* stack_pointer_ = nullptr;
#else
  ucontext_t context_ = {};
#endif
  void (*entry_)(void*) = nullptr;
  void* argument_ = nullptr;
  void* fake_stack_ = nullptr;  // AddressSanitizer's, while the fiber sleeps
  const void* bottom_ = nullptr;
  size_t size_ = 0;
};

}  // namespace bandlift::emulation
