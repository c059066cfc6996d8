// Convolutions by cuDNN. What it supports and fuses is what it can make a plan for, asked for once per problem; the
// engine is measured before the first run and remembered on disk.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cuda/conv_choice_cache.h"
#include "cuda/conv_provider.h"
#include "cuda/cudnn/library.h"

namespace bandlift::cuda {

struct CudnnOptions {
  std::vector<std::string> folders;  // where else to look for the library (library_search.h)
  std::string device_name;           // "NVIDIA H200", for the cache
  // Measure engines; false (and BANDLIFT_MEASURE=0): take the first that cuDNN's heuristics propose.
  bool measure = true;
  std::shared_ptr<ConvChoiceCache> cache;  // null: choices live as long as the provider
  // Results smaller than this are not fused with their epilogue: cuDNN compiles a fused plan at run time (0.3 to 4.7 s
  // on two cores with cuDNN 9.10 to 9.28; once on a machine where plans are kept, else in every process), and a small
  // image's extra pass is cheap.
  int64_t fuse_from_bytes = int64_t{64} << 20;
  std::function<void()> make_room;    // gives back device memory that nobody uses, where measuring lacks some
  std::filesystem::path plan_folder;  // where plans compiled at run time are kept (plan_store.h); empty: nowhere
};

// For the current device. Throws Error(device) where cuDNN is missing, too old, or without code for this GPU.
//
// Where the context is deterministic, a measured choice is used only if it could be kept on disk: the next run, perhaps
// of the same interrupted training, must choose the same engine. Else the heuristics' first is taken.
std::shared_ptr<ConvProvider> make_cudnn_provider(const Context& context, const CudnnOptions& options);

// What a machine has, for `bandlift doctor`. Never throws.
struct LibraryReport {
  std::string path, version;  // empty where it was not found
  std::string problem;        // why it cannot be used, and what to do; empty where it can
  std::vector<TriedPlace> tried;
};
// major 0: no GPU to fit.
LibraryReport report_cudnn(const std::vector<std::string>& folders, int major, int minor);
LibraryReport report_nccl(const std::vector<std::string>& folders);

}  // namespace bandlift::cuda
