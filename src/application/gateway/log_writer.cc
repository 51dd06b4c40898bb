// The usage log's writer: records in, told when they are durable.
#include "application/gateway/log_writer.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/codec.h"

namespace bessemer::gateway {

LogWriter::LogWriter(real::Loop& loop, journal::UsageLog log,
                     std::function<void(const Error&)> failed)
    : loop_(loop), log_(std::move(log)), tell_failed_(std::move(failed)),
      durable_(log_.journal->durable()) {
  thread_ = std::jthread([this] { serve(); });
}

LogWriter::~LogWriter() {
  *alive_ = false;
  loop_.cancel(later_);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  handed_.notify_one();
}

Result<journal::Sequence> LogWriter::append(std::span<const metering::LogRecord> records,
                                            journal::Purpose purpose) {
  if (failed_) return internal("the usage log has failed");
  std::vector<std::string> bodies;
  std::vector<journal::Record> group;
  bodies.reserve(records.size());
  for (const auto& record : records) {
    bodies.push_back(codec::encode(record));
    group.push_back({usage_record_type, bodies.back()});
  }
  TRY_ASSIGN(const auto sequence, log_.journal->append(group, purpose));
  commit_soon();
  return sequence;
}

void LogWriter::when_durable(journal::Sequence sequence, real::Work work) {
  if (sequence <= durable_) return work();
  waiting_.emplace(sequence, std::move(work));
}

// At the end of the loop's turn, so that all records of the turn share the commit.
void LogWriter::commit_soon() {
  if (scheduled_ || in_flight_) return;
  scheduled_ = true;
  loop_.later([this, alive = alive_] {
    if (*alive) hand_over();
  });
}

void LogWriter::hand_over() {
  scheduled_ = false;
  if (in_flight_ || failed_ || later_ != 0) return;
  const auto now = loop_.now();
  paid_until_ = std::max(paid_until_, now);
  if (paid_until_ - now > commits_ahead) {
    later_ = loop_.after(paid_until_ - now - commits_ahead, [this] {
      later_ = 0;
      hand_over();
    });
    return;
  }
  auto staged = log_.journal->take_staged();
  if (staged.empty()) return;
  paid_until_ = paid_until_ + commit_every;
  in_flight_ = true;
  {
    const std::lock_guard lock(mutex_);
    staged_ = std::move(staged);
  }
  handed_.notify_one();
}

void LogWriter::committed(Result<journal::Head> head) {
  in_flight_ = false;
  if (!head) {
    failed_ = true;
    waiting_.clear();
    return tell_failed_(head.error());
  }
  durable_ = head->sequence;
  hand_over();  // what came meanwhile
  const auto alive = alive_;
  while (!waiting_.empty() && waiting_.begin()->first <= durable_) {
    auto node = waiting_.extract(waiting_.begin());
    node.mapped()();
    if (!*alive) return;
  }
  if (progress_) progress_();
}

// The committing thread; once a second, when idle, it does the journal's slow work.
void LogWriter::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    handed_.wait_for(lock, std::chrono::seconds(1), [&] { return stopping_ || staged_; });
    if (staged_) {
      auto staged = std::move(*staged_);
      staged_.reset();
      lock.unlock();
      auto head = log_.journal->commit(std::move(staged));
      loop_.post([this, alive = alive_, head = std::move(head)]() mutable {
        if (*alive) committed(std::move(head));
      });
      lock.lock();
      continue;
    }
    if (stopping_) return;
    lock.unlock();
    // Its failures cost speed only: the next commit tells what matters.
    [[maybe_unused]] const auto more = log_.journal->maintain();
    lock.lock();
  }
}

}  // namespace bessemer::gateway
