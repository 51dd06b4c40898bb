// Walks a directory that is not trusted and stores what lies there.
#include "data/artifact/import.h"

#include <algorithm>
#include <string>
#include <vector>

namespace bessemer::artifact {

namespace {

// One import under way.
class Import {
 public:
  Import(Store& store, OrgId tenant, world::Tree& from, const ImportLimits& limits)
      : store_(store), tenant_(tenant), from_(from), limits_(limits) {}

  // Takes everything below `folder`; directories wait in a list, so that depth costs no stack.
  Result<void> take_all(const std::string& folder) {
    std::vector<std::string> waiting{""};  // paths within the tree; "" is its root
    while (!waiting.empty()) {
      const std::string within = std::move(waiting.back());
      waiting.pop_back();
      TRY_ASSIGN(const auto names, from_.list(joined(folder, within), remaining_entries()));
      entries_seen_ += names.size();
      for (const std::string& name : names) {
        const std::string path = joined(within, name);
        auto taken = take(joined(folder, path), path, waiting);
        if (!taken) return std::move(taken).error().within(path.substr(0, 200));
      }
    }
    return {};
  }

  Result<Imported> finish() {
    const std::uint64_t files = entries_.size();
    TRY_ASSIGN(const Manifest manifest, make_manifest(std::move(entries_)));
    TRY_ASSIGN(const Digest tree, store_.publish(tenant_, manifest));
    return Imported{tree, bytes_, files};
  }

 private:
  static std::string joined(const std::string& folder, const std::string& name) {
    if (folder.empty() || name.empty()) return folder + name;
    return folder + "/" + name;
  }

  // Directories count too: a tree of empty ones must end somewhere.
  std::size_t remaining_entries() const {
    const std::uint64_t most = 2 * limits_.files + 16;
    return static_cast<std::size_t>(most - std::min<std::uint64_t>(most, entries_seen_));
  }

  Result<void> take(const std::string& at, const std::string& path,
                    std::vector<std::string>& waiting) {
    TRY(check_tree_path(path));
    TRY_ASSIGN(const world::EntryStatus stands, from_.status(at));
    if (stands.kind == world::EntryKind::directory) {
      waiting.push_back(path);
      return {};
    }
    if (stands.kind == world::EntryKind::other) {
      return invalid("is a device, socket or pipe").fix("leave only files behind");
    }
    if (entries_.size() >= limits_.files) {
      return exhausted("there are more than " + std::to_string(limits_.files) + " files")
          .fix("pack small files together");
    }
    world::EntryStatus about;
    TRY_ASSIGN(const auto file, from_.open(at, about));
    TRY_ASSIGN(const Blob blob, store_.put(tenant_, *file, limits_.bytes - bytes_));
    bytes_ += blob.bytes;
    entries_.push_back({path, blob.bytes, blob.digest, about.executable});
    return {};
  }

  Store& store_;
  const OrgId tenant_;
  world::Tree& from_;
  const ImportLimits& limits_;
  std::vector<Entry> entries_;
  std::uint64_t entries_seen_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace

Result<Imported> import_tree(Store& store, OrgId tenant, world::Tree& from,
                             std::string_view folder, const ImportLimits& limits) {
  Import import(store, tenant, from, limits);
  TRY(import.take_all(std::string(folder)));
  return import.finish();
}

}  // namespace bessemer::artifact
