// What was measured once, kept on disk: which engine computes a convolution fastest on this GPU with this library, and
// which provider. A text file, one line per choice with tabs between the fields:
//   device, compute capability, library version, provider, problem, choice, microseconds
// Lines that do not read so are left out, and dropped when the file is next written.
#pragma once
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace bandlift::cuda {

struct ConvKey {
  std::string device;    // "NVIDIA H200"
  int capability = 0;    // 90
  std::string version;   // of the provider's library, "9.10.2"; of each to choose from, "cudnn 9.10.2, own 1"
  std::string provider;  // "cudnn"; "*" for a choice of provider
  std::string problem;   // with everything else the choice depends on
};

struct ConvChoice {
  std::string choice;  // the provider's text for an engine, or a provider's name
  double microseconds = 0;
};

class ConvChoiceCache {
 public:
  // An empty path keeps choices in memory only.
  explicit ConvChoiceCache(std::filesystem::path file);
  // conv_choices.txt in the cache folder (cache_file.h); empty where there is none.
  static std::filesystem::path default_file();

  std::optional<ConvChoice> find(const ConvKey& key);
  // Merged with what other processes wrote meanwhile; false where it could not be put on disk (why() says why not; it
  // is remembered in memory all the same).
  bool store(const ConvKey& key, const ConvChoice& choice);
  const std::filesystem::path& file() const { return file_; }
  std::string why() const;

 private:
  std::filesystem::path file_;
  mutable std::mutex mutex_;
  std::map<std::string, ConvChoice> choices_;  // by the line's fields up to the problem
  std::string why_;
};

}  // namespace bandlift::cuda
