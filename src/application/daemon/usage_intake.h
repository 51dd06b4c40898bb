// Usage logs as gateways ship them: stored, folded, and counted as facts.
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "application/daemon/worker.h"
#include "application/engine/engine.h"
#include "journal/usage_log.h"
#include "world/world.h"

namespace bessemer::daemon {

constexpr std::size_t max_waiting_ranges = 16;  // of one log; its gateway ships one at a time

// Ranges are stored (usage_ranges.h) before they are counted, so that the fold can be made again
// after a restart. The disk and the fold are a thread's; the facts are the loop's. Everything here
// is called on the loop's thread.
class UsageIntake {
 public:
  // How a request with a hold ended, as its gateway's log says.
  enum class End : std::uint8_t { charged, nothing };
  using Ended = std::function<void(RequestId, End)>;

  UsageIntake(engine::Engine& engine, world::Disk& disk, const world::Clock& clock,
              real::Loop& loop, Ended ended)
      : engine_(engine), disk_(disk), clock_(clock), ended_(std::move(ended)), worker_(loop) {}

  // Takes a range: checks its chain, stores, rates, charges. `taken` gets the offset up to which
  // the log is counted then, and the fact on which that rests: acknowledge once it is durable. A
  // repeated range changes nothing. Errors: invalid (a gap, damage), not_found (an epoch never
  // opened), exhausted (too many ranges wait), the disk's.
  struct Taken {
    journal::Sequence offset = 0;
    journal::Sequence written = 0;
  };
  void take(GatewayId gateway, std::uint64_t epoch, std::string batches,
            std::function<void(Result<Taken>)> taken);
  // Whether everything counted of that log has been read since the start: all that ended is told.
  bool has_read(GatewayId gateway, std::uint64_t epoch) const;
  // A closed epoch's range is not needed any more.
  void forget(GatewayId gateway, std::uint64_t epoch);

 private:
  struct Range {
    std::string batches;
    std::function<void(Result<Taken>)> taken;
  };
  // One log as it is stored. The thread's while a range is under way, else the loop's.
  struct Intake {
    metering::Log log;   // folded up to `head`
    journal::Head head;
    std::unique_ptr<world::File> file;
    std::uint64_t end = 0;  // of the file
  };
  // What a range holds beyond what was counted.
  struct Counted {
    metering::UsageSums sums;
    std::vector<std::pair<RequestId, End>> ended;
  };
  struct Line {
    std::shared_ptr<Intake> intake;
    std::deque<Range> waiting;
    bool busy = false;
    bool read = false;
  };
  static Result<void> open(world::Disk& disk, const lease::EpochKey& key,
                           journal::Sequence reported, Intake& intake, Counted& before);
  static Result<void> fold(Intake& intake, std::string_view batches, journal::Sequence counted,
                           Counted& into);
  static Result<Counted> store(world::Disk& disk, const lease::EpochKey& key,
                               journal::Sequence reported, std::string_view batches,
                               Intake& intake);
  void next(const lease::EpochKey& key);
  Result<Taken> count(const lease::EpochKey& key, Intake& intake, Result<Counted> counted);

  engine::Engine& engine_;
  world::Disk& disk_;
  const world::Clock& clock_;
  Ended ended_;
  std::map<lease::EpochKey, Line> lines_;
  Worker worker_;  // last: it ends first
};

}  // namespace bessemer::daemon
