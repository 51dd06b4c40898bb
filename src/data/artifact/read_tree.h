// Every byte of a tree, front to back, in pieces, verified on the way.
#pragma once
#include <optional>
#include <span>
#include <string_view>

#include "data/artifact/store.h"

namespace bessemer::artifact {

// Takes the files of a tree in order of their paths.
struct TreeReader {
  virtual ~TreeReader() = default;
  virtual void begin_file(std::string_view path) = 0;
  virtual void add(std::string_view bytes) = 0;
  virtual void end_file() = 0;
};

// A tree that is being read, and may wait between two pieces for as long as it takes. Each file
// is compared with its digest; what the reader was told counts only once the end is reached.
class TreeReading {
 public:
  // All must outlive this.
  TreeReading(const Store& store, OrgId tenant, const Digest& tree, TreeReader& reader);
  // One piece more, of at most room.size() bytes of one file; false: the end is reached. Not to be
  // called after an error. Errors: not_found, internal (damaged: names the path).
  Result<bool> step(std::span<char> room);

 private:
  Result<void> read_piece(const Entry& entry, std::span<char> room);

  const Store& store_;
  const OrgId tenant_;
  const Digest tree_;
  TreeReader& reader_;
  std::optional<Manifest> manifest_;
  std::size_t file_ = 0;   // index of the present one
  std::uint64_t at_ = 0;   // bytes of it that were read
  std::optional<Sha256> running_;  // of the present file, once it is begun
};

}  // namespace bessemer::artifact
