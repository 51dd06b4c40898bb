// Reading what supervisors have written, now and after a restart.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "compute/executor/local/local.h"
#include "compute/executor/local/task_directory.h"

namespace bessemer::executor {
namespace {

constexpr std::uint64_t launcher_tag = 1, pending_tag = 2, again_tag = 3;
constexpr long again_ns = 20'000'000;  // until a supervisor that was not listening is asked again
constexpr std::size_t spool_piece = 1 << 20;

}  // namespace

std::vector<Report> LocalExecutor::poll() {
  std::array<epoll_event, 64> events{};
  int count = 0;
  do {
    count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
      const std::uint64_t tag = events[static_cast<std::size_t>(i)].data.u64;
      std::uint64_t drained = 0;
      if (tag == pending_tag) {
        (void)!::read(pending_.get(), &drained, sizeof drained);
      } else if (tag == launcher_tag) {
        drop_launcher();  // the next start makes another
      } else if (tag == again_tag) {
        (void)!::read(again_.get(), &drained, sizeof drained);
        reach_again();
      } else if (const auto at = tags_.find(tag); at != tags_.end()) {
        const auto known = known_.find(at->second);
        if (known == known_.end() || known->second.exited) {
          tags_.erase(at);
        } else {
          hear(known->first, known->second);
        }
      }
    }
  } while (count == static_cast<int>(events.size()));
  return std::exchange(reports_, {});
}

void LocalExecutor::hear(const TaskKey& key, Known& known) {
  Packet packet;
  Taken taken = Taken::packet;
  while ((taken = take_packet(known.control.get(), packet)) == Taken::packet) {
  }
  read_news(key, known);
  if (taken != Taken::closed || known.exited) return;
  // The supervisor is gone and left no exit record.
  known.control.reset();
  const auto records = read_records(known.directory.get());
  report_loss(key, known, records.last_heard().value_or(options_.clock->now()));
}

void LocalExecutor::tell(const TaskKey& key, Known& known, Instant at, Happening what) {
  if (reports_.empty()) {
    const std::uint64_t one = 1;
    (void)!::write(pending_.get(), &one, sizeof one);
  }
  reports_.push_back({key, at, known.spool_offset, std::move(what)});
}

void LocalExecutor::read_news(const TaskKey& key, Known& known) {
  const TaskRecords records = read_records(known.directory.get());
  if (!known.started && records.start && records.heartbeat) {
    known.started = true;
    tell(key, known, records.start->at,
         Started{records.start->missing_isolation, known.adopted});
  }
  read_spool(key, known);
  if (records.heartbeat && records.heartbeat->number > known.heartbeat) {
    known.heartbeat = records.heartbeat->number;
    Heartbeat beat{records.heartbeat->usage};
    measure_energy(known, beat.usage, false);
    tell(key, known, records.heartbeat->at, std::move(beat));
  }
  if (records.exit) report_exit(key, known, *records.exit);
}

void LocalExecutor::read_spool(const TaskKey& key, Known& known) {
  if (!known.spool) {
    known.spool = Fd(::openat(known.directory.get(), "spool", O_RDONLY | O_CLOEXEC));
    if (!known.spool) return;
  }
  std::string held;
  while (true) {
    struct stat about {};
    if (::fstat(known.spool.get(), &about) != 0) return;
    const auto size = static_cast<std::uint64_t>(about.st_size);
    if (size <= known.spool_offset) return;
    held.resize(std::min<std::uint64_t>(spool_piece, size - known.spool_offset));
    const ssize_t got = ::pread(known.spool.get(), held.data(), held.size(),
                                static_cast<off_t>(known.spool_offset));
    if (got <= 0) return;
    std::string_view left(held.data(), static_cast<std::size_t>(got));
    const std::size_t before = left.size();
    std::uint64_t offset = known.spool_offset;
    while (const auto bytes = wire::unframe(left)) {
      auto entry = codec::decode<wire::Entry>(*bytes);
      known.spool_offset = offset + (before - left.size());
      if (!entry) continue;
      std::visit([&](auto& mark) { tell(key, known, entry->at, std::move(mark)); }, entry->mark);
    }
    if (left.size() == before) return;  // the last frame is still being written
  }
}

void LocalExecutor::report_exit(const TaskKey& key, Known& known,
                                const wire::ExitRecord& record) {
  Exited exited = record.exited;
  measure_energy(known, exited.usage, known.adopted && known.heartbeat == 0);
  known.exited = true;
  known.control.reset();
  known.spool.reset();
  known.waiting.clear();
  tags_.erase(known.tag);
  tell(key, known, record.at, std::move(exited));
}

void LocalExecutor::report_loss(const TaskKey& key, Known& known, Instant last_heard) {
  const TaskRecords records = read_records(known.directory.get());
  Exited exited;
  exited.reason = ExitReason::lost;
  exited.ran = records.heartbeat.has_value();
  if (records.heartbeat) exited.usage = records.heartbeat->usage;
  exited.message = !records.start ? "its supervisor ended before it began: see supervisor.log"
                   : records.start->boot_id != boot_id_
                       ? "this machine was started anew"
                       : "its supervisor was killed: see supervisor.log";
  report_exit(key, known, {last_heard, std::move(exited)});
}

void LocalExecutor::measure_energy(Known& known, Usage& usage, bool late) {
  if (!known.energy) return;
  std::vector<std::string> uuids;
  for (const auto& [uuid, _] : *known.energy) uuids.push_back(uuid);
  const auto now = meter_.read(uuids);
  if (!now) return;
  usage.gpu_energy_millijoules = EnergyMeter::between(*known.energy, *now);
  usage.gpu_energy_estimated = late;
}

void LocalExecutor::adopt(std::span<const Expected> expected) {
  std::map<TaskKey, const Expected*> awaited;
  for (const auto& one : expected) awaited.emplace(one.key, &one);
  for (const TaskKey& key : list_tasks(options_.tasks_directory)) {
    if (known_.contains(key)) continue;
    const auto at = awaited.find(key);
    adopt_one(key, at == awaited.end() ? nullptr : at->second);
    awaited.erase(key);
  }
  for (const auto& [key, one] : awaited) {
    if (known_.contains(key)) continue;
    Known none;
    none.spool_offset = one->spool;
    Exited exited;
    exited.reason = ExitReason::lost;
    exited.ran = one->started;
    exited.message = "nothing of it is left on this machine";
    tell(key, none, one->last_heard, std::move(exited));
    none.exited = true;
    known_.emplace(key, std::move(none));
  }
}

void LocalExecutor::adopt_one(const TaskKey& key, const Expected* expected) {
  Known known;
  known.directory = Fd(::open(directory_of(key).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!known.directory) return;
  known.adopted = true;
  if (expected != nullptr) {
    known.spool_offset = expected->spool;
    known.last_heard = expected->last_heard;
  }
  known.energy = read_energy(known.directory.get());
  reach(key, known_.emplace(key, std::move(known)).first->second);
}

void LocalExecutor::reach(const TaskKey& key, Known& known) {
  const int directory = known.directory.get();
  const Fd lock(::openat(directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock || ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) {
    // No supervisor lives. While we hold its lock none can begin, and then it must not.
    fence_records(directory);
    read_news(key, known);
    if (known.exited) return;
    const Instant fallback = known.last_heard.ns != 0 ? known.last_heard : options_.clock->now();
    report_loss(key, known, read_records(directory).last_heard().value_or(fallback));
    return;
  }
  auto control = connect_at(directory, "control", SOCK_SEQPACKET | SOCK_NONBLOCK);
  if (!control) {  // it is beginning or ending this very moment
    unreached_.push_back(key);
    const itimerspec soon{{}, {0, again_ns}};
    ::timerfd_settime(again_.get(), 0, &soon, nullptr);
    return;
  }
  known.control = std::move(*control);
  attend(key, known);
  (void)send(known, wire::Subscribe{});
  for (const auto& request : std::exchange(known.waiting, {})) (void)send(known, request);
  read_news(key, known);
}

void LocalExecutor::reach_again() {
  for (const TaskKey& key : std::exchange(unreached_, {})) {
    const auto at = known_.find(key);
    if (at != known_.end() && !at->second.exited) reach(key, at->second);
  }
}

}  // namespace bessemer::executor
