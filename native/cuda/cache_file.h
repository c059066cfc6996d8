// Files that keep between processes what took long to find out, in the user's cache folder.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

namespace bandlift::cuda {

// $BANDLIFT_CACHE_DIR, $XDG_CACHE_HOME/bandlift or ~/.cache/bandlift; empty where none is set.
std::filesystem::path cache_folder();

// More than this is no cache file of ours.
inline constexpr size_t kMostCacheBytes = 16 << 20;

// The whole of a regular file; nothing where there is none, or a larger one than kMostCacheBytes.
std::optional<std::string> read_cache_file(const std::filesystem::path& file);

// Everything or nothing: a new file in the same folder, on the disk before it takes the old one's place. Empty, or what
// went wrong.
std::string replace_file(const std::filesystem::path& file, const std::string& text);
// What such new files are named until then: those of a process that was killed stay.
inline constexpr char kTemporarySuffix[] = ".tmp";

// A field of a line: without the characters that separate fields and lines.
std::string clean(std::string text);

}  // namespace bandlift::cuda
