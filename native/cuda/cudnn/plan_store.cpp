#include "cuda/cudnn/plan_store.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <system_error>
#include <utility>
#include <vector>

#include "cuda/cache_file.h"

namespace bandlift::cuda::cudnn {

namespace fs = std::filesystem;

namespace {

constexpr char kHeader[] = "bandlift cudnn plan 1\n";
constexpr char kSuffix[] = ".plan";
constexpr std::chrono::hours kWriting{1};  // a temporary file older than this is nobody's any more

// 64-bit FNV-1a, 16 digits: texts that differ in one byte never share it.
std::string hash_of(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
  return digits;
}

// What stands before the plan: whose it is (two keys may have one hash), and how it reads when it is whole.
std::string head_of(const std::string& key, const std::string& json) {
  return kHeader + key + '\n' + std::to_string(json.size()) + ' ' + hash_of(json) + '\n';
}
constexpr int kHeadLines = 3;

}  // namespace

PlanStore::PlanStore(fs::path folder, const std::string& machine)
    : folder_(std::move(folder)), machine_(clean(machine)) {}

fs::path PlanStore::file_of(const std::string& key) const {
  return folder_ / (hash_of(machine_ + ": " + clean(key)) + kSuffix);
}

std::optional<std::string> PlanStore::find(const std::string& key) const {
  if (folder_.empty()) return std::nullopt;
  const std::optional<std::string> text = read_cache_file(file_of(key));
  if (!text) return std::nullopt;
  size_t head = 0;
  for (int line = 0; line < kHeadLines; ++line) {
    head = text->find('\n', head);
    if (head == std::string::npos) return std::nullopt;
    ++head;
  }
  std::string json = text->substr(head);
  if (json.empty() || text->compare(0, head, head_of(machine_ + ": " + clean(key), json)) != 0) return std::nullopt;
  return json;
}

bool PlanStore::store(const std::string& key, const std::string& json) const {
  if (folder_.empty() || json.empty()) return false;
  const std::string text = head_of(machine_ + ": " + clean(key), json) + json;
  if (text.size() > kMostCacheBytes) return false;  // nobody would read it
  const fs::path file = file_of(key);
  std::error_code error;
  fs::create_directories(folder_, error);
  if (fs::is_directory(file, error)) fs::remove(file, error);  // only an empty one: none is ours
  if (!replace_file(file, text).empty()) return false;
  remove_oldest(file);
  return true;
}

// Errors are not looked at: other processes remove the same files.
void PlanStore::remove_oldest(const fs::path& kept) const {
  std::error_code end_of_list, error;
  std::vector<fs::path> plans;
  for (fs::directory_iterator at(folder_, end_of_list), end; !end_of_list && at != end; at.increment(end_of_list)) {
    const fs::path& file = at->path();
    if (file.extension() == kSuffix && file != kept) plans.push_back(file);
    if (file.extension() != kTemporarySuffix) continue;
    const auto written = fs::last_write_time(file, error);
    if (!error && written < fs::file_time_type::clock::now() - kWriting) fs::remove(file, error);
  }
  if (plans.size() < kMostPlans) return;
  std::vector<std::pair<fs::file_time_type, fs::path>> by_age;
  for (fs::path& file : plans) {
    const auto written = fs::last_write_time(file, error);
    if (!error) by_age.emplace_back(written, std::move(file));
  }
  std::sort(by_age.begin(), by_age.end());
  for (size_t i = 0; i + kMostPlans <= by_age.size(); ++i) fs::remove(by_age[i].second, error);
}

}  // namespace bandlift::cuda::cudnn
