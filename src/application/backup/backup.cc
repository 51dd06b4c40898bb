// What a backup holds, in the order in which it is read.
//
// The journal is read first and fixes the fact that the backup is of. Everything else is read
// after it, so that whatever those facts name is there; what came since is harmless: no fact of
// these names it.
#include "application/backup/backup.h"

#include <set>

#include "application/backup/archive.h"
#include "application/backup/place.h"
#include "application/engine/held_bytes.h"
#include "application/engine/replay.h"
#include "data/artifact/layout.h"
#include "data/artifact/manifest.h"
#include "journal/copy.h"
#include "journal/snapshot.h"
#include "journal/usage_log.h"
#include "world/real/disk.h"
#include "world/real/tree.h"

namespace bessemer::backup {
namespace {

constexpr std::size_t piece_bytes = std::size_t{1} << 20;
constexpr std::size_t max_names = 10'000'000;  // in one folder
// Read by code of their own, or of no worth elsewhere.
const std::set<std::string> not_copied = {"journal", "snapshots", "artifacts", "usage",
                                          "run",     "tasks",     "outputs",   "lock",
                                          "views.db"};
// What tasks write while we read: one that changed is left out rather than kept half.
constexpr std::string_view of_tasks = "checkpoints/";

class Packing {
 public:
  Packing(const Options& options, std::unique_ptr<real::RealDisk> disk,
          std::unique_ptr<real::RealTree> tree, std::unique_ptr<Sink> sink)
      : options_(options), disk_(std::move(disk)), tree_(std::move(tree)), sink_(std::move(sink)) {}

  Result<Made> run() {
    made_.contents.taken = options_.now;
    TRY(pack_journal());
    TRY(pack_artifacts());
    TRY(pack_usage());
    TRY_ASSIGN(const auto names, tree_->list("", max_names));
    for (const std::string& name : names) {
      if (!not_copied.contains(name)) TRY(pack_tree(name));
    }
    const std::string list = to_text(made_.contents);
    TRY(sink_->begin(std::string(contents_name), list.size()));
    TRY(sink_->add(list));
    TRY(sink_->finish());
    return std::move(made_);
  }

 private:
  void tell(std::string_view what, std::uint64_t done, std::uint64_t of) const {
    if (options_.progress) options_.progress(what, done, of);
  }

  void list(const std::string& path, const Listed& listed) {
    made_.contents.files.emplace(path, listed);
    made_.bytes += listed.bytes;
  }

  Result<void> pack_bytes(const std::string& path, std::string_view bytes) {
    TRY(sink_->begin(path, bytes.size()));
    TRY(sink_->add(bytes));
    list(path, {bytes.size(), sha256(bytes)});
    return {};
  }

  // As many bytes as the file has now; one that is shorter by the time it is read ends in zeros and
  // is not listed. Returns the digest; none when it was too short.
  Result<Digest> pack_file(const std::string& path, const world::File& file, std::uint64_t bytes) {
    TRY(sink_->begin(path, bytes));
    Sha256 running;
    std::string piece;
    bool whole = true;
    for (std::uint64_t at = 0; at < bytes;) {
      piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(bytes - at, piece_bytes)));
      TRY_ASSIGN(const std::size_t got, file.read_at(at, piece));
      whole = whole && got > 0;
      if (got > 0) piece.resize(got);
      else piece.assign(piece.size(), '\0');
      running.add(piece);
      TRY(sink_->add(piece));
      at += piece.size();
    }
    if (!whole) return Digest{};
    const Digest digest = running.finish();
    list(path, {bytes, digest});
    return digest;
  }

  Result<void> pack_journal() {
    tell("facts", 0, 0);
    journal::Sequence applied = 0;
    const auto fold = [&](const journal::Batch& batch) {
      return engine::replay(batch, state_, applied);
    };
    const auto take = [&](const std::string& name, std::string_view bytes) -> Result<void> {
      TRY(pack_bytes("journal/" + name, bytes));
      tell("facts", applied, 0);
      return {};
    };
    TRY_ASSIGN(made_.contents.at, journal::copy_journal(*disk_, "journal", fold, take));
    const journal::Snapshot snapshot{made_.contents.at, factory::state_schema(),
                                     factory::encode_state(state_)};
    return pack_bytes("snapshots/" + journal::snapshot_name(snapshot.at.sequence),
                      journal::encode(snapshot));
  }

  // ---- artifacts

  Error damaged(const std::string& path) const {
    return internal("the stored bytes of " + path + " are damaged")
        .because("artifact_damaged")
        .fix("upload them again, or delete what needs them; then back up again");
  }

  Result<artifact::Manifest> pack_manifest(OrgId tenant, const Digest& tree) {
    const std::string path = "artifacts/" + artifact::layout::tree(tenant, tree);
    auto text = world::read_file(*disk_, path, artifact::max_manifest_bytes);
    if (!text || sha256(*text) != tree) return damaged(path);
    TRY(pack_bytes(path, *text));
    return artifact::parse_manifest(*text);
  }

  Result<void> pack_artifacts() {
    std::map<OrgId, std::set<OrgId>> projects;
    for (const auto& [project, holding] : state_.artifact.projects) {
      projects[tenant::tenant_of(state_.tenant, project)].insert(project);
    }
    std::map<std::pair<OrgId, Digest>, std::uint64_t> blobs;  // with their sizes
    std::uint64_t of = 0, done = 0;
    for (const auto& [tenant, own] : projects) {
      for (const Digest& tree : artifact::roots(state_.artifact, own)) {
        TRY_ASSIGN(const artifact::Manifest manifest, pack_manifest(tenant, tree));
        for (const artifact::Entry& entry : manifest.entries) {
          if (blobs.emplace(std::pair(tenant, entry.digest), entry.bytes).second) of += entry.bytes;
        }
      }
    }
    for (const auto& [blob, bytes] : blobs) {
      tell("artifacts", done, of);
      const std::string path = "artifacts/" + artifact::layout::blob(blob.first, blob.second);
      auto file = disk_->open(path, world::OpenMode::read);
      if (!file) return damaged(path);
      TRY_ASSIGN(const Digest digest, pack_file(path, **file, bytes));
      if (digest != blob.second) return damaged(path);
      done += bytes;
    }
    tell("artifacts", of, of);
    return {};
  }

  // ---- usage logs: journals of their own, beside which their writers live

  Result<void> pack_usage() {
    if (!disk_->exists("usage")) return {};
    TRY_ASSIGN(const auto names, tree_->list("usage", max_names));
    for (const std::string& name : names) {
      const auto gateway = from_text(std::type_identity<GatewayId>{}, name);
      if (!gateway) {
        TRY(pack_tree("usage/" + name));
        continue;
      }
      TRY_ASSIGN(const auto epochs, journal::list_usage_epochs(*disk_, *gateway));
      std::set<std::string> logs;
      for (const std::uint64_t epoch : epochs) {
        logs.insert(journal::usage_directory(*gateway, epoch));
      }
      TRY_ASSIGN(const auto inside, tree_->list("usage/" + name, max_names));
      for (const std::string& one : inside) {
        const std::string path = "usage/" + name + "/" + one;
        TRY(logs.contains(path) ? pack_log(path) : pack_tree(path));
      }
    }
    return {};
  }

  Result<void> pack_log(const std::string& directory) {
    tell("usage logs", 0, 0);
    const auto take = [&](const std::string& name, std::string_view bytes) {
      return pack_bytes(directory + "/" + name, bytes);
    };
    auto copied = journal::copy_journal(*disk_, directory, {}, take);
    // One that was begun this moment has no segment yet, and no use.
    if (!copied && copied.error().code != Code::not_found) return std::move(copied).error();
    TRY_ASSIGN(const auto sealed, journal::list_sealed_usage(*disk_, directory));
    if (sealed.empty()) return {};
    TRY_ASSIGN(const auto names, tree_->list(directory, max_names));
    for (const std::string& name : names) {
      if (name.ends_with(".sealed")) TRY(pack_tree(directory + "/" + name));
    }
    return {};
  }

  // ---- everything else, as it lies there

  // What has vanished since it was listed is passed over, and so is what is no file.
  Result<void> pack_tree(const std::string& path) {
    auto about = tree_->status(path);
    if (!about && about.error().code == Code::not_found) return {};
    TRY_ASSIGN(const world::EntryStatus entry, std::move(about));
    if (entry.kind == world::EntryKind::directory) {
      TRY_ASSIGN(const auto names, tree_->list(path, max_names));
      for (const std::string& name : names) TRY(pack_tree(path + "/" + name));
      return {};
    }
    if (entry.kind != world::EntryKind::file || path.ends_with(".new")) return {};
    if (!artifact::check_tree_path(path)) {
      made_.passed_over.push_back(path);
      return {};
    }
    world::EntryStatus opened;
    auto file = tree_->open(path, opened);
    if (!file && file.error().code == Code::not_found) return {};
    TRY_ASSIGN(const auto readable, std::move(file));
    tell(path.substr(0, path.find('/')), 0, 0);
    TRY_ASSIGN(const Digest digest, pack_file(path, *readable, opened.bytes));
    if (digest || opened.bytes == 0) return {};
    made_.passed_over.push_back(path);
    if (path.starts_with(of_tasks)) return {};
    return internal(path + " became shorter while it was read").fix("back up again");
  }

  const Options& options_;
  std::unique_ptr<real::RealDisk> disk_;
  std::unique_ptr<real::RealTree> tree_;
  std::unique_ptr<Sink> sink_;
  factory::State state_;
  Made made_;
};

}  // namespace

Result<Made> make_backup(const Options& options) {
  auto tree = real::RealTree::open_root(options.home);
  if (!tree || !(*tree)->status("journal")) {
    return not_found("there is no factory in " + options.home)
        .fix("set BESSEMER_HOME to its state directory");
  }
  if (lies_inside(options.place, options.home)) {
    return invalid("the backup would lie inside the state directory that it is of, and be part of "
                   "itself")
        .at(options.place)
        .fix("name a place outside " + options.home);
  }
  TRY_ASSIGN(auto disk, real::RealDisk::open_root(options.home));
  TRY_ASSIGN(const auto held, engine::hold_bytes(*disk));
  TRY_ASSIGN(auto sink, create(options.place));
  Packing packing(options, std::move(disk), *std::move(tree), std::move(sink));
  return packing.run();
}

}  // namespace bessemer::backup
