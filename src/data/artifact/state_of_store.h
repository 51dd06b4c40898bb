// What a DirectoryStore holds in memory.
#pragma once
#include <memory>
#include <set>

#include "data/artifact/directory_store.h"

namespace bessemer::artifact {

struct DirectoryStore::Open {
  Upload about;
  std::unique_ptr<world::File> file;
  std::uint64_t arrived = 0;
  Sha256 running;          // of the first `hashed` bytes
  std::uint64_t hashed = 0;  // less than `arrived` after a restart: commit reads all again
};

struct DirectoryStore::Doubtful {
  std::set<Digest> blobs, trees;
};

}  // namespace bessemer::artifact
