// Durable slots and the spool.
#include "compute/executor/supervisor/records.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/check.h"
#include "compute/executor/supervisor/files.h"

namespace bessemer::executor {

Result<Records> Records::begin(int directory, const wire::StartRecord& start) {
  Records made;
  made.directory_ = directory;
  made.file_ = open_own(directory, "records", O_RDWR | O_EXCL);
  if (!made.file_) return os_error("creating the records");
  std::string bytes = wire::frame(codec::encode(start));
  check(bytes.size() <= wire::slot_heartbeat);
  bytes.resize(wire::records_bytes);
  if (::pwrite(made.file_.get(), bytes.data(), bytes.size(), 0) !=
      static_cast<ssize_t>(bytes.size())) {
    return os_error("writing the start record");
  }
  return made;
}

// Whatever is synced for the first time is synced with the directories that lead to it.
Result<void> Records::sync(const Fd& file) {
  if (::fdatasync(file.get()) != 0) return os_error("syncing the task's records");
  if (reachable_) return {};
  for (const char* above : {".", "..", "../.."}) {
    const Fd opened(::openat(directory_, above, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!opened || ::fsync(opened.get()) != 0) return os_error("syncing the task's directory");
  }
  reachable_ = true;
  return {};
}

Result<void> Records::put(std::size_t slot, std::size_t room, std::string_view bytes) {
  const std::string framed = wire::frame(bytes);
  check(framed.size() <= room, "a record does not fit its slot");
  if (::pwrite(file_.get(), framed.data(), framed.size(), static_cast<off_t>(slot)) !=
      static_cast<ssize_t>(framed.size())) {
    return os_error("writing a record");
  }
  return {};
}

Result<void> Records::heartbeat(const wire::HeartbeatRecord& record, bool synced) {
  const std::size_t slot =
      wire::slot_heartbeat + (record.number % 2) * wire::slot_heartbeat_bytes;
  TRY(put(slot, wire::slot_heartbeat_bytes, codec::encode(record)));
  if (!synced) return {};
  TRY(sync(file_));
  return sync_spool();
}

Result<void> Records::exit(const wire::ExitRecord& record) {
  TRY(sync_spool());
  TRY(put(wire::slot_exit, wire::records_bytes - wire::slot_exit, codec::encode(record)));
  return sync(file_);
}

void Records::mark(const wire::Entry& entry) {
  if (full()) return;
  if (!spool_) {
    spool_ = open_own(directory_, "spool", O_WRONLY | O_APPEND);
    reachable_ = false;
  }
  const std::string framed = wire::frame(codec::encode(entry));
  if (!spool_ || ::write(spool_.get(), framed.data(), framed.size()) !=
                     static_cast<ssize_t>(framed.size())) {
    return;  // a full disk: the marks are lost, the task goes on
  }
  spool_bytes_ += framed.size();
}

Result<void> Records::sync_spool() {
  return spool_ ? sync(spool_) : Result<void>{};
}

}  // namespace bessemer::executor
