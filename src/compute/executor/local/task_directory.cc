// Records, generations and their removal.
#include "compute/executor/local/task_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <type_traits>

#include "base/text.h"

namespace bessemer::executor {
namespace {

template <class T>
std::optional<T> read_slot(std::string_view records, std::size_t slot) {
  if (records.size() <= slot) return std::nullopt;
  std::string_view at = records.substr(slot);
  const auto bytes = wire::unframe(at);
  if (!bytes) return std::nullopt;
  auto value = codec::decode<T>(*bytes);
  if (!value) return std::nullopt;
  return std::move(*value);
}

std::string read_some(int directory, const char* name, std::size_t limit) {
  const Fd file(::openat(directory, name, O_RDONLY | O_CLOEXEC));
  std::string out(limit, '\0');
  const ssize_t got = file ? ::pread(file.get(), out.data(), out.size(), 0) : 0;
  out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return out;
}

std::vector<std::string> names_in(int directory) {
  std::vector<std::string> out;
  const int again = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const listing = again < 0 ? nullptr : ::fdopendir(again);
  if (listing == nullptr) return out;
  while (const dirent* entry = ::readdir(listing)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") out.push_back(name);
  }
  ::closedir(listing);
  std::sort(out.begin(), out.end());
  return out;
}

Fd open_directory(const std::string& path) {
  return Fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
}

std::string path_of(const std::string& tasks, TaskId task) { return tasks + "/" + to_text(task); }

// Empties a directory; links are removed, never followed.
void empty(int directory) {
  for (const auto& name : names_in(directory)) {
    if (::unlinkat(directory, name.c_str(), 0) == 0) continue;
    const Fd inner(::openat(directory, name.c_str(),
                            O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (inner) empty(inner.get());
    ::unlinkat(directory, name.c_str(), AT_REMOVEDIR);
  }
}

}  // namespace

std::optional<Instant> TaskRecords::last_heard() const {
  if (heartbeat) return heartbeat->at;
  if (start) return start->at;
  return std::nullopt;
}

TaskRecords read_records(int directory) {
  TaskRecords out;
  const std::string bytes = read_some(directory, "records", wire::records_bytes);
  out.start = read_slot<wire::StartRecord>(bytes, wire::slot_start);
  for (const std::size_t i : {0u, 1u}) {
    auto beat = read_slot<wire::HeartbeatRecord>(
        bytes, wire::slot_heartbeat + i * wire::slot_heartbeat_bytes);
    if (beat && (!out.heartbeat || beat->number > out.heartbeat->number)) {
      out.heartbeat = std::move(beat);
    }
  }
  out.exit = read_slot<wire::ExitRecord>(bytes, wire::slot_exit);
  return out;
}

Result<Fd> make_task_directory(const std::string& tasks, const TaskKey& key) {
  const std::string parent = path_of(tasks, key.task);
  if (::mkdir(parent.c_str(), 0700) != 0 && errno != EEXIST) return os_error("making " + parent);
  const std::string path = parent + "/" + std::to_string(key.generation);
  if (::mkdir(path.c_str(), 0700) != 0) return os_error("making " + path);
  Fd made = open_directory(path);
  if (!made) return os_error("opening " + path);
  return made;
}

Result<std::uint64_t> newest_generation(const std::string& tasks, TaskId task) {
  const Fd directory = open_directory(path_of(tasks, task));
  if (!directory) {
    if (errno == ENOENT) return std::uint64_t{0};
    return os_error("opening the task's directory");
  }
  std::uint64_t newest = 0;
  for (const auto& name : names_in(directory.get())) {
    newest = std::max(newest, parse_unsigned(name).value_or(0));
  }
  return newest;
}

std::vector<TaskKey> list_tasks(const std::string& tasks) {
  std::vector<TaskKey> out;
  const Fd all = open_directory(tasks);
  if (!all) return out;
  for (const auto& name : names_in(all.get())) {
    const auto task = from_text(std::type_identity<TaskId>{}, name);
    if (!task || !*task) continue;
    const Fd directory = open_directory(tasks + "/" + name);
    if (!directory) continue;
    for (const auto& inner : names_in(directory.get())) {
      const auto generation = parse_unsigned(inner);
      if (generation) out.push_back({*task, *generation});
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

Result<void> remove_task_directory(const std::string& tasks, const TaskKey& key) {
  const std::string parent = path_of(tasks, key.task);
  const std::string path = parent + "/" + std::to_string(key.generation);
  const Fd directory = open_directory(path);
  if (!directory) return {};
  empty(directory.get());
  if (::rmdir(path.c_str()) != 0 && errno != ENOENT) return os_error("removing " + path);
  (void)::rmdir(parent.c_str());
  return {};
}

void fence_records(int directory) {
  const Fd file(::openat(directory, "records", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file) ::fsync(file.get());
}

Result<void> write_whole(int directory, const std::string& name, std::string_view bytes) {
  const Fd file(::openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file || ::write(file.get(), bytes.data(), bytes.size()) !=
                   static_cast<ssize_t>(bytes.size())) {
    return os_error("writing " + name);
  }
  return {};
}

std::optional<EnergyReading> read_energy(int directory) {
  const std::string text = read_some(directory, "energy", 64 << 10);
  if (text.empty()) return std::nullopt;
  return energy_from_text(text);
}

}  // namespace bessemer::executor
