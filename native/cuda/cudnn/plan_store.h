// Plans that cuDNN compiled at run time, kept on disk with their code: most of a second each to make, a millisecond to
// read back. One file for each, named by a hash of its key, which stands inside; several processes may use a folder at
// once. What cannot be kept is compiled anew by the next process, no more.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

namespace bandlift::cuda::cudnn {

class PlanStore {
 public:
  static constexpr size_t kMostPlans = 512;

  // An empty folder keeps nothing. `machine` names all that plans depend on but their keys: GPU, driver, cuDNN.
  PlanStore(std::filesystem::path folder, const std::string& machine);

  // The plan that was stored under this key. Nothing where there is none, or where its file is not just as it was
  // written.
  std::optional<std::string> find(const std::string& key) const;
  // Takes the place of whatever has this key's file name; the oldest of more than kMostPlans go. False where it could
  // not be put on disk.
  bool store(const std::string& key, const std::string& json) const;
  // Where the plan of this key lies.
  std::filesystem::path file_of(const std::string& key) const;

 private:
  void remove_oldest(const std::filesystem::path& kept) const;

  std::filesystem::path folder_;
  std::string machine_;
};

}  // namespace bandlift::cuda::cudnn
