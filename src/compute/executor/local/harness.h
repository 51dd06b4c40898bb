// What the tests of the local executor share: a directory, an executor, and waiting for reports.
#pragma once
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "compute/executor/local/local.h"
#include "compute/executor/local/logs.h"
#include "world/real/clock.h"

namespace bessemer::executor::testing {

constexpr std::uint32_t first_uid = 2'100'000'000;

// The program beside the running one.
inline std::string supervisor_program() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "bessemer-supervisor";
}

class Place {
 public:
  Place() {
    char name[] = "/tmp/bessemer-executor-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~Place() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string make(const std::string& name) const {
    std::filesystem::create_directories(path_ + "/" + name);
    return path_ + "/" + name;
  }
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(path_ + "/" + name).parent_path());
    std::ofstream(path_ + "/" + name) << text;
  }
  std::string read(const std::string& name) const {
    std::ifstream in(path_ + "/" + name);
    std::stringstream out;
    out << in.rdbuf();
    return out.str();
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// An executor with its own tasks directory, and the reports it has given so far.
class Runner {
 public:
  explicit Runner(const Place& place, std::vector<std::string> options = {},
                  Launcher launcher = {}) {
    LocalOptions chosen;
    chosen.tasks_directory = place.path() + "/tasks";
    chosen.supervisor = supervisor_program();
    chosen.launcher_options = std::move(options);
    chosen.clock = &clock_;
    auto opened = LocalExecutor::open(std::move(chosen), std::move(launcher));
    if (opened) executor_ = std::move(*opened);
    else error_ = to_text(opened.error());
  }
  LocalExecutor& operator*() { return *executor_; }
  LocalExecutor* operator->() { return executor_.get(); }
  const std::string& error() const { return error_; }

  // Waits until `enough` holds for the reports of `key`; false after a minute, so that a busy
  // machine is not taken for a wrong one.
  bool wait(const TaskKey& key, const std::function<bool(const std::vector<Report>&)>& enough,
            int patience_ms = 60'000) {
    const Duration until = clock_.since_boot() + milliseconds(patience_ms);
    while (true) {
      for (auto& report : executor_->poll()) reports_[report.key].push_back(std::move(report));
      if (enough(reports_[key])) return true;
      const Duration left = until - clock_.since_boot();
      if (left <= Duration{}) return false;
      pollfd one{executor_->poll_fd(), POLLIN, 0};
      ::poll(&one, 1, static_cast<int>(left.ns / 1'000'000 + 1));
    }
  }
  template <class What>
  std::optional<What> wait_for(const TaskKey& key, int patience_ms = 60'000) {
    const auto find = [](const std::vector<Report>& reports) -> const Report* {
      for (const auto& report : reports) {
        if (std::holds_alternative<What>(report.what)) return &report;
      }
      return nullptr;
    };
    if (!wait(key, [&](const auto& reports) { return find(reports) != nullptr; }, patience_ms)) {
      return std::nullopt;
    }
    last_ = *find(reports_[key]);
    return std::get<What>(last_.what);
  }
  const Report& last() const { return last_; }
  const std::vector<Report>& reports(const TaskKey& key) { return reports_[key]; }
  std::string output(const TaskKey& key, Output which = Output::standard) {
    const auto piece = read_log(executor_->directory_of(key), which, 0, 1 << 20);
    return piece ? piece->bytes : to_text(piece.error());
  }
  Instant now() const { return clock_.now(); }

 private:
  real::RealClock clock_;
  std::unique_ptr<LocalExecutor> executor_;
  std::string error_;
  std::map<TaskKey, std::vector<Report>> reports_;
  Report last_;
};

// No other run of these tests on this machine has the same: their cgroups lie side by side.
inline TaskId unique_task(std::uint64_t number) {
  return TaskId{(std::uint64_t{0x0190} << 48) + (static_cast<std::uint64_t>(::getpid()) << 16),
                number};
}

// A task of a shell script. Strict where the machine gives everything, else relaxed.
inline TaskSpec script(std::string text, std::uint64_t number = 1) {
  TaskSpec spec;
  spec.key = {unique_task(number), 1};
  spec.argv = {"/bin/sh", "-c", std::move(text)};
  spec.resources.memory_bytes = 256 << 20;
  spec.resources.scratch_bytes = 16 << 20;
  spec.resources.pids = 64;
  spec.uid = ::geteuid() == 0 ? first_uid : 0;
  spec.isolation = ::geteuid() == 0 ? Isolation::strict : Isolation::relaxed;
  return spec;
}

}  // namespace bessemer::executor::testing
