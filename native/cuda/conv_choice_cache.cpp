#include "cuda/conv_choice_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <system_error>

#include "cuda/cache_file.h"

namespace bandlift::cuda {

namespace fs = std::filesystem;

namespace {

constexpr char kHeader[] = "# bandlift conv choices 1: device, capability, version, provider, problem, choice, us\n";

std::string line_key(const ConvKey& key) {
  return clean(key.device) + '\t' + std::to_string(key.capability) + '\t' + clean(key.version) + '\t' +
         clean(key.provider) + '\t' + clean(key.problem);
}

// Reads the choices of a file's lines into `choices`; what it does not understand is left out.
void parse(const std::string& text, std::map<std::string, ConvChoice>& choices) {
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.empty() || line[0] == '#' || std::count(line.begin(), line.end(), '\t') != 6) continue;
    const size_t time = line.rfind('\t'), choice = line.rfind('\t', time - 1);
    ConvChoice c;
    c.choice = line.substr(choice + 1, time - choice - 1);
    const char* const last = line.data() + line.size();
    const auto [next, error] = std::from_chars(line.data() + time + 1, last, c.microseconds);
    if (error == std::errc() && next == last && c.microseconds >= 0 && !c.choice.empty())
      choices[line.substr(0, choice)] = c;
  }
}

void read_file(const fs::path& file, std::map<std::string, ConvChoice>& choices) {
  if (const auto text = read_cache_file(file)) parse(*text, choices);
}

// One writer at a time; where the file system has no locks a choice of another process may be lost, no more.
class Lock {
 public:
  explicit Lock(const fs::path& file) : fd_(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
    if (fd_ >= 0) ::flock(fd_, LOCK_EX);
  }
  ~Lock() {
    if (fd_ >= 0) ::close(fd_);
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  int fd_;
};

}  // namespace

ConvChoiceCache::ConvChoiceCache(fs::path file) : file_(std::move(file)) {
  if (file_.empty())
    why_ = "no folder: HOME, XDG_CACHE_HOME and BANDLIFT_CACHE_DIR are not set";
  else
    read_file(file_, choices_);
}

fs::path ConvChoiceCache::default_file() {
  const fs::path folder = cache_folder();
  return folder.empty() ? folder : folder / "conv_choices.txt";
}

std::optional<ConvChoice> ConvChoiceCache::find(const ConvKey& key) {
  const std::lock_guard lock(mutex_);
  const auto it = choices_.find(line_key(key));
  return it == choices_.end() ? std::nullopt : std::optional(it->second);
}

bool ConvChoiceCache::store(const ConvKey& key, const ConvChoice& choice) {
  const std::lock_guard lock(mutex_);
  const std::string name = line_key(key);
  const ConvChoice mine = {clean(choice.choice), choice.microseconds};
  if (file_.empty()) {
    choices_[name] = mine;
    return false;
  }
  std::error_code error;
  fs::create_directories(file_.parent_path(), error);
  const Lock file_lock(file_.string() + ".lock");
  read_file(file_, choices_);
  choices_[name] = mine;
  std::string text = kHeader;
  for (const auto& [key_text, c] : choices_) {
    char time[32];
    const auto end = std::to_chars(time, time + sizeof time, c.microseconds, std::chars_format::fixed, 2).ptr;
    text += key_text + '\t' + c.choice + '\t' + std::string(time, end) + '\n';
  }
  why_ = replace_file(file_, text);
  return why_.empty();
}

std::string ConvChoiceCache::why() const {
  const std::lock_guard lock(mutex_);
  return why_;
}

}  // namespace bandlift::cuda
