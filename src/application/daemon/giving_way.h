// A tree whose reader gives way: between entries, and between pieces of a large file.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "world/tree.h"

namespace bessemer::daemon {

constexpr std::uint64_t bytes_between_turns = std::uint64_t{16} << 20;

// Reads what `tree` has; calls `give_way` before each file and after every bytes_between_turns of
// one. Both outlive this.
class GivingWay final : public world::Tree {
 public:
  GivingWay(world::Tree& tree, std::function<void()> give_way)
      : tree_(tree), give_way_(std::move(give_way)) {}

  Result<world::EntryStatus> status(std::string_view path) const override;
  Result<std::vector<std::string>> list(std::string_view directory,
                                        std::size_t limit) const override;
  Result<std::unique_ptr<world::File>> open(std::string_view path,
                                            world::EntryStatus& about) const override;
  Result<void> link(std::string_view from, std::string_view to) override;
  Result<void> set_mode(std::string_view path, unsigned mode) override;

 private:
  world::Tree& tree_;
  std::function<void()> give_way_;
};

}  // namespace bessemer::daemon
