// Reading with turns for others.
#include "application/daemon/giving_way.h"

namespace bessemer::daemon {
namespace {

class Pausing final : public world::File {
 public:
  Pausing(std::unique_ptr<world::File> file, const std::function<void()>& give_way)
      : file_(std::move(file)), give_way_(give_way) {}

  Result<void> write_at(std::uint64_t offset, std::string_view bytes) override {
    return file_->write_at(offset, bytes);
  }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const override {
    if (since_ >= bytes_between_turns) {
      since_ = 0;
      give_way_();
    }
    TRY_ASSIGN(const std::size_t got, file_->read_at(offset, into));
    since_ += got;
    return got;
  }
  Result<void> sync() override { return file_->sync(); }
  Result<std::uint64_t> size() const override { return file_->size(); }
  Result<void> truncate(std::uint64_t size) override { return file_->truncate(size); }

 private:
  std::unique_ptr<world::File> file_;
  const std::function<void()>& give_way_;
  mutable std::uint64_t since_ = 0;  // bytes read since the last turn
};

}  // namespace

Result<world::EntryStatus> GivingWay::status(std::string_view path) const {
  return tree_.status(path);
}

Result<std::vector<std::string>> GivingWay::list(std::string_view directory,
                                                 std::size_t limit) const {
  return tree_.list(directory, limit);
}

Result<std::unique_ptr<world::File>> GivingWay::open(std::string_view path,
                                                     world::EntryStatus& about) const {
  give_way_();
  TRY_ASSIGN(auto file, tree_.open(path, about));
  return std::unique_ptr<world::File>(std::make_unique<Pausing>(std::move(file), give_way_));
}

Result<void> GivingWay::link(std::string_view from, std::string_view to) {
  return tree_.link(from, to);
}

Result<void> GivingWay::set_mode(std::string_view path, unsigned mode) {
  return tree_.set_mode(path, mode);
}

}  // namespace bessemer::daemon
