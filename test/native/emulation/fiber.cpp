#include "fiber.h"

#include <cstdint>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace bandlift::emulation {
namespace {

Fiber* starting = nullptr;  // set around a switch: who goes and who comes
Fiber* leaving = nullptr;

}  // namespace

#if defined(BANDLIFT_OWN_SWITCH)
// Saves what the System V ABI lets a callee keep, stores the stack pointer and takes the other one. All fibers wait at
// the same few places, so the processor predicts the return into the other fiber by this one's own call.
extern "C" __attribute__((visibility("hidden"))) void bandlift_fiber_switch(void** save, void* restore);
asm(R"(
  .text
  .globl bandlift_fiber_switch
  .hidden bandlift_fiber_switch
  .type bandlift_fiber_switch, @function
bandlift_fiber_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size bandlift_fiber_switch, .-bandlift_fiber_switch
)");
#endif

void Fiber::prepare(void* bottom, size_t size, void (*entry)(void*), void* argument) {
  entry_ = entry;
  argument_ = argument;
  bottom_ = bottom;
  size_ = size;
  fake_stack_ = nullptr;
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(bottom, size);  // frames of a fiber that was abandoned
#endif
#if defined(BANDLIFT_OWN_SWITCH)
  // Six registers and where to go; start() finds the stack as after a call: 8 below a multiple of 16.
  auto* top = reinterpret_cast<void**>((reinterpret_cast<uintptr_t>(bottom) + size) & ~uintptr_t{15}) - 8;
  for (int i = 0; i < 8; ++i) top[i] = nullptr;
  top[6] = reinterpret_cast<void*>(&Fiber::start);
  stack_pointer_ = top;
#else
  getcontext(&context_);
  context_.uc_stack.ss_sp = bottom;
  context_.uc_stack.ss_size = size;
  makecontext(&context_, &Fiber::start, 0);
#endif
}

void Fiber::switch_to(Fiber& to, bool abandon) {
  leaving = this;
  starting = &to;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(abandon ? nullptr : &fake_stack_, to.bottom_, to.size_);
#else
  static_cast<void>(abandon);
#endif
#if defined(BANDLIFT_OWN_SWITCH)
  bandlift_fiber_switch(&stack_pointer_, to.stack_pointer_);
#else
  swapcontext(&context_, &to.context_);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack_, &leaving->bottom_, &leaving->size_);
#endif
}

void Fiber::start() {
  Fiber& self = *starting;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &leaving->bottom_, &leaving->size_);
#endif
  self.entry_(self.argument_);
  __builtin_unreachable();
}

}  // namespace bandlift::emulation
