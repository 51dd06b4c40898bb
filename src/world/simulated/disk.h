// A disk in memory that forgets what was not synced, refuses on order, and fills up.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "world/world.h"

namespace bessemer::simulated {

// What happens to writes and directory changes that nothing has synced.
enum class Unsynced : std::uint8_t {
  kept,  // only the process died: the kernel's cache lives on
  lost,  // the power failed before anything reached the disk
  torn,  // each 512-byte piece of each write by chance, and one piece cut at a byte by chance
};

enum class Fault : std::uint8_t {
  refuse,  // the call fails and has done nothing (a failed sync has lost what it should have kept)
  tear,    // a write is done in part, then fails; any other call is refused
  crash,   // like tear, and every later call fails until crash() is called
};

// Keeps the contract of world::Disk and no more than that contract:
//  - bytes are durable after File::sync, names after sync_directory of their directory;
//  - after a failed sync the file still *reads* as written, yet those bytes are never durable;
//  - after crash() every open file and lock is dead.
// The same seed and calls give the same disk. One thread.
class SimulatedDisk final : public world::Disk {
 public:
  explicit SimulatedDisk(std::uint64_t seed);
  ~SimulatedDisk() override;

  // ---- weather

  // Bytes that all files together may take; writing inside what a file has always fits.
  void set_capacity(std::uint64_t bytes);
  // Applies `fault` to the n-th call from now that changes or syncs something (1: the next).
  void fail_call(std::uint64_t n, Fault fault);
  void clear_faults();
  // Calls so far that change or sync something.
  std::uint64_t calls() const;
  // The machine stops and starts again.
  void crash(Unsynced unsynced);

  // ---- for judges

  // Every file as it reads now.
  std::map<std::string, std::string> files() const;
  // Puts a file, durable at once; replaces one that is there. Makes its directories.
  void put(const std::string& path, std::string bytes);
  std::uint64_t used() const;

  // ---- world::Disk
  Result<std::unique_ptr<world::File>> open(std::string_view path, world::OpenMode mode) override;
  Result<std::vector<std::string>> list(std::string_view directory) const override;
  bool exists(std::string_view path) const override;
  Result<void> rename(std::string_view from, std::string_view to) override;
  Result<void> remove(std::string_view path) override;
  Result<void> make_directories(std::string_view path) override;
  Result<void> sync_directory(std::string_view path) override;
  Result<std::unique_ptr<world::Lock>> lock(std::string_view directory) override;

  struct State;  // shared with open files and locks

 private:
  std::shared_ptr<State> state_;
};

}  // namespace bessemer::simulated
