// Signals as events of a loop.
#pragma once
#include <functional>
#include <initializer_list>
#include <memory>

#include "world/real/loop.h"

namespace bessemer::real {

// Takes signals over: they are blocked in this thread and those it starts later, and told on the
// loop. Make it before any thread.
class Signals final : public Watcher {
 public:
  static Result<std::unique_ptr<Signals>> take(Loop& loop, std::initializer_list<int> numbers,
                                               std::function<void(int)> told);
  ~Signals() override;
  void on_events(std::uint32_t events) override;

 private:
  Signals(Loop& loop, Descriptor descriptor, std::function<void(int)> told);
  Loop& loop_;
  Descriptor descriptor_;
  std::function<void(int)> told_;
  Loop::Watch watch_ = 0;
};

}  // namespace bessemer::real
