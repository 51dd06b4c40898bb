// A backup as one file after the other: a folder, or one tar file (POSIX ustar with pax headers).
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bessemer::backup {

constexpr std::string_view tar_ending = ".tar";

// Takes files, each announced with its size.
struct Sink {
  virtual ~Sink() = default;
  // Errors: those of the disk. Requires: the file before is complete; `path` is relative.
  virtual Result<void> begin(const std::string& path, std::uint64_t bytes) = 0;
  // The next bytes of the file that was begun.
  virtual Result<void> add(std::string_view piece) = 0;
  // Everything is durable and stands under its name.
  virtual Result<void> finish() = 0;
};

struct Item {
  std::string path;
  std::uint64_t bytes = 0;
};

// Gives the files back, in the order in which they were written or in any other.
struct Source {
  virtual ~Source() = default;
  // False after the last. Errors: invalid (cut off, or no backup).
  virtual Result<bool> next(Item& into) = 0;
  // Bytes of the present file, until none are left: then empty. Valid until the next call.
  virtual Result<std::string_view> take() = 0;
};

// `place`: a file to be made, whose name ends in .tar, or a folder to be made. Errors: conflict (it
// is there and not empty), those of the disk.
Result<std::unique_ptr<Sink>> create(const std::string& place);
// Errors: not_found, invalid (no backup).
Result<std::unique_ptr<Source>> open(const std::string& place);

// By form; create and open choose between them.
Result<std::unique_ptr<Sink>> create_tar(const std::string& place);
Result<std::unique_ptr<Source>> open_tar(const std::string& place);
Result<std::unique_ptr<Sink>> create_folder(const std::string& place);
Result<std::unique_ptr<Source>> open_folder(const std::string& place);

}  // namespace bessemer::backup
