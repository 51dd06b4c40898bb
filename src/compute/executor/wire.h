// What daemon, launcher, supervisor and a task's first process say to each other, and what the
// supervisor leaves on disk. Binary form: base/codec.h. Both ends are always of one build.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/codec.h"
#include "base/describe.h"
#include "compute/executor/executor.h"

namespace bessemer::executor::wire {

// ---- files in tasks/<task>/<generation>/
//
// spec        TaskSpec, written by the daemon
// records     8 KiB of slots, each {u32 length, u32 CRC-32C, bytes}; length 0 = not written
// spool       frames {u32 length, u32 CRC-32C, Entry}, appended by the supervisor
// lock        held by the supervisor as long as it lives
// control     SOCK_SEQPACKET: Request -> Answer
// service     SOCK_SEQPACKET: any packet -> "" with a connected socket, or the reason without
// stdout.<offset>, stderr.<offset>   pieces of the logs: see local/logs.h

constexpr std::size_t slot_start = 0, slot_heartbeat = 2048, slot_exit = 4096;
constexpr std::size_t slot_heartbeat_bytes = 512;  // two of them, written in turn
constexpr std::size_t records_bytes = 8192;

struct StartRecord {
  TaskKey key;
  Instant at;
  std::string boot_id;
  std::uint32_t supervisor_pid = 0;
  std::vector<std::string> missing_isolation;
};
DESCRIBE(StartRecord, key, at, boot_id, supervisor_pid, missing_isolation)

// The first is written when the task runs, unsynced; then one every 10 s, durably.
struct HeartbeatRecord {
  Instant at;
  std::uint64_t number = 0;
  Usage usage;
};
DESCRIBE(HeartbeatRecord, at, number, usage)

struct ExitRecord {
  Instant at;
  Exited exited;
};
DESCRIBE(ExitRecord, at, exited)

using Mark = std::variant<Metrics, Checkpoint, Progress, Health, Notice>;
struct Entry {
  Instant at;
  Mark mark;
};
DESCRIBE(Entry, at, mark)

// {u32 length, u32 CRC-32C, bytes}
std::string frame(std::string_view bytes);
// Takes one whole frame from the front. Nothing: it is cut short (so far) or damaged.
std::optional<std::string_view> unframe(std::string_view& from);

// ---- the machine, as the launcher found it

enum class Limits : std::uint8_t { none, v2, hybrid };
DESCRIBE_ENUM(Limits, none, v2, hybrid)

// What the launcher found out once and hands to each supervisor.
struct Site {
  bool privileged = false;
  bool namespaces = false;   // mount, pid, ipc, uts, network (through a user namespace if need be)
  bool own_proc = false;     // may mount /proc for the new pid namespace
  bool devices = false;      // a device cgroup can be had
  Limits limits = Limits::none;
  // Directories to make a task's cgroups in. v2: only `unified`.
  std::string cpu, memory, pids, device, unified;
  std::string boot_id;
  std::vector<std::string> missing;
  // What of the host every task sees, read-only; and links at the root, as {name, target}.
  std::vector<std::string> host_trees;
  std::vector<std::pair<std::string, std::string>> root_links;
  bool id_maps = true;  // mounts may map owners, where their file system can
};
DESCRIBE(Site, privileged, namespaces, own_proc, devices, limits, cpu, memory, pids, device,
         unified, boot_id, missing, host_trees, root_links, id_maps)

// ---- daemon -> launcher; with the task's directory, the supervisor's end of its control socket
// and the secrets as a memory file

struct Launch {
  std::string title;  // for the process list
  std::uint32_t uid = 0;
  std::string gang;   // not empty: all of this name get one network
};
DESCRIBE(Launch, title, uid, gang)

// In the memory file: never on a disk.
struct Granted {
  std::string name, value;
};
DESCRIBE(Granted, name, value)

// ---- daemon -> supervisor

struct Stop {
  std::string why;
  Duration grace;
};
DESCRIBE(Stop, why, grace)

struct Renew {
  Instant paid_until;
  AtUnpaid at_unpaid = AtUnpaid::stop;
};
DESCRIBE(Renew, paid_until, at_unpaid)

// Asks for a Nudge whenever there is something new in the task's directory.
struct Subscribe {
  std::uint8_t unused = 0;
};
DESCRIBE(Subscribe, unused)

// Instead of a command: a tree of files on the command's standard output, or taken from its
// standard input, in the form of base/tree_stream.h.
enum class Copy : std::uint8_t { none, out, in };
DESCRIBE_ENUM(Copy, none, out, in)

// Runs a command in the task: with stdin, stdout, stderr as descriptors, or, with a terminal,
// none. The connection is its life line: closing it kills the command.
struct Execute {
  std::vector<std::string> argv;
  std::string working_directory;
  bool terminal = false;
  std::uint16_t rows = 24, columns = 80;
  Copy copy = Copy::none;
  std::string path;  // of the copy, inside the sandbox
};
DESCRIBE(Execute, argv, working_directory, terminal, rows, columns, copy, path)

// A socket connected to 127.0.0.1:port inside the task.
struct Connect {
  std::uint16_t port = 0;
};
DESCRIBE(Connect, port)

using Request = std::variant<Stop, Renew, Subscribe, Execute, Connect>;

// ---- supervisor -> daemon

struct Nudge {
  std::uint8_t unused = 0;
};
DESCRIBE(Nudge, unused)

// `refused` empty: done. After Execute with a terminal and after Connect, with a descriptor.
struct Answer {
  std::string refused;
};
DESCRIBE(Answer, refused)

struct CommandEnded {
  std::int32_t exit_code = 0;  // 128 + signal where a signal ended it
};
DESCRIBE(CommandEnded, exit_code)

using Reply = std::variant<Nudge, Answer, CommandEnded>;

// ---- supervisor -> the task's first process (its init)

struct Go {
  std::uint8_t unused = 0;
};
DESCRIBE(Go, unused)

struct Signal {
  std::int32_t number = 0;
};
DESCRIBE(Signal, number)

struct InnerExecute {
  std::uint64_t id = 0;
  Execute execute;
};
DESCRIBE(InnerExecute, id, execute)

struct InnerKill {
  std::uint64_t id = 0;
};
DESCRIBE(InnerKill, id)

struct InnerConnect {
  std::uint64_t id = 0;
  std::uint16_t port = 0;
};
DESCRIBE(InnerConnect, id, port)

using Order = std::variant<Go, Signal, InnerExecute, InnerKill, InnerConnect>;

// ---- init -> supervisor

// The sandbox stands; with the task's socket and its metrics file.
struct Ready {
  std::uint8_t unused = 0;
};
DESCRIBE(Ready, unused)

struct Running {
  std::uint8_t unused = 0;
};
DESCRIBE(Running, unused)

struct Failed {
  std::string message;
  bool permanent = false;
};
DESCRIBE(Failed, message, permanent)

struct Ended {
  std::int32_t status = 0;  // as of waitpid
};
DESCRIBE(Ended, status)

struct InnerAnswer {
  std::uint64_t id = 0;
  std::string refused;
};
DESCRIBE(InnerAnswer, id, refused)

struct InnerEnded {
  std::uint64_t id = 0;
  std::int32_t status = 0;
};
DESCRIBE(InnerEnded, id, status)

using News = std::variant<Ready, Running, Failed, Ended, InnerAnswer, InnerEnded>;

}  // namespace bessemer::executor::wire
