// The one loop's heart: judge, append, apply, and release what waited once it is durable.
//
// One thread owns an Engine and its state. What leaves the process carries the sequence it depends
// on and is released only when that is durable: when_durable(applied(), ...). A journal that failed
// is fatal: failed() turns true, nothing is released any more, and the owner exits.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "application/factory/factory.h"
#include "journal/file_journal.h"
#include "journal/journal.h"
#include "world/world.h"

namespace bessemer::engine {

using journal::Sequence;

struct Options {
  std::string journal_directory = "journal";
  std::string snapshot_directory = "snapshots";
  std::array<std::uint8_t, 16> mark{};  // 16 random bytes for a journal that is begun
  std::uint64_t segment_bytes = journal::Options{}.segment_bytes;
};

// What one command led to. `last` is what every answer to it depends on.
struct Written {
  Sequence first = 0, last = 0;  // equal to applied() and without events: it was done already
  std::vector<factory::Event> events;
  // Of lease::Borrow: see factory::Batch.
  lease::Outcome outcome = lease::Outcome::done;
  std::vector<lease::Lease> leases;
};

// Told of each fact as it is applied, before it is durable: whoever passes it on waits for that.
using Watcher = std::function<void(const factory::Fact&)>;

class Engine {
 public:
  // Opens the journal, replays it onto the newest snapshot and stands ready.
  // Errors: those of open_journal; invalid "journal_newer" for a fact this version does not know.
  static Result<std::unique_ptr<Engine>> open(world::Disk& disk, const Options& options);

  // Judges, appends and applies. A refusal changes nothing.
  // Errors: those of judge; exhausted "disk_full"; internal once the journal has failed.
  Result<Written> submit(const factory::Command& command, const Context& context,
                         const factory::IdempotencyNote& note = {});

  const factory::State& state() const { return state_; }
  // The last sequence that is applied: what an answer given now depends on.
  Sequence applied() const { return applied_; }
  Sequence durable() const { return journal_->durable(); }
  bool failed() const { return journal_->failed(); }
  journal::Journal& journal() { return *journal_; }

  // Calls `then` on the owner's thread once `sequence` is durable: at the next release(), or now
  // when it is already and nothing waits before it.
  void when_durable(Sequence sequence, std::function<void()> then);
  // Releases everything that waited for what is durable now. The owner calls it after a commit.
  void release();
  // Commits what is staged on this thread and releases; for tests, tools and the simulator.
  Result<void> commit_now();

  void watch(Watcher watcher) { watchers_.push_back(std::move(watcher)); }

 private:
  explicit Engine() = default;

  std::unique_ptr<journal::Journal> journal_;
  factory::State state_;
  Sequence applied_ = 0;
  struct Waiting {
    Sequence sequence = 0;
    std::function<void()> then;
  };
  std::deque<Waiting> waiting_;  // rising sequences
  std::vector<Watcher> watchers_;
};

// Folds the newest snapshot and the journal after it into a new snapshot. Runs beside a daemon, in
// a process of its own: it only reads what is durable. Errors: conflict (another process folds),
// those of the journal and the disk.
Result<Sequence> write_snapshot(world::Disk& disk, const Options& options);

}  // namespace bessemer::engine
