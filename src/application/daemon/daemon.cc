// The daemon's life: recover, adopt, listen, act, end.
#include "application/daemon/daemon.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>

#include "application/daemon/collector.h"
#include "application/daemon/first_start.h"
#include "application/daemon/log.h"
#include "application/engine/held_bytes.h"
#include "base/text.h"
#include "world/real/tree.h"

namespace bessemer::daemon {
namespace {

constexpr Duration maintain_every = seconds(1);
constexpr Duration collect_every = hours(1);
constexpr Duration longest_sleep = seconds(5);
constexpr Duration gateway_patience = seconds(10);  // for their running requests, at the end
constexpr Duration gateway_look = milliseconds(50);

// Calls a function when a descriptor is readable.
class Readable final : public real::Watcher {
 public:
  explicit Readable(std::function<void()> then) : then_(std::move(then)) {}
  void on_events(std::uint32_t) override { then_(); }

 private:
  std::function<void()> then_;
};

}  // namespace

Result<std::unique_ptr<Daemon>> Daemon::start(Options options) {
  std::unique_ptr<Daemon> daemon(new Daemon(std::move(options)));
  TRY(daemon->open());
  TRY(daemon->listen());
  TRY(daemon->watch_signals());
  daemon->conductor_->adopt();
  daemon->act();
  return daemon;
}

Daemon::~Daemon() {
  if (committer_) (void)committer_->finish().has_value();
}

Result<void> Daemon::open_secrets() {
  TRY_ASSIGN(auto master, secret::MasterKey::open(*home_.disk, entropy_));
  master_ = std::make_unique<secret::MasterKey>(std::move(master));
  TRY_ASSIGN(auto vault, secret::Vault::open(*home_.disk, entropy_, *master_));
  vault_ = std::make_unique<secret::Vault>(std::move(vault));
  // What was removed and yet kept for a backup, and what was sealed and never named.
  if (const auto held = engine::hold_bytes(*home_.disk)) {
    TRY(vault_->sweep(secret::sealed_blobs(engine_->state().secret)));
  }
  TRY_ASSIGN(auto people, secret::People::open(*home_.disk, entropy_, *master_));
  people_ = std::make_unique<secret::People>(std::move(people));
  return {};
}

Result<void> Daemon::open() {
  TRY_ASSIGN(home_, open_home(options_.home, entropy_));
  TRY_ASSIGN(loop_, real::Loop::open());
  engine::Options engine_options;
  entropy_.fill(std::as_writable_bytes(std::span(engine_options.mark)));
  TRY_ASSIGN(engine_, engine::Engine::open(*home_.disk, engine_options));
  TRY(begin_factory(*engine_, home_, clock_, entropy_));
  TRY(open_secrets());
  std::vector<executor::SimulatedAccelerators> simulated;
  for (const SimulatedPool& pool : home_.config.simulated_accelerators) {
    simulated.push_back({pool.model, pool.count, pool.memory_bytes.value_or(80ull << 30)});
  }
  TRY_ASSIGN(const executor::Inventory inventory, executor::take_inventory(simulated));
  TRY(register_machine(*engine_, home_, inventory, clock_, entropy_));
  TRY(engine_->commit_now());
  TRY_ASSIGN(store_, StoreThread::open(home_.at("artifacts"), *loop_));
  inspector_ = std::make_unique<Inspector>(store_->reader(), *loop_);
  bytes_ = std::make_unique<TaskBytes>(home_, *store_, *inspector_, *vault_, *engine_);
  executor::LocalOptions local;
  local.tasks_directory = home_.at("tasks");
  local.supervisor = options_.program_directory + "/bessemer-supervisor";
  local.clock = &clock_;
  TRY_ASSIGN(executor_, executor::LocalExecutor::open(std::move(local)));
  for (const std::string& missing : executor_->capabilities().missing) {
    log_line("warning", "isolation is incomplete", {{"missing", missing}});
  }
  conductor::Options conduct;
  conduct.least_isolation = home_.config.isolation.value_or(workload::Isolation::strict);
  conduct.complain = [](const std::string& what) { log_line("error", what, {}); };
  conduct.wake = [this] { act_soon(); };
  conductor_ = std::make_unique<conductor::Conductor>(*engine_, *executor_, *bytes_, clock_,
                                                      entropy_, conduct);
  committer_ = std::make_unique<Committer>(engine_->journal(), *loop_,
                                           [this](Result<void> done) { committed(done); });
  SnapshotOptions snapshots;
  snapshots.program = options_.program_directory + "/bessemer";
  snapshots.home = home_.path;
  snapshots.every = home_.config.snapshot_every.value_or(snapshots.every);
  TRY_ASSIGN(snapshots_,
             Snapshots::open(std::move(snapshots), *engine_, *loop_, *home_.disk));
  engine_->watch([this](const factory::Fact&) { act_soon(); });
  executor_events_ = real::Descriptor(::fcntl(executor_->poll_fd(), F_DUPFD_CLOEXEC, 0));
  watchers_.push_back(std::make_unique<Readable>([this] { act_soon(); }));
  TRY(loop_->watch(executor_events_, *watchers_.back()));
  loop_->after(maintain_every, [this] { maintain(); });
  return {};
}

Result<void> Daemon::listen() {
  logs_ = std::make_unique<TaskLogs>(home_, *executor_);
  doors_ = std::make_unique<TaskDoors>(*executor_, *loop_);
  events_ = std::make_unique<api::EventHub>(*engine_);
  api_ = std::make_unique<api::Api>(
      api::Services{*engine_, clock_, entropy_, *conductor_, *executor_, *store_, *vault_,
                    *people_, *home_.disk, *logs_, *doors_, *events_,
                    *loop_, *this});
  server_ = std::make_unique<server::HttpServer>(*loop_, *api_);
  auto wanted = real::parse_address(home_.config.listen.value_or("127.0.0.1:7420"));
  if (!wanted) return std::move(wanted).error().within("listen");
  if (!wanted->is_loopback() && !options_.insecure) {
    return forbidden("the API would be open to the network without TLS")
        .at("listen")
        .fix("listen on 127.0.0.1, or start with --insecure");
  }
  auto bound = server_->listen(*wanted);
  if (!bound) {
    return std::move(bound).error().at("listen").fix(
        "stop what listens there, or set 'listen' in " + home_.at("config.yaml"));
  }
  address_ = *std::move(bound);
  real::Address local;
  local.path = home_.at("run/api.sock");
  TRY(server_->listen(local));
  TRY(tell_address());
  return listen_to_gateways();
}

// Mostly the same as before; a full disk must not keep a factory from settling what it owes.
Result<void> Daemon::tell_address() {
  const std::string text = to_text(address_) + "\n";
  const auto before = world::read_file(*home_.disk, "run/address", 4096);
  if (before && *before == text) return {};
  auto written = world::replace_file(*home_.disk, "run/address", text);
  if (written || written.error().code != Code::exhausted) return written;
  log_line("warning", "the address could not be written down",
           {{"error", to_text(written.error())}});
  return {};
}

Result<void> Daemon::listen_to_gateways() {
  gateways_ = std::make_unique<Gateways>(*engine_, *executor_, *loop_, *home_.disk, clock_,
                                         entropy_);
  real::Address control;
  control.path = home_.at("run/control.sock");
  TRY(gateways_->listen(control));
  GatewayProcessOptions processes;
  processes.program = options_.program_directory + "/bessemer";
  processes.home = home_.path;
  auto gateway_address =
      real::parse_address(home_.config.gateway_listen.value_or("127.0.0.1:7421"));
  if (!gateway_address) return std::move(gateway_address).error().within("gateway_listen");
  processes.listen = *std::move(gateway_address);
  processes.count = home_.config.gateways.value_or(1);
  processes.insecure = options_.insecure;
  gateway_processes_ =
      std::make_unique<GatewayProcesses>(std::move(processes), *loop_, *home_.disk);
  return gateway_processes_->start();
}

Result<void> Daemon::watch_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, signal);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_ = real::Descriptor(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  watchers_.push_back(std::make_unique<Readable>([this] {
    signalfd_siginfo info{};
    bool end = false;
    while (::read(signals_.get(), &info, sizeof info) > 0) end = end || info.ssi_signo != SIGHUP;
    if (end) stop();
  }));
  TRY(loop_->watch(signals_, *watchers_.back()));
  return {};
}

int Daemon::run() {
  log_line("info", "ready", {{"address", to_text(address_)}, {"home", home_.path}});
  loop_->run();
  return status_;
}

// A failed commit is fatal: nobody knows what the disk holds. The next start recovers.
void Daemon::committed(Result<void> result) {
  if (!result) {
    log_line("error", "the journal failed; ending", {{"error", to_text(result.error())}});
    ::_exit(70);
  }
  engine_->release();
}

void Daemon::act_soon() {
  if (acting_soon_) return;
  acting_soon_ = true;
  loop_->later([this] {
    acting_soon_ = false;
    act();
  });
}

void Daemon::act() {
  conductor_->turn();
  if (gateways_) gateways_->update();
  committer_->kick();
  loop_->cancel(wake_);
  Duration sleep = longest_sleep;
  if (const auto next = conductor_->next_moment()) {
    sleep = std::clamp(*next - clock_.now(), milliseconds(10), longest_sleep);
  }
  wake_ = loop_->after(sleep, [this] { act(); });
}

Result<Zone> Daemon::zone(std::string_view name) const {
  TRY(check_relative_path(name));
  TRY_ASSIGN(const auto zones, real::RealTree::open_root("/usr/share/zoneinfo"));
  world::EntryStatus about;
  auto opened = zones->open(name, about);
  if (!opened) {
    return not_found("this machine knows no time zone '" + std::string(name) + "'")
        .fix("use an IANA name such as Europe/Berlin; apt-get install tzdata");
  }
  constexpr std::uint64_t largest = 1 << 20;
  if (about.bytes > largest) return invalid("is no compiled time zone");
  std::string bytes(about.bytes, '\0');
  TRY_ASSIGN(const std::size_t got, (*opened)->read_at(0, bytes));
  bytes.resize(got);
  constexpr Duration known_ahead = days(365 * 50);
  return read_tzif(name, bytes, clock_.now() + known_ahead);
}

void Daemon::maintain() {
  api_->tick();
  if (gateways_) gateways_->maintain();
  snapshots_->look();
  // Compressing sealed segments takes as long as it takes: not on the loop.
  store_->post([journal = &engine_->journal()](artifact::Store&) -> StoreThread::Then {
    for (int i = 0; i < 4; ++i) {
      const auto more = journal->maintain();
      if (!more || !*more) break;
    }
    return {};
  });
  if (loop_->now() - collected_ >= collect_every) {
    collected_ = loop_->now();
    collect_garbage(*engine_, *store_, *home_.disk, clock_);
  }
  loop_->after(maintain_every, [this] { maintain(); });
}

// Gateways first: they close their logs and ship the last of them while the daemon still listens.
// Tasks go on; the next start finds them.
void Daemon::stop() {
  if (stopping_) return;
  stopping_ = true;
  log_line("info", "ending", {});
  gateway_processes_->stop();
  wait_for_gateways(static_cast<int>(gateway_patience.ns / gateway_look.ns));
}

void Daemon::wait_for_gateways(int turns) {
  if (turns > 0 && gateway_processes_->running() > 0) {
    loop_->after(gateway_look, [this, turns] { wait_for_gateways(turns - 1); });
    return;
  }
  server_->drain(seconds(5), [this] { loop_->stop(); });
}

}  // namespace bessemer::daemon
