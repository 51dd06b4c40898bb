// The usage log's writer: records in, told when they are durable. One commit at a time, on its own
// thread; what comes meanwhile shares the next one. At once while there is little to do, and not
// more often than once a millisecond under load: a sync costs as much as a request.
#pragma once
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <thread>

#include "base/result.h"
#include "governance/metering/usage_log.h"
#include "journal/usage_log.h"
#include "world/real/loop.h"

namespace bessemer::gateway {

constexpr Duration commit_every = milliseconds(1);
constexpr Duration commits_ahead = milliseconds(8);

// The journal's type number of every usage record; what it is, its body says.
constexpr std::uint16_t usage_record_type = 1;

class LogWriter {
 public:
  // `failed` is told once, on the loop, when a commit has failed: nobody knows what the disk holds,
  // so nothing may be released any more and the process ends.
  LogWriter(real::Loop& loop, journal::UsageLog log, std::function<void(const Error&)> failed);
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;

  // Stages a group that becomes durable whole or not at all. Returns its last sequence. Errors:
  // exhausted (the disk is full), internal (failed).
  Result<journal::Sequence> append(std::span<const metering::LogRecord> records,
                                   journal::Purpose purpose);
  // Runs `work` on the loop once everything up to `sequence` is durable; at once when it is. Works
  // are dropped, not run, after a failure.
  void when_durable(journal::Sequence sequence, real::Work work);
  journal::Sequence durable() const { return durable_; }
  journal::Sequence appended() const { return log_.journal->appended(); }
  bool failed() const { return failed_; }
  const journal::UsageLog& log() const { return log_; }
  // Called on the loop after each commit.
  void on_progress(real::Work work) { progress_ = std::move(work); }

 private:
  void commit_soon();
  void hand_over();
  void committed(Result<journal::Head> head);
  void serve();

  real::Loop& loop_;
  journal::UsageLog log_;
  std::function<void(const Error&)> tell_failed_;
  real::Work progress_;
  std::multimap<journal::Sequence, real::Work> waiting_;
  journal::Sequence durable_ = 0;
  bool scheduled_ = false, in_flight_ = false, failed_ = false;
  Duration paid_until_;          // each commit costs a millisecond; a few may be had in advance
  real::Loop::Timer later_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for works that are still posted

  std::mutex mutex_;
  std::condition_variable handed_;
  std::optional<journal::Staged> staged_;  // handed to the thread
  bool stopping_ = false;
  std::jthread thread_;
};

}  // namespace bessemer::gateway
