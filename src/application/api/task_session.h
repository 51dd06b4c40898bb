// Clients inside running tasks: an upgraded connection on one side, a passage on the other.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "application/api/call.h"
#include "application/api/passage.h"
#include "application/server/server.h"
#include "compute/executor/executor.h"

namespace bessemer::api {

constexpr std::size_t max_task_sessions = 256;        // of all
constexpr std::size_t max_tenant_task_sessions = 64;  // inside the tasks of one tenant
constexpr std::size_t max_key_task_sessions = 32;     // begun with one key

// What a caller wants of which task. A port, or else a command.
struct TaskWish {
  OrgId project;       // of the job
  executor::TaskKey key;
  std::string target;  // the job and the task's rank, for the audit log
  std::string action;  // "exec", "copy_out", "copy_in", "port_forward"
  std::string detail;  // the command line, the path or the port, for the audit log
  executor::wire::Execute command;
  std::uint16_t port = 0;
  std::string from;    // the caller's network; filled in by begin()
};

// Every session that is open. A session ends when its client goes, when the command does, when the
// task does, and when its caller may no longer do this: a key expires or is revoked, a role ends.
class TaskSessions {
 public:
  explicit TaskSessions(Services& services);
  ~TaskSessions();

  // Records the access, and once that is durable answers 101 and begins. Requires: permitted.
  // Errors: exhausted (one of the limits above; a journal that takes no record).
  Result<void> begin(const Call& call, TaskWish wish, const server::Responder& responder);
  // Once a second: ends those whose caller may no longer be there.
  void tick();
  std::size_t open() const { return sessions_.size(); }

 private:
  class Session;
  // Whether one more may begin. Errors: exhausted, naming the limit.
  Result<void> room_for(const access::Caller& caller, OrgId project) const;
  void ended(std::uint64_t number);
  Result<void> record(const access::Caller& caller, const TaskWish& wish,
                      std::string_view action, const std::string& detail);

  Services& services_;
  std::map<std::uint64_t, std::unique_ptr<Session>> sessions_;
  std::uint64_t last_ = 0;
};

}  // namespace bessemer::api
