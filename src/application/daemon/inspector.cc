// The thread that reads whole datasets.
#include "application/daemon/inspector.h"

#include <memory>

#include "data/artifact/read_tree.h"

namespace bessemer::daemon {
namespace {

// Hands the bytes of a tree to an inspection.
class Reading final : public artifact::TreeReader {
 public:
  Reading(const dataset::Schema& schema, const std::atomic<bool>& stop)
      : inspection_(schema), stop_(stop) {}
  bool goes_on() const override { return !stop_; }
  void begin_file(std::string_view path) override { inspection_.begin_file(path); }
  void add(std::string_view bytes) override { inspection_.add(bytes); }
  void end_file() override { inspection_.end_file(); }
  dataset::Validation finish() { return inspection_.finish(); }

 private:
  dataset::Inspection inspection_;
  const std::atomic<bool>& stop_;
};

}  // namespace

Inspector::Inspector(const artifact::Store& store, real::Loop& loop)
    : store_(store), loop_(loop), thread_([this] { run(); }) {}

Inspector::~Inspector() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Inspector::post(Asked asked) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(asked));
  }
  wake_.notify_one();
}

Result<dataset::Validation> Inspector::inspect(const Asked& asked) const {
  Reading reading(asked.schema, stop_);
  TRY(artifact::read_tree(store_, asked.tenant, asked.tree, reading));
  return reading.finish();
}

void Inspector::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
    if (stop_) return;
    const Asked asked = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    const auto found = std::make_shared<Result<dataset::Validation>>(inspect(asked));
    if (stop_) return;  // it is read at the next start
    loop_.post([then = asked.then, found] { then(std::move(*found)); });
    lock.lock();
  }
}

}  // namespace bessemer::daemon
