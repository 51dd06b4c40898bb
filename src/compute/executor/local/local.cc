// Starting, steering and forgetting tasks on this machine.
#include "compute/executor/local/local.h"

#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "compute/executor/local/task_directory.h"

extern char** environ;

namespace bessemer::executor {
namespace {

constexpr std::uint64_t launcher_tag = 1, pending_tag = 2, again_tag = 3;
constexpr int launcher_wait_s = 10;

// A memory file with the secrets: they never touch a disk, an argument list or an environment.
Result<Fd> secrets_file(const std::vector<TaskSecret>& secrets) {
  std::vector<wire::Granted> granted;
  for (const auto& secret : secrets) {
    granted.push_back({secret.name, std::string(secret.value.reveal())});
  }
  std::string bytes = codec::encode(granted);
  Fd file(::memfd_create("secrets", MFD_CLOEXEC));
  const bool written = file && ::write(file.get(), bytes.data(), bytes.size()) ==
                                   static_cast<ssize_t>(bytes.size());
  ::explicit_bzero(bytes.data(), bytes.size());
  for (auto& one : granted) ::explicit_bzero(one.value.data(), one.value.size());
  if (!written) return os_error("handing over the secrets");
  return file;
}

// Packet replies beyond what the caller waits for are not expected on these connections.
std::optional<wire::Reply> take_reply(int connection, Packet& packet, bool& closed) {
  const Taken taken = take_packet(connection, packet);
  closed = taken == Taken::closed;
  if (taken != Taken::packet) return std::nullopt;
  auto reply = codec::decode<wire::Reply>(packet.bytes);
  if (!reply) return std::nullopt;
  return std::move(*reply);
}

}  // namespace

Result<Launcher> start_launcher(const LocalOptions& options) {
  TRY_ASSIGN(auto pair, packet_pair());
  const timeval patience{launcher_wait_s, 0};
  ::setsockopt(pair.first.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const Fd high(::fcntl(pair.second.get(), F_DUPFD_CLOEXEC, 20));
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, high.get(), 3);
  std::vector<std::string> words = {"bessemer-supervisor", "launch"};
  words.insert(words.end(), options.launcher_options.begin(), options.launcher_options.end());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = -1;
  const int failed = ::posix_spawn(&pid, options.supervisor.c_str(), &actions, nullptr,
                                   argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    errno = failed;
    return unavailable(os_error("starting " + options.supervisor).what);
  }
  return Launcher{std::move(pair.first), pid};
}

LocalExecutor::LocalExecutor(LocalOptions options, Launcher launcher)
    : options_(std::move(options)), own_launcher_(!launcher.socket), launcher_(std::move(launcher)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)), pending_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      again_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
  check(options_.clock != nullptr && epoll_ && pending_ && again_);
  watch(pending_.get(), pending_tag);
  watch(again_.get(), again_tag);
}

LocalExecutor::~LocalExecutor() { drop_launcher(); }

// It ends at once when its socket closes; its tasks do not.
void LocalExecutor::drop_launcher() {
  launcher_.socket.reset();
  if (launcher_.pid > 0) ::waitpid(launcher_.pid, nullptr, 0);
  launcher_.pid = -1;
}

Result<std::unique_ptr<LocalExecutor>> LocalExecutor::open(LocalOptions options,
                                                              Launcher launcher) {
  if (!options.tasks_directory.starts_with('/')) {
    return invalid("must be an absolute path").at("tasks_directory");
  }
  if (::mkdir(options.tasks_directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return os_error("making " + options.tasks_directory);
  }
  std::unique_ptr<LocalExecutor> made(new LocalExecutor(std::move(options), std::move(launcher)));
  TRY(made->greet_launcher());
  if (auto nvml = Nvml::open()) {
    auto devices = (*nvml)->devices();
    if (devices) {
      for (auto& device : *devices) made->gpus_.emplace(device.uuid, device);
    }
  }
  return made;
}

Result<void> LocalExecutor::greet_launcher() {
  if (!launcher_.socket) {
    if (!own_launcher_) {
      return unavailable("the launcher ended, and only root can start another")
          .fix("restart the daemon");
    }
    TRY_ASSIGN(launcher_, start_launcher(options_));
  }
  Packet packet;
  if (take_packet(launcher_.socket.get(), packet) != Taken::packet) {
    drop_launcher();
    return unavailable(options_.supervisor + " did not answer as a launcher");
  }
  TRY_ASSIGN(const wire::Site site, codec::decode<wire::Site>(packet.bytes));
  capabilities_.privileged = site.privileged;
  capabilities_.missing = site.missing;
  capabilities_.limits = site.limits == wire::Limits::none ? "none"
                         : site.limits == wire::Limits::v2 ? "cgroup v2"
                                                           : "cgroup v1 + v2 kill";
  boot_id_ = site.boot_id;
  watch(launcher_.socket.get(), launcher_tag);
  return {};
}

void LocalExecutor::watch(int fd, std::uint64_t tag) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP;
  event.data.u64 = tag;
  check(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0, "watching a descriptor");
}

std::string LocalExecutor::directory_of(const TaskKey& key) const {
  return options_.tasks_directory + "/" + to_text(key.task) + "/" +
         std::to_string(key.generation);
}

// The caller names a device by its uuid; which node that is, is this machine's business.
Result<void> LocalExecutor::locate(std::vector<Device>& devices) const {
  for (auto& device : devices) {
    if (device.simulated) continue;
    const auto found = gpus_.find(device.uuid);
    if (found == gpus_.end()) {
      return invalid("no GPU '" + device.uuid + "' on this machine").at("resources.gpus");
    }
    device.index = found->second.index;
    device.minor = found->second.minor;
  }
  return {};
}

Result<void> LocalExecutor::start(const TaskSpec& asked, std::vector<TaskSecret> secrets) {
  TaskSpec spec = asked;
  TRY(check_spec(spec, secrets));
  TRY(locate(spec.resources.gpus));
  if (known_.contains(spec.key)) return {};
  const auto later = known_.upper_bound(spec.key);
  if (later != known_.end() && later->first.task == spec.key.task) {
    return conflict("a newer generation of this task is known").because("stale_generation");
  }
  for (auto at = known_.lower_bound({spec.key.task, 0});
       at != known_.end() && at->first.task == spec.key.task; ++at) {
    if (!at->second.exited) {
      return conflict("another generation of this task still runs")
          .because("generation_running").fix("stop it and wait for its end");
    }
  }
  if (spec.isolation == Isolation::strict && !capabilities_.missing.empty()) {
    return forbidden("strict isolation is not to be had here: " +
                       join(capabilities_.missing, "; "))
        .at("isolation").because("isolation_missing")
        .fix("give the machine what is missing, or allow isolation: relaxed");
  }
  if (spec.network == Network::egress) {
    return invalid("this executor gives tasks loopback only").at("network")
        .because("isolation_missing").fix("use network: none, and declare data as inputs");
  }
  TRY_ASSIGN(const std::uint64_t newest, newest_generation(options_.tasks_directory,
                                                           spec.key.task));
  if (newest >= spec.key.generation) {
    return conflict("generation " + std::to_string(newest) + " was already started")
        .because("stale_generation");
  }
  if (!launcher_.socket) TRY(greet_launcher());
  Known known;
  TRY_ASSIGN(known.directory, make_task_directory(options_.tasks_directory, spec.key));
  TRY(write_whole(known.directory.get(), "spec", codec::encode(spec)));
  TRY(send_launch(spec, secrets, known));
  attend(spec.key, known);
  known_.emplace(spec.key, std::move(known));
  return {};
}

void LocalExecutor::attend(const TaskKey& key, Known& known) {
  known.tag = next_tag_++;
  watch(known.control.get(), known.tag);
  tags_.emplace(known.tag, key);
}

Result<void> LocalExecutor::send_launch(const TaskSpec& spec,
                                        const std::vector<TaskSecret>& secrets, Known& known) {
  TRY_ASSIGN(auto control, packet_pair());
  wire::Launch launch;
  launch.title = to_text(spec.key.task) + "/" + std::to_string(spec.key.generation);
  launch.uid = spec.uid;
  if (spec.rank && spec.rank->world_size > 1) {
    launch.gang = to_text(spec.workload) + "/" + std::to_string(spec.key.generation);
  }
  std::vector<int> fds = {known.directory.get(), control.second.get()};
  Fd file;
  if (!secrets.empty()) {
    TRY_ASSIGN(file, secrets_file(secrets));
    fds.push_back(file.get());
  }
  auto sent = send_packet(launcher_.socket.get(), codec::encode(launch), fds);
  if (!sent) {
    drop_launcher();
    return unavailable("the launcher went away").retried(Retry::now);
  }
  known.control = std::move(control.first);
  ::fcntl(known.control.get(), F_SETFL, O_NONBLOCK);
  std::vector<std::string> uuids;
  for (const auto& device : spec.resources.gpus) {
    if (!device.simulated) uuids.push_back(device.uuid);
  }
  known.energy = meter_.read(uuids);
  if (known.energy) {
    TRY(write_whole(known.directory.get(), "energy", to_text(*known.energy)));
  }
  return {};
}

Result<LocalExecutor::Known*> LocalExecutor::find(const TaskKey& key) {
  const auto at = known_.find(key);
  const auto later = known_.upper_bound(key);
  if (later != known_.end() && later->first.task == key.task) {
    return conflict("a newer generation of this task is known").because("stale_generation");
  }
  if (at == known_.end() || at->second.exited) return not_found("no such task runs here");
  return &at->second;
}

Result<void> LocalExecutor::send(Known& known, const wire::Request& request) {
  if (!known.control) {
    known.waiting.push_back(request);
    return {};
  }
  auto sent = send_packet(known.control.get(), codec::encode(request));
  if (!sent) return unavailable("its supervisor does not listen").retried(Retry::later);
  return {};
}

Result<void> LocalExecutor::stop(const TaskKey& key, std::string why, Duration grace) {
  TRY_ASSIGN(Known* const known, find(key));
  why.resize(std::min(why.size(), limits::message_bytes));
  return send(*known, wire::Stop{std::move(why), grace});
}

Result<void> LocalExecutor::renew(const TaskKey& key, Instant paid_until,
                                  AtUnpaid at_unpaid) {
  TRY_ASSIGN(Known* const known, find(key));
  return send(*known, wire::Renew{paid_until, at_unpaid});
}

Result<void> LocalExecutor::forget(const TaskKey& key) {
  const auto at = known_.find(key);
  if (at != known_.end()) {
    if (!at->second.exited) return conflict("it still runs").fix("stop it first");
    known_.erase(at);
  }
  return remove_task_directory(options_.tasks_directory, key);
}

Result<Fd> LocalExecutor::command(const TaskKey& key, const wire::Execute& what,
                                  std::span<const int> standard) {
  TRY_ASSIGN(Known* const known, find(key));
  TRY_ASSIGN(Fd connection, connect_at(known->directory.get(), "control",
                                       SOCK_SEQPACKET | SOCK_NONBLOCK));
  TRY(send_packet(connection.get(), codec::encode(wire::Request(what)), standard));
  return connection;
}

std::optional<CommandNews> LocalExecutor::take_command(int connection) {
  Packet packet;
  CommandNews news;
  const auto reply = take_reply(connection, packet, news.closed);
  if (news.closed) return news;
  if (!reply) return std::nullopt;
  if (const auto* answer = std::get_if<wire::Answer>(&*reply)) {
    news.answered = true;
    news.refused = answer->refused;
    if (!packet.fds.empty()) news.terminal = std::move(packet.fds[0]);
  } else if (const auto* ended = std::get_if<wire::CommandEnded>(&*reply)) {
    news.exit_code = ended->exit_code;
  }
  return news;
}

Result<Fd> LocalExecutor::connect(const TaskKey& key, std::uint16_t port) {
  TRY_ASSIGN(Known* const known, find(key));
  TRY_ASSIGN(Fd connection, connect_at(known->directory.get(), "control",
                                       SOCK_SEQPACKET | SOCK_NONBLOCK));
  TRY(send_packet(connection.get(), codec::encode(wire::Request(wire::Connect{port}))));
  return connection;
}

Result<Fd> LocalExecutor::take_connection(int connection) {
  Packet packet;
  bool closed = false;
  const auto reply = take_reply(connection, packet, closed);
  if (closed) return unavailable("the task went away");
  if (!reply) return unavailable("no answer yet").retried(Retry::now);
  const auto* answer = std::get_if<wire::Answer>(&*reply);
  if (answer == nullptr || packet.fds.size() != 1) {
    return unavailable(answer == nullptr ? "an unexpected answer" : answer->refused);
  }
  return std::move(packet.fds[0]);
}

}  // namespace bessemer::executor
