// Every byte of a tree, front to back, in pieces, verified on the way.
#include "data/artifact/read_tree.h"

namespace bessemer::artifact {

TreeReading::TreeReading(const Store& store, OrgId tenant, const Digest& tree, TreeReader& reader)
    : store_(store), tenant_(tenant), tree_(tree), reader_(reader) {}

Result<void> TreeReading::read_piece(const Entry& entry, std::span<char> room) {
  if (!running_) {
    running_.emplace();
    at_ = 0;
    reader_.begin_file(entry.path);
  }
  std::size_t got = 0;
  if (at_ < entry.bytes) {
    TRY_ASSIGN(got, store_.read(tenant_, entry.digest, at_, room));
    const std::string_view bytes(room.data(), got);
    running_->add(bytes);
    reader_.add(bytes);
    at_ += got;
  }
  if (got > 0 && at_ < entry.bytes) return {};
  reader_.end_file();
  const Digest found = running_->finish();
  running_.reset();
  ++file_;
  if (found != entry.digest) return internal("the stored bytes are damaged");
  return {};
}

Result<bool> TreeReading::step(std::span<char> room) {
  if (!manifest_) {
    TRY_ASSIGN(manifest_, store_.tree(tenant_, tree_));
  }
  if (file_ == manifest_->entries.size()) return false;
  const Entry& entry = manifest_->entries[file_];
  auto done = read_piece(entry, room);
  if (!done) return std::move(done).error().within(entry.path);
  return true;
}

}  // namespace bessemer::artifact
