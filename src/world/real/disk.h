// A directory of this machine as a world::Disk.
#pragma once
#include <memory>
#include <string>

#include "world/real/descriptor.h"
#include "world/world.h"

namespace bessemer::real {

// A File on an open descriptor; `name` is for errors.
std::unique_ptr<world::File> make_file(Descriptor descriptor, std::string name);

// Everything below one directory. Paths are opened relative to its descriptor, so that it goes on
// working when the directory is moved; the last part of a path is never followed when it is a
// symbolic link. Files get mode 0600, directories 0700, descriptors close on exec.
// Safe from several threads; a File belongs to one thread at a time.
class RealDisk final : public world::Disk {
 public:
  // Opens `root`, which is made (0700, with its parents) when missing. Errors: invalid (not a
  // directory), forbidden, internal.
  static Result<std::unique_ptr<RealDisk>> open_root(const std::string& root);

  Result<std::unique_ptr<world::File>> open(std::string_view path, world::OpenMode mode) override;
  Result<std::vector<std::string>> list(std::string_view directory) const override;
  bool exists(std::string_view path) const override;
  Result<void> rename(std::string_view from, std::string_view to) override;
  Result<void> remove(std::string_view path) override;
  Result<void> make_directories(std::string_view path) override;
  Result<void> sync_directory(std::string_view path) override;
  Result<std::unique_ptr<world::Lock>> lock(std::string_view directory) override;

  const std::string& root() const { return root_; }

 private:
  RealDisk(std::string root, Descriptor descriptor)
      : root_(std::move(root)), descriptor_(std::move(descriptor)) {}
  Result<Descriptor> open_directory(std::string_view path) const;
  std::string full(std::string_view path) const;

  std::string root_;
  Descriptor descriptor_;
};

}  // namespace bessemer::real
