// A disk in memory: what is read, what is durable, and what a crash makes of the difference.
#include "world/simulated/disk.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "base/text.h"

namespace bessemer::simulated {

namespace {

constexpr std::size_t sector = 512;

std::string parent_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string() : std::string(path.substr(0, slash));
}

void overwrite(std::string& content, std::uint64_t offset, std::string_view bytes) {
  if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size(), '\0');
  std::copy(bytes.begin(), bytes.end(), content.begin() + static_cast<std::ptrdiff_t>(offset));
}

// One change of a file's content that is not synced yet.
struct Change {
  std::uint64_t offset = 0;
  std::string bytes;
  std::optional<std::uint64_t> truncated_to;
  void apply(std::string& content) const {
    if (truncated_to) content.resize(*truncated_to, '\0');
    else overwrite(content, offset, bytes);
  }
};

struct Node {
  std::string live, durable;
  std::vector<Change> pending;
};
using NodePointer = std::shared_ptr<Node>;  // null: a directory
using Names = std::map<std::string, NodePointer>;

// One change of a directory that is not synced yet: first `gone` goes, then `added` comes.
struct NameChange {
  std::string directory;
  std::string gone, added;  // empty: none
  NodePointer node;
  void apply(Names& names) const {
    if (!gone.empty()) names.erase(gone);
    if (!added.empty()) names[added] = node;
  }
};

}  // namespace

struct SimulatedDisk::State {
  explicit State(std::uint64_t seed) : random(seed) {}

  Random random;
  Names live, durable;
  std::vector<NameChange> pending;
  std::set<std::string> locked;
  std::uint64_t capacity = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t calls = 0;
  std::uint64_t boot = 0;  // counts crashes: handles of an earlier one are dead
  std::map<std::uint64_t, Fault> faults;
  bool down = false;

  // Counts a call and says what is to go wrong with it.
  std::optional<Fault> begin_call() {
    ++calls;
    if (down) return Fault::refuse;
    const auto found = faults.find(calls);
    if (found == faults.end()) return std::nullopt;
    const Fault fault = found->second;
    faults.erase(found);
    if (fault == Fault::crash) down = true;
    return fault;
  }

  std::uint64_t used() const {
    std::uint64_t total = 0;
    for (const auto& [name, node] : live) total += node ? node->live.size() : 0;
    return total;
  }

  void change_names(NameChange change) {
    change.apply(live);
    pending.push_back(std::move(change));
  }

  bool is_directory(const std::string& path) const {
    if (path.empty()) return true;
    const auto found = live.find(path);
    return found != live.end() && found->second == nullptr;
  }

  // What becomes of a file when the power fails.
  void lose(Node& node, Unsynced unsynced) {
    for (const Change& change : node.pending) {
      if (unsynced == Unsynced::lost) break;
      if (change.truncated_to) {
        if (random.chance(1, 2)) change.apply(node.durable);
        continue;
      }
      std::string_view rest = change.bytes;
      for (std::uint64_t at = change.offset; !rest.empty();) {
        const std::size_t piece = std::min<std::size_t>(rest.size(), sector - at % sector);
        const auto fate = random.below(8);  // half kept, one in eight cut inside
        const std::size_t kept = fate < 4 ? piece : fate == 4 ? random.below(piece + 1) : 0;
        if (kept > 0) overwrite(node.durable, at, rest.substr(0, kept));
        rest.remove_prefix(piece);
        at += piece;
      }
    }
    node.pending.clear();
    node.live = node.durable;
  }

  // Each directory keeps the first few of its changes, in order.
  void lose_names(Unsynced unsynced) {
    std::map<std::string, bool> stopped;
    for (const NameChange& change : pending) {
      bool& stop = stopped[change.directory];
      if (!stop && (unsynced == Unsynced::lost || random.chance(1, 3))) stop = true;
      if (!stop) change.apply(durable);
    }
    pending.clear();
    // A name whose directory was lost is lost with it. Parents sort before what they hold.
    for (auto at = durable.begin(); at != durable.end();) {
      const std::string parent = parent_of(at->first);
      const auto holder = durable.find(parent);
      const bool there = parent.empty() || (holder != durable.end() && !holder->second);
      at = there ? std::next(at) : durable.erase(at);
    }
    live = durable;
  }
};

namespace {

using State = SimulatedDisk::State;

class SimulatedFile final : public world::File {
 public:
  SimulatedFile(std::shared_ptr<State> state, NodePointer node, std::string name, bool writable)
      : state_(std::move(state)), node_(std::move(node)), name_(std::move(name)),
        boot_(state_->boot), writable_(writable) {}

  Result<void> write_at(std::uint64_t offset, std::string_view bytes) override {
    TRY(usable());
    check(writable_, "writing a file that was opened for reading");
    const auto fault = state_->begin_call();
    if (fault == Fault::refuse) return internal("writing " + name_ + ": refused");
    if (fault) {
      if (!bytes.empty()) put(offset, bytes.substr(0, state_->random.below(bytes.size())));
      return internal("writing " + name_ + ": failed half-way");
    }
    const std::uint64_t end = offset + bytes.size();
    const std::uint64_t grows = end > node_->live.size() ? end - node_->live.size() : 0;
    if (grows > 0 && state_->used() + grows > state_->capacity) {
      return exhausted("writing " + name_ + ": No space left on device");
    }
    put(offset, bytes);
    return {};
  }

  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const override {
    TRY(usable());
    if (offset >= node_->live.size()) return std::size_t{0};
    return node_->live.copy(into.data(), into.size(), offset);
  }

  Result<void> sync() override {
    TRY(usable());
    if (state_->begin_call()) {
      // The cache drops the error with the pages' marks: what a later sync confirms is not this.
      if (!state_->down) node_->pending.clear();
      return internal("syncing " + name_ + ": Input/output error");
    }
    for (const Change& change : node_->pending) change.apply(node_->durable);
    node_->pending.clear();
    return {};
  }

  Result<std::uint64_t> size() const override {
    TRY(usable());
    return std::uint64_t{node_->live.size()};
  }

  Result<void> truncate(std::uint64_t size) override {
    TRY(usable());
    check(writable_, "truncating a file that was opened for reading");
    if (state_->begin_call()) return internal("truncating " + name_ + ": refused");
    node_->pending.push_back({0, {}, size});
    node_->pending.back().apply(node_->live);
    return {};
  }

 private:
  Result<void> usable() const {
    if (state_->boot != boot_) return internal(name_ + ": the machine has restarted");
    return {};
  }
  void put(std::uint64_t offset, std::string_view bytes) {
    if (bytes.empty()) return;
    node_->pending.push_back({offset, std::string(bytes), std::nullopt});
    node_->pending.back().apply(node_->live);
  }

  std::shared_ptr<State> state_;
  NodePointer node_;
  std::string name_;
  std::uint64_t boot_;
  bool writable_;
};

class SimulatedLock final : public world::Lock {
 public:
  SimulatedLock(std::shared_ptr<State> state, std::string directory)
      : state_(std::move(state)), directory_(std::move(directory)), boot_(state_->boot) {}
  ~SimulatedLock() override {
    if (state_->boot == boot_) state_->locked.erase(directory_);
  }
  SimulatedLock(const SimulatedLock&) = delete;
  SimulatedLock& operator=(const SimulatedLock&) = delete;

 private:
  std::shared_ptr<State> state_;
  std::string directory_;
  std::uint64_t boot_;
};

}  // namespace

SimulatedDisk::SimulatedDisk(std::uint64_t seed) : state_(std::make_shared<State>(seed)) {}
SimulatedDisk::~SimulatedDisk() = default;

void SimulatedDisk::set_capacity(std::uint64_t bytes) { state_->capacity = bytes; }
void SimulatedDisk::fail_call(std::uint64_t n, Fault fault) {
  check(n > 0, "calls count from 1");
  state_->faults[state_->calls + n] = fault;
}
void SimulatedDisk::clear_faults() { state_->faults.clear(); }
std::uint64_t SimulatedDisk::calls() const { return state_->calls; }
std::uint64_t SimulatedDisk::used() const { return state_->used(); }

void SimulatedDisk::crash(Unsynced unsynced) {
  State& s = *state_;
  ++s.boot;
  s.down = false;
  s.locked.clear();
  s.faults.clear();
  if (unsynced == Unsynced::kept) return;
  std::set<Node*> seen;  // only for membership: its order is never walked
  std::vector<NodePointer> nodes;
  const auto remember = [&](const NodePointer& node) {
    if (node && seen.insert(node.get()).second) nodes.push_back(node);
  };
  for (const auto& [name, node] : s.durable) remember(node);
  for (const auto& change : s.pending) remember(change.node);
  for (const auto& node : nodes) s.lose(*node, unsynced);
  s.lose_names(unsynced);
}

std::map<std::string, std::string> SimulatedDisk::files() const {
  std::map<std::string, std::string> out;
  for (const auto& [name, node] : state_->live) {
    if (node) out[name] = node->live;
  }
  return out;
}

void SimulatedDisk::put(const std::string& path, std::string bytes) {
  check(check_relative_path(path).has_value(), "a path that leaves the disk");
  for (std::string dir = parent_of(path); !dir.empty(); dir = parent_of(dir)) {
    state_->live[dir] = nullptr;
    state_->durable[dir] = nullptr;
  }
  const auto node = std::make_shared<Node>();
  node->live = node->durable = std::move(bytes);
  state_->live[path] = node;
  state_->durable[path] = node;
}

Result<std::unique_ptr<world::File>> SimulatedDisk::open(std::string_view path,
                                                         world::OpenMode mode) {
  TRY(check_relative_path(path));
  State& s = *state_;
  const std::string name(path);
  const auto found = s.live.find(name);
  if (mode == world::OpenMode::create) {
    if (s.begin_call()) return internal("creating " + name + ": refused");
    if (found != s.live.end()) return conflict("creating " + name + ": File exists");
    if (!s.is_directory(parent_of(path))) return not_found("creating " + name);
    const auto node = std::make_shared<Node>();
    s.change_names({parent_of(path), {}, name, node});
    return std::make_unique<SimulatedFile>(state_, node, name, true);
  }
  if (s.down) return internal("opening " + name + ": refused");
  if (found == s.live.end()) return not_found("opening " + name + ": No such file or directory");
  if (found->second == nullptr) return internal("opening " + name + ": Is a directory");
  return std::make_unique<SimulatedFile>(state_, found->second, name,
                                         mode == world::OpenMode::read_write);
}

Result<std::vector<std::string>> SimulatedDisk::list(std::string_view directory) const {
  const std::string name(directory);
  if (!state_->is_directory(name)) return not_found("listing " + name);
  const std::string prefix = name.empty() ? name : name + "/";
  std::vector<std::string> names;
  for (auto at = state_->live.lower_bound(prefix); at != state_->live.end(); ++at) {
    if (!at->first.starts_with(prefix)) break;
    const std::string rest = at->first.substr(prefix.size());
    if (rest.find('/') == std::string::npos) names.push_back(rest);
  }
  return names;
}

bool SimulatedDisk::exists(std::string_view path) const {
  return path.empty() || state_->live.contains(std::string(path));
}

Result<void> SimulatedDisk::rename(std::string_view from, std::string_view to) {
  TRY(check_relative_path(from));
  TRY(check_relative_path(to));
  State& s = *state_;
  const std::string old_name(from), new_name(to);
  if (s.begin_call()) return internal("renaming " + old_name + ": refused");
  const auto found = s.live.find(old_name);
  if (found == s.live.end()) return not_found("renaming " + old_name);
  if (!s.is_directory(parent_of(to))) return not_found("renaming to " + new_name);
  check(found->second != nullptr, "directories are not renamed here");
  const NodePointer node = found->second;
  s.change_names({parent_of(to), old_name, new_name, node});
  return {};
}

Result<void> SimulatedDisk::remove(std::string_view path) {
  TRY(check_relative_path(path));
  State& s = *state_;
  const std::string name(path);
  if (s.begin_call()) return internal("removing " + name + ": refused");
  if (!s.live.contains(name)) return not_found("removing " + name);
  const auto below = s.live.lower_bound(name + "/");
  if (below != s.live.end() && below->first.starts_with(name + "/")) {
    return internal("removing " + name + ": Directory not empty");
  }
  s.change_names({parent_of(path), name, {}, nullptr});
  return {};
}

Result<void> SimulatedDisk::make_directories(std::string_view path) {
  if (path.empty()) return {};
  TRY(check_relative_path(path));
  State& s = *state_;
  for (std::size_t end = 0; end != std::string_view::npos;) {
    end = path.find('/', end + 1);
    const std::string part(path.substr(0, end));
    const auto found = s.live.find(part);
    if (found != s.live.end() && found->second == nullptr) continue;
    if (s.begin_call()) return internal("making " + part + ": refused");
    if (found != s.live.end()) return not_found("making " + part + ": Not a directory");
    s.change_names({parent_of(part), {}, part, nullptr});
  }
  return {};
}

Result<void> SimulatedDisk::sync_directory(std::string_view path) {
  State& s = *state_;
  const std::string name(path);
  if (s.begin_call()) return internal("syncing directory " + name + ": refused");
  if (!s.is_directory(name)) return not_found("syncing directory " + name);
  std::erase_if(s.pending, [&](const NameChange& change) {
    if (change.directory != name) return false;
    change.apply(s.durable);
    return true;
  });
  return {};
}

Result<std::unique_ptr<world::Lock>> SimulatedDisk::lock(std::string_view directory) {
  const std::string name(directory);
  if (!state_->is_directory(name)) return not_found("locking " + name);
  if (!state_->locked.insert(name).second) {
    return conflict(name + " is in use by another process").fix("stop that process");
  }
  return std::unique_ptr<world::Lock>(std::make_unique<SimulatedLock>(state_, name));
}

}  // namespace bessemer::simulated
