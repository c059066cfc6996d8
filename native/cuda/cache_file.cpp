#include "cuda/cache_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <system_error>

namespace bandlift::cuda {

namespace fs = std::filesystem;

namespace {

std::string failure(const std::string& what, const fs::path& path) {
  return what + " " + path.string() + ": " + std::strerror(errno);
}

// No other thread or process writes to it.
fs::path temporary_of(const fs::path& file) {
  static std::atomic<int> written{0};
  return file.string() + "." + std::to_string(getpid()) + "." + std::to_string(++written) + kTemporarySuffix;
}

}  // namespace

fs::path cache_folder() {
  const auto folder = [](const char* name) -> fs::path {
    const char* value = std::getenv(name);
    return value && value[0] ? value : "";
  };
  if (const fs::path named = folder("BANDLIFT_CACHE_DIR"); !named.empty()) return named;
  if (const fs::path base = folder("XDG_CACHE_HOME"); !base.empty()) return base / "bandlift";
  if (const fs::path home = folder("HOME"); !home.empty()) return home / ".cache" / "bandlift";
  return "";
}

std::optional<std::string> read_cache_file(const fs::path& file) {
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return std::nullopt;
  std::ifstream stream(file, std::ios::binary | std::ios::ate);
  const auto bytes = static_cast<std::streamoff>(stream.tellg());  // of the file opened: another may replace it now
  if (bytes < 0 || bytes > static_cast<std::streamoff>(kMostCacheBytes)) return std::nullopt;
  std::string text(static_cast<size_t>(bytes), '\0');
  if (!stream.seekg(0).read(text.data(), bytes)) return std::nullopt;
  return text;
}

std::string replace_file(const fs::path& file, const std::string& text) {
  const fs::path temporary = temporary_of(file);
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return failure("cannot write", temporary);
  std::string why;
  for (size_t done = 0; done < text.size() && why.empty();) {
    const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
    if (n >= 0)
      done += static_cast<size_t>(n);
    else if (errno != EINTR)
      why = failure("cannot write", temporary);
  }
  if (why.empty() && ::fsync(fd) != 0) why = failure("cannot write", temporary);
  ::close(fd);
  if (why.empty() && ::rename(temporary.c_str(), file.c_str()) != 0) why = failure("cannot replace", file);
  if (!why.empty()) ::unlink(temporary.c_str());
  return why;
}

std::string clean(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  return text;
}

}  // namespace bandlift::cuda
