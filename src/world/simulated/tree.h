// The twin of a Tree over a simulated disk: no links are ever there, modes are remembered.
#pragma once
#include <map>
#include <string>

#include "world/simulated/disk.h"
#include "world/tree.h"

namespace bessemer::simulated {

// A second name is a copy; nothing can tell, since what has two names is never written again.
class SimulatedTree final : public world::Tree {
 public:
  explicit SimulatedTree(SimulatedDisk& disk) : disk_(disk) {}

  Result<world::EntryStatus> status(std::string_view path) const override {
    if (!disk_.exists(path)) return not_found("looking at " + std::string(path));
    world::EntryStatus about;
    const auto mode = modes_.find(std::string(path));
    about.executable = mode != modes_.end() && (mode->second & 0100) != 0;
    if (disk_.list(path)) {
      about.kind = world::EntryKind::directory;
      return about;
    }
    about.kind = world::EntryKind::file;
    TRY_ASSIGN(const auto file, disk_.open(path, world::OpenMode::read));
    TRY_ASSIGN(about.bytes, file->size());
    return about;
  }

  Result<std::vector<std::string>> list(std::string_view directory,
                                        std::size_t limit) const override {
    TRY_ASSIGN(auto names, disk_.list(directory));
    if (names.size() > limit) return exhausted(std::string(directory) + " holds too many entries");
    return names;
  }

  Result<std::unique_ptr<world::File>> open(std::string_view path,
                                            world::EntryStatus& about) const override {
    TRY_ASSIGN(about, status(path));
    if (about.kind != world::EntryKind::file) {
      return invalid(std::string(path) + " is not a regular file");
    }
    return disk_.open(path, world::OpenMode::read);
  }

  Result<void> link(std::string_view from, std::string_view to) override {
    TRY_ASSIGN(const std::string bytes, world::read_file(disk_, from, std::size_t{1} << 30));
    TRY_ASSIGN(const auto file, disk_.open(to, world::OpenMode::create));
    TRY(file->write_at(0, bytes));
    return file->sync();
  }

  Result<void> set_mode(std::string_view path, unsigned mode) override {
    if (!disk_.exists(path)) return not_found("changing the mode of " + std::string(path));
    modes_[std::string(path)] = mode;
    return {};
  }

 private:
  SimulatedDisk& disk_;
  std::map<std::string, unsigned> modes_;
};

}  // namespace bessemer::simulated
