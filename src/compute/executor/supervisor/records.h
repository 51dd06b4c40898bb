// What a supervisor leaves on disk so that the daemon may die and find out later.
#pragma once
#include <cstdint>
#include <string>

#include "compute/executor/channel.h"
#include "compute/executor/wire.h"

namespace bessemer::executor {

// The records file: start, two alternating heartbeats, exit. And the spool of marks.
class Records {
 public:
  // Makes the file with the start in it. Nothing of it need be durable: what a crash of the machine
  // takes away is a task that has ended with the machine, as the daemon finds out by its absence.
  // `directory` must outlive this. Errors: conflict (there is one), exhausted, internal.
  static Result<Records> begin(int directory, const wire::StartRecord& start);

  // Durable only when `synced`.
  Result<void> heartbeat(const wire::HeartbeatRecord& record, bool synced);
  // Durable once this returns, and with it the whole spool.
  Result<void> exit(const wire::ExitRecord& record);
  // Adds to the spool; beyond its limit marks are dropped and `full()` is true.
  void mark(const wire::Entry& entry);
  Result<void> sync_spool();
  bool full() const { return spool_bytes_ >= limits::spool_bytes; }

 private:
  Result<void> sync(const Fd& file);
  Result<void> put(std::size_t slot, std::size_t room, std::string_view bytes);

  int directory_ = -1;
  Fd file_, spool_;
  std::uint64_t spool_bytes_ = 0;
  bool reachable_ = false;  // the files' names are durable
};

}  // namespace bessemer::executor
