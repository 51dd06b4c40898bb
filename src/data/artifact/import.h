// From a directory that someone else filled to a tree in the store.
#pragma once
#include <cstdint>
#include <string_view>

#include "base/describe.h"
#include "data/artifact/store.h"
#include "world/tree.h"

namespace bessemer::artifact {

struct ImportLimits {
  std::uint64_t files = 10'000;
  std::uint64_t bytes = std::uint64_t{1} << 40;
};

// What an import stored.
struct Imported {
  Digest tree;
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;
  friend bool operator==(const Imported&, const Imported&) = default;
};
DESCRIBE(Imported, tree, bytes, files)

// Stores everything below `folder` ("" = the root) of `from` as one tree. A symbolic link to a
// file is followed when it stays below the root of `from`; links that leave it, links to
// directories, devices, sockets and pipes are refused. Nothing is trusted: the writer may still
// be at work. Errors: not_found (no such folder), invalid (naming the path), exhausted (limits).
Result<Imported> import_tree(Store& store, OrgId tenant, world::Tree& from,
                             std::string_view folder, const ImportLimits& limits);

}  // namespace bessemer::artifact
