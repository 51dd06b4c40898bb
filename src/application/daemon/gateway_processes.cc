// Keeps gateway processes running.
#include "application/daemon/gateway_processes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "application/daemon/log.h"
#include "base/text.h"
#include "world/real/port_claim.h"

extern char** environ;

namespace bessemer::daemon {
namespace {

constexpr Duration first_pause = milliseconds(200);
constexpr Duration longest_pause = seconds(30);
constexpr std::uint64_t longest_log = 1u << 20;
constexpr Duration steady = seconds(10);  // a process that lived so long did not end at once

int open_pidfd(pid_t process) {
  return static_cast<int>(::syscall(SYS_pidfd_open, process, 0));
}

// True when the process is this gateway of this factory, not another that got the number since.
bool is_gateway(pid_t process, const std::string& name, const std::string& home) {
  std::ifstream file("/proc/" + std::to_string(process) + "/cmdline", std::ios::binary);
  std::string words((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::ranges::replace(words, '\0', ' ');
  return words.find(" gateway --name " + name + " --home " + home + " ") != std::string::npos;
}

// The file that takes what a new process prints. A process prints little, so each may begin a new
// one: a gateway that keeps ending has two files of this size at most.
std::string begin_log(world::Disk& disk, const std::string& name) {
  const std::string path = "logs/gateway-" + name + ".log";
  std::uint64_t size = 0;
  if (const auto before = disk.open(path, world::OpenMode::read)) {
    if (const auto bytes = (*before)->size()) size = *bytes;
  }
  if (size > longest_log) (void)disk.rename(path, path + ".1").has_value();
  return path;
}

}  // namespace

struct GatewayProcesses::One final : real::Watcher {
  One(GatewayProcesses& keeper, std::string given) : owner(keeper), name(std::move(given)) {}
  void on_events(std::uint32_t) override { owner.ended(*this); }

  GatewayProcesses& owner;
  std::string name;
  pid_t process = 0;
  real::Descriptor handle;  // readable when it has ended
  real::Loop::Watch watch = 0;
  Duration since;
  Duration pause = first_pause;
};

GatewayProcesses::GatewayProcesses(GatewayProcessOptions options, real::Loop& loop,
                                   world::Disk& disk)
    : options_(std::move(options)), loop_(loop), disk_(disk) {
  for (std::uint32_t i = 0; i < options_.count; ++i) {
    all_.push_back(std::make_unique<One>(*this, fmt::format("local-{}", i + 1)));
  }
}

GatewayProcesses::~GatewayProcesses() = default;

Result<void> GatewayProcesses::start() {
  for (const auto& one : all_) find(*one);
  TRY(claim());
  for (const auto& one : all_) {
    if (one->process == 0) find_or_spawn(*one);
  }
  return {};
}

std::size_t GatewayProcesses::running() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(all_, [](const auto& one) { return one->process != 0; }));
}

// While gateways of the daemon before live, they have the claim; it is taken again after the last.
Result<void> GatewayProcesses::claim() {
  if (claim_ || options_.listen.is_unix() || options_.listen.port == 0) return {};
  const bool ours = running() > 0;
  auto claimed = real::claim_port(options_.listen,
                                  ours ? real::Listeners::ours : real::Listeners::none);
  if (claimed) claim_ = *std::move(claimed);
  else if (!ours) return std::move(claimed).error().within("gateway_listen");
  return {};
}

// True when the process lives that was started as this one.
bool GatewayProcesses::find(One& one) {
  const auto text = world::read_file(disk_, "run/" + one.name + ".pid", 64);
  if (!text) return false;
  const auto process = static_cast<pid_t>(parse_unsigned(trim(*text)).value_or(0));
  if (process <= 0 || !is_gateway(process, one.name, options_.home)) return false;
  watch(one, process);
  return true;
}

void GatewayProcesses::find_or_spawn(One& one) {
  if (stopping_ || find(one)) return;
  if (auto claimed = claim(); !claimed) {
    log_line("error", "a gateway cannot be started", {{"error", to_text(claimed.error())}});
    return ended(one);
  }
  const auto process = spawn(one);
  if (!process) {
    log_line("error", "a gateway cannot be started", {{"error", to_text(process.error())}});
    return ended(one);
  }
  const std::string pid_file = "run/" + one.name + ".pid";
  (void)world::replace_file(disk_, pid_file, std::to_string(*process) + "\n").has_value();
  watch(one, *process);
}

Result<pid_t> GatewayProcesses::spawn(const One& one) {
  std::vector<std::string> words = {
      options_.program, "gateway",  "--name", one.name, "--home", options_.home,
      "--listen",       to_text(options_.listen), "--kept"};
  if (options_.insecure) words.emplace_back("--insecure");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const std::string log = options_.home + "/" + begin_log(disk_, one.name);
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::posix_spawn_file_actions_adddup2(&files, 1, 2);
  // Onto itself: from then on it is inherited.
  if (claim_) ::posix_spawn_file_actions_adddup2(&files, claim_.get(), claim_.get());
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  // A session of its own: it goes on serving when the daemon or its terminal is gone.
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
  pid_t process = 0;
  const int failed = ::posix_spawn(&process, options_.program.c_str(), &files, &attributes,
                                   arguments.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  if (failed != 0) return real::error_of(failed, "starting", options_.program);
  return process;
}

void GatewayProcesses::watch(One& one, pid_t process) {
  one.process = process;
  one.since = loop_.now();
  one.handle = real::Descriptor(open_pidfd(process));
  if (!one.handle) return ended(one);
  const auto watched = loop_.watch(one.handle, one);
  if (!watched) return ended(one);
  one.watch = *watched;
}

void GatewayProcesses::ended(One& one) {
  if (one.watch != 0) loop_.forget(one.handle, std::exchange(one.watch, 0));
  one.handle.reset();
  const pid_t process = std::exchange(one.process, 0);
  if (process > 0) ::waitpid(process, nullptr, WNOHANG);  // ours, when this daemon started it
  if (stopping_) return;
  one.pause = loop_.now() - one.since > steady ? first_pause
                                               : std::min(one.pause * 2, longest_pause);
  loop_.after(one.pause, [this, &one] { find_or_spawn(one); });
}

void GatewayProcesses::stop() {
  stopping_ = true;
  for (const auto& one : all_) {
    if (one->process > 0) ::kill(one->process, SIGTERM);
  }
}

}  // namespace bessemer::daemon
