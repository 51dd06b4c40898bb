// The two ways cgroups are laid out, behind one class.
#include "compute/executor/supervisor/cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <map>

#include "compute/executor/supervisor/files.h"

namespace bessemer::executor {
namespace {

std::string text_of(const std::string& path) {
  return read_text(AT_FDCWD, path).value_or(std::string{});
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  std::string word;
  for (const char c : text) {
    if (c == ' ' || c == '\n' || c == ',') {
      if (!word.empty()) out.push_back(std::move(word));
      word.clear();
    } else {
      word += c;
    }
  }
  if (!word.empty()) out.push_back(std::move(word));
  return out;
}

bool holds(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

struct Mounted {
  std::map<std::string, std::string> v1;  // controller -> where
  std::string v2;
};

// proc(5): id parent major:minor root mountpoint options ... - type source superoptions
Mounted mounted_cgroups() {
  Mounted out;
  const std::string text = text_of("/proc/self/mountinfo");
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const auto fields = words_of(std::string_view(text).substr(at, end - at));
    at = end + 1;
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 5 || fields.end() - dash < 4) continue;
    const std::string& type = *(dash + 1);
    if (type == "cgroup2" && out.v2.empty()) out.v2 = fields[4];
    if (type != "cgroup") continue;
    for (auto option = dash + 3; option != fields.end(); ++option) {
      out.v1.try_emplace(*option, fields[4]);
    }
  }
  return out;
}

// The place of this process in the hierarchy of `controller` ("" = v2), as "/a/b".
std::string own_place(std::string_view controller) {
  const std::string text = text_of("/proc/self/cgroup");
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    const auto names = line.substr(first + 1, second - first - 1);
    const bool mine = controller.empty() ? names.empty() : holds(words_of(names), controller);
    if (mine) return std::string(line.substr(second + 1));
  }
  return "/";
}

// Makes the common parent "bessemer" below the first of `places` that allows it.
std::string make_parent(const std::string& mount, const std::vector<std::string>& places) {
  for (const auto& place : places) {
    const std::string path = mount + (place == "/" ? "" : place) + "/bessemer";
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) continue;
    if (::access((path + "/cgroup.procs").c_str(), W_OK) == 0) return path;
  }
  return {};
}

void find_hybrid(wire::Site& site, const Mounted& mounted) {
  const auto parent = [&](const std::string& controller) {
    const auto at = mounted.v1.find(controller);
    return at == mounted.v1.end() ? std::string{}
                                  : make_parent(at->second, {own_place(controller)});
  };
  site.cpu = parent("cpu");
  site.memory = parent("memory");
  site.pids = parent("pids");
  site.device = parent("devices");
  if (!mounted.v2.empty()) site.unified = make_parent(mounted.v2, {own_place(""), "/"});
  for (const auto& [path, name] : {std::pair{&site.cpu, "cpu"}, {&site.memory, "memory"},
                                   {&site.pids, "pids"}, {&site.device, "devices"}}) {
    if (path->empty()) {
      site.missing.push_back(std::string("no cgroup limit of ") + name +
                             ": the v1 controller is not mounted or not writable");
    }
  }
  site.devices = !site.device.empty();
  if (!site.cpu.empty() && !site.memory.empty() && !site.pids.empty()) {
    site.limits = wire::Limits::hybrid;
  }
}

// Hands controllers down to the children of `path`; true when all wanted ones are there.
bool hand_down(const std::string& path) {
  for (const char* controller : {"+cpu", "+memory", "+pids"}) {
    if (!write_control(AT_FDCWD, path + "/cgroup.subtree_control", controller)) return false;
  }
  return true;
}

void find_v2(wire::Site& site, const Mounted& mounted) {
  // The root, for root; else a place that was delegated to this user, at or above our own.
  std::vector<std::string> places = {"/"};
  for (std::string place = own_place(""); place.size() > 1;) {
    places.push_back(place);
    place.resize(place.rfind('/'));
  }
  for (const auto& place : places) {
    const std::string base = mounted.v2 + (place == "/" ? "" : place);
    if (!hand_down(base)) continue;
    const std::string parent = make_parent(mounted.v2, {place});
    if (parent.empty() || !hand_down(parent)) continue;
    site.unified = parent;
    site.limits = wire::Limits::v2;
    site.devices = site.privileged;
    return;
  }
  site.missing.push_back(
      "no cgroup limits of cpu, memory and pids: no cgroup v2 directory was delegated to this "
      "user (run as root, or under systemd with Delegate=yes)");
}

std::uint64_t number_in(const std::string& path) {
  const std::string text = text_of(path);
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

void find_cgroups(wire::Site& site) {
  const Mounted mounted = mounted_cgroups();
  if (mounted.v1.contains("memory")) {
    find_hybrid(site, mounted);
  } else if (!mounted.v2.empty()) {
    find_v2(site, mounted);
  } else {
    site.missing.push_back("no cgroup limits: no cgroup file system is mounted");
  }
}

Result<Cgroup> Cgroup::create(const wire::Site& site, const std::string& name,
                              const Resources& resources,
                              const std::vector<CharDevice>& devices) {
  Cgroup made;
  made.kind_ = site.limits;
  const auto make = [&](const std::string& parent, std::string& into) -> Result<void> {
    if (parent.empty()) return {};
    into = parent + "/" + name;
    if (::mkdir(into.c_str(), 0755) != 0 && errno != EEXIST) return os_error("making " + into);
    return {};
  };
  if (site.limits != wire::Limits::none) TRY(make(site.unified, made.unified_path_));
  if (site.limits == wire::Limits::hybrid) {
    TRY(make(site.cpu, made.cpu_));
    TRY(make(site.memory, made.memory_));
    TRY(make(site.pids, made.pids_));
    if (site.devices) TRY(make(site.device, made.device_));
  }
  if (!made.unified_path_.empty()) {
    made.unified_ = Fd(::open(made.unified_path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!made.unified_) return os_error("opening " + made.unified_path_);
  }
  TRY(made.limit(resources));
  if (site.devices) TRY(made.limit_devices(devices));
  return made;
}

Result<void> Cgroup::limit(const Resources& resources) {
  constexpr std::uint64_t period_us = 100'000;
  const std::uint64_t quota_us = std::max<std::uint64_t>(resources.cpu_millis * 100, 1000);
  const std::string memory = std::to_string(resources.memory_bytes);
  const std::string pids = std::to_string(resources.pids);
  if (kind_ == wire::Limits::hybrid) {
    if (resources.cpu_millis != 0) {
      TRY(write_control(AT_FDCWD, cpu_ + "/cpu.cfs_period_us", std::to_string(period_us)));
      TRY(write_control(AT_FDCWD, cpu_ + "/cpu.cfs_quota_us", std::to_string(quota_us)));
    }
    if (resources.memory_bytes != 0) {
      TRY(write_control(AT_FDCWD, memory_ + "/memory.limit_in_bytes", memory));
      // With swap accounting off the file is not there, and there is no swap to limit either.
      (void)write_control(AT_FDCWD, memory_ + "/memory.memsw.limit_in_bytes", memory);
    }
    if (resources.pids != 0) TRY(write_control(AT_FDCWD, pids_ + "/pids.max", pids));
  } else if (kind_ == wire::Limits::v2) {
    if (resources.cpu_millis != 0) {
      TRY(write_control(unified_.get(), "cpu.max",
                        std::to_string(quota_us) + " " + std::to_string(period_us)));
    }
    if (resources.memory_bytes != 0) {
      TRY(write_control(unified_.get(), "memory.max", memory));
      (void)write_control(unified_.get(), "memory.swap.max", "0");
    }
    if (resources.pids != 0) TRY(write_control(unified_.get(), "pids.max", pids));
  }
  return {};
}

Result<void> Cgroup::limit_devices(const std::vector<CharDevice>& devices) {
  if (kind_ == wire::Limits::v2) return attach_device_filter(unified_.get(), devices);
  if (device_.empty()) return {};
  TRY(write_control(AT_FDCWD, device_ + "/devices.deny", "a"));
  const Fd allow(::open((device_ + "/devices.allow").c_str(), O_WRONLY | O_CLOEXEC));
  for (const auto& device : devices) {
    const std::string minor = device.minor < 0 ? "*" : std::to_string(device.minor);
    const std::string rule = "c " + std::to_string(device.major) + ":" + minor + " rwm";
    if (::write(allow.get(), rule.data(), rule.size()) != static_cast<ssize_t>(rule.size())) {
      return os_error("allowing a device");
    }
  }
  return {};
}

Result<void> Cgroup::join(int pid) {
  // It was born in the unified one.
  const std::string number = std::to_string(pid);
  for (const auto* path : {&cpu_, &memory_, &pids_, &device_}) {
    if (!path->empty()) TRY(write_control(AT_FDCWD, *path + "/cgroup.procs", number));
  }
  return {};
}

void Cgroup::kill() {
  if (unified_) (void)write_control(unified_.get(), "cgroup.kill", "1");
}

Duration Cgroup::cpu_used() const {
  // cpu.stat is in every v2 directory, also where the controllers are v1's.
  if (!unified_) return {};
  const auto text = read_text(unified_.get(), "cpu.stat");
  return microseconds(text ? static_cast<std::int64_t>(number_after(*text, "usage_usec")) : 0);
}

std::uint64_t Cgroup::memory_peak() const {
  if (kind_ == wire::Limits::hybrid) return number_in(memory_ + "/memory.max_usage_in_bytes");
  if (kind_ == wire::Limits::v2) return number_in(unified_path_ + "/memory.peak");
  return 0;
}

std::uint64_t Cgroup::oom_kills() const {
  if (kind_ == wire::Limits::hybrid) {
    return number_after(text_of(memory_ + "/memory.oom_control"), "oom_kill");
  }
  if (kind_ == wire::Limits::v2) {
    return number_after(text_of(unified_path_ + "/memory.events"), "oom_kill");
  }
  return 0;
}

void Cgroup::remove() {
  unified_.reset();
  for (auto* path : {&cpu_, &memory_, &pids_, &device_, &unified_path_}) {
    if (!path->empty()) (void)::rmdir(path->c_str());
    path->clear();
  }
}

}  // namespace bessemer::executor
