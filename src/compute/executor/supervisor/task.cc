// A task's beginning and what happens while it runs.
#include "compute/executor/supervisor/task.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "base/check.h"
#include "compute/executor/supervisor/files.h"
#include "compute/executor/supervisor/init.h"
#include "compute/executor/supervisor/mounts.h"
#include "compute/executor/supervisor/sandbox.h"
#include "compute/executor/supervisor/storage.h"

namespace bessemer::executor {
namespace {

constexpr Duration heartbeat_interval = seconds(10);
constexpr Duration storage_interval = seconds(1);

constexpr std::uint64_t namespace_flags =
    CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET;

// Leaves the copy that becomes the init with nothing but what it needs.
void close_all_but(std::vector<int> kept) {
  std::sort(kept.begin(), kept.end());
  unsigned from = 3;
  for (const int fd : kept) {
    if (fd < 3) continue;
    const auto here = static_cast<unsigned>(fd);
    if (here > from) ::syscall(__NR_close_range, from, here - 1, 0u);
    from = here + 1;
  }
  ::syscall(__NR_close_range, from, UINT_MAX, 0u);
}

std::string path_of(int directory) {
  char path[PATH_MAX] = {};
  const std::string link = "/proc/self/fd/" + std::to_string(directory);
  return ::readlink(link.c_str(), path, sizeof path - 1) > 0 ? path : std::string{};
}

// "30m", "90s", "1500ms". (base/time.h would bring a formatting library along.)
std::string spelled(Duration span) {
  const std::int64_t ms = span.ns / 1'000'000;
  if (ms % 60'000 == 0) return std::to_string(ms / 60'000) + "m";
  return ms % 1'000 == 0 ? std::to_string(ms / 1'000) + "s" : std::to_string(ms) + "ms";
}

Result<std::pair<Fd, Fd>> make_pipe() {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return os_error("making a pipe");
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return std::pair<Fd, Fd>{Fd(ends[0]), Fd(ends[1])};
}

}  // namespace

std::vector<std::string> missing_for(const TaskSpec& spec, const wire::Site& site) {
  std::vector<std::string> out = site.missing;
  if (spec.network == Network::egress) {
    out.push_back("no egress: this executor gives tasks loopback only");
  }
  return out;
}

Task::Task(Fd directory, wire::Site site, TaskSpec spec, std::vector<wire::Granted> secrets,
           Fd ids, Fd network)
    : directory_(std::move(directory)), site_(std::move(site)), spec_(std::move(spec)),
      secrets_(std::move(secrets)), ids_(std::move(ids)), network_(std::move(network)),
      sandbox_(site_.namespaces),
      missing_(missing_for(spec_, site_)),
      voice_(loop_, {.heard = [this](wire::Mark said) {
                       told_at_ = since_boot();
                       mark(std::move(said));
                     },
                     .durable = [this] { return records_->sync_spool().has_value(); }}),
      doors_(loop_, {.stop = [this](const wire::Stop& asked) {
                       stop(ExitReason::stopped, asked.why, asked.grace);
                     },
                     .renew = [this](const wire::Renew& paid) { renew(paid); },
                     .order = [this](const wire::Order& what, std::span<const int> fds) {
                       return running_ ? order(what, fds)
                                       : Result<void>(unavailable("the task does not run yet"));
                     }}) {}

Result<void> Task::begin(Fd control) {
  doors_.admit(std::move(control));
  if (!missing_.empty() && spec_.isolation == Isolation::strict) {
    std::string all;
    for (const auto& one : missing_) all += (all.empty() ? "" : "; ") + one;
    return forbidden("strict isolation is not to be had here: " + all);
  }
  const bool gang = spec_.rank && spec_.rank->world_size > 1;
  if (gang && sandbox_ && !network_) {
    return unavailable("a gang on one machine needs a network that its tasks share, which only a "
                       "daemon started as root can make");
  }
  if (spec_.network == Network::egress) return invalid(missing_.back()).at("network");
  if (site_.privileged && spec_.uid == 0) return invalid("must not be root").at("uid");
  TRY(prepare_outputs());
  TRY(decide_ownership());
  TRY_ASSIGN(cgroup_, Cgroup::create(site_, to_text(spec_.key.task) + "." +
                                                std::to_string(spec_.key.generation),
                                     spec_.resources, task_devices(spec_.resources)));
  TRY(launch_init());
  // The init builds the sandbox while the start becomes durable.
  wire::StartRecord start;
  start.key = spec_.key;
  start.at = wall_now();
  start.boot_id = site_.boot_id;
  start.supervisor_pid = static_cast<std::uint32_t>(::getpid());
  std::size_t room = 1200;
  for (const auto& one : missing_) {
    if (one.size() + 8 > room) break;
    room -= one.size() + 8;
    start.missing_isolation.push_back(one);
  }
  TRY_ASSIGN(records_, Records::begin(directory_.get(), start));
  TRY(doors_.open(directory_.get(), spec_.service_port.value_or(0)));
  return {};
}

Result<void> Task::prepare_outputs() {
  if (spec_.outputs.empty()) return {};
  const Fd outputs(::open(spec_.outputs.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat about {};
  if (!outputs || ::fstat(outputs.get(), &about) != 0) return os_error("opening the outputs");
  for (const auto& name : spec_.output_names) {
    if (::mkdirat(outputs.get(), name.c_str(), 0700) != 0 && errno != EEXIST) {
      return os_error("making output " + name);
    }
    if (site_.privileged &&
        ::fchownat(outputs.get(), name.c_str(), about.st_uid, about.st_gid,
                   AT_SYMLINK_NOFOLLOW) != 0) {
      return os_error("giving output " + name + " away");
    }
  }
  return {};
}

Result<void> Task::decide_ownership() {
  if (!site_.privileged) return {};
  const std::string probe = "/proc/self/fd/" + std::to_string(directory_.get()) + "/.";
  if (ids_ && take_tree(probe, Access::read_only, ids_.get())) return {};
  ids_.reset();
  given_away_ = true;
  for (const auto* path : {&spec_.outputs, &spec_.checkpoints}) {
    if (!path->empty()) TRY(give_tree(*path, spec_.uid, spec_.uid));
  }
  return {};
}

void Task::give_back() {
  struct stat owner {};
  if (!given_away_ || ::fstat(directory_.get(), &owner) != 0) return;
  for (const auto* path : {&spec_.outputs, &spec_.checkpoints}) {
    if (!path->empty()) (void)give_tree(*path, owner.st_uid, owner.st_gid);
  }
}

Result<void> Task::launch_init() {
  TRY_ASSIGN(auto channel, packet_pair());
  TRY_ASSIGN(auto out, make_pipe());
  TRY_ASSIGN(auto err, make_pipe());
  int pidfd = -1;
  clone_args arguments{};
  arguments.flags = CLONE_PIDFD;
  arguments.exit_signal = SIGCHLD;
  arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
  if (sandbox_) arguments.flags |= namespace_flags;
  if (network_) arguments.flags &= ~static_cast<std::uint64_t>(CLONE_NEWNET);
  if (sandbox_ && !site_.privileged) arguments.flags |= CLONE_NEWUSER;
  if (cgroup_.unified() >= 0) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<unsigned>(cgroup_.unified());
  }
  const long pid = ::syscall(__NR_clone3, &arguments, sizeof arguments);
  if (pid < 0) return os_error("starting the task's first process");
  if (pid == 0) {
    InitPlan plan;
    plan.spec = &spec_;
    plan.site = &site_;
    plan.secrets = &secrets_;
    plan.directory_path = path_of(directory_.get());
    plan.sandbox = sandbox_;
    plan.directory = Fd(directory_.release());
    plan.ids = Fd(ids_.release());
    plan.network = Fd(network_.release());
    plan.channel = std::move(channel.second);
    plan.output = std::move(out.second);
    plan.error = std::move(err.second);
    close_all_but({plan.directory.get(), plan.ids.get(), plan.network.get(),
                   plan.channel.get(), plan.output.get(), plan.error.get()});
    run_init(std::move(plan));
  }
  init_pid_ = static_cast<int>(pid);
  init_ = Fd(pidfd);
  channel_ = std::move(channel.first);
  const std::uint64_t limit = spec_.resources.log_bytes;
  out_.emplace(Stream{std::move(out.first), {}, Log(directory_.get(), "stdout", limit)});
  err_.emplace(Stream{std::move(err.first), {}, Log(directory_.get(), "stderr", limit)});
  for (auto& secret : secrets_) {
    out_->mask.hide(secret.value);
    err_->mask.hide(secret.value);
    ::explicit_bzero(secret.value.data(), secret.value.size());
  }
  secrets_.clear();
  TRY(map_ids(init_pid_));
  TRY(cgroup_.join(init_pid_));
  return order(wire::Go{}, {});
}

Result<void> Task::map_ids(int pid) {
  if (!sandbox_ || site_.privileged) return {};
  const std::string base = "/proc/" + std::to_string(pid);
  TRY(write_control(AT_FDCWD, base + "/setgroups", "deny"));
  TRY(write_control(AT_FDCWD, base + "/uid_map", "1000 " + std::to_string(::geteuid()) + " 1"));
  return write_control(AT_FDCWD, base + "/gid_map", "1000 " + std::to_string(::getegid()) + " 1");
}

void Task::run() {
  loop_.watch(channel_.get(), [this] { hear_init(); });
  loop_.watch(init_.get(), [this] { on_init_gone(); });
  loop_.watch(out_->pipe.get(), [this] { read_stream(*out_, false); });
  loop_.watch(err_->pipe.get(), [this] { read_stream(*err_, false); });
  loop_.run();
}

Result<void> Task::order(const wire::Order& what, std::span<const int> fds) {
  return send_packet(channel_.get(), codec::encode(what), fds);
}

void Task::hear_init() {
  Packet packet;
  if (take_packet(channel_.get(), packet) != Taken::packet) {
    loop_.forget(channel_.get());  // its end comes by the process descriptor
    return;
  }
  const auto news = codec::decode<wire::News>(packet.bytes);
  if (news) on_news(*news, packet);
}

void Task::on_news(const wire::News& news, Packet& packet) {
  if (std::holds_alternative<wire::Ready>(news)) {
    if (packet.fds.size() != 2) return kill();
    voice_.attach(std::move(packet.fds[0]), std::move(packet.fds[1]));
    go_sent_ = true;
    if (!ending_) (void)order(wire::Go{}, {});
  } else if (std::holds_alternative<wire::Running>(news)) {
    on_running();
  } else if (const auto* failed = std::get_if<wire::Failed>(&news)) {
    failed_ = failed->message;
    permanent_ = failed->permanent;
  } else if (const auto* ended = std::get_if<wire::Ended>(&news)) {
    on_ended(ended->status);
  } else if (const auto* answer = std::get_if<wire::InnerAnswer>(&news)) {
    doors_.relay(*answer, packet.fds);
  } else if (const auto* finished = std::get_if<wire::InnerEnded>(&news)) {
    doors_.relay(*finished);
  }
}

void Task::on_ended(int status) {
  status_ = status;
  oom_killed_ = cgroup_.oom_kills() > 0;
  if (status == 0 || spec_.keep <= Duration{}) return;  // the init ends by itself
  if (ending_) return kill();
  kept_ = true;
  const std::string how = (status & 0x7f) != 0 ? "signal " + std::to_string(status & 0x7f)
                                               : "exit code " + std::to_string(status >> 8 & 0xff);
  err_->log.append("bessemer: the task failed (" + how + "); its files are kept for " +
                   spelled(spec_.keep) + ", or until the job is cancelled\n");
  loop_.after(spec_.keep, [this] { kill(); });
}

void Task::on_running() {
  running_ = true;
  (void)records_->heartbeat({.at = wall_now(), .number = heartbeats_++, .usage = {}}, false);
  doors_.nudge();
  start_clocks();
}

void Task::start_clocks() {
  loop_.after(heartbeat_interval, [this] { beat(); });
  told_at_ = since_boot();
  if (spec_.no_progress) watch_progress();
  watch_payment();
  if (spec_.deadline) {
    const Duration left = *spec_.deadline - wall_now();
    const Duration grace = std::clamp(left, Duration{}, spec_.grace);
    loop_.after(left - grace, [this, grace] {
      stop(ExitReason::deadline, "its deadline was reached", grace);
    });
  }
  const bool stores = !spec_.outputs.empty() || !spec_.checkpoints.empty();
  if (spec_.resources.storage_bytes != 0 && stores) {
    loop_.after(storage_interval, [this] { watch_storage(); });
  }
  if (spec_.service_port) {
    health_.emplace(loop_, HealthCheck::Means{
        .connect = [this](std::function<void(Fd)> done) {
          doors_.connect(*spec_.service_port, std::move(done));
        },
        .changed = [this](bool ready, std::string why) {
          mark(Health{ready, std::move(why)});
        }});
    health_->start();
  }
}

void Task::read_stream(Stream& stream, bool last) {
  char piece[65536];
  while (true) {
    const ssize_t got = ::read(stream.pipe.get(), piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got > 0) {
      stream.log.append(stream.mask.pass({piece, static_cast<std::size_t>(got)}));
      if (last) continue;  // drain: nobody writes any more
      return;
    }
    if (got == 0) loop_.forget(stream.pipe.get());
    break;
  }
  if (last) stream.log.append(stream.mask.finish());
}

void Task::stop(ExitReason because, std::string why, Duration grace) {
  if (kept_) return kill();  // it has its reason already
  const Duration at = since_boot() + std::max(grace, Duration{});
  if (ending_) {
    if (at >= ending_->kill_at) return;
    loop_.cancel(ending_->timer);
    ending_->kill_at = at;
  } else {
    why.resize(std::min(why.size(), limits::message_bytes));
    ending_ = Ending{because, std::move(why), at, {}};
    if (!running_) return kill();
    if (grace > Duration{}) {
      (void)order(wire::Signal{SIGTERM}, {});
      mark(Notice{because});
    }
  }
  ending_->timer = loop_.at(at, [this] { kill(); });
}

void Task::kill() {
  cgroup_.kill();
  (void)::syscall(__NR_pidfd_send_signal, init_.get(), SIGKILL, nullptr, 0u);
}

void Task::renew(const wire::Renew& paid) {
  const bool later = !spec_.paid_until || *spec_.paid_until < paid.paid_until;
  if (!later && paid.at_unpaid == spec_.at_unpaid) return;
  if (later) spec_.paid_until = paid.paid_until;
  if (spec_.at_unpaid == AtUnpaid::go_on && paid.at_unpaid == AtUnpaid::stop) {
    spec_.paid_until = std::max(*spec_.paid_until, wall_now() + spec_.grace);
  }
  spec_.at_unpaid = paid.at_unpaid;
  if (running_) watch_payment();
}

// The wall clock is read once per promise: a step of it afterwards moves nothing.
void Task::watch_payment() {
  if (payment_) loop_.cancel(*payment_);
  payment_.reset();
  if (!spec_.paid_until || spec_.at_unpaid == AtUnpaid::go_on) return;
  const Duration left = *spec_.paid_until - wall_now();
  const Duration grace = std::clamp(left, Duration{}, spec_.grace);
  payment_ = loop_.after(left - grace, [this, grace] {
    payment_.reset();
    stop(ExitReason::unpaid, "what was paid for is used up and was not renewed", grace);
  });
}

void Task::watch_storage() {
  const Duration began = since_boot();
  const std::uint64_t limit = spec_.resources.storage_bytes;
  std::uint64_t used = 0;
  for (const auto* path : {&spec_.outputs, &spec_.checkpoints}) {
    if (!path->empty() && used <= limit) used += disk_usage(*path, limit);
  }
  if (used > limit) {
    return stop(ExitReason::storage,
                "outputs and checkpoints are larger than the " + std::to_string(limit) +
                    " bytes it asked for",
                {});
  }
  // A large tree is counted less often: never more than a twentieth of a core.
  loop_.after(std::max(storage_interval, (since_boot() - began) * 20),
              [this] { watch_storage(); });
}

void Task::watch_progress() {
  if (kept_ || ending_) return;
  const Duration left = told_at_ + *spec_.no_progress - since_boot();
  if (left > Duration{}) {
    loop_.after(left, [this] { watch_progress(); });
    return;
  }
  stop(ExitReason::no_progress,
       "it reported no metrics, checkpoint or progress for " + spelled(*spec_.no_progress),
       spec_.grace);
}

void Task::beat() {
  (void)records_->heartbeat({.at = wall_now(), .number = heartbeats_++, .usage = usage()}, true);
  doors_.nudge();
  loop_.after(heartbeat_interval, [this] { beat(); });
}

void Task::mark(wire::Mark said) {
  if (!records_) return;
  records_->mark({wall_now(), std::move(said)});
  doors_.nudge();
}

}  // namespace bessemer::executor
