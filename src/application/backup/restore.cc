// Restoring: every file against the list, then the new life's first fact, then the name.
#include "application/backup/restore.h"

#include <filesystem>

#include "application/backup/archive.h"
#include "application/backup/place.h"
#include "application/engine/engine.h"
#include "base/text.h"
#include "data/artifact/layout.h"
#include "world/real/disk.h"
#include "world/real/tree.h"

namespace bessemer::backup {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view unfinished = ".restoring";
// Seconds since then number the lives of a factory: above any count of attempts or restarts.
constexpr Instant counted_from{1'767'225'600LL * 1'000'000'000LL};  // 2026-01-01

Error damaged(std::string what) {
  return invalid("the backup is damaged: " + std::move(what))
      .because("backup_damaged")
      .fix("nothing was restored; use another backup");
}

class Unpacking {
 public:
  Unpacking(const Restoring& options, std::unique_ptr<real::RealDisk> disk,
            std::unique_ptr<real::RealTree> tree, std::unique_ptr<Source> source)
      : options_(options), disk_(std::move(disk)), tree_(std::move(tree)),
        source_(std::move(source)) {}

  Result<Restored> run() {
    TRY(unpack());
    TRY(compare());
    TRY_ASSIGN(restored_.contents, parse_contents(list_));
    if (options_.depth == Depth::everything) {
      TRY_ASSIGN(restored_.artifacts, verify_home(*disk_, options_.progress));
    }
    TRY(begin_life());
    return std::move(restored_);
  }

 private:
  Result<void> unpack() {
    Item item;
    std::uint64_t done = 0;
    while (true) {
      TRY_ASSIGN(const bool more, source_->next(item));
      if (!more) return {};
      if (item.path == contents_name) {
        TRY(unpack_list());
        continue;
      }
      if (!check_relative_path(item.path)) return damaged("a path that leads out of it");
      TRY(unpack_file(item.path));
      done += item.bytes;
      if (options_.progress) options_.progress("bytes restored", done, 0);
    }
  }

  Result<void> unpack_list() {
    while (true) {
      TRY_ASSIGN(const std::string_view piece, source_->take());
      if (piece.empty()) return {};
      if (list_.size() + piece.size() > max_contents_bytes) return damaged("its list is too long");
      list_ += piece;
    }
  }

  Result<void> unpack_file(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash);
    if (folders_.insert(folder).second) TRY(disk_->make_directories(folder));
    auto opened = disk_->open(path, world::OpenMode::create);
    if (!opened && opened.error().code == Code::conflict) return damaged(path + " is there twice");
    TRY_ASSIGN(const auto file, std::move(opened));
    Sha256 running;
    Listed found;
    while (true) {
      TRY_ASSIGN(const std::string_view piece, source_->take());
      if (piece.empty()) break;
      running.add(piece);
      TRY(file->write_at(found.bytes, piece));
      found.bytes += piece.size();
    }
    found.digest = running.finish();
    TRY(file->sync());
    const bool blob = path.starts_with("artifacts/") && path.find("/blobs/") != std::string::npos;
    if (blob) TRY(tree_->set_mode(path, artifact::layout::file_mode));
    found_.emplace(path, found);
    return {};
  }

  // What the list names is there and as it says; what it does not name was given up on.
  Result<void> compare() {
    if (list_.empty()) return damaged("it has no list of its files: it never ended well");
    TRY_ASSIGN(const Contents contents, parse_contents(list_));
    for (const auto& [path, listed] : contents.files) {
      const auto at = found_.find(path);
      if (at == found_.end()) return damaged(path + " is missing");
      if (at->second != listed) return damaged(path + " is not what was backed up");
      found_.erase(at);
    }
    for (const auto& [path, found] : found_) TRY(disk_->remove(path));
    std::set<std::string> all{""};
    for (std::string folder : folders_) {
      while (!folder.empty()) {
        all.insert(folder);
        const std::size_t slash = folder.rfind('/');
        folder = slash == std::string::npos ? "" : folder.substr(0, slash);
      }
    }
    for (const std::string& folder : all) TRY(disk_->sync_directory(folder));
    return {};
  }

  Result<void> begin_life() {
    engine::Options options;
    options.mark = options_.mark;
    TRY_ASSIGN(const auto engine, engine::Engine::open(*disk_, options));
    const journal::Head& at = restored_.contents.at;
    if (engine->applied() != at.sequence) {
      return damaged("its journal ends at fact " + std::to_string(engine->applied()) + ", not " +
                     std::to_string(at.sequence));
    }
    Context context;
    context.now = context.occurred_at = options_.now;
    context.origin = Origin::decided;
    restored_.floor =
        static_cast<std::uint32_t>((options_.now - counted_from).ns / seconds(1).ns);
    TRY(engine->submit(factory::OwnCommand(factory::BeginLife{at.sequence, restored_.floor}),
                       context));
    return engine->commit_now();
  }

  const Restoring& options_;
  std::unique_ptr<real::RealDisk> disk_;
  std::unique_ptr<real::RealTree> tree_;
  std::unique_ptr<Source> source_;
  std::string list_;
  std::map<std::string, Listed> found_;
  std::set<std::string> folders_;
  Restored restored_;
};

// The number that keeps the new life apart must lie above any that the old one gave out.
Result<void> check_clock(Instant now) {
  if (now - counted_from >= seconds(1)) return {};
  return conflict("the clock of this machine says " + to_text(now) +
                  ": lives of a factory are told apart by seconds since 2026")
      .because("clock_wrong")
      .fix("set the clock, then restore");
}

Result<void> check_target(const std::string& home, const std::string& fresh) {
  if (const std::string other = factory_above(home); !other.empty()) {
    return conflict(home + " lies inside the factory, or the backup of one, in " + other)
        .fix("restore into a directory beside it: name one with --to");
  }
  std::error_code ignored;
  if (fs::exists(home, ignored) && !fs::is_empty(home, ignored)) {
    return conflict(home + " is not empty").fix(
        "restore into a new directory: move the old one away, or name another with --to");
  }
  if (fs::exists(fresh, ignored)) {
    return conflict(fresh + " is left of a restore that did not end").fix("remove it");
  }
  return {};
}

Result<Restored> restore_into(const Restoring& options, const std::string& fresh) {
  TRY_ASSIGN(auto source, open(options.place));
  TRY_ASSIGN(auto disk, real::RealDisk::open_root(fresh));
  TRY_ASSIGN(auto tree, real::RealTree::open_root(fresh));
  TRY_ASSIGN(const auto lock, disk->lock(""));
  TRY_ASSIGN(const auto parent,
             real::RealDisk::open_root(fs::path(options.home).parent_path().string()));
  Unpacking unpacking(options, std::move(disk), std::move(tree), std::move(source));
  TRY_ASSIGN(Restored restored, unpacking.run());
  const std::string name = fs::path(options.home).filename().string();
  if (parent->exists(name)) TRY(parent->remove(name));  // empty, see check_target
  TRY(parent->rename(name + std::string(unfinished), name));
  TRY(parent->sync_directory(""));
  return restored;
}

}  // namespace

Result<Restored> restore(const Restoring& options) {
  const std::string fresh = options.home + std::string(unfinished);
  TRY(check_clock(options.now));
  TRY(check_target(options.home, fresh));
  auto restored = restore_into(options, fresh);
  std::error_code ignored;
  if (!restored) fs::remove_all(fresh, ignored);
  return restored;
}

}  // namespace bessemer::backup
