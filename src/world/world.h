// Everything the program may ask of the outside. Production (world/real) and the simulator (sim)
// implement exactly this; nothing else touches the machine.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "base/time.h"

namespace bessemer::world {

struct Clock {
  virtual ~Clock() = default;
  // Wall-clock time; may step backwards.
  virtual Instant now() const = 0;
  // Time since boot, suspend included (CLOCK_BOOTTIME); never goes backwards. For leases and
  // time-outs.
  virtual Duration since_boot() const = 0;
};

// Unpredictable bytes, fit for keys.
struct Entropy {
  virtual ~Entropy() = default;
  virtual void fill(std::span<std::byte> into) = 0;
};

enum class OpenMode : std::uint8_t {
  read,          // must exist
  create,        // must not exist
  read_write,    // must exist
};

// One open file. Offsets and sizes in bytes. After a failed write or sync the file's content is
// unknown: the caller must not go on using it.
struct File {
  virtual ~File() = default;
  // Errors: exhausted (disk full), internal.
  virtual Result<void> write_at(std::uint64_t offset, std::string_view bytes) = 0;
  // Reads up to into.size() bytes; fewer only at the end of the file.
  virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const = 0;
  // Everything written so far survives a crash once this returns (fdatasync).
  virtual Result<void> sync() = 0;
  virtual Result<std::uint64_t> size() const = 0;
  virtual Result<void> truncate(std::uint64_t size) = 0;
};

// Held for as long as the object lives; the machine releases it when the holder dies, however it
// dies. So whoever gets it knows that no other holder is alive.
struct Lock {
  virtual ~Lock() = default;
};

// A directory tree below one root; paths are relative to it, with '/' between parts.
struct Disk {
  virtual ~Disk() = default;
  // New files get mode 0600. Errors: not_found, conflict (exists), exhausted, internal.
  virtual Result<std::unique_ptr<File>> open(std::string_view path, OpenMode mode) = 0;
  // Names in a directory, sorted; without "." and "..". Errors: not_found.
  virtual Result<std::vector<std::string>> list(std::string_view directory) const = 0;
  virtual bool exists(std::string_view path) const = 0;
  // Atomic; replaces the target. Durable only after sync_directory.
  virtual Result<void> rename(std::string_view from, std::string_view to) = 0;
  virtual Result<void> remove(std::string_view path) = 0;
  // Makes the directory and its parents, mode 0700; an existing one is fine.
  virtual Result<void> make_directories(std::string_view path) = 0;
  // Makes creations, renames and removals directly in it durable.
  virtual Result<void> sync_directory(std::string_view path) = 0;
  // Takes the exclusive lock of a directory, by its file `lock`; never waits.
  // Errors: not_found, conflict (another holder is alive; names it where it can).
  virtual Result<std::unique_ptr<Lock>> lock(std::string_view directory) = 0;
};

// Reads a whole file of at most `limit` bytes. Errors: not_found, invalid (too large).
Result<std::string> read_file(Disk& disk, std::string_view path, std::size_t limit);

// Writes `bytes` as `path` so that a crash leaves the old file or the new one, whole.
Result<void> replace_file(Disk& disk, std::string_view path, std::string_view bytes);

// Draws the id of a new thing: the moment from the clock, 80 bits from entropy.
template <class I>
I draw_id(const Clock& clock, Entropy& entropy) {
  std::uint64_t random[2] = {};
  entropy.fill(std::as_writable_bytes(std::span(random)));
  const auto ms = static_cast<std::uint64_t>(clock.now().ns / 1'000'000);
  return I{(ms << 16) | (random[0] & 0xffff), random[1]};
}

}  // namespace bessemer::world
