// A directory of this machine as a world::Tree.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "world/real/descriptor.h"
#include "world/tree.h"

namespace bessemer::real {

// Every part of every path is opened by itself from its parent's descriptor and never followed
// when it is a symbolic link, so that a writer who swaps directories for links while we read gains
// nothing. A link to a file is read, its target worked out as text below the root, and opened the
// same way.
class RealTree final : public world::Tree {
 public:
  // `root` must be a directory. Errors: not_found, invalid, forbidden.
  static Result<std::unique_ptr<RealTree>> open_root(const std::string& root);

  Result<world::EntryStatus> status(std::string_view path) const override;
  Result<std::vector<std::string>> list(std::string_view directory,
                                        std::size_t limit) const override;
  Result<std::unique_ptr<world::File>> open(std::string_view path,
                                            world::EntryStatus& about) const override;
  Result<void> link(std::string_view from, std::string_view to) override;
  Result<void> set_mode(std::string_view path, unsigned mode) override;

 private:
  RealTree(std::string root, Descriptor descriptor)
      : root_(std::move(root)), descriptor_(std::move(descriptor)) {}
  // The directory that holds the last part of `path`; `last` is set to that part.
  Result<Descriptor> parent_of(std::string_view path, std::string& last) const;
  Result<std::string> target_of(std::string_view link) const;
  std::string full(std::string_view path) const;

  std::string root_;
  Descriptor descriptor_;
};

}  // namespace bessemer::real
