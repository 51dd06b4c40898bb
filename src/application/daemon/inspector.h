// The thread that reads whole datasets: hours of bytes must not stand before somebody's start.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "data/artifact/store.h"
#include "data/dataset/inspect.h"
#include "world/real/loop.h"

namespace bessemer::daemon {

// Several trees that are read side by side: each has a turn of some pieces, so that a small one is
// done within a round however large the others are.
class Readings {
 public:
  static constexpr std::size_t piece_bytes = std::size_t{1} << 20;
  static constexpr int pieces_per_turn = 16;

  struct Asked {
    OrgId tenant;
    Digest tree;
    dataset::Schema schema;
    std::function<void(Result<dataset::Validation>)> then;
  };
  struct Done {
    std::function<void(Result<dataset::Validation>)> then;
    Result<dataset::Validation> found;
  };

  // The store must outlive this. Of it only what may be called beside its own thread is used.
  explicit Readings(const artifact::Store& store);
  ~Readings();

  void add(Asked asked);
  bool empty() const { return open_.empty(); }
  // A turn of the one that waits longest; answered when it came to its end.
  std::optional<Done> turn();

 private:
  struct Open;

  const artifact::Store& store_;
  std::deque<std::unique_ptr<Open>> open_;
  std::string room_;
};

class Inspector {
 public:
  // Both outlive this.
  Inspector(const artifact::Store& store, real::Loop& loop);
  ~Inspector();

  // Loop's thread, where `then` is called too.
  void post(Readings::Asked asked);

 private:
  void run();

  real::Loop& loop_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Readings::Asked> posted_;
  bool stop_ = false;
  Readings readings_;  // of the thread
  std::thread thread_;
};

}  // namespace bessemer::daemon
