// Every byte of a tree, front to back, verified on the way.
#pragma once
#include <string_view>

#include "data/artifact/store.h"

namespace bessemer::artifact {

// Takes the files of a tree in order of their paths.
struct TreeReader {
  virtual ~TreeReader() = default;
  virtual void begin_file(std::string_view path) = 0;
  virtual void add(std::string_view bytes) = 0;
  virtual void end_file() = 0;
  // Asked before each piece; false gives up.
  virtual bool goes_on() const { return true; }
};

// Reads the whole tree and compares each file with its digest; what the reader was told counts
// only when this succeeds. Errors: not_found, unavailable (given up), internal (damaged:
// names the path).
Result<void> read_tree(const Store& store, OrgId tenant, const Digest& tree, TreeReader& reader);

}  // namespace bessemer::artifact
