// Which provider computes a convolution: the first that supports it, the one BANDLIFT_CONV names, or the fastest where
// several do and were measured. Included by .cu files only.
#pragma once
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

// The measured one, else the first.
ConvProvider& chosen_provider(const Context& context, const std::vector<ConvProvider*>& candidates,
                              const ConvProblem& p);

// Runs every candidate and remembers the fastest of those that do not fail, where there are several, nothing is
// remembered yet and the stream is not being captured (BANDLIFT_MEASURE=0: never). Where the context is deterministic
// and the disk does not keep the choice, the first is remembered. Overwrites the problem's result in b, which must not
// be an operand of anything.
void measure_providers(const Context& context, const std::vector<ConvProvider*>& candidates, const ConvProblem& p,
                       const ConvBuffers& b, void* workspace);

std::string text_of(const ConvProblem& p);

}  // namespace bandlift::cuda
