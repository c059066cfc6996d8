// Who computes a convolution and its epilogue: the first provider that supports it, the one BANDLIFT_CONV names, or the
// fastest way where there are several and they were measured. Included by .cu files only.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cuda/conv_provider.h"

namespace bandlift::cuda {

using ConvProviders = std::vector<std::shared_ptr<ConvProvider>>;

// Those that support p, in their order. Throws Error(device) where there is none.
std::vector<ConvProvider*> providers_for(const ConvProviders& providers, const ConvProblem& p);

// The most scratch memory that any of them asks for.
size_t provider_workspace(const std::vector<ConvProvider*>& candidates, const ConvProblem& p);

// Provider and epilogue: fused, the provider does both; else kernels of our own follow it.
struct ConvWay {
  ConvProvider* provider = nullptr;
  bool fused = false;
};

// The ways to compute p and then e, in the candidates' order, fused first; fused ones only where `fusable`, and with a
// single candidate that fuses only that.
std::vector<ConvWay> ways_of(const std::vector<ConvProvider*>& candidates, const ConvProblem& p, const ConvEpilogue& e,
                             bool fusable);

// The measured one, else the first. `what` is everything that the choice depends on besides device and providers.
ConvWay chosen_way(const Context& context, const std::vector<ConvWay>& ways, const std::string& what);

// Runs every way and remembers the fastest of those that do not fail, where there are several, nothing is remembered
// yet and the stream is not being captured (BANDLIFT_MEASURE=0: never). Where the context is deterministic and the disk
// does not keep the choice, the first is remembered. `run` enqueues on context.stream and must be repeatable.
void measure_ways(const Context& context, const std::vector<ConvWay>& ways, const std::string& what,
                  const std::function<void(const ConvWay&)>& run);

// "forward tf32 4x256x256x340->340 1x3".
std::string text_of(const ConvProblem& p);

}  // namespace bandlift::cuda
