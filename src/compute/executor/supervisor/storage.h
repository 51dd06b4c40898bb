// How much a task keeps on disk.
#pragma once
#include <cstdint>
#include <string>

namespace bessemer::executor {

// Bytes on disk of everything below `path`, empty files included; links are not followed.
// Stops counting beyond `enough`; a tree too deep to be counted is more than enough.
std::uint64_t disk_usage(const std::string& path, std::uint64_t enough);

}  // namespace bessemer::executor
