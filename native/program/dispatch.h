// From an instruction to the method of a backend: parameters and operands are those of the method, in its order.
#pragma once
#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

#include "program/program.h"

namespace bandlift {

namespace dispatch {

template <typename... Operands, size_t... k>
void call(Backend& b, void (Backend::*method)(Operands...), const Instruction& i, std::index_sequence<k...>) {
  (b.*method)(i.t[k]...);
}
template <typename P, typename... Operands, size_t... k>
void call_with(Backend& b, void (Backend::*method)(P, Operands...), const Instruction& i, std::index_sequence<k...>) {
  static_assert(Parameters<P>::kCount <= kMaxParams, "kMaxParams (program.h) is too small for this instruction");
  (b.*method)(Parameters<P>::from(i.params), i.t[k]...);
}

template <typename... Operands, size_t... k>
size_t size(const Backend& b, size_t (Backend::*method)(Operands...) const, const Instruction& i,
            const std::vector<int>& which, std::index_sequence<k...>) {
  return (b.*method)(i.t[which.at(k)]...);
}
template <typename P, typename... Operands, size_t... k>
size_t size_with(const Backend& b, size_t (Backend::*method)(P, Operands...) const, const Instruction& i,
                 const std::vector<int>& which, std::index_sequence<k...>) {
  return (b.*method)(Parameters<P>::from(i.params), i.t[which.at(k)]...);
}

}  // namespace dispatch

template <typename First, typename... Operands>
void run_on(Backend& b, void (Backend::*method)(First, Operands...), const Instruction& i) {
  constexpr int operands = static_cast<int>(sizeof...(Operands)) + (std::is_same_v<First, Tensor> ? 1 : 0);
  static_assert(operands <= kMaxOperands, "kMaxOperands (program.h) is too small for this instruction");
  if constexpr (std::is_same_v<First, Tensor>)
    dispatch::call(b, method, i, std::make_index_sequence<1 + sizeof...(Operands)>());
  else
    dispatch::call_with(b, method, i, std::make_index_sequence<sizeof...(Operands)>());
}

// `which`: the operands that the method takes.
template <typename First, typename... Operands>
size_t size_on(const Backend& b, size_t (Backend::*method)(First, Operands...) const, const Instruction& i,
               const std::vector<int>& which) {
  if constexpr (std::is_same_v<First, Tensor>)
    return dispatch::size(b, method, i, which, std::make_index_sequence<1 + sizeof...(Operands)>());
  else
    return dispatch::size_with(b, method, i, which, std::make_index_sequence<sizeof...(Operands)>());
}

}  // namespace bandlift
